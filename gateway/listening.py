"""Listening to the rooms of incidents, for as long as the gateway stands: nothing that a homeserver does ends it.

Each user that makes rooms is listened to once. How far was heard is kept in a file, with what was heard and could not
be done yet; it is written when a batch is dealt with, so after a crash some of it is heard again. That changes nothing:
an act is done once by its event's id, and an answer is posted once a key.

Every gateway listens, and they all do the same once; none has to know of the others.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple, NoReturn, Protocol

import structlog
from pydantic import ValidationError

from firestation import chat
from firestation.chat import Said
from firestation.drivers import Drivers
from firestation.drivers.matrix import MatrixChannel
from firestation.drivers.matrix_ears import Ears, Heard, Place
from firestation.errors import Denied, DriverError, FirestationError, Gone, Nonsense
from firestation.files import make_folder, replace_private
from firestation.model import Model
from gateway.book import Book, Books
from gateway.chat import Clerk, Reply

log = structlog.get_logger()

LOOK_SECONDS = 2.0
"""So often it is looked whether the files name other rooms."""

BREATH_SECONDS = 0.1
"""Between two turns, for a homeserver that answers at once that there is nothing."""

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
SOON = timedelta(seconds=2)
"""So long it listens before it tries again what could not be done."""

BAD_REQUEST = 400
MOST_WAITING, MOST_TOLD = 200, 1000


class Position(Model):
    """How far was heard, what waits to be done, and what is never said again."""

    since: str
    waiting: tuple[Said, ...] = ()
    told: tuple[str, ...] = ()


class EarsPort(Protocol):
    """What is asked of the ears of a product."""

    async def begin(self) -> str: ...  # noqa: D102 - see Ears
    async def hear(self, since: str, wait: timedelta | None = None) -> Heard: ...  # noqa: D102
    async def place(self, room: str) -> Place | None: ...  # noqa: D102
    async def answer(self, said: Said, text: str, key: str) -> None: ...  # noqa: D102
    async def tell(self, room: str, text: str, key: str) -> None: ...  # noqa: D102


class Listener:
    """Listens as one user. `file` is where its position is kept."""

    def __init__(self, ears: EarsPort, clerk: Clerk, file: Path) -> None:
        self.ears, self.clerk, self.file = ears, clerk, file
        self.position = _kept(file)
        self.places = dict[str, Place | None]()
        self.deaf_since: datetime | None = None

    async def listen(self) -> NoReturn:
        """Until it is cancelled. What goes wrong is logged, and tried again after a pause that grows."""
        pause = FIRST_PAUSE
        while True:
            try:
                await self.turn()
            except DriverError as error:
                told = error.details.get("retry_after_s")
                wait = min(max(pause, told if isinstance(told, float) else 0.0), LONGEST_PAUSE)
                log.warning("chat is not heard", trouble=str(error)[:300], again_in=wait)
            except Exception:
                wait = pause
                log.exception("chat is not heard", again_in=wait)
            else:
                pause, self.deaf_since = FIRST_PAUSE, None
                await asyncio.sleep(BREATH_SECONDS)
                continue
            self.deaf_since = self.deaf_since or datetime.now(UTC)
            await asyncio.sleep(wait)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def turn(self) -> None:
        """Hear once, and deal with all of it. Raises `DriverError` when nothing could be heard."""
        position = self.position
        if position is None:
            self._keep(Position(since=await self.ears.begin()))
            return
        try:
            heard = await self.ears.hear(position.since, SOON if position.waiting else None)
        except Nonsense as error:
            if error.details.get("status") != BAD_REQUEST:
                raise
            log.warning("the homeserver does not know our position; it listens from now on")
            self._keep(position.changed(since=await self.ears.begin()))
            return
        self.places.clear()
        told = list(position.told)
        for room in heard.sealed:
            await self._sealed(room, told)
        waiting, away = list[Said](), set[str]()
        for said in filter(lambda each: chat.is_command(each.text), (*position.waiting, *heard.said)):
            if not await self._dealt_with(said, told, behind=said.room in away):
                away.add(said.room)
                waiting.append(said)
        if len(waiting) > MOST_WAITING:
            log.warning(
                "too much waits to be done; the newest is left out", left_out=len(waiting) - MOST_WAITING
            )
        self._keep(
            Position(
                since=heard.position, waiting=tuple(waiting[:MOST_WAITING]), told=tuple(told[-MOST_TOLD:])
            )
        )

    async def _dealt_with(self, said: Said, told: list[str], *, behind: bool) -> bool:
        """Have it done and answer; False when it is to be tried again.

        `behind` what could not be done in its room nothing is done either, so that each room is heard in its order.
        """
        place: Place | None = None
        try:
            place = await self._place(said.room)
            reply = await self.clerk.reply(said, place, behind=behind) if place else None
        except FirestationError as error:
            log.warning("chat could not be done yet", room=said.room, trouble=str(error)[:300])
            if place:
                await self._answer(said, Reply(chat.AWAY, f"away/{said.room}/{said.event}", once=True), told)
            return False
        except Exception:
            log.exception("chat that the station fails on", room=said.room)
            reply = Reply(chat.FAILED, f"failed/{said.room}/{said.event}")
        return reply is None or await self._answer(said, reply, told)

    async def _answer(self, said: Said, reply: Reply, told: list[str]) -> bool:
        """Post it; False when it is to be tried again."""
        if reply.key in told:
            return True
        try:
            await self.ears.answer(said, reply.text, reply.key)
        except DriverError as error:
            log.warning("an answer in chat was not posted", room=said.room, trouble=str(error)[:300])
            return not error.retryable
        if reply.once:
            told.append(reply.key)
        return True

    async def _sealed(self, room: str, told: list[str]) -> None:
        """Say once that nobody hears what is encrypted."""
        key = f"sealed/{room}"
        if key in told:
            return
        try:
            place = await self._place(room)
            if place:
                await self.ears.tell(room, chat.SEALED.format(board=self.clerk.board(place.incident)), key)
        except DriverError as error:
            log.warning("an answer in chat was not posted", room=room, trouble=str(error)[:300])
            return
        told.append(key)

    async def _place(self, room: str) -> Place | None:
        """Of which incident the room is, asked once a turn; None, too, where we are in it no more."""
        if room not in self.places:
            try:
                self.places[room] = await self.ears.place(room)
            except (Denied, Gone):
                self.places[room] = None
        return self.places[room]

    def _keep(self, position: Position) -> None:
        if position != self.position:
            make_folder(self.file.parent)
            replace_private(self.file, position.canonical())
            self.position = position


def _kept(file: Path) -> Position | None:
    """The position in the file; None where there is none that can be read."""
    try:
        return Position.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        log.warning(
            "the position in chat cannot be read; it listens from now on",
            file=str(file),
            why=str(error)[:200],
        )
        return None


class Account(NamedTuple):
    """Whom we listen as: the homeserver, and the reference of the token."""

    homeserver: str
    token: str

    def file(self, folder: Path) -> Path:
        """Where its position is kept."""
        return folder / f"{hashlib.sha256(' '.join(self).encode()).hexdigest()[:16]}.json"


class Listening:
    """Listens to every room of an incident that the system files in force ask for. Positions are kept in `folder`."""

    def __init__(self, books: Books, bench: Drivers, clerk: Clerk, folder: Path) -> None:
        self.books, self.bench, self.clerk, self.folder = books, bench, clerk, folder
        self.listeners: dict[Account, Listener] = {}

    def warnings(self) -> Sequence[str]:
        """What does not go well, for whoever looks after the gateway; it can do its work nevertheless."""
        deaf = [each.deaf_since for each in self.listeners.values() if each.deaf_since]
        return [f"chat is not heard since {min(deaf):%Y-%m-%d %H:%M:%S} UTC; see the log"] if deaf else []

    @asynccontextmanager
    async def standing(self) -> AsyncIterator[None]:
        """Listen meanwhile."""
        task = asyncio.create_task(self.run(), name="chat")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def run(self) -> NoReturn:
        """Until it is cancelled."""
        tasks, known = dict[Account, asyncio.Task[NoReturn]](), None
        try:
            while True:
                book = await self.books.latest()
                if book is not known:
                    known = book
                    self._follow(dict(self._ears(book)), tasks)
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            for task in tasks.values():
                task.cancel()
            await asyncio.gather(*tasks.values(), return_exceptions=True)

    def _follow(self, wanted: dict[Account, Ears], tasks: dict[Account, asyncio.Task[NoReturn]]) -> None:
        """Listen as those, and as nobody else."""
        for account in tasks.keys() - wanted.keys():
            tasks.pop(account).cancel()
            del self.listeners[account]
        for account in wanted.keys() - tasks.keys():
            listener = Listener(wanted[account], self.clerk, account.file(self.folder))
            self.listeners[account] = listener
            tasks[account] = asyncio.create_task(listener.listen(), name="chat")

    def _ears(self, book: Book) -> Iterator[tuple[Account, Ears]]:
        for system in book.systems.values():
            for fitting in system.channels:
                if fitting.driver != "matrix":
                    continue
                channel = self.bench.channel(fitting)
                ears = channel.ears() if isinstance(channel, MatrixChannel) else None
                if isinstance(channel, MatrixChannel) and ears:
                    yield Account(channel.config.homeserver, channel.config.token), ears
