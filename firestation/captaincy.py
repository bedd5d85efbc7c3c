"""The captaincy: who has held it, from when until when, and when a captain who says nothing is relieved of it."""

from datetime import datetime
from typing import NamedTuple

from firestation.authority import Role
from firestation.firebreak import HOLDING, Firebreak
from firestation.state import Duty, Incident, Left, Tenure


def taken(incident: Incident, person: str) -> Incident:
    """Somebody has become the captain: of nobody, or of whoever has handed it over.

    Every page so far is answered by it, so that no link of theirs opens anything when there is no captain again: the
    pages of then bring their own.
    """
    incident = left(incident, "handed it over") if incident.captain else incident
    if incident.since(3):
        incident = incident.changed(paging=tuple(page.changed(answered=True) for page in incident.paging))
    tenure = Tenure(person=person, since=incident.now)
    return incident.changed(captain=person, offered_to=None, tenures=(*incident.tenures, tenure))


def left(incident: Incident, how: Left) -> Incident:
    """There is no captain any more, so the paging begins anew, at once and with the next one."""
    *before, last = incident.tenures
    ended = last.changed(until=incident.now, left=how)
    return incident.changed(captain=None, paged_at=None, ladder=incident.pages, tenures=(*before, ended))


def former(incident: Incident, person: str) -> str | None:
    """How this person stopped being the captain, in words; None when they never were it, or are it."""
    ended = (each for each in reversed(incident.tenures) if each.person == person and each.until)
    last = next(ended, None)
    if last is None or last.until is None or incident.captain == person:
        return None
    return f"{person} {last.left} at {last.until:%H:%M:%S} UTC"


class Silence(NamedTuple):
    """A captain who has said nothing since then, although something waits for them.

    They are asked once, half of the limit before they are relieved; and not relieved before they were asked, however
    long nobody looked.
    """

    person: str
    since: datetime
    asks_at: datetime | None
    relieved_at: datetime | None


def silence(incident: Incident) -> Silence | None:
    """The captain's silence; None when they owe nothing, or nobody has said how long it may last."""
    captain, limit = incident.captain, incident.brief.roster.silence
    if captain is None or limit is None or incident.ended or not incident.since(3):
        return None
    owed = _owed_since(incident)
    if owed is None:
        return None
    since = max(owed, incident.heard.get(captain, incident.opened_at))
    asked = incident.silence_asked_at
    if asked is None or asked <= since:
        return Silence(captain, since, asks_at=since + limit / 2, relieved_at=None)
    return Silence(captain, since, asks_at=None, relieved_at=max(since + limit, asked + limit / 2))


def expiring(incident: Incident) -> tuple[Firebreak, ...]:
    """The firebreaks that expire soon or have expired, of which the captain was asked what shall follow."""
    asked = (each for each in incident.firebreaks if each.asked_at)
    return tuple(each for each in asked if each.state in HOLDING and not each.lift_wanted_by)


def duties(incident: Incident) -> tuple[Duty, ...]:
    """The manual steps that wait for the captain's word."""
    ours = [step.id for step in incident.brief.runbook.manual if step.confirmed_by is Role.CAPTAIN]
    called = (incident.duties[name] for name in ours if name in incident.duties)
    return () if incident.stopped_by else tuple(each for each in called if not each.confirmed_by)


def _owed_since(incident: Incident) -> datetime | None:
    """Since when the oldest thing waits for the captain's word: a decision, an expiry, a manual step, the severity."""
    owed = [each.proposed_at for each in incident.pending if incident.captain not in each.approved_by]
    owed += [each.asked_at for each in expiring(incident) if each.asked_at]
    owed += [each.called_at for each in duties(incident)]
    owed += [] if incident.severity else [incident.opened_at]
    return min(owed, default=None)
