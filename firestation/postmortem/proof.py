"""What everything else is linked to: the evidence by its digests, the legal clocks, and every event with its number."""

from collections.abc import Iterator

from firestation import record
from firestation.evidence import ArtifactRef, Sealed
from firestation.legal_course import standing
from firestation.postmortem.story import QUIET, gap_line, kept_by
from firestation.postmortem.trail import Trail, bullet, clock, digest_link, kind_of, plain
from firestation.state import Incident
from firestation.timeline import sentences

SHORT = 160


def legal(incident: Incident, trail: Trail) -> Iterator[str]:
    """How each legal clock stands."""
    for run in incident.legal:
        starts = trail.at(run.started_at, "act:categorize", "act:declare")
        ours = trail.find("reminded", "overdue", clock=run.clock.id, cause=run.cause)
        told = trail.find("act:inform", clock=run.clock.id)
        yield bullet(f"{plain(standing(run), 2000)}.", (*starts, *ours, *told))


def evidence(incident: Incident, trail: Trail) -> Iterator[str]:
    """Everything that is kept under a digest, each with its target; and the gaps."""
    if incident.sealed is None:
        yield bullet("No manifest was sealed.", ())
    named: set[str] = set()
    for number, event in trail.numbered("sealed", "supplemented"):
        assert isinstance(event, record.SealedUp | record.Supplemented)
        yield from _seal(event.sealed, number, named)
    for number, event in trail.numbered("lock-tried", "drafted"):
        if isinstance(event, record.LockTried):
            proof = event.proof
            found = (proof.lock, proof.report, *((proof.statement,) if proof.statement else ()))
            yield from (_artifact(each, number, named) for each in found if each.digest not in named)
            if proof.evidence not in named:
                yield _target("what the lock was run on", proof.evidence, number, named)
        elif isinstance(event, record.Drafted) and event.artifact.digest not in named:
            yield _artifact(event.artifact, number, named)


def _seal(sealed: Sealed, number: int, named: set[str]) -> Iterator[str]:
    what = "Supplement" if sealed.supplements else "Manifest"
    for name, digest in ((what, sealed.manifest), ("Envelope", sealed.envelope)):
        if digest not in named:
            yield _target(name, digest, number, named)
    for each in sealed.artifacts:
        if each.digest not in named:
            yield _artifact(each, number, named)
    for gap in sealed.gaps:
        yield bullet(gap_line(gap), (number,))


def _artifact(each: ArtifactRef, number: int, named: set[str]) -> str:
    return _target(f"{each.source}: {plain(each.name)} ({each.size} bytes)", each.digest, number, named)


def _target(name: str, digest: str, number: int, named: set[str]) -> str:
    named.add(digest)
    return bullet(f'<a id="a-{digest}"></a>{name} {digest}', (number,))


def events(incident: Incident, trail: Trail) -> Iterator[str]:
    """Every event of the record with its number, which is what the links lead to."""
    del incident
    for number, (event, text) in enumerate(sentences(trail.events), start=1):
        said = f": {plain(text, SHORT)}" if event.kind in QUIET else ""
        digests = "".join(f" {digest_link(each)}" for each in kept_by(event))
        yield f'- <a id="e{number}"></a>[{number}](#e{number}) {clock(event.at)} {kind_of(event)}{said}{digests}'
