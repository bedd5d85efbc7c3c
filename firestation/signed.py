"""A signed decision, judged against the act that brings it: whose word it is, and whether it is a word on this action.

Both are rules of the house (3 and 4), so they are pure: the key, its times and the moment come with the incident.
"""

from datetime import datetime, timedelta

from firestation.acts import Approve, Refuse
from firestation.decision import read_decision
from firestation.errors import InvalidInput
from firestation.firebreak import Firebreak
from firestation.sshsig import verify
from firestation.state import Incident

CLOCK_SKEW = timedelta(minutes=2)
"""How far a signer's clock may be ahead of the server's."""

SHOWN_DIGEST = 12


def unproven(
    incident: Incident, firebreak: Firebreak | None, act: Approve | Refuse, at: datetime
) -> str | None:
    """Why nobody could prove later that this person decided so; None when nothing was signed and nothing must be."""
    if act.signed is None:
        demanded = isinstance(act, Approve) and firebreak is not None and firebreak.step.signed
        return (
            "the runbook demands a signature on this decision: approve it with --sign KEY"
            if demanded
            else None
        )
    person = incident.brief.roster.person(act.by)
    try:
        signer = verify(
            act.signed.signature, act.signed.decision.encode(), person.signers if person else (), at=at
        )
    except InvalidInput as error:
        return f"the signature does not count: {error}"
    if signer.person != act.by:
        return f"the signed decision is {signer.person}'s, and the act is {act.by}'s"
    return None


def misdirected(incident: Incident, act: Approve | Refuse, at: datetime) -> str | None:
    """What the signed decision says otherwise than this act, in this run of this incident, at this moment."""
    if act.signed is None:
        return None
    decision = read_decision(act.signed.decision.encode())
    names = {
        "incident": (decision.incident, incident.id),
        "run": (decision.run, incident.run),
        "decision": (decision.kind, act.kind),
        "action": (decision.action, act.action),
        "reason": (decision.reason, act.reason),
    }
    for name, (signed, given) in names.items():
        if signed != given:
            shown = SHOWN_DIGEST if name == "action" else None
            return (
                f"the signed decision names another {name}: {str(signed)[:shown]}, not {str(given)[:shown]}"
            )
    if at >= decision.expires_at:
        return f"the signed decision was good until {decision.expires_at:%H:%M:%S} UTC; sign a new one"
    if decision.at > at + CLOCK_SKEW:
        return f"the signed decision is from the future ({decision.at:%H:%M:%S} UTC); set the clock and sign again"
    return None
