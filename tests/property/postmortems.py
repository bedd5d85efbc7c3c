"""Incidents to write postmortems of. `python -m tests.property.postmortems` writes the golden example anew."""

from datetime import timedelta
from pathlib import Path

from firestation import acts, record
from firestation.evidence import Gap
from firestation.postmortem import draft
from firestation.severity import Severity
from firestation.state import Phase
from tests.property.worlds import World, alarm, artifact, move_forward

GOLDEN = Path(__file__).with_name("golden") / "postmortem.md"
HOSTILE = (
    "see http://evil.example <script>x</script> | **no** `x` [a](b) www.evil.example\n# \u202eonly\x1b[2J a@b"
)
GAPS = (
    Gap(item="memory", reason="forbidden", detail="403 of the store", source="traces"),
    Gap(item="human-review", reason="not-configured", detail="no source gave human-review samples"),
)
FROZEN = {"prompts": "1", "retrieval": "2", "model-route": "3", "control-sample": "4"}


def seal(world: World) -> None:
    """Freeze what a real system has, with gaps."""
    world.seal()
    sealed = world.record[-1] if isinstance(world.record[-1], record.SealedUp) else None
    index = next(i for i, each in enumerate(world.record) if isinstance(each, record.SealedUp))
    found = sealed or world.record[index]
    assert isinstance(found, record.SealedUp)
    refs = tuple(
        artifact(f"{item}.json", number * 64).changed(provides=(item,)) for item, number in FROZEN.items()
    )
    evidence = found.sealed.changed(artifacts=(*found.sealed.artifacts, *refs), gaps=GAPS)
    world.record[index] = found.changed(sealed=evidence)
    assert world.incident.sealed
    world.incident = world.incident.changed(sealed=evidence)


def told() -> World:
    """The life of a refund incident as in the demo: late in one thing, refused once, its cause known, locked."""
    world = World()
    world.wait(timedelta(seconds=20))
    world.baseline()
    seal(world)
    world.happen(record.Rang(at=world.now, alarm=alarm("k2").changed(summary=HOSTILE, tenants=("acme",))))
    world.wait(timedelta(minutes=1))
    world.attempt(acts.Acknowledge(by="ana"))
    world.attempt(acts.Note(by="ben", text=f"the reranker was switched off; {HOSTILE}", standing="fact"))
    world.attempt(acts.Note(by="ben", text="the prompt was changed", standing="hypothesis"))
    world.attempt(acts.Establish(by="ana", entry=1, cause=True, reason="the log shows it"))
    world.attempt(acts.Establish(by="ana", entry=2, holds=False, reason="it fails with the old prompt too"))
    world.attempt(acts.Declare(by="ana", severity=Severity.SEV1, reason="wrong refunds leave"))
    world.attempt(acts.Close(by="ben"))
    world.attempt(acts.Handover(by="ana", to="ben"))
    world.wait(timedelta(seconds=20))
    world.attempt(acts.Accept(by="ben"))
    forward(world, Phase.CLOSED)
    world.deliver()
    return world


def forward(world: World, until: Phase) -> None:
    """As a good captain would, every twenty seconds."""
    for _ in range(60):
        if world.incident.phase is until:
            return
        world.wait(timedelta(seconds=20))
        move_forward(world)
    raise AssertionError(world.incident.phase)


def document(world: World) -> str:
    """Its postmortem."""
    return draft(world.incident, tuple(world.record))


if __name__ == "__main__":
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text(document(told()))
