"""The PostgreSQL source: rows of read-only queries, each with a statement timeout.

The session is read-only by its own setting and by that of each transaction, and a query is sent in the extended
protocol, which takes one statement only: not even a system file that means harm writes by this driver. Give it a role
that may only SELECT all the same.
"""

from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from typing import Any, ClassVar, Literal

import psycopg
from psycopg.rows import dict_row
from pydantic import Field
from pydantic_core import to_json

from firestation.alarm import SUBJECTS
from firestation.authority import SecretReference
from firestation.drivers.harvest import Job, harvest
from firestation.drivers.kit import Kit
from firestation.errors import Denied, DriverError, Gone, Nonsense, NotConfigured, Unreachable
from firestation.evidence import Scope
from firestation.model import Duration, Line, Model
from firestation.ports import Artifact
from firestation.system import SnapshotItem, SourceFitting

JSON_LINES = "application/x-ndjson"
NO_ACCESS = frozenset({"28", "42501"})
NOT_THERE = frozenset({"3D000", "42P01", "42703", "42704", "3F000"})


class Database(Model):
    """How the database is reached. `statement_timeout` is the server's own limit for a statement."""

    host: Line
    port: int = Field(default=5432, ge=1, le=65535)
    database: Line
    user: Line
    password: SecretReference | None = None
    tls: Literal["disable", "require", "verify-ca", "verify-full"] = "verify-full"
    statement_timeout: Duration = Field(default="10s", validate_default=True, gt=timedelta())


class Query(Model):
    """One SELECT. `%(name)s` takes what is in scope: incident, since, until, request_ids and the other lists."""

    name: Line
    sql: str = Field(min_length=1, max_length=20_000)
    provides: tuple[SnapshotItem, ...] = ()


class PostgresqlSourceConfig(Database):
    """What is asked, and how much may be answered."""

    max_rows: int = Field(default=10_000, ge=1, le=1_000_000)
    max_bytes: int = Field(default=16_000_000, ge=1, le=256_000_000)
    queries: tuple[Query, ...] = Field(min_length=1)


class PostgresqlSource:
    """Freezes the rows of each query as JSON Lines."""

    config_model: ClassVar[type[Model]] = PostgresqlSourceConfig

    def __init__(self, fitting: SourceFitting, config: PostgresqlSourceConfig, kit: Kit) -> None:
        self.fitting, self.config, self.kit = fitting, config, kit

    def collect(self, scope: Scope) -> AsyncIterator[Artifact]:
        """One artifact a query, each in a connection of its own."""
        values: dict[str, Any] = {what: list(getattr(scope, what)) for what in SUBJECTS}
        values |= {"incident": scope.incident, "since": scope.since, "until": scope.until}
        jobs: list[Job] = [partial(self._rows, query, values) for query in self.config.queries]
        return harvest(jobs)

    async def _rows(self, query: Query, values: dict[str, Any]) -> Artifact:
        lines = bytearray()
        count = 0
        try:
            async with (
                await connect(self.config, self.kit, read_only=True) as link,
                link.cursor(row_factory=dict_row) as cursor,
            ):
                async for row in cursor.stream(query.sql.encode(), values):
                    count += 1
                    lines += to_json(row, fallback=str, inf_nan_mode="strings") + b"\n"
                    if count > self.config.max_rows or len(lines) > self.config.max_bytes:
                        msg = f"{query.name} gives more than max_rows or max_bytes allow; narrow the query"
                        raise Nonsense(msg)
        except psycopg.Error as error:
            raise ours(error, query.name) from error
        if not count:
            raise Gone(f"{query.name}: no row")
        return Artifact(
            name=query.name,
            media_type=JSON_LINES,
            content=bytes(lines),
            provides=query.provides or self.fitting.provides,
            how=f"PostgreSQL, database {self.config.database} as {self.config.user}, {count} rows"[:300],
        )


async def connect(database: Database, kit: Kit, *, read_only: bool) -> psycopg.AsyncConnection[Any]:
    """A connection; one that is not read-only commits each statement. Raises `Denied`, and what psycopg raises."""
    try:
        password = kit.secrets.resolve(database.password) if database.password else None
    except NotConfigured as error:
        raise Denied(str(error)) from error
    seconds = database.statement_timeout.total_seconds()
    options = f"-c statement_timeout={int(seconds * 1000)}"
    link = await psycopg.AsyncConnection.connect(
        host=database.host,
        port=database.port,
        dbname=database.database,
        user=database.user,
        password=password,
        sslmode=database.tls,
        connect_timeout=max(2, int(seconds)),
        application_name="firestation",
        options=f"-c default_transaction_read_only=on {options}" if read_only else options,
        autocommit=not read_only,
    )
    if read_only:
        await link.set_read_only(True)
    return link


def ours(error: psycopg.Error, name: str) -> DriverError:
    """By the SQLSTATE, where the server gave one."""
    said, state = f"{name}: {error}"[:4000], error.sqlstate or ""
    if state in NO_ACCESS or state[:2] in NO_ACCESS or "password" in said:
        return Denied(said)
    if state in NOT_THERE or (not state and "does not exist" in said):  # a connection refused has no state
        return Gone(said)
    if isinstance(error, psycopg.OperationalError):
        return Unreachable(said)
    return Nonsense(said)
