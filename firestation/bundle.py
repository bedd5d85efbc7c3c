"""What a bundle is: its files, and the statement that names each of them and how much there has to be.

A bundle holds one incident for somebody who has no station. `STATEMENT.json` is an in-toto statement in a DSSE
envelope; its subjects are all other files, its predicate is a `Contents`.
"""

import base64
import json
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from firestation.drill import DrillId
from firestation.errors import InvalidInput
from firestation.evidence import STATEMENT_TYPE
from firestation.model import Id, Line, Model, Sha256, Text

BUNDLE_TYPE = "https://firestation.dev/audit-bundle/v1"
STATEMENT, README = "STATEMENT.json", "README.txt"
OPEN = "still open"
"""How the standing of an incident begins that has not ended."""
RECORD, CODE, SIGNERS, STATION_KEY = "record.json", "code.json", "allowed_signers", "station.pub"
EVIDENCE, DECISIONS, HISTORIES, PINNED = "evidence/", "decisions/", "histories/", "pinned/"
MOST_BYTES = 256 * 1024 * 1024
"""What a history or another file that must be read whole may have."""

ALTERNATIVES = "pinned/alternatives/"
ARTIFACTS, BLOBS = "evidence/artifacts.json", "evidence/sha256/"


class RunPart(Model):
    """One run of a workflow: its file, and the ids of its first and last event. `ended`: how; None while it goes on."""

    run: Line
    file: Line
    first_event: int
    last_event: int
    ended: Line | None
    continued_to: Line | None


class ChainPart(Model):
    """One workflow with all its runs, the oldest first. `started_by`: the workflow and run that it is a child of."""

    workflow: Line
    type: Line
    started_by: Line | None
    runs: tuple[RunPart, ...] = Field(min_length=1)


class Counts(Model):
    """How much there has to be, so that whatever is cut off is missed."""

    runs: int
    events: int
    record: int
    refused: int
    manifests: int
    artifacts: int
    decisions: int
    signed: int


class Absent(Model):
    """An artifact that the history names and that the station could not give any more."""

    digest: Sha256
    name: Line
    why: Text


class Contents(Model):
    """The predicate. `chains` begin with the incident's own; `made_by` is the version that wrote the bundle.

    `standing` says whether the incident has ended, or up to which event it is told. With `digests_only` the artifacts
    are named and not enclosed.
    """

    format: Literal[1] = 1
    incident: Id
    run: Line
    phase: Line
    standing: Line
    edition: int
    chains: tuple[ChainPart, ...] = Field(min_length=1)
    counts: Counts
    digests_only: bool
    absent: tuple[Absent, ...]
    made_by: Line
    drill: DrillId | None = Field(default=None, exclude_if=lambda value: value is None)


def statement(contents: Contents, digests: Mapping[str, str]) -> dict[str, Any]:
    """The statement over these contents and the SHA-256 of each file by its name."""
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": name, "digest": {"sha256": digests[name]}} for name in sorted(digests)],
        "predicateType": BUNDLE_TYPE,
        "predicate": contents.model_dump(mode="json"),
    }


def peek(envelope: bytes) -> Contents:
    """What a statement says, whoever signed it: to be shown, and not to be believed. Raises `InvalidInput`."""
    try:
        said = json.loads(base64.b64decode(json.loads(envelope)["payload"]))
        return Contents.model_validate(said["predicate"])
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise InvalidInput(
            STATEMENT, f"it cannot be read: {error}"[:300], "Export the incident again"
        ) from None


def run_file(chain: int, run: int) -> str:
    """Where a run is: both count from 1, and the first chain is the incident's own."""
    folder = "incident" if chain == 1 else f"children/{chain - 1:03}"
    return f"{HISTORIES}{folder}/{run:04}.json"
