"""The wall of locks on a shelf: hung once, read for years, and nothing believed that this station did not sign."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from firestation.errors import Denied, Unreachable
from firestation.hanging import hang, read, recall, wall_keys
from firestation.model import canonical_json
from firestation.signing import KeySigner, PublicKey, ensure_key
from firestation.testing import MemoryShelf
from firestation.wall import MOST_RECALLED, Wall, WallBreak, WallLock, names, statement
from tests.property.worlds import START, wall_break, wall_lock

NAME = names(wall_lock())[0]
NOBODY = ("nobody", "none")


class Shop:
    """A shelf, and the station that hangs its locks there."""

    def __init__(self, folder: Path) -> None:
        self.shelf, self.folder = MemoryShelf(), folder
        self.signer = self.key("station")

    def key(self, name: str) -> KeySigner:
        ensure_key(self.folder / name)
        return KeySigner(self.folder / name)

    @property
    def keys(self) -> tuple[PublicKey, ...]:
        return wall_keys(self.signer.public_key, self.folder)

    async def hang(self, entry: WallLock | WallBreak) -> str:
        return (await hang(entry, self.shelf, self.signer, self.keys)).name

    async def read(self, system: str | None = None) -> Wall:
        return await read(self.shelf, self.keys, system)

    def put(self, name: str, content: bytes) -> None:
        self.shelf.kept[name] = content, START


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


async def test_a_lock_is_hung_once_and_read_again(shop: Shop) -> None:
    assert await shop.hang(wall_lock()) == NAME
    assert await shop.hang(wall_lock()) == NAME
    assert list(shop.shelf.kept) == [NAME]
    assert await shop.read() == Wall(locks=(wall_lock(),))
    assert (await shop.read("search")).locks == ()
    assert (await shop.read("refund-agent")).locks == (wall_lock(),)


async def test_what_broke_a_lock_stands_beside_it_until_it_is_taken_back(shop: Shop) -> None:
    lock, other = wall_lock(), wall_lock(incident="refund-agent-00000000")
    for entry in (lock, other, wall_break(lock)):
        await shop.hang(entry)
    wall = await shop.read()
    assert [wall.breaks(each) for each in (lock, other)] == [(wall_break(lock),), ()]
    await shop.hang(wall_break(lock, holds=False))
    assert (await shop.read()).breaks(lock) == ()


async def test_an_incident_is_told_all_but_its_own_and_the_newest_first(shop: Shop) -> None:
    many = MOST_RECALLED + 3
    locks = [
        wall_lock(incident=f"refund-agent-{number}", closed_at=START + timedelta(days=number))
        for number in range(many)
    ]
    for lock in locks:
        await shop.hang(lock)
    found = await recall(shop.shelf, shop.keys, "refund-agent", "reranker-regression", locks[-1].ours)
    assert found.locks == tuple(reversed(locks[2:-1]))
    assert found.more == 2
    same_fire = (locks[0].incident, "another-run")
    found = await recall(shop.shelf, shop.keys, "refund-agent", "reranker-regression", same_fire)
    assert (len(found.locks), found.more) == (MOST_RECALLED, 3)
    assert (await recall(shop.shelf, shop.keys, "refund-agent", "cost-runaway", NOBODY)).locks == ()


def signed(shop: Shop, made: dict[str, Any], key: str = "station") -> bytes:
    return shop.key(key).seal(made)


def altered(shop: Shop) -> bytes:
    envelope = json.loads(signed(shop, statement(wall_lock())))
    other = json.loads(signed(shop, statement(wall_lock(title="Nothing at all"))))
    return canonical_json({**envelope, "payload": other["payload"]})


FORGED: dict[str, Any] = {
    "no document at all": (NAME, lambda _: b"\x00\xff", "not a DSSE envelope"),
    "cut in half": (NAME, lambda s: signed(s, statement(wall_lock()))[:200], "not a DSSE envelope"),
    "written otherwise": (
        NAME,
        lambda s: b" " + signed(s, statement(wall_lock())),
        "not those that were sealed",
    ),
    "signed by another station": (NAME, lambda s: signed(s, statement(wall_lock()), "thief"), "another key"),
    "another payload under a good signature": (NAME, altered, "altered"),
    "another incident's name": (
        names(wall_lock(incident="refund-agent-00000000"))[0],
        lambda s: signed(s, statement(wall_lock())),
        "signed for another name",
    ),
    "another class": (
        names(wall_lock(pattern="cost-runaway"))[0],
        lambda s: signed(s, statement(wall_lock())),
        "signed for another name",
    ),
    "a lock among what broke": (
        NAME.replace("locks/", "broken/"),
        lambda s: signed(s, statement(wall_lock())),
        "signed for another name",
    ),
    "a manifest of ours": (
        NAME,
        lambda s: signed(s, {**statement(wall_lock()), "predicateType": "https://firestation.dev/other"}),
        "no entry of the wall",
    ),
    "an entry of a later version": (
        NAME,
        lambda s: signed(s, {**statement(wall_lock()), "predicate": {"kind": "lock", "surprise": 1}}),
        "cannot be read",
    ),
    "another subject": (
        NAME,
        lambda s: signed(s, {**statement(wall_lock()), "subject": []}),
        "its subject is another one",
    ),
}


@pytest.mark.parametrize("name", list(FORGED))
async def test_what_is_forged_or_foreign_is_told_and_never_believed(shop: Shop, name: str) -> None:
    place, forge, why = FORGED[name]
    good = wall_lock(incident="refund-agent-77777777")
    shop.put(place, forge(shop))
    await shop.hang(good)
    wall = await shop.read()
    assert (wall.locks, wall.broken) == ((good,), ())
    assert [(each.name, why in each.why) for each in wall.doubts] == [(place, True)]


@pytest.mark.parametrize("name", [each for each, (place, _, _) in FORGED.items() if place == NAME])
async def test_a_name_that_is_taken_does_not_keep_the_lock_away(shop: Shop, name: str) -> None:
    content = FORGED[name][1](shop)
    shop.put(NAME, content)
    second = await shop.hang(wall_lock())
    assert second == names(wall_lock())[1]
    assert await shop.hang(wall_lock()) == second
    assert shop.shelf.kept[NAME][0] == content
    wall = await shop.read()
    assert (wall.locks, [each.name for each in wall.doubts]) == ((wall_lock(),), [NAME])
    shop.shelf.kept[second] = content, START
    with pytest.raises(Denied, match="is taken by what this station has not signed"):
        await shop.hang(wall_lock())


async def test_a_lock_outlives_the_key_that_signed_it(shop: Shop, tmp_path: Path) -> None:
    await shop.hang(wall_lock())
    shop.signer = shop.key("next")
    assert [each.name for each in (await shop.read()).doubts] == [NAME]
    (tmp_path / "former").mkdir()
    (tmp_path / "station.pub").rename(tmp_path / "former" / "2026.pub")
    assert await shop.read() == Wall(locks=(wall_lock(),))
    assert await shop.hang(wall_lock()) == NAME


async def test_a_shelf_that_is_away_is_an_error_and_not_an_empty_wall(shop: Shop) -> None:
    await shop.hang(wall_lock())
    shop.shelf.faults.unreachable(1)
    with pytest.raises(Unreachable):
        await shop.read()


def test_no_two_entries_have_one_name() -> None:
    lock = wall_lock()
    entries: list[WallLock | WallBreak] = [
        lock,
        wall_lock(mark="other"),
        wall_lock(incident="refund-agent-5e6f7a8b.b"),
        wall_lock(system="refund-agent.b"),
        wall_break(lock),
        wall_break(lock, holds=False),
        wall_break(lock, incident="refund-agent-5"),
        wall_break(lock, of_mark="other"),
    ]
    made = [name for entry in entries for name in names(entry)]
    assert len(set(made)) == len(made)


async def test_the_longest_ids_have_a_name_that_fits(shop: Shop) -> None:
    long = wall_lock(system="s" * 63, pattern="p" * 63, incident="i" * 63, mark="m" * 64)
    for entry in (long, wall_break(long, incident="j" * 63, mark="n" * 64)):
        assert await shop.hang(entry) == names(entry)[0]
    shop.put(names(long)[1], b"a stranger's")
    wall = await shop.read()
    assert (wall.locks, [each.name for each in wall.doubts]) == ((long,), [names(long)[1]])


async def test_a_recall_reads_the_locks_of_its_class_and_nothing_else(shop: Shop) -> None:
    """Fifty fires of one class leave a thousand breaks, and the next incident waits for none of them."""
    for entry in (wall_lock(), wall_break(wall_lock()), wall_lock(pattern="cost-runaway")):
        await shop.hang(entry)
    asked: list[str] = []

    class Listening(MemoryShelf):
        async def get(self, name: str) -> bytes | None:
            asked.append(name)
            return await shop.shelf.get(name)

        async def names(self, folder: str) -> dict[str, datetime]:
            return dict(await shop.shelf.names(folder))

    found = await recall(Listening(), shop.keys, "refund-agent", "reranker-regression", NOBODY)
    assert found.locks == (wall_lock(),)
    assert asked == [NAME]
