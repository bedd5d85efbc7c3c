"""The levers: what can be read, moved and put back while the service runs. They survive a restart."""

import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from refund_agent.answerer import MODELS, TEMPLATES
from refund_agent.library import INDEX_VERSIONS
from refund_agent.safety import GUARDRAILS, JUDGES


@dataclass(frozen=True)
class Kind:
    """What a lever may be set to: one of `choices`, or what `accepts` accepts."""

    start: Any
    allowed: str
    accepts: Callable[[Any], bool]


def _one_of(start: str, *choices: str) -> Kind:
    return Kind(start, " or ".join(choices), lambda value: value in choices)


def _number(start: float, low: float, high: float) -> Kind:
    def accepts(value: Any) -> bool:
        return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high

    return Kind(start, f"a number from {low} to {high}", accepts)


KINDS: dict[str, Kind] = {
    "prompt_version": _one_of("v12", *TEMPLATES),
    "model_route": _one_of("primary", *MODELS),
    "index_version": _one_of("2026-11", *INDEX_VERSIONS),
    "reranker": _one_of("on", "on", "off"),
    "refund_tool": _one_of("enabled", "enabled", "disabled"),
    "rate_limit": _number(600, 0, 1_000_000),
    "guardrail_threshold": _number(500.0, 0, 1_000_000),
    "memory": _one_of("on", "on", "off"),
    "traffic_split": _number(0.0, 0, 1),
    "tool_call_limit": _number(25, 0, 100),
    "guardrail_version": _one_of("g2", *GUARDRAILS),
    "judge_version": _one_of("j2", *JUDGES),
    "prompt_budget": _number(8000, 0, 1_000_000),
    "fallback": _one_of("on", "on", "off"),
    "account_details": _one_of("on", "on", "off"),
}


class WrongValueError(ValueError):
    """The lever cannot be set to this; the message says to what it can."""


class MismatchError(Exception):
    """The lever has moved since it was read (If-Match did not match)."""


@dataclass(frozen=True)
class Moved:
    """What a move did. `replayed`: this key had moved the lever before, so nothing was done."""

    value: Any
    revision: int
    before: Any
    replayed: bool = False


class Levers:
    """All levers, kept in one file that is replaced whole. `delays` holds back when the pipeline sees a move."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "levers.json"
        self.lock = threading.Lock()
        self.values: dict[str, Any] = {name: kind.start for name, kind in KINDS.items()}
        self.revisions = dict.fromkeys(KINDS, 1)
        self.keys: dict[str, list[Any]] = {}
        self.seen_late: dict[str, tuple[Any, float]] = {}
        if self.path.exists():
            kept = json.loads(self.path.read_text())
            self.values |= kept["values"]  # a lever that is younger than the file starts where it starts
            self.revisions |= kept["revisions"]
            self.keys = kept["keys"]

    def read(self, name: str) -> tuple[Any, int]:
        """Value and revision."""
        with self.lock:
            return self.values[name], self.revisions[name]

    def effective(self, name: str) -> Any:
        """The value that the pipeline works with: the present one, unless a delay still holds back the last move."""
        with self.lock:
            before, until = self.seen_late.get(name, (None, 0.0))
            return before if time.monotonic() < until else self.values[name]

    def move(
        self, name: str, value: Any, match: int | None = None, key: str | None = None, delay: float = 0
    ) -> Moved:
        """Move a lever. Raises `WrongValueError` or `MismatchError`; a repeated key moves nothing."""
        if not KINDS[name].accepts(value):
            raise WrongValueError(f"{name} takes {KINDS[name].allowed}, not {value!r}")
        with self.lock:
            if key is not None and key in self.keys:
                done, revision = self.keys[key]
                return Moved(done, revision, done, replayed=True)
            if match is not None and match != self.revisions[name]:
                raise MismatchError(f"{name} is at revision {self.revisions[name]}, not {match}")
            before = self.values[name]
            self.values[name] = value
            self.revisions[name] += 1
            if delay:
                self.seen_late[name] = (before, time.monotonic() + delay)
            if key is not None:
                self.keys[key] = [value, self.revisions[name]]
            self._save()
            return Moved(value, self.revisions[name], before)

    def _save(self) -> None:
        new = self.path.with_suffix(".new")
        kept = {"values": self.values, "revisions": self.revisions, "keys": self.keys}
        with new.open("w") as file:
            json.dump(kept, file)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self.path)
