"""Several reads of one source, a few at a time; and what sources of one product over HTTP have in common."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import ClassVar, Generic, Self, TypeVar

from pydantic import JsonValue, ValidationInfo, model_validator

from firestation.drivers.exchange import Answer, Connection, ask
from firestation.drivers.kit import Kit
from firestation.drivers.template import Request
from firestation.errors import DriverError, Gone, Nonsense
from firestation.evidence import Scope
from firestation.expect import MISSING, JsonPath, value_at
from firestation.model import Line, Model
from firestation.ports import Artifact
from firestation.system import SourceFitting

AT_ONCE = 4
LINE_LENGTH = 300
JSON = "application/json"

Job = Callable[[], Awaitable[Artifact]]


async def harvest(jobs: Iterable[Job]) -> AsyncGenerator[Artifact, None]:
    """Run the jobs, a few at a time, and give what they give, as it comes.

    One that fails does not stop the others: the error comes after all that was got.
    """
    waiting, running, errors = iter(tuple(jobs)), set[asyncio.Task[Artifact]](), list[DriverError]()
    asked = 0
    try:
        while True:
            for job in waiting:
                asked += 1
                running.add(asyncio.ensure_future(job()))
                if len(running) >= AT_ONCE:
                    break
            if not running:
                break
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                try:
                    artifact = task.result()
                except DriverError as error:
                    errors.append(error)
                else:
                    yield artifact
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    if errors:
        raise summary(errors, asked)


def summary(errors: list[DriverError], asked: int) -> DriverError:
    """One error for several: of the kind of the first that is worth another try, or of the first."""
    first = next((error for error in errors if error.retryable), errors[0])
    said = "; ".join(str(error) for error in errors)
    return type(first)(
        f"{len(errors)} of {asked} requests gave nothing: {said}"[:4000], failed=len(errors), asked=asked
    )


@contextmanager
def naming(what: str) -> Iterator[None]:
    """An error of ours says what was wanted, not only what was asked."""
    try:
        yield
    except DriverError as error:
        raise type(error)(f"{what}: {error}"[:4000], **error.details) from error


def one_line(value: JsonValue) -> str:
    """A value as a label: one line that can be shown, not too long, never empty."""
    text = "".join(each if each.isprintable() else "?" for each in " ".join(str(value).split()))
    return text[:LINE_LENGTH] or "(empty)"


def then_and_now(what: dict[str, JsonValue], then: JsonValue, now: JsonValue) -> bytes:
    """The form of an artifact that says how something was and how it is; `firestation evidence diff` shows it."""
    return composed({**what, "then": then, "now": now})


def composed(content: JsonValue) -> bytes:
    """A document that a driver puts together. Its keys are sorted, for some products give them in any order."""
    return json.dumps(content, indent=1, ensure_ascii=False, sort_keys=True).encode()


def stamp(moment: datetime) -> str:
    """A moment as most products read it: RFC 3339, in UTC."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


class Fixed(Request):
    """A request that a driver makes of itself: any placeholder is the driver's own.

    `holds` is where its answer has an object or a list; one that has none there is nonsense. `some` is where it must
    have at least one of what is asked for: none is `Gone`, for no data is never success.
    """

    holds: JsonPath = "$"
    some: JsonPath | None = None

    def can_fill(self) -> frozenset[str]:
        """Whatever is written in it."""
        return self.placeholders()


class ProductConfig(Connection):
    """A product over HTTP. A subclass names in `parts` what each of its fields gives of the minimum snapshot.

    A field that is there gives it; an empty tuple of items means: whatever the source promises.
    """

    base: str
    parts: ClassVar[dict[str, tuple[str, ...]]]

    @model_validator(mode="after")
    def _keeps_the_promise(self, info: ValidationInfo) -> Self:
        named = [name for name in self.parts if getattr(self, name)]
        if not named:
            msg = f"nothing is asked for; name at least one of {', '.join(self.parts)}"
            raise ValueError(msg)
        promised = (info.context or {}).get("provides", ())
        if all(self.parts[name] for name in named):
            for item in promised:
                if not any(item in self.parts[name] for name in named):
                    msg = f"{item!r} is promised by the source, and nothing here gives it; promise less"
                    raise ValueError(msg)
        return self


C = TypeVar("C", bound=ProductConfig)


class ProductSource(Generic[C]):
    """The frame of a source that asks one product over HTTP."""

    config_model: ClassVar[type[Model]]

    def __init__(self, fitting: SourceFitting, config: C, kit: Kit) -> None:
        self.fitting, self.config, self.kit = fitting, config, kit

    def collect(self, scope: Scope) -> AsyncIterator[Artifact]:
        """The artifacts, as they come. What cannot be had does not stop the rest: the error comes last."""
        return harvest(partial(self._in_shape, job) for job in self.jobs(scope))

    async def _in_shape(self, job: Job) -> Artifact:
        """The job; an answer that it cannot read because it has another shape is nonsense."""
        try:
            return await job()
        except (LookupError, TypeError, AttributeError, ValueError) as error:
            msg = (
                f"{self.fitting.driver} answered in a shape that is not known: {type(error).__name__} {error}"
            )
            raise Nonsense(msg[:4000]) from error

    def jobs(self, scope: Scope) -> Iterable[Job]:
        """What is to be read."""
        raise NotImplementedError

    async def ask(self, request: Fixed, **values: JsonValue) -> Answer:
        """One answer of the product, which is JSON and holds something. Raises `DriverError`."""
        answer = await ask(self.kit, self.config, request, values)
        if not isinstance(answer.at(request.holds), dict | list):
            raise Nonsense(
                f"{answer.asked} answered something else at {request.holds}: {answer.content[:200]!r}"
            )
        if request.some and value_at(answer.json(), request.some) in (MISSING, None, [], {}, ""):
            raise Gone(f"{answer.asked} has nothing of it at {request.some}")
        return answer

    async def freeze(self, part: str, name: Line, request: Fixed, **values: JsonValue) -> Artifact:
        """One answer as it came."""
        with naming(name):
            answer = await self.ask(request, **values)
        return self.artifact(part, name, answer.content, answer.asked)

    def document(self, part: str, name: Line, content: JsonValue, how: str) -> Artifact:
        """Several answers put together."""
        return self.artifact(part, name, composed(content), how)

    def artifact(
        self, part: str, name: Line, content: bytes, how: str, *, media_type: str = JSON
    ) -> Artifact:
        """What a part of the configuration gave."""
        gives = self.config.parts[part]
        provides = tuple(item for item in self.fitting.provides if not gives or item in gives)
        return Artifact(
            name=one_line(name), media_type=media_type, content=content, provides=provides, how=one_line(how)
        )
