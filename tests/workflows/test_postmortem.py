"""The postmortem of a running incident: drafted when the lock was tried, again on news, and whole at the end."""

import asyncio
import base64
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio.client import WorkflowExecutionStatus

from firestation import acts
from firestation.errors import Denied
from firestation.history import read_run
from firestation.ports import Artifact
from firestation.postmortem import unpacked
from firestation.postmortem.documents import Documents, Version
from firestation.state import Phase
from tests.workflows.stage import ON_THE_REAL_SERVER, PATIENCE, Stage, live
from worker.replay import replay
from workflows import messages
from workflows.histories import as_json, fetch_chain, fetch_family

NOW = datetime(2026, 11, 26, tzinfo=UTC)


def documents(stage: Stage) -> Documents:
    return Documents(stage.town.shelf, stage.brief.roster.station)


async def latest(stage: Stage) -> Version:
    shelf = documents(stage)
    run = await shelf.newest(stage.brief.incident)
    assert run
    found = await shelf.latest(stage.brief.incident, run)
    assert found
    return found


def _texts(value: Any) -> Iterator[str]:
    """Every text that a history holds, with its payloads and the drafts in them opened."""
    if isinstance(value, dict):
        for name, each in value.items():
            if name == "data" and isinstance(each, str):
                payload = base64.b64decode(each).decode()
                yield payload
                order = json.loads(payload)
                if isinstance(order, dict) and "packed" in order:
                    yield f"packed {unpacked(order['packed'])!r}"
            else:
                yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


async def drafted(stage: Stage) -> Version:
    """Wait for the first draft."""
    await live(stage, until=Phase.AFTER_ACTION)
    await stage.until("the draft", lambda seen: seen.postmortem and seen.lock)
    return await latest(stage)


async def unfollowed(stage: Stage) -> None:
    """End whoever follows up the tasks: the real server skips no time of a workflow while a child of it runs."""
    if not stage.environment.supports_time_skipping_v2:
        return
    run = (await stage.picture()).run
    child = stage.environment.client.get_workflow_handle(messages.after_id(stage.brief.incident, run))
    await child.terminate("a test lets the time of its parent pass")
    async with asyncio.timeout(PATIENCE):
        while (await stage.handle.describe()).raw_description.pending_children:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def write(stage: Stage, found: Version, text: str) -> Version:
    return await documents(stage).edit(found, found.tag, text, "cara", NOW)


async def test_the_last_draft_holds_the_end_and_what_people_wrote(stage: Stage) -> None:
    first = await drafted(stage)
    assert (first.kind, first.number) == ("draft", 1)
    answer = "| why no review or eval held it | no eval had a stale policy in it | [record](#events) |"
    written = first.text.replace(
        "| why no review or eval held it | nobody has said yet | [record](#events) |", answer
    )
    assert answer in written
    await write(stage, first, written)
    await live(stage, after=Phase.AFTER_ACTION)
    await stage.ended()
    last = await latest(stage)
    assert (last.kind, last.number, last.conflicts) == ("draft", 3, 0)
    assert answer in last.text
    assert "closes the incident" in last.text
    assert "- End: closed" in last.text
    report = await stage.proved()
    assert report.phase is Phase.CLOSED
    history = as_json((await fetch_chain(stage.environment.client, stage.brief.incident))[-1])
    given = [each for each in _texts(history) if each.startswith("packed ")]
    assert len(given) == 2
    assert not [each for each in given if answer in each]


async def test_the_record_has_the_digest_of_the_whole_document(stage: Stage) -> None:
    first = await drafted(stage)
    await write(stage, first, f"{first.text}\nA word of ours.\n")
    await live(stage, after=Phase.AFTER_ACTION)
    await stage.ended()
    last, seen = await latest(stage), await stage.picture()
    assert seen.postmortem
    assert (await stage.town.evidence.get(seen.postmortem.digest)).decode() == last.text
    assert "A word of ours." in last.text
    kinds = [moment.kind for moment in seen.timeline]
    assert kinds.index("drafted") < len(kinds) - 1
    assert kinds.count("drafted") == 2


async def test_what_differs_from_a_healthy_request_stands_in_the_evidence_path(stage: Stage) -> None:
    bad = {"id": "r-1", "reranker": "off", "said": "<b>yes</b>"}
    healthy = [{"id": "r-0", "reranker": "on", "said": "no"}, {"id": "r-9", "route": "fallback"}]
    frozen = (_json("trace-r-1", bad, "retrieval"), _json("z-control", healthy, "control-sample"))
    stage.town.traces.artifacts += frozen
    first = await drafted(stage)
    lines = first.text.split("## Evidence path")[1].split("\n## ")[0].splitlines()
    rows = [line for line in lines if line.startswith(r"| \$")]
    assert [row.split(" | ")[:3] for row in rows] == [
        [r"| \$.reranker", '"off"', '"on"'],
        [r"| \$.said", r'"\<b\>yes\</b\>"', '"no"'],
    ]
    digests = re.findall(r"\(#a-([0-9a-f]{64})\)", rows[0])
    assert len(digests) == 2
    assert all(f'<a id="a-{digest}"></a>' in first.text for digest in digests)


def _json(name: str, content: Any, provides: str) -> Artifact:
    body = json.dumps(content).encode()
    return Artifact(name=name, media_type="application/json", content=body, provides=(provides,))


async def test_news_after_the_recovery_is_drafted_in_a_while(stage: Stage) -> None:
    first = await drafted(stage)
    await unfollowed(stage)
    await stage.do(acts.Note(by="ben", text="the vendor confirms it", standing="fact"))
    told = first.text
    await stage.later(
        "the second draft",
        lambda seen: [each.kind for each in seen.timeline].count("drafted") == 2,
        timedelta(minutes=6),
    )
    second = await latest(stage)
    assert "the vendor confirms it" not in told
    assert "the vendor confirms it" in second.text
    events = [int(number) for number in re.findall(r'<a id="e(\d+)"></a>', second.text)]
    assert events == list(range(1, len(events) + 1))


async def test_a_wall_that_is_away_is_no_news(stage: Stage) -> None:
    """It is asked again for as long as it is away, and each draft would have the whole record in it."""
    shelf, names = stage.town.shelf, stage.town.shelf.names

    async def refuse(folder: str) -> dict[str, datetime]:
        if folder.startswith("postmortems"):
            return await names(folder)
        raise Denied("the wall is away")

    shelf.names = refuse  # type: ignore[method-assign]
    await drafted(stage)
    await unfollowed(stage)
    seen = await stage.later(
        "the wall to be asked for the seventh time, 315 s after the first",
        lambda seen: [each.kind for each in seen.timeline].count("not-recalled") >= 7,
        timedelta(seconds=340),
    )
    assert [each.kind for each in seen.timeline].count("drafted") == 1


@ON_THE_REAL_SERVER
async def test_a_page_that_turns_loses_neither_draft_nor_edit(stage: Stage) -> None:
    first = await drafted(stage)
    await write(stage, first, f"{first.text}\nA word of ours.\n")
    await stage.turn_page()
    await live(stage, after=Phase.AFTER_ACTION)
    await stage.ended()
    last = await latest(stage)
    assert "A word of ours." in last.text
    assert "closes the incident" in last.text
    assert (await stage.proved()).runs == 2


async def test_a_shelf_that_refuses_holds_up_nothing_and_stands_on_the_record(stage: Stage) -> None:
    await live(stage, until=Phase.RESTORED)
    stage.town.shelf.faults.errors.extend(Denied("the shelf refuses") for _ in range(1))
    await live(stage, after=Phase.RESTORED, until=Phase.AFTER_ACTION)
    seen = await stage.until("the trouble", lambda seen: "draft" in seen.trouble and seen.lock)
    assert "the shelf refuses" in seen.trouble["draft"]
    await live(stage, after=Phase.AFTER_ACTION)
    await stage.ended()
    assert "closes the incident" in (await latest(stage)).text
    assert (await stage.proved()).phase is Phase.CLOSED


async def test_a_store_that_is_away_at_the_close_gets_the_end_when_it_is_back(stage: Stage) -> None:
    """A workflow of its own goes on, so that the incident's id is free for the next alarm of this fire."""
    await drafted(stage)
    stage.town.shelf.faults.errors.extend(Denied("the store is away") for _ in range(1000))
    await stage.do(acts.Close(by="ana"))
    await stage.ended()
    seen = await stage.picture()
    client = stage.environment.client
    drafter = client.get_workflow_handle(f"draft/{seen.incident}-{seen.run}")
    assert (await drafter.describe()).status is WorkflowExecutionStatus.RUNNING
    assert "the store is away" in seen.trouble["draft"]
    stage.town.shelf.faults.errors.clear()
    async with asyncio.timeout(PATIENCE):
        await drafter.result()
    assert "- End: closed" in (await latest(stage)).text
    await stage.proved()
    family = [read_run(chain[0]).result or {} for chain in await fetch_family(client, seen.incident)]
    assert [each for each in family if each.get("name") == f"postmortem-{seen.incident}.md"]
    assert await replay([await drafter.fetch_history()]) is None
    last = [
        each
        for each in as_json((await fetch_chain(client, seen.incident))[-1])["events"]
        if _orders_a_draft(each)
    ][-1]
    assert last["activityTaskScheduledEventAttributes"]["scheduleToCloseTimeout"] == "20s"


def _orders_a_draft(event: dict[str, Any]) -> bool:
    kind = event.get("activityTaskScheduledEventAttributes", {}).get("activityType", {})
    return bool(kind.get("name") == "draft")
