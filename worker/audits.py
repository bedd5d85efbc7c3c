"""`python -m worker.audits --since 30d`: audit and replay every incident of a namespace, in one go.

Bounded in memory and in what it asks of Temporal at once: a few histories are fetched ahead of the one that is judged,
and of each only the verdict is kept. What cannot be read stops nothing; it is counted, and the exit code tells.
"""

import argparse
import asyncio
import contextlib
import json
import re
import sys
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from temporalio.client import Client, WorkflowExecution, WorkflowHistory
from temporalio.service import RPCError

from firestation.errors import FirestationError, InvalidInput
from firestation.files import create_whole
from firestation.logging import set_up
from firestation.model import Time, parse_duration
from firestation.settings import Settings
from firestation.verdicts import Summary, Verdict, judge, summed, unreadable
from worker.repeat import Repeater
from workflows.client import connect, forward_logs
from workflows.histories import as_json, fetch_chain
from workflows.messages import WORKFLOW
from workflows.search import SYSTEM

FETCHERS, AHEAD = 4, 4
"""How many chains are fetched at once, and how many may wait to be judged."""

PROGRESS_SECONDS = 2.0
WRONG_INPUT, UNREACHABLE, STOPPED = 2, 5, 130

SYSTEM_ID = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")
TIME: TypeAdapter[datetime] = TypeAdapter(Time)

Fetched = tuple[WorkflowExecution, list[WorkflowHistory] | str]
"""The last run of a chain, and its runs; or why it could not be fetched."""


def query(since: datetime, until: datetime | None = None, system: str | None = None) -> str:
    """Temporal's visibility query: the last run of each incident that was going on at some time from since to until."""
    parts = [
        f"WorkflowType = '{WORKFLOW}'",
        "ExecutionStatus != 'ContinuedAsNew'",
        f"(ExecutionStatus = 'Running' OR CloseTime >= '{since.isoformat()}')",
    ]
    if until:
        parts.append(f"StartTime <= '{until.isoformat()}'")
    if system:
        parts.append(f"{SYSTEM.name} = '{system}'")
    return " AND ".join(parts)


async def verdicts(client: Client, wanted: str) -> AsyncIterator[Verdict]:
    """The verdict on each incident that this query finds, as they come."""
    fetched: asyncio.Queue[Fetched | None] = asyncio.Queue(AHEAD)
    feeding = asyncio.create_task(_feed(client, wanted, fetched))
    try:
        async with Repeater() as repeater:
            while (each := await fetched.get()) is not None:
                yield await _judged(repeater, *each)
        await feeding  # raises what the listing raised
    finally:
        feeding.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await feeding


async def _feed(client: Client, wanted: str, fetched: asyncio.Queue[Fetched | None]) -> None:
    """Fetch all that the query finds, a few at a time; None is the end."""
    executions, listing = client.list_workflows(wanted), asyncio.Lock()

    async def fetch() -> None:
        while True:
            async with listing:  # an iterator of the SDK's gives its pages to one at a time
                execution = await anext(executions, None)
            if execution is None:
                return
            await fetched.put(await _fetched(client, execution))

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(FETCHERS):
                group.create_task(fetch())
    finally:
        await fetched.put(None)


async def _fetched(client: Client, execution: WorkflowExecution) -> Fetched:
    try:
        return execution, await fetch_chain(client, execution.id, execution.run_id)
    except (FirestationError, RPCError) as error:
        return execution, f"{type(error).__name__}: {error}"


async def _judged(
    repeater: Repeater, execution: WorkflowExecution, chain: list[WorkflowHistory] | str
) -> Verdict:
    incident, run = execution.id, execution.run_id
    if isinstance(chain, str):
        return unreadable(incident, run, chain)
    try:
        difference = await repeater.difference(chain)
        return judge(incident, run, [as_json(each) for each in chain], difference)
    except Exception as error:  # noqa: BLE001 - one history that nobody foresaw must not stop the others
        return unreadable(incident, run, f"{type(error).__name__}: {error}")


class Progress:
    """How far it is, on standard error: in place on a terminal, else a line now and then."""

    def __init__(self, total: int) -> None:
        self.total, self.began, self.shown = total, time.monotonic(), 0.0

    def tell(self, done: int, *, last: bool = False) -> None:
        """Say so, if it was not said just now."""
        now, terminal = time.monotonic(), sys.stderr.isatty()
        if not last and now - self.shown < (0.1 if terminal else PROGRESS_SECONDS):
            return
        self.shown = now
        rate = done / max(now - self.began, 1e-6)
        left = f", {max(self.total - done, 0) / rate:.0f} s left" if done and not last else ""
        line = f"audited {done} of {max(self.total, done)}, {rate:.1f} a second{left}"
        print(
            f"\r\x1b[K{line}" if terminal else line, end="\n" if last or not terminal else "", file=sys.stderr
        )


def table(summary: Summary, found: list[Verdict], seconds: float) -> str:
    """The summary for people: the counts, then what was found by rule, then what to look at."""
    counts = {
        "incidents": summary.incidents,
        "passed": summary.outcomes["passed"],
        "broken, and on the record": summary.outcomes["on the record"],
        "broken": summary.outcomes["broken"],
        "unreadable": summary.outcomes["unreadable"],
        "decided otherwise by today's code": summary.differing,
        "breaches of a deadline": summary.breaches,
        "waivers": summary.waivers,
        "gaps in the evidence": summary.gaps,
        **{f"locks {name}": number for name, number in summary.locks.items()},
    }
    lines = [f"{name:<36}{number:>8}" for name, number in counts.items()]
    if summary.rules:
        lines += ["", f"{'by rule, in how many incidents':<36}{'broken':>8}{'on the record':>16}"]
        lines += [
            f"{f'{each.rule:>2} {each.title}'[:35]:<36}{each.broken:>8}{each.on_the_record:>16}"
            for each in summary.rules
        ]
    for each in found:
        if each.outcome in {"broken", "unreadable"}:
            lines += ["", f"{each.outcome}: {each.incident} (run {each.run})", *_why(each)]
    return "\n".join([*map(_visible, lines), "", f"done in {seconds:.1f} s"])


def _visible(text: str) -> str:
    """What a terminal would obey, or hide, written out: these are the words of whoever wrote the history."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def _why(verdict: Verdict) -> list[str]:
    told = [
        f"  rule {each.rule}, {each.title}: {each.what} (event {each.event_id} of run {each.run})"
        for each in verdict.findings
        if each.level == "broken"
    ]
    if verdict.replay:
        told.append(f"  replay differs: {verdict.replay}")
    return [*told, *([f"  {verdict.error}"] if verdict.error else [])]


def moment(option: str, text: str, now: datetime) -> datetime:
    """A time as people give it: how long ago (30d, 12h), a day, or a time with its zone. Raises `InvalidInput`."""
    with contextlib.suppress(ValueError, OverflowError):
        span = parse_duration(text)
        if isinstance(span, timedelta):
            return now - span
    with contextlib.suppress(ValueError):
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    try:
        return TIME.validate_python(text)
    except ValidationError:
        fix = "write how long ago (30d, 12h), a day (2026-11-01), or a time with its zone (2026-11-01T08:00:00Z)"
        raise InvalidInput(option, f"{text[:80]!r} is no time", fix) from None


async def run(arguments: argparse.Namespace) -> int:
    """Judge them all; 0 when every one was read and none is broken, 1 otherwise."""
    wanted, began = _wanted(arguments), time.monotonic()
    client = await connect(arguments.address, history_keys=Settings.from_environment().history_keys)
    progress = Progress((await client.count_workflows(wanted)).count)
    found: list[Verdict] = []
    async for verdict in verdicts(client, wanted):
        found.append(verdict)
        progress.tell(len(found))
    progress.tell(len(found), last=True)
    found.sort(key=lambda each: (each.incident, each.run))
    summary = summed(found)
    report = {
        "query": wanted,
        "passed": summary.passed,
        "summary": summary.model_dump(mode="json"),
        "incidents": [each.model_dump(mode="json") for each in found],
    }
    if arguments.out:
        _write(arguments.out, report)
    print(json.dumps(report) if arguments.json else table(summary, found, time.monotonic() - began))
    return 0 if summary.passed else 1


def _wanted(arguments: argparse.Namespace) -> str:
    now = datetime.now(UTC)
    since = moment("--since", arguments.since, now)
    until = moment("--until", arguments.until, now) if arguments.until else None
    if until and until <= since:
        raise InvalidInput("--until", "this is not after --since", "give a later time")
    if arguments.system and not SYSTEM_ID.fullmatch(arguments.system):
        raise InvalidInput("--system", f"{arguments.system[:80]!r} is not the id of a system", "see its file")
    if arguments.out and arguments.out.exists():
        raise InvalidInput("--out", f"{arguments.out} is there already", "name a new file")
    if arguments.out and not arguments.out.resolve().parent.is_dir():
        raise InvalidInput("--out", f"there is no folder {arguments.out.resolve().parent}", "make it first")
    return query(since, until, arguments.system)


def _write(target: Path, report: dict[str, Any]) -> None:
    content = json.dumps(report, indent=1).encode() + b"\n"
    if not create_whole(target, content, 0o600):
        raise InvalidInput("--out", f"{target} came to be meanwhile", "name a new file")


def main() -> int:
    """Read the arguments and say what is wrong with them."""
    parser = argparse.ArgumentParser(prog="firestation audit run", description=__doc__)
    parser.add_argument("--since", required=True, help="how long ago (30d), a day, or a time")
    parser.add_argument("--until", help="the same; now without it")
    parser.add_argument("--system", help="only the incidents of this system")
    parser.add_argument("--address", help="Temporal's address; otherwise Temporal's own environment settings")
    parser.add_argument("--json", action="store_true", help="print the report for machines")
    parser.add_argument("--out", type=Path, help="write the report for machines to this file, too")
    arguments = parser.parse_args()
    set_up("console")
    forward_logs()
    try:
        return asyncio.run(run(arguments))
    except FirestationError as error:
        print(f"firestation audit run: {error}", file=sys.stderr)
        return WRONG_INPUT
    except (RPCError, RuntimeError) as error:
        print(f"firestation audit run: Temporal cannot be asked: {error}", file=sys.stderr)
        return UNREACHABLE
    except KeyboardInterrupt:
        return STOPPED


if __name__ == "__main__":
    sys.exit(main())
