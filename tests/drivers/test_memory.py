"""The in-memory drivers pass the same suites as the real ones, and their faults are what they say."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import JsonValue

from firestation.after_action import Ticket, TicketState
from firestation.errors import Drifted, Gone, NotApplied, NotConfigured, Unreachable
from firestation.evidence import Scope
from firestation.ports import Artifact, Bench, Check, Lever, Source, Window
from firestation.system import CheckFitting, LeverFitting, Position
from firestation.testing import (
    ChannelConformance,
    CheckConformance,
    EvidenceStoreConformance,
    FollowedConformance,
    LeverConformance,
    MemoryBench,
    MemoryChannel,
    MemoryCheck,
    MemoryEvidence,
    MemoryLever,
    MemorySource,
    MemoryTracker,
    SourceConformance,
)

NOW = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
SCOPE = Scope(incident="agent-1", request_ids=("r1",), since=NOW - timedelta(minutes=1), until=NOW)
ARTIFACT = Artifact(name="r1.json", media_type="application/json", content=b"{}", provides=("requests",))


class TestMemorySource(SourceConformance):
    @pytest.fixture
    def source(self) -> Source:
        return MemorySource([ARTIFACT])

    @pytest.fixture
    def absent(self) -> Source:
        return MemorySource([], Unreachable("nobody answers"))

    @pytest.fixture
    def scope(self) -> Scope:
        return SCOPE


class TestMemoryLever(LeverConformance):
    @pytest.fixture
    def lever(self) -> MemoryLever:
        return MemoryLever("off")

    @pytest.fixture
    def elsewhere(self) -> JsonValue:
        return "on"

    @pytest.fixture
    def meddle(self, lever: MemoryLever) -> Callable[[JsonValue], Any]:
        return lever.moved_by_other

    @pytest.fixture
    def writes(self, lever: MemoryLever) -> Callable[[], int]:
        return lambda: sum(move.key is not None for move in lever.log)


class TestMemoryCheck(CheckConformance):
    @pytest.fixture
    def passing(self) -> Check:
        return MemoryCheck("golden", lambda: "passed")

    @pytest.fixture
    def failing(self) -> Check:
        return MemoryCheck("golden", lambda: "failed")

    @pytest.fixture
    def dumb(self) -> Check:
        check = MemoryCheck("golden", lambda: "passed")
        check.faults.unreachable(1)
        return check


class TestMemoryChannel(ChannelConformance):
    @pytest.fixture
    def channel(self) -> MemoryChannel:
        return MemoryChannel("room")

    @pytest.fixture
    def delivered(self, channel: MemoryChannel) -> Callable[[], list[str]]:
        return lambda: [message.text for message in channel.sent.values()]


class TestMemoryTracker(FollowedConformance):
    @pytest.fixture
    def tracker(self) -> MemoryTracker:
        return MemoryTracker("tasks")

    @pytest.fixture
    def kept(self, tracker: MemoryTracker) -> Callable[[], int]:
        return lambda: len(tracker.opened)

    @pytest.fixture
    def shown(self, tracker: MemoryTracker) -> Callable[[Ticket], str]:
        def text(ticket: Ticket) -> str:
            task = list(tracker.opened.values())[int(ticket.reference.removeprefix("task ")) - 1]
            said = [word for reference, word in tracker.reminders.values() if reference == ticket.reference]
            return "\n".join([*map(str, task.model_dump().values()), *said])

        return text

    @pytest.fixture
    def lossy(self, tracker: MemoryTracker) -> Callable[[int], MemoryTracker]:
        def lose(write: int) -> MemoryTracker:
            tracker.faults.after_effect = True
            tracker.faults.unreachable(1 if write == 0 else 0)
            return tracker

        return lose

    @pytest.fixture
    def finish(self, tracker: MemoryTracker) -> Callable[[Ticket], Any]:
        return lambda ticket: tracker.states.update(
            {ticket.reference: TicketState(state="done", detail="it is done")}
        )

    @pytest.fixture
    def remove(self, tracker: MemoryTracker) -> Callable[[Ticket], Any]:
        return lambda ticket: tracker.states.update(
            {ticket.reference: TicketState(state="gone", detail="it was taken away")}
        )


class TestMemoryEvidence(EvidenceStoreConformance):
    @pytest.fixture
    def store(self) -> MemoryEvidence:
        return MemoryEvidence()

    @pytest.fixture
    def alter(self, store: MemoryEvidence) -> Callable[[str], None]:
        return lambda digest: store.kept.update({digest: b"altered"})


async def test_faults_of_a_lever() -> None:
    lever = MemoryLever("off")
    origin, on = await lever.read(), Position(value="on")
    lever.faults.unreachable(2)
    for _ in range(2):
        with pytest.raises(Unreachable):
            await lever.move(on, origin, "k")
    lever.ignores = 1
    with pytest.raises(NotApplied):
        await lever.move(on, origin, "k")
    lever.interlopers.append("elsewhere")
    with pytest.raises(Drifted):
        await lever.move(on, origin, "k")
    assert lever.position.value == "elsewhere"
    assert [move.key for move in lever.log] == [None]


async def test_a_lost_answer_has_moved_the_lever_and_a_repeat_does_not_move_it_again() -> None:
    lever = MemoryLever("off")
    origin, on = await lever.read(), Position(value="on")
    lever.faults.unreachable(1)
    lever.faults.after_effect = True
    with pytest.raises(Unreachable):
        await lever.move(on, origin, "k")
    assert (await lever.move(on, origin, "k")).value == "on"
    assert len(lever.log) == 1
    lever.moved_by_other("elsewhere")
    with pytest.raises(Drifted):
        await lever.move(on, origin, "k")


async def test_a_source_keeps_what_came_before_its_trouble() -> None:
    found = MemorySource([ARTIFACT], Gone("the rest has expired")).collect(SCOPE)
    assert await anext(found) == ARTIFACT
    with pytest.raises(Gone):
        await anext(found)


async def test_a_check_may_look_at_levers_and_the_bench_knows_them_by_name() -> None:
    lever = MemoryLever("off")
    check = MemoryCheck("golden", lambda: "passed" if lever.position.value == "on" else "failed")
    bench: Bench = MemoryBench(levers={"reranker": lever}, checks={"golden": check})
    window = Window(since=NOW, until=NOW)
    fitting = CheckFitting(id="golden", title="G", driver="memory")
    assert (await bench.check(fitting).measure(window)).verdict == "failed"
    there: Lever = bench.lever(
        LeverFitting(id="reranker", title="R", driver="memory", positions={"on": "on"})
    )
    await there.move(Position(value="on"), await there.read(), "k")
    assert (await bench.check(fitting).measure(window)).verdict == "passed"
    with pytest.raises(NotConfigured, match="it has reranker"):
        bench.lever(LeverFitting(id="other", title="O", driver="memory", positions={"on": "on"}))
    with pytest.raises(NotConfigured, match="no lock case"):
        check.lock_case()
