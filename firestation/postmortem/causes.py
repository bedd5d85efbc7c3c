"""Why it happened, as far as somebody stands for it, and what went well and badly. An empty link stays empty."""

from collections.abc import Iterable, Iterator

from firestation import proofs, record
from firestation.board import Entry
from firestation.firebreak import Lease
from firestation.model import count, show_duration
from firestation.postmortem.measures import measures
from firestation.postmortem.trail import Trail, bullet, clock, head, plain, row
from firestation.state import Incident
from firestation.timeline import tell

NOBODY = "nobody has said yet"
BAD = ("turned-away", "unsent", "not-sealed", "failed", "lapsed", "overdue", "unreached")
MOST_REFUSALS = 20


def factors(incident: Incident, trail: Trail) -> Iterator[str]:
    """The chain from the change to the harm, then what was noted: facts, hypotheses and what was refuted."""
    yield from head("link of the chain", "what is known")
    for link, known in _chain(incident, trail):
        found = list(known)
        for text, numbers in found:
            yield row(link, text, numbers=numbers)
        if not found:
            yield row(link, NOBODY, numbers=())
    if incident.entries or not incident.cause_is_fact:
        yield ""
    yield from _notes(incident, trail)


Known = Iterable[tuple[str, tuple[int, ...]]]


def _chain(incident: Incident, trail: Trail) -> Iterator[tuple[str, Known]]:
    notes = trail.find("act:note")
    causes = [each for each in incident.entries if each.cause and each.standing == "fact"]
    yield (
        "what began it",
        [(f"{plain(each.text)} ({each.by})", _noted(trail, notes, each)) for each in causes],
    )
    yield "why no review or eval held it", []
    yield "what it broke", list(_broke(trail))
    first = (each.alarm for each in incident.rung[:1])
    yield (
        "what showed it",
        [(f"{plain(each.name)}: {plain(each.summary)}", trail.rings(each.key)) for each in first],
    )
    yield "what stopped the harm", list(_stopped(incident, trail))
    yield "why it was not stopped sooner", []


def _broke(trail: Trail) -> Iterator[tuple[str, tuple[int, ...]]]:
    for number, event in trail.numbered("measured"):
        assert isinstance(event, record.Measured)
        if event.reading.verdict == "failed":
            yield f"{event.reading.check}: {plain(event.reading.detail)}", (number,)


def _stopped(incident: Incident, trail: Trail) -> Iterator[tuple[str, tuple[int, ...]]]:
    for each in incident.firebreaks:
        if each.effective_at:
            action = each.action
            text = f"{action.lever} from {plain(action.origin, 80)} to {plain(action.to, 80)}"
            yield text, trail.at(each.effective_at, "probed")


def _noted(trail: Trail, notes: tuple[int, ...], entry: Entry) -> tuple[int, ...]:
    """The note, and the words of everybody who stood for it or refuted it."""
    words = trail.find(
        "act:establish",
        entry=entry.number,
    )
    return notes[entry.number - 1 : entry.number] + words


def _notes(incident: Incident, trail: Trail) -> Iterator[str]:
    notes = trail.find("act:note")
    for kept in ("fact", "hypothesis", "refuted"):
        for entry in (each for each in incident.entries if each.standing == kept):
            held = "Held for the cause, refuted" if kept == "refuted" else "Cause, a fact"
            word = held if entry.cause else kept.capitalize()
            numbers = _noted(trail, notes, entry)
            yield bullet(f"{word} ({entry.by}, {clock(entry.at)}): {plain(entry.text)}", numbers)
            for each in entry.vouchers:
                if each.reason:
                    done = "stands for it" if each.holds else "refuted it"
                    numbers = trail.find("act:establish", entry=entry.number, by=each.by, holds=each.holds)
                    said = f"{each.by} {done} ({clock(each.at)}): {plain(each.reason)}"
                    yield bullet(said, numbers, deep=1)
    if not incident.cause_is_fact:
        yield bullet("Not known: the cause. Nobody has marked one as a fact.", ())


def went_well(incident: Incident, trail: Trail) -> Iterator[str]:
    """What the record shows to have gone as it should."""
    for each in measures(incident, trail):
        if each.word == "kept" and each.took is not None and each.within is not None:
            spans = f"{show_duration(each.took)}, {show_duration(each.within)} were allowed"
            yield bullet(f"In time: {each.name} ({spans}).", each.numbers)
    for firebreak in incident.firebreaks:
        if firebreak.moved_at and firebreak.effective_at:
            span = show_duration(firebreak.effective_at - firebreak.moved_at)
            numbers = trail.at(firebreak.effective_at, "probed")
            yield bullet(f"Effective: {firebreak.action.lever}, {span} after its move.", numbers)
    if incident.sealed and not incident.sealed.gaps:
        yield bullet("The evidence was frozen without a gap.", trail.find("sealed"))
    if proofs.stands(incident):
        yield bullet("The lock is proved.", trail.find("lock-tried")[-1:])


def went_badly(incident: Incident, trail: Trail) -> Iterator[str]:
    """What the record shows to have gone otherwise than it should: late, refused, tried again, without effect."""
    for each in measures(incident, trail):
        if each.word == "missed":
            took = show_duration(each.took) if each.took is not None else "not at all"
            yield bullet(f"Late: {each.name} ({took}).", each.numbers)
    for firebreak in incident.firebreaks:
        if firebreak.state in {Lease.INEFFECTIVE, Lease.UNCERTAIN, Lease.DRIFTED, Lease.LAPSED, Lease.TAKEN}:
            why = f": {plain(firebreak.trouble)}" if firebreak.trouble else ""
            text = f"Firebreak {firebreak.action.lever} is {firebreak.state}{why}."
            yield bullet(text, trail.on(firebreak.digest))
    for lever, holder in incident.taken.items():
        yield bullet(f"{lever} was held by {holder}.", trail.find("leased"))
    gaps = len(incident.sealed.gaps) if incident.sealed else 0
    if gaps:
        yield bullet(f"The evidence has {count(gaps, 'gap')}.", trail.find("sealed"))
    broken = tuple(
        number
        for number, event in trail.numbered("soaked")
        if isinstance(event, record.Soaked) and not event.report.held
    )
    if broken:
        yield bullet(f"The recovery did not hold {count(len(broken), 'time')}.", broken)
    proofs = tuple(
        number
        for number, event in trail.numbered("lock-tried")
        if isinstance(event, record.LockTried) and not event.proved
    )
    if proofs:
        yield bullet(f"The lock was tried and not proved {count(len(proofs), 'time')}.", proofs)
    refused = trail.find("turned-away")
    if refused:
        yield bullet(f"{count(len(refused), 'act')} refused; see below.", refused)


def breaches(incident: Incident, trail: Trail) -> Iterator[str]:
    """Deadlines missed, rules waived, acts refused, words unsent, things that failed: each as it stands."""
    for each in incident.deadlines:
        if each.missed:
            numbers = trail.find("missed", milestone=each.milestone)
            yield bullet(f"Missed: {each.milestone}, due {clock(each.due)}", numbers)
    for waiver in incident.waivers:
        until = f" until {waiver.until:%Y-%m-%d}" if waiver.until else ""
        text = f"Waived: {waiver.what}{until}, by {waiver.by}: {plain(waiver.reason)}"
        yield bullet(text, trail.at(waiver.at, "act:waive"))
    for altering in incident.altering:
        if not altering.decided:
            text = f"A {altering.what} on the word of {altering.by} before informing: {', '.join(altering.clocks)}"
            yield bullet(text, trail.on(altering.action))
    found = list(trail.numbered(*BAD))
    for number, event in found[:MOST_REFUSALS]:
        yield bullet(plain(tell(event)), (number,))
    if len(found) > MOST_REFUSALS:
        rest = found[MOST_REFUSALS:]
        yield bullet(f"{len(rest)} more of them.", [number for number, _ in rest])
