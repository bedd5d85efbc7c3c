"""Every act, as an update and as a signal: one validation, refusals on the record, bad input that harms nothing."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from temporalio.client import WorkflowUpdateFailedError

from firestation import acts
from firestation.alarm import Alarms
from firestation.authority import Role
from firestation.firebreak import Lease
from firestation.picture import Picture
from firestation.severity import Severity
from firestation.state import Phase
from tests.property.worlds import alarm
from tests.workflows.stage import STORY, Stage, firebreak, live, stands
from workflows import messages

NOWHERE = "f" * 64
NEXT_YEAR = datetime.now(UTC) + timedelta(days=365)
REFUSED_AT_ONCE: list[acts.Act] = [
    acts.Acknowledge(by="dan"),
    acts.Declare(by="ben", severity=Severity.SEV1, reason="it is bad"),
    acts.Assess(by="dan", harm=3, reason="an auditor says how bad it is"),
    acts.Propose(by="ana", step="flood-the-building"),
    acts.Approve(by="ana", action=NOWHERE),
    acts.Refuse(by="ana", action=NOWHERE, reason="no"),
    acts.Note(by="dan", text="an auditor writes"),
    acts.Establish(by="ana", entry=7, reason="no such note"),
    acts.Update(by="dan", audience="public", known="something"),
    acts.Release(by="ana", word=NOWHERE),
    acts.Withhold(by="ana", word=NOWHERE, reason="no"),
    acts.Handover(by="ben", to="ana"),
    acts.Accept(by="ben"),
    acts.Decline(by="ben", reason="no"),
    acts.Renounce(by="ben", reason="no"),
    acts.Lift(by="ana", action=NOWHERE, reason="no"),
    acts.Adopt(by="ana", action=NOWHERE, reason="no"),
    acts.Extend(by="ana", action=NOWHERE, reason="no"),
    acts.Stop(by="ben", reason="no"),
    acts.Switch(by="ben", to="other", reason="no"),
    acts.Confirm(by="ana", step="nowhere"),
    acts.Waive(by="ben", what="lock", reason="no"),
    acts.Attest(by="ana", change="we look twice", reference="handbook 4.2", verify_by=NEXT_YEAR),
    acts.Second(by="ben", reason="nothing waits"),
    acts.Categorize(by="ana", category="bad-weather", reason="no"),
    acts.Withdraw(by="ana", category="serious-incident", reason="no"),
    acts.Inform(by="ana", clock="gdpr-33", reference="no"),
    acts.Prove(by="ben"),
    acts.Dismiss(by="ben", reason="no"),
    acts.Merge(by="ben", into="other-ffffffff", reason="no"),
    acts.Close(by="ana"),
]
"""One act of each kind that nobody may do in an incident that ana has just taken."""


def refusals(seen: Picture) -> list[str]:
    return [moment.text for moment in seen.timeline if moment.kind == "turned-away"]


def has_refusals(count: int, seen: Picture) -> bool:
    return len(refusals(seen)) == count


async def test_every_act_is_refused_alike_as_an_update_and_as_a_signal(stage: Stage) -> None:
    assert {act.kind for act in REFUSED_AT_ONCE} == set(acts.ACTS)
    await live(stage, until=Phase.OPEN)
    await stage.do(acts.Acknowledge(by="ana"))
    for number, act in enumerate(REFUSED_AT_ONCE):
        answer = await stage.act(act)
        assert not answer.accepted, act
        assert answer.missing, act
        assert answer.missing in refusals(await stage.picture())[-1]
        await stage.handle.signal(act.kind, act)
        seen = await stage.until("the refusal", partial(has_refusals, 2 * (number + 1)))
        assert len(set(refusals(seen)[-2:])) == 1
        assert act.by in refusals(seen)[-1]
    await stage.proved()


async def test_a_whole_incident_by_signals_alone(stage: Stage) -> None:
    async def say(act: acts.Act) -> None:
        await stage.handle.signal(act.kind, act)

    await live(stage, until=Phase.OPEN)
    await say(acts.Acknowledge(by="ana"))
    await say(acts.Acknowledge(by="ben", role=Role.SCRIBE))
    await say(acts.Declare(by="ana", severity=Severity.SEV2, reason="wrong refunds leave"))
    await say(acts.Note(by="ana", text="the reranker is off", standing="fact", cause=True))
    await say(acts.Update(by="cara", audience="public", known="refunds are slower today"))
    await say(acts.Handover(by="ana", to="ben"))
    await say(acts.Accept(by="ben"))
    seen = await stage.until("the proposal", stands("reranker", Lease.PROPOSED))
    wanted = firebreak(seen, "reranker")
    assert wanted is not None
    await say(acts.Refuse(by="ben", action=wanted.digest, reason="not yet"))
    await say(acts.Propose(by="ben", step="reranker-on"))
    seen = await stage.until("a new proposal", stands("reranker", Lease.PROPOSED))
    wanted = firebreak(seen, "reranker")
    assert wanted is not None
    await say(acts.Approve(by="ana", action=wanted.digest))
    await say(acts.Approve(by="ben", action=wanted.digest))
    await STORY[Phase.RESTORED](stage)
    seen = await stage.picture()
    for lever, act in (("reranker", acts.Adopt), ("tool", acts.Lift)):
        found = firebreak(seen, lever)
        assert found is not None
        await say(act(by="ben", action=found.digest, reason="it is right again"))
    await stage.until("the lock", lambda seen: seen.lock_proved)
    await say(acts.Prove(by="ben"))
    await stage.until(
        "the second proof", lambda seen: [m.kind for m in seen.timeline].count("lock-tried") == 2
    )
    await stage.until("the draft", lambda seen: not any("drafted" in each.what for each in seen.waiting))
    await say(acts.Close(by="ben"))
    assert (await stage.ended()).outcome is Phase.CLOSED
    await stage.proved()


BAD_ARGUMENTS: list[Any] = [
    None,
    "ana",
    42,
    [],
    {},
    {"by": "ana"},
    {"by": "ana", "text": ""},
    {"by": "ana", "text": "x", "surprise": True},
    {"by": "not an id!", "text": "x"},
    {"by": "ana", "text": "x" * 100_000},
    {"by": "ana", "text": "x", "standing": "rumour"},
    {"kind": "close", "by": "ana", "text": "x"},
]


async def test_bad_input_is_answered_and_harms_nothing(stage: Stage) -> None:
    """No workflow task may fail on what somebody sends: `proved` looks at every task of the history."""
    await live(stage, until=Phase.OPEN)
    for bad in BAD_ARGUMENTS:
        with pytest.raises(WorkflowUpdateFailedError):
            await stage.handle.execute_update("note", bad)
        await stage.handle.signal("note", bad)
    with pytest.raises(WorkflowUpdateFailedError):
        await stage.handle.execute_update("set-fire", {"by": "ana"})
    await stage.handle.signal("set-fire", {"by": "ana"})
    await stage.handle.signal("note")
    await stage.handle.signal("note", args=[{"by": "ana", "text": "x"}, {"by": "ana", "text": "y"}])
    await stage.handle.signal("note", b"no JSON")
    await stage.handle.signal(messages.TURN_PAGE, {"why": "not"})
    with pytest.raises(WorkflowUpdateFailedError):
        await stage.handle.execute_update(messages.RING, {"name": "no alarm"})
    await stage.do(acts.Note(by="ana", text="still here"))
    assert [entry.text for entry in (await stage.picture()).entries] == ["still here"]
    await stage.proved()


async def test_a_credential_never_enters_the_history_through_an_update(stage: Stage) -> None:
    await live(stage, until=Phase.OPEN)
    secret = "sk-proj-" + "A1b2C3d4" * 5
    with pytest.raises(WorkflowUpdateFailedError):
        await stage.handle.execute_update("note", acts.Note(by="ana", text=f"the key is {secret}"))
    ringing = alarm(key="k9").changed(summary=f"401 with key {secret}")
    with pytest.raises(WorkflowUpdateFailedError):
        await stage.handle.execute_update(messages.RING, Alarms(alarms=(ringing,)))
    history = (await stage.handle.fetch_history()).to_json()
    assert secret not in history
    # A signal is in the history before we see it; what we can do is keep it off the record and off every board.
    await stage.handle.signal("note", acts.Note(by="ana", text=f"the key is {secret}"))
    await stage.do(acts.Note(by="ana", text="afterwards"))
    seen = await stage.picture()
    assert [entry.text for entry in seen.entries] == ["afterwards"]
    assert secret not in seen.model_dump_json()


async def test_whoever_acts_after_the_end_is_told_so(stage: Stage) -> None:
    stage.brief = stage.brief.changed(runbook=stage.brief.runbook.changed(firebreaks=()))
    await live(stage, until=Phase.OPEN)
    await stage.do(acts.Acknowledge(by="ana"))
    await stage.do(acts.Dismiss(by="ana", reason="no fire"))
    await stage.ended()
    with pytest.raises(Exception, match=r"already completed|not found"):
        await stage.act(acts.Note(by="ana", text="too late"))
