"""What trackers of one product over HTTP have in common: search, open once, and never call a ticket gone lightly.

Every ticket and every reminder carries a digest of its idempotency key, by which the product itself is searched: before
something is made, and after it was made and the answer was lost. Two workers that open one task within the same round
trip may both find nothing and make two; each looks again afterwards, the earlier one is the task, and the later is
closed by its maker, with a word on it that says so. Within one process a key has its turn. How fresh the product's
search is stands in each driver's own docstring.
"""

import asyncio
import re
from abc import abstractmethod
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, ClassVar, Generic, TypeVar
from weakref import WeakValueDictionary

from pydantic import Field, JsonValue

from firestation.after_action import Task, Ticket, TicketState
from firestation.drivers.exchange import Answer, Connection, ask
from firestation.drivers.harvest import Fixed, one_line
from firestation.drivers.kit import Kit
from firestation.drivers.task_text import has_mark, mark_of, markdown
from firestation.errors import Denied, DriverError, Gone, Nonsense, Unreachable
from firestation.model import Line, Model
from firestation.system import TrackerFitting

LONGEST_REFERENCE = 300
FIRST_SERVER_ERROR = 500
PAGES, PAGE = 10, 100
TURNS: WeakValueDictionary[tuple[Any, ...], asyncio.Lock] = WeakValueDictionary()


class TicketingConfig(Connection):
    """`people`: our people and teams, and their logins in the product. Who is not named here is named in the text."""

    base: str
    people: dict[Line, Line] = Field(default_factory=dict)

    def login(self, owner: str | None) -> str | None:
        """Who it is in the product; None for nobody that it knows."""
        return self.people.get(owner) if owner else None


C = TypeVar("C", bound=TicketingConfig)


class TicketingTracker(Generic[C]):
    """The frame. A product gives how its tickets are found, made, read, commented and closed, by their `name`.

    The name is what the product calls a ticket within the project: a number, or a key like `FIRE-12`.
    """

    config_model: ClassVar[type[Model]]
    named: ClassVar[re.Pattern[str]] = re.compile(r"(?:^|\D)(\d{1,18})$")

    def __init__(self, fitting: TrackerFitting, config: C, kit: Kit) -> None:
        self.fitting, self.config, self.kit = fitting, config, kit

    @abstractmethod
    async def found(self, mark: str) -> list[str]:
        """The names of the tickets that carry this mark, whatever their state, the earliest first."""

    @abstractmethod
    async def make(self, task: Task, mark: str) -> str:
        """Make one that carries the mark; its name."""

    @abstractmethod
    async def state(self, name: str) -> TicketState:
        """What became of it. Raises `Gone` when the product does not show it."""

    @abstractmethod
    async def reminded(self, name: str, mark: str) -> bool:
        """Whether a comment on it carries this mark. Raises `Gone`."""

    @abstractmethod
    async def comment(self, name: str, text: str, mark: str) -> None:
        """Put a comment on it that carries the mark. Raises `Gone`."""

    @abstractmethod
    async def retire(self, name: str, first: str) -> None:
        """Close it: it is a duplicate of the first."""

    @abstractmethod
    async def see_project(self) -> None:
        """Ask for the project itself. Raises `Gone` or `Denied` when it is not there, or not for us to see."""

    @abstractmethod
    def address(self, name: str) -> str:
        """Where a person finds it: a URL that ends in its name."""

    async def open(self, task: Task, key: str) -> Ticket:
        """Open it once. The reference is its URL."""
        mark = mark_of(key)
        async with self._turn(mark):
            with self._in_shape():
                names = await self.found(mark)
                name = names[0] if names else await self._made(task, mark)
        url = self.address(name)
        reference = url if len(url) <= LONGEST_REFERENCE else name
        return Ticket(kind=task.kind, tracker=self.fitting.id, reference=reference)

    async def look(self, ticket: Ticket) -> TicketState:
        """What the product shows. Gone only while the project itself can be seen."""
        name = self._name(ticket)
        with self._in_shape():
            try:
                return await self.state(name)
            except Gone as error:
                await self._must_see_the_project()
                return TicketState(state="gone", detail=str(error)[:4000])

    async def remind(self, ticket: Ticket, text: str, key: str) -> None:
        """A comment, once a key."""
        name, mark = self._name(ticket), mark_of(key)
        async with self._turn(mark):
            with self._in_shape():
                try:
                    if not await self.reminded(name, mark):
                        await self._commented(name, text, mark)
                except Gone:
                    await self._must_see_the_project()
                    raise

    async def ask(self, request: Fixed, **values: JsonValue) -> Answer:
        """One answer of the product, which is JSON of the shape that was asked for. Raises `DriverError`."""
        answer = await self.say(request, **values)
        if not isinstance(answer.at(request.holds), dict | list):
            raise Nonsense(f"{answer.asked} answered something else at {request.holds}")
        return answer

    async def say(self, request: Fixed, **values: JsonValue) -> Answer:
        """One answer of which only the status counts. Raises `DriverError`."""
        return await ask(self.kit, self.config, request, values)

    async def pages(self, request: Fixed, **values: JsonValue) -> AsyncIterator[Any]:
        """The items of a list, page by page, up to the thousand that a list of ours may have."""
        for page in range(1, PAGES + 1):
            answer = await self.ask(request, **values, page=page)
            items = answer.at(request.holds)
            if not isinstance(items, list):
                raise Nonsense(f"{answer.asked} answered no list at {request.holds}")
            for item in items:
                yield item
            if len(items) < PAGE:
                return

    async def _made(self, task: Task, mark: str) -> str:
        try:
            name = await self.make(task, mark)
        except (Unreachable, Nonsense) as error:
            # Its answer may be all that was lost.
            names = await self.found(mark) if _may_have_happened(error) else []
            if not names:
                raise
            return names[0]
        try:
            names = await self.found(mark)
        except DriverError:  # it is made, and looking for another's is not worth losing that
            return name
        if name not in names or names[0] == name:  # a search that is behind may not show it yet
            return name
        word = f"Opened twice in the same moment. This is the duplicate, the task is {self.address(names[0])}"
        await self.comment(name, word, mark_of(f"{mark}/duplicate"))
        await self.retire(name, names[0])
        return names[0]

    async def _commented(self, name: str, text: str, mark: str) -> None:
        try:
            await self.comment(name, text, mark)
        except (Unreachable, Nonsense) as error:
            if not (_may_have_happened(error) and await self.reminded(name, mark)):
                raise

    async def _must_see_the_project(self) -> None:
        """Products answer 404 for what one may not see. Raises `Denied` then: nothing is known of the ticket."""
        try:
            await self.see_project()
        except Gone as error:
            fix = "check the project's name, and what the credential may see"
            raise Denied(
                f"the project of the tracker {self.fitting.id} cannot be seen; {fix}: {error}"
            ) from error

    def _name(self, ticket: Ticket) -> str:
        found = self.named.search(ticket.reference)
        if not found:
            raise Nonsense(f"{one_line(ticket.reference)} is no ticket of the tracker {self.fitting.id}")
        return found[1]

    @asynccontextmanager
    async def _turn(self, mark: str) -> AsyncIterator[None]:
        """One at a time for a key, in this process."""
        place = (asyncio.get_running_loop(), self.config.base, mark)
        lock = TURNS.setdefault(place, asyncio.Lock())
        async with lock:
            yield

    @contextmanager
    def _in_shape(self) -> Iterator[None]:
        """An answer that cannot be read because it has another shape is nonsense."""
        try:
            yield
        except (LookupError, TypeError, AttributeError, ValueError) as error:
            what = (
                f"{type(error).__name__} {error}" if isinstance(error, LookupError) else type(error).__name__
            )
            msg = f"{self.fitting.driver} answered in a shape that is not known: {what}"
            raise Nonsense(msg[:4000]) from error


class IssueTracker(TicketingTracker[C]):
    """A tracker of issues with comments, which a product serves by these requests, each in `_place`."""

    seeing: ClassVar[Fixed]
    closing: ClassVar[Fixed]
    comments: ClassVar[Fixed]
    commenting: ClassVar[Fixed]

    @property
    @abstractmethod
    def _place(self) -> dict[str, JsonValue]:
        """What the addresses name the project by."""

    async def reminded(self, name: str, mark: str) -> bool:
        """In its comments."""
        async for each in self.pages(self.comments, issue=name, **self._place):
            if has_mark(each["body"], mark):
                return True
        return False

    async def comment(self, name: str, text: str, mark: str) -> None:
        """One comment."""
        answer = await self.ask(self.commenting, issue=name, text=markdown(text, [], mark), **self._place)
        int(answer.at("$.id"))

    async def retire(self, name: str, first: str) -> None:
        """Closed."""
        del first
        await self.ask(self.closing, issue=name, **self._place)

    async def see_project(self) -> None:
        """The project."""
        await self.ask(self.seeing, **self._place)


def _may_have_happened(error: DriverError) -> bool:
    """A refusal by number (4xx) did nothing; everything else may have been done and not told."""
    status = error.details.get("status")
    return not isinstance(status, int) or status >= FIRST_SERVER_ERROR
