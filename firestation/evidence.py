"""Evidence: artifacts named by their SHA-256, the gaps beside them, and the manifest that seals both."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import Field

from firestation.alarm import SUBJECTS, Alarm
from firestation.attachment import Attachment
from firestation.model import Id, Line, Model, Sha256, Text, Time
from firestation.privacy import Encryption, Redaction
from firestation.system import MINIMUM_SNAPSHOT, Position, System

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
MANIFEST_TYPE = "https://firestation.dev/snapshot-manifest/v1"


class ArtifactRef(Model):
    """A frozen piece of evidence in the store. `name` says what it is; the digest is what it is called.

    `driver` and `how` say how it was read; the digest is that of the bytes as they are kept, after the `redactions`
    and the `encryption`; `version` is the store's own, where it keeps versions.
    """

    digest: Sha256
    size: int = Field(ge=0)
    media_type: Line
    name: Line
    source: Id
    provides: tuple[str, ...] = ()
    collected_at: Time
    driver: Id | None = None
    how: Line | None = None
    version: Line | None = None
    redactions: tuple[Redaction, ...] = ()
    encryption: Encryption | None = None


def complaint(attachment: Attachment, at: datetime) -> ArtifactRef:
    """What a person attached, as an artifact: a person gave it, no source, and it provides nothing of a snapshot."""
    return ArtifactRef(
        digest=attachment.digest,
        size=attachment.size,
        media_type=attachment.media_type,
        name=f"complaint: {attachment.name}"[:300],
        source="person",
        collected_at=at,
        how=f"attached by {attachment.by}",
    )


class Gap(Model):
    """Something that could not be had, and why."""

    item: str
    reason: Literal[
        "not-configured", "timed-out", "unreachable", "forbidden", "gone", "nonsense", "withheld", "late"
    ]
    detail: Text
    source: Id | None = None


class LeverState(Model):
    """Where a lever stood when it was read, or why it could not be read."""

    lever: Id
    position: Position | None
    read_at: Time


class Collected(Model):
    """What one source gave."""

    source: Id
    artifacts: tuple[ArtifactRef, ...] = ()
    gaps: tuple[Gap, ...] = ()


class Snapshot(Model):
    """Everything that was collected, before it is sealed.

    `late` sources were still being read; what they give is sealed in a supplement, which names the manifest that it
    `supplements` and never changes it.
    """

    incident: Id
    run: str
    system: Id
    system_digest: Sha256
    runbook: Id
    runbook_digest: Sha256
    collected: tuple[Collected, ...]
    levers: tuple[LeverState, ...]
    late: tuple[Id, ...] = ()
    supplements: Sha256 | None = None

    def artifacts(self) -> tuple[ArtifactRef, ...]:
        """Every artifact, in a settled order."""
        found = [artifact for each in self.collected for artifact in each.artifacts]
        return tuple(sorted(found, key=lambda artifact: (artifact.source, artifact.name, artifact.digest)))

    def gaps(self) -> tuple[Gap, ...]:
        """The gaps of the sources, and every item of the minimum snapshot that nothing covers."""
        named = [gap for each in self.collected for gap in each.gaps]
        if self.supplements:
            return tuple(named)
        held = {item for artifact in self.artifacts() for item in artifact.provides}
        if self.levers and all(lever.position is not None for lever in self.levers):
            held.add("levers")
        excused = {gap.item for gap in named}
        missing = [
            Gap(item=item, reason="not-configured", detail=f"no source gave {meaning}")
            for item, meaning in MINIMUM_SNAPSHOT.items()
            if item not in held | excused
        ]
        return tuple(named + missing)


class Sealed(Model):
    """The seal: the digest of the signed manifest, and what the workflow must know of its content.

    `protection` says what the store really does against alteration and deletion; `late` and `supplements` are those of
    the snapshot.
    """

    manifest: Sha256
    envelope: Sha256
    protection: Line | None = None
    late: tuple[Id, ...] = ()
    supplements: Sha256 | None = None
    artifacts: tuple[ArtifactRef, ...]
    gaps: tuple[Gap, ...]
    levers: tuple[LeverState, ...]

    def lever(self, name: str) -> Position | None:
        """The sealed position of a lever."""
        return next((state.position for state in self.levers if state.lever == name), None)


def statement(snapshot: Snapshot) -> dict[str, Any]:
    """The in-toto statement over a snapshot: subjects are the artifacts, the predicate is everything else."""
    artifacts = snapshot.artifacts()
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": each.name, "digest": {"sha256": each.digest}} for each in artifacts],
        "predicateType": MANIFEST_TYPE,
        "predicate": {
            **snapshot.model_dump(mode="json", exclude={"collected", "levers"}),
            "artifacts": [each.model_dump(mode="json") for each in artifacts],
            "gaps": [gap.model_dump(mode="json") for gap in snapshot.gaps()],
            "levers": [lever.model_dump(mode="json") for lever in snapshot.levers],
        },
    }


def readiness(system: System) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """For each item of the minimum snapshot, the sources that would give it. Empty means: tomorrow's gap."""
    return tuple(
        (item, tuple(each.id for each in system.sources if item in each.provides))
        if item != "levers"
        else (item, tuple(lever.id for lever in system.levers))
        for item in MINIMUM_SNAPSHOT
    )


def ready_percent(system: System) -> int:
    """How much of the minimum snapshot something would give, in whole percent, rounded down."""
    given = [bool(sources) for _, sources in readiness(system)]
    return 100 * sum(given) // len(given)


LOOK_BACK = timedelta(minutes=15)
LONGEST_LOOK_BACK = timedelta(days=7)


class Scope(Model):
    """What a source is asked for: what the alarms are about, and this span of time."""

    incident: Id
    request_ids: tuple[str, ...] = ()
    trace_ids: tuple[str, ...] = ()
    tenants: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    queries: tuple[str, ...] = ()
    since: Time
    until: Time
    labels: dict[str, str] = Field(default_factory=dict)


def in_scope(incident: str, alarms: Sequence[Alarm], now: datetime) -> Scope:
    """All that the alarms are about, from a while before the first of them until now.

    An alarm's time comes from a clock that may be off, or is none at all (the year 1): the span never ends before it
    begins, and never goes back further than `LONGEST_LOOK_BACK`.
    """
    began = min([now, *(alarm.started_at for alarm in alarms)])
    subjects = {
        what: tuple(dict.fromkeys(each for alarm in alarms for each in getattr(alarm, what)))
        for what in SUBJECTS
    }
    since = max(began, now - LONGEST_LOOK_BACK) - LOOK_BACK
    return Scope.model_validate({"incident": incident, "since": since, "until": now, **subjects})
