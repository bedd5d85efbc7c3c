"""What a postmortem of an AI system asks besides: the broken promise, the evidence path, the evals, the firebreaks.

Each answer is what the record holds. What it does not hold stays a question, in words.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from firestation import proofs, record
from firestation.after_action import Attestation
from firestation.evidence import ArtifactRef, Gap
from firestation.firebreak import Firebreak, Lease
from firestation.model import show_duration
from firestation.postmortem.causes import NOBODY
from firestation.postmortem.trail import Trail, artifact, bullet, clock, digest_link, head, plain, row
from firestation.recurrence import told
from firestation.state import Incident, Waiver
from firestation.system import CONTROL, LeverFitting


class Link(NamedTuple):
    """One link of the evidence path: what of the minimum snapshot shows it, and how its levers are known by name."""

    name: str
    items: tuple[str, ...]
    levers: re.Pattern[str]


PATH = (
    Link("prompt", ("prompts",), re.compile(r"prompt|template", re.IGNORECASE)),
    Link(
        "retrieval",
        ("retrieval", "tenant-filter"),
        re.compile(r"index|retriev|rerank|fusion|search|corpus|tenant|collection", re.IGNORECASE),
    ),
    Link("tool", ("tool-calls",), re.compile(r"tool|loop", re.IGNORECASE)),
    Link("memory", ("memory",), re.compile(r"memor", re.IGNORECASE)),
    Link(
        "model",
        ("model-route",),
        re.compile(r"model|route|split|traffic|fallback|budget|rate", re.IGNORECASE),
    ),
    Link(
        "guardrail",
        ("guardrails", "judges"),
        re.compile(r"guard|threshold|safety|judge|filter", re.IGNORECASE),
    ),
)
MOST_ARTIFACTS = 6


def contract(incident: Incident, trail: Trail) -> Iterator[str]:
    """What the product promises and did not keep: the checks that failed, before and after."""
    failed = [each for each in incident.baseline.values() if each.verdict != "passed"]
    if not incident.baseline:
        yield bullet("No check was measured before a move, so which promise broke is not known.", ())
        return
    if not failed:
        yield bullet(
            "Every check passed before any move: no promise is shown to be broken.", trail.find("measured")
        )
        return
    yield from head("check", "what it promises", "before any move", "after")
    for reading in failed:
        fitting = incident.brief.system.check(reading.check)
        promise = plain(fitting.title) if fitting else ""
        after, shows = _after(reading.check, trail)
        numbers = _measured(reading.check, trail)
        before = f"{reading.verdict}: {plain(reading.detail)}"
        yield row(reading.check, promise, before, after, numbers=numbers + shows)


def _measured(check: str, trail: Trail) -> tuple[int, ...]:
    return tuple(
        number
        for number, event in trail.numbered("measured")
        if isinstance(event, record.Measured) and event.reading.check == check
    )


def _after(check: str, trail: Trail) -> tuple[str, tuple[int, ...]]:
    """What the last probe or soak of this check showed."""
    said, shows = "not measured again", tuple[int, ...]()
    for number, event in trail.numbered("probed", "soaked"):
        if isinstance(event, record.Probed) and event.reading.check == check:
            said, shows = f"{event.reading.verdict}: {plain(event.reading.detail)}", (number,)
        if isinstance(event, record.Soaked) and check in event.report.checks:
            held = "held" if event.report.held else "did not hold"
            said, shows = f"{held}: {plain(event.report.detail)}", (number,)
    return said, shows


def path(incident: Incident, trail: Trail) -> Iterator[str]:
    """A row for each link from the prompt to the answer: what was frozen, what is missing, what stood where."""
    yield from head("link", "frozen", "gaps", "levers, as they stood")
    left = {each.id: each for each in incident.brief.system.levers}
    seals = trail.find("sealed", "supplemented")
    for link in PATH:
        ours = [each for each in left.values() if link.levers.search(f"{each.id} {each.title}")]
        for each in ours:
            del left[each.id]
        frozen = [each for each in incident.artifacts if set(each.provides) & set(link.items)]
        gaps = [each for each in _gaps(incident) if each.item in link.items]
        yield row(link.name, _frozen(frozen), _missing(gaps), _stood(incident, ours), numbers=seals)
    if left:
        yield row("other", "", "", _stood(incident, list(left.values())), numbers=seals)
    yield ""
    yield "A lever stands in the row that its name or title fits."
    controls = [each for each in incident.artifacts if CONTROL in each.provides]
    if controls:
        compared = (
            f"What differs from a healthy request: `firestation evidence diff {incident.id}` shows all of it."
        )
        text = f"{compared} Control sample: {_frozen(controls)}."
    else:
        text = "No healthy requests were frozen, so what differs from them is not known."
    yield bullet(text, seals)


def _gaps(incident: Incident) -> tuple[Gap, ...]:
    seals = (incident.sealed, *incident.supplements) if incident.sealed else ()
    return tuple(gap for seal in seals for gap in seal.gaps)


def _frozen(found: list[ArtifactRef]) -> str:
    more = f" and {len(found) - MOST_ARTIFACTS} more" if len(found) > MOST_ARTIFACTS else ""
    return ", ".join(artifact(each) for each in found[:MOST_ARTIFACTS]) + more if found else "nothing"


def _missing(gaps: list[Gap]) -> str:
    return "; ".join(f"{plain(each.item)}: {each.reason}" for each in gaps) or "none"


def _stood(incident: Incident, levers: list[LeverFitting]) -> str:
    sealed = {each.lever: each.position for each in incident.sealed.levers} if incident.sealed else {}
    moved = {each.action.lever: each.action.origin for each in reversed(incident.firebreaks)}
    told = []
    for each in levers:
        stood = sealed.get(each.id) or moved.get(each.id) or incident.positions.get(each.id)
        told.append(f"{each.id}: {plain(stood, 80) if stood else 'not read'}")
    return "; ".join(told) or "no lever"


def evals(incident: Incident, trail: Trail) -> Iterator[str]:
    """Which check would have caught it, and whether it did."""
    plan = incident.brief.runbook.lock
    if plan.check is None:
        yield bullet("The runbook locks a process, and no check.", ())
        return
    check, reading = incident.brief.system.check(plan.check), incident.baseline.get(plan.check)
    title = f" ({plain(check.title)})" if check else ""
    seen = f"it {reading.verdict} before any move" if reading else "it was not measured before a move"
    numbers = _measured(plan.check, trail)
    yield bullet(f"The check that the runbook would lock: {plan.check}{title}; {seen}.", numbers)
    yield bullet(f"Why it did not stop the change before people met it: {NOBODY}.", ())


def firebreaks(incident: Incident, trail: Trail) -> Iterator[str]:
    """Each firebreak: did it stop the harm, after how long, what it cost, how it ended."""
    for each in incident.firebreaks:
        yield from _firebreak(each, trail)
    for step, reason in incident.skipped.items():
        numbers = trail.find("skipped", step=step)
        yield bullet(f"{step}: skipped, {plain(reason)}", numbers)


def _firebreak(each: Firebreak, trail: Trail) -> Iterator[str]:
    action, on = each.action, trail.on(each.digest)
    word = (
        f"on the word of {', '.join(each.approved_by)}" if each.approved_by else each.authority or "by nobody"
    )
    moved = f"{plain(action.origin, 200)} to {plain(action.to, 200)}"
    yield bullet(f"{action.lever}: {moved}, {word}: {each.state}. Digest {each.digest}.", on)
    if each.moved_at and each.effective_at:
        span = show_duration(each.effective_at - each.moved_at)
        numbers = trail.at(each.effective_at, "probed")
        yield bullet(f"It stopped the harm: effective {span} after the move.", numbers, deep=1)
    elif each.moved_at:
        yield bullet(f"It is not shown to have stopped the harm: {each.state}.", on, deep=1)
    if each.moved_at:
        yield bullet(f"What it cost: {plain(each.step.cost)}", on[:1], deep=1)
        yield bullet(f"How it ended: {_end(each)}.", on[-1:], deep=1)
    if each.trouble:
        yield bullet(plain(each.trouble), on[-1:], deep=1)


def _end(each: Firebreak) -> str:
    match each.state:
        case Lease.LIFTED:
            return f"put back, wanted by {each.lift_wanted_by or 'nobody'}"
        case Lease.ADOPTED:
            return "adopted for good"
        case _:
            return f"it has not: {each.state}"


def people(incident: Incident, trail: Trail) -> Iterator[str]:
    """Where a person was to look, and whether one did."""
    reviews = [each for each in incident.artifacts if "human-review" in each.provides]
    seals = trail.find("sealed", "supplemented")
    gaps = [each for each in _gaps(incident) if each.item == "human-review"]
    if reviews:
        yield bullet(f"Samples that people had reviewed: {_frozen(reviews)}.", seals)
    else:
        why = f" ({gaps[0].reason}: {plain(gaps[0].detail)})" if gaps else ""
        yield bullet(f"No sample that people had reviewed was frozen{why}.", seals)
    for each in incident.firebreaks:
        if each.moved_at and not each.approved_by:
            text = f"{each.action.lever} moved without anybody's word: {each.authority or 'no authority'}."
            yield bullet(text, trail.on(each.digest))
    for step, duty in incident.duties.items():
        calls = trail.find("called", "act:confirm", step=step)
        note = f" ({plain(duty.note)})" if duty.note else ""
        done = "is done" if duty.done else "could not be done"
        told = (
            f"{done}, by the word of {duty.confirmed_by}{note}"
            if duty.confirmed_by
            else "nobody confirmed it"
        )
        yield bullet(f"By hand, {step}: {told}.", calls)


def lock(incident: Incident, trail: Trail) -> Iterator[str]:
    """What keeps it from coming back: the lock and its proof, a process, or a waiver; what broke; and the tasks."""
    for line in told(incident):
        yield bullet(f"{plain(line)}.", trail.find("recalled")[-1:])
    if incident.lock:
        proof, tries = incident.lock, trail.find("lock-tried")
        word, lacks = "Proved" if proofs.stands(incident) else "Not proved", proofs.lacking(incident)
        more = f"; {plain(lacks)}" if lacks else ""
        yield bullet(f"{word}: {plain(proof.verdict)}{more}.", tries[-1:])
        kept = f"test file {artifact(proof.lock)}, runs {artifact(proof.report)}"
        statement = f", statement {artifact(proof.statement)}" if proof.statement else ""
        yield bullet(f"Kept: {kept}, on the evidence {digest_link(proof.evidence)}{statement}.", tries[-1:])
    if incident.lock_waiver:
        waiver = incident.lock_waiver
        until = f" until {clock(waiver.until)}" if waiver.until else ""
        text = f"Waived by {waiver.by}{until}{_second(waiver)}: {plain(waiver.reason)}"
        yield bullet(text, _words(trail, waiver, "act:waive"))
    if incident.attestation:
        said = incident.attestation
        text = f"Attested by {said.by}{_second(said)}: {plain(said.change)} ({plain(said.reference)})"
        again = f"to be looked at again by {clock(said.verify_by)}"
        yield bullet(f"{text}; {again}", _words(trail, said, "act:attest"))
    if not (incident.lock or incident.lock_waiver or incident.attestation):
        yield bullet("There is no lock yet.", ())
    for ticket in incident.tickets:
        name = f" {ticket.name}" if ticket.name else ""
        numbers = trail.find("task-opened", ticket=ticket)
        yield bullet(f"Task {ticket.kind}{name}: {plain(ticket.reference)}", numbers)


def _second(word: Waiver | Attestation) -> str:
    return f", and {word.seconded_by} stands for it" if word.seconded_by else ", and nobody stands for it yet"


def _words(trail: Trail, word: Waiver | Attestation, kind: str) -> list[int]:
    second = trail.at(word.seconded_at, "act:second") if word.seconded_at else []
    return [*trail.at(word.at, kind), *second]
