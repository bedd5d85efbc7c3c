"""Who is told what, when something happens: the text of every page, decision request, escalation and update."""

from collections.abc import Iterator
from datetime import datetime
from typing import Literal, NamedTuple

from firestation import (
    cadence,
    captaincy,
    legal_course,
    record,
    recurrence,
    release,
    seconding,
    word_notices,
)
from firestation.acts import (
    Accept,
    Acknowledge,
    Assess,
    Attest,
    Close,
    Declare,
    Decline,
    Dismiss,
    Handover,
    Merge,
    Release,
    Switch,
    Update,
    Waive,
)
from firestation.authority import Role
from firestation.board import Message, Word, render
from firestation.briefing import briefing
from firestation.clock import Milestone
from firestation.drill import DrillMark, marked
from firestation.firebreak import Firebreak, Lease
from firestation.model import Id, Line, Model, show_duration
from firestation.paging import page_text, page_title
from firestation.picture import picture
from firestation.record import LONGEST_TITLE, Acted, Event
from firestation.severity import Declaration, Severity, Weighing
from firestation.state import Incident

LONGEST = 4000
"""Characters of a message; a word with all its parts may be longer."""


class Notice(Model):
    """A message for an audience; `step` makes its idempotency key.

    A pager's is for one `person`, whom the station's own pagers may reach; `page` is its number if it is a page.
    """

    step: Line
    audience: Literal["internal", "public", "pager"]
    message: Message
    person: Id | None = None
    page: int | None = None


def notices(incident: Incident, event: Event) -> tuple[Notice, ...]:
    """What this event makes us say. `incident` is the state just after it."""
    by_law = (
        _to(incident, each.person, Draft(each.step, each.title, each.text))
        for each in legal_course.reminders(incident, event)
    )
    words = (
        _to(incident, each.person, Draft(_again(incident, each.step), each.title, each.text, each.purpose))
        for each in word_notices.asked(incident, event)
    )
    found = (*_notices(incident, event), *_of_locks(incident, event), *words, *by_law)
    drill = incident.brief.drill
    return tuple(_of_drill(drill, each) for each in found) if drill else found


def _of_drill(drill: DrillMark, notice: Notice) -> Notice:
    """The same, and nobody who reads its first word takes it for a fire."""
    said, text = notice.message, f"This is a drill, ordered by {drill.ordered_by}.\n{notice.message.text}"
    return notice.changed(message=said.changed(title=marked(said.title, LONGEST_TITLE), text=_cut(text)))


def _notices(incident: Incident, event: Event) -> tuple[Notice, ...]:
    match event:
        case record.Paged():
            return (_page(incident, event),)
        case record.Proposed():
            return (_to_captain(incident, _ask(incident, incident.firebreaks[-1])),)
        case record.Said():
            return (_word(incident, incident.words[-1]),)
        case Acted(act=Update() | Release() as act):
            return (_word(incident, incident.words[-1]),) if release.speaks(incident, act) else ()
        case Acted(act=Declare() | Assess() | Switch() as act) if incident.since(3):
            return (*_graver(incident, act), *_uncovered(incident))
        case record.Missed():
            return (_to_captain(incident, _overdue(incident, event)),)
        case record.Lapsed(then="escalate") | record.Expired(then="escalate"):
            return (_to_the_next(incident, event.action),)
        case record.Called():
            return (_to_captain(incident, _duty(incident, event.step)),)
        case Acted(act=Close() | Dismiss() | Merge()):
            return (_ended(incident),)
        case _:
            draft = _trouble(incident, event)
            return (_to_captain(incident, draft),) if draft else _captaincy(incident, event)


def _of_locks(incident: Incident, event: Event) -> Iterator[Notice]:
    """What is said when the wall of locks has answered, and when a word on the lock waits for a second person."""
    match event:
        case record.Recalled():
            yield from _comes_back(incident)
            yield from _uncovered(incident)
        case Acted(act=Waive(what="lock") | Attest()):
            yield from _seconds(incident)


def _captaincy(incident: Incident, event: Event) -> tuple[Notice, ...]:
    """What is said when the captaincy is offered, taken, not taken, or lost by silence."""
    match event:
        case Acted(act=Handover() as act):
            return (_offer(incident, act),)
        case Acted(act=Acknowledge(role=Role.CAPTAIN) | Accept()) if incident.since(3):
            return _readdressed(incident, event.at)
        case Acted(act=Decline() as act):
            return (_to_captain(incident, _declined(incident, act)),)
        case record.Silent():
            return (_to(incident, event.person, _silent(incident, event)),)
        case record.Relieved():
            return (_to(incident, event.person, _relieved(incident, event)),)
        case _:
            return ()


class Draft(NamedTuple):
    """A message that has no addressee yet."""

    step: str
    title: str
    text: str
    purpose: Literal["page", "decision", "escalation"] = "escalation"


def _trouble(incident: Incident, event: Event) -> Draft | None:
    match event:
        case record.Lapsed():
            return _undecided(incident, event)
        case record.Asked():
            return _expiry(incident, event.action)
        case record.Leased() if event.holder:
            text = f"{event.lever} is held by the incident {event.holder}; nothing was moved"
            return Draft(_again(incident, f"taken-{event.lever}"), "another incident holds the lever", text)
        case record.Expired():
            text = f"firebreak {event.action[:12]} has outlived its time; the engine will {event.then} it"
            return Draft(_again(incident, f"expired-{event.action[:12]}"), "a firebreak expired", text)
        case record.LeverRead(action=str(digest)):
            return _void(incident, event, digest)
        case record.Moved() if event.outcome.result != "done":
            title = f"{event.order.purpose} of {event.order.action.lever}: {event.outcome.result}"
            return Draft(f"trouble-{event.order.key.rsplit('/', 1)[-1]}", title, event.outcome.detail)
        case record.Probed() if event.reading.verdict != "passed":
            text = f"{event.reading.check}: {event.reading.detail}"
            return Draft(f"ineffective-{event.action[:12]}", "a firebreak does not stop the harm", text)
        case record.NotSealed():
            return Draft(_again(incident, "not-sealed"), "the snapshot could not be sealed", event.detail)
        case record.Failed():
            return Draft(_again(incident, f"failed-{event.step}"), f"{event.step} failed", event.detail)
        case _:
            return None


def _void(incident: Incident, event: record.LeverRead, digest: str) -> Draft | None:
    """What was decided is void when the lever, read anew, does not stand where it was decided on."""
    firebreak = incident.firebreak(digest)
    if firebreak is None or firebreak.state is not Lease.DRIFTED or firebreak.trouble is None:
        return None
    return Draft(f"void-{digest[:12]}", f"move of {event.lever}: drifted", firebreak.trouble)


def _undecided(incident: Incident, event: record.Lapsed) -> Draft:
    short = event.action[:12]
    if event.then == "keep":
        text = f"nobody has decided on {short} yet: firestation approve or refuse"
        return Draft(_again(incident, f"undecided-{short}"), "a decision waits", text)
    if event.then == "apply":
        text = f"nobody decided on {short} in time; the engine does it, as the runbook says"
        step = _again(incident, f"absence-{short}") if incident.since(3) else f"absence-{short}"
        return Draft(step, "a firebreak moves without anybody's word", text)
    text = f"nobody decided on {short} in time; ask again with: firestation propose"
    return Draft(f"lapsed-{short}", "a decision lapsed", text)


def _expiry(incident: Incident, digest: str) -> Draft:
    firebreak = incident.firebreak(digest)
    assert firebreak is not None
    name, short = incident.id, digest[:12]
    if firebreak.expires_at is None:  # it has expired, and its way back failed
        text = f"{firebreak.trouble}\nfirestation lift {name} {short}, or adopt"
        title = f"{name}: {firebreak.action.lever} was not put back"
        return Draft(_again(incident, f"expiry-{short}"), title, text, "decision")
    follows = {"lift": "put back", "keep": "held for another span", "escalate": "put to the next one on call"}
    text = (
        f"{firebreak.action.lever} is at {firebreak.action.to} until {firebreak.expires_at:%H:%M:%S} UTC; without an "
        f"answer it is {follows[firebreak.step.at_expiry]}.\nfirestation lift {name} {short}, or adopt, or extend"
    )
    return Draft(_again(incident, f"expiry-{short}"), f"{name}: a firebreak expires soon", text, "decision")


def _duty(incident: Incident, name: str) -> Draft:
    step = incident.brief.runbook.duty(name)
    assert step is not None
    text = f"{step.do}\nWhen it is done ({step.confirmed_by}): firestation confirm {incident.id} {step.id}"
    return Draft(_again(incident, f"duty-{step.id}"), f"{incident.id}: {step.title}", text, "decision")


def _to_the_next(incident: Incident, digest: str) -> Notice:
    """To the next one on call who is not the captain; what is asked is still the captain's to decide."""
    firebreak = incident.firebreak(digest)
    assert firebreak is not None
    ranks = incident.ranks
    others = [name for name in ranks if name != incident.captain] or list(ranks)
    person = others[(firebreak.escalations - 1) % len(others)]
    step = "decide" if firebreak.state is Lease.PROPOSED else "end"
    how = (
        f"reach {incident.captain}, or be handed over to" if incident.captain else "take it: firestation ack"
    )
    text = (
        f"Nobody has answered: {firebreak.action.lever} to {firebreak.action.to} ({digest[:12]}) waits for "
        f"{incident.captain or 'a captain'}. See firestation show {incident.id}; {how}"
    )
    draft = Draft(_again(incident, f"escalate-{step}-{digest[:12]}"), f"{incident.id}: nobody answers", text)
    return _to(incident, person, draft)


def _again(incident: Incident, step: str) -> str:
    """The step, counted. Not named after the time: the audit has that from the history, and may be a moment off."""
    made = {parcel.key for parcel in incident.outbox} | incident.done_keys
    before = {key.rpartition("/")[0] for key in made if f"/{step}-" in key}
    return f"{step}-{len(before) + 1}"


def _page(incident: Incident, event: record.Paged) -> Notice:
    draft = Draft(f"page-{event.step}", page_title(incident), page_text(incident, event.step), "page")
    return _to(incident, event.person, draft).changed(page=event.step)


def _offer(incident: Incident, act: Handover) -> Notice:
    title, text = f"{act.by} offers you the captaincy of {incident.id}", f"firestation accept {incident.id}"
    if incident.since(3):
        text = "\n".join(
            (*briefing(picture(incident, ())).lines(), f"Take it: {text}", "Or: firestation decline")
        )
    return _to(incident, act.to, Draft(_again(incident, "offer"), title, text, "page"))


def _readdressed(incident: Incident, at: datetime) -> tuple[Notice, ...]:
    """What was put to somebody else and still waits is put to the captain who has just taken it."""
    if not incident.captain or incident.tenures[-1].since != at:
        return ()
    waits = captaincy.expiring(incident)
    drafts = [
        _ask(incident, each)._replace(step=_again(incident, f"decide-{each.digest[:12]}"))
        for each in incident.pending
    ]
    drafts += [_expiry(incident, each.digest) for each in waits]
    drafts += [_duty(incident, each.step) for each in captaincy.duties(incident)]
    return tuple(_to(incident, incident.captain, draft) for draft in drafts)


def _uncovered(incident: Incident) -> Iterator[Notice]:
    """What the runbook's word covered until now, and what needs the captain's from now on."""
    for each in incident.pending:
        if each.uncovered_at == incident.now:
            ask = _ask(incident, each)
            yield _to_captain(incident, ask._replace(step=_again(incident, f"decide-{each.digest[:12]}")))


def _declined(incident: Incident, act: Decline) -> Draft:
    title = f"{act.by} does not take the captaincy of {incident.id}"
    text = f"It is still yours; offer it to another: firestation handover {incident.id} NAME"
    if incident.captain is None:
        text = f"There is no captain; take it: firestation ack {incident.id}"
    text = f"{act.reason}\n{text}"
    return Draft(_again(incident, "declined"), title, text)


def _silent(incident: Incident, event: record.Silent) -> Draft:
    limit = incident.brief.roster.silence
    assert limit is not None
    title = f"{incident.id}: are you there?"
    text = (
        f"Something has waited for you since {event.since:%H:%M:%S} UTC and you have said nothing. Anything that you "
        f"do here answers this, such as: firestation ack {incident.id}\n"
        f"Otherwise you are relieved in {show_duration(limit / 2)}, and the next one is paged."
    )
    return Draft(_again(incident, "silent"), title, text, "page")


def _relieved(incident: Incident, event: record.Relieved) -> Draft:
    title = f"{incident.id}: you are relieved as captain"
    text = (
        f"You had said nothing since {event.since:%H:%M:%S} UTC; the next one is paged now. "
        f"While nobody has taken it you can: firestation ack {incident.id}"
    )
    return Draft(_again(incident, "relieved"), title, text)


def _graver(incident: Incident, act: Declare | Assess | Switch) -> Iterator[Notice]:
    """Who is told that it is graver: the next one whom only the graver severity pages.

    When something graver is proposed than is declared, it is the captain, who decides on it.
    """
    declared = incident.declarations[-1] if incident.declarations else None
    if isinstance(act, Declare) and declared:
        was, why = declared.was or declared.proposed, f"{act.by} {declared.verb} {act.severity}: {act.reason}"
    else:
        weighing = incident.weighings[-1]
        was, why = weighing.was, f"{weighing.now} is proposed on the word of {act.by}: {act.reason}"
        if declared:
            if incident.in_doubt and _is_news(weighing, declared):
                yield _to_captain(incident, _doubt(incident, why))
            return
    yield from _next_one(incident, was, why)


def _next_one(incident: Incident, was: Severity, why: str) -> Iterator[Notice]:
    """To the next one whom only the graver severity pages."""
    known = {*incident.brief.roster.ranks(was), incident.captain}
    others = [name for name in incident.ranks if name not in known]
    if incident.weight.graver_than(was) and others:
        yield _to(incident, others[0], _raised(incident, why))


def _comes_back(incident: Incident) -> Iterator[Notice]:
    """That a lock is broken: to the captain, or whoever was paged, and to whom only the graver severity pages."""
    lines = recurrence.told(incident)
    if not lines:
        return
    title = f"{incident.id}: {lines[0]}"
    text = "\n".join(
        (*lines, f"{incident.proposal.severity} is proposed. See: firestation show {incident.id}")
    )
    yield _to_captain(incident, Draft(_again(incident, "recalled"), title, text))
    weighing = incident.weighings[-1] if incident.weighings else None
    if recurrence.broken(incident) and weighing and weighing.at == incident.now and not incident.declarations:
        yield from _next_one(incident, weighing.was, lines[0])


def _seconds(incident: Incident) -> Iterator[Notice]:
    """To each person who could stand for a word on the lock as the second one."""
    found = seconding.waits(incident)
    for person in found.who if found else ():
        text = f"{incident.brief.runbook.lock.title}\nfirestation second {incident.id} --reason '...'"
        title = f"{incident.id}: {found.what if found else ''} waits for a second person"
        yield _to(incident, person, Draft(_again(incident, f"second-{person}"), title, text, "decision"))


def _is_news(weighing: Weighing, declared: Declaration) -> bool:
    return all(weighing.now.graver_than(other) for other in (weighing.was, declared.now))


def _doubt(incident: Incident, why: str) -> Draft:
    title = f"{incident.id}: {incident.proposal.severity} is proposed, and {incident.severity} is declared"
    reasons = "\n".join(f"- {each}" for each in incident.proposal.reasons)
    text = (
        f"Raise it, or say why not: firestation declare {incident.id} "
        f"{incident.proposal.severity} --reason '...'\n{why}\n{reasons}"
    )
    return Draft(_again(incident, "graver"), title, text)


def _raised(incident: Incident, why: str) -> Draft:
    title = f"{incident.id}: {incident.weight} {incident.brief.system.title}"
    if incident.captain:
        text = f"You are told because it is {incident.weight} now; {incident.captain} is the captain.\n"
        text += f"See: firestation show {incident.id}\n{why}"
        return Draft(_again(incident, "raised"), title, text)
    text = f"Take it: firestation ack {incident.id}\n{why}"
    return Draft(_again(incident, "raised"), title, text, "page")


def _ask(incident: Incident, firebreak: Firebreak) -> Draft:
    action = firebreak.action
    law = "".join(f"{words}\n" for words in legal_course.before_altering(incident))
    title = f"{action.incident}: move {action.lever} from {action.origin} to {action.to}?"
    text = (
        f"{law}{action.scope}\nCost: {firebreak.step.cost}\n"
        f"For {show_duration(action.expires_after)}, digest {firebreak.digest}\n"
    )
    if firebreak.authority == "preauthorized":
        title = (
            f"{action.incident}: moving {action.lever} from {action.origin} to {action.to}, pre-authorized"
        )
    else:
        text += f"firestation approve {action.incident} {firebreak.digest[:12]}"
    return Draft(f"decide-{firebreak.digest[:12]}", title, text, "decision")


def _overdue(incident: Incident, event: record.Missed) -> Draft:
    acts = {
        Milestone.ACKNOWLEDGED: "nobody has acknowledged: the incident has no captain; firestation ack",
        Milestone.STAFFED: "a captain and a scribe are needed: firestation ack --role scribe",
        Milestone.DECLARED: "no severity was declared: firestation declare",
        Milestone.SEALED: "the snapshot is not sealed",
        Milestone.DECIDED: "no firebreak was decided: firestation approve or refuse",
        Milestone.FIRST_UPDATE: "no update went out: firestation update",
    }
    text = f"{acts[event.milestone]} (due {incident.deadline(event.milestone).due:%H:%M:%S} UTC)"
    return Draft(f"missed-{event.milestone.name.lower()}", f"{incident.id}: overdue: {event.milestone}", text)


def _word(incident: Incident, word: Word) -> Notice:
    title, text = f"{incident.brief.system.title}: {incident.phase}", render(word)
    if incident.since(3) and word.by and word.audience == "internal" and incident.captain is None:
        text += "\nThe incident has no captain."  # the engine's own words say so themselves
    message = Message(incident=incident.id, purpose="update", title=title, text=_cut(text))
    return Notice(step=f"word-{len(incident.words)}", audience=word.audience, message=message)


def _cut(text: str) -> str:
    """A text that a message can carry; whoever needs the rest finds it with `firestation show`."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _ended(incident: Incident) -> Notice:
    into = f" into {incident.merged_into}" if incident.merged_into else ""
    text = f"The incident is {incident.ended}{into}. There will be no further word on it."
    title = f"{incident.brief.system.title}: {incident.ended}"
    message = Message(incident=incident.id, purpose="update", title=title, text=text)
    return Notice(step="ended", audience="internal", message=message)


def _to_captain(incident: Incident, draft: Draft) -> Notice:
    """To the captain; while there is none, to whoever was paged last."""
    return _to(incident, cadence.responsible(incident), draft)


def _to(incident: Incident, person: str, draft: Draft) -> Notice:
    found = incident.brief.roster.person(person)
    message = Message(
        incident=incident.id,
        purpose=draft.purpose,
        title=draft.title[:300],
        text=_cut(draft.text),
        to=found.address if found else None,
    )
    return Notice(step=draft.step, audience="pager", message=message, person=person)
