"""The plan on paper, for the night when the engine itself is down: whom to call, and what to type by hand.

Markdown that reads well as plain text. No credential stands in it: the shell reads them when a command is typed.
"""

from collections.abc import Iterator, Mapping
from datetime import date

from firestation.authority import Roster
from firestation.board import AUDIENCES
from firestation.lint import fitting
from firestation.model import Model, Text, show_duration
from firestation.order import in_order, wanted
from firestation.ports import Bench, ByHand, MeasuredByHand, MovedByHand, ReadByHand
from firestation.runbook import Runbook
from firestation.severity import propose
from firestation.steps import FirebreakStep, ManualStep
from firestation.system import LeverFitting, Position, System
from firestation.wording import PLACEHOLDER

BLANK = "________"
UNKNOWN = (
    "No command is known for the driver `{}`: use the product's own console, and write down what you did."
)


class LeverHands(Model):
    """What can be typed for one lever: the reading, and the move to each named position."""

    read: ByHand | None
    moves: dict[str, Text]


class Hands(Model):
    """What can be typed for a system. What has no command is not in it."""

    levers: dict[str, LeverHands]
    checks: dict[str, ByHand]


def hands(system: System, bench: Bench) -> Hands:
    """The commands that the drivers give. Raises as the bench does."""
    levers, checks = {}, {}
    for fitting_ in system.levers:
        lever = bench.lever(fitting_)
        moves = (
            {name: lever.by_hand(value) for name, value in fitting_.positions.items()}
            if isinstance(lever, MovedByHand)
            else {}
        )
        read = lever.read_by_hand() if isinstance(lever, ReadByHand) else None
        levers[fitting_.id] = LeverHands(read=read, moves=moves)
    for each in system.checks:
        check = bench.check(each)
        if isinstance(check, MeasuredByHand):
            checks[each.id] = check.measure_by_hand()
    return Hands(levers=levers, checks=checks)


def paper(
    system: System, wall: tuple[Runbook, ...], by_hand: Hands, roster: Roster | None, today: date
) -> str:
    """The whole plan: every runbook of the wall that fits the system, one a chapter."""
    lines = [
        f"# Engine down: {_line(system.title)}",
        "",
        f"The plan on paper for `{system.system}`, printed on {today}. Print it again when a runbook, the system file",
        "or the people change.",
        "",
        *_rules(),
        *_people(roster),
        *_typing(),
        *_positions(system, by_hand),
    ]
    for runbook in fitting(wall, system):
        lines += _chapter(runbook, system, by_hand)
    return "\n".join([*lines, *_afterwards()]) + "\n"


# --------------------------------------------------------------------------------------------- before all runbooks


def _rules() -> Iterator[str]:
    yield "## The rules still hold"
    yield ""
    yield f"1. One person decides. Captain: {BLANK}  Scribe: {BLANK}  Began at: {BLANK}"
    yield "2. Write down where every lever stands, and save what the alarm is about, before you move anything."
    yield "3. Move one lever, read it again, then make its check. Write down who, when, from where and to where."
    yield "4. Say what is known early, and nothing about a cause before it is a fact."
    yield "5. Put back every lever that you moved, or write down who decided to leave it."
    yield ""


def _people(roster: Roster | None) -> Iterator[str]:
    if roster is None:
        return
    yield "## Whom to call"
    yield ""
    for number, name in enumerate(roster.escalation, start=1):
        person = roster.person(name)
        assert person
        every = show_duration(roster.page_every)
        yield f"{number}. {_line(person.name)}, {_line(person.address)}; no answer after {every}: call the next one"
    for person in roster.people:
        if person.id not in roster.escalation:
            yield f"- {_line(person.name)} ({', '.join(person.roles)}), {_line(person.address)}"
    yield ""


def _typing() -> Iterator[str]:
    yield "## How to type the commands"
    yield ""
    yield "In bash, in the station's state folder: credentials are read from `tokens/` there (`$(cat PATH)`) or from a"
    yield "variable of your shell (`$NAME`). A command that ends with an error has done nothing that you may rely on:"
    yield "read the lever again."
    yield ""


def _positions(system: System, by_hand: Hands) -> Iterator[str]:
    yield "## Where every lever stands, before anything moves"
    yield ""
    for lever in system.levers:
        known = ", ".join(f"{name} is `{Position(value=value)}`" for name, value in lever.positions.items())
        yield f"### {lever.id}: {_line(lever.title)}"
        yield ""
        yield f"Positions: {known}." + (f" It affects {_line(lever.affects)}." if lever.affects else "")
        yield ""
        yield from _reading(lever, by_hand)


def _reading(lever: LeverFitting, by_hand: Hands) -> Iterator[str]:
    read = by_hand.levers[lever.id].read
    if read is None:
        yield UNKNOWN.format(lever.driver)
    else:
        yield f"READ `{lever.id}`; {_line(read.look)}:"
        yield from _command(read.command)
    yield ""
    yield f"It stood at {BLANK}, read at {BLANK} by {BLANK}"
    yield ""


# ------------------------------------------------------------------------------------------------- one runbook


def _chapter(runbook: Runbook, system: System, by_hand: Hands) -> Iterator[str]:
    yield f"## {_line(runbook.title)} (`{runbook.runbook}`)"
    yield ""
    names = " or ".join(_line(name) for name in runbook.match.names) or "whatever no other chapter is for"
    yield f"For: {names}. Proposed severity: {propose(runbook.severity).severity}; the captain declares."
    if runbook.guidance:
        yield ""
        yield _line(runbook.guidance)
    yield ""
    for number, step in enumerate(in_order(runbook), start=1):
        if isinstance(step, ManualStep):
            yield from _manual(number, step)
        else:
            yield from _firebreak(number, step, system, by_hand)
    yield f"### Recovered when all of this has held for {show_duration(runbook.recovery.soak)}"
    yield ""
    for name in runbook.recovery.checks:
        yield from _check(name, system, by_hand)
    yield from _words(runbook)


def _turn(step: FirebreakStep | ManualStep) -> Iterator[str]:
    when = wanted(step)
    if when:
        yield f"WHEN: {_line(when)}."


def _manual(number: int, step: ManualStep) -> Iterator[str]:
    yield f"### {number}. {step.id}: {_line(step.title)}"
    yield ""
    yield from _turn(step)
    yield _line(step.do)
    yield ""
    yield f"Confirmed by the {step.confirmed_by}: {BLANK}, at {BLANK}"
    yield ""


def _firebreak(number: int, step: FirebreakStep, system: System, by_hand: Hands) -> Iterator[str]:
    lever = system.lever(step.lever)
    assert lever
    yield f"### {number}. {step.id}: move `{step.lever}` to `{step.to}`"
    yield ""
    yield from _turn(step)
    yield f"Why: {_line(step.why)}"
    yield f"Cost: {_line(step.cost)}"
    people = "the captain" if step.approvals == 1 else f"{step.approvals} people, the captain one of them"
    yield f"Decided by {people}: {BLANK}, at {BLANK}"
    if step.group:
        yield f"Together with the steps of the group {step.group}: if one fails, put all of them back."
    yield ""
    yield from _reading(lever, by_hand)
    yield f"MOVE `{step.lever}` to `{step.to}`, then READ it again:"
    yield from _move(lever, step.to, by_hand)
    yield f"CHECK within {show_duration(step.probe.deadline)} that the harm has stopped:"
    yield ""
    yield from _check(step.probe.check, system, by_hand)
    yield f"Ends {show_duration(step.expires_after)} after the move, at {BLANK}: decide again, or put it back."
    yield ""
    yield from _restore(step, lever, by_hand)


def _restore(step: FirebreakStep, lever: LeverFitting, by_hand: Hands) -> Iterator[str]:
    if step.way_back:
        yield f"THE WAY BACK: {_line(step.way_back)}"
        yield ""
    if not lever.reversible:
        return
    for name in lever.positions:
        if name != step.to:
            yield f"RESTORE `{lever.id}`, if it stood at `{name}`:"
            yield from _move(lever, name, by_hand)


def _move(lever: LeverFitting, to: str, by_hand: Hands) -> Iterator[str]:
    command = by_hand.levers[lever.id].moves.get(to)
    if command is None:
        yield ""
        yield UNKNOWN.format(lever.driver)
    else:
        yield from _command(command)
    yield ""


def _check(name: str, system: System, by_hand: Hands) -> Iterator[str]:
    check, typed = system.check(name), by_hand.checks.get(name)
    assert check
    if typed is None:
        yield f"`{name}`, {_line(check.title)}. {UNKNOWN.format(check.driver)}"
    else:
        yield f"`{name}`, {_line(check.title)}; {_line(typed.look)}:"
        yield from _command(typed.command)
    yield ""


def _words(runbook: Runbook) -> Iterator[str]:
    others = "".join(f", at {each} every {show_duration(span)}" for each, span in runbook.cadence_at.items())
    yield f"### Words: one every {show_duration(runbook.cadence)}{others}"
    yield ""
    words: Mapping[str, str | None] = {each: getattr(runbook.updates, each) for each in AUDIENCES}
    for audience, text in words.items():
        said = PLACEHOLDER.sub(lambda found: f"{BLANK} ({found[1]})", text) if text else f"known: {BLANK}"
        yield f"{audience.capitalize()}: {_line(said)}"
        yield ""
    if runbook.updates.public_approval:
        yield f"No word to the public without the yes of {runbook.updates.public_approval}: {BLANK}"
        yield ""


def _afterwards() -> Iterator[str]:
    yield "## When the engine is back"
    yield ""
    yield "Ring the alarm by hand, so that the incident gets its record, then write down each thing that was done by"
    yield "hand, with its time, as a note: `firestation ring`, `firestation note`. The engine reads the levers where"
    yield "they stand."


def _command(command: str) -> Iterator[str]:
    """A command in a fence that nothing in it can close."""
    fence = "```"
    while fence in command:
        fence += "`"
    yield ""
    yield f"{fence}bash"
    yield from command.splitlines()
    yield fence


def _line(text: str) -> str:
    return " ".join(text.split())
