"""Paging on a real Temporal server: by all ways of a person, up the ranks, at once when nobody can be reached."""

import base64
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from rich.console import Console

from cli.show import show
from firestation import acts, links
from firestation.authority import Roster
from firestation.board import Message, Receipt
from firestation.contacts import Contact, ContactKind
from firestation.errors import Denied
from firestation.pagers import Pager
from firestation.picture import Picture
from firestation.testing import MemoryChannel
from tests.workflows.stage import ACK, LINK_KEY, Stage
from workflows import search
from workflows.histories import as_json, fetch_chain

EVERY = timedelta(minutes=2)


def with_pagers(roster: Roster) -> Roster:
    """Ana has e-mail and Matrix, ben e-mail; the station has a pager for each."""
    contacts = {
        "ana": (
            Contact(kind=ContactKind.EMAIL, to="ana@example.org"),
            Contact(kind=ContactKind.MATRIX, to="@ana:example.org"),
        ),
        "ben": (Contact(kind=ContactKind.EMAIL, to="ben@example.org"),),
    }
    people = tuple(each.changed(contacts=contacts.get(each.id, ())) for each in roster.people)
    pagers = (
        Pager(id="mail", driver="memory", reaches=ContactKind.EMAIL),
        Pager(id="chat", driver="memory", reaches=ContactKind.MATRIX),
    )
    return roster.changed(people=people, pagers=pagers)


@pytest.fixture
def paged(stage: Stage) -> Stage:
    """A stage whose station has pagers of its own."""
    stage.brief = stage.brief.changed(roster=with_pagers(stage.brief.roster))
    return stage


def told(channel: MemoryChannel) -> list[str | None]:
    """Whom a channel has paged."""
    return [message.to for message in channel.sent.values() if message.purpose == "page"]


def first_page(channel: MemoryChannel) -> Message:
    return next(message for message in channel.sent.values() if message.purpose == "page")


async def told_to_temporal(stage: Stage) -> str:
    """The whole history as it is kept, with what its payloads hold in plain text."""
    chain = await fetch_chain(stage.environment.client, stage.brief.incident)
    history = json.dumps([as_json(run) for run in chain])
    payloads = re.findall(r'"data": "([A-Za-z0-9+/=]+)"', history)
    assert payloads
    return history + "".join(base64.b64decode(each).decode() for each in payloads)


def times(kind: str, least: int) -> Callable[[Picture], bool]:
    """Whether so many events of this kind are on the record."""
    return lambda seen: sum(moment.kind == kind for moment in seen.timeline) >= least


def pages(seen: Picture) -> list[str]:
    return [page.person for page in seen.paging]


async def test_page_no_answer_the_next_and_again_until_acknowledged(paged: Stage) -> None:
    await paged.ring()
    await paged.until("both ways to ana", lambda seen: seen.paging and seen.paging[0].sent == 2)
    assert (told(paged.town.mail), told(paged.town.chat)) == (["ana@example.org"], ["@ana:example.org"])
    await paged.skip(EVERY)
    await paged.until("the page to ben", lambda _: len(told(paged.town.mail)) == 2)
    await paged.skip(EVERY)
    await paged.until("ana again", lambda _: len(told(paged.town.chat)) == 2)
    assert told(paged.town.mail) == ["ana@example.org", "ben@example.org", "ana@example.org"]
    assert told(paged.town.pager) == [], "the system's own pager is for whom the station cannot reach"
    await paged.do(acts.Acknowledge(by="ben", page=2))
    seen = await paged.picture()
    assert (seen.captain, pages(seen)) == ("ben", ["ana", "ben", "ana"])
    await paged.skip(timedelta(minutes=20))
    assert pages(await paged.picture()) == ["ana", "ben", "ana"]
    refused = await paged.act(acts.Acknowledge(by="ben", page=2))
    assert (refused.accepted, refused.missing) == (False, "page 2 is answered already")
    await paged.proved()


async def test_when_nobody_can_be_reached_the_next_is_paged_at_once_and_it_is_said(paged: Stage) -> None:
    gone = Denied("the mail server does not know us")
    for channel in (paged.town.mail, paged.town.chat):
        channel.faults.errors.extend([gone] * 100)
    await paged.ring()
    seen = await paged.until("a whole round in vain", times("unreached", 2))
    assert pages(seen) == ["ana", "ben"], "and no hot loop after it"
    assert seen.paging[1].at - seen.paging[0].at < EVERY
    waited = "a captain: nobody could be reached: ana, ben (Denied: the mail server does not know us)"
    assert seen.waiting[0].what == waited
    described = (await paged.handle.describe()).typed_search_attributes
    assert described.get(search.WAITING) == waited.partition(" (")[0], "and nothing that a product said"
    await paged.skip(EVERY)
    seen = await paged.until("one more in vain", times("unreached", 3))
    assert pages(seen) == ["ana", "ben", "ana"], "and then at the usual pace"
    for channel in (paged.town.mail, paged.town.chat):
        channel.faults.errors.clear()
    await paged.skip(EVERY)
    seen = await paged.until(
        "the page that goes out", lambda seen: len(seen.paging) > 3 and seen.paging[3].sent
    )
    assert seen.waiting[0].what.startswith("a captain: nobody has acknowledged; not reached: ana")
    await paged.do(acts.Acknowledge(by="ben", page=4))
    await paged.proved()


async def test_a_way_that_hangs_holds_up_no_other(paged: Stage) -> None:
    paged.town.mail.faults.slow_s = 20
    await paged.ring()
    await paged.until("the page by chat", lambda _: told(paged.town.chat))
    assert told(paged.town.mail) == []
    await paged.until("the page by mail", lambda _: told(paged.town.mail))


async def test_the_link_of_a_page_is_in_the_message_and_nowhere_else(paged: Stage) -> None:
    await paged.ring()
    seen = await paged.until("both ways to ana", lambda seen: seen.paging and seen.paging[0].sent == 2)
    by_mail, by_chat = first_page(paged.town.mail), first_page(paged.town.chat)
    address = by_mail.text.rpartition("\nOr open: ")[2]
    token = address.removeprefix(ACK)
    assert address.startswith(ACK)
    link = links.read(token, LINK_KEY, datetime.now(UTC))
    assert link == links.Link(incident=seen.incident, mark=links.mark_of(seen.run), person="ana", page=1)
    assert by_chat.text.startswith(by_mail.text.rpartition("\nOr open: ")[0])
    history = await told_to_temporal(paged)
    assert "/ack/" not in history
    assert token not in history
    assert token not in seen.model_dump_json()


async def test_a_receiver_that_quotes_the_page_brings_no_link_into_the_record(
    paged: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    quoted: list[str] = []

    async def refuse(message: Message, key: str) -> Receipt:
        quoted.append(message.text)
        cause = ValueError(message.text)
        raise Denied(f"POST https://hook.example.org answered 403: {message.text}") from cause

    async def accept(message: Message, key: str) -> Receipt:
        quoted.append(message.text)
        if len(quoted) < 3:
            raise ValueError(message.text)  # a bug in a driver
        return Receipt(channel="chat", reference=f"250 taken: {message.text.rpartition('/')[2]}")

    monkeypatch.setattr(paged.town.mail, "send", refuse)
    monkeypatch.setattr(paged.town.chat, "send", accept)
    await paged.ring()
    seen = await paged.until(
        "both ways", lambda seen: seen.paging and seen.paging[0].sent and seen.paging[0].unsent
    )
    history = await told_to_temporal(paged)
    assert "answered 403" in history
    assert "250 taken: ***" in history
    tokens = [text.rpartition(ACK)[2] for text in quoted if ACK in text]
    assert len(tokens) >= 3
    for token in tokens:
        assert len(token) > 60
        assert token[:20] not in history
    assert seen.paging[0].unsent[0].endswith("Or open: https://station.example.org/ack/***")


async def test_a_page_that_only_the_board_can_carry_has_no_link(stage: Stage) -> None:
    system = stage.brief.system
    told = tuple(each for each in system.channels if each.audience != "pager")
    stage.brief = stage.brief.changed(system=system.changed(channels=told))
    await stage.ring()
    await stage.until("the page to ana", lambda seen: seen.paging and seen.paging[0].sent == 1)
    page = first_page(stage.town.room)
    assert "firestation ack" in page.text
    assert "/ack/" not in page.text, "whoever reads the board would be captain as ana"


async def test_an_incident_without_a_captain_says_so_everywhere(paged: Stage) -> None:
    await paged.ring()
    await paged.until("the engine's own word", lambda _: paged.town.room.sent)
    await paged.do(acts.Update(by="cara", audience="internal", known="refunds are wrong"))
    await paged.until("the words on the board", lambda _: len(paged.town.room.sent) >= 2)
    said = [message.text for message in paged.town.room.sent.values() if message.purpose == "update"]
    assert any("no captain yet" in text for text in said), "the engine's own word"
    assert any("refunds are wrong" in text and "has no captain" in text for text in said)
    seen = await paged.picture()
    assert seen.waiting[0].what.startswith("a captain: nobody has acknowledged")
    described = await paged.handle.describe()
    assert described.typed_search_attributes.get(search.CAPTAIN) == "nobody"
    assert str(described.typed_search_attributes.get(search.WAITING)).startswith("a captain: ")
    assert described.typed_search_attributes.get(search.SINCE) == seen.waiting[0].since.isoformat()
    shown = Console(file=StringIO(), width=200)
    show(shown, seen)
    assert isinstance(shown.file, StringIO)
    assert "captain NOBODY" in shown.file.getvalue()
    assert "$ firestation ack " in shown.file.getvalue()
    (page,) = [each for each in paged.town.chat.sent.values() if each.purpose == "page"][:1]
    assert "No captain (nobody has acknowledged)" in page.text
