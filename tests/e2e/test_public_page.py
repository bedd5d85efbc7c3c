"""The public page in a browser: its age and what is overdue by the reader's own clock, and whole without JavaScript."""

import asyncio
import json
import os
import subprocess
from contextlib import AbstractContextManager
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from firestation.drivers.public_page.render import files
from firestation.drivers.public_page.site import open_site
from firestation.public_page.page import Subscribing
from tests.drivers.contracts import listening
from tests.drivers.products import node
from tests.e2e.processes import needs
from tests.e2e.test_login import MODULES, SCRIPTS
from tests.property.public_pages import HOSTILE, component, over, page, part, word

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
NAMES = ("Refunds", "Averyverylongnamewithoutanyspaceinitatallanywhere")
NOW = "2026-11-23T03:22:20Z"
"""Two minutes after the page was written; the next update is due at 03:37."""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


def served(folder: Path) -> AbstractContextManager[str]:
    """Any web server that serves files will do."""
    return listening(partial(_Quiet, directory=str(folder)))


def test_the_page_tells_its_age_by_the_readers_clock(tmp_path: Path) -> None:
    long = word(7, f"{HOSTILE} {'x' * 500}")
    shown = part(words=(long,), components=tuple(component(name) for name in NAMES))
    both = Subscribing(origin="https://fire.example.org", ways=("email", "webhook"))
    made, site = (
        page(shown, over(), minutes=20).changed(subscribing=both),
        open_site(str(tmp_path / "public")),
    )
    own = f"incidents/{shown.reference}.html"

    async def write() -> None:
        for name, content in files(made):
            await site.replace(name, content)

    asyncio.run(write())
    (tmp_path / "shots").mkdir()
    for each in look(tmp_path, ("index.html", own, "history.html")):
        first, later, name = each["first"], each["later"], each["path"]
        assert max(first["wide"], later["wide"]) <= each["width"], (name, each["width"])
        assert each["complaints"] == []
        assert ("By e-mail" in first["text"]) is (name == "index.html")
        assert "23 November 2026, 03:20 UTC" in first["text"]
        assert (first["stale"], first["overdue"]) == (0, 0)
        if not each["javaScriptEnabled"]:
            continue
        assert "(2 min ago)" in first["text"]
        assert "(22 min ago)" in later["text"]
        if name == "history.html":
            continue
        assert "Next update due by 23 November 2026, 03:37 UTC (in 14 min)" in first["text"]
        assert "Update overdue: it was due by 23 November 2026, 03:37 UTC (5 min late)" in later["text"]
        assert (later["stale"], later["overdue"]) == (1, 1)
        assert "This page was written 22 min ago." in later["text"]


def look(folder: Path, paths: tuple[str, ...], now: str = NOW) -> list[dict[str, Any]]:
    """What each page shows at once and, with JavaScript, twenty minutes later."""
    if not (MODULES / "node_modules").exists():
        message = f"{MODULES} has no playwright-core; run: make test"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    with served(folder / "public") as url:
        command = [node(), str(SCRIPTS / "public.mjs"), str(MODULES), needs("chromium", "chromium"), url, now]
        command += [str(folder / "shots"), *paths]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    assert len(found) == 4 * len(paths)
    return found
