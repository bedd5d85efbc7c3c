"""What is kept of a drill, and how ready a system is by all that were: which runbook and which lever grew stale."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date, timedelta
from typing import Any, Literal

from firestation.drill import DrillKind, DrillMark
from firestation.drill_score import Score
from firestation.errors import NotConfigured
from firestation.evidence import STATEMENT_TYPE
from firestation.model import Id, Line, Model, Sha256, Text, Time
from firestation.runbook import GENERAL, Runbook, choose
from firestation.system import System

DRILL_TYPE = "https://firestation.dev/drill/v1"
FOLDER = "drills"
ERROR = re.compile(r"^[A-Z][a-z]+[A-Za-z]*: ")
Standing = Literal["ready", "stale", "changed", "never drilled"]
WORST_FIRST: tuple[Standing, ...] = ("never drilled", "changed", "stale", "ready")


class DrillResult(Model):
    """One drill as it is kept. Without a `score` it was not held, or could not be scored, and `trouble` says why.

    It is kept when the fault is out of the target again. `incident_run` is that of the history by which an auditor
    computes the score again, where the drill's workflow knew it.
    """

    mark: DrillMark
    system: Id
    runbook: Id | None
    incident_run: Line | None
    kept_at: Time
    score: Score | None
    trouble: Text | None = None

    @property
    def name(self) -> str:
        """Under which name it is kept on the shelf."""
        return f"{FOLDER}/{self.system}/{self.mark.drill}.json"

    @property
    def hindered(self) -> str | None:
        """The trouble as people want it: without the name of our error in front."""
        return ERROR.sub("", self.trouble) if self.trouble else None

    @property
    def told(self) -> str:
        """How it went, in a word."""
        if self.score:
            return self.score.verdict
        return "not scored" if self.incident_run else "not held"

    def statement(self) -> dict[str, Any]:
        """The in-toto statement that is signed: its subject is the result itself."""
        digest: Sha256 = self.sha256()
        return {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": self.name, "digest": {"sha256": digest}}],
            "predicateType": DRILL_TYPE,
            "predicate": self.model_dump(mode="json"),
        }


class Readiness(Model):
    """How ready a system is for what one runbook is for. `last` is the day of its last drill, `went` how that went.

    One that was `changed` was drilled, and never as it is now. `levers` has the steps that were last drilled, as the
    runbook is now, too long ago, or never; `kinds` the drills that go by it.
    """

    system: Id
    runbook: Id
    title: Line
    standing: Standing
    last: date | None
    went: Line | None
    age: timedelta
    levers: tuple[Id, ...]
    kinds: tuple[DrillKind, ...] = ()


def drilled_steps(
    results: Iterable[DrillResult], system: str, runbooks: Iterable[Runbook], today: date
) -> dict[str, date]:
    """The last day on which each step of these was drilled on this system and seen to work, as `RUNBOOK/STEP`.

    What was held by a runbook that was changed since proves nothing of the step as it is now: it may move another
    lever. Nor does what was held on a day that is yet to come, by a clock that was wrong.
    """
    found: dict[str, date] = {}
    wall = {each.runbook: _digests(each) for each in runbooks}
    for each in results:
        if each.system != system or each.score is None:
            continue
        if each.score.runbook_digest not in wall.get(each.score.runbook, ()):
            continue
        for move in each.score.moves:
            key, day = f"{each.score.runbook}/{move.step}", each.score.opened_at.date()
            if move.effective and found.get(key, date.min) < day <= today:
                found[key] = day
    return found


def readiness(
    systems: Mapping[str, System],
    walls: Mapping[str, Sequence[Runbook]],
    results: Sequence[DrillResult],
    today: date,
) -> tuple[Readiness, ...]:
    """Each runbook of each system that can be rehearsed; the general one is drilled with none.

    A runbook was drilled when a drill of it was finished, late or not; it grows stale by its `stale_after`, as it does
    when nobody goes through it. What counts is the last drill of it as it is now; where there is none it was changed.
    """
    return tuple(
        each
        for system in systems.values()
        if system.rehearsal
        for each in _of_system(system, walls[system.system], results, today)
    )


def by_system(found: Iterable[Readiness]) -> dict[str, list[Readiness]]:
    """Each system's runbooks, what is not ready first."""
    systems: dict[str, list[Readiness]] = {}
    for each in sorted(found, key=lambda one: (one.system, WORST_FIRST.index(one.standing), one.runbook)):
        systems.setdefault(each.system, []).append(each)
    return systems


def _kinds(system: System, wall: Sequence[Runbook]) -> dict[str, tuple[DrillKind, ...]]:
    """Which drills each runbook is found by, by its id."""
    found: dict[str, tuple[DrillKind, ...]] = {}
    for plan in system.rehearsal:
        with suppress(NotConfigured):  # not even the general one is for it
            runbook, _ = choose(tuple(wall), system, plan.alarm.name, plan.alarm.labels)
            found[runbook.runbook] = (*found.get(runbook.runbook, ()), plan.id)
    return found


def _of_system(
    system: System, wall: Sequence[Runbook], results: Sequence[DrillResult], today: date
) -> Iterator[Readiness]:
    kinds, steps = _kinds(system, wall), drilled_steps(results, system.system, wall, today)
    for runbook in wall:
        if runbook.pattern == GENERAL:
            continue
        digests = _digests(runbook)
        held = _last_held(results, system.system, runbook, digests, today)
        last = held.opened_at.date() if held else None
        yield Readiness(
            system=system.system,
            runbook=runbook.runbook,
            title=runbook.title,
            standing=_standing(held, runbook, digests, today),
            last=last,
            went=held.verdict if held else None,
            age=runbook.stale_after,
            levers=tuple(
                step.id
                for step in runbook.firebreaks
                if too_old(steps.get(f"{runbook.runbook}/{step.id}"), runbook, today)
            ),
            kinds=kinds.get(runbook.runbook, ()),
        )


def _digests(runbook: Runbook) -> frozenset[str]:
    """Those that the score of a drill may have in which there was the same to do; see `Score`."""
    return frozenset({runbook.to_do(), runbook.sha256()})


def _standing(held: Score | None, runbook: Runbook, digests: Collection[str], today: date) -> Standing:
    if held is None:
        return "never drilled"
    if held.runbook_digest not in digests:
        return "changed"
    return "stale" if too_old(held.opened_at.date(), runbook, today) else "ready"


def _last_held(
    results: Iterable[DrillResult], system: str, runbook: Runbook, digests: Collection[str], today: date
) -> Score | None:
    """The last drill of this runbook that was finished, of it as it is now if there is one.

    See `drilled_steps` for one of a day that is yet to come.
    """
    ours = (
        each.score
        for each in results
        if each.score and (each.system, each.score.runbook) == (system, runbook.runbook)
    )
    held = (each for each in ours if each.verdict != "not finished" and each.opened_at.date() <= today)
    return max(held, key=lambda each: (each.runbook_digest in digests, each.opened_at), default=None)


def too_old(day: date | None, runbook: Runbook, today: date) -> bool:
    """Whether what was last drilled on this day is stale by now, or was never drilled."""
    return day is None or today - day > runbook.stale_after
