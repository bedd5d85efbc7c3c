"""Rule 1 with real timing: no lever moves even one event before the seal, and a waiver loses no lever's own state."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from firestation import acts
from firestation.firebreak import Lease
from firestation.ports import Content, Stored
from firestation.testing import MemoryEvidence
from tests.workflows.stage import Stage, firebreak, real_server, staged, stands

SIGNED = b'"payloadType"'


class Pen:
    """Holds the signature back, the last thing that is written of a snapshot, until `sign` is set."""

    def __init__(self, store: MemoryEvidence) -> None:
        self.store, self.put_really = store, store.put
        self.at_hand, self.sign = asyncio.Event(), asyncio.Event()

    async def put(self, content: Content) -> Stored:
        if isinstance(content, bytes) and SIGNED in content:
            self.at_hand.set()
            await self.sign.wait()
        return await self.put_really(content)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with real_server() as environment, staged(environment, tmp_path) as stage:
        yield stage


@pytest.fixture
async def pen(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Pen:
    pen = Pen(stage.town.evidence)
    monkeypatch.setattr(stage.town.evidence, "put", pen.put)
    return pen


async def test_a_move_asked_for_one_event_before_the_seal_is_refused_by_name(stage: Stage, pen: Pen) -> None:
    await stage.ring()
    await stage.do(acts.Acknowledge(by="ana"))
    await pen.at_hand.wait()
    await stage.until("the page", lambda _: stage.town.pager.sent)
    before = len((await stage.picture()).timeline)

    answer = await stage.act(acts.Propose(by="ana", step="stop-refunds"))
    assert (answer.accepted, answer.rule, answer.title) == (False, 1, "snapshot before mutate")
    assert answer.missing == "the snapshot is not sealed yet; wait for it, or waive it by name with a reason"
    assert stage.town.tool.log == []

    pen.sign.set()
    seen = await stage.until("the tool to be stopped", stands("tool", Lease.EFFECTIVE))
    kinds = [moment.kind for moment in seen.timeline[before:]]
    assert kinds.index("sealed") < kinds.index("proposed") < kinds.index("ordered") < kinds.index("moved")
    report = await stage.proved()
    assert [each for each in report.findings if each.rule == 1] == []


async def test_a_waived_move_keeps_the_levers_own_prior_state(stage: Stage, pen: Pen) -> None:
    await stage.ring()
    await stage.do(acts.Acknowledge(by="ana"))
    await pen.at_hand.wait()
    stage.town.tool.moved_by_other(
        "enabled-for-some"
    )  # after the snapshot read it, and before anybody waives it
    await stage.do(acts.Waive(by="ana", what="snapshot", reason="wrong refunds leave every second"))
    seen = await stage.until("the tool to be stopped", stands("tool", Lease.EFFECTIVE))
    (read,) = [moment for moment in seen.timeline if moment.text == "lever tool read: enabled-for-some"]
    (ordered,) = [moment for moment in seen.timeline if moment.kind == "ordered"]
    assert seen.timeline.index(read) < seen.timeline.index(ordered)
    moved = firebreak(seen, "tool")
    assert moved is not None
    assert (moved.action.manifest, str(moved.action.origin)) == (None, "enabled-for-some")

    pen.sign.set()
    await stage.until("the seal", lambda seen: seen.sealed)
    await stage.do(acts.Lift(by="ana", action=moved.digest, reason="a false alarm"))
    await stage.until("the way back", stands("tool", Lease.LIFTED))
    assert stage.town.tool.position.value == "enabled-for-some"
    report = await stage.proved()
    assert [(each.level, each.rule) for each in report.findings if each.rule == 1] == [("on the record", 1)]
