"""Triage: which alarm becomes an incident, which waits for a person, which is recorded only. Pure.

Deny by default: what nobody thought of rings, and so does what cannot be judged because nobody knows what is open.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from firestation.alarm import Alarm, incident_id
from firestation.model import Id, Line, Model, Text
from firestation.system import System
from firestation.triage_rules import CLASS, Then, TriageRule

MOST_LABELS = 64

Ledger = Literal["recorded", "inhibited", "maintenance"]
"""Under what the list of the spool has an alarm that was recorded only."""


class OpenFire(Model):
    """An incident that is open now, and the alarm that opened it. Of its labels those that inhibitions ask for."""

    incident: Line
    name: Line
    labels: dict[str, str] = {}


class Sifted(Model):
    """What an alarm becomes, by which rule, and why. `ledger` says what kind of rule had it recorded only."""

    then: Then
    rule: Id | None = None
    why: Text
    ledger: Ledger | None = None


def decide(system: System, alarm: Alarm, open_fires: Iterable[OpenFire] | None, now: datetime) -> Sifted:
    """What this alarm becomes, `now`. `open_fires` are those of the system; None when nobody can say.

    What belongs to an open incident is always told to it, its all-clear too; so is what a person has opened. An
    all-clear that nobody can place goes the way of an incident: it opens none.
    """
    if alarm.triaged is not None:
        return Sifted(then="incident", why="it was opened after it had waited for a person")
    own = incident_id(alarm, system.fire_labels)
    fires = None if open_fires is None else tuple(open_fires)
    if fires is None and alarm.status == "resolved":
        return Sifted(then="incident", why="nobody can say whether its incident is open")
    if any(each.incident == own for each in fires or ()):
        return Sifted(then="incident", why="its incident is open")
    return _muted(system, alarm, fires or (), now) or _ruled(system, alarm)


def rule_for(system: System, alarm: Alarm) -> TriageRule | None:
    """The first rule that means this alarm."""
    return next((each for each in system.triage if each.match.means(alarm.name, alarm.labels)), None)


def classed(system: System, alarm: Alarm) -> Alarm:
    """The alarm with the class that its rule gives it; one that it brings stays."""
    rule = rule_for(system, alarm)
    if rule is None or rule.class_ is None or CLASS in alarm.labels or len(alarm.labels) >= MOST_LABELS:
        return alarm
    return alarm.changed(labels={**alarm.labels, CLASS: rule.class_})


def sifts(system: System) -> bool:
    """Whether there is anything to decide: otherwise every alarm of this system rings, and nobody has to look."""
    return bool(system.triage or system.inhibit or system.maintenance)


def told_labels(system: System, alarm: Alarm) -> dict[str, str]:
    """Those labels of an alarm that opens an incident by which inhibitions of its system ask for it."""
    asked = {label for each in system.inhibit for label in each.while_.labels}
    return {label: alarm.labels[label] for label in sorted(asked & alarm.labels.keys())}


def _muted(system: System, alarm: Alarm, fires: tuple[OpenFire, ...], now: datetime) -> Sifted | None:
    for window in system.maintenance:
        if window.starts <= now < window.ends and window.match.means(alarm.name, alarm.labels):
            why = f"maintenance {window.id} until {window.ends:%Y-%m-%d %H:%M} UTC, by {window.by}: {window.why}"
            return Sifted(then="record", rule=window.id, why=why[:4000], ledger="maintenance")
    for each in system.inhibit:
        if not each.match.means(alarm.name, alarm.labels):
            continue
        fire = next((fire for fire in fires if each.while_.means(fire.name, fire.labels)), None)
        if fire is not None:
            why = f"{each.id}, while {fire.incident} is open: {each.why}"
            return Sifted(then="record", rule=each.id, why=why[:4000], ledger="inhibited")
    return None


def _ruled(system: System, alarm: Alarm) -> Sifted:
    rule = rule_for(system, alarm)
    if rule is None:
        return Sifted(then="incident", why="no rule is for it")
    ledger: Ledger | None = "recorded" if rule.then == "record" else None
    return Sifted(then=rule.then, rule=rule.id, why=f"{rule.id}: {rule.why}"[:4000], ledger=ledger)
