"""The incident of the demo, from the captain's first word to the lock. Every wait is a condition with a deadline."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from rich.text import Text

from cli.client import Gateway
from cli.demo.voice import Voice, demand, fail
from cli.plain import SHORT, plain
from cli.show import moment, show, waiting
from firestation.errors import Refused, Unreachable
from firestation.firebreak import Firebreak, Lease
from firestation.model import show_duration
from firestation.picture import Picture
from firestation.state import Phase

TURN_SECONDS = 0.15
ENGINE_SECONDS = 45.0
CAUSE = "The reranker was off, so the policy of last year outranked the current one."
QUIET = frozenset({"sent", "turned-away"})


class Story:
    """One incident, walked through by people at a terminal (or by the demo in their place)."""

    def __init__(self, voice: Voice, people: Mapping[str, Gateway], incident: str) -> None:
        self.voice, self.people, self.incident = voice, people, incident
        self.told = 0

    def look(self, *, quiet: bool = False) -> Picture:
        """The incident now; what is new in its timeline is told, unless `quiet`."""
        seen = self.people["ana"].picture(self.incident)
        for each in seen.timeline[self.told :]:
            if each.kind not in QUIET and not quiet:
                self.voice.happened(moment(each, seen.as_of))
        self.told = len(seen.timeline)
        return seen

    def until(self, what: str, held: Callable[[Picture], bool], *, quiet: bool = False) -> Picture:
        """Look until this holds. Fails the demo at the deadline, or when the incident ends before."""
        deadline = time.monotonic() + ENGINE_SECONDS
        with self.voice.progress(what):
            while True:
                try:
                    seen = self.look(quiet=quiet)
                except Unreachable:
                    if time.monotonic() > deadline:
                        raise
                else:
                    if held(seen):
                        return seen
                    if seen.ended_at:
                        fail(f"the incident is {seen.phase} while we waited for {what}")
                if time.monotonic() > deadline:
                    fail(f"waited {ENGINE_SECONDS:.0f} s for {what}")
                time.sleep(TURN_SECONDS)  # the pace of looking

    def act(self, person: str, act: str, command: str, **fields: Any) -> Picture:
        """Do what this person types."""
        self.voice.typed(f"firestation {command} --as {person}", person)
        self.people[person].act(self.incident, act, fields)
        return self.look()

    def what_is_known(self) -> None:
        """The first look: the captain is paged, the snapshot runs, nobody has to type anything for that."""
        self.voice.chapter("What is known in the first seconds")
        seen = self.until(
            "the page, the sealed snapshot and the first word",
            lambda seen: bool(seen.words) and seen.sealed is not None,
            quiet=True,
        )
        show(self.voice.console, seen)

    def someone_takes_it(self) -> None:
        """Captain and scribe, and how bad it is."""
        voice, name = self.voice, self.incident
        voice.chapter("Someone takes it")
        voice.insist(
            "ana has been paged. Does she take it?",
            "Then the engine pages ben next, and goes on paging; so does she?",
        )
        self.act("ana", "acknowledge", f"ack {name}", role="captain")
        self.act("ben", "acknowledge", f"ack {name} --role scribe", role="scribe")
        seen = self.look()
        for reason in seen.proposal.reasons:
            voice.fact("", reason)
        severity = voice.choose(
            f"The engine proposes {seen.proposal.severity}. What does ana declare?",
            ("sev1", "sev2"),
            str(seen.proposal.severity),
        )
        reason = voice.ask("Why?", "wrong refunds are being paid out")
        command = f"declare {name} {severity} --reason '{reason}'"
        seen = self.act("ana", "declare", command, severity=severity, reason=reason)
        waiting(voice.console, seen)

    def the_first_firebreak(self) -> Firebreak:
        """Pre-authorized in the runbook, it moves as soon as the evidence is sealed."""
        voice = self.voice
        voice.chapter("The firebreak that the runbook has authorized before")
        voice.say("No money may leave while rulings are wrong. The runbook allows this move at sev1 and sev2 without "
                  "asking, but not before the manifest with the lever's own position is sealed.")  # fmt: skip
        seen = self.until(
            "the refund tool to be off, and seen to be off", _is("refund_tool", Lease.EFFECTIVE)
        )
        return _latest(seen, "refund_tool")

    def the_captains_decision(self) -> Firebreak:
        """The exact plan, its digest, and a yes or a no."""
        voice, name = self.voice, self.incident
        voice.chapter("The decision that only the captain can make")
        while True:
            seen = self.until("the plan for the reranker", _is("reranker", Lease.PROPOSED))
            plan = _latest(seen, "reranker")
            self._explain(plan, seen)
            if voice.agrees("Does ana approve exactly this?"):
                break
            self.act("ana", "refuse", f"refuse {name} {plan.digest[:12]} --reason 'not now'",
                     action=plan.digest[:12], reason="not now")  # fmt: skip
            voice.say("Refused, on the record; the lever stays where it is. But the answers stay wrong too.")
            voice.insist("Shall the engine put it before her again?", "Then nothing recovers. Shall it?")
            self.act("ana", "propose", f"propose {name} {plan.action.step}", step=plan.action.step)
        self._a_replay_is_refused(plan)
        self.until(
            "the reranker to be on, and the golden answers to be right", _is("reranker", Lease.EFFECTIVE)
        )
        return plan

    def _explain(self, plan: Firebreak, seen: Picture) -> None:
        step = next(each for each in seen.steps if each.id == plan.action.step)
        voice = self.voice
        voice.fact("move", f"{plan.action.lever} from {plan.action.origin} to {plan.action.to}")
        voice.fact("why", step.why)
        voice.fact("cost", step.cost)
        voice.fact("for", f"{show_duration(plan.action.expires_after)}, then: {step.at_expiry}")
        voice.fact("seen by", f"the check {step.probe.check}, within {show_duration(step.probe.deadline)}")
        voice.path("manifest", plan.action.manifest or "none: the snapshot was waived")
        voice.path("digest", plan.digest)

    def _a_replay_is_refused(self, plan: Firebreak) -> None:
        """The approval counts once: the same decision again is refused, and that stands on the record."""
        short = plan.digest[:12]
        self.act("ana", "approve", f"approve {self.incident} {short}", action=short)
        try:
            self.people["ana"].act(self.incident, "approve", {"action": short})
        except Refused as refusal:
            self.voice.fact("sent again", str(refusal))
        else:
            fail("an approval was taken twice")

    def recovery_and_the_cause(self, refunds: Firebreak) -> None:
        """Measured recovery, the facts, and the first firebreak put back."""
        voice, name = self.voice, self.incident
        voice.chapter("Recovery is measured, not felt")
        self.until("the checks to hold for the whole soak", lambda seen: seen.restored_at is not None)
        fact = voice.ask("What does ana note as the cause?", CAUSE)
        self.act(
            "ana", "note", f"note {name} '{fact}' --fact --cause", text=fact, standing="fact", cause=True
        )
        known = (
            "Refund rulings were wrong for some customers. They are right again; refunds start again soon."
        )
        self.act("cara", "update", f"update {name} '{known}' --public", audience="public", known=known,
                 unknown="How many customers were reached.", doing="We check past refunds.")  # fmt: skip
        voice.insist(
            "Refunds are safe again. Does ana lift the stop?",
            "It must end before the incident can. Does she?",
        )
        reason = "the golden answers are right again"
        self.act("ana", "lift", f"lift {name} {refunds.digest[:12]} --reason '{reason}'",
                 action=refunds.digest[:12], reason=reason)  # fmt: skip
        self.until("the refund tool to be back", _is("refund_tool", Lease.LIFTED))
        self.until("the checks to hold again, with refunds on", lambda seen: seen.restored_at is not None)

    def the_lock(self, plan: Firebreak) -> Picture:
        """The last firebreak is adopted; the incident becomes a lock, and closes."""
        voice, name = self.voice, self.incident
        voice.chapter("The incident becomes a lock")
        voice.insist(
            "The reranker belongs on. Does ana keep it so for good?", "It must be lifted or kept. Kept?"
        )
        reason = "off was a cost experiment; on is how it was reviewed"
        self.act("ana", "adopt", f"adopt {name} {plan.digest[:12]} --reason '{reason}'",
                 action=plan.digest[:12], reason=reason)  # fmt: skip
        seen = self.until("the postmortem and the lock", lambda seen: seen.postmortem is not None)
        seen = self.until(
            "the lock to be tried", lambda seen: seen.lock is not None or "lock" in seen.trouble
        )
        demand(
            seen.lock_proved, f"the lock is not proved: {seen.lock.verdict if seen.lock else seen.trouble}"
        )
        for run in seen.lock.runs if seen.lock else ():
            voice.fact(f"{run.against}: {run.outcome}", run.detail)
        known = "Recovery is measured and the lock is proved; closing."
        self.act("ana", "update", f"update {name} '{known}'", audience="internal", known=known)
        voice.insist(
            "Does ana close the incident?", "It stays in after-action, and reminds you daily. Close?"
        )
        self.act("ana", "close", f"close {name}")
        seen = self.until("the incident to be closed", lambda seen: seen.phase is Phase.CLOSED)
        voice.happened(
            Text(f"closed {show_duration(seen.as_of - seen.opened_at)} after the bell", style="bold green")
        )
        return seen


def _is(lever: str, state: Lease) -> Callable[[Picture], bool]:
    """Whether the newest firebreak of this lever stands so. Fails the demo where it cannot come so any more."""

    def held(seen: Picture) -> bool:
        found = [each for each in seen.firebreaks if each.action.lever == lever]
        if found and found[-1].state in {Lease.INEFFECTIVE, Lease.UNCERTAIN, Lease.LAPSED}:
            fail(
                f"the firebreak of {lever} is {found[-1].state}: {plain(found[-1].trouble or 'no detail', SHORT)}"
            )
        return bool(found) and found[-1].state is state

    return held


def _latest(seen: Picture, lever: str) -> Firebreak:
    return next(each for each in reversed(seen.firebreaks) if each.action.lever == lever)
