"""What happened, as the postmortem tells it first: summary, impact, detection, response, timeline."""

from collections.abc import Iterator
from datetime import datetime
from functools import partial

from firestation import acts, record
from firestation.evidence import Gap
from firestation.firebreak import Decided, Firebreak
from firestation.model import count, show_duration
from firestation.picture import besides
from firestation.postmortem.trail import Trail, bullet, clock, digest_link, head, kind_of, plain, row
from firestation.record import Event
from firestation.state import Incident
from firestation.timeline import happened_at, sentences

MOST_NAMED = 10
QUIET = frozenset(
    {"sent", "leased", "released", "said", "paged", "reminded", "task-opened", "drafted", "word-drafted"}
)
"""Events that the timeline leaves to the list of events: the machinery of words, pages and leases."""


def summary(incident: Incident, trail: Trail) -> Iterator[str]:
    """What burned, how bad it was, who had it, how it ended."""
    for rung in incident.rung[:MOST_NAMED]:
        alarm = rung.alarm
        text = f"{plain(alarm.name)} from {alarm.source}: {plain(alarm.summary)} (rang {count(rung.times, 'time')})"
        yield bullet(text, trail.rings(alarm.key))
    if len(incident.rung) > MOST_NAMED:
        yield bullet(f"{count(len(incident.rung) - MOST_NAMED, 'more alarm')}.", trail.find("rang"))
    people = f"captain {incident.captain or 'nobody'}; scribe {incident.scribe or 'nobody'}"
    takes = trail.find("act:acknowledge", "act:accept", "act:declare")
    yield bullet(f"Severity {incident.weight}; {people}.", takes)
    runbook, because = incident.brief.runbook, "; ".join(map(plain, incident.brief.matched))
    switched = trail.find("act:switch")
    yield bullet(f"Runbook {runbook.runbook} ({runbook.pattern}), because {because}.", (1, *switched))
    if incident.predecessor:
        yield bullet(f"This fire burned before: run {incident.predecessor}.", (1,))
    end = incident.ended or f"not over: it is {incident.phase}"
    ends = trail.find("act:close", "act:dismiss", "act:merge")
    yield bullet(f"End: {end}{f' {clock(incident.ended_at)}' if incident.ended_at else ''}.", ends[-1:])


def impact(incident: Incident, trail: Trail) -> Iterator[str]:
    """Who and what was hit as far as the record says, how grave it was when, and how long it went on."""
    rings = trail.find("rang")
    for name, what in (("tenants", "Tenants"), ("users", "Users"), ("request_ids", "Requests")):
        found = list(dict.fromkeys(each for rung in incident.rung for each in getattr(rung.alarm, name)))
        shown = ", ".join(plain(each, 80) for each in found[:MOST_NAMED])
        more = f" and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
        if found:
            yield bullet(f"{what} that the alarms name ({len(found)}): {shown}{more}.", rings)
    if not any(rung.alarm.tenants or rung.alarm.users for rung in incident.rung):
        yield bullet("Who was hit: the alarms name neither tenants nor users.", rings)
    alarms, times = len(incident.rung), sum(rung.times for rung in incident.rung)
    if incident.beyond:
        yield bullet(f"Other alarms rang {count(incident.beyond.times, 'time')} besides.", rings)
    yield bullet(f"{count(alarms, 'alarm')}, rung {count(times, 'time')} in all.", rings)
    spans = (
        ("contained", _contained(incident)),
        ("restored", incident.restored_at),
        ("over", incident.ended_at),
    )
    held = [f"{name} after {show_duration(at - incident.opened_at)}" for name, at in spans if at]
    shows = trail.find("probed", "soaked", "act:close", "act:dismiss", "act:merge")
    yield bullet(f"How long: {'; '.join(held) or 'it goes on'}.", shows)
    yield ""
    yield from _severity(incident, trail)


def _contained(incident: Incident) -> datetime | None:
    return min((each.effective_at for each in incident.firebreaks if each.effective_at), default=None)


def _severity(incident: Incident, trail: Trail) -> Iterator[str]:
    yield from head("severity over time", "at", "by", "why")
    yield row("proposed at the bell", clock(incident.opened_at), "the runbook", "", numbers=(1,))
    for weighing in incident.weighings:
        if weighing.was is not weighing.now:
            said = f"proposed {weighing.now}, not {weighing.was}"
            numbers = trail.at(weighing.at, "act:assess", "act:switch")
            yield row(said, clock(weighing.at), weighing.by, plain(weighing.reason), numbers=numbers)
    if not incident.since(3):
        for number, event in trail.numbered("act:declare"):
            assert isinstance(event, record.Acted)
            act = event.act
            assert isinstance(act, acts.Declare)
            yield row(
                f"declares {act.severity}", clock(event.at), act.by, plain(act.reason), numbers=(number,)
            )
    for each in incident.declarations if incident.since(3) else ():
        numbers = trail.at(each.at, "act:declare")
        what = f"{each.verb} {each.now}"
        yield row(what, clock(each.at), each.by, plain(each.reason), numbers=numbers)


def detection(incident: Incident, trail: Trail) -> Iterator[str]:
    """What rang, when and how long after the first sign; and what saw the fault and did not ring."""
    rings = trail.find("rang")
    if not rings:
        return
    first = min(rung.alarm.started_at for rung in incident.rung)
    late = incident.opened_at - first
    said = f"{show_duration(late)} before the bell" if late.total_seconds() >= 1 else "with the bell"
    yield bullet(f"First sign, by the clock of the alarm: {clock(first)}, {said}.", rings[:1])
    for rung in incident.rung[:MOST_NAMED]:
        last = f", last {clock(rung.last_at)}" if rung.times > 1 else ""
        text = f"Rang: {plain(rung.alarm.name)} from {rung.alarm.source}, {clock(rung.first_at)}{last}."
        yield bullet(text, trail.rings(rung.alarm.key))
    if len(incident.rung) > MOST_NAMED:
        yield bullet(f"{count(len(incident.rung) - MOST_NAMED, 'more alarm')}.", rings)
    named = " ".join(rung.alarm.name for rung in incident.rung).lower()
    for number, event in trail.numbered("measured"):
        assert isinstance(event, record.Measured)
        reading = event.reading
        if reading.verdict == "failed" and reading.check.lower() not in named:
            text = f"Saw the fault and no alarm is named for it: {reading.check} failed before any move."
            yield bullet(f"{text} Whether it is to ring, nobody has said yet.", (number,))


def response(incident: Incident, trail: Trail) -> Iterator[str]:
    """Who was the captain when, how it was handed over, who was silent, and every decision with its digest."""
    for tenure in incident.tenures:
        until = f"until {clock(tenure.until)}, {tenure.left}" if tenure.until else "to the end"
        numbers = trail.at(tenure.since, "act:acknowledge", "act:accept")
        ends = trail.at(tenure.until, "act:accept", "act:renounce", "relieved") if tenure.until else ()
        yield bullet(f"Captain {tenure.person} from {clock(tenure.since)} {until}.", numbers + ends)
    if not incident.tenures:
        takes = trail.find("act:acknowledge", "act:accept")
        who = f"Captain: {incident.captain or 'nobody has taken it'}."
        yield bullet(who, takes)
    words = {
        "unreached": "The page reached nobody",
        "silent": "Asked whether they are there",
        "relieved": "Relieved",
        "act:handover": "Handover offered",
        "act:decline": "Handover declined",
        "act:stop": "Everything stopped",
    }
    for number, event in trail.numbered(*words):
        said = plain(next(sentences((event,)))[1])
        yield bullet(f"{words[kind_of(event)]}, {clock(event.at)}: {said}.", (number,))
    for each in incident.firebreaks:
        yield from _decisions(each, trail)


def _decisions(each: Firebreak, trail: Trail) -> Iterator[str]:
    what = f"{each.action.lever} to {plain(each.action.to, 80)}, digest {each.digest}"
    on = trail.on(each.digest)
    for word in each.decisions:
        yield bullet(f"{_decided(word)}: {what}.", _words(trail, on, word))
    if not each.decisions:
        yield bullet(f"Nobody's word was given on it ({each.authority or each.state}): {what}.", on[:2])


def _words(trail: Trail, on: tuple[int, ...], word: Decided) -> tuple[int, ...]:
    """The event of one person's word."""
    events = ((number, trail.events[number - 1]) for number in on)
    acted = ((number, each.act) for number, each in events if isinstance(each, record.Acted))
    return tuple(number for number, act in acted if (act.kind, act.by) == (word.kind, word.by))[:1]


def _decided(word: Decided) -> str:
    done = "approved" if word.kind == "approve" else "refused"
    who = f"{word.by}{', the captain,' if word.captain else ''}"
    reason = f" ({plain(word.reason)})" if word.reason else ""
    return f"{who} {done} {clock(word.at)}{' and signed' if word.signed else ''}{reason}"


def timeline(incident: Incident, trail: Trail) -> Iterator[str]:
    """What happened, in its order; the machinery of words and pages stands in the list of events only."""
    lines = []
    told = sentences(trail.events, partial(besides, incident))
    for number, (event, text) in enumerate(told, start=1):
        if event.kind not in QUIET:
            lines.append((happened_at(event), number, _told(event, text, number)))
    yield from (line for _, _, line in sorted(lines, key=lambda each: each[:2]))


def _told(event: Event, text: str, number: int) -> str:
    digests = " ".join(digest_link(each) for each in kept_by(event))
    return bullet(f"{clock(happened_at(event))} {plain(text)}{f' {digests}' if digests else ''}", (number,))


def kept_by(event: Event) -> tuple[str, ...]:
    """The digests of what an event put into the evidence store, but for the single artifacts of a seal."""
    match event:
        case record.SealedUp() | record.Supplemented():
            return (event.sealed.manifest, event.sealed.envelope)
        case record.LockTried():
            return (event.proof.lock.digest, event.proof.report.digest)
        case record.Drafted():
            return (event.artifact.digest,)
        case _:
            return ()


def gap_line(gap: Gap) -> str:
    """A gap: what is missing, and why."""
    return f"Gap: {plain(gap.item)}: {gap.reason}, {plain(gap.detail)}"
