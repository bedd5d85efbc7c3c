"""Who is calling? People by a token or a session, bells by a secret of their own; everybody else is nobody."""

import asyncio
import hashlib
import hmac
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Literal, NamedTuple, NoReturn, Protocol, TypeVar

import structlog
from fastapi import Request

from firestation import tokens
from firestation.authority import Bell, Station
from firestation.errors import DriverError, NotConfigured
from firestation.ports import Secrets
from firestation.secrets import SHORTEST_SECRET
from firestation.tokens import EVERYTHING, RANDOM_BYTES, Held, Kind, Scope, Token
from gateway.attempts import Attempts, neighbourhood
from gateway.book import Books
from gateway.problems import Problem

log = structlog.get_logger()

FRESH_SECONDS = 2.0
"""How long the register's answer is believed: so soon a revocation counts at every gateway."""

STRANGERS_AT_ONCE = 8
"""So many ids that nobody has shown here before are looked up at a time: made-up ones keep nobody else waiting."""

MOST_REMEMBERED = 10_000
Key = TypeVar("Key")
Value = TypeVar("Value")
SESSION = timedelta(hours=12)
NOBODY = Token(
    id="a" * 10,
    person="nobody",
    scopes=(Scope.LOOK,),
    created=datetime(2000, 1, 1, tzinfo=UTC),
    expires=datetime(2000, 1, 1, tzinfo=UTC),
    digest="0" * 64,
)
"""Stands where the register knows none of this id, so that the same is done for it."""


class RegisterPort(Protocol):
    """What the door asks of the register of tokens."""

    async def add(self, token: Token) -> bool: ...  # noqa: D102 - see Register
    async def find(self, kind: Kind, number: str) -> Held | None: ...  # noqa: D102
    async def revoke(self, number: str, now: datetime) -> bool: ...  # noqa: D102
    async def used(self, number: str, day: date) -> None: ...  # noqa: D102
    async def sweep(self, now: datetime) -> None: ...  # noqa: D102


class Caller(NamedTuple):
    """An authenticated caller: one of the station's people, or one of its bells; and what their token is good for."""

    kind: Literal["person", "bell"]
    name: str
    scopes: frozenset[Scope] = frozenset()
    token: Token | None = None
    """The token or the session that they showed; None for a secret that is kept by reference."""
    csrf: str | None = None
    """Of a session: what each of its forms must bring."""

    def need(self, scope: Scope) -> None:
        """Raises `Problem` 403 naming the scope that is missing."""
        if self.kind == "bell" and scope not in self.scopes:
            raise Problem(403, "not allowed", f"{self.name} is a bell; only people look and act")
        if scope not in self.scopes:
            has = ", ".join(sorted(self.scopes)) or "none"
            detail = f"your token has not the scope {scope} (it has {has}); ask for one that has"
            raise Problem(403, "not allowed", detail, scope=str(scope))


class Doorkeeper:
    """Knows everybody by what they show, and turns away who guesses too often."""

    def __init__(
        self,
        books: Books,
        secrets: Secrets,
        register: RegisterPort,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.books, self.secrets, self.register, self.clock = books, secrets, register, clock
        self.attempts = Attempts()
        # Apart, so that ids which somebody makes up push out none that the register knows.
        self._known: OrderedDict[tuple[Kind, str], tuple[float, Held]] = OrderedDict()
        self._unknown: OrderedDict[tuple[Kind, str], float] = OrderedDict()
        self._strangers = asyncio.Semaphore(STRANGERS_AT_ONCE)
        self._used: OrderedDict[str, date] = OrderedDict()
        self._weak: set[str] = set()

    @property
    def station(self) -> Station:
        """The station file in force."""
        return self.books.book.station

    async def admit(self, authorization: str | None, address: str) -> Caller:
        """The caller behind this Authorization header. Raises `Problem` 401 or 429; deny is the default."""
        await self.books.latest()
        if not authorization:
            raise Problem(401, "who are you?", "send Authorization: Bearer with your token")
        scheme, _, text = authorization.partition(" ")
        text = text.strip()
        if not tokens.is_ours(text):
            self.slow_down(address)
        if scheme.lower() != "bearer" or not text:
            self.turn_away(address, "no bearer token")
        given = tokens.read(text)
        if given is None:
            return self._by_reference(text, address)
        if given.kind != "token":
            self.turn_away(address, "a session's cookie instead of a token", id=given.id)
        token = await self._good(given, address)
        return Caller("person", token.person, frozenset(token.scopes), token)

    async def enter(self, cookie: str, address: str) -> Caller:
        """The caller behind this session. Raises `Problem` 401 or 429."""
        await self.books.latest()
        given = tokens.read(cookie)
        if given is None or given.kind != "session":
            self.turn_away(address, "a cookie that is no session")
        token = await self._good(given, address)
        return Caller("person", token.person, frozenset(token.scopes), token, csrf_of(given.secret))

    async def open_session(self, person: str, opened_with: Token | None = None) -> str:
        """Open a new session; the text of its cookie."""
        now = self.clock()
        await self.register.sweep(now)
        token, text = tokens.mint(
            os.urandom(RANDOM_BYTES),
            kind="session",
            person=person,
            now=now,
            lifetime=SESSION,
            scopes=EVERYTHING,
            opened_with=opened_with,
        )
        await self.register.add(token)
        log.info("a session was opened", id=token.id, person=person, until=token.expires.isoformat())
        return text

    async def close_session(self, token: Token) -> None:
        """End a session, at every gateway."""
        await self.register.revoke(token.id, self.clock())
        self._known.pop((token.kind, token.id), None)
        log.info("a session was closed", id=token.id, person=token.person)

    def slow_down(self, address: str) -> None:
        """Raises `Problem` 429 when there were too many failures from this address, before anything is looked at."""
        self.wait(self.attempts.wait(f"from {neighbourhood(address)}"))

    def turn_away(
        self,
        address: str,
        why: str,
        *,
        id: str | None = None,  # noqa: A002 - the log's word
        person: str | None = None,
    ) -> NoReturn:
        """Remember a failure, and raise `Problem` 401; 429 when there were too many.

        A right secret that the station made still comes in, since it is not guessed: else whoever fails often enough,
        a machine with an old token for one, would lock out the captain beside it.
        """
        self.wait(self.failed(address, why, id=id, person=person))
        raise Problem(401, "who are you?", "send Authorization: Bearer with your token")

    def failed(self, address: str, why: str, **about: str | None) -> int:
        """Remember and log a failure, without what was shown; how long whoever it is `about` should wait."""
        names = [f"{kind} {name}" for kind, name in about.items() if name]
        names.append(f"from {neighbourhood(address)}")
        wait = max(self.attempts.wait(name) for name in names)
        self.attempts.failed(*names)
        log.warning("an unknown caller was turned away", address=address, why=why, **about)
        return wait

    @staticmethod
    def wait(seconds: int) -> None:
        """Raises `Problem` 429 unless there is nothing to wait for."""
        if seconds:
            detail = f"there were too many failures; wait {seconds} s"
            raise Problem(429, "too many attempts", detail, headers={"Retry-After": str(seconds)})

    async def _good(self, given: tokens.Given, address: str) -> Token:
        """The token that was shown, if it is good now. Only who has the right secret learns why it is not."""
        held = await self._find(given.kind, given.id)
        right = (held.token if held else NOBODY).belongs_to(given.secret)
        if held is None or not right:
            self.turn_away(address, "a wrong token", id=given.id, person=held.token.person if held else None)
        token, now = held.token, self.clock()
        why = held.ended(now)
        if why is None and token.opened_with:
            parent = await self._find("token", token.opened_with)
            why = parent.ended(now) if parent else "revoked"
        if why:
            self._end(token, address, f"your {token.kind} is {why}; get another")
        if self.station.person(token.person) is None:
            self._end(token, address, f"{token.person} is not one of the station's people any more")
        await self._remember_use(token, now.date())
        return token

    @staticmethod
    def _end(token: Token, address: str, detail: str) -> NoReturn:
        log.warning("an ended token", address=address, id=token.id, person=token.person, why=detail)
        raise Problem(401, "who are you?", detail)

    async def _find(self, kind: Kind, number: str) -> Held | None:
        """What the register says, or has just said; also that there is none of this id."""
        key, now = (kind, number), time.monotonic()
        if (known := self._known.get(key)) is not None:
            at, held = known
            return held if now - at < FRESH_SECONDS else await self._look_up(key)
        if now - self._unknown.get(key, float("-inf")) < FRESH_SECONDS:
            return None
        async with self._strangers:
            return await self._look_up(key)

    async def _look_up(self, key: tuple[Kind, str]) -> Held | None:
        held = await self.register.find(*key)
        if held is None:
            self._known.pop(key, None)
            _keep(self._unknown, key, time.monotonic())
        else:
            self._unknown.pop(key, None)
            _keep(self._known, key, (time.monotonic(), held))
        return held

    async def _remember_use(self, token: Token, day: date) -> None:
        if token.kind != "token" or self._used.get(token.id) == day:
            return
        _keep(self._used, token.id, day)
        try:
            await self.register.used(token.id, day)
        except DriverError as error:  # nobody is kept out because of a note in the margin
            log.warning("the use of a token was not written down", id=token.id, problem=str(error))

    def _by_reference(self, text: str, address: str) -> Caller:
        """A bell, or a person's own secret. Every entry is compared, whether or not one has matched already."""
        given, found = _digest(text), list[tuple[Caller, int]]()
        for caller, number, known in self._referenced():
            if hmac.compare_digest(given, known):
                found.append((caller, number))
        people = {caller.name for caller, _ in found if caller.kind == "person"}
        if not found or len(people) > 1 or (people and len(found) > 1):
            why = "a secret of several at once" if found else "a wrong token"
            self.turn_away(address, why, person=next(iter(sorted(people)), None))
        caller, number = found[0]
        if number:
            log.info("a bell's older secret is still in use", bell=caller.name, number=number + 1)
        return caller

    def _referenced(self) -> Iterator[tuple[Caller, int, bytes]]:
        """Everybody whose secret is kept by reference, read anew each time so that a change needs no restart."""
        for person in self.station.people:
            for number, secret in self._secrets(person.id, (person.token,) if person.token else ()):
                yield Caller("person", person.id, frozenset(EVERYTHING)), number, _digest(secret)
        for bell in self.station.bells:
            if bell.proof.scheme == "bearer":  # what signs is no token
                for number, secret in self.secrets_of(bell):
                    yield Caller("bell", bell.id, frozenset({Scope.RING})), number, _digest(secret)

    def secrets_of(self, bell: Bell) -> Iterator[tuple[int, str]]:
        """The secrets of a bell that are good, each with its place among them; read anew each time."""
        return self._secrets(bell.id, bell.token_references)

    def _secrets(self, name: str, references: tuple[str, ...]) -> Iterator[tuple[int, str]]:
        for number, reference in enumerate(references):
            try:
                secret = self.secrets.resolve(reference)
            except NotConfigured:
                continue  # somebody without a secret cannot come in
            if len(secret) < SHORTEST_SECRET:
                self._warn_of(reference, name)
            else:
                yield number, secret

    def _warn_of(self, reference: str, name: str) -> None:
        """Once for each; the log would be full of it otherwise."""
        if reference not in self._weak:
            self._weak.add(reference)
            fix = f"write at least {SHORTEST_SECRET} characters: openssl rand -hex 32"
            log.warning("a secret is too short and lets nobody in", reference=reference, of=name, fix=fix)


def csrf_of(secret: str) -> str:
    """What a form must bring to be of the session, or the visit, that has this secret; it tells nothing of it."""
    return hmac.new(secret.encode(), b"firestation form", hashlib.sha256).hexdigest()


def address_of(request: Request) -> str:
    """Where a request comes from."""
    return request.client.host if request.client else "unknown"


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _keep(memory: OrderedDict[Key, Value], key: Key, value: Value) -> None:
    memory.pop(key, None)
    memory[key] = value
    while len(memory) > MOST_REMEMBERED:
        memory.popitem(last=False)
