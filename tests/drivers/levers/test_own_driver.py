"""docs/drivers.md, run as it stands: its driver is installed as a third party's, and its own test is collected here."""

import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from firestation import drivers
from firestation.drivers import GROUP
from tests.docs.documents import ROOT, blocks
from tests.drivers.levers.making import make_lever

DRIVER, SUITE = blocks(ROOT / "docs/drivers.md", "python")
MOST_LINES = 45

exec(compile(SUITE, "docs/drivers.md", "exec"))  # gives TestAcmeLever


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "acme_firestation.py").write_text(DRIVER)
    monkeypatch.syspath_prepend(tmp_path)
    entry = EntryPoint(name="lever.acme", value="acme_firestation:AcmeLever", group=GROUP)
    monkeypatch.setattr(drivers, "installed", lambda kind: {"acme": entry} if kind == "lever" else {})
    yield
    sys.modules.pop("acme_firestation", None)


def test_the_example_is_short_and_says_how_to_move_it_by_hand(bench: drivers.Drivers) -> None:
    assert len(DRIVER.splitlines()) <= MOST_LINES
    lever = make_lever(bench, "acme", base="http://acme.example.org", flag="reranker")
    assert "-X PUT http://acme.example.org/levers/reranker" in lever.by_hand("on")  # type: ignore[attr-defined]
