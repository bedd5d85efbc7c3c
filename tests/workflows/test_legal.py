"""Legal clocks on both servers: fifteen days with reminders, through restarts of the worker and pages turned."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from firestation import acts
from firestation.legal import Legal, LegalClock
from firestation.picture import Picture
from firestation.state import Phase
from tests.property import worlds
from tests.workflows.stage import SERVERS, Stage, live, short_brief, staged

QUIET: dict[str, Any] = {"firebreaks": (), "manual": (), "cadence": timedelta(days=5, hours=7)}
"""No word of the engine is due within moments of a reminder: the server that skips time may pass by the later one."""
CLOCK = "eu-ai-act-73-2"


def titles(stage: Stage) -> list[str]:
    """What the pager was told of the clock by this worker."""
    told = [message.title.partition(": ")[2] for message in stage.town.pager.sent.values()]
    return [title for title in told if CLOCK in title]


def count(kind: str, seen: Picture) -> int:
    return sum(moment.kind == kind for moment in seen.timeline)


async def begin(stage: Stage, legal: Legal = worlds.LAW) -> None:
    """A serious incident that ana has taken; nothing else ever happens in it."""
    brief = short_brief(legal=legal, **QUIET)
    stage.brief = brief.changed(
        roster=brief.roster.changed(silence=None)
    )  # weeks in which ana has nothing to say
    await live(stage, until=Phase.OPEN)
    await stage.do(acts.Acknowledge(by="ana"))
    await stage.do(acts.Categorize(by="ana", category="serious-incident", reason="somebody was harmed"))


async def inform_and_end(stage: Stage) -> None:
    refused = await stage.act(acts.Dismiss(by="ana", reason="over"))
    assert (refused.accepted, refused.rule) == (False, 0)
    assert CLOCK in (refused.missing or "")
    await stage.do(acts.Inform(by="cara", clock=CLOCK, reference="MSA 2026-4711"))
    await stage.do(acts.Dismiss(by="ana", reason="over"))
    await stage.ended()


STARTED, SEVEN, THREE, ONE = (
    f"the legal clock {CLOCK} {rest}"
    for rest in ("has started: 15d left", "runs: 7d left", "runs: 3d left", "runs: 1d left")
)
OVER = f"the legal clock {CLOCK} is OVERDUE: the authority was not informed in time"


async def reached(stage: Stage, reminders: int, span: timedelta) -> None:
    """Let this much time pass, and wait until the clock has reminded so often and all of it was sent.

    Time that is skipped while something is still under way may pass by the next reminder, which is then late.
    """
    await stage.skip(span)
    await stage.until("the reminder", lambda seen: count("reminded", seen) == reminders)
    await stage.until("its way to the owner", lambda seen: sent(seen) == reminders)


def sent(seen: Picture) -> int:
    """How many words on a legal clock have gone out."""
    return sum(moment.kind == "sent" and "the legal clock" in moment.text for moment in seen.timeline)


async def found(stage: Stage) -> list[str]:
    report = await stage.proved()
    return [finding.title for finding in report.findings if CLOCK in finding.what]


async def test_fifteen_days_with_reminders(stage: Stage) -> None:
    await begin(stage)
    for reminders, days in ((1, 7), (2, 3), (3, 3), (4, 1.5)):
        await reached(stage, reminders, timedelta(days=days))
    await stage.skip(timedelta(days=1))
    await stage.until("the end", lambda seen: count("overdue", seen) == 1)
    await stage.until("the pager", lambda _: len(titles(stage)) == 5)
    assert titles(stage) == [STARTED, SEVEN, THREE, ONE, OVER]
    await inform_and_end(stage)
    assert await found(stage) == ["legal clocks"]


async def test_the_clock_outlives_its_worker_and_its_page(tmp_path: Path) -> None:
    """On the real server: temporal-test-server does not skip time while the tasks of a dead worker wait for it."""
    async with SERVERS["real"]() as environment:
        async with staged(environment, tmp_path) as stage:
            await begin(stage)
            await reached(stage, 2, timedelta(days=9))
            await stage.until("the pager", lambda _: len(titles(stage)) == 2)
            assert titles(stage) == [STARTED, SEVEN]
            brief = stage.brief
        async with staged(environment, tmp_path) as again:
            again.brief = brief
            await reached(again, 4, timedelta(days=5, hours=12))
            await again.turn_page()
            await again.skip(timedelta(days=1))
            seen = await again.until("the end", lambda seen: count("overdue", seen) == 1)
            assert count("reminded", seen) == 4
            await again.until("the pager", lambda _: len(titles(again)) == 3)
            assert titles(again) == [THREE, ONE, OVER]
            await inform_and_end(again)
            assert await found(again) == ["legal clocks"]


async def test_an_end_that_passed_while_no_worker_ran_is_on_the_record_when_one_is_back(
    tmp_path: Path,
) -> None:
    """In true time, with a clock of five seconds."""
    short = LegalClock(
        id="short",
        title="Tell them at once",
        source="Our contract, section 3",
        authority="the customer",
        categories=("outage",),
        within=timedelta(seconds=5),
        remind=(timedelta(seconds=2), timedelta(seconds=1)),
    )
    async with SERVERS["real"]() as environment:
        async with staged(environment, tmp_path) as stage:
            await begin(stage, Legal(clocks=(short,)))
            await stage.do(acts.Categorize(by="ana", category="outage", reason="it stands still"))
            brief, (run,) = (
                stage.brief,
                [each for each in (await stage.picture()).legal if each.clock.id == "short"],
            )
        while datetime.now(UTC) <= run.due:  # noqa: ASYNC110 - the clock of the wall tells nobody
            await asyncio.sleep(0.05)
        async with staged(environment, tmp_path) as again:
            again.brief = brief
            seen = await again.until("the end", lambda seen: count("overdue", seen) == 1)
            clock = [each for each in seen.timeline if each.kind in {"reminded", "overdue"}]
            told = [each.text for each in clock if "legal clock short" in each.text]
            assert told[-1] == "the legal clock short for outage is over, and no authority is informed"
            assert len(told) == 4, "the start and two reminders come before the end, each once"
            await again.do(acts.Inform(by="cara", clock="short", reference="by telephone"))
            await inform_and_end(again)
            await again.proved()
