"""Who is what in an incident: taking a role, handing the captaincy over, laying it down."""

from typing import Annotated

import typer

from cli.desk import As, Desk, Incident, Json, Reason
from cli.perform import perform
from firestation.authority import Role


def ack(
    ctx: typer.Context,
    incident: Incident,
    *,
    role: Annotated[Role, typer.Option("--role", help="The part that you take.")] = Role.CAPTAIN,
    who: As = None,
    as_json: Json = False,
) -> None:
    """Take the page: become the captain, or another role.

    Example:
      firestation ack refund-agent-1a2b3c4d --as ana
      firestation ack refund-agent-1a2b3c4d --as ben --role scribe

    Next: the paging stops, and the captain declares how bad it is.
    """
    perform(Desk.of(ctx, who, as_json=as_json), incident, "acknowledge", role=role)


def handover(
    ctx: typer.Context,
    incident: Incident,
    to: Annotated[str, typer.Argument(metavar="NAME", help="Who shall be the captain.")],
    *,
    who: As = None,
    as_json: Json = False,
) -> None:
    """Offer the captaincy to somebody. You stay the captain until it is accepted.

    Example:
      firestation handover refund-agent-1a2b3c4d ben

    Next: ben gets the briefing, and types `firestation accept refund-agent-1a2b3c4d`.
    """
    perform(Desk.of(ctx, who, as_json=as_json), incident, "handover", to=to)


def accept(ctx: typer.Context, incident: Incident, *, who: As = None, as_json: Json = False) -> None:
    """Take the captaincy that was offered to you.

    Example:
      firestation accept refund-agent-1a2b3c4d --as ben

    Next: you are the captain, and decide what is waited for.
    """
    perform(Desk.of(ctx, who, as_json=as_json), incident, "accept")


def decline(
    ctx: typer.Context, incident: Incident, *, reason: Reason, who: As = None, as_json: Json = False
) -> None:
    """Not take the captaincy that was offered to you.

    Example:
      firestation decline refund-agent-1a2b3c4d --reason 'I am on a train' --as ben

    Next: whoever offered it is told, and is still the captain.
    """
    perform(Desk.of(ctx, who, as_json=as_json), incident, "decline", reason=reason)


def renounce(
    ctx: typer.Context,
    incident: Incident,
    *,
    role: Annotated[Role, typer.Option("--role", help="The part that you lay down.")] = Role.CAPTAIN,
    reason: Reason,
    who: As = None,
    as_json: Json = False,
) -> None:
    """Lay down the captaincy, or another role, with nobody to take it. A handover is better.

    Example:
      firestation renounce refund-agent-1a2b3c4d --reason 'I must leave at once'

    Next: without a captain the paging begins again, until somebody acknowledges.
    """
    perform(Desk.of(ctx, who, as_json=as_json), incident, "renounce", role=role, reason=reason)
