"""`python -m worker.replay INCIDENT`: run the recorded history against today's code, and audit it.

The replay shows that the code still decides as it decided then; the audit shows, without the workflow's code, that
the rules of the house were kept. `--save FOLDER` keeps the histories, `--file` replays saved ones.
"""

import argparse
import asyncio
import json
import sys
from pathlib import Path

from temporalio.client import WorkflowHistory

from firestation.audit import Report, audit
from firestation.errors import FirestationError, Gone, InvalidInput
from firestation.logging import set_up
from firestation.model import count, show_duration
from worker.repeat import Repeater
from workflows.client import connect, forward_logs
from workflows.histories import as_json, fetch_chain

WRONG_INPUT, NO_SUCH_INCIDENT = 2, 4


async def replay(histories: list[WorkflowHistory]) -> str | None:
    """Replay each run; the first difference between then and now in words, or None."""
    async with Repeater() as repeater:
        return await repeater.difference(histories)


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
    began = asyncio.get_running_loop().time()
    if arguments.file:
        histories = load(arguments.file)
    else:
        histories = await fetch_chain(await connect(arguments.address), arguments.incident)
    if arguments.save:
        arguments.save.mkdir(parents=True, exist_ok=True)
        for number, history in enumerate(histories, start=1):
            target = arguments.save / f"{arguments.incident}-{number}.json"
            target.write_text(json.dumps(as_json(history), indent=1) + "\n")
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
    parser.add_argument("--save", type=Path, help="keep the runs in this folder as JSON")
    parser.add_argument("--json", action="store_true", help="print the report for machines")
    arguments = parser.parse_args()
    if not arguments.incident and not arguments.file:
        parser.error("name an incident, or give --file")
    set_up("console")
    forward_logs()
    try:
        return asyncio.run(run(arguments))
    except FirestationError as error:
        print(f"firestation replay: {error}", file=sys.stderr)
        return NO_SUCH_INCIDENT if isinstance(error, Gone) else WRONG_INPUT


if __name__ == "__main__":
    sys.exit(main())
