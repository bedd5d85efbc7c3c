"""Worlds for the property tests: a brief, the acts that people try, and an engine that may meet any fault.

The engine here does what the workflow does (it looks at `next_job`, orders, and records what came of it), with the
outside world played by Hypothesis.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from hypothesis import strategies as st

from firestation import acts, proofs, record, seconding
from firestation.after_action import Confidence, LockProof, Run, SoakReport
from firestation.alarm import Alarm
from firestation.allowed_signers import AllowedSigner
from firestation.authority import Person, Role, Roster
from firestation.board import Receipt
from firestation.clock import FirstFifteen, Times
from firestation.drill import DrillMark
from firestation.due import settled, spoken_by
from firestation.errors import Refused
from firestation.evidence import ArtifactRef, LeverState, Sealed
from firestation.firebreak import MoveOutcome, Reading, order_lift, order_move
from firestation.fold import begin
from firestation.incident import advance, believed, next_job
from firestation.leases import reading
from firestation.legal import Legal, LegalClock, clocks
from firestation.lock_plan import LockPlan
from firestation.opening import narrowed
from firestation.orders import ReadOrder
from firestation.record import EDITION, Brief, Event, Opened
from firestation.recurrence import owed
from firestation.runbook import Match, Recovery, Runbook
from firestation.severity import AXES, Axes, Severity
from firestation.state import Incident, Phase
from firestation.steps import FirebreakStep, ManualStep, Probe
from firestation.system import (
    ChannelFitting,
    CheckFitting,
    LeverFitting,
    Position,
    SourceFitting,
    System,
    TrackerFitting,
)
from firestation.wall import Hanging, Recall, WallBreak, WallLock, names
from tests.property.signatures import new_key

START = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
RUN = "0198b7d2-0000-7000-8000-000000000001"
CATEGORIES = ("serious-incident", "personal-data-breach", "outage", "bad-weather")
CLOCKS = ("eu-ai-act-73-2", "gdpr-33", "supervisor", "no-such")
PEOPLE = ("ana", "ben", "cara", "dan")


def artifact(name: str, digest: str = "a" * 64) -> ArtifactRef:
    return ArtifactRef(
        digest=digest, size=1, media_type="application/json", name=name, source="traces", collected_at=START
    )


def system() -> System:
    def fitting(kind: type[Any], name: str, **more: Any) -> Any:
        return kind(id=name, title=name.capitalize(), driver="memory", **more)

    return System(
        system="refund-agent",
        title="Refund agent",
        sources=(fitting(SourceFitting, "traces", provides=("requests", "retrieval")),),
        levers=(
            fitting(
                LeverFitting, "tool", positions={"off": "disabled", "on": "enabled", "limited": "limited"}
            ),
            fitting(LeverFitting, "reranker", positions={"on": "on", "off": "off"}),
        ),
        checks=(fitting(CheckFitting, "golden"), fitting(CheckFitting, "no-wrong-refund")),
        channels=(
            fitting(ChannelFitting, "pager", audience="pager"),
            fitting(ChannelFitting, "room", audience="internal"),
            fitting(ChannelFitting, "page", audience="public"),
        ),
        trackers=(fitting(TrackerFitting, "tasks"),),
    )


def runbook(**changes: Any) -> Runbook:
    base = Runbook(
        runbook="stale-policy",
        title="A stale policy outranks the current one",
        pattern="reranker-regression",
        match=Match(names=("RefundGoldenEvalFailing",)),
        severity=Axes(harm=2, spread=2, reversibility=2, momentum=1),
        firebreaks=(
            FirebreakStep(
                id="stop-refunds",
                lever="tool",
                to="off",
                why="no refund leaves while the ruling is wrong",
                cost="customers wait for a person",
                probe=Probe(check="no-wrong-refund"),
                preauthorized=(Severity.SEV1, Severity.SEV2),
                expires_after=timedelta(hours=1),
                at_expiry="lift",
            ),
            FirebreakStep(
                id="reranker-on",
                lever="reranker",
                to="on",
                why="the current policy ranks first again",
                cost="slower answers",
                probe=Probe(check="golden"),
                approvals=2,
                expires_after=timedelta(hours=2),
            ),
        ),
        manual=(
            ManualStep(
                id="call-support",
                title="Tell support what to say",
                do="Call the support lead and read the public word out",
                confirmed_by=Role.COMMS,
            ),
        ),
        recovery=Recovery(checks=("golden",), soak=timedelta(minutes=5), every=timedelta(seconds=30)),
        lock=LockPlan(title="A refund after the window is denied", check="golden", source="traces"),
    )
    return base.changed(**changes)


KEYS = {name: new_key(name) for name in PEOPLE}
"""Everybody's SSH key."""


def person(name: str, *roles: Role) -> Person:
    signer = AllowedSigner(principals=(name,), key=KEYS[name].public.line)
    return Person(
        id=name, name=name.capitalize(), roles=roles, address=f"{name}@example.org", signers=(signer,)
    )


def roster() -> Roster:
    everyone = (Role.CAPTAIN, Role.SCRIBE, Role.APPROVER)
    return Roster(
        station="demo",
        people=(
            person("ana", *everyone),
            person("ben", *everyone),
            person("cara", Role.COMMS),
            person("dan", Role.AUDITOR),
        ),
        escalation=("ana", "ben"),
        silence=timedelta(minutes=30),
    )


LAW = Legal(
    owner="comms",
    do_not_alter=True,
    clocks=(
        LegalClock(
            id="supervisor",
            title="Tell the supervisor of the bank",
            source="Our licence, section 12",
            authority="the supervisor",
            categories=("outage",),
            severities=(Severity.SEV1,),
            within=timedelta(hours=4),
            owner="ben",
            remind=(timedelta(hours=2), timedelta(minutes=30)),
        ),
    ),
)
"""Comms owns the clocks of the catalogue, and ben one of the house's own, which sev1 starts too."""


GRAVER: dict[str, Any] = {
    "cadence_at": {Severity.SEV1: timedelta(minutes=10), Severity.SEV4: timedelta(hours=2)},
    "clock": FirstFifteen(
        staffed=timedelta(minutes=20),
        at={
            Severity.SEV1: Times(staffed=timedelta(minutes=5), first_update=timedelta(minutes=5)),
            Severity.SEV4: Times(staffed=timedelta(minutes=40)),
        },
    ),
}
"""What a runbook may let depend on the severity."""


def more_at_sev1() -> Roster:
    """A roster that has one more person to page at sev1."""
    usual = roster()
    eve = Person(id="eve", name="Eve", roles=(Role.CAPTAIN,), address="eve@example.org")
    return Roster(
        station=usual.station,
        people=(*usual.people, eve),
        escalation=usual.escalation,
        escalation_at={Severity.SEV1: ("ben", "eve", "ana")},
    )


def brief(legal: Legal = LAW, **changes: Any) -> Brief:
    return Brief(
        incident="refund-agent-1a2b3c4d",
        system=system().changed(legal=legal),
        runbook=runbook(**changes),
        matched=("the alarm is named RefundGoldenEvalFailing",),
        roster=roster(),
        alternatives=(runbook(runbook="other", title="Another page"),),
        edition=EDITION,
        clocks=clocks(legal),
    )


DRILL = DrillMark(
    drill="drill-stale-policy-1a2b3c4d",
    kind="stale-policy",
    drillers=("ana", "ben"),
    ordered_by="dan",
    ordered_at=START,
)
"""Ana and ben drill; dan ordered it, and is not paged."""


def as_drill(plan: Brief, mark: DrillMark = DRILL) -> Brief:
    """The same as a drill."""
    roster = narrowed(plan.roster, mark.drillers)
    return Brief(**(dict(plan) | {"incident": mark.drill, "roster": roster, "clocks": (), "drill": mark}))


def alarm(key: str = "k1", status: str = "firing") -> Alarm:
    return Alarm.model_validate(
        {
            "source": "generic",
            "key": key,
            "system": "refund-agent",
            "name": "RefundGoldenEvalFailing",
            "status": status,
            "summary": "2 of 8 golden cases fail",
            "started_at": START,
            "request_ids": ("r-1",),
        }
    )


class World:
    """One incident with its people, its engine and its clock. `record` is what really happened.

    `levers`, `leases` and `freed` (who let go of a lever last, and when) are the town's: worlds that share them are
    two incidents in one town.
    """

    def __init__(
        self,
        beside: World | None = None,
        run: str = RUN,
        people: Roster | None = None,
        edition: int = EDITION,
        drill: bool = False,
        **changes: Any,
    ) -> None:
        plan = brief(**changes).changed(roster=people or roster(), edition=edition)
        plan = as_drill(plan) if drill else plan
        if beside:
            plan = plan.changed(incident=f"{plan.incident}-2")
        opened = Opened(at=START, brief=plan, run=run)
        self.now = START
        self.record: list[Event] = [opened]
        self.incident: Incident = begin(opened)
        self.refusals: list[Refused] = []
        self.levers: dict[str, Any] = beside.levers if beside else {"tool": "enabled", "reranker": "off"}
        self.leases: dict[str, str] = beside.leases if beside else {}
        self.freed: dict[str, tuple[str, datetime]] = beside.freed if beside else {}
        self.meddled: set[str] = beside.meddled if beside else set()
        self.happen(record.Rang(at=self.now, alarm=alarm()))

    def happen(self, event: Event) -> None:
        self.settle(spoken_by(event))
        self.incident = advance(self.incident, event)
        self.record.append(event)
        self.settle()

    def settle(self, hearing: str = "") -> None:
        self.incident, happened = settled(self.incident, self.now, hearing)
        self.record.extend(happened)

    def attempt(self, act: acts.Act) -> Refused | None:
        """What a person tries; the refusal, if it was refused."""
        try:
            self.happen(record.Acted(at=self.now, act=act))
        except Refused as refusal:
            self.refusals.append(refusal)
            turned = record.TurnedAway(
                at=self.now, by=act.by, act=act.kind, rule=refusal.rule, missing=refusal.missing
            )
            self.happen(turned)
            return refusal
        return None

    def wait(self, span: timedelta) -> None:
        self.now += span
        self.settle()

    def baseline(self, verdict: str = "failed") -> None:
        reading = Reading.model_validate(
            {"check": "golden", "verdict": verdict, "detail": "measured", "at": self.now}
        )
        self.happen(record.Measured(at=self.now, reading=reading))

    def seal(self, *, without: tuple[str, ...] = ()) -> None:
        if self.incident.sealed or self.incident.ended:
            return
        levers = tuple(
            LeverState(
                lever=name,
                position=None if name in without else Position(value=value),
                read_at=self.now,
            )
            for name, value in self.levers.items()
        )
        sealed = Sealed(
            manifest="b" * 64, envelope="c" * 64, artifacts=(artifact("r-1"),), gaps=(), levers=levers
        )
        self.happen(record.SealedUp(at=self.now, sealed=sealed))

    def work(self, lever: str, fault: str = "none") -> bool:
        """Do one job that this lever is owed, as the workflow's guard does; False when nothing is owed."""
        job = next_job(self.incident, lever)
        match job:
            case None:
                return False
            case "read", waiting:
                position = None if fault == "dead" else Position(value=self.levers[lever])
                action = waiting.digest if waiting else None
                fitting = self.incident.brief.system.lever(lever)
                assert fitting is not None
                purpose: Any = "freed" if lever in self.incident.freed else "waived"
                order = ReadOrder(lever=fitting, purpose=purpose, action=action)
                self.happen(reading(self.now, order, position))
            case "lease", firebreak:
                assert firebreak is not None
                other = "refund-agent-00000000" if fault == "taken" else self.leases.get(lever)
                holder = None if other == self.incident.id else other
                self.leases.setdefault(lever, holder or self.incident.id)
                last, at = self.freed.get(lever, (self.incident.id, None))
                leased = record.Leased(
                    at=self.now,
                    lever=lever,
                    action=firebreak.digest,
                    holder=holder,
                    freed_at=None if holder or last == self.incident.id else at,
                )
                self.happen(leased)
                return holder is not None or self.work(lever, fault)
            case "release", _:
                if self.leases.get(lever) == self.incident.id:
                    del self.leases[lever]
                    self.freed[lever] = (self.incident.id, self.now)
                self.happen(record.Released(at=self.now, lever=lever))
            case "probe", firebreak:
                assert firebreak is not None
                step = firebreak.step
                verdict = "passed" if fault == "none" else "failed"
                seen = Reading.model_validate(
                    {"check": step.probe.check, "verdict": verdict, "detail": "probed", "at": self.now}
                )
                self.answered(record.Probed(at=self.now, action=firebreak.digest, reading=seen))
            case kind, firebreak:
                assert firebreak is not None
                if kind == "move":
                    wanted = order_move(firebreak, firebreak.authority or "captain")
                else:
                    wanted = order_lift(firebreak)
                self.happen(record.Ordered(at=self.now, order=wanted))
                outcome = self._outcome(lever, wanted, fault)
                self.answered(record.Moved(at=self.now, order=wanted, outcome=outcome))
        return True

    def answered(self, event: record.Moved | record.Probed) -> None:
        """The outside world has answered: it is believed as far as the rules allow."""
        self.happen(believed(self.incident, event))

    def _outcome(self, lever: str, order: Any, fault: str) -> MoveOutcome:
        if fault == "dead":
            return MoveOutcome(result="uncertain", found=None, detail="no answer")
        if fault == "stolen":
            self.levers[lever] = "somewhere else"
            self.meddled.add(lever)
        if fault == "lost" and self.levers[lever] == order.expected.value:
            self.levers[lever] = order.to.value
            return MoveOutcome(result="uncertain", found=None, detail="it moved, and its answer was lost")
        if fault == "liar":
            return MoveOutcome(result="done", found=Position(value="nowhere"), detail="200 OK")
        found = Position(value=self.levers[lever])
        if order.purpose == "lift" and found.same_as(order.to):
            return MoveOutcome(result="done", found=found, detail="it stands there already; read back")
        if not found.same_as(order.expected):
            return MoveOutcome(result="drifted", found=found, detail="somebody else moved it")
        self.levers[lever] = order.to.value
        return MoveOutcome(result="done", found=order.to, detail="moved and read back")

    def deliver(self) -> None:
        """Send every word that is owed: each under its own key, or rule 10 refuses it."""
        while self.incident.outbox:
            parcel = self.incident.outbox[0]
            receipt = Receipt(channel=parcel.channel, reference="taken")
            self.happen(record.Sent(at=self.now, message=parcel.message, key=parcel.key, receipt=receipt))

    def soak(self, *, held: bool = True) -> None:
        if not self.incident.ready_to_soak or self.incident.restored_at:
            return
        began = self.now
        self.wait(timedelta(minutes=6))
        still: bool = self.incident.ready_to_soak
        if not still:
            return
        report = SoakReport(
            held=held,
            since=began,
            until=self.now,
            readings=12,
            widest_hole_s=30,
            checks=("golden",),
            detail="soaked",
        )
        self.soaked(report)

    def soaked(self, report: SoakReport) -> None:
        """A soak has ended. Raises `Refused` when it cannot show a recovery."""
        self.happen(record.Soaked(at=self.now, report=report))

    def recall(self, *locks: WallLock, trouble: str | None = None) -> None:
        """The wall of locks answers, or does not."""
        if self.incident.ended:
            return
        if trouble:
            self.happen(record.NotRecalled(at=self.now, detail=trouble))
            return
        found = Recall(pattern=self.incident.brief.runbook.pattern, locks=locks)
        self.happen(record.Recalled(at=self.now, recall=found))

    def hang(self) -> None:
        """Hang what is owed to the wall."""
        for entry in owed(self.incident):
            self.happen(record.Hung(at=self.now, hanging=Hanging(entry=entry, name=names(entry)[0])))

    def draft(self) -> None:
        """Keep the draft of the postmortem: the last thing that an engine does for a lock that is a process."""
        if self.incident.phase is Phase.AFTER_ACTION:
            self.happen(record.Drafted(at=self.now, artifact=artifact("postmortem")))

    def lock(self, *, proved: bool = True, **changes: Any) -> None:
        """The lock was run as its plan says; `changes` are what its proof says otherwise."""
        plan = self.incident.brief.runbook.lock
        if self.incident.phase is not Phase.AFTER_ACTION or plan.kind == "process":
            return
        proof = proof_of(plan, self.now, proved=proved).changed(**changes)
        self.happen(proofs.tried(self.incident, self.now, proof))


def proof_of(plan: LockPlan, at: datetime, *, proved: bool = True) -> LockProof:
    """What running the lock of this plan shows: all that is demanded, or runs on the live system that fail."""
    sides: dict[Any, tuple[Any, int]] = {
        "frozen": ("failed", plan.frozen_runs),
        "live": ("passed" if proved else "failed", plan.live_runs),
        "control": ("passed", plan.control_runs),
    }
    judge = plan.judge
    return LockProof(
        lock=artifact("lock"),
        evidence="a" * 64,
        report=artifact("report"),
        runs=tuple(
            Run(against=side, outcome=outcome, detail="ran")
            for side, (outcome, many) in sides.items()
            for _ in range(many)
        ),
        at=at,
        kind=plan.kind,
        confidence=Confidence(level=judge.confidence, wanted=judge.at_least, frozen=1, live=1)
        if judge
        else None,
    )


def wall_lock(**changes: Any) -> WallLock:
    """A lock of this world's class that hangs since a month."""
    lock = WallLock(
        system="refund-agent",
        pattern="reranker-regression",
        incident="refund-agent-5e6f7a8b",
        mark="0198b7d2-0000-7000-8000-000000000009",
        how="proved",
        lock="eval",
        runbook="stale-policy",
        title="A refund after the window is denied",
        artifact="d" * 64,
        at=START - timedelta(days=30),
        closed_at=START - timedelta(days=30),
    )
    return lock.changed(**changes)


def wall_break(lock: WallLock, **changes: Any) -> WallBreak:
    """Another incident has broken this lock."""
    entry = WallBreak(
        system=lock.system,
        pattern=lock.pattern,
        incident="refund-agent-99999999",
        mark="run-2",
        at=START,
        of=lock.incident,
        of_mark=lock.mark,
        title=lock.title,
    )
    return entry.changed(**changes)


def people() -> st.SearchStrategy[str]:
    return st.sampled_from((*PEOPLE, "stranger"))


def assessments(by: st.SearchStrategy[str], text: st.SearchStrategy[str]) -> st.SearchStrategy[acts.Assess]:
    """Somebody says how bad it is, on one axis or more."""
    grades = st.dictionaries(st.sampled_from(AXES), st.integers(0, 3), min_size=1)
    return st.builds(lambda by, grades, reason: acts.Assess(by=by, reason=reason, **grades), by, grades, text)


def offer(act: type[Any], **fields: st.SearchStrategy[Any]) -> Callable[[], st.SearchStrategy[Any]]:
    """Such acts, built only when one is drawn: to build every kind for each draw took most of the time."""
    return partial(st.builds, act, **fields)


def tries(world: World) -> st.SearchStrategy[acts.Act]:
    """Whatever anybody may try now, sensible or not."""
    digests = st.sampled_from([each.digest for each in world.incident.firebreaks] + ["f" * 64])
    words = st.sampled_from([each.digest for each in world.incident.held_words] + ["f" * 64])
    text = st.sampled_from(["it was the reranker", "because of the reranker", "we are looking"])
    by = people()
    until = st.sampled_from([None, world.now - timedelta(days=1), world.now + timedelta(days=30)])
    offers: tuple[Callable[[], st.SearchStrategy[Any]], ...] = (
        offer(acts.Acknowledge, by=by, role=st.sampled_from(Role)),
        offer(acts.Declare, by=by, severity=st.sampled_from(Severity), reason=text),
        partial(assessments, by, text),
        offer(acts.Propose, by=by, step=st.sampled_from(["stop-refunds", "reranker-on", "no-such-step"])),
        offer(acts.Approve, by=by, action=digests),
        offer(acts.Refuse, by=by, action=digests, reason=text),
        offer(
            acts.Note,
            by=by,
            text=text,
            standing=st.sampled_from(["fact", "hypothesis"]),
            cause=st.booleans(),
            at=st.sampled_from([None, world.now - timedelta(minutes=2), world.now + timedelta(minutes=2)]),
        ),
        offer(
            acts.Establish,
            by=by,
            entry=st.integers(1, 4),
            holds=st.booleans(),
            cause=st.booleans(),
            reason=text,
        ),
        offer(acts.Update, by=by, audience=st.sampled_from(["internal", "public"]), known=text),
        offer(acts.Release, by=by, word=words),
        offer(acts.Withhold, by=by, word=words, reason=text),
        offer(acts.Handover, by=by, to=people()),
        offer(acts.Accept, by=by),
        offer(acts.Decline, by=by, reason=text),
        offer(acts.Renounce, by=by, role=st.sampled_from(Role), reason=text),
        offer(acts.Lift, by=by, action=digests, reason=text),
        offer(acts.Adopt, by=by, action=digests, reason=text),
        offer(acts.Extend, by=by, action=digests, reason=text),
        offer(acts.Stop, by=by, reason=text),
        offer(acts.Switch, by=by, to=st.sampled_from(["other", "stale-policy", "no-such"]), reason=text),
        offer(acts.Confirm, by=by, step=st.sampled_from(["call-support", "no-such"]), done=st.booleans()),
        offer(acts.Waive, by=by, what=st.sampled_from(["snapshot", "lock"]), reason=text, until=until),
        offer(
            acts.Attest,
            by=by,
            change=text,
            reference=text,
            verify_by=st.sampled_from([world.now - timedelta(days=1), world.now + timedelta(days=30)]),
        ),
        offer(acts.Second, by=by, reason=text, word=st.sampled_from([None, None, "f" * 64])),
        offer(acts.Categorize, by=by, category=st.sampled_from(CATEGORIES), reason=text, aware_at=until),
        offer(acts.Withdraw, by=by, category=st.sampled_from((*CATEGORIES, "sev1")), reason=text),
        offer(acts.Inform, by=by, clock=st.sampled_from(CLOCKS), reference=text, at=until),
        offer(acts.Prove, by=by),
        offer(acts.Dismiss, by=by, reason=text),
        offer(acts.Merge, by=by, into=st.just("refund-agent-ffffffff"), reason=text),
        offer(acts.Close, by=by),
    )
    return st.sampled_from(offers).flatmap(lambda build: build())


def move_forward(world: World) -> None:  # noqa: C901, PLR0912 - the order of an incident's life
    """What a good captain and a working house would do next, so that random walks get somewhere."""
    incident = world.incident
    captain, by = incident.captain, incident.captain or "ana"
    if incident.ended:
        return
    if incident.sealed is None:
        world.baseline()
        world.seal()
    elif captain is None:
        world.attempt(acts.Acknowledge(by="ana"))
    elif incident.severity is None:
        world.attempt(acts.Declare(by=by, severity=Severity.SEV2, reason="wrong refunds leave"))
    elif incident.pending:
        action = incident.pending[0].digest
        for name in dict.fromkeys((by, "ana", "ben")):
            world.attempt(acts.Approve(by=name, action=action))
    elif any(world.work(lever) for lever in world.levers):
        return
    elif incident.restored_at is None:
        if incident.ready_to_soak and any(each.verdict != "passed" for each in incident.baseline.values()):
            world.soak()
    elif incident.holding:
        newest = incident.holding[-1]
        act = acts.Lift if newest.action.lever == "tool" else acts.Adopt
        world.attempt(act(by=by, action=newest.digest, reason="it is over"))
    elif incident.brief.runbook.lock.kind == "process" and incident.attestation is None:
        world.draft()
        soon = world.now + timedelta(days=90)
        world.attempt(acts.Attest(by=by, change="two people sign", reference="handbook 4.2", verify_by=soon))
    elif seconding.waits(incident):
        for name in ("ana", "ben"):
            world.attempt(acts.Second(by=name, reason="it is so"))
    elif incident.brief.runbook.lock.kind != "process" and (
        incident.lock is None or not proofs.stands(incident)
    ):
        world.lock()
    elif incident.counting:
        world.attempt(acts.Inform(by=by, clock=incident.counting[0].clock.id, reference="told by telephone"))
    else:
        world.attempt(acts.Close(by=by))
