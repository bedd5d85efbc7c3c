"""Incidents whose histories are encrypted: nothing stands in the clear, and who has the keys reads all of it."""

import asyncio
import dataclasses
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.client import Client, WorkflowHistory
from temporalio.converter import DataConverter
from temporalio.service import RPCError

from firestation import acts, history_keys
from firestation.errors import Denied, NotConfigured
from firestation.history_keys import KEY_BYTES, HistoryKeys
from firestation.severity import Severity
from firestation.state import Phase
from tests.property import worlds
from tests.workflows.stage import ON_THE_REAL_SERVER, PATIENCE, SERVERS, Stage, live, staged
from worker.replay import replay
from workflows import search
from workflows.codec import ENCRYPTED, HistoryCodec, converter
from workflows.histories import fetch_chain
from workflows.reading import decoded, keys_of, parts, readers_of

MARK = "zebra-{}-crossing"
PLACES = (
    "alarm",
    "label",
    "query",
    "gap",
    "note",
    "assess",
    "declare",
    "word",
    "refused",
    "mail",
    "track",
    "answer",
)
MARKS = {what: MARK.format(what) for what in PLACES}
BEGINNING, END = (each.encode() for each in MARK.split("{}"))


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    folder = tmp_path / "keys"
    history_keys.add(folder, "first", os.urandom(KEY_BYTES), current=True)
    return folder


@pytest.fixture(params=sorted(SERVERS))
async def stage(request: pytest.FixtureRequest, tmp_path: Path, keys: Path) -> AsyncIterator[Stage]:
    async with SERVERS[request.param](converter(keys)) as environment, staged(environment, tmp_path) as stage:
        yield stage


async def raw_runs(client: Client, incident: str) -> list[WorkflowHistory]:
    """The runs as the server has them, the oldest first."""
    found = [await client.get_workflow_handle(incident).fetch_history()]
    while run := found[0].events[0].workflow_execution_started_event_attributes.continued_execution_run_id:
        found.insert(0, await client.get_workflow_handle(incident, run_id=run).fetch_history())
    return found


def the_bytes(runs: list[WorkflowHistory]) -> bytes:
    return b"".join(event.SerializeToString() for run in runs for event in run.events)


def in_the_clear(runs: list[WorkflowHistory]) -> set[str]:
    """The kinds of events in which a payload is not encrypted, besides what the SDK itself notes of patches."""
    return {
        str(event.WhichOneof("attributes"))
        for run in runs
        for event in run.events
        for part in parts(event)
        if isinstance(part, Payload) and part.metadata["encoding"] != ENCRYPTED
    } - {"marker_recorded_event_attributes"}


async def tell_everything(stage: Stage) -> None:
    """The whole story, with a word of its own in each place where people, products and evidence have theirs."""
    stage.town.answer = lambda: {"ruling": "deny" if stage.town.well else "allow", "text": MARKS["answer"]}  # type: ignore[method-assign]
    stage.town.traces.trouble = Denied(MARKS["gap"])
    stage.town.pager.faults.errors.append(Denied(MARKS["mail"]))
    stage.town.tasks.faults.errors.append(Denied(MARKS["track"]))
    rung = worlds.alarm().changed(
        summary=MARKS["alarm"], labels={"tenant": MARKS["label"]}, queries=(MARKS["query"],)
    )
    await stage.ring(rung)
    await stage.until("the seal", lambda seen: seen.sealed)
    await stage.until("the page that was not sent", lambda seen: any(page.unsent for page in seen.paging))
    described = await stage.handle.describe()
    waiting = described.typed_search_attributes.get(search.WAITING)
    assert waiting
    assert "a captain" in waiting
    clear = described.raw_description.SerializeToString()
    assert BEGINNING not in clear
    assert END not in clear
    await stage.do(acts.Acknowledge(by="ana"))
    await stage.do(acts.Assess(by="cara", spread=3, reason=MARKS["assess"]))
    await stage.do(acts.Declare(by="ana", severity=Severity.SEV2, reason=MARKS["declare"]))
    await stage.do(acts.Note(by="ana", text=MARKS["note"]))
    await stage.do(acts.Update(by="cara", audience="internal", known=MARKS["word"]))
    assert not (await stage.act(acts.Stop(by="dan", reason=MARKS["refused"]))).accepted
    await stage.turn_page()
    await live(stage, after=Phase.DECLARED)


async def test_a_whole_incident_is_encrypted_and_proved(stage: Stage, keys: Path) -> None:
    client = stage.environment.client
    await tell_everything(stage)
    await stage.ended()
    raw = await raw_runs(client, stage.brief.incident)
    assert len(raw) == 2
    hidden = the_bytes(raw)
    assert BEGINNING not in hidden
    assert END not in hidden
    for title in (stage.brief.system.title, "2 of 8", "it is right again", "@example.org", "Traceback"):
        assert title.encode() not in hidden, title
    assert b"binary/encrypted" in hidden
    assert in_the_clear(raw) == set()
    shown = the_bytes([await decoded(run, client.data_converter) for run in raw])
    assert {what for what, mark in MARKS.items() if mark.encode() not in shown} == {"answer"}, (
        "evidence is elsewhere"
    )
    await stage.proved()
    blind = with_converter(client, converter())
    with pytest.raises(NotConfigured, match=r"by the key 'first'.*FIRESTATION_HISTORY_KEYS"):
        await fetch_chain(blind, stage.brief.incident)


@ON_THE_REAL_SERVER
async def test_a_worker_without_the_key_goes_on_as_soon_as_it_has_it(
    stage: Stage, keys: Path, tmp_path: Path
) -> None:
    """The gateway has a newer key already. The worker's task is tried again; the alarm that waited is answered."""
    client, newer = stage.environment.client, tmp_path / "newer"
    for name in ("first", "second"):
        secret = bytes.fromhex((keys / "first").read_text()) if name == "first" else os.urandom(KEY_BYTES)
        history_keys.add(newer, name, secret, current=True)
    ahead = with_converter(client, converter(newer))
    ringing = asyncio.create_task(dataclasses.replace(stage, caller=ahead).ring())
    async with asyncio.timeout(PATIENCE):
        while not (failures := await failed_tasks(client, stage.brief.incident)):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.05)
    assert "the history key second is not here" in failures[0]
    history_keys.add(keys, "second", bytes.fromhex((newer / "second").read_text()), current=False)
    assert (await ringing).new
    await stage.until("the seal", lambda seen: seen.sealed)
    assert await used(client, stage.brief.incident) == {"first", "second"}
    history_keys.use(keys, "second")
    await stage.do(acts.Acknowledge(by="ana"))
    chain = await fetch_chain(client, stage.brief.incident)
    assert await replay(chain) is None
    assert [found async for found in readers_of(client, "second")] == [stage.brief.incident]
    assert [found async for found in readers_of(client, "third")] == []


@ON_THE_REAL_SERVER
async def test_what_began_in_the_clear_goes_on_encrypted(stage: Stage, keys: Path) -> None:
    of_before = dataclasses.replace(converter(), payload_codec=OfBefore(HistoryKeys(keys)))
    plain = dataclasses.replace(stage, caller=with_converter(stage.environment.client, of_before))
    await plain.ring(worlds.alarm().changed(summary=MARKS["alarm"]))
    await stage.until("the seal", lambda seen: seen.sealed)
    await stage.do(acts.Acknowledge(by="ana"))
    await stage.do(acts.Note(by="ana", text=MARKS["note"]))
    raw = the_bytes(await raw_runs(stage.environment.client, stage.brief.incident))
    assert MARKS["alarm"].encode() in raw
    assert MARKS["note"].encode() not in raw
    assert await replay(await fetch_chain(stage.environment.client, stage.brief.incident)) is None


class OfBefore(HistoryCodec):
    """A gateway that does not encrypt yet, and reads what it is answered."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return list(payloads)


def with_converter(client: Client, data_converter: DataConverter) -> Client:
    """The same connection with other keys, or with none."""
    config = client.config(active_config=True)
    config["data_converter"] = data_converter
    return Client(**config)


async def failed_tasks(client: Client, incident: str) -> list[str]:
    """Why workflow tasks failed, in words."""
    try:
        history = await client.get_workflow_handle(incident).fetch_history()
    except RPCError:  # it has not begun
        return []
    failed = [each for each in history.events if each.HasField("workflow_task_failed_event_attributes")]
    read = await decoded(WorkflowHistory(incident, failed), client.data_converter)
    return [each.workflow_task_failed_event_attributes.failure.message for each in read.events]


async def used(client: Client, incident: str) -> set[str]:
    """The keys that the newest run is encrypted with."""
    history = await client.get_workflow_handle(incident).fetch_history()
    return {key for event in history.events for key in keys_of(event)}
