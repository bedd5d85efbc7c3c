"""`python -m tests.histories.record [NAME]...`: live incidents on a real Temporal server and keep their histories.

Do this when the workflow has grown a new kind of event. Histories that are here already stay: incidents that were
opened by older code must go on replaying.
"""

import asyncio
import json
import sys
import tempfile
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowHistory

from firestation import acts
from firestation.after_action import TicketState
from firestation.authority import Role
from firestation.errors import Denied
from firestation.firebreak import Lease
from firestation.legal import clocks
from firestation.severity import Severity
from firestation.state import Phase
from firestation.wording import Wording
from tests.property.signatures import decision, signed
from tests.property.worlds import KEYS
from tests.workflows.stage import Stage, firebreak, live, real_server, short_brief, staged, stands
from tests.workflows.test_follow_up import Follower
from workflows import messages
from workflows.histories import as_json, fetch_chain

FOLDER = Path(__file__).parent


async def closed(stage: Stage) -> None:
    """From the alarm to the proved lock."""
    await live(stage)


async def dismissed(stage: Stage) -> None:
    """The captain sees that it is no fire, puts back what was pre-authorized, and dismisses it."""
    await live(stage, until=Phase.OPEN)
    await stage.until("the pre-authorized firebreak", stands("tool", Lease.EFFECTIVE))
    await stage.do(acts.Acknowledge(by="ana"))
    wanted = firebreak(await stage.picture(), "tool")
    assert wanted is not None
    await stage.do(acts.Lift(by="ana", action=wanted.digest, reason="no fire"))
    await stage.until("the tool to be back", stands("tool", Lease.LIFTED))
    await stage.do(acts.Dismiss(by="ana", reason="the eval was broken, the agent is well"))


async def refused(stage: Stage) -> None:
    """Wrong people and wrong moments are refused, and so is a proposal; asked again, it is approved."""
    await live(stage, until=Phase.OPEN)
    early: list[acts.Act] = [
        acts.Close(by="ana"),
        acts.Declare(by="ben", severity=Severity.SEV1, reason="nobody is captain yet"),
        acts.Acknowledge(by="dan"),
    ]
    for act in early:
        assert not (await stage.act(act)).accepted
        await stage.handle.signal(act.kind, act)
    await stage.handle.signal("note", {"by": "ana", "nonsense": True})
    await live(stage, after=Phase.OPEN, until=Phase.CONTAINED)
    seen = await stage.until("the proposal", stands("reranker", Lease.PROPOSED))
    wanted = firebreak(seen, "reranker")
    assert wanted is not None
    await stage.do(acts.Refuse(by="ana", action=wanted.digest, reason="it broke search last time"))
    await stage.do(acts.Propose(by="ana", step="reranker-on"))
    await live(stage, after=Phase.CONTAINED)


async def expired(stage: Stage) -> None:
    """A firebreak runs out and is lifted on its own terms."""
    steps = tuple(step.changed(expires_after=timedelta(seconds=3)) for step in stage.brief.runbook.firebreaks)
    stage.brief = stage.brief.changed(runbook=stage.brief.runbook.changed(firebreaks=steps[:1]))
    await live(stage, until=Phase.OPEN)
    await stage.until("the way back", stands("tool", Lease.LIFTED))
    await stage.do(acts.Acknowledge(by="ana"))
    await stage.do(acts.Dismiss(by="ana", reason="it went out by itself"))


async def continued(stage: Stage) -> None:
    """The page is turned in every phase, and nothing is lost by it."""
    phases = [phase for phase in Phase if phase not in {Phase.CLOSED, Phase.DISMISSED, Phase.MERGED}]
    before: Phase | None = None
    for phase in phases:
        await live(stage, after=before, until=phase)
        await stage.turn_page()
        before = phase
    await live(stage, after=before)


async def hurried(stage: Stage) -> None:
    """The page is turned at the end. Kept is a night on a busy machine: a lift and a result came in one workflow task."""
    await live(stage, until=Phase.AFTER_ACTION)
    await stage.turn_page()
    await live(stage, after=Phase.AFTER_ACTION)


async def late(stage: Stage) -> None:
    """A source is slow: what it gives is sealed in a supplement, after the first firebreak has moved."""
    stage.town.traces.faults.slow_s = 11.0
    await live(stage)


async def stopped(stage: Stage) -> None:
    """A move whose end nobody knows is put back by itself; then everything is stopped, and one lever kept for good."""
    await live(stage, until=Phase.CONTAINED)
    await stage.until("the proposal", stands("reranker", Lease.PROPOSED))
    stage.town.reranker.faults.after_effect = True
    stage.town.reranker.faults.errors.append(Denied("403, and it moved all the same"))
    for person in ("ana", "ben"):
        wanted = firebreak(await stage.picture(), "reranker")
        assert wanted is not None
        await stage.do(acts.Approve(by=person, action=wanted.digest))
    await stage.until("its way back", stands("reranker", Lease.LIFTED))
    await stage.do(acts.Stop(by="ana", reason="the cure is worse than the fire"))
    await stage.until("the tool to be back", stands("tool", Lease.LIFTED))
    await stage.do(acts.Propose(by="ana", step="reranker-on"))
    await live(stage, after=Phase.CONTAINED, until=Phase.RESTORED)
    wanted = firebreak(await stage.picture(), "reranker")
    assert wanted is not None
    await stage.do(acts.Adopt(by="ana", action=wanted.digest, reason="it is right again"))
    await live(stage, after=Phase.AFTER_ACTION)


async def captains(stage: Stage) -> None:
    """Three captains: one is relieved after silence, one hands over, one lays it down; words are signed, by two."""
    tool, reranker = stage.brief.runbook.firebreaks
    steps = (tool, reranker.changed(signed=True))
    roster = stage.brief.roster.changed(silence=timedelta(seconds=4))
    stage.brief = stage.brief.changed(
        runbook=stage.brief.runbook.changed(firebreaks=steps),
        roster=roster,
        clocks=clocks(stage.brief.system.legal),
    )
    await live(stage, until=Phase.OPEN)
    await stage.do(acts.Acknowledge(by="ana"))
    await stage.until("the relief", lambda seen: seen.captain is None)
    await stage.do(acts.Acknowledge(by="ben"))
    await stage.do(acts.Assess(by="cara", spread=3, reason="all tenants have it"))
    await stage.do(acts.Declare(by="ben", severity=Severity.SEV2, reason="wrong refunds leave"))
    await stage.do(acts.Categorize(by="ben", category="personal-data-breach", reason="names were shown"))
    await stage.do(acts.Note(by="cara", text="the reranker was switched off"))
    await stage.do(acts.Handover(by="ben", to="ana"))
    await stage.do(acts.Decline(by="ana", reason="in a minute"))
    await stage.do(acts.Handover(by="ben", to="ana"))
    await stage.do(acts.Accept(by="ana"))
    await stage.turn_page()
    wanted = firebreak(await stage.until("the proposal", stands("reranker", Lease.PROPOSED)), "reranker")
    assert wanted is not None
    for act in (
        acts.Approve(by="ben", action=wanted.digest),
        acts.Approve(by="ana", action=wanted.digest),
    ):
        assert not (await stage.act(act)).accepted
        await stage.handle.signal(act.kind, act)
    named = wanted.action.incident, wanted.action.run, wanted.digest
    for person in ("ana", "ben"):
        word = signed(decision(named, person, datetime.now(UTC)), KEYS[person])
        await stage.do(acts.Approve(by=person, action=wanted.digest, signed=word))
    await stage.do(acts.Declare(by="ana", severity=Severity.SEV1, reason="all tenants have it"))
    await stage.do(acts.Establish(by="ana", entry=1, cause=True, reason="the trace shows it"))
    await stage.do(acts.Renounce(by="ana", reason="I must leave"))
    await stage.do(acts.Acknowledge(by="ben"))
    for clock in {each.clock.id for each in (await stage.picture()).legal}:
        await stage.do(acts.Inform(by="ben", clock=clock, reference="case 1"))
    await stage.do(acts.Handover(by="ben", to="ana"))
    await stage.do(acts.Accept(by="ana"))
    await live(stage, after=Phase.RECOVERING)


async def waived(stage: Stage) -> None:
    """The lock cannot be proved: the captain waives it, a second person stands for it, and more tickets come late."""
    stage.town.golden.case = None
    stage.town.tasks.faults.errors.append(Denied("403, for a minute"))
    await live(stage, until=Phase.AFTER_ACTION)
    seen = await stage.until("the lock to fail", lambda seen: "lock" in seen.trouble and len(seen.tickets) > 1)
    until = seen.as_of + timedelta(days=30)
    await stage.do(acts.Waive(by="ana", what="lock", reason="the eval is not ours", until=until))
    assert not (await stage.act(acts.Close(by="ana"))).accepted
    await stage.do(acts.Second(by="ben", reason="it is asked for"))
    await stage.do(acts.Close(by="ana"))


async def recurred(stage: Stage) -> None:
    """The second fire of a class whose lock hangs on the wall."""
    first = Stage(stage.environment, stage.town, short_brief())
    await live(first)
    await first.ended()
    stage.town.reranker.moved_by_other("off")
    await live(stage, until=Phase.OPEN)
    seen = await stage.until("the recall", lambda seen: seen.recall)
    assert seen.recalled
    await live(stage, after=Phase.OPEN)


async def spoken(stage: Stage) -> None:
    """A draft is sent as it is, the next word is overdue until somebody says it, a public word is withheld, one released."""
    runbook = stage.brief.runbook.changed(
        manual=(), cadence=timedelta(seconds=4), updates=Wording(public_approval="comms")
    )
    stage.brief = stage.brief.changed(runbook=runbook)
    await live(stage, until=Phase.OPEN)
    await stage.do(acts.Acknowledge(by="ana"))
    await stage.do(acts.Acknowledge(by="cara", role=Role.COMMS))
    seen = await stage.until("the draft", lambda seen: seen.drafts)
    draft = seen.drafts[0]
    await stage.do(acts.Update(by="cara", known=draft.known, unknown=draft.unknown, doing=draft.doing))
    await stage.turn_page()
    await stage.until("the breach", lambda seen: any(each.times > 1 for each in seen.overdue_words))
    await stage.do(acts.Update(by="ana", known="we look"))
    for known in ("It will be well soon.", "Refunds are slower."):
        await stage.do(acts.Update(by="ana", audience="public", known=known))
        (held,) = (await stage.picture()).held
        refused = await stage.act(acts.Release(by="ana", word=held.digest))
        assert refused.rule == 7
        if known == "Refunds are slower.":
            await stage.handle.signal("release", acts.Release(by="cara", word=held.digest))
        else:
            await stage.do(acts.Withhold(by="cara", word=held.digest, reason="it promises too much"))
    await stage.until("the public breach", lambda seen: any(each.audience == "public" for each in seen.overdue_words))
    await stage.do(acts.Update(by="cara", audience="public", known="Refunds are slower still."))
    await stage.do(acts.Declare(by="ana", severity=Severity.SEV2, reason="wrong refunds leave"))
    await live(stage, after=Phase.DECLARED)


STORIES: dict[str, Callable[[Stage], Awaitable[None]]] = {
    story.__name__: story
    for story in (closed, dismissed, refused, expired, continued, hurried, late, stopped, captains, waived, recurred, spoken)
}


def without_stacks(value: Any) -> Any:
    """A history without the stacks of its failures: they hold the paths of the machine that it was recorded on."""
    if isinstance(value, dict):
        return {key: without_stacks(each) for key, each in value.items() if key != "stackTrace"}
    return [without_stacks(each) for each in value] if isinstance(value, list) else value


async def keep_followed() -> list[Path]:
    """Live what comes after an incident, and write its runs."""
    with tempfile.TemporaryDirectory() as folder:
        async with real_server() as environment, staged(environment, Path(folder)) as stage:
            chain = await fetch_chain(environment.client, await follow(stage))
    return await write(FOLDER / f"_{datetime.now(UTC):%Y-%m-%d}-followed", chain)


async def keep(name: str, story: Callable[[Stage], Awaitable[None]]) -> list[Path]:
    """Live one story and write its runs, the oldest first."""
    with tempfile.TemporaryDirectory() as folder:
        async with real_server() as environment, staged(environment, Path(folder)) as stage:
            await story(stage)
            await stage.ended()
            await stage.proved()
            chain = await fetch_chain(environment.client, stage.brief.incident)
    return await write(FOLDER / f"{datetime.now(UTC):%Y-%m-%d}-{name}", chain)


async def write(target: Path, chain: list[WorkflowHistory]) -> list[Path]:
    """Keep these runs in this folder."""
    target.mkdir(exist_ok=True)
    files = []
    for number, run in enumerate(chain, start=1):
        file = target / f"{number}.json"
        history = without_stacks(as_json(run))
        await asyncio.to_thread(file.write_text, json.dumps(history, indent=1, sort_keys=True) + "\n")
        files.append(file)
    return files


async def follow(stage: Stage) -> str:
    """The tasks of an incident that was closed with a waiver: a morning, a turned page, people's word, the end."""
    stage.town.golden.case = None  # nothing can be proved
    await live(stage, until=Phase.AFTER_ACTION)
    seen = await stage.until("the lock to fail", lambda seen: "lock" in seen.trouble)
    day = timedelta(days=1)
    await stage.do(acts.Waive(by="ana", what="lock", reason="the eval is not ours", until=seen.as_of + day))
    await stage.do(acts.Second(by="ben", reason="it is asked for"))
    await stage.do(acts.Close(by="ana"))
    await stage.ended()
    follower = Follower(stage, messages.after_id(stage.brief.incident, seen.run))
    stage.town.tasks.states["task 1"] = TicketState(state="gone", detail="there is no such task")
    await follower.later("the waiver's day", lambda seen: any("waiver" in said for _, said in seen.notes), 4 * day)
    await follower.handle.signal(messages.TURN_PAGE)
    await follower.later("a look", lambda seen: any("gone" in each.state for each in seen.tasks), 3 * day)
    for task in ("postmortem", "no-such", "eval-lock"):
        await follower.finish(task)
    await follower.ended()
    await follower.proved()
    return follower.id


async def main(names: list[str]) -> int:
    """Record these stories, or every one; `follow` is the one of what an incident leaves, and of no incident."""
    for name in names or (*STORIES, follow.__name__):
        files = await (keep_followed() if name == follow.__name__ else keep(name, STORIES[name]))
        print(f"{name}: {', '.join(str(file.relative_to(FOLDER)) for file in files)}")
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
