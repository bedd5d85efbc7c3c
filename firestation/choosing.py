"""Which runbook an alarm would get, and why not the others: what the gateway decides, told in advance."""

from typing import Literal

from firestation.errors import NotConfigured
from firestation.lint import dangling, fitting, holes
from firestation.model import Id, Line, Model, Text
from firestation.runbook import Runbook, choose, matching
from firestation.system import System


class Considered(Model):
    """One runbook of the wall, as an alarm sees it. `also` matches too, and loses to the chosen one."""

    runbook: Id
    title: Line
    standing: Literal["chosen", "also", "not"]
    why: tuple[Text, ...]


def consider(
    wall: tuple[Runbook, ...], system: System, name: str, labels: dict[str, str]
) -> tuple[Considered, ...]:
    """Every runbook of the wall: the chosen one first, then those that match too, then the others by their ids.

    None is chosen when nothing matches and the wall has no general runbook that fits the system.
    """
    usable = fitting(wall, system)
    matched = matching(usable, system, name, labels)
    try:
        best, why = choose(usable, system, name, labels)
    except NotConfigured:
        best, why = None, ()
    found = [_considered(best, "chosen", why)] if best else []
    found += [_considered(each, "also", reasons) for each, reasons in matched if each is not best]
    told = {each.runbook for each in found}
    others = sorted((each for each in wall if each.runbook not in told), key=lambda each: each.runbook)
    return (*found, *(_considered(each, "not", _against(each, system, name, labels)) for each in others))


def _against(runbook: Runbook, system: System, name: str, labels: dict[str, str]) -> tuple[str, ...]:
    wrong = holes(runbook) or dangling(runbook, system)
    if wrong:
        return (f"it cannot be followed: {wrong[0].field}: {wrong[0].problem}",)
    return runbook.match.misses(system.system, name, labels)


def _considered(
    runbook: Runbook, standing: Literal["chosen", "also", "not"], why: tuple[str, ...]
) -> Considered:
    return Considered(runbook=runbook.runbook, title=runbook.title, standing=standing, why=why)
