"""What people say of legal clocks, one command an act: what happened, who was informed, that it is not so after all."""

from typing import Annotated

import typer

from cli.desk import As, Desk, Incident, Json, Reason
from cli.perform import happened, perform

PANEL = "What the law asks"


def categorize(
    ctx: typer.Context,
    incident: Incident,
    category: Annotated[
        str, typer.Argument(metavar="CATEGORY", help="Such as serious-incident or personal-data-breach.")
    ],
    *,
    reason: Reason,
    aware: Annotated[
        str | None,
        typer.Option(
            "--aware",
            metavar="WHEN",
            help="When somebody became aware of it: 3h (ago), or a time like 2026-01-31T14:00. Otherwise now.",
        ),
    ] = None,
    who: As = None,
    as_json: Json = False,
) -> None:
    """Say what this is in the eyes of the law: the legal clocks of the category start.

    Example:
      firestation categorize refund-agent-1a2b3c4d personal-data-breach --reason 'names in answers' --aware 3h

    Next: each clock shows the time that is left, and reminds its owner, until the authority is informed.
    """
    desk = Desk.of(ctx, who, as_json=as_json)
    fields = {"category": category, "reason": reason, "aware_at": happened(aware, "--aware")}
    perform(desk, incident, "categorize", **fields)


def inform(
    ctx: typer.Context,
    incident: Incident,
    clock: Annotated[str, typer.Argument(metavar="CLOCK", help="The legal clock, such as gdpr-33.")],
    *,
    reference: Annotated[
        str, typer.Option("--reference", metavar="TEXT", help="What the authority files it under.")
    ],
    at: Annotated[
        str | None,
        typer.Option(
            "--at", metavar="WHEN", help="When: 20m (ago), or a time like 2026-01-31T14:00. Otherwise now."
        ),
    ] = None,
    authority: Annotated[
        str | None,
        typer.Option("--authority", metavar="TEXT", help="Who exactly; otherwise as the clock says."),
    ] = None,
    who: As = None,
    as_json: Json = False,
) -> None:
    """Record that the authority was informed. Firestation informs nobody outside by itself.

    Example:
      firestation inform refund-agent-1a2b3c4d gdpr-33 --reference 'BlnBDI 2026-4711' --at 20m

    Next: the clock stands still, its reminders end, and the record keeps at, by and reference.
    """
    desk = Desk.of(ctx, who, as_json=as_json)
    fields = {"clock": clock, "reference": reference, "at": happened(at), "authority": authority}
    perform(desk, incident, "inform", **fields)


def withdraw(
    ctx: typer.Context,
    incident: Incident,
    category: Annotated[
        str, typer.Argument(metavar="CATEGORY", help="The category, or the severity, that it is not.")
    ],
    *,
    reason: Reason,
    who: As = None,
    as_json: Json = False,
) -> None:
    """Say that it is not of this category after all: its legal clocks stop. It stays on the record for ever.

    Example:
      firestation withdraw refund-agent-1a2b3c4d serious-incident --reason 'nobody came to harm'

    Next: the incident may end; the audit names who withdrew what, and why.
    """
    desk = Desk.of(ctx, who, as_json=as_json)
    perform(desk, incident, "withdraw", category=category, reason=reason)


COMMANDS = (categorize, inform, withdraw)
