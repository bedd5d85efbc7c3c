"""Targets that hang, lie, half-apply or answer nonsense; channels and stores that are down. Real server only."""

import dataclasses
import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from pyrage import x25519  # type: ignore[import-untyped]  # it has no types

from firestation import acts
from firestation.drivers.age import decrypt
from firestation.errors import Denied, Nonsense, Unreachable
from firestation.firebreak import Lease
from firestation.lint import dangling
from firestation.state import Phase
from tests.workflows.stage import STORY, Stage, firebreak, live, real_server, short_brief, staged, stands

FAILED = (Lease.INEFFECTIVE, Lease.UNCERTAIN)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with real_server() as environment, staged(environment, tmp_path) as stage:
        yield stage


async def approve(stage: Stage) -> None:
    seen = await stage.until("the reranker to be proposed", stands("reranker", Lease.PROPOSED))
    wanted = firebreak(seen, "reranker")
    assert wanted is not None
    for person in ("ana", "ben"):
        await stage.do(acts.Approve(by=person, action=wanted.digest))


async def test_a_lever_that_says_yes_and_does_nothing_is_not_believed(stage: Stage) -> None:
    stage.town.reranker.ignores = 2
    await live(stage)
    await stage.ended()
    assert stage.town.reranker.ignores == 0
    assert [move.to for move in stage.town.reranker.log] == ["on"]
    await stage.proved()


async def test_a_lever_that_somebody_else_moved_is_never_overwritten(stage: Stage) -> None:
    await live(stage, until=Phase.CONTAINED)
    await stage.until("the reranker to be proposed", stands("reranker", Lease.PROPOSED))
    stage.town.reranker.interlopers.append("half")
    await approve(stage)
    seen = await stage.until(
        "the captain to be asked again",
        lambda seen: sum(each.action.lever == "reranker" for each in seen.firebreaks) == 2,
    )
    again = firebreak(seen, "reranker")
    assert again is not None
    assert (again.state, again.action.origin.value) == (Lease.PROPOSED, "half")
    assert [(move.key is None, move.to) for move in stage.town.reranker.log] == [(True, "half")]
    await stage.proved()


async def test_an_answer_that_is_lost_after_the_move_moves_nothing_twice(stage: Stage) -> None:
    await live(stage, until=Phase.CONTAINED)
    await stage.until("the reranker to be proposed", stands("reranker", Lease.PROPOSED))
    stage.town.reranker.faults.after_effect = True
    stage.town.reranker.faults.unreachable(2)
    await live(stage, after=Phase.CONTAINED)
    await stage.ended()
    assert [move.to for move in stage.town.reranker.log] == ["on"]
    await stage.proved()


async def test_a_lever_that_is_forbidden_to_us_fails_and_the_house_goes_on(stage: Stage) -> None:
    await live(stage, until=Phase.CONTAINED)
    await stage.until("the reranker to be proposed", stands("reranker", Lease.PROPOSED))
    stage.town.reranker.faults.errors.extend([Denied("403 Forbidden")] * 9)
    await approve(stage)
    seen = await stage.until("the failure", stands("reranker", *FAILED))
    assert any("403" in line.text for line in seen.timeline)
    await stage.do(acts.Note(by="ana", text="we go on"))
    await stage.proved()


async def test_a_source_that_fails_becomes_a_gap_and_holds_nobody(stage: Stage) -> None:
    stage.town.traces.trouble = Nonsense("the answer is no JSON")
    await stage.ring()
    seen = await stage.until("the seal", lambda seen: seen.sealed)
    assert seen.sealed is not None
    assert {(gap.item, gap.reason) for gap in seen.sealed.gaps} >= {
        ("requests", "nonsense"),
        ("retrieval", "nonsense"),
    }
    assert seen.sealed.artifacts, "what it gave before it failed is kept"


async def test_a_store_that_is_down_holds_every_lever_until_it_is_sealed(stage: Stage) -> None:
    stage.town.evidence.faults.unreachable(8)
    await stage.ring()
    await stage.until("the seal", lambda seen: seen.sealed)
    seen = await stage.until("the pre-authorized firebreak", stands("tool", Lease.EFFECTIVE))
    kinds = [moment.kind for moment in seen.timeline]
    assert kinds.index("sealed") < kinds.index("ordered")


async def test_a_pager_that_is_down_does_not_hold_the_board(stage: Stage) -> None:
    stage.town.pager.faults.errors.extend([Denied("the pager's token was revoked")] * 9)
    await stage.ring()
    seen = await stage.until("the trouble", lambda seen: [m for m in seen.timeline if m.kind == "unsent"])
    assert any("revoked" in moment.text for moment in seen.timeline)
    await stage.until("the board", lambda _: stage.town.room.sent)
    await STORY[Phase.DECLARED](stage)


async def test_a_check_that_nobody_answers_is_no_recovery(stage: Stage) -> None:
    recovery = stage.brief.runbook.recovery.changed(soak=timedelta(seconds=12))
    stage.brief = stage.brief.changed(runbook=stage.brief.runbook.changed(recovery=recovery))
    await live(stage, until=Phase.RECOVERING)
    await stage.until("the probe", stands("reranker", Lease.EFFECTIVE))
    stage.town.golden.faults.unreachable(10_000)
    await stage.until(
        "a soak that is broken", lambda seen: any("soak broken" in m.text for m in seen.timeline)
    )
    assert (await stage.picture()).restored_at is None
    stage.town.golden.faults.errors.clear()
    await STORY[Phase.RESTORED](stage)


async def test_a_lock_that_passes_on_the_frozen_evidence_proves_nothing(stage: Stage) -> None:
    """Evidence of a healthy answer: the lock would not have caught the incident, so it does not close."""
    stage.town.traces.artifacts = tuple(
        dataclasses.replace(artifact, content=b'{"answer": {"ruling": "deny"}}')
        for artifact in stage.town.traces.artifacts
    )
    await live(stage, until=Phase.AFTER_ACTION)
    seen = await stage.until("the verdict", lambda seen: seen.lock)
    assert not seen.lock_proved
    answer = await stage.act(acts.Close(by="ana"))
    assert (answer.accepted, answer.rule) == (False, 9)
    until = (await stage.picture()).as_of + timedelta(days=7)
    await stage.do(acts.Waive(by="ana", what="lock", reason="the request cannot be replayed", until=until))
    await stage.do(acts.Second(by="ben", reason="the source has promised to keep requests"))
    await stage.do(acts.Close(by="ana"))
    await stage.ended()
    report = await stage.proved()
    assert [(each.level, each.rule) for each in report.findings if each.rule == 9] == [("on the record", 9)]


async def test_a_waived_snapshot_stands_on_the_record(stage: Stage) -> None:
    stage.town.evidence.faults.errors.extend([Unreachable("the store is down")] * 10_000)
    await stage.ring()
    await stage.do(acts.Acknowledge(by="ana"))
    assert stage.town.tool.log == []
    await stage.do(acts.Waive(by="ana", what="snapshot", reason="wrong refunds leave every second"))
    await stage.until("the tool to be stopped", stands("tool", Lease.EFFECTIVE))
    report = await stage.proved()
    assert [(each.level, each.rule) for each in report.findings if each.rule == 1] == [("on the record", 1)]


async def test_the_sandbox_guards_everything_when_nothing_is_passed_through(tmp_path: Path) -> None:
    """The modules that are passed through for speed keep the sandbox's rules too."""
    async with real_server() as environment, staged(environment, tmp_path, passed_through=()) as stage:
        await live(stage)
        assert (await stage.ended()).outcome is Phase.CLOSED


async def test_a_slow_source_holds_nobody_and_what_it_gives_is_sealed_in_a_supplement(stage: Stage) -> None:
    """A page is turned meanwhile: the source is read again, and its evidence serves the lock like any other."""
    stage.town.traces.faults.slow_s = 3600.0
    await live(stage, until=Phase.OPEN)
    seen = await stage.picture()
    assert seen.sealed
    assert seen.sealed.late == ("traces",)
    assert {gap.item: gap.reason for gap in seen.sealed.gaps if gap.source} == {
        "requests": "late",
        "retrieval": "late",
    }
    assert any(each.what == "the late evidence of traces" for each in seen.waiting)
    await stage.until("a firebreak, for the lever's position is sealed", stands("tool", Lease.EFFECTIVE))
    stage.town.traces.faults.slow_s = 0.0
    await stage.turn_page()
    seen = await stage.until("the supplement", lambda seen: seen.supplements)
    (late,) = seen.supplements
    assert seen.sealed
    assert late.supplements == seen.sealed.manifest
    assert [each.source for each in late.artifacts] == ["traces"]
    await live(stage, after=Phase.OPEN)
    await stage.ended()
    assert (await stage.picture()).lock_proved
    assert (await stage.proved()).runs > 1


async def test_an_incident_that_ends_waits_for_no_late_source(stage: Stage) -> None:
    stage.town.traces.faults.slow_s = 3600.0
    stage.brief = stage.brief.changed(runbook=stage.brief.runbook.changed(firebreaks=()))
    await live(stage, until=Phase.OPEN)
    await stage.do(acts.Acknowledge(by="ana"))
    await stage.do(acts.Dismiss(by="ana", reason="no fire"))
    await stage.ended()
    await stage.proved()


async def test_encrypted_evidence_is_nowhere_readable_and_its_manifest_knows_both_forms(stage: Stage) -> None:
    identity = x25519.Identity.generate()
    system = stage.brief.system
    privacy = system.sources[0].privacy.changed(encrypt_to=(str(identity.to_public()),))
    system = system.changed(sources=(system.sources[0].changed(privacy=privacy), *system.sources[1:]))
    stage.brief = stage.brief.changed(system=system)
    await stage.ring()
    seen = await stage.until("the seal", lambda seen: seen.sealed)
    assert seen.sealed
    (artifact,) = (each for each in seen.sealed.artifacts if each.source == system.sources[0].id)
    (frozen,) = stage.town.traces.artifacts
    assert artifact.encryption
    assert artifact.encryption.digest == hashlib.sha256(frozen.content).hexdigest()  # type: ignore[arg-type]
    kept = stage.town.evidence.kept
    assert decrypt(kept[artifact.digest], str(identity)) == frozen.content
    assert not [each for each in kept.values() if each == frozen.content]
    await stage.proved()


def test_a_lock_is_not_proved_on_evidence_that_the_station_cannot_read() -> None:
    brief = short_brief()
    recipient = str(x25519.Identity.generate().to_public())
    privacy = brief.system.sources[0].privacy.changed(encrypt_to=(recipient,))
    system = brief.system.changed(sources=(brief.system.sources[0].changed(privacy=privacy),))
    (found,) = dangling(brief.runbook, system)
    assert (found.field, "cannot read it" in found.problem) == ("lock.source", True)
