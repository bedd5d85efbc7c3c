"""Doing one act: post it, say that it was taken, and show what is waited for now."""

import re
from datetime import datetime, timedelta
from typing import Any

from rich.text import Text

from cli.desk import Desk
from cli.plain import plain
from cli.show import ASK, say, waiting
from firestation.board import WordDraft
from firestation.errors import FirestationError, InvalidInput
from firestation.model import parse_duration

OF_DAY = re.compile(r"^\d\d:\d\d(:\d\d)?$")
DIGEST = re.compile(r"^[0-9a-f]{8,64}$")


def perform(desk: Desk, incident: str, act: str, **fields: Any) -> None:
    """Do this act in this incident; fields that are None are left to the station's defaults.

    Raises `Refused` with the rule and what is missing, `Gone` for an unknown incident, and what `Gateway` raises.
    """
    gateway = desk.gateway()
    name = gateway.find(incident)
    given = {field: value for field, value in fields.items() if value is not None}
    answer = gateway.act(name, act, given)
    gateway.patient = False  # that it was taken is told at once
    try:
        seen = gateway.picture(name)
    except FirestationError as error:
        _taken(desk, answer, name, act)
        desk.console.print(Text(f"It was taken, but the incident cannot be shown now: {plain(error)}"))
        return
    if desk.json:
        waits = [each.model_dump(mode="json") for each in seen.waiting]
        desk.answer({**answer, "incident": name, "phase": seen.phase, "waiting": waits})
        return
    _taken(desk, answer | {"phase": seen.phase}, name, act)
    waiting(desk.console, seen)


def ready_words(desk: Desk, incident: str, audience: str) -> str:
    """The words that the runbook has ready. Raises `InvalidInput` when it has none for this audience."""
    gateway = desk.gateway()
    seen = gateway.picture(gateway.find(incident))
    words = seen.prepared.get(audience)
    if words is None:
        problem = f"the runbook {seen.runbook} has no {audience} words ready"
        raise InvalidInput("--prepared", problem, "Write what is known yourself")
    return words


def drafted_words(desk: Desk, incident: str, audience: str) -> WordDraft:
    """The engine's draft of the next word. Raises `InvalidInput` while there is none for this audience."""
    gateway = desk.gateway()
    seen = gateway.picture(gateway.find(incident))
    draft = next((each for each in seen.drafts if each.audience == audience), None)
    if draft is None:
        problem = f"there is no draft of a word to {'the public' if audience == 'public' else 'the team'} now"
        raise InvalidInput(
            "--draft", problem, "It is made some time before the word is due; write what is known"
        )
    return draft


def _taken(desk: Desk, answer: dict[str, Any], incident: str, act: str) -> None:
    if desk.json:
        desk.answer({**answer, "incident": incident})
        return
    said = Text.assemble(
        ("done ", "green"), f"{act} of {incident}; phase {plain(answer.get('phase', 'unknown'))}"
    )
    desk.console.print(said)
    if answer.get("missing"):
        say(desk.console, Text(plain(answer["missing"]), style=ASK), indent=2)


def digest(text: str) -> str:
    """A digest as people paste it. Raises `InvalidInput`."""
    found = text.strip().lower()
    if DIGEST.match(found):
        return found
    fix = "Copy the first 12 characters that `firestation show INCIDENT` prints"
    raise InvalidInput("digest", f"{text[:80]!r} is not the beginning of a SHA-256 (8 to 64 of 0-9a-f)", fix)


def until(text: str | None, option: str = "--until") -> str | None:
    """A date ("2026-01-31", local), a time in ISO 8601, or a span from now ("14d"). Raises `InvalidInput`."""
    if text is None:
        return None
    try:
        when: datetime = datetime.now().astimezone() + parse_duration(text)
        return when.isoformat()
    except (ValueError, OverflowError):
        pass
    try:
        return datetime.fromisoformat(text).astimezone().isoformat()
    except (ValueError, OverflowError, OSError) as error:
        fix = "Write a span like 14d, or a date like 2026-01-31"
        raise InvalidInput(option, f"{text[:80]!r} is no date", fix) from error


def happened(text: str | None, option: str = "--at") -> str | None:
    """When it happened: so long ago ("5m"), when the clock here last showed this ("03:10"), or a time in ISO 8601.

    Raises `InvalidInput`.
    """
    if text is None:
        return None
    now = datetime.now().astimezone()
    try:
        ago: timedelta = parse_duration(text)
        return (now - ago).isoformat()
    except (ValueError, OverflowError):
        pass
    try:
        if OF_DAY.match(text):
            when = datetime.fromisoformat(f"{now:%Y-%m-%d}T{text}").astimezone()
            return (when if when <= now else when - timedelta(days=1)).isoformat()
        return datetime.fromisoformat(text).astimezone().isoformat()
    except (ValueError, OverflowError, OSError) as error:
        fix = "Write how long ago, like 5m, a time of day like 03:10, or a time like 2026-01-31T03:10"
        raise InvalidInput(option, f"{text[:80]!r} is no time", fix) from error
