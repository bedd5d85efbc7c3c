"""Ringing the alarm bell by hand: what a machine does, for people who saw it first."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from cli.desk import As, Desk, Json
from cli.plain import SHORT, plain
from cli.show import BAD, DIM, command, say
from firestation.attachment import MOST_ATTACHED, MOST_BYTES, recognized, too_large
from firestation.errors import InvalidInput
from firestation.model import count

Labels = Annotated[
    list[str] | None,
    typer.Option("--label", metavar="KEY=VALUE", help="A label of the alarm; may be repeated."),
]
Requests = Annotated[
    list[str] | None,
    typer.Option(
        "--request", metavar="ID", help="A request that shows it: its traces are frozen. May be repeated."
    ),
]
Traces = Annotated[
    list[str] | None, typer.Option("--trace", metavar="ID", help="A trace that shows it. May be repeated.")
]
Tenants = Annotated[
    list[str] | None, typer.Option("--tenant", metavar="ID", help="A tenant that is harmed. May be repeated.")
]
Users = Annotated[
    list[str] | None, typer.Option("--user", metavar="ID", help="A user who is harmed. May be repeated.")
]
Queries = Annotated[
    list[str] | None,
    typer.Option("--query", metavar="TEXT", help="What the retriever was asked. May be repeated."),
]
Files = Annotated[
    list[Path] | None,
    typer.Option(
        "--attach", metavar="FILE", help="A screenshot, PDF, text or JSON as evidence. May be repeated."
    ),
]


def ring(
    ctx: typer.Context,
    system: Annotated[str, typer.Argument(help="The system that burns: the `system` of its system file.")],
    name: Annotated[str, typer.Argument(help="What kind of alarm; runbooks match it.")],
    summary: Annotated[str, typer.Argument(help="What was seen, in a sentence.")],
    *,
    label: Labels = None,
    request: Requests = None,
    trace: Traces = None,
    tenant: Tenants = None,
    user: Users = None,
    query: Queries = None,
    attach: Files = None,
    identity: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="The same id again is the same alarm again.")
    ] = None,
    resolved: Annotated[bool, typer.Option("--resolved", help="Say that this alarm is over.")] = False,
    bell: Annotated[
        str | None, typer.Option("--bell", metavar="ID", help="Ring as this bell of the station.")
    ] = None,
    who: As = None,
    as_json: Json = False,
) -> None:
    """Ring the alarm bell. It opens an incident, or joins the open one of the same fire.

    Example:
      firestation ring refund-agent WrongRefund 'a refund was approved on day 45' --bell refund-eval
      firestation ring refund-agent Complaint 'the answer names another customer' --attach screen.png

    Next: someone is paged, the evidence is frozen, and a captain takes it with `firestation ack`.
    """
    desk = Desk.of(ctx, who, as_json=as_json)
    now = datetime.now(UTC)
    if not bell and not summary.strip():
        raise InvalidInput("SUMMARY", "it is empty", "Say in a sentence what was seen")
    files = _files(attach or [], bell)
    gateway = desk.gateway(f"bell-{bell}" if bell else None)
    attachments = [gateway.attach(name, content) for name, content in files]
    alarm = {
        "system": system,
        "id": identity or f"{name}-{now:%Y%m%dT%H%M%S.%f}",
        "name": name,
        "status": "resolved" if resolved else "firing",
        "summary": summary,
        "started_at": now.isoformat(),
        "labels": labelled(label),
        "request_ids": request or [],
        "trace_ids": trace or [],
        "tenants": tenant or [],
        "users": user or [],
        "queries": query or [],
        **({"attachments": attachments} if attachments else {}),
    }
    answer = gateway.ring(alarm)
    if desk.json:
        desk.answer(answer)
        return
    for title, content in files:
        say(desk.console, Text(f"attached {plain(title, 200)}, {len(content):,} bytes"))
    _told(desk.console, answer, resolved=resolved)
    if answer["incidents"] and gateway.spooling():
        say(
            desk.console,
            Text("KEPT, AND NOBODY IS PAGED YET: Temporal is away. It rings by itself then.", style=BAD),
        )
        command(desk.console, "firestation oncall   # call them yourself")


def _told(console: Console, answer: Mapping[str, Any], *, resolved: bool) -> None:
    """What becomes of it, each with what to type next."""
    for each in answer["incidents"]:
        word = "over, by your word:" if resolved else "rings"
        word = "this rang already:" if each.get("coalesced") else word
        say(console, Text(f"{word} {plain(each.get('incident', '?'), 100)}"))
        if resolved:
            say(console, Text("It closes nothing, and where nothing is open it opens nothing.", style=DIM), 2)
        command(console, f"firestation show {each.get('incident', 'INCIDENT')}")
    for each in answer.get("waits") or []:
        say(console, Text(plain(each.get("reason", "it waits for a person"), SHORT)))
        command(console, f"firestation triage open {each.get('waits', 'INCIDENT')}")
    for each in answer.get("ignored") or []:
        say(console, Text(f"rings nobody: {plain(each.get('reason', 'the station did not say why'), SHORT)}"))
        command(console, "firestation spool")


WHY = {
    "orphan": "ALL-CLEAR WITHOUT A FIRE",
    "late": "TOO LATE",
    "refused": "REFUSED",
    "recorded": "RECORDED ONLY, BY A RULE",
    "inhibited": "RECORDED ONLY, ANOTHER FIRE EXPLAINS IT",
    "maintenance": "RECORDED ONLY, MAINTENANCE",
}


def spool(ctx: typer.Context, *, who: As = None, as_json: Json = False) -> None:
    """Show which alarms the gateway is still to tell Temporal, and which rang nobody: none is dropped.

    Example:
      firestation spool
      firestation spool --json

    Next: repeats are told by themselves, all else once Temporal answers; what was refused says what to mend.
    """
    desk = Desk.of(ctx, who, as_json=as_json)
    found = desk.gateway().spool()
    if desk.json:
        desk.answer(found)
        return
    if found.get("trouble"):
        desk.console.print(
            Text(f"CANNOT BE TOLD NOW: {plain(found['trouble'], SHORT)}", style=BAD), soft_wrap=True
        )
    for each in found["waiting"]:
        line = f"{plain(each['incident'], 100)}: {count(each['alarms'], 'alarm')} since {plain(each['since'], 40)}"
        desk.console.print(Text(f"waits  {line}"), soft_wrap=True)
    for each in found["untold"]:
        what = (
            f"{plain(each['alarm'], 100)} from {plain(each['source'], 64)} for {plain(each['incident'], 100)}"
        )
        rang = f"{count(each['times'], 'time')}, last {plain(each['last_at'], 40)}"
        why = WHY.get(each["why"], plain(each["why"], 40))
        desk.console.print(Text(f"{why}: {what}, {rang}: {plain(each['reason'], SHORT)}"), soft_wrap=True)
    if not (found["waiting"] or found["untold"]):
        desk.console.print("Temporal has every alarm that this gateway has taken.")


def labelled(labels: list[str] | None) -> dict[str, str]:
    """The labels as they were typed. Raises `InvalidInput`."""
    return dict(_label(each) for each in labels or [])


def _files(paths: list[Path], bell: str | None) -> list[tuple[str, bytes]]:
    """The files, each with its name, before one of them is sent. Raises `InvalidInput`."""
    if paths and bell:
        raise InvalidInput("--attach", "a bell attaches nothing", "Ring in your own name, without --bell")
    if len(paths) > MOST_ATTACHED:
        raise InvalidInput("--attach", f"there are {len(paths)} files", f"Attach {MOST_ATTACHED} at most")
    return [(path.name, _content(path)) for path in paths]


def _content(path: Path) -> bytes:
    field = f"--attach {path}"
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise InvalidInput(field, f"it cannot be read: {error.strerror}", "Name a file of yours") from None
    if len(content) > MOST_BYTES:
        raise too_large(field)
    recognized(content, field)
    return content


def _label(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise InvalidInput("--label", f"{text[:80]!r} is no label", "Write it like --label tenant=blue")
    return key, value
