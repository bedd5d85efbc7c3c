"""A decision as its maker signs it: one person's yes or no to one exact action of one run of one incident."""

from datetime import timedelta
from typing import Literal, Self

from pydantic import Field, ValidationError, model_validator

from firestation.complaints import first_invalid
from firestation.errors import InvalidInput
from firestation.model import Id, Line, Model, Sha256, Text, Time, wrong_at

NAMESPACE = "firestation-decision"
"""What its signatures are for: one that was made for git, a file or a login is none."""

LARGEST_BYTES = 65_536

GOOD_FOR = timedelta(minutes=10)
"""How long a signed decision may be under way before it counts no more."""


class Signed(Model):
    """A decision with its maker's word for it: the canonical bytes as text, and the armored SSH signature of them."""

    decision: str = Field(min_length=2, max_length=LARGEST_BYTES)
    signature: str = Field(min_length=1, max_length=16_384)


class Decision(Model):
    """What is signed is `canonical()`. `at` is what the signer's clock said, and proves nothing by itself.

    `action` is the SHA-256 of the exact action; `run` is the Temporal run, so that it holds for no other one.
    """

    incident: Id
    run: Line
    kind: Literal["approve", "refuse"]
    action: Sha256
    by: Id
    at: Time
    expires_at: Time
    reason: Text | None = None

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        if self.expires_at <= self.at:
            raise wrong_at("expires_at", says="it ends before it is made; name a later time")
        return self


def read_decision(content: bytes) -> Decision:
    """The decision in these bytes. Raises `InvalidInput` when they are none, or not the one byte form of it."""
    fix = "Give the file as it was signed"
    if len(content) > LARGEST_BYTES:
        raise InvalidInput("decision", f"it is longer than {LARGEST_BYTES} bytes", fix)
    try:
        read = Decision.model_validate_json(content)
    except ValidationError as error:
        first = first_invalid(error, Decision)
        raise InvalidInput(f"decision.{first.field}", first.problem, first.fix) from None
    if read.canonical() != content:
        raise InvalidInput("decision", "these are not its canonical bytes", fix)
    return read
