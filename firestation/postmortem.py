"""The postmortem, drafted from the record in Markdown: what happened, what it cost, what is still unknown."""

from collections.abc import Iterator
from datetime import datetime
from functools import partial

from firestation import record
from firestation.firebreak import Firebreak
from firestation.legal_course import in_sight, standing
from firestation.model import count, show_duration
from firestation.record import Event, Record
from firestation.state import Incident
from firestation.timeline import moments, tell


def draft(incident: Incident, events: Record) -> str:
    """The whole document. People edit it afterwards; everything in it comes from the record."""
    timeline = moments(events, partial(in_sight, incident))
    sections = (
        ("Summary", _summary(incident)),
        ("Measures", _measures(incident, events)),
        ("Known and not known", _known(incident)),
        ("Firebreaks", _firebreaks(incident)),
        ("Evidence", _evidence(incident)),
        ("The lock", _lock(incident)),
        *((("Legal clocks", _legal(incident)),) if incident.legal else ()),
        ("What did not go as it should", _breaches(incident, events)),
        ("Timeline", (f"- {_time(each.at)} {_plain(each.text)}" for each in timeline)),
    )
    title = f"# Postmortem of {incident.id}: {incident.brief.system.title}"
    parts = [f"## {name}\n\n" + "\n".join(lines) for name, lines in sections]
    return "\n\n".join([title, *parts]) + "\n"


def _summary(incident: Incident) -> Iterator[str]:
    for rung in incident.rung:
        alarm = rung.alarm
        yield f"- {alarm.name} from {alarm.source}: {_plain(alarm.summary)} (rang {count(rung.times, 'time')})"
    yield f"- Severity {incident.weight}; captain {incident.captain or 'nobody'}; scribe {incident.scribe or 'nobody'}."
    for each in incident.declarations if incident.since(3) else ():
        yield f"  - {_time(each.at)} {each.by} {each.verb} {each.now}: {_plain(each.reason)}"
    runbook = incident.brief.runbook
    yield f"- Runbook {runbook.runbook} ({runbook.pattern}), because {'; '.join(incident.brief.matched)}."
    if incident.predecessor:
        yield f"- This fire burned before: run {incident.predecessor}."


def _measures(incident: Incident, events: Record) -> Iterator[str]:
    firsts: dict[str, datetime] = {each.milestone: each.met_at for each in incident.deadlines if each.met_at}
    effective = [each.effective_at for each in incident.firebreaks if each.effective_at]
    if effective:
        firsts["contained"] = min(effective)
    if incident.restored_at:
        firsts["restored"] = incident.restored_at
    yield "| from the bell to | took |"
    yield "|---|---|"
    for name, at in sorted(firsts.items(), key=lambda pair: pair[1]):
        yield f"| {name} | {show_duration(at - incident.opened_at)} |"
    refused = sum(1 for event in events if isinstance(event, record.TurnedAway))
    yield f"\n{len(events)} events on the record, {refused} refused."


def _known(incident: Incident) -> Iterator[str]:
    for kept in ("fact", "hypothesis", "refuted"):
        for entry in (each for each in incident.entries if each.standing == kept):
            held = "Held for the cause, refuted" if kept == "refuted" else "Cause, a fact"
            word = held if entry.cause else kept.capitalize()
            yield f"- {word} ({entry.by}, {_time(entry.at)}): {_plain(entry.text)}"
            for each in entry.vouchers:
                if each.reason:
                    done = "stands for it" if each.holds else "refuted it"
                    yield f"  - {each.by} {done} ({_time(each.at)}): {_plain(each.reason)}"
    if not incident.cause_is_fact:
        yield "- Not known: the cause. Nobody has marked one as a fact."


def _firebreaks(incident: Incident) -> Iterator[str]:
    for each in incident.firebreaks:
        yield from _firebreak(each)
    for step, reason in incident.skipped.items():
        yield f"- {step}: skipped, {reason}"
    if not incident.firebreaks and not incident.skipped:
        yield "- None."


def _firebreak(each: Firebreak) -> Iterator[str]:
    action = each.action
    word = (
        f"on the word of {', '.join(each.approved_by)}" if each.approved_by else each.authority or "by nobody"
    )
    yield f"- {action.lever}: {action.origin} to {action.to}, {word}: {each.state}. Digest {each.digest}."
    if each.moved_at and each.effective_at:
        yield f"  - effective {show_duration(each.effective_at - each.moved_at)} after the move"
    if each.trouble:
        yield f"  - {_plain(each.trouble)}"


def _evidence(incident: Incident) -> Iterator[str]:
    sealed = incident.sealed
    if sealed is None:
        yield "- No manifest was sealed."
        return
    yield f"- Manifest {sealed.manifest}, envelope {sealed.envelope}."
    for late in incident.supplements:
        yield f"- Supplement {late.manifest}, envelope {late.envelope}."
    for artifact in incident.artifacts:
        yield f"- {artifact.source}: {_plain(artifact.name)} {artifact.digest} ({artifact.size} bytes)"
    for gap in sealed.gaps:
        yield f"- Gap: {gap.item}: {gap.reason}, {_plain(gap.detail)}"


def _lock(incident: Incident) -> Iterator[str]:
    if incident.lock:
        word = "Proved" if incident.lock.proved else "Not proved"
        yield f"- {word}: {incident.lock.verdict}. Test file {incident.lock.lock.digest}."
    if incident.lock_waiver:
        waiver = incident.lock_waiver
        yield f"- Waived by {waiver.by} until {waiver.until}: {_plain(waiver.reason)}"
    if not incident.lock and not incident.lock_waiver:
        yield "- There is no lock yet."
    for ticket in incident.tickets:
        yield f"- Task {ticket.kind}: {ticket.reference}"


def _legal(incident: Incident) -> Iterator[str]:
    for run in incident.legal:
        yield f"- {_plain(standing(run))}."


def _breaches(incident: Incident, events: Record) -> Iterator[str]:
    found = [
        f"- Missed: {each.milestone}, due {_time(each.due)}" for each in incident.deadlines if each.missed
    ]
    found += [f"- Waived: {each.what}, by {each.by}: {_plain(each.reason)}" for each in incident.waivers]
    found += [f"- {_plain(tell(event))}" for event in events if _went_wrong(event)]
    yield from found or ["- Nothing on the record."]


def _went_wrong(event: Event) -> bool:
    return isinstance(
        event,
        record.TurnedAway | record.Unsent | record.NotSealed | record.Failed | record.Lapsed | record.Overdue,
    )


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}Z"


def _plain(text: str) -> str:
    """One line of text that Markdown takes as text: evidence is hostile."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    for mark in "\\`*_[]<>#|":
        line = line.replace(mark, f"\\{mark}")
    return line
