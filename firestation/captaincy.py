"""The captaincy: who has held it, from when until when, and when a captain who says nothing is relieved of it."""

from datetime import datetime

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


def silent_since(incident: Incident) -> datetime | None:
    """Since when the captain has said nothing although something waits for them; None when they owe nothing."""
    captain, owed = incident.captain, _owed_since(incident)
    if captain is None or owed is None or incident.ended or not incident.since(3):
        return None
    return max(owed, incident.heard.get(captain, incident.opened_at))


def asks_at(incident: Incident) -> datetime | None:
    """When the captain is asked whether they are there: half of the limit before they are relieved. Once a silence."""
    since, limit = silent_since(incident), incident.brief.roster.silence
    if since is None or limit is None or (incident.silence_asked_at and incident.silence_asked_at > since):
        return None
    return since + limit / 2


def relieved_at(incident: Incident) -> datetime | None:
    """When a silent captain is relieved: not before they were asked, however long nobody looked."""
    since, limit, asked = silent_since(incident), incident.brief.roster.silence, incident.silence_asked_at
    if since is None or limit is None or asked is None or asked <= since:
        return None
    return max(since + limit, asked + limit / 2)


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
