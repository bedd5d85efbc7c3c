"""`python -m worker.replay INCIDENT`: run the recorded history against today's code, and audit it.

The replay shows that the code still decides as it decided then; the audit shows, without the workflow's code, that
the rules of the house were kept. `--save FOLDER` keeps the histories, readable; `--file` replays saved ones. Encrypted
ones need the keys: FIRESTATION_HISTORY_KEYS.
"""

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowHistory

from firestation.audit import Report, audit
from firestation.bundle_verify import Difference, Replayed
from firestation.errors import FirestationError, Gone, InvalidInput
from firestation.files import create_whole, make_folder
from firestation.history import TASK_COMPLETED
from firestation.logging import set_up
from firestation.model import count, show_duration
from firestation.settings import Settings
from firestation.version import build
from worker.repeat import Repeater
from workflows.client import connect, forward_logs
from workflows.codec import converter
from workflows.histories import as_json, fetch_chain
from workflows.reading import decoded

WRONG_INPUT, NO_SUCH_INCIDENT = 2, 4


async def replay(histories: list[WorkflowHistory]) -> str | None:
    """Replay each run; the first difference between then and now in words, or None."""
    async with Repeater() as repeater:
        return await repeater.difference(histories)


async def only_replay(files: list[Path]) -> Replayed:
    """What a replay of these runs comes to, for whoever verifies a bundle. Raises `InvalidInput`."""
    histories = load(files)
    async with Repeater() as repeater:
        found = await repeater.first(histories)
        difference = None
        if found:
            index, what = found
            history = histories[index]
            event_id = await _first_event(repeater, history)
            difference = Difference(
                run=history.run_id, file=files[index].name, what=what[:2000], event_id=event_id
            )
    return Replayed(build=build(), runs=len(histories), difference=difference)


async def _first_event(repeater: Repeater, history: WorkflowHistory) -> int:
    """The workflow task by which today's code decides otherwise: the first whose history, cut after it, differs."""
    data = as_json(history)
    events = data["events"]
    tasks = [index for index, event in enumerate(events) if event["eventType"].endswith(TASK_COMPLETED)]
    low, high = 0, len(tasks) - 1
    while low < high:
        middle = (low + high) // 2
        cut = {**data, "events": events[: _end_of(events, tasks[middle])]}
        if await repeater.first([WorkflowHistory.from_json(history.run_id, cut)]) is None:
            low = middle + 1
        else:
            high = middle
    return int(events[tasks[low]]["eventId"])


def _end_of(events: list[dict[str, Any]], completed: int) -> int:
    """Where what a workflow task did ends: before the next task is due."""
    following = range(completed + 1, len(events))
    return next((at for at in following if "_WORKFLOW_TASK_" in events[at]["eventType"]), len(events))


def load(files: list[Path]) -> list[WorkflowHistory]:
    """Saved runs of one incident. Raises `InvalidInput` naming the file that is no history."""
    found = []
    for file in files:
        try:
            data = json.loads(file.read_text())
            run_id = data["events"][0]["workflowExecutionStartedEventAttributes"]["originalExecutionRunId"]
            found.append(WorkflowHistory.from_json(run_id, data))
        except (OSError, ValueError, LookupError, TypeError) as error:
            fix = "give files that --save wrote, or that `temporal workflow show --output json` printed"
            raise InvalidInput(str(file), f"this is no history ({error})", fix) from None
    return found


def tell(report: Report, difference: str | None, seconds: float) -> str:
    """The verdict for people."""
    size = f"{count(report.runs, 'run')}, {report.events} events, {report.bytes} bytes"
    lines = [
        f"{report.incident}: {report.phase}, {size}, {show_duration(report.last_at - report.first_at)} long",
        f"replay: {'DIFFERS: ' + difference if difference else 'the code decides today as it decided then'}",
        f"audit:  {'PASSED' if report.passed else 'BROKEN'}, {len(report.rules)} rules judged again from the history",
        *(
            f"  {each.level}: rule {each.rule}, {each.title}: {each.what} (event {each.event_id})"
            for each in report.findings
        ),
        f"done in {seconds:.1f} s",
    ]
    return "\n".join(lines)


async def run(arguments: argparse.Namespace) -> int:
    """Replay and audit; 0 when both find nothing wrong, 1 when one does."""
    if arguments.only:
        print((await only_replay(arguments.file)).model_dump_json())
        return 0
    began = asyncio.get_running_loop().time()
    keys = Settings.from_environment().history_keys
    if arguments.file:
        reader = converter(keys)
        histories = [await decoded(each, reader) for each in load(arguments.file)]
    else:
        client = await connect(arguments.address, history_keys=keys)
        histories = await fetch_chain(client, arguments.incident)
    if arguments.save:
        make_folder(arguments.save)
        for number, history in enumerate(histories, start=1):
            target = arguments.save / f"{arguments.incident}-{number}.json"
            target.unlink(missing_ok=True)
            create_whole(target, json.dumps(as_json(history), indent=1).encode() + b"\n", 0o600)
    difference = await replay(histories)
    report = audit([as_json(history) for history in histories])
    seconds = asyncio.get_running_loop().time() - began
    if arguments.json:
        data = {**report.model_dump(mode="json"), "passed": report.passed, "replay": difference or "same"}
        print(json.dumps(data, indent=2))
    else:
        print(tell(report, difference, seconds))
    return 0 if report.passed and difference is None else 1


def main() -> int:
    """Read the arguments and say what is wrong with them."""
    parser = argparse.ArgumentParser(prog="firestation replay", description=__doc__)
    parser.add_argument("incident", nargs="?", help="the incident's id")
    parser.add_argument("--address", help="Temporal's address; otherwise Temporal's own environment settings")
    parser.add_argument("--file", type=Path, nargs="+", help="replay saved runs instead, the oldest first")
    parser.add_argument(
        "--only",
        action="store_true",
        help="with --file: replay without an audit, runs of any of our workflows",
    )
    parser.add_argument("--save", type=Path, help="keep the runs in this folder as JSON")
    parser.add_argument("--json", action="store_true", help="print the report for machines")
    arguments = parser.parse_args()
    if not arguments.incident and not arguments.file:
        parser.error("name an incident, or give --file")
    if arguments.only and not arguments.file:
        parser.error("--only replays what --file names")
    set_up("console")
    forward_logs()
    try:
        return asyncio.run(run(arguments))
    except FirestationError as error:
        print(f"firestation replay: {error}", file=sys.stderr)
        return NO_SUCH_INCIDENT if isinstance(error, Gone) else WRONG_INPUT


if __name__ == "__main__":
    sys.exit(main())
