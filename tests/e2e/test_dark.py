"""Everything of ours is dead, and customers still read what is known and how old it is; then it goes on as it was."""

from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from tests.e2e.captain import take
from tests.e2e.processes import SHORTER, Station, a_station, an_agent, free_port, standing, wait_for
from tests.e2e.test_public_page import look, served

pytestmark = [pytest.mark.e2e, pytest.mark.kill, pytest.mark.timeout(240)]

CADENCE = {"cadence: 30m": "cadence: 4s"}
WORD = "Some refunds may be wrong; we have stopped them."


def sent(station: Station, channel: str) -> list[str]:
    """The keys of all that this channel was given, as often as it was given."""
    return [each["key"] for each in station.words(channel)]


def words(station: Station) -> int:
    return len(sent(station, "room"))


def test_the_page_stands_while_everything_is_dead_and_the_cadence_goes_on(tmp_path: Path) -> None:
    public, state = tmp_path / "public", tmp_path / "station"
    (tmp_path / "shots").mkdir()
    ports = [free_port() for _ in range(3)]
    with ExitStack() as stack:
        agent = stack.enter_context(an_agent(tmp_path / "agent"))
        url = stack.enter_context(served(public))
        with a_station(state, agent, changes=SHORTER | CADENCE, public_page=public, ports=ports) as station:
            agent.fault("stale_policy")
            incident = agent.ring(station)
            take(station, incident)
            station.act("ana", incident, "update", audience="public", known=WORD)
            wait_for("the page to say it", lambda: WORD in httpx.get(f"{url}/index.html", timeout=30).text)
            told = words(station)
            wait_for("the cadence", lambda: words(station) > told)
            station.kill_all()
        (told,) = httpx.get(f"{url}/api/v2/summary.json", timeout=30).json()["incidents"]
        assert told["status"] == "investigating"
        now = datetime.now(UTC).isoformat()
        for each in look(tmp_path, ("index.html",), now):
            assert WORD in each["first"]["text"]
            if each["javaScriptEnabled"]:
                assert "This page was written 20 min ago." in each["later"]["text"]
                assert each["later"]["stale"] == 1
        before = sent(station, "room")
        with standing(state, ports, FIRESTATION_PUBLIC_PAGE=str(public)) as station:
            wait_for("the cadence to go on", lambda: words(station) > len(before) + 1)
            seen = station.picture(incident)
            for channel in ("room", "status", "pager"):
                keys = sent(station, channel)
                assert len(keys) == len(set(keys)), channel
            assert [each.known for each in seen.words if each.audience == "public"] == [WORD]
