"""The words that a runbook prepares: texts with declared fields of the incident in them, filled and never evaluated."""

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from firestation.model import Model, Text

FIELDS: dict[str, str] = {
    "system": "the system's title",
    "incident": "the incident's id",
    "severity": "the severity, or the one that is proposed",
    "phase": "where the incident is in its life",
    "captain": "the captain, or nobody yet",
    "runbook": "the runbook's title",
    "opened_at": "when the bell rang, in UTC",
    "firebreaks": "which levers stand elsewhere now",
    "next_word": "how long until the next word",
}
"""What may stand in braces."""

PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
LONGEST_VALUE = 300


def _declared(text: str) -> str:
    for name in PLACEHOLDER.findall(text):
        if name not in FIELDS:
            msg = f"{{{name}}} is no field of an incident; choose from {', '.join(FIELDS)}"
            raise ValueError(msg)
    if any(brace in PLACEHOLDER.sub("", text) for brace in "{}"):
        msg = "a brace stands alone; write a whole field such as {severity}, or leave it out"
        raise ValueError(msg)
    return text


Template = Annotated[Text, AfterValidator(_declared)]


class Wording(Model):
    """Words for the team and for customers, ready before the night when they are needed.

    `public_approval` says whose yes a public word needs that is anybody else's; without it, nobody's.
    """

    internal: Template | None = None
    public: Template | None = None
    public_approval: Literal["comms"] | None = Field(
        default=None,
        exclude_if=lambda value: value is None,
        description="`comms`: a public word of anybody but the comms owner waits for the comms owner's yes",
    )


def fill(template: str, values: Mapping[str, str]) -> str:
    """The text with its fields filled. A value is shown as it is: one line, and never read as a template again."""
    return PLACEHOLDER.sub(lambda found: _shown(values[found[1]]), template)[:4000]


def _shown(value: str) -> str:
    text = "".join(each if each.isprintable() else "?" for each in " ".join(value.split()))
    return text[:LONGEST_VALUE]
