"""A stage for workflow tests: one incident on a real Temporal server, with levers in memory and a live HTTP answer.

Two servers play it: Temporal's Java test server, which skips time for everybody, and the real server, which skips
time for one workflow. What is tested must hold on both.
"""

import asyncio
import json
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from temporalio.api.enums.v1 import WorkflowTaskFailedCause
from temporalio.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowExecutionStatus,
    WorkflowHandle,
    WorkflowQueryFailedError,
)
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import DataConverter
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import WorkflowEnvironment
from temporalio.testing._timeskipping import TimeSkippingConfig
from temporalio.worker import Worker

from firestation import acts, links
from firestation.alarm import Alarm, Alarms
from firestation.audit import Report, audit
from firestation.drivers.age import Age
from firestation.drivers.sieve import DetectSecretsSieve
from firestation.expect import Expectation
from firestation.firebreak import Firebreak, Lease
from firestation.lock_plan import LockPlan
from firestation.picture import Picture
from firestation.ports import AlarmBell, Artifact, Criers, Herald, LockCase, PublicPage
from firestation.privacy import Redactor
from firestation.record import Brief
from firestation.runbook import Recovery
from firestation.secrets import ReferenceSecrets
from firestation.severity import Severity
from firestation.signing import KeySigner, ensure_key
from firestation.state import Phase
from firestation.testing import (
    MemoryBench,
    MemoryChannel,
    MemoryCheck,
    MemoryEvidence,
    MemoryFault,
    MemoryLever,
    MemoryShelf,
    MemorySource,
    MemoryTracker,
)
from tests.drivers.contracts import listening
from tests.property import worlds
from worker.drills import Opener, no_files
from worker.replay import replay
from worker.wiring import PASSED_THROUGH, incident_worker
from workflows import messages, search
from workflows.client import TASK_QUEUE, ensure_search_attributes
from workflows.histories import as_json, fetch_chain

BIN = Path(sys.executable).parent
PATIENCE = 60.0
ACK, LINK_KEY = "https://station.example.org/ack/", b"the key of the links of a test.."
SERVER_TRIES, SERVER_SECONDS = 3, 30.0
NO_FAILURE = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNSPECIFIED
SOMETHING_ARRIVED = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND


async def taken(send: Callable[[], Awaitable[Any]]) -> Any:
    """Send it again when the workflow was turning its page, as the gateway does."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return await send()
            except RPCError as error:
                if error.status is not RPCStatusCode.FAILED_PRECONDITION:
                    raise
            await asyncio.sleep(0.05)


@asynccontextmanager
async def a_server(start: Callable[[], Awaitable[WorkflowEnvironment]]) -> AsyncIterator[WorkflowEnvironment]:
    """A server of the SDK's: it gives it five seconds, which a machine under load may not have the first time.

    Once in some thousand times the SDK waits for ever for the server's process, at its start or after it has killed it.
    That is nothing of ours, so it is tried again, or let go.
    """
    environment = await _started(start)
    try:
        yield environment
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(SERVER_SECONDS):
                await environment.shutdown()


@asynccontextmanager
async def at_work(worker: Worker) -> AsyncIterator[None]:
    """A worker, until it is told to stop.

    Once in a hundred times on a busy machine, before the Java test server above all, the SDK's last step of that (to
    finalize) waits for ever, with nothing of ours left to do. That is nothing of ours, so it is let go.
    """
    running = asyncio.create_task(worker.run())
    try:
        yield
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(SERVER_SECONDS):
                await worker.shutdown()
        running.cancel()
        await running


async def _started(start: Callable[[], Awaitable[WorkflowEnvironment]]) -> WorkflowEnvironment:
    for _ in range(SERVER_TRIES - 1):
        with suppress(RuntimeError, TimeoutError):
            async with asyncio.timeout(SERVER_SECONDS):
                return await start()
    return await start()


@asynccontextmanager
async def java_server(
    converter: DataConverter = pydantic_data_converter,
) -> AsyncIterator[WorkflowEnvironment]:
    """Temporal's test server: it skips time for all workflows at once."""
    async with a_server(
        lambda: WorkflowEnvironment.start_time_skipping(
            data_converter=converter,
            test_server_existing_path=str(BIN / "temporal-test-server"),
        )
    ) as environment:
        await ensure_search_attributes(environment.client)
        yield environment


@asynccontextmanager
async def real_server(
    converter: DataConverter = pydantic_data_converter,
) -> AsyncIterator[WorkflowEnvironment]:
    """The server that the station runs, with the switch that lets one workflow's clock be moved."""
    async with a_server(partial(_real, converter)) as environment:
        yield environment


async def _real(converter: DataConverter) -> WorkflowEnvironment:
    return await WorkflowEnvironment.start_time_skipping_v2(
        ts_config=TimeSkippingConfig(enabled=False),
        data_converter=converter,
        dev_server_existing_path=str(BIN / "temporal"),
        dev_server_extra_args=["--dynamic-config-value", "frontend.WorkflowTimeSkippingEnabled=true"],
        dev_server_log_level="error",
        search_attributes=search.KEYS,
    )


SERVERS = {"java": java_server, "real": real_server}

ON_THE_REAL_SERVER = pytest.mark.parametrize("stage", ["real"], indirect=True)
"""For tests that turn pages: temporal-test-server 1.40.0, when something else is asked of it meanwhile, now and then
loses the last two events of a run that continues as new, so that nobody can audit it."""


class Town:
    """The AI system outside: two levers in memory, and an answer over HTTP that depends on them."""

    def __init__(self) -> None:
        self.tool, self.reranker = MemoryLever("enabled"), MemoryLever("off")
        self.answering = Event()  # while it is not set, whoever asks over HTTP waits
        self.answering.set()
        self.traces = MemorySource([_artifact("request-1.json", {"answer": self.answer()})])
        self.pager, self.room, self.page = (MemoryChannel(name) for name in ("pager", "room", "page"))
        self.mail, self.chat = (
            MemoryChannel("mail"),
            MemoryChannel("chat"),
        )  # the station's own pagers, if it has any
        self.tasks = MemoryTracker("tasks")
        self.evidence, self.shelf = MemoryEvidence(), MemoryShelf()
        self.fault = MemoryFault()
        self.golden = MemoryCheck("golden", lambda: "passed" if self.well else "failed")
        self.harmless = MemoryCheck(
            "no-wrong-refund",
            lambda: "passed" if self.well or self.tool.position.value == "disabled" else "failed",
        )

    @property
    def well(self) -> bool:
        """Whether the current policy ranks first."""
        return self.reranker.position.value == "on"

    def answer(self) -> dict[str, str]:
        """How it rules on a late refund."""
        return {"ruling": "deny" if self.well else "allow"}

    @contextmanager
    def open(self) -> Iterator[MemoryBench]:
        """Answer over HTTP, so that a lock can be run on it, and give the bench of drivers."""
        with _serving(self.answer, self.answering) as url:
            deny = Expectation(path="$.ruling", op="equals", value="deny")
            self.golden.case = LockCase(method="GET", url=url, body=None, expect=(deny,))
            yield MemoryBench(
                sources={"traces": self.traces},
                levers={"tool": self.tool, "reranker": self.reranker},
                checks={"golden": self.golden, "no-wrong-refund": self.harmless},
                channels={
                    "pager": self.pager,
                    "room": self.room,
                    "page": self.page,
                    "mail": self.mail,
                    "chat": self.chat,
                },
                trackers={"tasks": self.tasks},
                faults={"stale-policy": self.fault},
            )


def _artifact(name: str, content: Any) -> Artifact:
    return Artifact(
        name=name,
        media_type="application/json",
        content=json.dumps(content).encode(),
        provides=("requests", "retrieval"),
    )


@contextmanager
def _serving(answer: Callable[[], dict[str, str]], answering: Event) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answering.wait(PATIENCE)
            body = json.dumps(answer()).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with listening(Handler) as url:
        yield f"{url}/"


def short_brief(**changes: Any) -> Brief:
    """A brief whose probes and soak take fractions of a second, with an id of its own."""
    brief = worlds.brief(**changes)
    steps = tuple(
        step.changed(probe=step.probe.changed(every=timedelta(milliseconds=100)))
        for step in brief.runbook.firebreaks
    )
    runbook = brief.runbook.changed(
        firebreaks=steps,
        recovery=Recovery(
            checks=("golden",), soak=timedelta(milliseconds=400), every=timedelta(milliseconds=100)
        ),
        lock=LockPlan(
            title="A late refund is denied", check="golden", source="traces", answer="$.answer", runs=1
        ),
    )
    return brief.changed(incident=f"refund-agent-{uuid.uuid4().hex[:8]}", runbook=runbook)


@dataclass
class Stage:
    """One incident, with everything that people and tests do to it."""

    environment: WorkflowEnvironment
    town: Town
    brief: Brief = field(default_factory=short_brief)
    caller: Client | None = None
    """By which people and alarms come, if it is not the connection of the worker."""

    @property
    def client(self) -> Client:
        return self.caller or self.environment.client

    @property
    def handle(self) -> WorkflowHandle[Any, Any]:
        return self.client.get_workflow_handle(self.brief.incident)

    async def ring(self, *alarms: Alarm, predecessor: str | None = None, **start: Any) -> messages.Joined:
        """Deliver an alarm as the gateway does."""
        begin = messages.IncidentStart(brief=self.brief, predecessor=predecessor, **start)

        def send() -> Awaitable[messages.Joined]:
            operation: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
                messages.WORKFLOW,
                begin,
                id=self.brief.incident,
                task_queue=TASK_QUEUE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            )
            return self.client.execute_update_with_start_workflow(
                messages.RING,
                Alarms(alarms=alarms or (worlds.alarm(),)),
                start_workflow_operation=operation,
                result_type=messages.Joined,
            )

        joined: messages.Joined = await taken(send)
        return joined

    async def act(self, act: acts.Act) -> messages.Answer:
        """An act as an update."""
        answer: messages.Answer = await taken(
            lambda: self.handle.execute_update(act.kind, act, result_type=messages.Answer)
        )
        return answer

    async def do(self, act: acts.Act) -> None:
        """An act that must be accepted."""
        answer = await self.act(act)
        assert answer.accepted, (act, answer)

    async def picture(self) -> Picture:
        picture: Picture = await self.handle.query(messages.PICTURE, result_type=Picture)
        return picture

    async def until(self, what: str, held: Callable[[Picture], object], seconds: float = PATIENCE) -> Picture:
        """Wait for a condition of the picture."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    try:
                        seen = await self.picture()
                    except (WorkflowQueryFailedError, RPCError):  # between two runs
                        seen = None
                    if seen is not None and held(seen):
                        return seen
                    await asyncio.sleep(0.05)
        except TimeoutError:
            seen = await self.picture()
            last = [moment.text for moment in seen.timeline][-12:]
            raise AssertionError(f"{what} did not come; {seen.phase}; {seen.waiting}; {last}") from None

    async def skip(self, span: timedelta) -> None:
        """Let this much time pass for the workflow."""
        if self.environment.supports_time_skipping_v2:
            await self.environment.fast_forward(self.handle, span)
        else:
            await self.environment.sleep(span)

    async def later(self, what: str, held: Callable[[Picture], object], span: timedelta) -> Picture:
        """Let time pass until the condition holds, at most for this span.

        Neither server skips time while an activity runs, so one that begins on the way must not be waited for.
        """
        passing = asyncio.ensure_future(self.skip(span))
        try:
            return await self.until(what, held)
        finally:
            passing.cancel()
            await asyncio.gather(passing, return_exceptions=True)

    async def turn_page(self) -> None:
        """Force continue-as-new, and wait until the next run has begun."""
        before = (await self.handle.describe()).run_id
        await self.handle.signal(messages.TURN_PAGE)
        async with asyncio.timeout(PATIENCE):
            while (await self.handle.describe()).run_id == before:  # noqa: ASYNC110 - Temporal tells nobody
                await asyncio.sleep(0.05)

    async def ended(self) -> messages.Closing:
        """The result, once the workflow has completed."""
        async with asyncio.timeout(PATIENCE):
            while (await self.handle.describe()).status is WorkflowExecutionStatus.RUNNING:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        closing: messages.Closing = await self.client.get_workflow_handle(
            self.brief.incident, result_type=messages.Closing
        ).result()
        return closing

    async def proved(self) -> Report:
        """The history replays as it was, no workflow task ever failed, and the audit finds nothing."""
        chain = await fetch_chain(self.client, self.brief.incident)
        for run in chain:
            for event in run.events:
                failed = event.workflow_task_failed_event_attributes
                # A task that would have ended the run while something arrived is done again: that is no failure.
                assert failed.cause in {NO_FAILURE, SOMETHING_ARRIVED}, event
        assert await replay(chain) is None
        report = audit([as_json(run) for run in chain])
        assert report.passed, report.findings
        return report


def firebreak(picture: Picture, lever: str) -> Firebreak | None:
    """The latest firebreak of this lever."""
    return next((each for each in reversed(picture.firebreaks) if each.action.lever == lever), None)


def stands(lever: str, *states: Lease) -> Callable[[Picture], bool]:
    """Whether the lever's latest firebreak is in one of these states."""

    def held(picture: Picture) -> bool:
        found = firebreak(picture, lever)
        return found is not None and found.state in states

    return held


@asynccontextmanager
async def staged(
    environment: WorkflowEnvironment,
    folder: Path,
    *,
    passed_through: tuple[str, ...] = PASSED_THROUGH,
    town: Town | None = None,
    page: PublicPage | None = None,
    criers: Criers | None = None,
    herald: Herald | None = None,
    opens: Opener = no_files,
    bell: AlarmBell | None = None,
    **changes: Any,
) -> AsyncIterator[Stage]:
    """A worker with a town of its own; the incident begins when the test rings."""
    town, key = town or Town(), folder / "station.key"
    ensure_key(key)
    async with AsyncExitStack() as stack:
        bench = stack.enter_context(town.open())
        worker = incident_worker(
            environment.client,
            bench,
            town.evidence,
            KeySigner(key),
            ReferenceSecrets(folder),
            redactor=Redactor(DetectSecretsSieve(), b"the key of the pseudonyms"),
            cipher=Age(),
            shelf=town.shelf,
            keys=(KeySigner(key).public_key,),
            address=lambda link, until: f"{ACK}{links.sign(link, until, LINK_KEY)}",
            page=page,
            criers=criers,
            herald=herald,
            opens=opens,
            bell=bell,
            passed_through=passed_through,
        )
        await stack.enter_async_context(at_work(worker))
        yield Stage(environment, town, short_brief(**changes))


# The acts of a good captain, phase by phase ----------------------------------------------------------------


async def to_open(stage: Stage) -> None:
    await stage.ring()
    await stage.until("the seal", lambda seen: seen.sealed)


async def to_declared(stage: Stage) -> None:
    await stage.do(acts.Acknowledge(by="ana"))
    await stage.do(acts.Declare(by="ana", severity=Severity.SEV2, reason="wrong refunds leave"))


async def to_contained(stage: Stage) -> None:
    await stage.until("the tool to be stopped", stands("tool", Lease.EFFECTIVE))


async def to_recovering(stage: Stage) -> None:
    seen = await stage.until("the reranker to be proposed", stands("reranker", Lease.PROPOSED))
    wanted = firebreak(seen, "reranker")
    assert wanted is not None
    for person in ("ana", "ben"):
        await stage.do(acts.Approve(by=person, action=wanted.digest))


async def to_restored(stage: Stage) -> None:
    await stage.until("recovery", lambda seen: seen.restored_at)


async def to_after_action(stage: Stage) -> None:
    seen = await stage.picture()
    kept, lifted = firebreak(seen, "reranker"), firebreak(seen, "tool")
    assert kept is not None
    assert lifted is not None
    await stage.do(acts.Adopt(by="ana", action=kept.digest, reason="it is right again"))
    await stage.do(acts.Lift(by="ana", action=lifted.digest, reason="it is right again"))
    await stage.until("the tool to be back", stands("tool", Lease.LIFTED))


async def to_closed(stage: Stage) -> None:
    await stage.until("the lock", lambda seen: seen.lock_proved and seen.phase is Phase.AFTER_ACTION)
    await stage.do(acts.Close(by="ana"))


STORY: dict[Phase, Callable[[Stage], Any]] = {
    Phase.OPEN: to_open,
    Phase.DECLARED: to_declared,
    Phase.CONTAINED: to_contained,
    Phase.RECOVERING: to_recovering,
    Phase.RESTORED: to_restored,
    Phase.AFTER_ACTION: to_after_action,
    Phase.CLOSED: to_closed,
}
"""What brings an incident into each phase from the one before."""


async def live(stage: Stage, *, after: Phase | None = None, until: Phase = Phase.CLOSED) -> None:
    """Live the story, from the phase that it has come to until this one."""
    phases = list(STORY)
    first = phases.index(after) + 1 if after else 0
    for phase in phases[first : phases.index(until) + 1]:
        await STORY[phase](stage)
