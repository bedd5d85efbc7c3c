"""The watch on a terminal: what each detector sees, and what is wrong with it."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from typer.testing import Result

from firestation.watch.view import DetectorView
from gateway.detectors import Detectors

Run = Callable[..., Result]
NOW = datetime.now(UTC)


def told(station: Any, *views: DetectorView) -> None:
    station.override = (200, json.dumps(Detectors(detectors=views).model_dump(mode="json")).encode())


def seen(**more: Any) -> DetectorView:
    fields = {
        "system": "refund-agent",
        "detector": "golden",
        "title": "Golden eval",
        "check": "golden",
        "promise": "at least 98.0 %",
        "standing": "quiet",
    }
    return DetectorView.model_validate(fields | more)


def test_each_detector_says_what_it_sees_and_which_incident_it_rang(run: Run, station: Any) -> None:
    told(
        station,
        seen(
            standing="suspects",
            looked_at=NOW,
            seen="66.7 % of 6",
            near=0.4,
            since=NOW,
            said="failed: \x1b[31m",
        ),
        seen(
            detector="fresh",
            standing="rang",
            looked_at=NOW,
            rang_at=NOW,
            incident="refund-agent-1a2b3c4d",
            owed=2,
            late=True,
        ),
        seen(detector="judge", standing="waits", late=True, paused=True),
    )
    result = run("detectors", "refund-agent")
    text = " ".join(result.output.split())
    assert result.exit_code == 0
    assert "sees 66.7 % of 6; promised is at least 98.0 %; going wrong since" in text
    assert "has counted nothing yet; promised is at least 98.0 %; 0% of the way" in text
    assert "times in " in text
    assert "40% of the way to ringing" in text
    assert text.count("IT DOES NOT LOOK ANY MORE") == 1
    assert text.count("IT IS PAUSED") == 1
    assert "the bell does not have 2 of its alarms yet" in text
    assert "$ firestation show refund-agent-1a2b3c4d" in result.output
    assert "\x1b[31m" not in result.output
    as_data = json.loads(run("detectors", "--json").output)
    assert [each["standing"] for each in as_data["detectors"]] == ["suspects", "rang", "waits"]


def test_a_station_that_watches_nothing_says_where_detectors_are_written(run: Run, station: Any) -> None:
    told(station)
    assert "a system file has them under `watch`" in run("detectors").output


def test_an_answer_that_is_none_is_refused(run: Run, station: Any) -> None:
    station.override = (200, b'{"detectors": [{"detector": "golden"}]}')
    result = run("detectors")
    assert (result.exit_code != 0, "cannot be read" in result.output) == (True, True)
    assert "Traceback" not in result.output


def test_a_hostile_station_draws_nothing_with_what_a_detector_sees(run: Run, station: Any) -> None:
    told(station, seen(promise="98 % \x1b[2J", seen="1 of 6 \u202e", title="Golden \x1b[31m"))
    output = run("detectors").output
    assert not {"\x1b", "\u202e"} & set(output)
