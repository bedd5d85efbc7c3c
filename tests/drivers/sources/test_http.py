"""The http source against a real HTTP service."""

import asyncio
import json
from contextlib import aclosing
from typing import Any

import pytest

from firestation.drivers import Drivers
from firestation.errors import Denied, Gone, InvalidInput, Nonsense, Unreachable
from firestation.evidence import Scope
from firestation.ports import Source
from firestation.testing import SourceConformance
from tests.drivers.lever_service import TOKEN, Product
from tests.drivers.sources.reading import gather, in_scope, make_source
from tests.e2e.processes import free_port

pytestmark = pytest.mark.driver
TRACE = {"name": "traces/{request_id}.json", "url": "/traces/{request_id}", "for_each": "request_ids"}


def http_source(bench: Drivers, product: Product, *requests: dict[str, Any], **more: Any) -> Source:
    config = {"base": product.url, "auth": {"bearer": "env:AGENT_TOKEN"}, "requests": list(requests), **more}
    return make_source(bench, "http", **config)


class TestHttpSource(SourceConformance):
    @pytest.fixture
    def source(self, bench: Drivers, product: Product) -> Source:
        return http_source(bench, product, TRACE)

    @pytest.fixture
    def absent(self, bench: Drivers, product: Product) -> Source:
        return http_source(bench, product, TRACE, base=f"http://127.0.0.1:{free_port()}")

    @pytest.fixture
    def scope(self) -> Scope:
        return in_scope("r1", "r2", "r 3", "r4", "ü5", "r6")


class TestCollecting:
    async def test_what_was_got_is_kept_and_the_rest_is_one_error(
        self, bench: Drivers, product: Product
    ) -> None:
        found, error = await gather(
            http_source(bench, product, TRACE), in_scope("r1", "gone", "r2", "..", "", "r3")
        )
        assert sorted(each.name for each in found) == ["traces/r1.json", "traces/r2.json", "traces/r3.json"]
        assert type(error) is Gone
        assert error.details == {"failed": 3, "asked": 6}
        assert {each.provides for each in found} == {("requests",)}

    async def test_one_that_is_worth_another_try_makes_it_all_so(
        self, bench: Drivers, product: Product
    ) -> None:
        one = {"name": "config.json", "url": "/bad/503"}
        found, error = await gather(http_source(bench, product, TRACE, one), in_scope("r1", "gone"))
        assert [each.name for each in found] == ["traces/r1.json"]
        assert type(error) is Unreachable

    async def test_bytes_are_frozen_as_they_came(self, bench: Drivers, product: Product) -> None:
        one = {"name": "rows.csv", "url": "/bad/csv", "media_type": "text/csv"}
        found, error = await gather(http_source(bench, product, one), in_scope())
        assert error is None
        assert [(each.content, each.media_type) for each in found] == [(b"a,b\n1,2\n", "text/csv")]

    async def test_another_media_type_is_nonsense(self, bench: Drivers, product: Product) -> None:
        one = {"name": "rows.csv", "url": "/bad/html", "media_type": "text/csv"}
        found, error = await gather(http_source(bench, product, one), in_scope())
        assert found == []
        assert isinstance(error, Nonsense)

    async def test_a_hostile_request_id_stays_one_path_segment(
        self, bench: Drivers, product: Product
    ) -> None:
        await gather(http_source(bench, product, TRACE), in_scope("../../levers/reranker?x=1#y"))
        assert "/levers/reranker" not in [path for _, path, _, _ in product.seen]

    async def test_a_source_that_is_dropped_leaves_nothing_running(
        self, bench: Drivers, product: Product
    ) -> None:
        hang = {"name": "hang.json", "url": "/bad/hang"}
        before = asyncio.all_tasks()
        source = http_source(bench, product, TRACE, hang, timeout="60s")
        async with asyncio.timeout(20), aclosing(source.collect(in_scope("r1"))) as found:  # type: ignore[type-var]
            assert (await anext(found)).name == "traces/r1.json"
        assert asyncio.all_tasks() == before

    async def test_times_and_ids_are_filled_in(self, bench: Drivers, product: Product) -> None:
        spec = {
            "name": "search.json",
            "method": "POST",
            "url": "/traces/search",
            "query": {"from": "{since}", "q": 'up{job="x"} by {incident}'},
            "headers": {"X-Incident": "{incident}"},
            "body": {"ids": "{request_ids}", "until": "{until}"},
        }
        await gather(http_source(bench, product, spec), in_scope("r1", "r2"))
        _, _, headers, body = product.seen[0]
        assert json.loads(body) == {"ids": ["r1", "r2"], "until": "2026-11-23T03:00:00Z"}
        assert headers["x-incident"] == "agent-1"

    async def test_an_echoed_credential_is_not_repeated(self, bench: Drivers, product: Product) -> None:
        _, error = await gather(http_source(bench, product, TRACE), in_scope("secret"))
        assert isinstance(error, Denied)
        assert TOKEN not in str(error)
        assert "Bearer ***" in str(error)


SUBJECTS = {
    "request_ids": "request_id",
    "trace_ids": "trace_id",
    "tenants": "tenant",
    "users": "user",
    "queries": "query",
}


class TestForEach:
    @pytest.mark.parametrize(("what", "one"), SUBJECTS.items())
    async def test_there_is_one_of_everything_that_the_alarm_names(
        self, bench: Drivers, product: Product, what: str, one: str
    ) -> None:
        spec = {"name": f"of {{{one}}}", "url": f"/traces/{{{one}}}", "for_each": what}
        found, error = await gather(http_source(bench, product, spec), in_scope(**{what: ("a", "b c")}))
        assert error is None
        assert sorted(each.name for each in found) == ["of a", "of b c"]
        assert sorted(path for _, path, _, _ in product.seen) == ["/traces/a", "/traces/b c"]

    def test_a_placeholder_that_nothing_fills_is_named(self, bench: Drivers, product: Product) -> None:
        spec = {"name": "of {user}", "url": "/traces/{tenant}", "for_each": "users"}
        with pytest.raises(InvalidInput, match="tenant"):
            http_source(bench, product, spec)
