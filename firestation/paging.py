"""Paging: whom next, when, and in which words. It climbs the ranks until a captain has it, and begins anew.

A page that reached nobody is no reason to wait for its answer: the next one is paged at once. When a whole round of the
ranks has reached nobody, the pages go on at their usual pace.
"""

from collections.abc import Iterator
from datetime import datetime
from itertools import islice

from firestation import record
from firestation.clock import NEVER
from firestation.links import Link, mark_of
from firestation.recurrence import told
from firestation.state import Incident, Parcel

ROUNDS_BEFORE_SLOWING = 2
SLOWER = 5
LOOKED_BACK = 4
"""So many rounds are looked at for who could not be reached last; what nobody takes may have weeks of them."""


def due_pages(incident: Incident, now: datetime) -> Iterator[record.Unreached | record.Paged]:
    """What is to be said of pages by now: that one reached nobody, and that it is time for the next."""
    for step in incident.lost if incident.since(3) else ():
        page = incident.page(step)
        if page:
            yield record.Unreached(at=now, step=step, person=page.person)
    if now >= next_page(incident):
        yield record.Paged(at=now, step=incident.pages + 1, person=next_person(incident))


def next_person(incident: Incident) -> str:
    """Whose turn it is: one after the other, and after the last one the first. Whoever left comes last."""
    ranks = incident.ranks
    gone = incident.tenures[-1].person if incident.tenures else None
    first = ranks.index(gone) + 1 if gone in ranks else 0
    return ranks[(first + incident.pages - incident.ladder) % len(ranks)]


def next_page(incident: Incident) -> datetime:
    """When the next page is due: at once, then up the ladder until a captain has it; slower after two rounds.

    After a page that reached nobody it is due already, unless those of a whole round have.
    """
    if incident.captain or incident.ended:
        return NEVER
    if incident.paged_at is None:
        return incident.opened_at
    every, ranks = incident.brief.roster.page_every, len(incident.ranks)
    round_ = incident.paging[-ranks:]
    if round_[-1].unreached and not (len(round_) == ranks and all(page.unreached for page in round_)):
        return incident.paged_at
    climbed = incident.pages - incident.ladder
    return incident.paged_at + (every if climbed < ROUNDS_BEFORE_SLOWING * ranks else SLOWER * every)


def vacant(incident: Incident) -> str:
    """Why there is no captain."""
    if not incident.tenures:
        return "nobody has acknowledged"
    last = incident.tenures[-1]
    return f"{last.person} {last.left} at {last.until:%H:%M} UTC"


def want_of_captain(incident: Incident, *, reasons: bool = True) -> str:
    """What a captainless incident waits for, and who of those on call could not be reached.

    With the reason that was given last, in the words of whoever gave it.
    """
    since = (incident.tenures[-1].until if incident.tenures else None) or incident.opened_at
    recent = islice(reversed(incident.paging), LOOKED_BACK * len(incident.ranks))
    settled = [page for page in recent if page.at >= since and (page.sent or page.unreached)]
    latest = {page.person: page for page in reversed(settled)}
    lost = [page for page in latest.values() if page.unreached]
    if not lost:
        return f"a captain: {vacant(incident)}"
    names, said = ", ".join(page.person for page in lost), lost[-1].unsent
    because = said[-1] if said else "the station has no pager for them, and the system no channel"
    why = f" ({because})" if reasons else ""
    if len(lost) == len(latest):
        return f"a captain: nobody could be reached: {names}{why}"
    return f"a captain: {vacant(incident)}; not reached: {names}{why}"


def page_title(incident: Incident) -> str:
    """How bad, where, and what rang."""
    alarm = incident.rung[0].alarm if incident.rung else None
    return f"{incident.weight} {incident.brief.system.title}: {alarm.name if alarm else incident.id}"


def page_text(incident: Incident, step: int) -> str:
    """What rang, and how to take it. The page's own link is added when it is sent: it is a secret."""
    summary = incident.rung[0].alarm.summary if incident.rung else "no alarm text"
    if not incident.since(3):
        return f"{summary}\nTake it: firestation ack {incident.id}"
    return (
        f"{summary[:3000]}{_broken(incident)}\nNo captain ({vacant(incident)}); page {step}. "
        f"Take it: firestation ack {incident.id}, or POST /incidents/{incident.id}/acknowledge"
    )


def _broken(incident: Incident) -> str:
    """That a lock of this class did not hold, on a line of its own, as far as the wall has answered by then."""
    return "".join(f"\n{each}"[:600] for each in told(incident)[:1])


def link_of(incident: Incident, parcel: Parcel) -> Link | None:
    """What the page's own link is for; none where others would read it, and be captain in the name of who was paged.

    The link itself is a secret, which no history holds.
    """
    page = incident.page(parcel.page) if parcel.page and incident.since(3) else None
    carrier = incident.carrier(parcel)
    if page is None or carrier.audience != "pager" or not carrier.brings_link(parcel.message.to):
        return None
    return Link(incident=incident.id, mark=mark_of(incident.run), person=page.person, page=page.step)
