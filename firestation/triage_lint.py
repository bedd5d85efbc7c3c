"""What is wrong with the triage of a system file, and what is worth a look."""

from datetime import datetime

from firestation.hole import Found, Hole
from firestation.system import System


def unreachable(system: System) -> tuple[Hole, ...]:
    """Rules whose turn never comes, because an earlier one means every alarm that they mean."""
    return tuple(_covered(system))


def over(system: System, now: datetime) -> tuple[Hole, ...]:
    """Windows that have ended: they mute nothing any more, and hide those that will."""
    return tuple(
        Hole(
            field=f"maintenance[{index}].ends",
            problem=f"the window {each.id} ended {each.ends:%Y-%m-%d %H:%M} UTC",
            fix="Take it out, or write when it ends",
        )
        for index, each in enumerate(system.maintenance)
        if each.ends <= now
    )


def _covered(system: System) -> Found:
    for index, rule in enumerate(system.triage):
        before = next((each for each in system.triage[:index] if each.match.covers(rule.match)), None)
        if before is not None:
            problem = f"{before.id} comes first, and is for every alarm that {rule.id} is for"
            yield Hole(field=f"triage[{index}].match", problem=problem, fix="Put it before, or take it out")
    for index, each in enumerate(system.inhibit):
        if each.while_.covers(each.match) and each.match.covers(each.while_):
            problem = f"{each.id} would mute whatever opens the incident that mutes it"
            fix = "Name another alarm in match, or tell the two apart by a label"
            yield Hole(field=f"inhibit[{index}].match", problem=problem, fix=fix)
