"""What a captain sees before deciding: one exact move, its cost, its way back and what it conflicts with."""

from rich.console import Console
from rich.text import Text

from cli.desk import Desk
from cli.plain import plain
from cli.show import ASK, BAD, command, say
from firestation.errors import InvalidInput
from firestation.model import count
from firestation.plan import Plan

COLUMN = 15


def show_plan(desk: Desk, incident: str, digest: str) -> None:
    """Print the plan of the move whose digest begins so, and touch nothing.

    Raises `InvalidInput` when no move, or more than one, that begins so waits for a decision.
    """
    gateway = desk.gateway()
    name = gateway.find(incident)
    plans = gateway.picture(name).plans
    found = [each for each in plans if each.digest.startswith(digest)]
    if len(found) != 1:
        known = ", ".join(each.digest[:12] for each in plans) or "nothing"
        how_many = "more than one move" if found else "no move"
        raise InvalidInput(
            "digest", f"{how_many} that waits for a decision begins with {digest}", f"It waits: {known}"
        )
    if desk.json:
        desk.answer({"incident": name, **found[0].model_dump(mode="json")})
        return
    tell(desk.console, found[0])
    command(desk.console, f"firestation approve {name} {found[0].digest[:12]}")
    command(desk.console, f"firestation refuse {name} {found[0].digest[:12]} --reason '...'")


def tell(console: Console, plan: Plan) -> None:
    """One plan, a line for each question that a captain has."""
    say(console, Text(plain(plan.change, 600), style="bold"))
    for conflict in plan.conflicts:
        _line(console, "CONFLICT", conflict, BAD)
    for words in plan.law:
        _line(console, "THE LAW", words, BAD)
    _line(console, "for whom", plan.affects)
    _line(console, "why", plan.why)
    _line(console, "cost", plan.cost)
    word = "reversible" if plan.reversible else "NOT REVERSIBLE"
    _line(console, "way back", f"{word}: {plan.way_back}", "" if plan.reversible else BAD)
    _line(console, "effective", plan.effective)
    _line(console, "ends", plan.expiry)
    _line(console, "undecided", plan.undecided)
    if plan.approvals_needed > 1:
        needs = f"{plan.approvals_missing} of {plan.approvals_needed} approvals, each of another person"
        _line(console, "needs", f"{needs}: {' or '.join(plan.approvers)}", ASK)
    if plan.signed:
        _line(console, "signature", "each approval is signed: firestation approve ... --sign KEY", ASK)
    drilled = (
        f"last drilled on {plan.drilled}, {count(plan.drilled_days or 0, 'day')} ago"
        if plan.drilled
        else "never drilled as it is now"
    )
    validated = (
        f"the runbook was gone through on {plan.validated}" if plan.validated else "never gone through"
    )
    _line(console, "rehearsed", f"{drilled}; {validated}", ASK if plan.stale or plan.drill_stale else "")
    digest = Text.assemble((f"  {'digest':<{COLUMN}}", "dim"), plan.digest)
    console.print(digest, soft_wrap=True)  # in one piece, to be copied


def _line(console: Console, name: str, text: str, style: str = "") -> None:
    say(
        console, Text.assemble((f"{name:<{COLUMN}}", "dim"), (plain(text, 600), style)), indent=2, hang=COLUMN
    )
