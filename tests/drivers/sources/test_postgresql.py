"""The PostgreSQL source on a real PostgreSQL."""

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from firestation.drivers import Drivers
from firestation.errors import Denied, DriverError, Gone, Nonsense, Unreachable
from firestation.evidence import Scope
from firestation.ports import Source
from firestation.testing import SourceConformance
from tests.drivers.sources.reading import gather, just_now, make_source, whole
from tests.e2e.processes import free_port

pytestmark = pytest.mark.driver
TABLE = """
CREATE TABLE requests (id text, tenant text, at timestamptz, score float8, said bytea);
INSERT INTO requests VALUES
  ('r-1', 'acme', now(), 0.5, 'a'), ('r-2', 'acme', now(), 'NaN', 'b'), ('r-3', 'globex', now(), 1, NULL);
CREATE ROLE nobody LOGIN;
"""
OF_REQUEST = "SELECT * FROM requests WHERE id = ANY(%(request_ids)s) OR tenant = ANY(%(tenants)s) ORDER BY id"


@pytest.fixture(scope="module")
def database(postgresql: int) -> Iterator[int]:
    server = f"postgresql://postgres@127.0.0.1:{postgresql}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as link:
        link.execute("CREATE DATABASE application")
    with psycopg.connect(f"{server}/application", autocommit=True) as link:
        link.execute(TABLE)
        yield postgresql


def make(bench: Drivers, port: int, sql: str = OF_REQUEST, **config: Any) -> Source:
    place = {"host": "127.0.0.1", "port": port, "database": "application", "user": "postgres"}
    asked = [{"name": "requests", "sql": sql}]
    return make_source(bench, "postgresql", **{**place, "tls": "disable", "queries": asked, **config})


async def rows(source: Source, scope: Scope) -> list[dict[str, Any]]:
    found, error = await gather(source, scope)
    if error is not None:
        raise error
    ((artifact),) = found
    return [json.loads(line) for line in whole(artifact).splitlines()]


@pytest.mark.asyncio
class TestPostgresqlSource(SourceConformance):
    @pytest.fixture
    def source(self, bench: Drivers, database: int) -> Source:
        return make(bench, database)

    @pytest.fixture
    def absent(self, bench: Drivers) -> Source:
        return make(bench, free_port())

    @pytest.fixture
    def scope(self) -> Scope:
        return just_now("r-1", tenants=("globex",))


async def test_it_freezes_the_rows_of_what_the_alarm_names(bench: Drivers, database: int) -> None:
    found = await rows(make(bench, database), just_now("r-2", tenants=("globex",)))
    assert [each["id"] for each in found] == ["r-2", "r-3"]
    assert found[0]["score"] == "NaN"


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM requests RETURNING *",
        "WITH gone AS (DELETE FROM requests RETURNING *) SELECT * FROM gone",
        "SELECT 1; DELETE FROM requests",
        "COMMIT; DELETE FROM requests",
        "SET TRANSACTION READ WRITE; DELETE FROM requests",
        "SELECT set_config('transaction_read_only', 'off', false); DELETE FROM requests",
        "CREATE TABLE stolen AS SELECT * FROM requests",
        "SELECT nextval('s') FROM (SELECT 1) AS x",
    ],
)
async def test_nothing_is_ever_written(bench: Drivers, database: int, sql: str) -> None:
    with pytest.raises(DriverError):
        await rows(make(bench, database, sql), just_now())
    assert len(await rows(make(bench, database, "SELECT * FROM requests"), just_now())) == 3


async def test_a_query_that_takes_too_long_is_stopped_by_the_server(bench: Drivers, database: int) -> None:
    with pytest.raises(Unreachable, match="statement timeout"):
        await rows(make(bench, database, "SELECT pg_sleep(60)", statement_timeout="200ms"), just_now())


@pytest.mark.parametrize(
    ("config", "error", "said"),
    [
        ({"sql": "SELECT * FROM no_such_table"}, Gone, "no_such_table"),
        ({"sql": "SELECT * FROM requests WHERE false"}, Gone, "no row"),
        ({"sql": "SELEKT"}, Nonsense, "syntax"),
        ({"sql": "SELECT %(nothing)s"}, Nonsense, "nothing"),
        ({"database": "none"}, Gone, "none"),
        ({"user": "nobody"}, Denied, "permission denied"),
        ({"tls": "require"}, Unreachable, "SSL"),
        ({"sql": "SELECT generate_series(1, 1000000000)", "max_rows": 10}, Nonsense, "max_rows"),
        (
            {"sql": "SELECT repeat('x', 1000) FROM generate_series(1, 1000000)", "max_bytes": 5000},
            Nonsense,
            "max",
        ),
    ],
)
async def test_what_cannot_be_had_says_why(
    bench: Drivers, database: int, config: dict[str, Any], error: type[DriverError], said: str
) -> None:
    with pytest.raises(error, match=said):
        await rows(make(bench, database, **config), just_now())
