"""Who is on call at a moment, until when, and who is next. Pure: time is an argument.

Whatever moment is asked for, a rotation has exactly one person on call, or nobody, which is a gap. A turn begins at a
local time; where the clocks skip that time it begins as much later, and where they repeat it, the first time.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from types import MappingProxyType
from zoneinfo import ZoneInfo

from firestation.authority import Role, Roster, Station
from firestation.keyring import Keyring
from firestation.model import Line, Model, Time
from firestation.rotation import DAY, Hours, Layer, Rotation, weekday
from firestation.severity import Severity

HORIZON = timedelta(days=400)
"""How far ahead a change is looked for; the longest turn is a year."""

OVERRIDE = "override"


class Shift(Model):
    """A span in which one person is on call, or nobody: a gap. `until` is None when nothing changes for long.

    `by` is the layer's name, or "override".
    """

    person: Line | None
    by: Line | None
    since: Time
    until: Time | None = None


def on_call(rotation: Rotation, at: datetime) -> tuple[str | None, str | None]:
    """The person on call at this moment, and by which layer or override; twice None in a gap."""
    for override in rotation.overrides:
        if override.since <= at < override.until:
            return override.person, OVERRIDE
    for layer in rotation.layers:
        person = _in_turn(layer, at)
        if person is not None:
            return person, layer.name
    return None, None


def shifts(rotation: Rotation, since: datetime, until: datetime) -> Iterator[Shift]:
    """Who is on call from `since` to `until`, one after the other and without holes: a gap is a shift of nobody."""
    begun, who = since, on_call(rotation, since)
    edge = _edge(rotation, since)
    while edge is not None and edge < until:
        then = on_call(rotation, edge)
        if then[0] != who[0]:
            yield Shift(person=who[0], by=who[1], since=begun, until=edge)
            begun, who = edge, then
        edge = _edge(rotation, edge)
    if begun < until:
        yield Shift(person=who[0], by=who[1], since=begun, until=until)


def gaps(rotation: Rotation, since: datetime, until: datetime) -> tuple[Shift, ...]:
    """The spans in which nobody is on call."""
    return tuple(shift for shift in shifts(rotation, since, until) if shift.person is None)


def watch(rotation: Rotation, at: datetime) -> tuple[Shift, Shift | None]:
    """Who is on call now, from `at` on, and who comes next, as far ahead as `HORIZON`."""
    ahead = shifts(rotation, at, at + HORIZON)
    now, then = next(ahead), next(ahead, None)
    return (now.changed(until=None), None) if then is None else (now, then)


def escalation(station: Station, at: datetime, severity: Severity) -> tuple[str, ...]:
    """Who is paged in which order at this moment: rotations resolved, gaps left out. Empty when nobody is on call.

    Whom a rotation names again is paged once, at the first place.
    """
    steps = station.escalation_at.get(severity, station.escalation)
    rotations = {each.id: each for each in station.rotations}
    if not any(step in rotations for step in steps):
        return steps
    found = (on_call(rotations[step], at)[0] if step in rotations else step for step in steps)
    return tuple(dict.fromkeys(person for person in found if person is not None))


def roster(
    station: Station, at: datetime, severity: Severity, keys: Keyring = MappingProxyType({})
) -> Roster:
    """What an incident that begins at this moment is pinned to. In a gap everybody who may be captain is paged.

    Its escalation is that of `severity`; where another severity has another one, that is pinned too.
    """
    captains = tuple(person.id for person in station.people if Role.CAPTAIN in person.roles)
    ranks = {each: escalation(station, at, each) or captains for each in Severity}
    others = {each: names for each, names in ranks.items() if names != ranks[severity]}
    return station.roster(ranks[severity], others, keys)


def begins(layer: Layer, turn: int) -> datetime:
    """When a layer's turn of this number begins; the first has the number 0."""
    return _moment(layer, layer.start + turn * layer.turn, layer.handoff)


def _in_turn(layer: Layer, at: datetime) -> str | None:
    turn = _turn(layer, at)
    covered = not layer.only or any(since <= at < until for since, until in _windows(layer, at))
    return layer.people[turn % len(layer.people)] if turn >= 0 and covered else None


def _turn(layer: Layer, at: datetime) -> int:
    """The number of the turn that holds at this moment; below 0 before the first. Never far from the calendar's."""
    turn = (_day(layer, at) - layer.start).days // layer.turn.days + 1
    while begins(layer, turn) > at:
        turn -= 1
    return turn


def _edge(rotation: Rotation, at: datetime) -> datetime | None:
    """The next moment at which anything of this rotation may change."""
    found = [end for each in rotation.overrides for end in (each.since, each.until)]
    for layer in rotation.layers:
        if len(layer.people) > 1 or at < begins(layer, 0):
            found.append(begins(layer, max(_turn(layer, at) + 1, 0)))
        found += [end for window in _windows(layer, at) for end in window]
    return min((each for each in found if each > at), default=None)


def _windows(layer: Layer, at: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The covered spans around a moment: from two days before it, where one may still hold, to the next of each."""
    today = _day(layer, at)
    for offset in range(-2, 10):
        day = today + offset * DAY
        for hours in layer.only:
            if weekday(day) in hours.days:
                yield _moment(layer, day, hours.since), _moment(layer, _last_day(hours, day), hours.until)


def _last_day(hours: Hours, day: date) -> date:
    return day if hours.until > hours.since else day + DAY


def _day(layer: Layer, at: datetime) -> date:
    return at.astimezone(ZoneInfo(layer.zone)).date()


def _moment(layer: Layer, day: date, clock: str) -> datetime:
    """A local time of day as a moment in UTC."""
    return datetime.combine(day, time.fromisoformat(clock), ZoneInfo(layer.zone)).astimezone(UTC)
