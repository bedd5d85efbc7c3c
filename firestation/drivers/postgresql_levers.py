"""The PostgreSQL levers, which are credential firebreaks: whether a role may log in, and its privileges on a table.

A role that may not log in keeps the sessions that it has, so they are ended after it: `false` is only shown when none
is left, `closing` while some are. A move that died between the two steps is seen, and ends either way. Privileges
change in one transaction, and what is read is what the role really may: a privilege that it also has through PUBLIC or
through another role is not taken away by a REVOKE, which is then rolled back and said.

There is no compare-and-set: the gap is one round trip, for privileges within the transaction that writes.

The role that moves needs no superuser: CREATEROLE and pg_signal_backend for the first (ADMIN OPTION on the role, from
PostgreSQL 16), membership in the owner of the table for the second.
"""

import asyncio
import shlex
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal, LiteralString, Self, cast

import psycopg
from psycopg import sql
from pydantic import Field, JsonValue, StringConstraints, model_validator

from firestation.drivers.exchange import by_shell
from firestation.drivers.moving import MovingConfig, MovingLever, Raced
from firestation.drivers.postgresql import Database, connect, ours
from firestation.errors import Denied, Gone, Unreachable
from firestation.model import Duration, Line, Model
from firestation.ports import ByHand
from firestation.system import Position

Privilege = Literal["DELETE", "INSERT", "REFERENCES", "SELECT", "TRIGGER", "TRUNCATE", "UPDATE"]
Table = Annotated[
    str, StringConstraints(pattern=r'^("[^"]+"|[A-Za-z_]\w*)(\.("[^"]+"|[A-Za-z_]\w*))?$', max_length=130)
]
"""A table as SQL has it, with its schema or without."""

GRANTABLE = " WITH GRANT OPTION"
CLOSING = "closing"
TO_CANCEL_S = (
    0.5  # when the time is over psycopg asks the server to stop, and would wait ten seconds for that
)
LOGIN = """
SELECT rolcanlogin, EXISTS (SELECT FROM pg_stat_activity WHERE usename = rolname)
FROM pg_roles WHERE rolname = %s
"""
END_SESSIONS = """
SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = {role}
"""
HELD = """
SELECT p, has_table_privilege(%(role)s, %(table)s::regclass, p),
       has_table_privilege(%(role)s, %(table)s::regclass, p || ' WITH GRANT OPTION')
FROM unnest(%(privileges)s::text[]) AS p
"""
ON_COLUMNS = """
SELECT count(*) FROM pg_attribute, aclexplode(attacl) AS held
WHERE attrelid = %(table)s::regclass AND held.grantee = (SELECT oid FROM pg_roles WHERE rolname = %(role)s)
  AND held.privilege_type = ANY(%(privileges)s)
"""


class PostgresqlLeverConfig(MovingConfig, Database):
    """Whether `role` may log in; with `table` and `privileges`, which of these it has there.

    `user` is the role that moves. `timeout` is for one reading or one writing.
    """

    role: Line
    table: Table | None = None
    privileges: tuple[Privilege, ...] = ()
    timeout: Duration = Field(default="15s", validate_default=True, gt=timedelta(), le=timedelta(minutes=5))

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        if (self.table is None) != (not self.privileges):
            missing = "privileges: [INSERT, UPDATE]" if self.table else "table: public.refunds"
            msg = f"privileges are held on a table; add {missing}, or leave both out to move the login of the role"
            raise ValueError(msg)
        if self.role == self.user:
            msg = f"the lever would lock itself out; write another user than {self.role} to move it by"
            raise ValueError(msg)
        return self


class PostgresqlLever(MovingLever[PostgresqlLeverConfig]):
    """Positions are true and false for the login; for privileges the sorted list of those that the role has."""

    config_model: ClassVar[type[Model]] = PostgresqlLeverConfig

    async def position(self) -> Position:
        """What the server says of the role."""
        async with self._linked() as link:
            return Position(value=await (self._held(link) if self.config.table else self._login(link)))

    async def write(self, to: Position, found: Position, key: str) -> None:  # noqa: ARG002 - PostgreSQL knows no keys
        """First no new sessions, then none of the old; or a transaction that holds only if it has the effect."""
        statements = self._statements(to.value, found.value)
        async with self._linked() as link:
            if self.config.table is None:
                for each in statements:
                    await link.execute(each)
                return
            async with link.transaction():
                await self._change(link, statements, to, found)

    def between(self, found: Position, one: Position, other: Position) -> bool:  # noqa: ARG002 - there are but two
        """Whether it may not log in any more, and still has sessions."""
        return self.config.table is None and found.value == CLOSING

    def read_by_hand(self) -> ByHand:
        """What the role may, as psql shows it."""
        config = self.config
        if config.table is None:
            command = self._typed(f"-c {shlex.quote(chr(92) + 'du ' + config.role)}")
            return ByHand(command=command, look="it may log in unless `Cannot login` stands there")
        command = self._typed(f"-c {shlex.quote(chr(92) + 'dp ' + config.table)}")
        return ByHand(command=command, look=f"its privileges stand behind {config.role}=")

    def by_hand(self, to: JsonValue) -> str:
        """The same statements through psql."""
        config = self.config
        every: JsonValue = [f"{each}{GRANTABLE}" for each in config.privileges]
        statements = self._statements(to, every)
        if isinstance(to, list):
            statements = [*self._statements([], every), *self._statements(to, [])]
        acts = [f"-c {shlex.quote(' '.join(each.as_string().split()))}" for each in statements]
        return self._typed(*acts, whole=config.table is not None)

    def _typed(self, *acts: str, whole: bool = False) -> str:
        """These acts through psql, as one transaction if they are a whole."""
        config = self.config
        place = f"host={config.host} port={config.port} dbname={config.database}"
        place += f" user={config.user} sslmode={config.tls}"
        password = [f'PGPASSWORD="{by_shell(config.password)}"'] if config.password else []
        command = ["psql -X -v ON_ERROR_STOP=1", *(["-1"] if whole else []), shlex.quote(place)]
        return " ".join([*password, *command, *acts])

    async def _login(self, link: psycopg.AsyncConnection[Any]) -> JsonValue:
        row = await (await link.execute(LOGIN, (self.config.role,))).fetchone()
        if row is None:
            msg = f"PostgreSQL has no role {self.config.role}"
            raise Gone(msg)
        may, sessions = row
        return True if may else CLOSING if sessions else False

    async def _held(self, link: psycopg.AsyncConnection[Any]) -> JsonValue:
        rows = await (await link.execute(HELD, self._where())).fetchall()
        held = sorted(f"{name}{GRANTABLE if grantable else ''}" for name, has, grantable in rows if has)
        return list[JsonValue](held)

    async def _change(
        self,
        link: psycopg.AsyncConnection[Any],
        statements: list[sql.Composed],
        to: Position,
        found: Position,
    ) -> None:
        """Change the privileges. Raises `Denied` when that would not have the effect, or not all could be put back."""
        row = await (await link.execute(ON_COLUMNS, self._where())).fetchone()
        if row and row[0]:
            msg = f"{self.config.role} holds privileges on single columns of {self.config.table}, which would be lost"
            raise Denied(msg)
        if not Position(value=await self._held(link)).same_as(found):
            msg = f"the privileges of {self.config.role} have changed"
            raise Raced(msg)
        for each in statements:
            await link.execute(each)
        shown = await self._held(link)
        if not Position(value=shown).same_as(to):
            msg = (
                f"{self.config.role} would still have {shown} on {self.config.table}, through PUBLIC, another role or "
                "another grantor; nothing was changed, take it away there"
            )
            raise Denied(msg)

    def _statements(self, to: JsonValue, found: JsonValue) -> list[sql.Composed]:
        """What brings it there. Raises `Gone` for what is no position."""
        role = sql.Identifier(self.config.role)
        if self.config.table is None:
            if type(to) is not bool:
                msg = f"{to!r} is no position of a login; write true or false"
                raise Gone(msg)
            login = sql.SQL("ALTER ROLE {} {}").format(role, sql.SQL("LOGIN" if to else "NOLOGIN"))
            ended = sql.SQL(END_SESSIONS).format(role=sql.Literal(self.config.role))
            return [login] if to else [login, ended]
        have, want = _levels(found), self._wanted(to)
        made: list[sql.Composed] = []
        for name in self.config.privileges:
            made += _step(sql.SQL(name), have.get(name, 0), want.get(name, 0), self._on_table(), role)
        return made

    def _wanted(self, to: JsonValue) -> dict[str, int]:
        known = {f"{name}{suffix}" for name in self.config.privileges for suffix in ("", GRANTABLE)}
        if not isinstance(to, list) or not set(map(str, to)) <= known or to != sorted(map(str, to)):
            there = ", ".join(sorted(self.config.privileges))
            msg = f"{to!r} is no list of privileges; write those it shall have, in this order: [{there}]"
            raise Gone(msg)
        return _levels(to)

    def _on_table(self) -> sql.SQL:
        return sql.SQL(
            cast("LiteralString", self.config.table)
        )  # its pattern lets nothing but a name through

    def _where(self) -> dict[str, Any]:
        config = self.config
        return {"role": config.role, "table": config.table, "privileges": list(config.privileges)}

    @asynccontextmanager
    async def _linked(self) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        """A connection for one act; whatever goes wrong in it comes out as one of our errors."""
        what, seconds = f"role {self.config.role}", self.config.timeout.total_seconds()
        try:
            async with (
                asyncio.timeout(seconds + TO_CANCEL_S),
                asyncio.timeout(seconds),
                await connect(self.config, self.kit, read_only=False) as link,
            ):
                yield link
        except TimeoutError as error:
            msg = f"{what}: PostgreSQL gave no answer within {seconds:g} s"
            raise Unreachable(msg) from error
        except psycopg.Error as error:
            raise ours(error, what) from error


def _levels(held: JsonValue) -> dict[str, int]:
    """How a privilege is held: 1, or 2 when it may be granted on."""
    names = [str(each) for each in held] if isinstance(held, list) else []
    return {each.removesuffix(GRANTABLE): 2 if each.endswith(GRANTABLE) else 1 for each in names}


def _step(name: sql.SQL, have: int, want: int, table: sql.SQL, role: sql.Identifier) -> list[sql.Composed]:
    if have == want:
        return []
    if want > have:
        tail = sql.SQL(GRANTABLE if want > 1 else "")
        return [sql.SQL("GRANT {} ON {} TO {}{}").format(name, table, role, tail)]
    head = sql.SQL("GRANT OPTION FOR " if want else "")
    return [sql.SQL("REVOKE {}{} ON {} FROM {}").format(head, name, table, role)]
