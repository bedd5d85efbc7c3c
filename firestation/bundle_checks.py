"""The checks of a bundle one by one: each gives what is broken, and nothing when it holds."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

from firestation import custody, signing
from firestation.allowed_signers import AllowedSigner
from firestation.archive import Archive
from firestation.bundle import (
    ALTERNATIVES,
    BLOBS,
    CODE,
    DECISIONS,
    EVIDENCE,
    HISTORIES,
    MOST_BYTES,
    OPEN,
    PINNED,
    README,
    RECORD,
    SIGNERS,
    STATEMENT,
    STATION_KEY,
    Contents,
)
from firestation.bundle_files import Derived, History
from firestation.bundle_make import seal_files
from firestation.bundle_readme import readme
from firestation.bundle_record import first_difference
from firestation.errors import FirestationError, Gone, InvalidInput
from firestation.evidence import Sealed
from firestation.history import children, disorder, read_run
from firestation.sshsig import verify
from firestation.verdict import CheckName, Found

LONGEST, LONGEST_NAME = 2000, 300


def broken(
    check: CheckName,
    what: str,
    *,
    rule: int = 0,
    title: str | None = None,
    file: str | None = None,
    run: str | None = None,
    event_id: int | None = None,
) -> Found:
    """A break of this check."""
    return Found(
        level="broken",
        check=check,
        rule=rule,
        title=title or check,
        what=what[:LONGEST],
        file=_line(file),
        run=_line(run),
        event_id=event_id,
    )


def _line(text: str | None) -> str | None:
    """A name as a finding has it; a forger's may be blank, or longer than any line."""
    return text[:LONGEST_NAME].strip() or None if text else None


def completeness(archive: Archive, said: dict[str, Any]) -> Iterator[Found]:
    """Every file is the one that was signed, none is missing, and none is there besides."""
    try:
        signed = {str(each["name"]): str(each["digest"]["sha256"]) for each in said["subject"]}
        if len(signed) != len(said["subject"]):
            raise ValueError("it names a file twice")  # noqa: TRY301 - said as the others are
    except (LookupError, TypeError, ValueError) as error:
        yield broken("completeness", f"the statement does not name its files: {error}", file=STATEMENT)
        return
    there = {name: member.digest for name, member in archive.members.items() if name != STATEMENT}
    for name in sorted(signed.keys() | there.keys()):
        if name not in there:
            yield broken("completeness", "it was signed, and is not here", file=name[:300])
        elif name not in signed:
            yield broken("completeness", "nobody has signed it", file=name)
        elif signed[name] != there[name]:
            what = f"it was altered: its digest is {there[name][:12]}, and {signed[name][:12]} was signed"
            yield broken("completeness", what, file=name)


def chain(told: Contents, family: list[list[History]]) -> Iterator[Found]:
    """Each run is whole, in order, and goes on where the one before ended; each child that was started is there."""
    try:
        yield from _chain(told, family)
    except (InvalidInput, LookupError, TypeError, ValueError, AttributeError) as error:
        what = (
            f"a history cannot be read: {error}"
            if isinstance(error, InvalidInput)
            else f"no history: {error!r}"
        )
        yield broken("chain", what)


def _chain(told: Contents, family: list[list[History]]) -> Iterator[Found]:
    files = [[part.file for part in each.runs] for each in told.chains]
    wanted: list[str | None] = [told.run]
    for number, (histories, names) in enumerate(zip(family, files, strict=True)):
        if number >= len(wanted):
            yield broken("chain", "no run here has started this workflow", file=names[0])
            continue
        first = wanted[number]
        yield from _runs(told, histories, names, first, incident=number == 0)
        wanted += [child.run for history in histories for child in children(history)]
    for missing in wanted[len(family) :]:
        yield broken("chain", f"the workflow that began with the run {missing} is missing")


def _runs(
    told: Contents, histories: list[History], names: list[str], first: str | None, *, incident: bool
) -> Iterator[Found]:
    """One chain: it begins with the run `first`, and goes on to its end."""
    runs = []
    for history, name in zip(histories, names, strict=True):
        try:
            runs.append(read_run(history))
        except InvalidInput as error:
            yield broken("chain", str(error), file=name, run=_run_of(history), event_id=_place(error))
            return
        for event_id, what in disorder(history):
            yield broken("chain", what, file=name, run=_run_of(history), event_id=event_id)
    if runs[0].run_id != first or runs[0].first_run_id != first:
        what = f"it begins with the run {runs[0].run_id}, and the first one is {first}"
        yield broken("chain", what, file=names[0], run=runs[0].run_id)
    for (run, following), name in zip(pairwise(runs), names[1:], strict=True):
        if run.next_run_id != following.run_id:
            what = f"the run before goes on as {run.next_run_id or 'nothing'}, and this is {following.run_id}"
            yield broken("chain", what, file=name, run=following.run_id)
    if runs[-1].next_run_id:
        yield broken("chain", f"the run {runs[-1].next_run_id} is missing at the end", file=names[-1])
    for run, name in zip(runs, names, strict=True):
        whose = ((run.start or {}).get("brief") or {}).get("incident") if incident else None
        if incident and whose != told.incident:
            what = f"this run is of the incident {str(whose)[:80]!r}, and the bundle of {told.incident!r}"
            yield broken("chain", what, file=name, run=run.run_id, event_id=1)


def _run_of(history: History) -> str | None:
    try:
        started = history["events"][0]["workflowExecutionStartedEventAttributes"]
        return str(started["originalExecutionRunId"])
    except (LookupError, TypeError):
        return None


def _place(error: InvalidInput) -> int | None:
    """The event that an error of a history is about: `events[40].eventId` is where the 41st should be."""
    digits = error.field.partition("[")[2].partition("]")[0]
    return int(digits) + 1 if digits.isdigit() else None


def enclosed(
    archive: Archive, told: Contents, found: Derived, signer: signing.PublicKey, verified_by: str
) -> Iterator[Found]:
    """The key beside the statement is the one that signed it, and what a person reads first, and types, is ours."""
    if told.made_by == verified_by and not _is(archive, README, readme(found, told)):
        yield broken("record", "it is not what an export writes here: do not type what it says", file=README)
    if not _is(archive, STATION_KEY, signing.public_pem(signer)):
        yield broken("record", "it is another key than the one that signed the statement", file=STATION_KEY)


def _is(archive: Archive, name: str, content: bytes) -> bool:
    member = archive.members.get(name)
    return member is not None and member.digest == hashlib.sha256(content).hexdigest()


def record(
    archive: Archive, told: Contents, found: Derived, make: Callable[..., Contents]
) -> Iterator[Found]:
    """Record, counts and every other file that follows from the histories is what the bundle says."""
    yield from _counts(told, make(found, told.made_by, digests_only=told.digests_only))
    written = archive.read(RECORD, MOST_BYTES) if RECORD in archive.members else b""
    different = first_difference(written, told.incident, found.judged.record)
    if different:
        what, entry = different
        run, event_id = (entry.run, entry.event_id) if entry else (None, None)
        yield broken("record", what, file=RECORD, run=run, event_id=event_id)
    for name, content in sorted(found.files.items()):
        if name == RECORD or name.startswith(HISTORIES):
            continue
        if name not in archive.members:
            yield broken("record", "it follows from the histories, and is not here", file=name)
        elif archive.members[name].digest != hashlib.sha256(content).hexdigest():
            yield broken("record", f"it is not what follows from the histories: {_about(name)}", file=name)
    known = {*found.files, *seal_files(found), README, STATEMENT, STATION_KEY}
    known |= {f"{BLOBS}{each.digest}" for each in found.artifacts}
    for name in archive.members.keys() - known:
        yield broken("record", "nothing in the histories calls for this file", file=name)


ABOUT = {
    SIGNERS: "the keys are not those that the incident was opened with",
    CODE: "the workers are not those that the histories name",
    ALTERNATIVES: "the incident was opened with another runbook",
    f"{PINNED}runbook": "the incident was opened with another runbook",
    f"{PINNED}roster": "the incident was opened with other people",
    PINNED: "the incident was opened with something else",
    DECISIONS: "another decision stands on the record",
    EVIDENCE: "the histories name other artifacts",
}


def _about(name: str) -> str:
    return next(text for start, text in ABOUT.items() if name.startswith(start))


def _counts(told: Contents, made: Contents) -> Iterator[Found]:
    """The predicate, field by field. What is absent only the station knew."""
    said, true = told.model_dump(mode="json"), made.model_dump(mode="json")
    for field, value in true.items():
        if field != "absent" and said[field] != value:
            where, theirs, ours = _deepest(field, said[field], value)
            what = f"the statement says {where} {json.dumps(theirs)[:300]}, and the histories {json.dumps(ours)[:300]}"
            yield broken("record", what, file=STATEMENT)


def _deepest(where: str, theirs: Any, ours: Any) -> tuple[str, Any, Any]:
    """The first place at which two values differ."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        key = next(key for key in ours if theirs.get(key) != ours[key])
        return _deepest(f"{where}.{key}", theirs.get(key), ours[key])
    if isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        index = next(index for index, pair in enumerate(zip(theirs, ours, strict=True)) if pair[0] != pair[1])
        return _deepest(f"{where}[{index}]", theirs[index], ours[index])
    return where, theirs, ours


def evidence(
    archive: Archive, told: Contents, found: Derived, keys: Sequence[signing.PublicKey]
) -> Iterator[Found]:
    """The manifests are signed, and are this incident's; every artifact is the one that was frozen."""
    places = {digest: name for name, digest in seal_files(found).items()}

    def read(digest: str) -> Iterator[bytes]:
        name = places.get(digest, f"{BLOBS}{digest}")
        if name not in archive.members:
            raise Gone(f"{name} is not in the bundle")
        return archive.pieces(name)

    for seal in found.seals:
        try:
            for _ in custody.vouch(seal, read, keys):
                pass
            yield from _whose(custody.manifest(seal, read, keys), seal, told, found)
        except InvalidInput as error:
            yield broken("evidence", str(error), file=places[seal.envelope])
    yield from _artifacts(archive, told, found, read)


def _artifacts(archive: Archive, told: Contents, found: Derived, read: custody.Read) -> Iterator[Found]:
    absent = {each.digest: each for each in told.absent}
    for artifact in found.artifacts:
        name = f"{BLOBS}{artifact.digest}"
        gone = absent.get(artifact.digest)
        if gone:
            what = f"{gone.name}: the station could not give it any more: {gone.why}"
            yield broken("evidence", what, file=name)
        if told.digests_only or gone:
            if name in archive.members:
                yield broken("evidence", "the statement says that it is not here", file=name)
            continue
        try:
            custody.weigh(artifact, read)
        except FirestationError as error:
            yield broken("evidence", str(error), file=name)


def _whose(statement: dict[str, Any], seal: Sealed, told: Contents, found: Derived) -> Iterator[Found]:
    """Whether a manifest is of this incident, and of what it was opened with."""
    said = statement.get("predicate") or {}
    brief = found.judged.opened.brief
    runbooks = {each.sha256() for each in brief.runbooks}
    wrong = [
        name
        for name, holds in (
            ("incident", said.get("incident") == told.incident),
            ("run", said.get("run") == told.run),
            ("system", said.get("system_digest") == brief.system.sha256()),
            ("runbook", said.get("runbook_digest") in runbooks),
        )
        if not holds
    ]
    if wrong:
        what = f"the manifest {seal.manifest[:12]} was sealed for another {' and '.join(wrong)}"
        yield broken("evidence", what, file=f"{EVIDENCE}manifest.json")


def decisions(found: Derived, known: Sequence[AllowedSigner] | None) -> Iterator[Found]:
    """Every signed decision verifies again: these bytes, by this person, with a key that was theirs then.

    The keys are those that were pinned, and with `known` those that the verifier has from elsewhere as well.
    """
    for each in found.decisions:
        entry = each.entry
        try:
            signed = each.signed.decision.encode()
            signer = verify(each.signed.signature, signed, found.signers, at=entry.event.at)
            if known is not None:
                verify(each.signed.signature, signed, known, at=entry.event.at)
            if signer.person != each.act.by:
                raise InvalidInput("decision", f"it is {signer.person}'s", "Only their own word counts")  # noqa: TRY301
        except InvalidInput as error:
            what = f"the signature of {each.act.by} does not hold: {error}"
            yield broken("decisions", what, file=each.file, run=entry.run, event_id=entry.event_id)


def rules(found: Derived) -> Iterator[Found]:
    """What the audit found: breaks, and what was broken and stands on the record."""
    for each in found.judged.report.findings:
        yield Found(
            level=each.level,
            check="rules",
            rule=each.rule,
            title=each.title,
            what=each.what[:LONGEST],
            run=each.run,
            event_id=each.event_id,
        )


def unchecked(told: Contents, found: Derived) -> Iterator[str]:
    """What nobody can check here, in words."""
    if told.standing.startswith(OPEN):
        yield f"What comes after: the incident is {told.standing}."
    for each in told.chains[1:]:
        end = "has ended" if each.runs[-1].ended else f"goes on after event {each.runs[-1].last_event}"
        yield f"The rules over {each.workflow} ({each.type}), which {end}: they speak of the incident itself."
    if told.digests_only and told.counts.artifacts:
        yield f"The {told.counts.artifacts} artifacts: they are named by their digests, and not enclosed."
    closed = [each for each in found.artifacts if each.encryption]
    if closed and not told.digests_only:
        yield f"What is in {len(closed)} artifacts that are encrypted: only whoever has a key can look."
    if told.counts.decisions > told.counts.signed:
        rest = told.counts.decisions - told.counts.signed
        yield f"Who made {rest} of {told.counts.decisions} decisions: unsigned, the station's word stands for them."
