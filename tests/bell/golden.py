"""Deliveries as each source sends them, in the shape of its published examples, with what is heard beside."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from firestation.alarm import Alarm
from firestation.bell.formats import FormatName, hear
from firestation.bell.heard import Ear, Heard
from firestation.bell.mapping import Mapping

HERE = Path(__file__).parent / "golden"
AT = datetime(2026, 11, 23, 3, 0, 30, tzinfo=UTC)
OF_THE_BELL = ("pagerduty-webhook", "langfuse", "sentry")
"""The formats of which some deliveries name no system."""

MAPPING = Mapping(
    each="$.alarms",
    id="$.rule.id",
    name="$.rule.title",
    summary="$.note.text",
    system="$.app",
    status="$.state",
    started_at="$.at",
    url="$.see",
    labels={"team": "$.owner"},
    annotations={"state": "$.state"},
    request_ids="$.requests",
)


class Sent(NamedTuple):
    """One delivery."""

    folder: str
    name: str
    headers: dict[str, str]
    body: Any

    @property
    def format(self) -> FormatName:
        return self.folder.removesuffix("-mapped")  # type: ignore[return-value]

    def ear(self, **rung: Alarm) -> Ear:
        mapping = MAPPING if self.folder.endswith("-mapped") else None
        system = "refund-agent" if self.folder in OF_THE_BELL or self.name.endswith("key-only") else None
        return Ear("a-bell", system, AT, {alarm.key: alarm for alarm in rung.values()}, mapping)

    def heard(self, **rung: Alarm) -> Heard:
        return hear(self.format, self.body, self.headers, self.ear(**rung))


def sent(folder: str, name: str) -> Sent:
    """The delivery of this name."""
    found = json.loads((HERE / folder / f"{name}.json").read_text())
    return Sent(folder, name, found["headers"], found["body"])


def every(name: str = "*") -> list[Sent]:
    """Every delivery, of every format."""
    found = sorted(path for path in HERE.glob(f"*/{name}.json") if not path.stem.endswith(".heard"))
    return [sent(path.parent.name, path.stem) for path in found]


def shown(heard: Heard) -> dict[str, Any]:
    """What was heard, as the files beside the deliveries have it."""
    told: dict[str, Any] = {
        "alarms": [each.model_dump(mode="json", exclude_defaults=True) for each in heard.alarms]
    }
    wrong = [{"field": each.field, "problem": each.problem, "fix": each.fix} for each in heard.errors]
    more = {"errors": wrong, "delivery": heard.delivery, "cut": heard.cut}
    return told | {name: value for name, value in more.items() if value}
