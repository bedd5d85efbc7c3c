"""The lock and its people: attest a change of process, stand for another's word, and look at the wall of locks."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.text import Text

from cli.desk import As, Desk, Incident, Json, Reason
from cli.perform import perform, until
from cli.plain import SHORT, plain
from cli.show import ASK, BAD, GOOD, say
from firestation.errors import InvalidInput, Nonsense
from firestation.wall import Doubt, WallBreak, WallLock


def attest(
    ctx: typer.Context,
    incident: Incident,
    *,
    change: Annotated[str, typer.Option("--change", metavar="TEXT", help="What people do differently now.")],
    reference: Annotated[
        str,
        typer.Option("--reference", metavar="TEXT", help="Where it is written down: an address, a number."),
    ],
    verify_by: Annotated[
        str,
        typer.Option(
            "--verify-by", metavar="WHEN", help="When somebody looks again: 90d, or a date like 2027-01-31."
        ),
    ],
    document: Annotated[
        Path | None,
        typer.Option("--document", metavar="FILE", help="The text itself; its SHA-256 goes on the record."),
    ] = None,
    who: As = None,
    as_json: Json = False,
) -> None:
    """Say that people do it differently now: the lock of a runbook whose lock is a process.

    Example:
      firestation attest refund-agent-1a2b3c4d --change 'two people sign' --reference 'Handbook 4.2' --verify-by 90d

    Next: a second person stands for it too: `firestation second INCIDENT --reason '...'`; then it can be closed.
    """
    desk = Desk.of(ctx, who, as_json=as_json)
    fields = {"change": change, "reference": reference, "verify_by": until(verify_by, "--verify-by")}
    perform(desk, incident, "attest", **fields, document=_digest(document))


def _digest(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        fix = "Name a file that you can read"
        raise InvalidInput("--document", f"{path} cannot be read: {error.strerror}", fix) from error


def second(
    ctx: typer.Context,
    incident: Incident,
    *,
    reason: Reason,
    who: As = None,
    as_json: Json = False,
) -> None:
    """Stand for another's word on the lock: its waiver, or that a process was changed. You cannot be the same person.

    Example:
      firestation second refund-agent-1a2b3c4d --reason 'the golden set is ordered for next week' --as ben

    Next: the word counts, with both your names, until its date; the incident can be closed.
    """
    desk = Desk.of(ctx, who, as_json=as_json)
    gateway = desk.gateway()
    name = gateway.find(incident)
    waits = gateway.picture(name).second
    if waits and not desk.json:
        say(desk.console, Text(f"You stand for {plain(waits.what, SHORT)}"))
    perform(desk, name, "second", reason=reason, word=waits.word if waits else None)


def locks(
    ctx: typer.Context,
    system: Annotated[
        str | None, typer.Argument(metavar="SYSTEM", help="Only the locks of this system.")
    ] = None,
    *,
    who: As = None,
    as_json: Json = False,
) -> None:
    """Show the wall of locks: what each closed incident became, since when, and which incident broke it.

    Example:
      firestation locks
      firestation locks refund-agent --json

    Next: a lock that is broken did not hold; `firestation show INCIDENT` tells how its class came back.
    """
    desk = Desk.of(ctx, who, as_json=as_json)
    found = desk.gateway().locks(system)
    if desk.json:
        desk.answer(found)
        return
    try:
        held = [
            (
                WallLock.model_validate(each["lock"]),
                [WallBreak.model_validate(one) for one in each.get("broken", ())],
            )
            for each in found["locks"]
        ]
        doubts = [Doubt.model_validate(each) for each in found.get("doubts", ())]
    except (ValidationError, LookupError, TypeError, AttributeError) as error:
        raise Nonsense(
            "the station's wall of locks cannot be read: use the command of its own version"
        ) from error
    _print(desk, held, doubts)


def _print(desk: Desk, held: list[tuple[WallLock, list[WallBreak]]], doubts: list[Doubt]) -> None:
    if not held:
        desk.console.print("No lock hangs on the wall yet: one does when an incident is closed.")
    heading = None
    for lock, broken in held:
        if (lock.system, lock.pattern) != heading:
            heading = (lock.system, lock.pattern)
            say(desk.console, Text(f"{plain(lock.system)}: {plain(lock.pattern)}", style="bold"))
        say(desk.console, _lock(lock, datetime.now(UTC)), indent=2)
        for each in broken:
            text = f"broken by {plain(each.incident)}, {each.at:%Y-%m-%d}"
            say(desk.console, Text(text, style=BAD), indent=4)
    for doubt in doubts:
        say(desk.console, Text(f"not believed: {plain(doubt.name)}: {plain(doubt.why, SHORT)}", style=BAD))


def _lock(lock: WallLock, now: datetime) -> Text:
    people: Any = f" by {' and '.join(map(plain, lock.by))}" if lock.by else ""
    ended = lock.until is not None and lock.until <= now
    names = {"proved": "", "attested": " to be looked at again by", "waived": " until"}
    until = f"{names[lock.how]} {lock.until:%Y-%m-%d}{' (OVER)' if ended else ''}" if lock.until else ""
    style = BAD if ended else ASK if lock.how == "waived" else GOOD
    return Text.assemble(
        (f"{lock.how} ", style),
        f"{lock.at:%Y-%m-%d}{people}{until}  ",
        (plain(lock.title), "bold"),
        f"  ({lock.lock}, after {plain(lock.incident)})",
    )
