"""Contact points: the further ways in which a person can be reached, besides their address."""

import re
from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from firestation.address import is_https
from firestation.model import Line, Model, wrong_at


class ContactKind(StrEnum):
    """The ways in which a message reaches a person."""

    EMAIL = "email"
    SMS = "sms"
    MATRIX = "matrix"
    WEBHOOK = "webhook"


FORMS = {
    ContactKind.EMAIL: (re.compile(r"[^@\s]+@[^@\s]+"), "ana@example.org"),
    ContactKind.SMS: (re.compile(r"\+[1-9]\d{6,14}"), "+4915112345678"),
    ContactKind.MATRIX: (re.compile(r"[@#][^:\s]+:\S+|!\S+"), "@ana:example.org"),
    ContactKind.WEBHOOK: (
        re.compile(r"https?://[^\s/?#@]+[^\s?#@]*|env:[A-Z][A-Z0-9_]*|file:.+"),
        "https://example.org/ana, or env:NAME when the address itself is a secret",
    ),
}


class Contact(Model):
    """One way to reach a person. A webhook whose address is a secret is a reference, env:NAME or file:PATH."""

    kind: ContactKind
    to: Line = Field(description="the address, number, Matrix user or URL")

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        form, example = FORMS[self.kind]
        if not form.fullmatch(self.to):
            raise wrong_at("to", says=f"this is no address for {self.kind}; write it like {example}")
        if self.kind is ContactKind.WEBHOOK and self.to.startswith("http"):
            try:
                is_https(self.to)
            except ValueError as error:  # a page, and its link, could be read on the way
                raise wrong_at("to", says=str(error)) from error
        return self
