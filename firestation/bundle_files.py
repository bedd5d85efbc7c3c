"""The files of a bundle that follow from the histories alone: whoever has these can make them again, and compare.

Nothing here reads a clock, a store or a key.
"""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError

from firestation import record
from firestation.acts import Approve, Refuse
from firestation.after_action import LockProof
from firestation.allowed_signers import AllowedSigner, write_allowed_signers
from firestation.bundle import (
    ALTERNATIVES,
    ARTIFACTS,
    CODE,
    DECISIONS,
    OPEN,
    PINNED,
    RECORD,
    SIGNERS,
    ChainPart,
    Contents,
    Counts,
    RunPart,
    run_file,
)
from firestation.bundle_record import Judged, Numbered, judge, write_record
from firestation.decision import Signed
from firestation.errors import InvalidInput
from firestation.evidence import ArtifactRef, Collected, Sealed, complaint
from firestation.history import Run, children, read_run, workers
from firestation.model import Model

History = dict[str, Any]

ANSWERS: dict[str, TypeAdapter[Any]] = {
    "collect": TypeAdapter(Collected),
    "seal": TypeAdapter(Sealed),
    "keep": TypeAdapter(ArtifactRef),
    "draft": TypeAdapter(ArtifactRef),
    "prove_lock": TypeAdapter(LockProof),
}
"""The activities whose answers name artifacts, and what they answer. Only these are believed: what comes from outside
could name the artifacts of another incident."""


class Decision(NamedTuple):
    """A signed decision: the entry of the record that brought it, and its file; the signature is in `file`.sig."""

    entry: Numbered
    act: Approve | Refuse
    signed: Signed
    file: str


class Derived(NamedTuple):
    """All that follows from the histories of one incident and its children."""

    judged: Judged
    chains: tuple[ChainPart, ...]
    seals: tuple[Sealed, ...]
    artifacts: tuple[ArtifactRef, ...]
    decisions: tuple[Decision, ...]
    files: dict[str, bytes]

    @property
    def incident(self) -> str:
        """The incident's id."""
        return self.judged.report.incident

    @property
    def signers(self) -> tuple[AllowedSigner, ...]:
        """Whose keys counted, as pinned."""
        return tuple(each for person in self.judged.incident.brief.roster.people for each in person.signers)

    @property
    def builds(self) -> tuple[str, ...]:
        """The builds of the workers that ran the incident, in their order."""
        told = json.loads(self.files[CODE])
        found = [each["build"] for chain in told for run in chain["runs"] for each in run["workers"]]
        return tuple(dict.fromkeys(found))


def derive(family: list[list[History]]) -> Derived:
    """What follows from these chains, of which the first is the incident's. Raises `InvalidInput` as the audit does."""
    judged = judge(family[0])
    runs = [[read_run(history) for history in chain] for chain in family]
    happened = [each.event for each in judged.record]
    seals = tuple(each.sealed for each in happened if isinstance(each, record.SealedUp | record.Supplemented))
    artifacts = _artifacts([run for chain in runs for run in chain], _complaints(judged.record))
    decisions = tuple(_decisions(judged.record))
    found = Derived(judged, tuple(_chains(family, runs)), seals, artifacts, decisions, {})
    files = {
        RECORD: write_record(found.incident, judged.record),
        CODE: _json([_code(history) for history in family]),
        SIGNERS: write_allowed_signers(dict.fromkeys(found.signers)).encode(),
        ARTIFACTS: _json([each.model_dump(mode="json") for each in artifacts]),
        **dict(_pinned(judged.opened.brief)),
        **{each.file: each.signed.decision.encode() for each in decisions},
        **{f"{each.file}.sig": each.signed.signature.encode() for each in decisions},
    }
    for number, chain in enumerate(family, start=1):
        files |= {run_file(number, index): write_history(run) for index, run in enumerate(chain, start=1)}
    return found._replace(files=files)


def contents(found: Derived, made_by: str, *, digests_only: bool) -> Contents:
    """What the statement says of it, but for what is absent."""
    report, last = found.judged.report, found.chains[0].runs[-1]
    over = last.ended is not None
    told = f"ended: {report.phase}" if over else f"{OPEN} at event {last.last_event} of run {last.run}"
    runs = [run for chain in found.chains for run in chain.runs]
    drill = found.judged.incident.brief.drill
    acted = [each.event.act for each in found.judged.record if isinstance(each.event, record.Acted)]
    return Contents(
        incident=found.incident,
        run=found.chains[0].runs[0].run,
        phase=str(report.phase),
        standing=told,
        edition=found.judged.incident.brief.edition,
        chains=found.chains,
        counts=Counts(
            runs=len(runs),
            events=sum(run.last_event for run in runs),
            record=len(found.judged.record),
            refused=sum(isinstance(each.event, record.TurnedAway) for each in found.judged.record),
            manifests=len(found.seals),
            artifacts=len(found.artifacts),
            decisions=sum(isinstance(act, Approve | Refuse) for act in acted),
            signed=len(found.decisions),
        ),
        digests_only=digests_only,
        absent=(),
        made_by=made_by,
        drill=drill.drill if drill else None,
    )


def write_history(history: History) -> bytes:
    """The one form of a history's file: JSON as Temporal's tools read it, keys in order."""
    return f"{json.dumps(history, indent=1, sort_keys=True, ensure_ascii=False)}\n".encode()


def _json(value: Any) -> bytes:
    return f"{json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False)}\n".encode()


def _chains(family: list[list[History]], runs: list[list[Run]]) -> Iterator[ChainPart]:
    parents = {
        child.run: f"{run.run_id} by event {child.event_id}"
        for chain, read in zip(family, runs, strict=True)
        for history, run in zip(chain, read, strict=True)
        for child in children(history)
    }
    names = {
        child.run: child.workflow for chain in family for history in chain for child in children(history)
    }
    for number, (chain, read) in enumerate(zip(family, runs, strict=True), start=1):
        began = chain[0]["events"][0]["workflowExecutionStartedEventAttributes"]
        first = read[0].run_id
        incident = ((read[0].start or {}).get("brief") or {}).get("incident") if number == 1 else None
        yield ChainPart(
            workflow=incident or names.get(first) or str(began.get("workflowId") or "unknown"),
            type=began["workflowType"]["name"],
            started_by=parents.get(first),
            runs=tuple(
                RunPart(
                    run=run.run_id,
                    file=run_file(number, index),
                    first_event=1,
                    last_event=run.events,
                    ended=run.ended,
                    continued_to=run.next_run_id,
                )
                for index, run in enumerate(read, start=1)
            ),
        )


def _complaints(entries: tuple[Numbered, ...]) -> Iterator[ArtifactRef]:
    """What people attached to the alarms on the record: of that the gateway lets in only what it has itself kept."""
    for event in (entry.event for entry in entries):
        if isinstance(event, record.Rang):
            yield from (complaint(each, event.at) for each in event.alarm.attachments)


def _artifacts(runs: list[Run], complaints: Iterator[ArtifactRef]) -> tuple[ArtifactRef, ...]:
    """Every artifact that an activity of ours, or a person by the gateway, has put into the store: once, by its digest.

    Raises `InvalidInput` when an answer is none.
    """
    found = dict[str, ArtifactRef]()
    for step in (step for run in runs for step in run.steps):
        if step.kind == "done" and step.name in ANSWERS:
            try:
                answer = ANSWERS[step.name].validate_python(step.answer)
            except ValidationError as error:
                problem = f"the answer of {step.name} at event {step.event_id} cannot be read: {error}"[:500]
                raise InvalidInput("history", problem, "Export the incident again") from None
            for each in refs(answer):
                found.setdefault(each.digest, each)
    for each in complaints:
        found.setdefault(each.digest, each)
    return tuple(found[digest] for digest in sorted(found))


def refs(value: Any) -> Iterator[ArtifactRef]:
    """Every artifact that stands anywhere in a value of ours."""
    if isinstance(value, ArtifactRef):
        yield value
    elif isinstance(value, Model):
        for name in type(value).model_fields:
            yield from refs(getattr(value, name))
    elif isinstance(value, tuple):
        for each in value:
            yield from refs(each)


def _decisions(entries: tuple[Numbered, ...]) -> Iterator[Decision]:
    for entry in entries:
        act = entry.event.act if isinstance(entry.event, record.Acted) else None
        if isinstance(act, Approve | Refuse) and act.signed:
            yield Decision(entry, act, act.signed, f"{DECISIONS}{entry.number:05}-{act.kind}-{act.by}")


def _pinned(brief: record.Brief) -> Iterator[tuple[str, bytes]]:
    """What the incident was opened with, in canonical form: the digests in the manifest are those of these files."""
    yield f"{PINNED}runbook.json", brief.runbook.canonical()
    yield f"{PINNED}system.json", brief.system.canonical()
    yield f"{PINNED}roster.json", brief.roster.canonical()
    for other in brief.alternatives:
        yield f"{ALTERNATIVES}{other.runbook}.json", other.canonical()
    if brief.clocks:
        yield f"{PINNED}clocks.json", _json([each.model_dump(mode="json") for each in brief.clocks])


def _code(chain: list[History]) -> dict[str, Any]:
    """Which workers completed the tasks of a chain, and which code they said that they ran."""
    began = chain[0]["events"][0]["workflowExecutionStartedEventAttributes"]
    return {
        "type": began["workflowType"]["name"],
        "runs": [
            {
                "run": run["events"][0]["workflowExecutionStartedEventAttributes"]["originalExecutionRunId"],
                "workers": [each._asdict() for each in workers(run)],
            }
            for run in chain
        ],
    }
