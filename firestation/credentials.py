"""Credentials by their form: what may stand neither on the record nor in a log."""

import re
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

ALONE = r"(?:(?<![A-Za-z0-9])|(?<=\\[bfnrt]))"
"""Nothing that could be a part of it stands before. A line break that JSON escaped ends in a letter, and is none."""

SECRETS = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----|"
    rf"{ALONE}(?:"
    r"AKIA[0-9A-Z]{16}(?![A-Za-z0-9])|ASIA(?=[A-Z]*[0-9])[0-9A-Z]{16}(?![A-Za-z0-9])|"
    r"gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9]{20,}_[A-Za-z0-9]{30,}|glpat-[A-Za-z0-9_-]{20,}|"
    r"sk-[A-Za-z0-9_-]{20,}|xox[abposr]-[A-Za-z0-9-]{10,}|eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}|"
    r"fs[bst]_(?:[a-z2-7]{10}_)?[a-z2-7]{52}(?![A-Za-z0-9])|fsl_[\w-]{60,}|"
    r"(?i:bearer[ \t]+[\w.~+/-]{20,}))"
)
"""Forms that are a credential and nothing else. A rule must not cry wolf: the fine sieve is the snapshot's.

A key of AWS for a session has a digit in all but one of thirty: ASIAPACIFICSOUTHEAST is a region.
"""

BEFORE = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{30,}\b|"
    r"\bsk-[A-Za-z0-9_-]{20,}\b|\bxox[abposr]-[A-Za-z0-9-]{10,}\b|\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}|"
    r"\bfs[bst]_(?:[a-z2-7]{10}_)?[a-z2-7]{52}\b|(?i:\bbearer\s+[\w.~+/-]{20,})"
)


def holds_credential(model: BaseModel) -> bool:
    """Whether a text anywhere in this value, or a name in it, has the form of a credential."""
    return any(SECRETS.search(text) for text in _texts(model.model_dump(mode="json")))


def held_credential(model: BaseModel) -> bool:
    """The same as incidents of editions before 3 go on judging it: by the JSON, where most of several lines pass."""
    return BEFORE.search(model.model_dump_json()) is not None


def _texts(value: Any) -> Iterator[str]:
    """Every string of plain data, the names in it too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, inside in value.items():
            yield from _texts(name)
            yield from _texts(inside)
    elif isinstance(value, list | tuple):
        for inside in value:
            yield from _texts(inside)
