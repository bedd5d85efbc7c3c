"""Notes: what was seen and what is thought, and who stands for it."""

from typing import Annotated

import typer

from cli.desk import As, Desk, Incident, Json, Reason
from cli.perform import happened, perform
from firestation.errors import InvalidInput


def note(
    ctx: typer.Context,
    incident: Incident,
    text: Annotated[str, typer.Argument(help="What you saw, or what you think.")],
    *,
    fact: Annotated[
        bool, typer.Option("--fact", help="It is known to be true; otherwise a hypothesis.")
    ] = False,
    cause: Annotated[
        bool, typer.Option("--cause", help="This fact is the cause. Only the captain says so.")
    ] = False,
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="WHEN", help="When it happened: 5m (ago), 03:10, or 2026-01-31T03:10."),
    ] = None,
    who: As = None,
    as_json: Json = False,
) -> None:
    """Write a hypothesis or a fact on the record.

    Example:
      firestation note refund-agent-1a2b3c4d 'the reranker was switched off' --fact --at 13:40

    Next: `firestation establish` says that a hypothesis is a fact, or refuted; `firestation show` has the numbers.
    """
    standing = "fact" if fact or cause else "hypothesis"
    desk = Desk.of(ctx, who, as_json=as_json)
    perform(desk, incident, "note", text=text, standing=standing, cause=cause, at=happened(at))


def establish(
    ctx: typer.Context,
    incident: Incident,
    number: Annotated[
        int, typer.Argument(metavar="NUMBER", min=1, help="The number of the note, as `show` has it.")
    ],
    *,
    reason: Reason,
    refuted: Annotated[bool, typer.Option("--refuted", help="It is shown not to be so.")] = False,
    cause: Annotated[
        bool, typer.Option("--cause", help="This fact is the cause. Only the captain says so.")
    ] = False,
    who: As = None,
    as_json: Json = False,
) -> None:
    """Stand by your name for a note being a fact, or refute it. Its author stays beside it.

    A fact may be confirmed by a second person, and refuted when it turns out wrong.

    Example:
      firestation establish refund-agent-1a2b3c4d 3 --reason 'the gateway log shows it'
      firestation establish refund-agent-1a2b3c4d 4 --refuted --reason 'it fails with the old prompt too'

    Next: once the captain has marked a fact as the cause, public updates may name it.
    """
    if refuted and cause:
        raise InvalidInput("--cause", "what is refuted is not the cause", "Leave out --cause, or --refuted")
    desk = Desk.of(ctx, who, as_json=as_json)
    perform(desk, incident, "establish", entry=number, holds=not refuted, cause=cause, reason=reason)
