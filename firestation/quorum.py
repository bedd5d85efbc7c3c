"""Who must say yes to an action, who has, and who is missing. The captain is always one of them."""

from firestation.acts import Act, Approve
from firestation.authority import Role
from firestation.firebreak import Firebreak, Lease
from firestation.model import Id, Model, count
from firestation.state import Incident


class Quorum(Model):
    """How many people must say yes, who has, and who may be the next; the captain's word is always among them."""

    needed: int
    given: tuple[Id, ...]
    missing: int
    who: tuple[Id, ...]

    def words(self) -> str:
        """What is missing, for the person who has just said yes."""
        who = " or ".join(self.who) or "somebody with the role approver, and there is nobody"
        return f"{count(self.missing, 'more approval')} needed: {who}"


def quorum(incident: Incident, firebreak: Firebreak) -> Quorum:
    """The quorum of an action that waits for a decision."""
    given, needed = firebreak.approved_by, firebreak.approvals_needed
    missing = max(0, needed - len(set(given))) if firebreak.state is Lease.PROPOSED else 0
    captain = incident.captain
    who = [captain] if missing and captain and captain not in given else []
    if missing > (0 if captain in given else 1):  # one place is kept for the captain
        people = incident.brief.roster.people
        who += [
            each.id
            for each in people
            if Role.APPROVER in each.roles and each.id not in given and each.id != captain
        ]
    return Quorum(needed=needed, given=given, missing=missing, who=tuple(who))


def still_missing(incident: Incident, act: Act) -> str | None:
    """What an approval that was accepted still waits for, in words; None when it is enough."""
    firebreak = incident.firebreak(act.action) if isinstance(act, Approve) else None
    found = quorum(incident, firebreak) if firebreak else None
    return found.words() if found and found.missing else None
