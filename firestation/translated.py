"""What each activity of a history is in the record: which event its answer makes, and which its failure."""

from collections.abc import Callable

from firestation import orders, proofs, record
from firestation.after_action import LockProof, SoakReport, Ticket
from firestation.board import Receipt
from firestation.due import settled
from firestation.evidence import ArtifactRef, LeverState, Sealed
from firestation.firebreak import MoveOutcome, Reading
from firestation.history import Step
from firestation.incident import awaits_probe, awaits_soak, believed
from firestation.leases import leased, reading
from firestation.public_page.part import public_words, reference
from firestation.record import Event
from firestation.rules import objections
from firestation.state import Incident
from firestation.wall import Hanging, Recall

Translate = Callable[[Step, Incident], Event | None]


def _measured(step: Step, incident: Incident) -> Event | None:
    if incident.ended:
        return None
    return record.Measured(at=step.at, reading=Reading.model_validate(step.answer))


def _not_measured(step: Step, incident: Incident) -> Event | None:
    if incident.ended:
        return None
    check = orders.MeasureOrder.model_validate(step.given).check.id
    return record.Measured(at=step.at, reading=_no_reading(check, step))


def _read(step: Step, incident: Incident) -> Event | None:
    del incident
    order = orders.ReadOrder.model_validate(step.given)
    if order.purpose == "snapshot":
        return None
    position = LeverState.model_validate(step.answer).position if step.kind == "done" else None
    return reading(step.at, order, position)


def _moved(step: Step, incident: Incident) -> Event | None:
    order = orders.LeverOrder.model_validate(step.given).order
    if step.kind == "done":
        outcome = MoveOutcome.model_validate(step.answer)
    else:
        outcome = MoveOutcome(result="uncertain", found=None, detail=step.answer)
    return believed(incident, record.Moved(at=step.at, order=order, outcome=outcome))


def _probed(step: Step, incident: Incident) -> Event | None:
    order = orders.ProbeOrder.model_validate(step.given)
    if not awaits_probe(incident, order.action):
        return None
    reading = (
        Reading.model_validate(step.answer) if step.kind == "done" else _no_reading(order.check.id, step)
    )
    return believed(incident, record.Probed(at=step.at, action=order.action, reading=reading))


def _soaked(step: Step, incident: Incident) -> Event | None:
    if not awaits_soak(incident):
        return None
    soaked = record.Soaked(at=step.at, report=SoakReport.model_validate(step.answer))
    # As in the workflow: what is due comes first, and may make the soak void.
    then, _ = settled(incident, step.at)
    doubts = objections(then, soaked)
    if not doubts:
        return soaked
    return record.Failed(at=step.at, step="soak", detail=str(doubts[0])) if awaits_soak(then) else None


def _not_soaked(step: Step, incident: Incident) -> Event | None:
    return record.Failed(at=step.at, step="soak", detail=step.answer) if awaits_soak(incident) else None


def _no_reading(check: str, step: Step) -> Reading:
    return Reading(check=check, verdict="inconclusive", detail=step.answer, at=step.at)


def _sent(step: Step, incident: Incident) -> Event | None:
    del incident
    order = orders.SendOrder.model_validate(step.given)
    if step.kind == "failed":
        return record.Unsent(at=step.at, message=order.message, key=order.key, detail=step.answer)
    return record.Sent(
        at=step.at, message=order.message, key=order.key, receipt=Receipt.model_validate(step.answer)
    )


def _not_drafted(step: Step, _: Incident) -> Event:
    return record.Failed(at=step.at, step="draft", detail=step.answer)


def _tried(step: Step, incident: Incident) -> Event | None:
    if proofs.overtaken(incident, orders.LockOrder.model_validate(step.given)):
        return None
    if step.kind == "failed":
        return record.Failed(at=step.at, step="lock", detail=step.answer)
    return proofs.tried(incident, step.at, LockProof.model_validate(step.answer))


def _sealed(step: Step, _: Incident) -> Event:
    sealed = Sealed.model_validate(step.answer)
    if sealed.supplements:
        return record.Supplemented(at=step.at, sealed=sealed)
    return record.SealedUp(at=step.at, sealed=sealed)


def _leased(step: Step, _: Incident) -> Event:
    order = orders.LeaseOrder.model_validate(step.given)
    answer = orders.LeaseAnswer.model_validate(step.answer)
    return leased(step.at, order, answer)


def _opened(step: Step, incident: Incident) -> Event | None:
    """A task that was still being opened when the incident ended is left to whoever follows it up."""
    if incident.ended and incident.since(4):
        return None
    if step.kind == "failed":
        return record.Failed(at=step.at, step="task", detail=step.answer)
    name = orders.TaskOrder.model_validate(step.given).task.name
    return record.TaskOpened(at=step.at, ticket=Ticket.model_validate(step.answer).changed(name=name))


def _released(step: Step, _: Incident) -> Event:
    return record.Released(at=step.at, lever=orders.ReleaseOrder.model_validate(step.given).lever)


def _drafted(step: Step, _: Incident) -> Event:
    return record.Drafted(at=step.at, artifact=ArtifactRef.model_validate(step.answer))


def _recalled(step: Step, incident: Incident) -> Event | None:
    if incident.ended:
        return None
    if step.kind == "failed":
        return record.NotRecalled(at=step.at, detail=step.answer)
    return record.Recalled(at=step.at, recall=Recall.model_validate(step.answer))


def _hung(step: Step, _: Incident) -> Event:
    if step.kind == "failed":
        return record.NotHung(at=step.at, detail=step.answer)
    return record.Hung(at=step.at, hanging=Hanging.model_validate(step.answer))


def _published(step: Step, incident: Incident) -> None:
    """No event: the page outside is made of the record, and nothing follows from it here.

    Raises `ValueError` when something was let out that nobody had said to the public: no live incident does that.
    """
    part = orders.PublishOrder.model_validate(step.given).part
    if incident.brief.drill:
        msg = f"the public page was told of {part.reference}, which is a drill"
        raise ValueError(msg)
    # Without their times: those here are the history's, the workflow's are those of its tasks.
    said = {(word.known, word.unknown, word.doing) for word in public_words(incident)}
    told = {(word.known, word.unknown, word.doing) for word in part.words}
    if strange := sorted(f"{known[:200]!r}" for known, _, _ in told - said):
        msg = f"the public page was told what nobody had said to the public: {', '.join(strange)}"
        raise ValueError(msg)
    if part.reference != reference(incident.id, incident.run):
        msg = f"the public page was told of {part.reference}, which is not this incident"
        raise ValueError(msg)


DONE: dict[str, Translate] = {
    "take_lease": _leased,
    "release_lease": _released,
    "measure": _measured,
    "read_lever": _read,
    "seal": _sealed,
    "move_lever": _moved,
    "probe": _probed,
    "soak": _soaked,
    "send": _sent,
    "open_task": _opened,
    "prove_lock": _tried,
    "recall_locks": _recalled,
    "hang_lock": _hung,
    "keep": _drafted,
    "draft": _drafted,
    "publish": _published,
}

FAILED: dict[str, Translate] = {
    "measure": _not_measured,
    "read_lever": _read,
    "seal": lambda step, _: record.NotSealed(at=step.at, detail=step.answer),
    "move_lever": _moved,
    "probe": _probed,
    "soak": _not_soaked,
    "send": _sent,
    "open_task": _opened,
    "prove_lock": _tried,
    "keep": _not_drafted,
    "draft": _not_drafted,
    "recall_locks": _recalled,
    "hang_lock": _hung,
    "publish": _published,
}
