"""The release: a public word that waits for the comms owner's yes, who gives it, and what is then said.

Where the pinned runbook asks for it, the words of everybody else wait. A yes names the digest of the exact words, and
nothing but these is said. Without a comms owner it is the captain's, so that no incident is mute.
"""

from firestation import acts
from firestation.board import Audience, Held, HeldWord, Word, causal
from firestation.cadence import spoken
from firestation.model import Id, Model, Sha256, Text, Time
from firestation.record import Acted, Event
from firestation.state import Incident


class Pending(Model):
    """A public word that waits: whose it is, its exact content, its digest, and whose yes would let it out."""

    digest: Sha256
    by: Id
    known: Text
    unknown: Text | None
    doing: Text | None
    since: Time
    who: tuple[Id, ...]


def voice(incident: Incident) -> str | None:
    """Who speaks to the public in their own name: the comms owner; without one, the captain."""
    return incident.comms or incident.captain


def must_wait(incident: Incident, act: acts.Update) -> bool:
    """Whether this word waits for another's yes."""
    asked = incident.since(5) and incident.brief.runbook.updates.public_approval == "comms"
    return asked and act.audience == "public" and act.by != voice(incident)


def releasers(incident: Incident, author: str) -> tuple[Id, ...]:
    """Whose yes lets out a word of this author: the comms owner's, else the captain's.

    It is the author's own only when nobody else has one of these posts.
    """
    posts = [each for each in (incident.comms, incident.captain) if each]
    others = [each for each in posts if each != author]
    return tuple((others or posts)[:1])


def held_word(incident: Incident, digest: str) -> Held | None:
    """The public word of this digest that waits, or waited."""
    return next((each for each in incident.held_words if each.digest == digest), None)


def waiting(incident: Incident) -> tuple[Pending, ...]:
    """The words that wait now, the oldest first."""
    return () if incident.ended else _unanswered(incident)


def unpublished(incident: Incident) -> tuple[Pending, ...]:
    """The words that still waited for a yes when the incident ended: they are never said."""
    return _unanswered(incident) if incident.ended else ()


def _unanswered(incident: Incident) -> tuple[Pending, ...]:
    return tuple(
        Pending(
            digest=each.digest,
            by=each.word.by,
            known=each.word.known,
            unknown=each.word.unknown,
            doing=each.word.doing,
            since=each.at,
            who=releasers(incident, each.word.by),
        )
        for each in incident.held_words
        if each.state == "waits"
    )


def missing(incident: Incident, act: acts.Update) -> str | None:
    """What a public word that was just taken waits for; None when it is said."""
    last = incident.held_words[-1] if incident.held_words else None
    if act.audience != "public" or last is None or (last.word.by, last.word.known) != (act.by, act.known):
        return None
    if last.state != "waits" or last.at != incident.now:
        return None
    who = " or ".join(releasers(incident, act.by)) or "a comms owner or a captain, and there is neither yet"
    return f"it is not said yet: it waits for the yes of {who} (firestation release {incident.id} {last.digest[:12]})"


def speaks(incident: Incident, act: acts.Update | acts.Release) -> bool:
    """Whether something was said by this act, which was just taken."""
    if isinstance(act, acts.Update):
        return missing(incident, act) is None
    return held_word(incident, act.word) is not None


# The rule ----------------------------------------------------------------------------------------------------


def may_not(incident: Incident, act: acts.Release | acts.Withhold) -> str | None:
    """Why this person may not answer so to this word; None when they may. Part of rule 7."""
    held = held_word(incident, act.word)
    if held is None:
        return f"no public word of this incident has the digest {act.word[:12]}"
    if held.state != "waits":
        return f"the public word {act.word[:12]} is {held.state} and waits for nobody"
    author, who = held.word.by, releasers(incident, held.word.by)
    may = (*who, author) if isinstance(act, acts.Withhold) else who
    if act.by not in may:
        names = " or ".join(who) or "a comms owner or a captain, and there is neither yet"
        return f"the word {act.word[:12]} is {author}'s and waits for {names}, not for {act.by}"
    cause = None if incident.cause_is_fact or isinstance(act, acts.Withhold) else causal(held.word)
    if cause:
        return f"the public text names a cause ({cause!r}) that the captain has not marked as a fact, or not any more"
    return None


# The fold ----------------------------------------------------------------------------------------------------


def told(incident: Incident, act: acts.Update) -> Incident:
    """The state after somebody's word: it is said, or a public one waits, in the place of an older one of theirs."""
    if not must_wait(incident, act):
        return _said(incident, act.audience, act)
    word = HeldWord(
        incident=incident.id,
        run=incident.run,
        number=len(incident.held_words) + 1,
        by=act.by,
        known=act.known,
        unknown=act.unknown,
        doing=act.doing,
    )
    before = (
        each.changed(state="replaced") if each.state == "waits" and each.word.by == act.by else each
        for each in incident.held_words
    )
    return incident.changed(
        held_words=(*before, Held(digest=word.sha256(), word=word, at=incident.now)),
    )


def answered(incident: Incident, act: acts.Release | acts.Withhold) -> Incident:
    """The state after a yes, with the word said, or after a no."""
    held = held_word(incident, act.word)
    if held is None:
        return incident
    state = "released" if isinstance(act, acts.Release) else "withheld"
    words = (each.changed(state=state) if each is held else each for each in incident.held_words)
    incident = incident.changed(held_words=tuple(words))
    return _said(incident, "public", held.word, act.by) if state == "released" else incident


def _said(
    incident: Incident, audience: Audience, said: acts.Update | HeldWord, released_by: str | None = None
) -> Incident:
    word = Word(
        audience=audience,
        known=said.known,
        unknown=said.unknown,
        doing=said.doing,
        next_due=incident.now + incident.cadence,
        by=said.by,
        at=incident.now,
        released_by=released_by,
    )
    return spoken(incident, word)


def put(incident: Incident, event: Event) -> tuple[Pending, ...]:
    """The words that this event puts to whoever may let them out: a new one, or each to somebody new in a post."""
    match event:
        case Acted(act=acts.Update() as act) if missing(incident, act):
            return waiting(incident)[-1:]
        case Acted(act=acts.Acknowledge() | acts.Accept() as act):
            return tuple(each for each in waiting(incident) if act.by in each.who)
        case _:
            return ()


def in_waiting(incident: Incident, event: Event) -> str:
    """What is to be added to the sentence of a public word that was not said at once; empty for anything else.

    The end of the incident leaves those that wait unsaid for ever, and says which.
    """
    if isinstance(event, Acted) and isinstance(event.act, acts.Close | acts.Dismiss | acts.Merge):
        never = ", ".join(f"{each.digest[:12]} of {each.by}" for each in unpublished(incident))
        return f"; never published, for nobody had said yes: the public word {never}" if never else ""
    if not isinstance(event, Acted) or not isinstance(event.act, acts.Update):
        return ""
    key = event.act.by, event.act.known, event.at
    found = (each for each in incident.held_words if (each.word.by, each.word.known, each.at) == key)
    held = next(found, None) if event.act.audience == "public" else None
    return f" (not said before a yes: {held.digest[:12]})" if held else ""
