"""A drill on a page that a manager reads: what was rehearsed, how it went, the times, what to do better."""

from datetime import timedelta

from pydantic import ValidationError
from rich.console import Console
from rich.text import Text

from cli.client import Gateway
from cli.plain import SHORT, plain
from cli.show import ASK, BAD, GOOD, command, say
from firestation.drill import KINDS
from firestation.drill_orders import DrillNow
from firestation.drill_report import DrillResult, Readiness
from firestation.drill_score import Score, ScoreLine
from firestation.errors import Nonsense
from firestation.model import Model, count, show_duration
from firestation.wall import Doubt

STYLES = {
    "in time": GOOD,
    "late": ASK,
    "not reached": BAD,
    "not finished": BAD,
    "no limit": "",
    "not held": BAD,
    "not scored": BAD,
}
STANDINGS = {"ready": GOOD, "stale": ASK, "never drilled": BAD}
MOST_SHOWN = 12
WHAT = {
    "acknowledge": "somebody took it",
    "staff": "captain and scribe were there",
    "declare": "the severity was declared",
    "seal": "the evidence was sealed",
    "decide": "the first move was decided",
    "effective": "the harm was seen to stop",
    "first word": "the first word went out",
    "restore": "the recovery was proved",
    "lock": "it became a lock",
}


class Shown(Model):
    """What the station tells of its drills."""

    running: tuple[DrillNow, ...]
    results: tuple[DrillResult, ...]
    readiness: tuple[Readiness, ...]
    doubts: tuple[Doubt, ...]


def show_result(console: Console, result: DrillResult) -> None:
    """One drill."""
    mark, score = result.mark, result.score
    head = f"DRILL {mark.drill}: {KINDS[mark.kind]}"
    console.print()
    say(console, Text(head, style="bold"))
    people = ", ".join(map(plain, mark.drillers)) or "nobody"
    when = f"{mark.ordered_at.astimezone():%Y-%m-%d %H:%M}"
    say(
        console,
        Text(f"on {plain(result.system)}, {when}; {people} drilled, ordered by {plain(mark.ordered_by)}"),
    )
    if score is None:
        say(
            console,
            Text.assemble(
                (f"{result.told.upper()} ", BAD), plain(result.trouble or "nobody knows why", SHORT)
            ),
        )
        return
    verdict = score.verdict
    console.print()
    say(console, Text.assemble((f"{verdict.upper()}  ", STYLES[verdict]), score.sentence()))
    say(console, Text(f"By the runbook {score.runbook}: {plain(score.title)}"))
    console.print()
    say(console, Text(f"{'':34}{'took':>9} {'allowed':>9}", style="dim"))
    for line in score.lines:
        say(console, _line(line))
    console.print()
    _rest(console, score)
    if result.trouble:
        say(console, Text.assemble(("trouble ", BAD), plain(result.trouble, SHORT)))


def _rest(console: Console, score: Score) -> None:
    moves = ", ".join(
        f"{each.lever} ({'worked' if each.effective else 'DID NOT WORK'})" for each in score.moves
    )
    say(console, Text(f"Levers that were moved: {moves or 'none'}."))
    turned = count(len(score.refused), "wrong decision")
    say(console, Text(f"{turned} turned away; {count(score.updates_missed, 'word')} to the team missed."))
    for each in score.refused:
        say(console, Text(f"{each.act} by {plain(each.by)}: {plain(each.missing, SHORT)}"), indent=2)
    ended = f"It was {score.ended}." if score.ended else "Its time was over before it was closed."
    say(console, Text(ended))
    improve = score.improve()
    console.print()
    say(console, Text("What to do better" if improve else "Nothing to do better was found.", style="bold"))
    for line in improve:
        say(console, Text(f"- {plain(line, 600)}"), indent=2)


def _line(line: ScoreLine) -> Text:
    allowed = show_duration(line.allowed) if line.allowed is not None else "-"
    took = _short(line.took) if line.took is not None else "never"
    return Text.assemble(
        f"{WHAT[line.what]:<34}{took:>9} {allowed:>9}  ", (line.verdict, STYLES[line.verdict])
    )


def _short(span: timedelta) -> str:
    """Seconds with a tenth below ten of them."""
    seconds = span.total_seconds()
    return f"{seconds:.1f}s" if seconds < 10 else show_duration(span)  # noqa: PLR2004


def show_report(console: Console, found: Shown) -> None:
    """All of them: what is held now, the last that were held, and how ready that makes each system."""
    for now in found.running:
        text = f"now: {now.mark.drill} on {plain(now.system)}: {now.step}"
        say(console, Text(text, style=ASK))
    if not found.results:
        say(console, Text("No drill was held yet."))
    for each in found.results[:MOST_SHOWN]:
        told = each.score.sentence() if each.score else plain(each.trouble or "", SHORT)
        day = f"{each.mark.ordered_at.astimezone():%Y-%m-%d}"
        word = (f"{each.told:<12} ", STYLES[each.told])
        say(console, Text.assemble(f"{day}  ", word, (each.mark.drill, "bold"), f"  {told}"))
    system = None
    for one in found.readiness:
        if one.system != system:
            system = one.system
            console.print()
            say(console, Text(f"Readiness of {plain(system)}", style="bold"))
        say(console, Text.assemble((f"{one.runbook}  ", "bold"), standing(one)), indent=2)
    for doubt in found.doubts:
        say(console, Text(f"not believed: {plain(doubt.name)}: {plain(doubt.why, SHORT)}", style=BAD))
    stale = next((one for one in found.readiness if one.standing != "ready"), None)
    if stale:
        command(console, f"firestation drill run KIND --system {stale.system}")


def standing(one: Readiness) -> Text:
    """How ready a system is for what a runbook is for, in a line."""
    went = f"last drilled on {one.last}, {plain(one.went or 'nobody knows how', SHORT)}"
    last = went if one.last else "no drill of it was ever finished"
    text = f"on {plain(one.system)}: {last}; good for {show_duration(one.age)}"
    late = f"; not drilled for too long: {', '.join(one.levers)}" if one.levers and one.last else ""
    return Text.assemble((f"{one.standing}  ", STANDINGS[one.standing]), text, (late, ASK))


def shown(gateway: Gateway, system: str | None = None) -> Shown:
    """What the station tells of its drills. Raises `Nonsense` when it cannot be read."""
    answer = gateway.drills(system)
    try:
        return Shown.model_validate({name: answer.get(name) for name in Shown.model_fields})
    except ValidationError as error:
        raise Nonsense("the station's drills cannot be read: use the command of its own version") from error
