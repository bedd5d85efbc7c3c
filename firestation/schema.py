"""The JSON Schemas of the files that people write, made so that an editor helps while they write.

They say what may stand where. What only Firestation can tell, such as whether a step's turn ever comes, is told by
`firestation runbook lint`.
"""

from collections.abc import Mapping
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import TimedeltaSchema

from firestation.authority import Station
from firestation.model import Model
from firestation.runbook import Runbook
from firestation.system import System

DIALECT = "https://json-schema.org/draft/2020-12/schema"
DURATION = r"^\s*(\d+(\.\d+)?\s*(ms|s|m|h|d)\s*)+$"
KINDS: Mapping[str, type[Model]] = {"runbook": Runbook, "system": System, "station": Station}


class _ForPeople(GenerateJsonSchema):
    """Durations as people write them."""

    def timedelta_schema(self, schema: TimedeltaSchema) -> JsonSchemaValue:  # noqa: ARG002 - Pydantic's signature
        """Text such as 1h 30m; a bare number counts seconds."""
        return {"type": ["string", "number"], "pattern": DURATION, "examples": ["90s", "15m", "1h 30m", "2d"]}


def schema(kind: str) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a `runbook`, a `system` or a `station` file."""
    made = KINDS[kind].model_json_schema(schema_generator=_ForPeople)
    return {"$schema": DIALECT, "title": f"Firestation {kind}", **_plain({**made, "title": None})}


def _plain(node: Any, *, names: bool = False) -> Any:
    """Without what tells an editor nothing: titles that repeat the field's name, and defaults of null.

    `names` is for a place whose keys are names that people chose, not words of JSON Schema.
    """
    if isinstance(node, list):
        return [_plain(each) for each in node]
    if not isinstance(node, dict):
        return node
    kept = {
        key: value
        for key, value in node.items()
        if names or not (key == "title" or (key == "default" and value is None))
    }
    return {
        key: value if key == "default" and not names else _plain(value, names=key in {"properties", "$defs"})
        for key, value in kept.items()
    }
