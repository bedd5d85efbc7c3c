"""No sequence of words moves a lever without authority: whoever speaks, for whomever, signed by whatever key."""

from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from firestation import acts, record
from firestation.authority import Role
from firestation.decision import Signed
from firestation.firebreak import Lease
from firestation.quorum import quorum
from firestation.severity import Severity
from tests.property.signatures import decision, signed
from tests.property.worlds import KEYS, PEOPLE, RUN, World, runbook

SIGNED_HOW = [
    "right",
    "not",
    "by another's key",
    "in another's name",
    "another action",
    "another incident",
    "another run",
    "as a refusal",
    "long ago",
    "in the future",
    "one byte changed",
    "said before",
    "malformed",
    "not in its one form",
    "an action that begins alike",
    "made long before it comes",
]
SPEAKERS = ("ana", "ben", "eve")
CAPTAINS = ("ana", "ben")


class Voices(RuleBasedStateMachine):
    """People say yes in every way, right and wrong; the captaincy changes hands; only the right words move a lever."""

    @initialize(approvals=st.integers(1, 3), demanded=st.booleans(), second=st.booleans())
    def open(self, approvals: int, demanded: bool, second: bool) -> None:
        first, other = runbook().firebreaks
        plan = {"preauthorized": (), "signed": demanded, "approvals": approvals}
        self.world = World(firebreaks=(first.changed(**plan), other.changed(**plan)))
        self.approvals, self.demanded = approvals, demanded
        self.approvers = {"ana", "ben"} if second else set()
        if not second:  # nobody is an approver: the captain's word is the only one
            people = self.world.incident.brief.roster.people
            alone = tuple(each.changed(roles=(Role.CAPTAIN, Role.SCRIBE)) for each in people)
            roster = self.world.incident.brief.roster.changed(people=alone)
            self.world.incident = self.world.incident.changed(
                brief=self.world.incident.brief.changed(roster=roster)
            )
        self.captain: str | None = None
        self.offered: str | None = None
        self.good: dict[str, set[str]] = {}
        self.captains_word: dict[str, bool] = {}
        self.said: list[tuple[str, Signed]] = []
        self.seen = 0
        self.world.baseline()
        self.world.seal()

    def watch(self) -> None:
        """Follow the captaincy by what stands on the record, told naively; and judge each order."""
        for event in self.world.record[self.seen :]:
            if isinstance(event, record.Relieved):
                self.captain = None
            if isinstance(event, record.Ordered) and event.order.purpose == "move":
                digest = event.order.action.sha256()
                assert event.order.authority == "captain"
                assert len(self.good.get(digest, ())) >= self.approvals
                assert self.captains_word[digest]
        self.seen = len(self.world.record)

    @rule(who=st.sampled_from(SPEAKERS))
    def somebody_takes_it(self, who: str) -> None:
        free = self.captain is None and who in CAPTAINS
        refusal = self.world.attempt(acts.Acknowledge(by=who))
        self.watch_relief()
        if refusal is None and self.captain is None:
            assert free or who in CAPTAINS
            self.captain = who
        self.watch()

    def watch_relief(self) -> None:
        for event in self.world.record[self.seen :]:
            if isinstance(event, record.Relieved):
                self.captain = None

    @rule(to=st.sampled_from(SPEAKERS), then=st.sampled_from(["accept", "decline", "not"]))
    def it_is_handed_over(self, to: str, then: str) -> None:
        if self.captain is None:
            return
        if self.world.attempt(acts.Handover(by=self.captain, to=to)) is None:
            if then == "accept":
                assert self.world.attempt(acts.Accept(by=to)) is None
                self.captain = to
            elif then == "decline":
                assert self.world.attempt(acts.Decline(by=to, reason="I cannot")) is None
        self.watch()

    @rule(who=st.sampled_from(SPEAKERS))
    def it_is_renounced(self, who: str) -> None:
        refusal = self.world.attempt(acts.Renounce(by=who, reason="I must leave"))
        self.watch_relief()
        assert (refusal is None) == (who == self.captain)
        if refusal is None:
            self.captain = None
        self.watch()

    @rule()
    def it_is_declared(self) -> None:
        if self.captain:
            self.world.attempt(acts.Declare(by=self.captain, severity=Severity.SEV2, reason="it is bad"))
        self.watch()

    @rule(
        who=st.sampled_from(SPEAKERS),
        how=st.sampled_from(SIGNED_HOW),
        which=st.integers(0, 5),
        wrong=st.booleans(),
    )
    def somebody_approves(self, who: str, how: str, which: int, wrong: bool) -> None:
        known = [each.digest for each in self.world.incident.firebreaks] or ["f" * 64]
        action = "e" * 64 if wrong else known[which % len(known)]
        word = self.word(who, how, action)
        firebreak = self.world.incident.firebreak(action)
        waits = firebreak is not None and firebreak.state is Lease.PROPOSED
        before = self.good.get(action, set())
        refusal = self.world.attempt(acts.Approve(by=who, action=action, signed=word))
        self.watch_relief()
        proper = how == "right" or (how == "not" and not self.demanded)
        captains = who == self.captain
        seconds = who in self.approvers and self.approvals > 1
        if refusal is None:
            assert proper, how
            assert waits
            assert captains or seconds, (who, self.captain)
            assert who not in before
            self.good[action] = before | {who}
            self.captains_word[action] = self.captains_word.get(action, False) or captains
            if word and how == "right":
                self.said.append((who, word))
            after = self.world.incident.firebreak(action)
            assert after is not None
            missing = quorum(self.world.incident, after)
            assert missing.missing == max(0, self.approvals - len(self.good[action]))
        else:
            assert refusal.missing
        self.watch()

    def word(self, who: str, how: str, action: str) -> Signed | None:
        incident, now = self.world.incident, self.world.now
        key = KEYS.get(who, KEYS["dan"])
        other = next(each for each in PEOPLE if each != who)
        changes: dict[str, dict[str, Any]] = {
            "in another's name": {"by": other},
            "another action": {"action": "d" * 64},
            "an action that begins alike": {"action": action[:-1] + ("0" if action[-1] != "0" else "1")},
            "made long before it comes": {"at": now - timedelta(minutes=30)},
            "another incident": {"incident": "refund-agent-ffffffff"},
            "another run": {"run": RUN[:-1] + "2"},
            "as a refusal": {"kind": "refuse"},
            "long ago": {"at": now - timedelta(hours=2), "expires_at": now - timedelta(hours=1)},
            "in the future": {"at": now + timedelta(hours=1), "expires_at": now + timedelta(hours=2)},
        }
        match how:
            case "not":
                return None
            case "by another's key":
                return signed(decision((incident.id, incident.run, action), who, now), KEYS[other])
            case "malformed":
                return Signed(decision="{}", signature="x")
            case "not in its one form":
                word = signed(decision((incident.id, incident.run, action), who, now), key)
                return word.changed(decision=word.decision + "\n")
            case "one byte changed":
                word = signed(decision((incident.id, incident.run, action), who, now), key)
                return word.changed(decision=word.decision.replace(action[:4], "0000", 1))
            case "said before":
                mine = [word for name, word in self.said if name != who or action not in word.decision]
                return (
                    mine[-1]
                    if mine
                    else signed(decision((incident.id, incident.run, "d" * 64), who, now), key)
                )
            case _:
                return signed(
                    decision((incident.id, incident.run, action), who, now, changes.get(how, {})), key
                )

    @rule(who=st.sampled_from(SPEAKERS), which=st.integers(0, 5))
    def somebody_refuses(self, who: str, which: int) -> None:
        known = [each.digest for each in self.world.incident.firebreaks] or ["f" * 64]
        action = known[which % len(known)]
        refusal = self.world.attempt(acts.Refuse(by=who, action=action, reason="no"))
        self.watch_relief()
        if refusal is None:
            assert who == self.captain
        self.watch()

    @rule(step=st.sampled_from(["stop-refunds", "reranker-on"]))
    def it_is_asked_for_again(self, step: str) -> None:
        if self.captain:
            self.world.attempt(acts.Propose(by=self.captain, step=step))
        self.watch()

    @rule(lever=st.sampled_from(["tool", "reranker"]), fault=st.sampled_from(["none", "dead", "stolen"]))
    def the_engine_works(self, lever: str, fault: str) -> None:
        self.world.work(lever, fault)
        self.watch()

    @rule(minutes=st.integers(1, 90))
    def time_passes(self, minutes: int) -> None:
        self.world.wait(timedelta(minutes=minutes))
        self.watch()
        assert self.world.incident.captain == self.captain

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.work("tool")
            self.world.work("reranker")
            self.watch()
            assert self.world.incident.captain == self.captain


Voices.TestCase.settings = settings(
    max_examples=400, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestVoices = Voices.TestCase
