"""A good captain: the acts of one incident in their order, from the page to the lock."""

from collections.abc import Callable

from firestation.firebreak import Firebreak, Lease
from firestation.picture import Picture
from tests.e2e.processes import Agent, Station

MOVES = [
    ("refund_tool", "enabled", "disabled"),
    ("reranker", "off", "on"),
    ("refund_tool", "disabled", "enabled"),
]
"""What must have happened to the levers in the end, each move exactly once."""


def firebreak(picture: Picture, lever: str) -> Firebreak:
    return next(each for each in reversed(picture.firebreaks) if each.action.lever == lever)


def stands(lever: str, *states: Lease) -> Callable[[Picture], bool]:
    """Whether the firebreak of this lever has come so far."""

    def held(picture: Picture) -> bool:
        return any(each.action.lever == lever and each.state in states for each in picture.firebreaks)

    return held


def take(station: Station, incident: str) -> None:
    station.act("ana", incident, "acknowledge")
    station.act("ben", incident, "acknowledge", role="scribe")
    station.act("ana", incident, "declare", severity="sev2", reason="refunds are paid that should be denied")


def approve(station: Station, incident: str) -> None:
    seen = station.until(incident, "the reranker to be proposed", stands("reranker", Lease.PROPOSED))
    station.act("ana", incident, "approve", action=firebreak(seen, "reranker").digest[:12])


def finish(station: Station, incident: str, agent: Agent) -> Picture:
    """From an effective reranker to the end; every wait is for what the engine does by itself."""
    station.until(incident, "recovery", lambda seen: seen.restored_at)
    seen = station.picture(incident)
    reason = "the rulings are right again"
    station.act("ana", incident, "adopt", action=firebreak(seen, "reranker").digest, reason=reason)
    station.act("ana", incident, "lift", action=firebreak(seen, "refund_tool").digest, reason=reason)
    station.until(incident, "the tool to be back", stands("refund_tool", Lease.LIFTED))
    seen = station.until(
        incident, "the lock", lambda seen: seen.postmortem and seen.phase == "after-action", 90
    )
    assert seen.lock_proved, (seen.trouble, seen.lock)
    station.act("ana", incident, "close")
    closed = station.until(incident, "the end", lambda seen: seen.phase == "closed")
    assert agent.moves() == MOVES
    assert (agent.lever("refund_tool"), agent.lever("reranker"), agent.ruling()) == ("enabled", "on", "deny")
    report = station.replay(incident)
    assert (report["passed"], report["replay"]) == (True, "same"), report
    return closed
