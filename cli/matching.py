"""`firestation runbook match`: rehearse the choice of the runbook, without ringing anything."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from cli.bell import Labels, labelled
from cli.desk import Desk, Json
from cli.errors import ExitCode
from cli.files import WALL, checked_system
from cli.plain import plain
from cli.show import GOOD, command, say
from firestation.alarm import Alarm
from firestation.bell.formats import FormatName, hear
from firestation.bell.heard import Ear
from firestation.choosing import Considered, consider
from firestation.errors import InvalidInput
from firestation.loader import load_wall
from firestation.system import System

LARGEST_BYTES = 10_000_000
WORDS = {"chosen": "CHOSEN  ", "also": "matches ", "not": "not     "}

Asked = tuple[str, dict[str, str]]


def match(
    ctx: typer.Context,
    wall: Annotated[Path, typer.Argument(metavar="[DIR]", help="The runbook wall.")] = WALL,
    *,
    against: Annotated[Path, typer.Option("--system", metavar="FILE", help="The system that rings.")],
    name: Annotated[str | None, typer.Option("--name", metavar="ALARM", help="The alarm's name.")] = None,
    label: Labels = None,
    alarm: Annotated[
        Path | None,
        typer.Option("--alarm", metavar="FILE", help="What the alert system sends, ours or Alertmanager's."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Say which runbook an alarm would get, why, which others match, and why not the rest.

    Example:
      firestation runbook match --system examples/refund_agent/system.yaml --name RefundGoldenEvalFailing

    Next: change `match` in a runbook until the right one is chosen; exit code 1 when there is none.
    """
    desk = Desk.of(ctx, as_json=as_json)
    system, pages = checked_system(against), load_wall(wall)
    found = [
        (asked, consider(pages, system, *asked)) for asked in _asked(system, name, labelled(label), alarm)
    ]
    if desk.json:
        desk.answer(
            [
                {
                    "name": asked[0],
                    "labels": asked[1],
                    "runbooks": [each.model_dump(mode="json") for each in told],
                }
                for asked, told in found
            ]
        )
    for asked, told in [] if desk.json else found:
        _tell(desk, system, asked, told)
    if any(told[0].standing != "chosen" for _, told in found):
        raise typer.Exit(ExitCode.REFUSED)


def _asked(system: System, name: str | None, labels: dict[str, str], file: Path | None) -> list[Asked]:
    """The alarms to judge: the one that is named, or those in the file."""
    if (name is None) == (file is None):
        fix = "Write --name ALARM, with --label KEY=VALUE where it has labels, or --alarm FILE"
        raise InvalidInput("--name", "the alarm is given in one way: by its name, or as a file", fix)
    if file is None:
        return [(name or "", labels)]
    if labels:
        raise InvalidInput("--label", "the alarm in the file has its own labels", "Leave --label out")
    alarms = _alarms(file)
    strange = next((each for each in alarms if each.system != system.system), None)
    if strange:
        problem = f"the alarm {strange.name} is for the system {strange.system}, and this is {system.system}"
        raise InvalidInput("--alarm", problem, "Name the file of that system with --system")
    return [(each.name, each.labels) for each in alarms]


def _alarms(file: Path) -> tuple[Alarm, ...]:
    """The alarms of a file, in our own format or Alertmanager's. Raises `InvalidInput`."""
    try:
        with file.open("rb") as opened:
            content = opened.read(LARGEST_BYTES)
        body: Any = json.loads(content)
    except OSError as error:
        problem = f"{file} cannot be read: {error.strerror}"
        raise InvalidInput("--alarm", problem, "Name a JSON file that you may read") from error
    except (ValueError, RecursionError) as error:
        raise InvalidInput("--alarm", f"{file} is not JSON", "Save what the alert system sent") from error
    kind: FormatName = "alertmanager" if isinstance(body, dict) and "alerts" in body else "generic"
    heard = hear(kind, body, {}, Ear("file"))
    for wrong in heard.errors:
        raise wrong
    return heard.alarms


def _tell(desk: Desk, system: System, asked: Asked, told: tuple[Considered, ...]) -> None:
    console = desk.console
    labels = "".join(f", {plain(key)}={plain(value)}" for key, value in asked[1].items())
    say(console, Text(f"{plain(asked[0])}{labels} of {system.system}", style="bold"))
    if told[0].standing != "chosen":
        say(
            console, Text("NONE    no runbook matches, and no general one fits this system"), indent=2, hang=8
        )
    for each in told:
        style = GOOD if each.standing == "chosen" else ""
        said = f"{each.runbook}: {plain('; '.join(each.why))}"
        say(console, Text.assemble((WORDS[each.standing], style), said), indent=2, hang=8)
    if told[0].standing == "chosen":
        command(console, f"firestation runbook show {told[0].runbook}")
