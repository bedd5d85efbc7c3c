"""Many incidents audited: what each came to, and all of them together."""

from collections import Counter
from collections.abc import Iterable
from typing import Any, Literal

from pydantic import Field

from firestation import proofs, seconding
from firestation.after_action import Attestation
from firestation.audit import Auditor, Finding, recomputed
from firestation.legal_course import breaches
from firestation.model import Id, Line, Model, Text
from firestation.rules import RULES
from firestation.state import Incident, Phase

OUTCOMES: tuple["Outcome", ...] = ("passed", "on the record", "broken", "unreadable")
Outcome = Literal["passed", "on the record", "broken", "unreadable"]
"""`on the record`: a rule was broken and the record says so. `broken`: one was, unrecorded, or the replay differs."""

Lock = Literal["proved", "attested", "waived", "missing", "not due"]
"""What stands for the lock. `attested` and `waived` are the word of two people, as long as it is good."""


class Verdict(Model):
    """What the audit of one incident came to. `replay` is how today's code decides otherwise, `error` why not read.

    `breaches` are deadlines missed, the law's too; `gaps` what could not be had as evidence.
    """

    incident: Line
    run: Line
    outcome: Outcome
    phase: Phase | None = None
    runs: int = 0
    events: int = 0
    findings: tuple[Finding, ...] = ()
    replay: Text | None = None
    breaches: int = 0
    waivers: int = 0
    gaps: int = 0
    lock: Lock = "not due"
    error: Text | None = None


class RuleCount(Model):
    """In how many incidents a rule was broken, and broken on the record."""

    rule: int
    title: Line
    broken: int
    on_the_record: int


class Summary(Model):
    """All of them together."""

    incidents: int
    outcomes: dict[Outcome, int]
    breaches: int
    waivers: int
    gaps: int
    locks: dict[Lock, int]
    differing: int = Field(description="Incidents in which today's code decides otherwise than it did then.")
    rules: tuple[RuleCount, ...]

    @property
    def passed(self) -> bool:
        """Whether every one was read, and no rule was broken without a word on the record."""
        return not (self.outcomes["broken"] or self.outcomes["unreadable"])


def judge(incident: Id, run: str, histories: list[dict[str, Any]], replay: str | None) -> Verdict:
    """Audit one chain of runs. Raises `InvalidInput` when it is not the whole history of an incident."""
    auditor = recomputed(histories)
    report = auditor.report()
    outcome: Outcome = "on the record" if report.findings else "passed"
    if not report.passed or replay:
        outcome = "broken"
    state = auditor.incident
    return Verdict(
        incident=incident,
        run=run,
        outcome=outcome,
        phase=report.phase,
        runs=report.runs,
        events=report.events,
        findings=report.findings,
        replay=replay[:4000] if replay else None,
        breaches=_breaches(state),
        waivers=len(state.waivers),
        gaps=_gaps(auditor),
        lock=_lock(state),
    )


def unreadable(incident: str, run: str, why: str) -> Verdict:
    """The verdict on what nobody can judge."""
    return Verdict(
        incident=incident[:300], run=run[:300], outcome="unreadable", error=why[:4000] or "no reason"
    )


def summed(verdicts: Iterable[Verdict]) -> Summary:
    """Count them, one after the other: nothing of them is kept."""
    outcomes, locks = Counter[Outcome](), Counter[Lock]()
    broken, told, sums = Counter[int](), Counter[int](), Counter[str]()
    titles = {rule.number: rule.title for rule in RULES}
    for each in verdicts:
        outcomes[each.outcome] += 1
        locks[each.lock] += each.outcome != "unreadable"
        sums.update(
            breaches=each.breaches, waivers=each.waivers, gaps=each.gaps, differing=each.replay is not None
        )
        broken.update({finding.rule for finding in each.findings if finding.level == "broken"})
        told.update({finding.rule for finding in each.findings if finding.level == "on the record"})
        titles = {**{finding.rule: finding.title for finding in each.findings}, **titles}
    rules = tuple(
        RuleCount(rule=rule, title=titles[rule], broken=broken[rule], on_the_record=told[rule])
        for rule in sorted({*broken, *told})
    )
    return Summary(
        incidents=outcomes.total(),
        outcomes={each: outcomes[each] for each in OUTCOMES},
        breaches=sums["breaches"],
        waivers=sums["waivers"],
        gaps=sums["gaps"],
        locks={
            "proved": locks["proved"],
            "attested": locks["attested"],
            "waived": locks["waived"],
            "missing": locks["missing"],
            "not due": locks["not due"],
        },
        differing=sums["differing"],
        rules=rules,
    )


def _breaches(incident: Incident) -> int:
    return sum(each.missed for each in incident.deadlines) + len(tuple(breaches(incident)))


def _gaps(auditor: Auditor) -> int:
    seals = (auditor.incident.sealed, *auditor.incident.supplements)
    return sum(len(each.gaps) for each in seals if each)


def _lock(incident: Incident) -> Lock:
    if proofs.stands(incident):
        return "proved"
    word = seconding.good(incident, incident.ended_at or incident.now)
    if word:
        return "attested" if isinstance(word, Attestation) else "waived"
    return "missing" if incident.ended == "closed" or incident.phase is Phase.AFTER_ACTION else "not due"
