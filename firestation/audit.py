"""The audit: the record made again from the raw history, and every rule judged again over it.

Nothing here calls the workflow. What people said comes from signals and updates, what was done from the activities
that were ordered and ended, and what time made due is derived again from the pinned runbook.
"""

import json
from collections.abc import Iterable
from itertools import pairwise, zip_longest
from typing import Any, Literal

from pydantic import ValidationError

from firestation import cadence, orders, record
from firestation.acts import ACTS, Close
from firestation.alarm import Alarms
from firestation.due import settled
from firestation.errors import ORDER, InvalidInput, Refused
from firestation.fold import begin, follow
from firestation.history import Run, Step, read_run
from firestation.incident import advance, next_job
from firestation.legal_course import breaches
from firestation.model import Id, Line, Model, Text, Time, without
from firestation.record import Brief, Event
from firestation.rules import RULES, objections
from firestation.state import Incident, Phase
from firestation.translated import DONE, FAILED

DERIVED = frozenset(
    [
        "asked",
        "called",
        "expired",
        "lapsed",
        "missed",
        "overdue",
        "paged",
        "proposed",
        "relieved",
        "reminded",
        "said",
        "silent",
        "skipped",
        "unreached",
        "word-drafted",
        "word-overdue",
    ]
)
"""Events that time and the runbook alone make; they have no event of their own in the history."""

READINGS = frozenset({"measure", "probe", "soak", "recall_locks", "prove_lock"})
"""Activities that only look, and are done again by the next run when this one ends before it has taken the answer."""

NONSENSE = (LookupError, TypeError, AttributeError, StopIteration, ValueError)
"""What the fold raises on what no live incident can come to: only a history that was made up holds such a thing."""


class Finding(Model):
    """Something that the audit found: a break of a rule, or a breach that stands honestly on the record."""

    level: Literal["broken", "on the record"]
    rule: int
    title: Line
    what: Text
    run: str
    event_id: int


class Report(Model):
    """The audit's verdict on one incident."""

    incident: Id
    phase: Phase
    runs: int
    events: int
    bytes: int
    first_at: Time
    last_at: Time
    rules: tuple[Line, ...]
    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        """Whether every rule was kept, or its breach stands on the record."""
        return not any(finding.level == "broken" for finding in self.findings)


def audit(histories: list[dict[str, Any]]) -> Report:
    """Judge one incident by all its runs, oldest first, each a raw history in Temporal's standard JSON.

    Raises `InvalidInput` when the histories are not whole, or not those of one incident.
    """
    return recomputed(histories).report()


def recomputed(histories: list[dict[str, Any]]) -> "Auditor":
    """The auditor after it has read all runs: the record made again, its last state, and what was found so far.

    Raises `InvalidInput` as `audit` does.
    """
    runs = [read_run(history) for history in histories]
    whole(runs)
    auditor = Auditor(runs)
    auditor.read_all(runs)
    return auditor


def whole(runs: list[Run]) -> None:
    """Raises `InvalidInput` unless these are all the runs of one chain, in their order."""
    if not runs:
        raise InvalidInput("histories", "there is no run", "give every run of the incident, the oldest first")
    if runs[0].run_id != runs[0].first_run_id:
        raise InvalidInput(
            "histories[0]", "this is not the first run of the chain", "export the chain from its start"
        )
    for number, (run, following) in enumerate(pairwise(runs), start=1):
        if run.next_run_id != following.run_id:
            fix = "give every run, the oldest first"
            raise InvalidInput(f"histories[{number}]", "this run does not continue the one before", fix)
    if runs[-1].next_run_id:
        raise InvalidInput(
            "histories", f"the run {runs[-1].next_run_id} is missing", "export the whole chain"
        )


class Auditor:
    """Reads the runs of one incident and keeps what it finds."""

    def __init__(self, runs: list[Run]) -> None:
        first, self.runs = runs[0], runs
        self.opened = opened = _opening(first)
        self.incident: Incident = begin(opened)
        self.record: list[Event] = [opened]
        self.findings: list[Finding] = []
        self.step = Step(1, first.started_at, "started", "")
        self.made: set[int] = set()
        self.run = first.run_id

    def read_all(self, runs: list[Run]) -> None:
        """Follow every run to the end, and compare the ends."""
        for run, following in zip_longest(runs, runs[1:]):
            self.read(run, following)
        self.close(runs[-1])

    def read(self, run: Run, following: Run | None) -> None:
        """Follow one run, and compare what we make of it with the record that it handed on."""
        self.run, self.made = run.run_id, set()
        before = self.incident, tuple(self.record), tuple(self.findings)
        self._follow_all(run.steps)
        difference = self._handed_on_wrongly(following)
        if difference is None:
            return
        # A run that was told to end, by what came first in its last task, leaves readings of that task to the next.
        after = self.incident, self.record, self.findings
        self.incident, self.record, self.findings, self.made = before[0], [*before[1]], [*before[2]], set()
        self._follow_all(step for step in run.steps if not (step.last and step.name in READINGS))
        if self._handed_on_wrongly(following) is not None:
            self.incident, self.record, self.findings = after
            self._find("broken", 10, f"the record that was handed on is not that of this run: {difference}")

    def close(self, last: Run) -> None:
        """Compare how the workflow ended with how the incident did."""
        if last.ended is None:
            return
        outcome = last.result.get("outcome") if isinstance(last.result, dict) else None
        incident = self.incident
        if last.ended == "COMPLETED" and outcome != incident.ended:
            by = incident.captain or (incident.tenures[-1].person if incident.tenures else "nobody")
            closing = record.Acted(at=self.step.at, act=Close(by=by))
            rule = next((each.rule for each in objections(incident, closing)), 0)
            what = f"the workflow ended as {outcome}, and by its history the incident is {incident.phase}"
            self._find("broken", rule, what)
        elif last.ended != "COMPLETED" and not incident.ended:
            held = ", ".join(each.action.lever for each in incident.holding)
            what = f"the workflow was {last.ended.lower()} while the incident was {incident.phase}"
            if held:
                self._find("broken", 6, f"{what}, and nobody put back {held}")
            elif incident.rung:
                self._find("broken", 9, f"{what}: nobody has closed, dismissed or merged it by name")
            else:  # the update that should have brought its alarm was refused, so it never was an incident
                self._find("on the record", 0, what)

    def _follow_all(self, steps: Iterable[Step]) -> None:
        for step in steps:
            self.step = step
            try:
                self._follow(step)
            except ValidationError as error:
                self._find("broken", 10, f"{step.kind} {step.name} cannot be read: {error}"[:4000])
            except NONSENSE as error:
                what = f"nothing can follow from {step.kind} {step.name}: {type(error).__name__}: {error}"
                self._find("broken", 10, what)

    def _handed_on_wrongly(self, following: Run | None) -> str | None:
        """How the record in the next run's start differs from ours; None when it does not."""
        if following is None:
            return None
        if _opening(following).changed(at=self.opened.at) != self.opened:
            return "it is pinned to another brief than the incident was opened with"
        carried = _essence([_by_todays_model(event) for event in (following.start or {}).get("record") or []])
        ours = _essence([event.model_dump(mode="json") for event in self.record[1:]])
        for number, (theirs, made) in enumerate(zip_longest(carried, ours)):
            if theirs != made:
                return f"entry {number} is {json.dumps(theirs)[:500]}, and should be {json.dumps(made)[:500]}"
        return None

    def _follow(self, step: Step) -> None:
        if step.kind in {"signal", "update"}:
            self._heard(step)
        elif step.kind == "timer":
            self._settle()
        elif step.kind in {"ordered", "maybe"} and step.name == "move_lever":
            self._ordered(step)
        elif step.kind in {"done", "failed"}:
            table = DONE if step.kind == "done" else FAILED
            event = table[step.name](step, self.incident) if step.name in table else None
            if event is not None:
                self._happened(event)

    def _ordered(self, step: Step) -> None:
        """An order that is owed before the results of its task are seen was made before them, and is not made twice."""
        order = orders.LeverOrder.model_validate(step.given).order
        if step.event_id in self.made:
            return
        if step.kind == "maybe":
            job = next_job(self.incident, order.action.lever)
            digest = order.action.sha256()
            if job is None or job[0] != order.purpose or job[1] is None or job[1].digest != digest:
                return
        self.made.add(step.event_id)
        self._happened(record.Ordered(at=step.at, order=order))

    def _heard(self, step: Step) -> None:
        if step.name == "ring":
            told = Alarms.model_validate(step.given)
            for event in () if self.incident.counted(told.batch) else record.rung(told, step.at):
                self._happened(event)
        if step.name not in ACTS:
            return
        try:
            act: Any = ACTS[step.name].model_validate(step.given)
        except ValidationError:
            if step.kind == "signal":  # nobody could read it then either; it was dropped
                return
            raise
        self._settle(act.by)
        refused = isinstance(step.answer, dict) and step.answer.get("accepted") is False
        acted = record.Acted(at=step.at, act=act)
        try:
            after = advance(self.incident, acted)
        except Refused as refusal:
            if step.kind == "update" and not refused:
                self._find("broken", refusal.rule, f"{act.kind} by {act.by} was accepted: {refusal.missing}")
                self._keep(acted)
                return
            missing, rule = refusal.missing, refusal.rule
            if refused and self.incident.since(4) and step.answer["rule"] != rule:
                theirs = f"{act.kind} by {act.by} was refused by rule {step.answer['rule']}"
                self._find("broken", rule, f"{theirs}, and what forbids it is: {missing}")
            self._keep(record.TurnedAway(at=step.at, by=act.by, act=act.kind, rule=rule, missing=missing))
            return
        if refused:
            answer = step.answer
            self._find(
                "broken", answer["rule"], f"{act.kind} by {act.by} was refused, and no rule forbids it"
            )
            turned = record.TurnedAway(
                at=step.at, by=act.by, act=act.kind, rule=answer["rule"], missing=answer["missing"]
            )
            self._keep(turned)
            return
        self.incident = after
        self.record.append(acted)
        self._settle()

    def _happened(self, event: Event) -> None:
        self._settle()
        if isinstance(event, record.Sent | record.Unsent) and event.key not in {
            parcel.key for parcel in self.incident.outbox
        }:
            self._find("broken", 10, f"a message was sent that nothing called for: {event.key}")
        for refusal in objections(self.incident, event):
            self._find("broken", refusal.rule, refusal.missing)
        self._keep(event)

    def _keep(self, event: Event) -> None:
        self.incident = follow(self.incident, event)
        self.record.append(event)
        self._settle()

    def _settle(self, hearing: str = "") -> None:
        self.incident, happened = settled(self.incident, self.step.at, hearing)
        self.record.extend(happened)

    def _find(
        self, level: Literal["broken", "on the record"], rule: int, what: str, besides: str = ORDER
    ) -> None:
        title = next((each.title for each in RULES if each.number == rule), besides)
        finding = Finding(
            level=level, rule=rule, title=title, what=what[:4000], run=self.run, event_id=self.step.event_id
        )
        self.findings.append(finding)

    def report(self) -> Report:
        """The verdict, with the breaches that stand on the record."""
        for waiver in self.incident.waivers:
            rule = 1 if waiver.what == "snapshot" else 9
            second = f", seconded by {waiver.seconded_by}" if waiver.seconded_by else ""
            self._find("on the record", rule, f"{waiver.what} waived by {waiver.by}{second}: {waiver.reason}")
        for said in self.incident.attestations:
            second = said.seconded_by or "nobody"
            until = f"to be looked at again by {said.verify_by:%Y-%m-%d}"
            what = (
                f"lock attested by {said.by}, seconded by {second}, {until}: {said.reference}: {said.change}"
            )
            self._find("on the record", 9, what)
        if self.incident.ended and self.incident.wall_trouble:
            what = f"not on the wall of locks when it ended: {self.incident.wall_trouble}"
            self._find("on the record", 9, what)
        for deadline in self.incident.deadlines:
            if deadline.missed:
                self._find("on the record", 7, f"missed: {deadline.milestone}")
        for late in cadence.breaches(self.incident):
            self._find("on the record", 7, late)
        for breach in breaches(self.incident):
            self._find("on the record", 0, breach, "legal clocks")
        return Report(
            incident=self.incident.id,
            phase=self.incident.phase,
            runs=len(self.runs),
            events=sum(run.events for run in self.runs),
            bytes=sum(run.size for run in self.runs),
            first_at=self.incident.opened_at,
            last_at=self.step.at,
            rules=tuple(f"{rule.number} {rule.title}" for rule in RULES),
            findings=tuple(self.findings),
        )


def _opening(run: Run) -> record.Opened:
    """The opening as this run was told of it. Raises `InvalidInput` when it was told of none."""
    start = run.start if isinstance(run.start, dict) else {}
    try:
        brief = Brief.model_validate(start.get("brief"))
    except ValidationError as error:
        raise InvalidInput("events[0].input", str(error), "this is not the history of an incident") from None
    return record.Opened(
        at=run.started_at, brief=brief, run=run.first_run_id, predecessor=start.get("predecessor")
    )


def _by_todays_model(event: dict[str, Any]) -> dict[str, Any]:
    """An event as today's model writes it, so that a field which is new since then says nothing."""
    try:
        read: dict[str, Any] = record.EVENT.validate_python(event).model_dump(mode="json")
    except ValidationError:
        return event
    return read


def _essence(events: list[dict[str, Any]]) -> list[Any]:
    """Events without what is derived and without times: ours are the history's, a workflow's those of its tasks.

    The words of a refusal may tell a time too; its rule is compared, and the words of an update's are its answer's.
    """
    kept = [event for event in events if event["kind"] not in DERIVED]
    return [_timeless(without(each, "missing") if each["kind"] == "turned-away" else each) for each in kept]


def _timeless(value: Any) -> Any:
    match value:
        case dict():
            return {key: _timeless(each) for key, each in value.items() if key != "at"}
        case list():
            return [_timeless(each) for each in value]
        case _:
            return value
