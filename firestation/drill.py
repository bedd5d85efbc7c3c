"""The mark of a drill: what kind it is, who drills, and who ordered it. It is pinned, so nothing forgets what it is.

A drill is a real run of a real runbook against a rehearsal target. It has one name: its own id is its incident's too,
so that no alarm of a real fire ever joins it.
"""

import re
from typing import Annotated, Literal

from pydantic import StringConstraints

from firestation.model import Id, Model, Time

DrillKind = Literal[
    "prompt-rollback",
    "stale-policy",
    "tool-runaway",
    "privacy-leak",
    "judge-drift",
    "cost-spike",
    "model-route",
    "soft-failure",
]

KINDS: dict[DrillKind, str] = {
    "prompt-rollback": "a released prompt is wrong and goes back to the one before",
    "stale-policy": "an old policy answers for the one in force",
    "tool-runaway": "the agent calls a tool again and again",
    "privacy-leak": "an answer holds personal data of another customer",
    "judge-drift": "the judge no longer says what people say",
    "cost-spike": "requests cost many times as much as they should",
    "model-route": "another model answers than the one that was tested",
    "soft-failure": "everything answers 200, and the answers are worse",
}
"""The eight kinds of drill, each with what it rehearses."""

DrillId = Annotated[str, StringConstraints(pattern=r"^drill-[a-z-]{1,40}-[0-9a-f]{8}$")]
DRILL_ID = re.compile(r"drill-[a-z-]{1,40}-[0-9a-f]{8}")
MARK = "DRILL"


class DrillMark(Model):
    """What tells a drill from a fire. Only the `drillers` are paged; whoever ordered it may call it off."""

    drill: DrillId
    kind: DrillKind
    drillers: tuple[Id, ...]
    ordered_by: Id
    ordered_at: Time


def drill_id(kind: DrillKind, token: str) -> str:
    """The name of a drill, and of its incident. `token` has at least eight hexadecimal digits that nobody else has."""
    return f"{MARK.lower()}-{kind}-{token[:8]}"


def is_drill(incident: str) -> bool:
    """Whether this is the name of a drill's incident."""
    return DRILL_ID.fullmatch(incident) is not None


def marked(text: str, longest: int) -> str:
    """A title that says first that it is a drill, cut to so many characters."""
    return text if text.startswith(MARK) else f"{MARK}: {text}"[:longest]
