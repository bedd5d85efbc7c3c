"""A drill on a page that a manager reads: what was rehearsed, how it went, the times, what to do better."""

from collections.abc import Sequence

from pydantic import ValidationError
from rich.console import Console
from rich.text import Text

from cli.client import Gateway
from cli.plain import SHORT, plain
from cli.show import ASK, BAD, GOOD, command, say
from firestation.drill import KINDS
from firestation.drill_orders import DrillNow
from firestation.drill_report import DrillResult, Readiness, by_system
from firestation.drill_score import WORDS, Score, ScoreLine
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
STANDINGS = {"ready": GOOD, "stale": ASK, "changed": ASK, "never drilled": BAD}
MOST_SHOWN = 12


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
    when = f"{mark.ordered_at.astimezone():%Y-%m-%d %H:%M %Z}"
    say(
        console,
        Text(f"on {plain(result.system)}, {when}; {people} drilled, ordered by {plain(mark.ordered_by)}"),
    )
    if score is None:
        say(
            console,
            Text.assemble(
                (f"{result.told.upper()} ", BAD), plain(result.hindered or "nobody knows why", SHORT)
            ),
        )
        return
    verdict = score.verdict
    console.print()
    say(console, Text.assemble((f"{verdict.upper()}  ", STYLES[verdict]), score.sentence()))
    say(console, Text(f"By the runbook {score.runbook}: {plain(score.title)}"))
    console.print()
    say(console, Text(f"{'':29} {'took':>8} {'allowed':>8}", style="dim"))
    for line in score.lines:
        say(console, _line(line))
    console.print()
    _rest(console, score)
    if result.trouble:
        say(console, Text.assemble(("trouble ", BAD), plain(result.hindered or "", SHORT)))


def _rest(console: Console, score: Score) -> None:
    moves = ", ".join(
        f"{each.lever} ({'worked' if each.effective else 'DID NOT WORK'})" for each in score.moves
    )
    say(console, Text(f"Levers that were moved: {moves or 'none'}."))
    turned = count(len(score.refused), "wrong decision")
    say(console, Text(f"{turned} turned away; {count(score.updates_missed, 'word')} to the team missed."))
    for each in score.refused:
        say(console, Text(f"{each.act} by {plain(each.by)}: {plain(each.missing, SHORT)}"), indent=2)
    say(console, Text(score.ending()))
    improve = score.improve()
    console.print()
    say(console, Text("What to do better" if improve else "Nothing to do better was found.", style="bold"))
    for line in improve:
        say(console, Text(f"- {plain(line, 600)}"), indent=2)


def _line(line: ScoreLine) -> Text:
    allowed = show_duration(line.allowed) if line.allowed is not None else "-"
    return Text.assemble(
        f"{WORDS[line.what]:<29} {line.taken:>8} {allowed:>8}  ", (line.verdict, STYLES[line.verdict])
    )


def show_report(console: Console, found: Shown) -> None:
    """All of them: what is held now, the last that were held, and how ready that makes each system."""
    for now in found.running:
        text = f"now: {now.mark.drill} on {plain(now.system)}: {now.step}"
        say(console, Text(text, style=ASK))
    if not found.results:
        say(console, Text("No drill was held yet."))
    for each in found.results[:MOST_SHOWN]:
        told = each.score.sentence() if each.score else plain(each.hindered or "", SHORT)
        day = f"{each.mark.ordered_at.astimezone():%Y-%m-%d}"
        word = (f"{each.told:<12} ", STYLES[each.told])
        say(console, Text.assemble(f"{day}  ", word, (each.mark.drill, "bold"), f"  {told}"))
    for system, ones in by_system(found.readiness).items():
        _readiness(console, system, ones)
    for doubt in found.doubts:
        say(console, Text(f"not believed: {plain(doubt.name)}: {plain(doubt.why, SHORT)}", style=BAD))
    wanted = next((one for one in found.readiness if one.standing != "ready" and one.kinds), None)
    if wanted:
        command(console, f"firestation drill run {wanted.kinds[0]} --system {wanted.system}")


def _readiness(console: Console, system: str, ones: Sequence[Readiness]) -> None:
    """One system."""
    ready = sum(one.standing == "ready" for one in ones)
    console.print()
    say(
        console,
        Text(f"Readiness of {plain(system)}: {ready} of {count(len(ones), 'runbook')} ready", style="bold"),
    )
    for one in ones:
        word = (f"{one.standing:<15}", STANDINGS[one.standing])
        say(console, Text.assemble(word, (one.runbook, "bold"), f"  {_when(one)}"), indent=2, hang=15)


def standing(one: Readiness) -> Text:
    """How ready a system is for what a runbook is for, in a line."""
    word = (f"{one.standing}  ", STANDINGS[one.standing])
    return Text.assemble(word, f"on {plain(one.system)}: {_when(one)}")


def _when(one: Readiness) -> str:
    """When it was last drilled and how that went, or by which drill it can be."""
    by = f"drilled by {', '.join(one.kinds)}" if one.kinds else "no drill of this system goes by it"
    if one.last is None:
        return by
    went = f"last drilled on {one.last}, {plain(one.went or 'nobody knows how', SHORT)}"
    if one.standing == "changed":
        return f"{went}; it was changed since; {by}"
    late = f"; not drilled in that time, as it is now: {', '.join(one.levers)}" if one.levers else ""
    if one.standing == "ready":
        return f"{went}; good until {one.last + one.age}{late}"
    return f"{went}; good for {show_duration(one.age)}{late}; {by}"


def shown(gateway: Gateway, system: str | None = None) -> Shown:
    """What the station tells of its drills. Raises `Nonsense` when it cannot be read."""
    answer = gateway.drills(system)
    try:
        return Shown.model_validate({name: answer.get(name) for name in Shown.model_fields})
    except ValidationError as error:
        raise Nonsense("the station's drills cannot be read: use the command of its own version") from error
