"""Opening an incident: what it is pinned to, for an alarm and for a drill."""

from collections.abc import Iterable
from datetime import datetime
from types import MappingProxyType

from firestation.alarm import Alarm, incident_id
from firestation.authority import Role, Roster, Station
from firestation.credentials import holds_credential
from firestation.drill import DrillMark
from firestation.errors import ORDER, InvalidInput, NotConfigured, Refused
from firestation.keyring import Keyring
from firestation.legal import clocks
from firestation.model import Model
from firestation.oncall import roster
from firestation.record import EDITION, Brief
from firestation.rehearsal import RehearsalFitting, rings
from firestation.runbook import GENERAL, Runbook, choose
from firestation.severity import propose
from firestation.system import System


class Opening(Model):
    """A drill that is about to begin: what its incident is pinned to, what rings, and how its fault is set."""

    brief: Brief
    alarm: Alarm
    plan: RehearsalFitting


def keep_out_credentials(alarm: Alarm) -> None:
    """Raises `InvalidInput` for an alarm that holds one: it must not even be kept."""
    if holds_credential(alarm):
        problem = "a text of this alarm holds a credential"
        raise InvalidInput("alarm", problem, "Take it out of the alerting rule, and revoke it")


def opened(
    alarm: Alarm,
    at: datetime,
    station: Station,
    system: System,
    wall: tuple[Runbook, ...],
    *,
    keys: Keyring = MappingProxyType({}),
) -> Brief:
    """What an incident that this alarm starts now, `at`, is pinned to. `wall` are the runbooks that fit the system.

    Whoever is on call at this moment is on its roster, at the severity that the runbook proposes and at the others.
    Raises `InvalidInput` for an alarm that holds a credential, `NotConfigured` when no runbook is for it.
    """
    keep_out_credentials(alarm)
    runbook, matched = choose(wall, system, alarm.name, alarm.labels)
    return Brief(
        incident=incident_id(alarm, system.fire_labels),
        system=system,
        runbook=runbook,
        matched=matched,
        roster=roster(station, at, propose(runbook.severity).severity, keys),
        alternatives=tuple(each for each in wall if each is not runbook),
        edition=EDITION,
        clocks=clocks(system.legal),
    )


def drill_opened(
    mark: DrillMark,
    station: Station,
    system: System,
    wall: tuple[Runbook, ...],
    *,
    keys: Keyring = MappingProxyType({}),
) -> Opening:
    """The same for a drill: the real runbook is pinned, and the roster is narrowed to those who drill.

    Where nobody is named it is whoever would be paged for the fire.

    Raises `Refused` when whoever ordered it is no captain of the station (any more: a schedule may be old);
    `InvalidInput` when the system may not be rehearsed so, when somebody is not one of the station's people, or when
    nobody who drills may be captain; `NotConfigured` when only the general runbook would be for it.
    """
    orders = station.person(mark.ordered_by)
    if orders is None or Role.CAPTAIN not in orders.roles:
        missing = f"{mark.ordered_by} does not hold the role captain; captains order drills"
        raise Refused(0, ORDER, missing)
    plan = system.rehearsed(mark.kind)
    if plan is None:
        kinds = ", ".join(each.id for each in system.rehearsal)
        problem = f"{system.system} says nowhere how {mark.kind} is rehearsed on it"
        fix = (
            f"It can be rehearsed for {kinds}"
            if kinds
            else "Add `rehearsal` to its system file: docs/drills.md"
        )
        raise InvalidInput("kind" if kinds else "system", problem, fix)
    alarm = rings(plan, system.system, mark)
    usual = opened(alarm, mark.ordered_at, station, system, wall, keys=keys)
    mark = mark.changed(drillers=mark.drillers or usual.roster.escalation)
    if usual.runbook.pattern == GENERAL:
        raise NotConfigured(
            f"no runbook is for the alarm of the drill {mark.kind}; give it the labels of one"
        )
    pinned = {
        "incident": mark.drill,
        "roster": narrowed(usual.roster, mark.drillers),
        "clocks": (),
        "drill": mark,
    }
    return Opening(
        brief=Brief(**(dict(usual) | pinned)),
        alarm=alarm,
        plan=plan,
    )


def narrowed(whole: Roster, drillers: Iterable[str]) -> Roster:
    """The roster with those who drill and nobody else, so that nobody else is ever paged.

    They are paged in the usual order; who is not on it comes after. Raises `InvalidInput` as `drill_opened` does.
    """
    wanted = tuple(dict.fromkeys(drillers))
    strangers = [name for name in wanted if whole.person(name) is None]
    known = ", ".join(each.id for each in whole.people)
    if strangers:
        raise InvalidInput("drillers", f"there is no {', '.join(strangers)}", f"The people are {known}")
    people = tuple(each for each in whole.people if each.id in wanted)
    captains = [each.id for each in people if Role.CAPTAIN in each.roles]
    if not captains:
        fix = "Name somebody who holds the role captain"
        raise InvalidInput("drillers", "nobody of those who drill may be the captain", fix)

    def ranks(usual: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys([name for name in usual if name in captains] + captains))

    others = {severity: ranks(usual) for severity, usual in whole.escalation_at.items()}
    return whole.changed(people=people, escalation=ranks(whole.escalation), escalation_at=others)
