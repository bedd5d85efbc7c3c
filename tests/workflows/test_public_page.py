"""An incident and its public page: a public word is there, and neither holds the other up."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from pathlib import Path

import pytest
from obstore.store import MemoryStore
from temporalio.client import WorkflowExecutionStatus

from firestation import acts
from firestation.audit import audit
from firestation.drivers.public_page import StaticPage
from firestation.drivers.public_page.site import Site
from firestation.errors import Denied, DriverError, Unreachable
from firestation.firebreak import Lease
from firestation.public_page.part import reference
from firestation.state import Phase
from firestation.system import Component
from tests.audit.forge import alter, value
from tests.workflows.stage import (
    ON_THE_REAL_SERVER,
    PATIENCE,
    SERVERS,
    Stage,
    firebreak,
    live,
    short_brief,
    staged,
    stands,
)
from workflows.histories import as_json, fetch_chain, fetch_family

WORD = "Some refunds are answered wrongly. We have paused them."


class Weather(Site):
    """A place in memory that may be away."""

    def __init__(self) -> None:
        super().__init__(MemoryStore(), "memory:")
        self.trouble: DriverError | None = None
        self.turned_away = 0

    async def create(self, name: str, content: bytes) -> bool:
        if self.trouble:
            self.turned_away += 1
            raise self.trouble
        return await super().create(name, content)


@pytest.fixture
def place() -> Weather:
    return Weather()


@pytest.fixture(params=sorted(SERVERS))
async def stage(request: pytest.FixtureRequest, tmp_path: Path, place: Weather) -> AsyncIterator[Stage]:
    page = StaticPage(place, "Example status", "https://status.example.org")
    async with SERVERS[request.param]() as environment, staged(environment, tmp_path, page=page) as stage:
        parts = (Component(id="refunds", title="Refunds"),)
        brief = short_brief()
        stage.brief = brief.changed(system=brief.system.changed(components=parts))
        yield stage


async def shows(place: Weather, held: Callable[[str], bool], what: str, name: str = "index.html") -> str:
    """Wait until the page shows it."""
    content = ""
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                content = (await place.get(name) or b"").decode()
                if content and held(content):
                    return content
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"{what} is not on the page: {content[-2000:]}") from None


async def say(stage: Stage, known: str = WORD) -> None:
    await stage.do(acts.Update(by="cara", audience="public", known=known))


async def mark(stage: Stage) -> str:
    return reference(stage.brief.incident, (await stage.picture()).run)


async def test_a_public_word_is_on_the_page_until_the_incident_is_over(stage: Stage, place: Weather) -> None:
    await live(stage, until=Phase.DECLARED)
    await stage.do(acts.Update(by="ana", known="zq-internal-words"))
    assert not await place.names("")  # nobody has spoken to the public yet
    await say(stage)
    front = await shows(place, lambda text: WORD in text, "the word")
    assert "Refunds" in front
    await live(stage, after=Phase.DECLARED)
    await stage.ended()
    front = await shows(
        place, lambda text: "All systems operational" in text and "Resolved" in text, "its end"
    )
    summary = json.loads(await place.get("api/v2/incidents.json") or b"")
    (incident,) = summary["incidents"]
    assert incident["status"] == "resolved"
    assert [each["body"] for each in incident["incident_updates"]] == [WORD]
    everything = "".join([(await place.get(name) or b"").decode() for name in await place.names("")])
    for inside in ("zq-internal-words", stage.brief.incident, "cara", "reranker", stage.brief.runbook.title):
        assert inside not in everything
    await stage.proved()


async def test_an_outage_of_the_place_holds_nothing_up_and_is_tried_again(
    stage: Stage, place: Weather
) -> None:
    place.trouble = Unreachable("nobody answers")
    await live(stage, until=Phase.DECLARED)
    await say(stage, "The first word.")
    await live(stage, after=Phase.DECLARED, until=Phase.CONTAINED)
    await until(lambda: place.turned_away > 1, "a second try")
    await say(stage, "The second word.")
    await live(stage, after=Phase.CONTAINED)
    await stage.ended()
    assert not await place.names("")
    place.trouble = None
    front = await shows(place, lambda text: "All systems operational" in text, "the end")
    assert "Resolved" in front
    incident = await shows(
        place, lambda text: "The second word." in text, "the word", f"incidents/{await mark(stage)}.html"
    )
    assert "The first word." in incident
    await stage.proved()


async def until(held: Callable[[], bool], what: str) -> None:
    try:
        async with asyncio.timeout(PATIENCE):
            while not held():  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"{what} did not come") from None


async def test_a_newer_word_does_not_wait_for_an_older_one_that_is_refused(
    stage: Stage, place: Weather
) -> None:
    place.trouble = Denied("a wrong key")
    await live(stage, until=Phase.DECLARED)
    await say(stage, "The first word.")
    await until(lambda: place.turned_away > 0, "a refusal")
    place.trouble = None
    await say(stage, "The second word.")
    await shows(place, lambda text: "The second word." in text, "the word")
    await stage.proved()


@ON_THE_REAL_SERVER
async def test_the_next_run_tells_it_again_and_its_end_is_brought_by_a_workflow_of_its_own(
    stage: Stage, place: Weather
) -> None:
    await live(stage, until=Phase.DECLARED)
    await say(stage)
    await shows(place, lambda text: WORD in text, "the word")
    seen = await stage.until("the tool to be stopped", stands("tool", Lease.EFFECTIVE))
    stopped = firebreak(seen, "tool")
    assert stopped is not None
    await stage.do(acts.Lift(by="ana", action=stopped.digest, reason="it was no fire"))
    await stage.until("the tool to be back", stands("tool", Lease.LIFTED))
    await published(stage)
    folder = f"parts/{await mark(stage)}"
    for name in list(await place.names(folder)):
        await place.delete(name)
    await stage.turn_page()
    await until_there(lambda: place.names(folder))
    place.trouble = Unreachable("nobody answers")
    await stage.do(acts.Dismiss(by="ana", reason="a test of ours"))
    await stage.ended()
    await stage.proved()
    publisher = stage.client.get_workflow_handle(f"public/{await mark(stage)}")
    assert (await publisher.describe()).status is WorkflowExecutionStatus.RUNNING
    place.trouble = None
    await shows(place, lambda text: "Withdrawn: this turned out to be no incident." in text, "the end")
    assert await publisher.result() is True
    family = await fetch_family(stage.client, stage.brief.incident)
    assert len(family) == 2


async def published(stage: Stage) -> None:
    """Wait until the workflow has the answer of its order: the page shows the word a little before."""
    async with asyncio.timeout(PATIENCE):
        while (await stage.handle.describe()).raw_description.pending_activities:  # noqa: ASYNC110 - Temporal tells nobody
            await asyncio.sleep(0.05)


async def until_there(look: Callable[[], Awaitable[Collection[str]]]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await look():  # noqa: ASYNC110 - a file tells nobody
            await asyncio.sleep(0.05)


@ON_THE_REAL_SERVER
async def test_words_that_nobody_said_to_the_public_are_found_by_the_audit(
    stage: Stage, place: Weather
) -> None:
    await live(stage, until=Phase.DECLARED)
    await say(stage)
    await shows(place, lambda text: WORD in text, "the word")
    await stage.until("containment", lambda seen: seen.phase is Phase.CONTAINED)
    await published(stage)
    histories = [as_json(run) for run in await fetch_chain(stage.client, stage.brief.incident)]
    assert audit(histories).passed
    order, *_ = [
        event["activityTaskScheduledEventAttributes"]
        for event in histories[0]["events"]
        if event.get("activityTaskScheduledEventAttributes", {}).get("activityType", {}).get("name")
        == "publish"
    ]
    part = value(order["input"])["part"]
    said = part["words"][0]
    for lie in (
        {"words": [{**said, "known": "It was the vendor."}]},
        {"words": [said, {**said, "doing": "We look at ana's change."}]},
        {"reference": "0123456789ab"},
    ):
        alter(order["input"], part={**part, **lie})
        broken = [each for each in audit(histories).findings if each.level == "broken"]
        assert broken
        assert "the public page was told" in broken[0].what
