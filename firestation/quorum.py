"""Who must say yes to an action, who has, and who is missing. The captain is always one of them."""

from firestation import release
from firestation.acts import Act, Approve, Attest, Update, Waive
from firestation.authority import Role
from firestation.firebreak import Decided, Firebreak, Lease
from firestation.model import Id, Model, count
from firestation.seconding import waits
from firestation.state import Incident


class Quorum(Model):
    """How many people must say yes, who has, and who may be the next; the captain's word is always among them."""

    needed: int
    given: tuple[Id, ...]
    missing: int
    who: tuple[Id, ...]
    captain: Id | None = None

    def words(self) -> str:
        """What is missing, for the person who has just said yes."""
        return f"{count(self.missing, 'more approval')} needed: {self.wanted()}"

    def wanted(self) -> str:
        """Whose word is still needed: the captain's in any case, the others' one for another."""
        others = " or ".join(each for each in self.who if each != self.captain)
        captains = "" if self.captain in self.given else self.captain or "a captain, and there is none"
        more = self.missing - bool(captains)
        nobody = "somebody with the role approver, and there is nobody"
        return " and ".join(filter(None, (captains, (others or nobody) if more > 0 else "")))


def quorum(incident: Incident, firebreak: Firebreak) -> Quorum:
    """The quorum of an action that waits for a decision."""
    given, needed, captain = (
        counting(incident, firebreak.decisions),
        firebreak.approvals_needed,
        incident.captain,
    )
    short = max(needed - len(given), captain not in given)  # without the captain's word it is never enough
    missing = short if firebreak.state is Lease.PROPOSED else 0
    who = [captain] if missing and captain and captain not in given else []
    if missing > (0 if captain in given else 1):  # one place is kept for the captain
        people = incident.brief.roster.people
        who += [
            each.id
            for each in people
            if Role.APPROVER in each.roles and each.id not in given and each.id != captain
        ]
    return Quorum(needed=needed, given=given, missing=missing, who=tuple(who), captain=captain)


def counting(incident: Incident, decisions: tuple[Decided, ...]) -> tuple[str, ...]:
    """Who of those that said yes counts now: the captain, and approvers; the captain of before has no word any more."""
    said = tuple(dict.fromkeys(each.by for each in decisions if each.kind == "approve"))
    if not incident.since(3):
        return said
    approvers = {each.id for each in incident.brief.roster.people if Role.APPROVER in each.roles}
    return tuple(name for name in said if name == incident.captain or name in approvers)


def enough(incident: Incident, firebreak: Firebreak, decisions: tuple[Decided, ...]) -> bool:
    """Whether these words are enough to move."""
    given = counting(incident, decisions)
    captains = incident.captain in given or not incident.since(3)
    return captains and len(given) >= firebreak.approvals_needed


def still_missing(incident: Incident, act: Act) -> str | None:
    """What a word that was accepted still waits for; None when it is enough."""
    if isinstance(act, Attest) or (isinstance(act, Waive) and act.what == "lock"):
        second = waits(incident)
        return second.missing() if second else None
    if isinstance(act, Update):
        return release.missing(incident, act)
    firebreak = incident.firebreak(act.action) if isinstance(act, Approve) else None
    found = quorum(incident, firebreak) if firebreak else None
    return found.words() if found and found.missing else None
