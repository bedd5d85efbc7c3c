"""What the watch needs of the outside: counts in the answer of a check, and the station's own bell."""

import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from firestation.alarm import Alarm
from firestation.bell.generic import GenericAlarm
from firestation.drivers import Drivers
from firestation.errors import Denied, NotConfigured
from firestation.ports import Window
from firestation.secrets import ReferenceSecrets
from firestation.settings import Settings
from firestation.system import CheckFitting
from firestation.watch.sample import Sample
from tests.docs.documents import ROOT
from tests.drivers.contracts import listening
from worker.bell import own_bell
from worker.watch import _read

NOW = datetime(2026, 11, 26, 3, 0, tzinfo=UTC)
SAMPLE = {
    "n": "$.total",
    "good": "$.passed",
    "squares": "$.squares",
    "key": "$.run",
    "request_ids": "$.failing",
}
pytestmark = pytest.mark.driver


class Service:
    """Answers with what it is told to, and keeps what it was sent."""

    def __init__(self) -> None:
        self.status, self.answer = 200, dict[str, Any]()
        self.sent: list[tuple[str, str | None, Any]] = []

    def handler(self) -> type[BaseHTTPRequestHandler]:
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                given = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                service.sent.append((self.path, self.headers.get("Authorization"), json.loads(given)))
                body = json.dumps(service.answer).encode()
                self.send_response(service.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def url(service: Service) -> Iterator[str]:
    with listening(service.handler()) as url:
        yield url


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Drivers]:
    async with Drivers(ReferenceSecrets(tmp_path), folder=tmp_path) as bench:
        yield bench


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ({"total": 6, "passed": 4}, Sample(n=6, good=4)),
        ({"total": "6", "passed": "4.5", "run": 7}, Sample(n=6, good=4.5, key="7")),
        (
            {"total": 6, "passed": 4, "failing": ["ev-1", 2, "", "ev-3"]},
            Sample(n=6, good=4, request_ids=("ev-1", "ev-3")),
        ),
        ({"total": 6, "passed": 4, "failing": "all"}, Sample(n=6, good=4)),
        ({"total": 0, "passed": 0}, Sample(n=0, good=0)),
        ({"total": 6}, Sample(n=0, good=0)),
        ({"total": 6, "passed": 12, "squares": 26}, Sample(n=6, good=12, squares=26)),
        ({"total": 6, "passed": 12, "squares": 12}, Sample(n=0, good=0)),
        ({"total": -6, "passed": 4}, Sample(n=0, good=0)),
        ({"total": 6, "passed": -4}, Sample(n=0, good=0)),
        ({"total": 6, "passed": "nan"}, Sample(n=0, good=0)),
        ({"total": 6, "passed": "inf"}, Sample(n=0, good=0)),
        ({"total": 0, "passed": 4}, Sample(n=0, good=0)),
        ({"total": 6, "passed": "most"}, Sample(n=0, good=0)),
        ({"total": None, "passed": None}, Sample(n=0, good=0)),
    ],
)
async def test_a_check_counts_what_stands_in_the_answer_and_never_guesses(
    bench: Drivers, service: Service, url: str, answer: dict[str, Any], found: Sample
) -> None:
    request = {"method": "POST", "url": "/evals", "body": {}}
    expect = [{"path": "$.total", "op": "present"}]
    config = {"base": url, "request": request, "expect": expect, "sample": SAMPLE}
    fitting = CheckFitting(id="golden", title="Golden", driver="http", config=config)
    service.answer = answer
    reading = await bench.check(fitting).measure(Window(since=NOW, until=NOW))
    assert reading.sample == found
    assert ("nothing to count" in reading.detail) == (found.n == 0)
    plain = fitting.changed(config={**config, "sample": None})
    assert (await bench.check(plain).measure(Window(since=NOW, until=NOW))).sample is None


def alarm() -> Alarm:
    return Alarm(
        source="watch",
        key="fire/golden/2026-11-26T03:00:00Z",
        system="refund-agent",
        name="RefundGoldenEvalFailing",
        summary="4 of 6, and {braces} are text",
        started_at=NOW,
        labels={"detector": "golden"},
        annotations={"e_value": "10^7"},
        request_ids=("ev-1",),
    )


async def test_the_bell_is_rung_as_any_machine_rings_it(
    bench: Drivers, service: Service, url: str, tmp_path: Path
) -> None:
    (tmp_path / "tokens").mkdir()
    (tmp_path / "tokens/bell-watch").write_text("the-secret")
    station = ROOT / "examples/station/station.yaml"
    bell = own_bell(Settings(state=tmp_path, station=station, public_url=url.rstrip("/")), bench.kit)
    service.answer = {"incidents": [{"incident": "refund-agent-1a2b3c4d"}], "ignored": []}
    assert await bell.ring(alarm()) == "refund-agent-1a2b3c4d"
    ((path, secret, body),) = service.sent
    assert (path, secret) == ("/alarms/generic", "Bearer the-secret")
    heard = GenericAlarm.model_validate(body)
    assert (heard.id, heard.summary, heard.request_ids) == (alarm().key, alarm().summary, ("ev-1",))
    service.answer = {"incidents": [], "ignored": []}
    assert await bell.ring(alarm()) is None
    service.status = 401
    with pytest.raises(Denied) as refused:
        await bell.ring(alarm())
    assert "the-secret" not in str(refused.value)


async def test_a_station_without_that_bell_says_what_to_add(bench: Drivers, tmp_path: Path) -> None:
    station = (ROOT / "examples/station/station.yaml").read_text()
    (tmp_path / "station.yaml").write_text(station.partition("  - id: watch")[0])
    bell = own_bell(Settings(state=tmp_path, station=tmp_path / "station.yaml"), bench.kit)
    with pytest.raises(NotConfigured, match=r"no bell 'watch'.*add to its bells"):
        await bell.ring(alarm())


def test_a_folder_without_a_system_is_more_likely_not_mounted_than_meant_so(tmp_path: Path) -> None:
    """Else every detector would be let go of, with all that it knows."""
    settings = Settings(station=ROOT / "examples/station/station.yaml", systems=tmp_path)
    with pytest.raises(NotConfigured, match="has no"):
        _read(settings)
