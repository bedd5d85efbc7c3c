"""The public page in a folder and in a bucket: whole whoever dies, newest whoever is late. S3: test_store_s3.py."""

import asyncio
import json
import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from firestation.drivers.public_page import StaticPage, open_public_page
from firestation.drivers.public_page.publisher import SYSTEMS
from firestation.drivers.public_page.site import Site, open_site
from firestation.errors import Denied, NotConfigured, Unreachable
from firestation.public_page.page import PublicSystem
from firestation.settings import Settings
from tests.e2e.processes import wait_for
from tests.property.public_pages import component, over, part, read_html, word
from worker.public_page import kept_fresh, public_page, public_systems

ROOT = Path(__file__).parents[2]
EXAMPLE = (ROOT / "examples/refund_agent/system.yaml").read_text()
SYSTEM = re.sub(r"^components:\n(?: .*\n)+", "", EXAMPLE, flags=re.MULTILINE)
COMPONENTS = "components: [{id: refunds, title: Refunds}, {id: chat, title: Chat}]\n"


def systems() -> Sequence[PublicSystem]:
    return (PublicSystem(components=(component("Refunds"), component("Chat"))),)


@pytest.fixture(params=["folder", "bucket"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Site:
    if request.param == "folder":
        return open_site(str(tmp_path / "public"))
    return Site(MemoryStore(), "memory:")


@pytest.fixture
def page(site: Site) -> StaticPage:
    return StaticPage(site, "Example status", "https://status.example.org", systems)


async def read(site: Site, name: str) -> str:
    content = await site.get(name)
    assert content is not None, name
    return content.decode()


async def test_a_word_is_on_the_page_and_in_everything_beside_it(page: StaticPage) -> None:
    await page.publish(part())
    await page.publish(over())
    told = part().words[0].known
    for name in ("index.html", "feed.atom", "api/v2/summary.json", "api/v1/summary.json"):
        assert told in await read(page.site, name), name
    assert told in await read(page.site, f"incidents/{part().reference}.html")
    assert over().reference in await read(page.site, "history.html")
    assert {"page.css", "page.js"} <= set(await page.site.names(""))


async def test_doing_it_again_changes_only_the_age(page: StaticPage) -> None:
    page.clock = lambda: datetime(2026, 11, 23, 4, tzinfo=UTC)
    await page.publish(part())
    before = {name: await page.site.get(name) for name in await page.site.names("")}
    await page.publish(part())
    assert {name: await page.site.get(name) for name in await page.site.names("")} == before


async def test_a_late_retry_never_replaces_newer_words(page: StaticPage) -> None:
    newer = part(version=12, words=(word(7), word(20, "It is contained.")))
    await page.publish(newer)
    await page.publish(part(version=5))
    assert "It is contained." in await read(page.site, "index.html")
    assert [name for name in await page.site.names("parts") if part().reference in name] == [
        f"parts/{part().reference}/00000012.json"
    ]
    other = StaticPage(page.site, "Example status")
    await other.write()
    assert "It is contained." in await read(page.site, "index.html")


class Dying(Site):
    """A place that is gone after so many files."""

    left = 0

    async def replace(self, name: str, content: bytes) -> None:
        if self.left == 0:
            raise Unreachable("it is gone")
        self.left -= 1
        await super().replace(name, content)


async def test_whoever_dies_between_two_files_leaves_a_page_that_can_be_read() -> None:
    store = MemoryStore()
    whole = Site(store, "memory:")
    await StaticPage(whole, "Example status", None, systems).publish(part())
    newer, step, files = part(version=12, words=(word(7), word(20, "It is contained."))), 0, 0
    while True:
        dying = Dying(store, "memory:")
        dying.left = step
        try:
            await StaticPage(dying, "Example status", None, systems).publish(newer)
        except Unreachable:
            files += 1
        else:
            break
        front = await read(whole, "index.html")
        elements, _ = read_html(front)
        assert part().words[0].known in front
        assert "It is contained." not in front  # it comes last, when all that it links to is there
        for _, attributes in elements:
            link = attributes.get("href") or "index.html"
            assert link.startswith("#") or await whole.get(link) is not None
        json.loads(await read(whole, "api/v2/summary.json"))
        step += 1
    assert files > 8
    assert "It is contained." in await read(whole, "index.html")


WRITER = """
import asyncio, sys
from firestation.drivers.public_page import open_public_page
from tests.property.public_pages import part, word

async def main():
    page = open_public_page(sys.argv[1], "Example status", None, tuple)
    version = 10
    while True:
        await page.publish(part(version=version, words=(word(7), word(20, f"Word {version} is said."))))
        version += 1

asyncio.run(main())
"""


@pytest.mark.kill
def test_a_writer_that_is_killed_leaves_whole_files_and_the_next_one_goes_on(tmp_path: Path) -> None:
    place = tmp_path / "public"
    for number in range(3):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(place)], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}
        )
        try:
            front = place / "index.html"
            before = front.read_text() if front.exists() else None

            def written(front: Path = front, before: str | None = before) -> bool:
                return front.exists() and front.read_text() != before

            wait_for("a page", written, 60)
        finally:
            writer.send_signal(signal.SIGKILL)
            writer.wait()
        for file in (each for each in place.rglob("*.html") if not each.name.startswith(".")):
            read_html(file.read_text())
        for file in (each for each in place.rglob("*.json") if not each.name.startswith(".")):
            json.loads(file.read_text())
        newer = part(version=10_000_000 + number, words=(word(7), word(30, f"After death {number}.")))
        asyncio.run(open_public_page(str(place), "Example status", None, tuple).publish(newer))
        assert f"After death {number}." in (place / "index.html").read_text()


async def test_two_who_write_at_once_end_with_the_words_of_both(site: Site) -> None:
    pages = [StaticPage(site, "Example status", None, systems) for _ in range(4)]
    parts = [part(f"{number:012d}", words=(word(7, f"Word of incident {number}."),)) for number in range(4)]
    await asyncio.gather(*(page.publish(each) for page, each in zip(pages, parts, strict=True)))
    front = await read(site, "index.html")
    for number in range(4):
        assert f"Word of incident {number}." in front


async def test_what_is_no_part_takes_nothing_from_the_page(page: StaticPage) -> None:
    await page.site.create("parts/000000000000/00000001.json", b"{")
    await page.site.create("parts/111111111111/00000001.json", part().canonical())
    await page.site.create("parts/readme.txt", b"what is this?")
    await page.publish(part())
    front = await read(page.site, "index.html")
    assert part().reference in front
    assert "111111111111" not in front


async def test_a_part_that_is_taken_away_leaves_the_page(page: StaticPage) -> None:
    await page.publish(part())
    (name,) = [each for each in await page.site.names("parts") if part().reference in each]
    await page.site.delete(name)
    await page.write()
    assert part().reference not in await read(page.site, "index.html")


async def test_the_components_stay_with_whoever_has_no_system_files(page: StaticPage) -> None:
    await page.write()
    other = StaticPage(page.site, "Example status")
    await other.write()
    assert "Refunds" in await read(page.site, "index.html")
    await page.site.replace(SYSTEMS, b"{")
    await other.write()
    assert "All systems operational" in await read(page.site, "index.html")


async def test_a_page_is_kept_fresh_by_one_of_many(page: StaticPage) -> None:
    assert await page.freshen()
    other = StaticPage(page.site, "Example status")
    assert not await other.freshen()
    later = datetime.now(UTC) + timedelta(minutes=2)
    other.clock = lambda: later
    assert await other.freshen()
    assert f"{later:%Y-%m-%dT%H:%M:%SZ}" in await read(page.site, "index.html")


async def test_a_keeper_goes_on_after_an_outage(tmp_path: Path) -> None:
    dying = Dying(MemoryStore(), "memory:")
    async with asyncio.timeout(30), kept_fresh(StaticPage(dying, "Example status"), every=0.02):
        await asyncio.sleep(0)
        dying.left = 1000
        while await dying.get("index.html") is None:  # noqa: ASYNC110 - a file tells nobody
            await asyncio.sleep(0.02)


async def test_a_folder_can_be_read_by_a_web_server_of_another_user(tmp_path: Path) -> None:
    page = open_public_page(str(tmp_path / "a" / "public"), "Example status", None, systems)
    await page.publish(part())
    for found in (tmp_path / "a" / "public").rglob("*"):
        others = stat.S_IROTH | (stat.S_IXOTH if found.is_dir() else 0)
        assert found.stat().st_mode & others == others, found
        assert found.stat().st_mode & (stat.S_IWOTH | stat.S_IWGRP) == 0 or found.is_dir()


async def test_a_bucket_is_told_what_the_files_are() -> None:
    store = MemoryStore()
    await StaticPage(Site(store, "memory:"), "Example status", None, systems).publish(part())
    kinds = {
        name: store.get(name).attributes["Content-Type"] for name in ("index.html", "page.js", "feed.atom")
    }
    assert kinds == {
        "index.html": "text/html; charset=utf-8",
        "page.js": "text/javascript; charset=utf-8",
        "feed.atom": "application/atom+xml",
    }
    assert store.get("api/v2/summary.json").attributes["Content-Type"] == "application/json"


async def test_a_place_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(NotConfigured, match="there can be no public page at"):
        open_site(str(tmp_path / "file"))
    site = open_site(str(tmp_path / "public"))
    (tmp_path / "public" / "incidents").write_text("no folder")
    with pytest.raises(Unreachable, match="the place of the public page cannot serve incidents/x"):
        await site.replace("incidents/x", b"x")
    if os.geteuid() != 0:
        (tmp_path / "public").chmod(0o500)
        with pytest.raises(Denied, match="refuses index"):
            await site.replace("index.html", b"x")
        (tmp_path / "public").chmod(0o700)


# The station -----------------------------------------------------------------------------------------------


def test_the_settings_name_the_page_and_the_system_files_its_components(tmp_path: Path) -> None:
    assert public_page(Settings()) is None
    (tmp_path / "systems").mkdir()
    (tmp_path / "systems" / "quiet.yaml").write_text(SYSTEM.replace("system: refund-agent", "system: quiet"))
    (tmp_path / "systems" / "agent.yaml").write_text(SYSTEM + COMPONENTS)
    settings = Settings(systems=tmp_path / "systems", public_page=str(tmp_path / "public"))
    found = public_systems(settings)
    assert [[each.title for each in system.components] for system in found] == [["Refunds", "Chat"]]
    assert found[0].components[0].group == "Refund agent"
    page = public_page(settings)
    assert page is not None
    asyncio.run(page.write())
    assert "Refunds" in (tmp_path / "public" / "index.html").read_text()
    (tmp_path / "systems" / "agent.yaml").write_text("system: [")
    assert public_systems(settings) == ()
    asyncio.run(page.write())
    assert "Refunds" in (tmp_path / "public" / "index.html").read_text()


async def test_a_word_that_was_promised_and_not_said_tells_its_age_without_any_script(
    page: StaticPage,
) -> None:
    promised = part().next_due
    assert promised
    for late, words in ((30, "30 min"), (0, "less than a minute"), (150, "2 h 30 min"), (4320, "3 days")):
        page.clock = partial(lambda minutes: promised + timedelta(minutes=minutes), late)
        await page.write()
        await page.publish(part())
        for name in ("index.html", f"incidents/{part().reference}.html"):
            told = " ".join(re.sub(r"<[^>]+>", "", await read(page.site, name)).split())
            assert f"Update overdue: it was due by 23 November 2026, 03:37 UTC ({words} late)" in told
