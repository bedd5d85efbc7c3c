"""Subscribers on the command line: counted, and forgotten by the address that they type; none is ever shown."""

import asyncio
import shlex
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import Result

from cli.errors import ExitCode
from firestation.drivers.subscribers.book import SubscriberBook, open_book
from firestation.public_page.subscriber import Kind, Subscriber, Wish, subscriber_id
from firestation.secrets import local_secret
from tests.docs.documents import ROOT, commands

Run = Callable[..., Result]
PEOPLE: list[tuple[Kind, str]] = [
    ("email", "zq.ana@example.org"),
    ("email", "zq.ben@example.org"),
    ("webhook", "https://hooks.example.org/zq"),
]


@pytest.fixture
def book(tmp_path: Path) -> SubscriberBook:
    (tmp_path / "keys").mkdir()
    made = open_book(str(tmp_path / "subscribers"), local_secret(tmp_path / "keys/subscribers"))
    for kind, address in PEOPLE:
        name, wish = subscriber_id(kind, address, made.key), Wish(kind=kind, address=address)
        asyncio.run(made.keep(Subscriber(id=name, wish=wish, confirmed_at=datetime(2026, 1, 1, tzinfo=UTC))))
    return made


@pytest.fixture
def subscribers(run: Run, tmp_path: Path) -> Run:
    def call(*words: str, said: str = "") -> Result:
        return run("--state", str(tmp_path), *words, input=said)

    return call


def test_the_commands_of_the_document(subscribers: Run, book: SubscriberBook) -> None:
    count, remove = (shlex.split(each)[1:] for each in commands(ROOT / "docs/public-page.md"))
    assert remove[2:] == ["<", "address.txt"]
    assert subscribers(*count).stdout == "By e-mail: 2. By webhook: 1.\n"
    for address, deleted in (("Zq.Ana@EXAMPLE.org", 1), ("zq.ana@example.org", 0), (PEOPLE[2][1], 1)):
        told = subscribers(*remove[:2], said=f"{address}\n")
        assert told.exit_code == 0
        assert told.stdout.startswith(f"{deleted} subscriber")
        assert "zq" not in told.output.lower()
    assert subscribers(*count, "--json").stdout.strip() == '{"email": 1, "webhook": 0}'
    assert len(asyncio.run(book.ids())) == 1


@pytest.mark.parametrize("said", ["", "ana", "ana@example", "http://hooks.example.org/"])
def test_what_is_no_address_is_told_without_repeating_it(
    subscribers: Run, book: SubscriberBook, said: str
) -> None:
    told = subscribers("subscribers", "remove", said=said)
    assert told.exit_code == ExitCode.BAD_INPUT
    assert not said or said not in told.output.replace("ana@example.org", "")
    assert len(asyncio.run(book.ids())) == 3


def test_a_folder_that_is_not_the_stations_is_told_and_stays_as_it_is(
    subscribers: Run, tmp_path: Path
) -> None:
    told = subscribers("subscribers", "count")
    assert told.exit_code == ExitCode.BAD_INPUT
    assert "FIRESTATION_SUBSCRIBER_KEY" in told.output
    assert list(tmp_path.iterdir()) == []
