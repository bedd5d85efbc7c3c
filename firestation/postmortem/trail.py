"""The trail: which events of the record a line of the postmortem stands on, and how it is linked to them.

Events are numbered by their position in the record, from 1, as everywhere outside it. Nothing from outside reaches the
document but through `plain`.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from firestation import record
from firestation.credentials import SECRETS
from firestation.evidence import ArtifactRef
from firestation.record import Event, Record

ESCAPED = {ord(mark): f"\\{mark}" for mark in "\\`*_[]<>#|&~@$"}
"""What would make something of a text, and how it is written to be that text."""

LONGEST = 600
"""Characters of a text in a line; the whole of it stands on the record."""

MOST_NUMBERS = 8
SHOWN_DIGEST = 12
HELD_BACK = "(held back: in the form of a credential)"


class Trail:
    """The events with their numbers, found by what they are: a kind such as `sealed`, an act such as `act:declare`."""

    def __init__(self, events: Record) -> None:
        """Take the whole record; the last of its events is as of when everything is told."""
        self.events = events
        self._kinds: dict[str, list[int]] = {}
        self._actions: dict[str, list[int]] = {}
        self._alarms: dict[str, list[int]] = {}
        self._moments: dict[datetime, list[int]] = {}
        for number, event in enumerate(events, start=1):
            self._kinds.setdefault(kind_of(event), []).append(number)
            self._moments.setdefault(event.at, []).append(number)
            if action := action_of(event):
                self._actions.setdefault(action, []).append(number)
            if isinstance(event, record.Rang):
                self._alarms.setdefault(event.alarm.key, []).append(number)

    @property
    def last(self) -> int:
        """The number of the last event."""
        return len(self.events)

    def numbered(self, *kinds: str) -> Iterator[tuple[int, Event]]:
        """The events of these kinds with their numbers, in their order."""
        found = sorted(number for kind in kinds for number in self._kinds.get(kind, ()))
        return ((number, self.events[number - 1]) for number in found)

    def find(self, *kinds: str, **fields: object) -> tuple[int, ...]:
        """The numbers of the events of these kinds which have these fields; of an act, the act has them."""
        return tuple(number for number, event in self.numbered(*kinds) if _has(event, fields))

    def at(self, moment: datetime, *kinds: str) -> tuple[int, ...]:
        """The first event of these kinds at this moment; of any kind when none of them is; none when nothing is."""
        then = self._moments.get(moment, [])
        meant = (number for number in then if kind_of(self.events[number - 1]) in kinds)
        first = next(meant, then[0] if then else None)
        return () if first is None else (first,)

    def on(self, action: str) -> tuple[int, ...]:
        """Every event of one action, by its digest."""
        return tuple(self._actions.get(action, ()))

    def rings(self, key: str) -> tuple[int, ...]:
        """Every time that the alarm of this key rang."""
        return tuple(self._alarms.get(key, ()))


def _has(event: Event, fields: Mapping[str, object]) -> bool:
    subject = event.act if isinstance(event, record.Acted) else event
    return all(getattr(subject, name, None) == value for name, value in fields.items())


def kind_of(event: Event) -> str:
    """The kind of an event; of an act its own."""
    return f"act:{event.act.kind}" if isinstance(event, record.Acted) else event.kind


def action_of(event: Event) -> str | None:
    """The digest of the action that an event is about; None where it is about none."""
    match event:
        case record.Acted():
            return getattr(event.act, "action", None)
        case record.Proposed():
            return event.action.sha256()
        case record.Ordered() | record.Moved():
            return event.order.action.sha256()
        case _:
            return getattr(event, "action", None)


def see(numbers: Iterable[int]) -> str:
    """Links to these events: the first of them, and the last where they are many.

    What no event shows is linked to the whole of the record, for it is nowhere in it. That link stays the same when the
    document is drafted again, so that what people write there stays as it is.
    """
    each = sorted(set(numbers))
    if not each:
        return "[record](#events)"
    shown = each if len(each) <= MOST_NUMBERS else [*each[: MOST_NUMBERS - 1], each[-1]]
    links = [f"[{number}](#e{number})" for number in shown]
    if len(shown) < len(each):
        links.insert(-1, f"({len(each) - len(shown)} more)")
    return " ".join(links)


def bullet(text: str, numbers: Iterable[int], *, deep: int = 0) -> str:
    """A line of a list, with its links."""
    return f"{'  ' * deep}- {text} {see(numbers)}"


def row(*cells: str, numbers: Iterable[int]) -> str:
    """A row of a table; its last cell has the links."""
    return f"| {' | '.join(each or '-' for each in cells)} | {see(numbers)} |"


def head(*names: str) -> Iterator[str]:
    """The head of a table whose last column has the links."""
    yield f"| {' | '.join((*names, 'events'))} |"
    yield f"|{'---|' * (len(names) + 1)}"


def artifact(ref: ArtifactRef) -> str:
    """A link to a piece of evidence, by its digest."""
    return digest_link(ref.digest)


def digest_link(digest: str) -> str:
    """A link to what the store keeps by this digest; the list of evidence has its target."""
    return f"[{digest[:SHOWN_DIGEST]}](#a-{digest})"


def clock(at: datetime) -> str:
    """A moment, to the second."""
    return f"{at:%Y-%m-%d %H:%M:%S}Z"


def plain(text: object, limit: int = LONGEST) -> str:
    """One line of text that Markdown takes as text: evidence is hostile. What is cut off is counted.

    Neither marks nor a bare address make anything of it; control and bidirectional characters are gone, and what has
    the form of a credential is held back.
    """
    said = SECRETS.sub(HELD_BACK, str(text))
    if not said.isprintable():
        said = "".join(c if c.isprintable() else " " for c in said)
    line = " ".join(said.split())
    cut = len(line) - limit
    line = line if cut <= 0 else f"{line[:limit]}… ({cut} more characters)"
    return line.translate(ESCAPED).replace("://", "\\://").replace("www.", "www\\.").replace("WWW.", "WWW\\.")
