"""What the gateway reads before it serves: legal clocks have owners whom the station knows, what waits has a bell."""

from pathlib import Path

import pytest

from firestation.alarm import Alarm
from firestation.errors import InvalidFile
from firestation.legal import CATALOGUE
from firestation.record import Brief
from firestation.settings import Settings
from gateway.book import Bookkeeper
from tests.docs.documents import ROOT
from tests.property import worlds

OWN = """
  clocks:
    - id: supervisor
      title: Tell the supervisor
      source: Our licence, section 12
      authority: the supervisor
      severities: [sev1]
      within: 4h
      owner: {owner}
"""


def settings(folder: Path, legal: str) -> Settings:
    system = folder / "system.yaml"
    system.write_text((ROOT / "examples/refund_agent/system.yaml").read_text() + legal)
    station = ROOT / "examples/station/station.yaml"
    return Settings(station=station, systems=system, runbooks=ROOT / "runbooks")


def opened(folder: Path, legal: str) -> Brief:
    ringing: Alarm = worlds.alarm()
    return Bookkeeper(settings(folder, legal)).book.brief(ringing, worlds.START)


def test_an_incident_opens_with_the_catalogue_and_the_systems_own_clocks(tmp_path: Path) -> None:
    brief = opened(tmp_path, "legal:\n  owner: comms" + OWN.format(owner="ana"))
    assert [(each.id, each.owner) for each in brief.clocks] == [
        *((each.id, "comms") for each in CATALOGUE),
        ("supervisor", "ana"),
    ]


def test_a_system_that_says_nothing_has_the_catalogue_and_the_captain_owns_it(tmp_path: Path) -> None:
    brief = opened(tmp_path, "")
    assert [(each.id, each.owner) for each in brief.clocks] == [(each.id, "captain") for each in CATALOGUE]


@pytest.mark.parametrize(
    ("legal", "field"),
    [
        ("legal:\n  owner: anna\n", "legal.owner"),
        ("legal:" + OWN.format(owner="anna"), "legal.clocks[0].owner"),
    ],
)
def test_an_owner_whom_nobody_knows_is_named(tmp_path: Path, legal: str, field: str) -> None:
    with pytest.raises(InvalidFile) as told:
        Bookkeeper(settings(tmp_path, legal))
    assert told.value.field == field
    assert "'anna' is neither a role nor one of the station's people" in str(told.value)
    assert "Name a role, or one of ana" in str(told.value)


def test_what_waits_for_a_person_needs_the_bell_at_which_it_rings_in_the_end(tmp_path: Path) -> None:
    rule = "triage:\n  - {id: a, match: {names: [CostUp]}, then: person, within: 1h, why: b}\n"
    given = settings(tmp_path, rule)
    assert Bookkeeper(given).book.systems["refund-agent"].triage[0].within
    text = given.station.read_text()
    assert "id: watch" in text
    station = tmp_path / "station.yaml"
    station.write_text(text.replace("id: watch", "id: another"))
    for each in given.station.parent.iterdir():
        if each.suffix != ".yaml" and each.is_file():
            (tmp_path / each.name).write_bytes(each.read_bytes())
    with pytest.raises(InvalidFile, match=r"triage\[0\].then: the station file has no bell 'watch'"):
        Bookkeeper(given.changed(station=station))
