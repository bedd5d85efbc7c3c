"""The cadence: which words are promised, their drafts, what is overdue, and what the engine says by itself.

The first word to the team is the engine's own. From edition 5 on it drafts those that follow, and people say them; a
word that nobody says in time is a breach on the record, and whoever could say it is asked again, each time after a
pause twice as long and at last once a day. The team hears the engine meanwhile; what was promised stays overdue.
"""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from firestation import record
from firestation.authority import Role
from firestation.board import AUDIENCES, TO, Audience, LateWord, Word, WordDraft
from firestation.clock import NEVER, Milestone
from firestation.model import Line, Text, count, show_duration
from firestation.record import Event
from firestation.state import Incident
from firestation.wording import fill

DRAFTED = 5
"""A draft is made when a fifth of the time to the word is left, or a minute where that allows one."""

LEAST = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(days=1)
MOST_DOUBLINGS = 16
"""By then every pause is a day long."""


class Promise(NamedTuple):
    """A word that was promised: when, and by when it is due."""

    audience: Audience
    made: datetime
    due: datetime

    @property
    def lead(self) -> timedelta:
        """How long before it is due its draft is made; so long is the first pause too once it is overdue."""
        span = self.due - self.made
        return max(span / DRAFTED, min(LEAST, span / 2))


def promises(incident: Incident) -> Iterator[Promise]:
    """The words that are promised now; before edition 5 nobody but the engine keeps them."""
    for audience in AUDIENCES if incident.since(5) else ():
        last, due = incident.promise(audience), incident.due(audience)
        if last and due:
            yield Promise(audience, last.at, due)


def comms_owner(incident: Incident) -> str:
    """Who is asked for words: who is comms here, else somebody with that role, else the captain, or who was paged."""
    people = incident.brief.roster.people
    others = (each.id for each in people if Role.COMMS in each.roles)
    return incident.comms or next(others, None) or responsible(incident)


def responsible(incident: Incident) -> str:
    """The captain; while there is none, whoever was paged last."""
    return incident.captain or incident.paged or incident.ranks[0]


# What time makes due -----------------------------------------------------------------------------------------

Making = Callable[[datetime], Event]


def due_events(incident: Incident, now: datetime) -> Iterator[Event]:
    """The drafts, the breaches and the engine's own words that are due by `now`."""
    yield from (make(now) for moment, make in _coming(incident) if now >= moment)


def next_moment(incident: Incident) -> datetime:
    """When the next of them is due."""
    return min((moment for moment, _ in _coming(incident)), default=NEVER)


def next_word(incident: Incident) -> datetime:
    """When the next word to the team is due: as promised; the first with the seal, or once most of its time is gone."""
    due = incident.due("internal")
    if due:
        return due
    if incident.sealed:
        return incident.opened_at
    allowed = incident.deadline(Milestone.FIRST_UPDATE).due - incident.opened_at
    return incident.opened_at + allowed * 2 / 3


def _coming(incident: Incident) -> Iterator[tuple[datetime, Making]]:
    """What comes next of each kind: when, and the event."""
    if not incident.since(5) or incident.promise("internal") is None:
        yield next_word(incident), lambda now: record.Said(at=now, word=_own_word(incident, now))
    for promise in promises(incident):
        draft, late = incident.draft(promise.audience), incident.late_word(promise.audience)
        if draft is None:
            yield promise.due - promise.lead, _drafting(incident, promise)
        elif late and draft.at < late.asked_at:  # what is known has grown meanwhile
            yield late.asked_at, _drafting(incident, promise)
        elif draft.due > promise.due:  # it has become graver meanwhile
            yield incident.now, _drafting(incident, promise)
        yield _missed_at(promise, late), _missing(promise, late)
        if late and promise.audience == "internal":
            yield _speaks_at(incident, late), _speaking(incident, late)


def _drafting(incident: Incident, promise: Promise) -> Making:
    return lambda now: record.WordDrafted(at=now, draft=_draft(incident, promise, now))


def _missed_at(promise: Promise, late: LateWord | None) -> datetime:
    return late.asked_at + _pause(promise.lead, late.times) if late else promise.due


def _missing(promise: Promise, late: LateWord | None) -> Making:
    due, times = (late.due, late.times + 1) if late else (promise.due, 1)
    return lambda now: record.WordOverdue(at=now, audience=promise.audience, due=due, times=times)


def _speaks_at(incident: Incident, late: LateWord) -> datetime:
    """The engine speaks at once when a word is overdue, then after a cadence, and less and less often."""
    own = [word.at for word in incident.words if word.audience == late.audience and word.overdue == late.due]
    return own[-1] + _pause(incident.cadence, len(own)) if own else late.due


def _speaking(incident: Incident, late: LateWord) -> Making:
    return lambda now: record.Said(at=now, word=_own_word(incident, now, late))


def _pause(first: timedelta, number: int) -> timedelta:
    """The pause of this number, from 1: each is twice as long as the one before, and none longer than a day."""
    doubled: timedelta = first * 2 ** min(number - 1, MOST_DOUBLINGS)
    return min(doubled, LONGEST_PAUSE)


# The fold ----------------------------------------------------------------------------------------------------


def spoken(incident: Incident, word: Word) -> Incident:
    """The state after a word: a person's, or the engine's first, keeps what was promised, and ends what was overdue."""
    incident = incident.changed(words=(*incident.words, word))
    if word.overdue:
        return incident
    return incident.changed(
        drafts=tuple(each for each in incident.drafts if each.audience != word.audience),
        late_words=tuple(
            each.changed(said_at=word.at) if each.audience == word.audience and not each.said_at else each
            for each in incident.late_words
        ),
    )


def drafted(incident: Incident, draft: WordDraft) -> Incident:
    """The state with this draft in the place of the one before."""
    others = tuple(each for each in incident.drafts if each.audience != draft.audience)
    return incident.changed(drafts=(*others, draft))


def missed(incident: Incident, event: record.WordOverdue) -> Incident:
    """The state after a word was overdue, or was so still when somebody was asked again."""
    late = LateWord(audience=event.audience, due=event.due, times=event.times, asked_at=event.at)
    before = tuple(each for each in incident.late_words if each.said_at or each.audience != event.audience)
    return incident.changed(late_words=(*before, late))


# What is said ------------------------------------------------------------------------------------------------


def prepared(incident: Incident) -> dict[Line, Text]:
    """The words that the runbook has ready for the team and for customers, with what is known filled in."""
    words = incident.brief.runbook.updates
    values = {
        "system": incident.brief.title,
        "incident": incident.id,
        "severity": str(incident.weight),
        "phase": str(incident.phase),
        "captain": incident.captain or "nobody yet",
        "runbook": incident.brief.runbook.title,
        "opened_at": f"{incident.opened_at:%Y-%m-%d %H:%M} UTC",
        "firebreaks": ", ".join(f"{each.action.lever} at {each.action.to}" for each in incident.holding)
        or "none",
        "next_word": show_duration(incident.cadence),
    }
    templates = {"internal": words.internal, "public": words.public}
    return {audience: fill(template, values) for audience, template in templates.items() if template}


def _draft(incident: Incident, promise: Promise, now: datetime) -> WordDraft:
    """To the team what the engine would say; to the public the runbook's words, or what was said last: no more."""
    if promise.audience == "internal":
        said = _own_word(incident, now)
        known, unknown, doing = said.known, said.unknown, said.doing
    else:
        last, ready = incident.promise("public"), prepared(incident).get("public")
        assert last is not None
        known, unknown, doing = (ready, None, None) if ready else (last.known, last.unknown, last.doing)
    return WordDraft(
        audience=promise.audience, known=known, unknown=unknown, doing=doing, due=promise.due, at=now
    )


def _own_word(incident: Incident, now: datetime, late: LateWord | None = None) -> Word:
    """What the engine can say without a guess: what rang, what was frozen, what was moved, what is not known.

    In the place of a word that is overdue it promises nothing.
    """
    rung = ", ".join(each.alarm.name for each in incident.rung[:3]) or "an alarm"
    ready = prepared(incident).get("internal")
    known = [ready] if ready else []
    known.append(f"{rung} rang at {incident.opened_at:%H:%M:%S} UTC; severity {_severity(incident)}.")
    if incident.sealed:
        held = count(len(incident.sealed.artifacts), "artifact")
        gaps = count(len(incident.sealed.gaps), "gap")
        known.append(f"Evidence is frozen: manifest {incident.sealed.manifest[:12]}, {held}, {gaps}.")
    known += [f"{each.action.lever} is at {each.action.to} ({each.state})." for each in incident.holding]
    facts = [entry.text for entry in incident.entries if entry.standing == "fact"]
    known += facts[-3:]
    cadence = incident.cadence
    coming = (
        f"the word of {comms_owner(incident)} is overdue"
        if late
        else f"next word in {show_duration(cadence)}"
    )
    return Word(
        audience="internal",
        known=" ".join(known)[:4000],
        unknown=None if incident.cause_is_fact else "The cause. Whom else it reached.",
        doing=f"Phase {incident.phase}; {'captain ' + incident.captain if incident.captain else 'no captain yet'}; "
        f"{coming}.",
        next_due=None if late else now + cadence,
        by=None,
        at=now,
        overdue=late.due if late else None,
    )


def _severity(incident: Incident) -> str:
    if incident.severity is None:
        return f"not declared ({incident.proposal.severity} proposed)"
    last = incident.declarations[-1]
    if not incident.since(3) or last.was in {None, last.now}:
        return str(incident.severity)
    return f"{last.now}, {last.past} from {last.was} by {last.by} ({last.reason[:300]})"


def breaches(incident: Incident) -> Iterator[str]:
    """What an audit finds on the record: each word that was promised and not said in time."""
    for each in incident.late_words:
        said = f"said {show_duration(each.said_at - each.due)} late" if each.said_at else "not said"
        yield f"the word to {TO[each.audience]} that was due at {each.due:%Y-%m-%d %H:%M:%S} UTC was {said}"
