"""A world whose life is written down as a Temporal history while it is lived, and that can be lied to."""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import Any

from firestation import acts, orders, record
from firestation.after_action import SoakReport
from firestation.alarm import Alarms
from firestation.audit import NONSENSE
from firestation.board import Receipt
from firestation.due import settled, spoken_by
from firestation.errors import Refused
from firestation.evidence import LeverState, Snapshot
from firestation.firebreak import MoveOutcome, Reading
from firestation.fold import follow
from firestation.incident import advance, awaits_soak, believed, next_job
from firestation.model import Model
from firestation.paging import link_of
from firestation.record import Event
from firestation.rules import no_secrets
from firestation.state import Incident
from tests.property.worlds import RUN, World
from tests.property.written import ORDERS, RESULTS, SIGNALS, UPDATES, Activity, Attributes, Server, Task
from workflows.messages import RING, TURN_PAGE, Answer, Closing, IncidentStart, Joined

LATE = timedelta(minutes=11)
"""How long an answer may lie there before a worker comes by: long enough for any deadline to pass meanwhile."""


class Recorded(World):
    """One incident, lived by the rules, and the history that the server would have of it."""

    def __init__(self, seed: int = 0, **changes: Any) -> None:
        self.noise = Random(seed)
        self.server = Server(RUN, self.noise)
        self.run = 1
        self.moving: dict[str, Activity] = {}
        self.written = False  # whether what happens now is in the history already
        self.named: int | None = (
            None  # the rule that live enforcement names for the one lie, once it was told
        )
        super().__init__(**changes)

    # What is written -----------------------------------------------------------------------------------

    def happen(self, event: Event) -> None:
        if not self.written:
            refusal = self.forbids(event)
            if refusal is not None:  # the workflow's task fails here: nothing of this is ever written
                raise refusal
            self.write(event)
        super().happen(event)

    def wait(self, span: timedelta) -> None:
        self.now += span
        self.server.timer(self.turn(RESULTS))
        self.settle()

    def away(self, span: timedelta) -> None:
        """No worker is there for a while: nothing that has become due is seen before the next thing arrives."""
        self.now += span

    def attempt(self, act: acts.Act) -> Refused | None:
        """By update, as people do, which a screen keeps out of the history; or by signal."""
        by_update = self.noise.random() < 0.7
        if by_update and (refusal := self.screened(record.Acted(at=self.now, act=act))):
            self.refusals.append(refusal)
            return refusal
        task = self.turn(UPDATES if by_update else SIGNALS)
        with Written(self):
            refusal = super().attempt(act)
        if by_update:
            task.updates.append((act.kind, act, answer(self.incident, refusal)))
        else:
            self.server.signal(task, act.kind, act)
        return refusal

    def screened(self, event: Event) -> Refused | None:
        """Why the update's validator turns this away, before it is in the history."""
        if self.incident.ended:
            return Refused(0, "the order of things", f"the incident is {self.incident.ended}")
        secret = no_secrets(self.incident, event)
        return Refused(11, "no secrets in history", secret) if secret else None

    def work(self, lever: str, fault: str = "none") -> bool:
        """As it is; but after a lie the rules may forbid what is owed, and then nothing comes of it."""
        try:
            return super().work(lever, fault)
        except Refused:
            if self.named is None:
                raise
            return False

    def answered(self, event: record.Moved | record.Probed) -> None:
        if self.noise.random() < 0.1:
            self.away(LATE)
            event = event.changed(at=self.now)
        self.write(event)
        with Written(self):
            self.happen(believed(self.incident, event))

    def soaked(self, report: SoakReport) -> None:
        """As `workflows.recovery`: a soak that something came between is void, one that shows nothing has failed."""
        if self.noise.random() < 0.1:
            self.away(LATE)
        soaked = record.Soaked(at=self.now, report=report)
        self.write(soaked)
        with Written(self):
            try:
                if awaits_soak(self.incident):
                    self.happen(soaked)
            except Refused as refusal:
                if awaits_soak(self.incident):
                    self.happen(record.Failed(at=self.now, step="soak", detail=str(refusal)))

    def carry(self, which: int, *, sent: bool) -> None:
        """One of the messages that are owed goes out, or cannot; after a lie, what must not go out stays."""
        parcel = self.incident.outbox[which % len(self.incident.outbox)]
        told: dict[str, Any] = {"at": self.now, "message": parcel.message, "key": parcel.key}
        if sent:
            receipt = Receipt(channel=parcel.channel, reference="taken")
            try:
                self.happen(record.Sent(**told, receipt=receipt))
            except Refused:
                if self.named is None:
                    raise
        else:
            self.happen(record.Unsent(**told, detail="nobody answers there"))

    def turn_page(self) -> None:
        """Continue as new, with all of the record."""
        if self.incident.ended:
            return
        task = self.turn(SIGNALS)
        self.server.signal(task, TURN_PAGE, None)
        self._leave_readings(task)
        self.server.ends("WORKFLOW_EXECUTION_CONTINUED_AS_NEW")
        self.run += 1
        opened, *rest = self.record
        start = IncidentStart(brief=opened.brief, opened_at=opened.at, record=tuple(rest))  # type: ignore[union-attr]
        self.server.begin(f"{RUN[:-1]}{self.run}", start)
        self.turn(SIGNALS)

    def _leave_readings(self, task: Task) -> None:
        """A probe ends in the task that turns the page: this run leaves it, and the next one probes again."""
        jobs = [job for lever in self.levers if (job := next_job(self.incident, lever)) and job[0] == "probe"]
        for _, firebreak in jobs if len(self.server.tasks) > 1 and self.noise.random() < 0.5 else ():
            assert firebreak
            check = firebreak.step.probe.check
            reading = Reading(check=check, verdict="passed", detail="seen too late", at=self.now)
            seen = record.Probed(at=self.now, action=firebreak.digest, reading=reading)
            activity = Activity(*self.activity(seen))
            self.server.tasks[-2].ordered.append(activity)
            self.server.result(task, activity, reading)

    def histories(self) -> list[Attributes]:
        """What the server has."""
        if self.incident.ended and self.server.task:
            assert self.incident.ended_at
            closing = Closing(
                incident=self.incident.id,
                outcome=self.incident.phase,
                ended_at=self.incident.ended_at,
                merged_into=self.incident.merged_into,
            )
            self.server.ends("WORKFLOW_EXECUTION_COMPLETED", closing)
        return self.server.histories()

    def turn(self, stage: int) -> Task:
        """The workflow task in which this is seen."""
        if not self.server.runs:
            opened = self.record[0]
            assert isinstance(opened, record.Opened)
            self.server.begin(RUN, IncidentStart(brief=opened.brief, predecessor=opened.predecessor))
        return self.server.turn(stage, self.now, self.owed)

    @property
    def owed(self) -> frozenset[Any]:
        """What the workflow owes its levers now."""
        jobs = ((lever, next_job(self.incident, lever)) for lever in self.levers)
        return frozenset((lever, job[0], job[1].digest if job[1] else None) for lever, job in jobs if job)

    def write(self, event: Event) -> None:
        """What the history holds of this event."""
        if isinstance(event, record.Rang):
            joined = Joined(incident=self.incident.id, run=RUN, phase=self.incident.phase, new=True)
            tallies = (event.tally,) if event.tally else ()
            told = Alarms(alarms=(event.alarm,), tallies=tallies, batch=event.batch)
            for _ in range(2 if event.batch else 1):  # an answer was lost: it is told again, and counted once
                self.turn(UPDATES).updates.append((RING, told, joined))
        elif isinstance(event, record.Ordered):
            task = self.turn(ORDERS)
            fitting = self.incident.brief.system.lever(event.order.action.lever)
            assert fitting is not None
            activity = Activity("move_lever", orders.LeverOrder(lever=fitting, order=event.order))
            self.moving[event.order.key] = activity
            task.ordered.append(activity)
        elif isinstance(event, record.Moved):
            task = self.after(self.moving[event.order.key])
            self.end(task, self.moving[event.order.key], event)
        else:
            name, given = self.activity(event)
            activity = Activity(name, given)
            self.end(self.after(activity), activity, event)

    def after(self, activity: Activity) -> Task:
        """The workflow task that sees the end of this activity, which an earlier one has ordered."""
        if activity.name != "move_lever":
            if self.server.task is None or self.noise.random() < 0.5 or len(self.server.tasks) < 2:
                self.turn(RESULTS).ordered.append(activity)
            else:
                self.server.tasks[-2].ordered.append(activity)
        while any(each is activity for each in (self.server.task or Task(self.now)).ordered):
            self.server.task = None
        return self.turn(RESULTS)

    def end(self, task: Task, activity: Activity, event: Any) -> None:
        match event:
            case record.Unsent() | record.NotRecalled():
                self.server.failure(task, activity, event.detail)
            case record.Moved() if event.outcome.result == "uncertain" and event.outcome.found is None:
                self.server.failure(task, activity, event.outcome.detail)
            case record.Measured() if (
                event.reading.verdict == "inconclusive" and event.reading.at == self.now
            ):
                self.server.failure(task, activity, event.reading.detail)
            case record.LeverRead() if event.position is None and self.noise.random() < 0.5:
                self.server.failure(task, activity, "it does not answer")
            case _:
                self.server.result(task, activity, self.answer(event))

    def activity(self, event: Any) -> tuple[str, Model]:  # noqa: C901 - a case an event
        """Which activity this is the end of, and what it was given."""
        incident = self.incident
        system: Any = incident.brief.system
        match event:
            case record.Measured():
                return "measure", orders.MeasureOrder(check=system.check(event.reading.check), since=self.now)
            case record.SealedUp():
                return "seal", self._seal(event)
            case record.LeverRead():
                purpose: Any = "freed" if event.lever in incident.freed else "waived"
                fitting = system.lever(event.lever)
                return "read_lever", orders.ReadOrder(lever=fitting, purpose=purpose, action=event.action)
            case record.Leased():
                return "take_lease", orders.LeaseOrder(**self._ours(event.lever, event.action))
            case record.Released():
                action = incident.leased[event.lever]
                return "release_lease", orders.ReleaseOrder(**self._ours(event.lever, action))
            case record.Probed():
                return "probe", self._probe(event)
            case record.Soaked():
                plan, checks = incident.brief.runbook.recovery, (system.check("golden"),)
                return "soak", orders.SoakOrder(
                    checks=checks, soak=plan.soak, every=plan.every, patience=plan.soak
                )
            case record.Sent() | record.Unsent():
                return "send", self._letter(event)
            case record.LockTried():
                lock = incident.brief.runbook.lock
                check = system.check(lock.check)
                return "prove_lock", orders.LockOrder(
                    incident=incident.id, plan=lock, check=check, evidence=(), changes=incident.changes
                )
            case record.Recalled() | record.NotRecalled():
                return "recall_locks", orders.RecallOrder(
                    system=system.system,
                    pattern=incident.brief.runbook.pattern,
                    incident=incident.id,
                    mark=incident.run,
                )
            case record.Hung():
                return "hang_lock", orders.HangOrder(entry=event.hanging.entry)
            case record.Drafted():
                return "draft", orders.DraftOrder(incident=incident.id, packed="")
        raise TypeError(event.kind)

    def _seal(self, event: record.SealedUp) -> orders.SealOrder:
        brief = self.incident.brief
        snapshot = Snapshot(
            incident=self.incident.id,
            run=self.incident.run,
            system=brief.system.system,
            system_digest=brief.system.sha256(),
            runbook=brief.runbook.runbook,
            runbook_digest=brief.runbook.sha256(),
            collected=(),
            levers=event.sealed.levers,
        )
        return orders.SealOrder(snapshot=snapshot)

    def _probe(self, event: record.Probed) -> orders.ProbeOrder:
        firebreak = self.incident.firebreak(event.action)
        assert firebreak
        probe, moved = firebreak.step.probe, firebreak.moved_at or self.now
        check = self.incident.brief.system.check(probe.check)
        assert check
        return orders.ProbeOrder(
            action=event.action,
            check=check,
            moved_at=moved,
            deadline=moved + probe.deadline,
            every=probe.every,
        )

    def answer(self, event: Any) -> Any:  # noqa: C901 - a case an event
        """What the activity answered."""
        match event:
            case record.Measured() | record.Probed():
                return event.reading
            case record.SealedUp():
                return event.sealed
            case record.LeverRead():
                return LeverState(lever=event.lever, position=event.position, read_at=event.at)
            case record.Leased():
                return orders.LeaseAnswer(holder=event.holder, freed_at=event.freed_at)
            case record.Released():
                return event.lever
            case record.Moved():
                return event.outcome
            case record.Soaked():
                return event.report
            case record.Sent():
                return event.receipt
            case record.LockTried():
                return event.proof
            case record.Recalled():
                return event.recall
            case record.Hung():
                return event.hanging
            case record.Drafted():
                return event.artifact
        raise TypeError(event.kind)

    def _ours(self, lever: str, action: str) -> dict[str, str]:
        incident = self.incident
        return {
            "system": incident.brief.system.system,
            "lever": lever,
            "incident": incident.id,
            "run": incident.run,
            "action": action,
        }

    def _letter(self, event: record.Sent | record.Unsent) -> orders.SendOrder:
        parcel = next((each for each in self.incident.outbox if each.key == event.key), None)
        channel = self.incident.carrier(parcel) if parcel else self.incident.brief.system.channels[0]
        link = link_of(self.incident, parcel) if parcel else None
        return orders.SendOrder(channel=channel, message=event.message, key=event.key, link=link)

    # What should not have been -------------------------------------------------------------------------

    def forbids(self, event: Event) -> Refused | None:
        """What live enforcement says of this event, were it to come now."""
        now, _ = settled(self.incident, self.now, spoken_by(event))
        try:
            advance(now, event)
        except Refused as refusal:
            return refusal
        return None

    def force(self, event: Event) -> Refused:
        """Let happen what the rules forbid: it stands in the history, and the incident goes on from it."""
        refusal = self.forbids(event)
        assert refusal is not None
        self.server.task = None
        if isinstance(event, record.Acted):
            self.turn(UPDATES).updates.append((event.act.kind, event.act, answer(self.incident, None)))
        else:
            self.write(event)
        self.settle(spoken_by(event))
        self.server.task = None
        self.named = refusal.rule
        try:
            self.incident = follow(self.incident, event)
        except NONSENSE:  # nothing can follow from it: the worker fails here, and goes on without it
            return refusal
        self.record.append(event)
        self.settle()
        if isinstance(event, record.Ordered):
            outcome = MoveOutcome(result="done", found=event.order.to, detail="moved and read back")
            self.answered(record.Moved(at=self.now, order=event.order, outcome=outcome))
        return refusal

    def deny(self, act: acts.Act, rule: int) -> None:
        """Refuse what no rule forbids, or another one does."""
        refusal = self.forbids(record.Acted(at=self.now, act=act))
        said = Refused(rule, "a rule", "there is no reason")
        right = refusal or said
        turned = record.TurnedAway(
            at=self.now, by=act.by, act=act.kind, rule=right.rule, missing=right.missing
        )
        task = self.turn(UPDATES)
        with Written(self):
            self.happen(turned)
        task.updates.append((act.kind, act, answer(self.incident, said)))
        self.named = right.rule


class Written:
    """What happens within this is in the history already."""

    def __init__(self, world: Recorded) -> None:
        self.world = world

    def __enter__(self) -> None:
        self.before, self.world.written = self.world.written, True

    def __exit__(self, *_: object) -> None:
        self.world.written = self.before


def answer(incident: Incident, refusal: Refused | None) -> Answer:
    """What the workflow answers to an act."""
    if refusal is None:
        return Answer(accepted=True, phase=incident.phase)
    return Answer(
        accepted=False,
        phase=incident.phase,
        rule=refusal.rule,
        title=refusal.title,
        missing=refusal.missing,
    )
