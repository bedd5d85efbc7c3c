"""What this person could do now, as far as the picture tells: so much of the page is theirs.

It decides nothing. Whatever is sent is decided by the incident itself; this keeps out of sight what would be refused.
"""

from collections.abc import Iterator
from typing import NamedTuple

from firestation.authority import Role
from firestation.firebreak import ENDED, HOLDING
from firestation.picture import Picture
from firestation.state import Phase

OVER = frozenset({Phase.CLOSED, Phase.DISMISSED, Phase.MERGED})
TAKEN = (Role.CAPTAIN, Role.SCRIBE, Role.COMMS, Role.INVESTIGATOR)
"""The roles that somebody takes in an incident."""


class Reader(NamedTuple):
    """Who looks: their id, their roles in the station file, and whether what they came with is good for acts."""

    id: str
    roles: frozenset[Role]
    acts: bool = True

    @property
    def writes(self) -> bool:
        """Whether they may write at all: an auditor reads."""
        return self.acts and bool(self.roles - {Role.AUDITOR})


class May(NamedTuple):
    """One act that somebody could do. `subject`: the action, note, step, role or clock that it is of, or empty."""

    act: str
    subject: str = ""


def holder(seen: Picture, role: str) -> str | None:
    """Who has this role in the incident."""
    return {
        Role.CAPTAIN: seen.captain,
        Role.SCRIBE: seen.scribe,
        Role.COMMS: seen.comms,
        Role.INVESTIGATOR: seen.investigator,
    }.get(Role(role))


def could(seen: Picture, reader: Reader) -> Iterator[May]:
    """Every act that this person could do now."""
    if seen.phase in OVER or not reader.writes:
        return
    yield from _roles(seen, reader)
    yield from _anybody(seen, reader)
    yield from _words(seen, reader)
    yield from _decisions(seen, reader)
    yield from _lock(seen, reader)
    if seen.captain == reader.id:
        yield from _captain(seen)


def _roles(seen: Picture, reader: Reader) -> Iterator[May]:
    for role in TAKEN:
        has = holder(seen, role)
        if has == reader.id:
            yield May("renounce", role)
        elif role in reader.roles and not (role is Role.CAPTAIN and has):
            yield May("acknowledge", role)
    if seen.offered_to == reader.id:
        yield May("accept")
        yield May("decline")


def _anybody(seen: Picture, reader: Reader) -> Iterator[May]:
    """What everybody who writes may say."""
    yield May("note")
    yield May("assess")
    for each in seen.entries:
        if each.standing != "refuted":
            yield May("establish", str(each.number))
    for step in seen.manual:
        duty = seen.duties.get(step.id)
        theirs = reader.id == seen.captain or step.confirmed_by in reader.roles
        if duty and not duty.confirmed_by and theirs and not seen.stopped_by:
            yield May("confirm", step.id)
    for run in seen.legal:
        owners = {str(role) for role in reader.roles - {Role.CAPTAIN}} | {reader.id}
        if run.running and (reader.id == seen.captain or owners & {run.clock.owner, str(Role.COMMS)}):
            yield May("inform", run.clock.id)


def _words(seen: Picture, reader: Reader) -> Iterator[May]:
    if reader.id == seen.captain or Role.COMMS in reader.roles:
        yield May("update")
    for word in seen.held:
        if reader.id in word.who:
            yield May("release", word.digest)
        if reader.id in {*word.who, word.by}:
            yield May("withhold", word.digest)


def _decisions(seen: Picture, reader: Reader) -> Iterator[May]:
    for plan in seen.plans:
        if reader.id in plan.approvers and not plan.signed:
            yield May("approve", plan.digest)
        if reader.id == seen.captain:
            yield May("refuse", plan.digest)


def _lock(seen: Picture, reader: Reader) -> Iterator[May]:
    if seen.second and reader.id in seen.second.who:
        yield May("second")
    if seen.phase is Phase.AFTER_ACTION and seen.lock_kind == "process":
        yield May("attest")


def _captain(seen: Picture) -> Iterator[May]:
    """What only the captain says."""
    yield May("declare")
    yield May("handover")
    yield from (May("propose", step.id) for step in seen.steps if _can_be_proposed(seen, step.lever))
    for each in seen.firebreaks:
        if each.state in HOLDING and not each.lift_wanted_by:
            yield from (May(act, each.digest) for act in ("extend", "lift", "adopt"))
    if not seen.stopped_by or any(each.state not in ENDED for each in seen.firebreaks):
        yield May("stop")
    if seen.alternatives:
        yield May("switch")
    if seen.sealed is None and not any(each.what == "snapshot" for each in seen.waivers):
        yield May("waive", "snapshot")
    yield May("categorize")
    causes = {run.cause for run in seen.legal if run.withdrawn_by is None}
    yield from (May("withdraw", cause) for cause in sorted(causes))
    if seen.phase is Phase.AFTER_ACTION:
        if not seen.lock_proved:
            yield May("waive", "lock")
        if seen.lock_kind != "process" and not seen.lock_proved:
            yield May("prove")
        yield May("close")
    yield May("dismiss")
    yield May("merge")


def _can_be_proposed(seen: Picture, lever: str) -> bool:
    frozen = seen.sealed is not None or any(each.what == "snapshot" for each in seen.waivers)
    return frozen and all(each.state in ENDED for each in seen.firebreaks if each.action.lever == lever)
