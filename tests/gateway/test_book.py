"""What the gateway reads before it serves: legal clocks have owners whom the station knows."""

from pathlib import Path

import pytest

from firestation.alarm import Alarm
from firestation.errors import InvalidFile
from firestation.legal import CATALOGUE
from firestation.record import Brief
from firestation.settings import Settings
from gateway.__main__ import read_book
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
    return read_book(settings(folder, legal)).brief(ringing, worlds.START)


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
        read_book(settings(tmp_path, legal))
    assert told.value.field == field
    assert "'anna' is neither a role nor one of the station's people" in str(told.value)
    assert "Name a role, or one of ana" in str(told.value)
