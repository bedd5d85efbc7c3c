"""The PostgreSQL levers on a real PostgreSQL, moved by a role that is no superuser."""

import asyncio
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from functools import partial
from typing import Any

import psycopg
import pytest
from pydantic import JsonValue

from firestation.drivers import Drivers
from firestation.errors import Denied, Gone, InvalidInput, Unreachable
from firestation.ports import Lever
from firestation.system import Position
from firestation.testing import LeverConformance
from tests.drivers.levers.faults import LeverFaults, Spoiler, Through, Truth, carried_out, order
from tests.drivers.levers.making import PATIENT, make_lever
from tests.drivers.levers.wire import Wire, wired
from tests.e2e.processes import needs, wait_for

pytestmark = pytest.mark.driver
MADE = """
CREATE ROLE accounts;
CREATE ROLE agent LOGIN;
CREATE ROLE group_of_agents;
CREATE ROLE mover LOGIN CREATEROLE;
GRANT pg_signal_backend, accounts TO mover;
CREATE TABLE refunds (id int, amount int);
INSERT INTO refunds VALUES (1, 10);
ALTER TABLE refunds OWNER TO accounts;
"""
RESET = """
ALTER ROLE agent LOGIN;
REVOKE ALL ON refunds FROM agent, group_of_agents, PUBLIC;
REVOKE group_of_agents FROM agent;
GRANT SELECT, UPDATE ON refunds TO agent;
"""
CUT: list[JsonValue] = ["SELECT"]
HELD: list[JsonValue] = ["SELECT", "UPDATE"]
ALTER, END, COMMIT = (
    re.compile(rb"ALTER ROLE[^\0]*"),
    re.compile(rb"SELECT count[^\0]*"),
    re.compile(rb"COMMIT"),
)


class Server:
    """The database as its administrator and its agent know it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.admin = psycopg.connect(self.address("postgres"), autocommit=True)

    def address(self, user: str) -> str:
        return f"postgresql://{user}@127.0.0.1:{self.port}/levers"

    def session(self) -> psycopg.Connection[Any]:
        """A session of the agent; raises what the server says when it may have none."""
        return psycopg.connect(self.address("agent"), autocommit=True)

    def do(self, statement: str) -> None:
        self.admin.execute(statement.encode())

    def put_login(self, to: JsonValue) -> None:
        """Somebody else does, and thinks of the sessions."""
        self.do(f"ALTER ROLE agent {'LOGIN' if to else 'NOLOGIN'}")
        if not to:
            self.do("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'agent'")

    def login(self) -> JsonValue:
        (may,) = (
            self.admin.execute("SELECT rolcanlogin FROM pg_roles WHERE rolname = 'agent'").fetchone() or ()
        )
        return True if may else "closing" if self.sessions() else False

    def sessions(self) -> int:
        found = self.admin.execute("SELECT count(*) FROM pg_stat_activity WHERE usename = 'agent'").fetchone()
        return int((found or (0,))[0])

    def put_privileges(self, to: JsonValue) -> None:
        assert isinstance(to, list)
        self.do("REVOKE ALL ON refunds FROM agent")
        for each in to:
            self.do(f"GRANT {each} ON refunds TO agent")

    def privileges(self) -> JsonValue:
        """Those that the catalogue says were granted to it."""
        asked = "SELECT privilege_type FROM information_schema.table_privileges WHERE grantee = 'agent' ORDER BY 1"
        return [each for (each,) in self.admin.execute(asked)]


@pytest.fixture(scope="module")
def database(postgresql: int) -> Iterator[Server]:
    address = f"postgresql://postgres@127.0.0.1:{postgresql}/postgres"
    with psycopg.connect(address, autocommit=True) as link:
        link.execute("CREATE DATABASE levers")
    server = Server(postgresql)
    server.do(MADE)
    with closing(server.admin):
        yield server


@pytest.fixture
def server(database: Server) -> Server:
    database.put_login(to=False)
    wait_for("the sessions to end", lambda: database.sessions() == 0)
    database.do(RESET)
    return database


@pytest.fixture
def session(server: Server) -> Iterator[psycopg.Connection[Any]]:
    """The agent is at work."""
    with closing(server.session()) as session:
        yield session


def make(bench: Drivers, port: int, **config: Any) -> Lever:
    place = {"host": "127.0.0.1", "port": port, "database": "levers", "user": "mover", "tls": "disable"}
    given = {**place, "role": "agent", **PATIENT}
    return make_lever(bench, "postgresql", **{**given, **config})


def make_privileges(bench: Drivers, port: int, **config: Any) -> Lever:
    given = {"table": "public.refunds", "privileges": ["UPDATE", "SELECT", "DELETE"]}
    return make(bench, port, **{**given, **config})


# ------------------------------------------------------------------------------------------------- the login


class OfLogin:
    @pytest.fixture
    async def wire(self, server: Server, session: object) -> AsyncIterator[Wire]:
        wire = Wire(
            ALTER,
            lambda said: b"SELECT 1".ljust(len(said)),
            late=lambda: server.put_login(to=False),
            put_back=lambda: server.put_login(to=True),
        )
        async with wired(wire, server.port):
            yield wire

    @pytest.fixture
    def through(self, bench: Drivers, wire: Wire) -> Through:
        return partial(make, bench, wire.port)

    @pytest.fixture
    def elsewhere(self) -> JsonValue:
        return False


class TestLogin(OfLogin, LeverConformance):
    @pytest.fixture
    def lever(self, through: Through) -> Lever:
        return through()

    @pytest.fixture
    def meddle(self, server: Server) -> Callable[[JsonValue], Any]:
        def meddle(to: JsonValue) -> None:
            server.put_login(to)
            wait_for("the sessions to end", lambda: bool(to) or server.sessions() == 0)

        return meddle

    @pytest.fixture
    def writes(self, wire: Wire) -> Callable[[], int]:
        return lambda: wire.writes


class TestLoginFaults(OfLogin, LeverFaults):
    @pytest.fixture
    def meddler(self, wire: Wire) -> Spoiler:
        return wire

    @pytest.fixture
    def truth(self, server: Server) -> Truth:
        async def look() -> JsonValue:
            return server.login()

        return look


async def test_the_agent_is_out_at_once_and_stays_out(bench: Drivers, server: Server) -> None:
    at_work = server.session()
    lever = make(bench, server.port)
    origin = await lever.read()
    closed = await lever.move(Position(value=False), origin, "k")
    with closing(at_work), pytest.raises(psycopg.OperationalError, match="administrator command"):
        at_work.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError, match="not permitted to log in"):
        server.session()
    await lever.move(origin, closed, "k")
    with closing(server.session()) as again:
        assert again.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("way", ["on", "back"])
async def test_a_role_whose_sessions_could_not_be_ended_is_not_called_closed(
    bench: Drivers, server: Server, session: psycopg.Connection[Any], way: str
) -> None:
    wire = Wire(END, lambda _: b"", late=lambda: None, put_back=lambda: None, plan=["refuse"] * 20)
    origin, to = Position(value=True), Position(value=False)
    async with wired(wire, server.port):
        lever = make(bench, wire.port)
        outcome = await carried_out(lever, order("move", origin, to))
        assert outcome.result == "uncertain"
        assert (await lever.read()).value == "closing"
        assert session.execute("SELECT 1").fetchone() == (1,)
        wire.plan = []
        if way == "on":
            assert (await lever.move(to, await lever.read(), "k")).value is False
        else:
            assert (await carried_out(lever, order("lift", origin, to))).result == "done"
    assert server.login() is (way == "back")
    assert server.sessions() == (1 if way == "back" else 0)


async def test_a_second_attempt_ends_the_sessions_that_the_first_one_left(
    bench: Drivers, server: Server, session: psycopg.Connection[Any]
) -> None:
    wire = Wire(END, lambda _: b"", late=lambda: None, put_back=lambda: None, plan=["refuse"])
    async with wired(wire, server.port):
        lever = make(bench, wire.port)
        outcome = await carried_out(lever, order("move", Position(value=True), Position(value=False)))
    assert outcome.result == "done"
    assert (server.login(), server.sessions()) == (False, 0)


async def test_on_a_first_attempt_a_closing_role_is_somebody_elses_work(
    bench: Drivers, server: Server, session: psycopg.Connection[Any]
) -> None:
    server.do("ALTER ROLE agent NOLOGIN")
    lever = make(bench, server.port)
    outcome = await carried_out(lever, order("move", Position(value=True), Position(value=False)))
    assert outcome.result == "drifted"
    assert session.execute("SELECT 1").fetchone() == (1,)


# -------------------------------------------------------------------------------------------- the privileges


class OfPrivileges:
    @pytest.fixture
    async def wire(self, server: Server) -> AsyncIterator[Wire]:
        wire = Wire(
            COMMIT,
            lambda _: b"ABORT ",
            late=lambda: server.put_privileges(CUT),
            put_back=lambda: server.put_privileges(HELD),
        )
        async with wired(wire, server.port):
            yield wire

    @pytest.fixture
    def through(self, bench: Drivers, wire: Wire) -> Through:
        return partial(make_privileges, bench, wire.port)

    @pytest.fixture
    def elsewhere(self) -> JsonValue:
        return CUT


class TestPrivileges(OfPrivileges, LeverConformance):
    @pytest.fixture
    def lever(self, through: Through) -> Lever:
        return through()

    @pytest.fixture
    def meddle(self, server: Server) -> Callable[[JsonValue], Any]:
        return server.put_privileges

    @pytest.fixture
    def writes(self, wire: Wire) -> Callable[[], int]:
        return lambda: wire.writes


class TestPrivilegesFaults(OfPrivileges, LeverFaults):
    @pytest.fixture
    def meddler(self, wire: Wire) -> Spoiler:
        return wire

    @pytest.fixture
    def truth(self, server: Server) -> Truth:
        async def look() -> JsonValue:
            return server.privileges()

        return look


async def test_an_open_session_may_not_write_from_its_next_statement_on(
    bench: Drivers, server: Server, session: psycopg.Connection[Any]
) -> None:
    refund = "UPDATE refunds SET amount = amount + 1"
    session.execute(refund)
    lever = make_privileges(bench, server.port)
    origin = await lever.read()
    cut = await lever.move(Position(value=CUT), origin, "k")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        session.execute(refund)
    assert session.execute("SELECT count(*) FROM refunds").fetchone() == (1,)
    await lever.move(origin, cut, "k")
    session.execute(refund)


async def test_the_grant_option_is_put_back_too(bench: Drivers, server: Server) -> None:
    server.do("GRANT UPDATE ON refunds TO agent WITH GRANT OPTION")
    lever = make_privileges(bench, server.port)
    origin = await lever.read()
    assert origin.value == ["SELECT", "UPDATE WITH GRANT OPTION"]
    for to in (HELD, CUT, []):
        value: JsonValue = list(to)
        moved = await lever.move(Position(value=value), await lever.read(), "k")
        assert server.privileges() == value
        assert (await lever.move(origin, moved, "k")).same_as(origin)
    (option,) = server.admin.execute(
        "SELECT has_table_privilege('agent', 'refunds', 'UPDATE WITH GRANT OPTION')"
    )
    assert option == (True,)


@pytest.mark.parametrize("through", ["PUBLIC", "group_of_agents"])
async def test_a_revoke_without_effect_is_said_and_changes_nothing(
    bench: Drivers, server: Server, through: str
) -> None:
    server.do(f"GRANT UPDATE ON refunds TO {through}")
    server.do("GRANT group_of_agents TO agent")
    lever = make_privileges(bench, server.port)
    with pytest.raises(Denied, match="would still have"):
        await lever.move(Position(value=CUT), await lever.read(), "k")
    assert server.privileges() == HELD


async def test_what_could_not_be_put_back_is_not_taken(bench: Drivers, server: Server) -> None:
    server.do("GRANT UPDATE (amount) ON refunds TO agent")
    lever = make_privileges(bench, server.port)
    with pytest.raises(Denied, match="single columns"):
        await lever.move(Position(value=CUT), await lever.read(), "k")
    assert server.privileges() == HELD


# ---------------------------------------------------------------------------------------------------- of both


@pytest.mark.parametrize("wrong", ["false", 0, None, ["UPDATE", "SELECT"], ["INSERT"], ["select"], [1], {}])
async def test_what_is_no_position_is_not_written(bench: Drivers, server: Server, wrong: JsonValue) -> None:
    for lever in (make(bench, server.port), make_privileges(bench, server.port)):
        with pytest.raises(Gone, match="write"):
            await lever.move(Position(value=wrong), await lever.read(), "k")
    assert server.login() is True
    assert server.privileges() == HELD


async def test_what_the_server_refuses_says_why(bench: Drivers, server: Server) -> None:
    for config, said in (
        ({"role": "no_such"}, "no_such"),
        ({"table": "none"}, "none"),
        ({"database": "x"}, "x"),
    ):
        with pytest.raises(Gone, match=said):
            await (make if "table" not in config else make_privileges)(bench, server.port, **config).read()
    mighty = make(bench, server.port, role="postgres")
    with pytest.raises(Denied, match="superuser"):
        await mighty.move(Position(value=False), await mighty.read(), "k")
    powerless = make_privileges(bench, server.port, user="agent", role="mover")
    with pytest.raises(Denied):
        await powerless.move(Position(value=[]), await powerless.read(), "k")
    with pytest.raises(Denied, match="NO_SUCH_PASSWORD"):
        await make(bench, server.port, password="env:NO_SUCH_PASSWORD").read()


async def test_a_server_that_is_away_is_unreachable_and_found_again(bench: Drivers, server: Server) -> None:
    wire = Wire(ALTER, lambda said: said, late=lambda: None, put_back=lambda: None)
    async with wired(wire, server.port):
        lever = make(bench, wire.port)
        origin = await lever.read()
    with pytest.raises(Unreachable):
        await lever.read()
    assert (await make(bench, server.port).read()).same_as(origin)


@pytest.mark.parametrize(
    ("config", "fix"),
    [
        ({"table": "refunds"}, "add privileges: [INSERT, UPDATE]"),
        ({"privileges": ["UPDATE"]}, "add table: public.refunds"),
        ({"user": "agent"}, "write another user than agent"),
        ({"table": "refunds; DROP TABLE refunds", "privileges": ["UPDATE"]}, "with.table"),
        ({"table": "refunds", "privileges": ["EVERYTHING"]}, "with.privileges"),
    ],
)
def test_a_wrong_configuration_names_the_fix(bench: Drivers, config: dict[str, Any], fix: str) -> None:
    with pytest.raises(InvalidInput, match=f"(?i){re.escape(fix)}"):
        make(bench, 5432, **config)


async def test_a_person_can_do_it_without_us(
    bench: Drivers, server: Server, session: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOVER_PASSWORD", "secret-of-the-mover")
    needs("psql", "postgresql")
    assert shutil.which("psql")
    path: list[tuple[Lever, tuple[JsonValue, ...]]] = [
        (make(bench, server.port, password="env:MOVER_PASSWORD"), (False, True)),
        (make_privileges(bench, server.port), (CUT, ["UPDATE WITH GRANT OPTION"], HELD)),
    ]
    for lever, positions in path:
        for to in positions:
            command = lever.by_hand(to)  # type: ignore[attr-defined]
            assert "secret-of-the-mover" not in command
            await asyncio.to_thread(subprocess.run, ["bash", "-c", command], check=True, capture_output=True)
            assert (await lever.read()).value == to
