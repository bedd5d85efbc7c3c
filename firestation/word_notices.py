"""Who is asked for words: what is due and drafted, what is overdue, and which public word waits for whose yes."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

from firestation import acts, cadence, record, release
from firestation.board import TO, Audience, WordDraft, render
from firestation.record import Acted, Event
from firestation.state import Incident


class Asked(NamedTuple):
    """A message to one person; `step` makes its idempotency key, counted where it comes again."""

    person: str
    step: str
    title: str
    text: str
    purpose: Literal["decision", "escalation"] = "decision"


def asked(incident: Incident, event: Event) -> Iterator[Asked]:
    """Who is asked for what, because of this event. `incident` is the state just after it."""
    match event:
        case record.WordDrafted() if incident.late_word(event.draft.audience) is None:
            yield _drafted(incident, event.draft)
        case record.WordOverdue():
            yield from _late(incident, event)
        case Acted(act=acts.Withhold() as act):
            yield from _withheld(incident, act)
    for each in release.put(incident, event):
        for person in each.who or (cadence.responsible(incident),):
            yield _pending(incident, each, person)


def _drafted(incident: Incident, draft: WordDraft) -> Asked:
    public = _public(draft.audience)
    text = (
        f"Say it as it is drafted: firestation update {incident.id} --draft{public}\n"
        f"Or in your own words: firestation update {incident.id} '...'{public}\n{render(draft)}"
    )
    title = f"{incident.id}: a word to {TO[draft.audience]} is due by {draft.due:%H:%M:%S} UTC"
    return Asked(cadence.comms_owner(incident), f"draft-{draft.audience}", title, text)


def _late(incident: Incident, event: record.WordOverdue) -> Iterator[Asked]:
    """First to whoever was asked for it and to the captain, then to the next ones on call, one after the other."""
    owner, captain = cadence.comms_owner(incident), cadence.responsible(incident)
    ranks = [name for name in incident.ranks if name != captain] or [captain]
    people = (owner, captain) if event.times == 1 else (ranks[(event.times - 2) % len(ranks)],)
    text = (
        f"It was due at {event.due:%Y-%m-%d %H:%M:%S} UTC, and {owner} was asked for it.\n"
        f"firestation update {incident.id} --draft{_public(event.audience)}, or say it in your own words"
    )
    title = f"{incident.id}: overdue: the word to {TO[event.audience]}"
    for person in dict.fromkeys(people):
        yield Asked(person, f"late-{event.audience}-{person}", title, text, "escalation")


def _public(audience: Audience) -> str:
    return " --public" if audience == "public" else ""


def _pending(incident: Incident, waits: release.Pending, person: str) -> Asked:
    short = waits.digest[:12]
    lines = [
        f"firestation release {incident.id} {short}",
        f"Or: firestation withhold {incident.id} {short} --reason '...'",
        f"Digest {waits.digest}",
        f"Known: {waits.known}",
    ]
    lines += [f"Not known: {waits.unknown}"] if waits.unknown else []
    lines += [f"Being done: {waits.doing}"] if waits.doing else []
    title = f"{incident.id}: a public word of {waits.by} waits for your yes"
    return Asked(person, f"release-{short}", title, "\n".join(lines))


def _withheld(incident: Incident, act: acts.Withhold) -> Iterator[Asked]:
    held = release.held_word(incident, act.word)
    if held is None:
        return
    text = (
        f"{act.by} withholds it: {act.reason}\nSay it anew: firestation update {incident.id} '...' --public"
    )
    title = f"{incident.id}: your public word {act.word[:12]} is not said"
    yield Asked(held.word.by, f"withheld-{act.word[:12]}", title, text, "escalation")
