"""The Prometheus source on a real Prometheus, which scrapes itself."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from firestation.drivers import Drivers
from firestation.errors import Gone, InvalidInput, Nonsense, Unreachable
from firestation.evidence import Scope
from firestation.ports import Artifact, Source
from firestation.system import SourceFitting
from firestation.testing import SourceConformance
from tests.e2e.processes import free_port, needs, running, wait_for

pytestmark = pytest.mark.driver
SETTINGS = {
    "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
    "rule_files": ["rules.json"],
}
RULES = {"groups": [{"name": "g", "rules": [{"alert": "AlwaysOn", "expr": "vector(1)"}]}]}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    program = needs("prometheus", "prometheus")
    folder, address = tmp_path_factory.mktemp("prometheus"), f"127.0.0.1:{free_port()}"
    scrape = {"job_name": "itself", "static_configs": [{"targets": [address]}]}
    (folder / "prometheus.json").write_text(json.dumps({**SETTINGS, "scrape_configs": [scrape]}))
    (folder / "rules.json").write_text(json.dumps(RULES))
    command = [
        program,
        f"--config.file={folder / 'prometheus.json'}",
        f"--storage.tsdb.path={folder / 'data'}",
    ]

    def told(path: str) -> Any:
        with suppress(httpx.HTTPError):
            answer = httpx.get(f"http://{address}/api/v1/{path}")
            return answer.json()["data"] if answer.is_success else None
        return None

    def scraped() -> bool:
        return bool((told("query?query=up") or {}).get("result") and (told("alerts") or {}).get("alerts"))

    with running([*command, f"--web.listen-address={address}"], folder, "prometheus"):
        wait_for("Prometheus to have scraped", scraped)
        yield f"http://{address}"


def make(bench: Drivers, url: str, **config: Any) -> Source:
    given = {"base": url, "queries": [{"name": "up", "query": 'up{job="itself"}'}], "step": "1s", **config}
    fitting = SourceFitting(
        id="metrics", title="M", driver="prometheus", provides=("requests",), config=given
    )
    return bench.source(fitting)


def around(span: timedelta = timedelta(minutes=5), until: datetime | None = None) -> Scope:
    until = until or datetime.now(UTC)
    return Scope(incident="agent-1", request_ids=(), since=until - span, until=until)


async def gather(source: Source, scope: Scope) -> dict[str, Any]:
    return {each.name: json.loads(_whole(each)) async for each in source.collect(scope)}


def _whole(artifact: Artifact) -> bytes:
    assert isinstance(artifact.content, bytes)
    return artifact.content


@pytest.mark.asyncio
class TestPrometheusSource(SourceConformance):
    @pytest.fixture
    def source(self, bench: Drivers, url: str) -> Source:
        return make(bench, url, alerts=False)

    @pytest.fixture
    def absent(self, bench: Drivers) -> Source:
        return make(bench, f"http://127.0.0.1:{free_port()}")

    @pytest.fixture
    def scope(self) -> Scope:
        return around(timedelta(minutes=1))


async def test_it_freezes_ranges_and_alerts(bench: Drivers, url: str) -> None:
    found = await gather(make(bench, url), around())
    ((series,), alerts) = (found["up"]["data"]["result"], found["alerts"]["data"]["alerts"])
    assert series["metric"]["job"] == "itself"
    assert {value for _, value in series["values"]} == {"1"}
    assert [each["labels"]["alertname"] for each in alerts] == ["AlwaysOn"]


async def test_a_long_span_widens_the_step(bench: Drivers, url: str) -> None:
    # Prometheus looks five minutes back for a point, and refuses more than 11,000 of them with 400.
    scope = around(timedelta(days=30), datetime.now(UTC) + timedelta(seconds=280))
    assert "up" in await gather(make(bench, url), scope)


async def test_no_data_is_an_error_after_all_that_was_got(bench: Drivers, url: str) -> None:
    queries = [{"name": "nothing", "query": "no_such_metric"}, {"name": "up", "query": "up"}]
    source, got = make(bench, url, queries=queries), list[str]()

    async def collect() -> None:
        async for artifact in source.collect(around()):
            got.append(artifact.name)

    with pytest.raises(Gone, match="nothing: Prometheus has no data for no_such_metric"):
        await collect()
    assert got == ["up", "alerts"]


async def test_a_query_that_is_none_is_named(bench: Drivers, url: str) -> None:
    with pytest.raises(Nonsense, match="400"):
        await gather(make(bench, url, queries=[{"name": "x", "query": "sum("}]), around())


async def test_nobody_there_is_unreachable(bench: Drivers) -> None:
    async with asyncio.timeout(60):
        with pytest.raises(Unreachable):
            await gather(make(bench, f"http://127.0.0.1:{free_port()}"), around())


def test_it_needs_a_base(bench: Drivers) -> None:
    fitting = SourceFitting(
        id="m",
        title="M",
        driver="prometheus",
        provides=(),
        config={"queries": [{"name": "u", "query": "up"}]},
    )
    with pytest.raises(InvalidInput, match="base"):
        bench.source(fitting)
