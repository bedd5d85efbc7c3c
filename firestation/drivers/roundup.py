"""The Roundup tracker: issues with their messages, over Roundup's REST API.

The mark of a key is the `messageid` of a message, by which Roundup is searched exactly, in its own database: what was
stored is found at once. A message is stored first and joined to its issue second; whatever dies between the two, the
next try finds the message and goes on. Issues are changed under their ETag, so no change of a person is overwritten,
and a reminder keeps the status as it is: Roundup's own detectors would make a resolved issue one that is `chatting`.
"""

from typing import Any, ClassVar, Self
from urllib.parse import urlsplit

from pydantic import Field, JsonValue, model_validator

from firestation.after_action import Task, TicketState
from firestation.drivers.exchange import Answer
from firestation.drivers.harvest import Fixed, one_line
from firestation.drivers.task_text import facts, plain, title_of
from firestation.drivers.ticketing import TicketingConfig, TicketingTracker
from firestation.errors import Gone, Nonsense, Unreachable
from firestation.model import Line, Model

SAFE = {"X-Requested-With": "rest", "Referer": "{base}/", "Origin": "{origin}"}
FIND_MESSAGE = Fixed(
    url="/rest/data/msg", query={"messageid:": "{messageid}"}, headers=SAFE, holds="$.data.collection"
)
FIND_ISSUE = Fixed(
    url="/rest/data/issue", query={"messages": "{message}"}, headers=SAFE, holds="$.data.collection"
)
STORE = Fixed(
    method="POST",
    url="/rest/data/msg",
    headers=SAFE,
    body={"author": "{author}", "content": "{content}", "messageid": "{messageid}"},
    holds="$.data",
)
CREATE = Fixed(method="POST", url="/rest/data/issue", headers=SAFE, body="{issue}", holds="$.data")
SEE = Fixed(
    url="/rest/data/issue",
    query={"id": "{issue}", "@verbose": "2", "@fields": "status,assignedto,messages"},
    headers=SAFE,
    holds="$.data.collection",
)
READ = Fixed(url="/rest/data/issue/{issue}", query={"@verbose": "2"}, headers=SAFE, holds="$.data.attributes")
CHANGE = Fixed(
    method="PATCH",
    url="/rest/data/issue/{issue}",
    headers={**SAFE, "If-Match": "{etag}"},
    body="{change}",
    holds="$.data",
)
CLASS = Fixed(url="/rest/data/issue", query={"@page_size": "1"}, headers=SAFE, holds="$.data.collection")
RACED, RACES = 412, 10


class RoundupConfig(TicketingConfig):
    """`base` is the tracker's web address; `auth.basic` the user that speaks. `done` are the statuses that say so."""

    done: tuple[Line, ...] = Field(default=("resolved", "done-cbb"), min_length=1)
    priority: Line | None = None

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if self.auth is None or self.auth.basic is None:
            msg = "Roundup knows its users by password; write auth: {basic: {user: NAME, password: env:NAME}}"
            raise ValueError(msg)
        return self


class RoundupTracker(TicketingTracker[RoundupConfig]):
    """Keeps tasks as issues and reminders as messages."""

    config_model: ClassVar[type[Model]] = RoundupConfig

    async def found(self, mark: str) -> list[str]:
        """By the message that opened it."""
        names: set[int] = set()
        for message in await self._messages(mark):
            answer = await self.ask(FIND_ISSUE, message=message)
            names |= {int(each["id"]) for each in answer.at(FIND_ISSUE.holds)}
        return [str(name) for name in sorted(names)]

    async def make(self, task: Task, mark: str) -> str:
        """Its first message, and the issue with it."""
        message = await self._stored("\n".join([plain(task.text), "", *map(plain, facts(task))]), mark)
        issue: dict[str, JsonValue] = {"title": title_of(task), "messages": [message]}
        login = self.config.login(task.owner)
        if login:
            issue["assignedto"] = login
        if self.config.priority:
            issue["priority"] = self.config.priority
        answer = await self.ask(CREATE, issue=issue)
        return str(int(answer.at("$.data.id")))

    async def state(self, name: str) -> TicketState:
        """By the name of its status."""
        issue = await self._seen(name)
        status = issue["status"]["name"] if issue["status"] else "no status"
        owner = issue["assignedto"]
        return TicketState(
            state="done" if status in self.config.done else "open",
            assignee=one_line(owner["username"]) if owner else None,
            detail=one_line(f"its status is {status}"),
        )

    async def reminded(self, name: str, mark: str) -> bool:
        """Whether a message with this mark is joined to it."""
        joined = _messages_of(await self._seen(name))
        return any(message in joined for message in await self._messages(mark))

    async def comment(self, name: str, text: str, mark: str) -> None:
        """A message, joined to the issue as it is at that moment."""
        await self._seen(name)
        message = await self._stored(plain(text), mark)

        def joined(issue: dict[str, Any]) -> dict[str, JsonValue]:
            status = issue["status"]["name"] if issue["status"] else None
            change: dict[str, JsonValue] = {"messages": [*_messages_of(issue), message]}
            return {**change, "status": status} if status else change

        await self._change(name, joined)

    async def retire(self, name: str, first: str) -> None:
        """Done, and superseded by the first."""
        await self._change(name, lambda _: {"status": self.config.done[0], "superseder": [first]})

    async def see_project(self) -> None:
        """Whether there are issues at all, for this user."""
        await self.ask(CLASS)

    def address(self, name: str) -> str:
        """As Roundup's own pages and mails name it."""
        return f"{self._base}/issue{name}"

    async def say(self, request: Fixed, **values: JsonValue) -> Answer:
        """With the headers by which Roundup tells programs from forged forms."""
        parts = urlsplit(self._base)
        return await super().say(
            request, base=self._base, origin=f"{parts.scheme}://{parts.netloc}", **values
        )

    @property
    def _base(self) -> str:
        return self.config.base.rstrip("/")

    async def _messages(self, mark: str) -> list[str]:
        answer = await self.ask(FIND_MESSAGE, messageid=_messageid(mark))
        return sorted((str(each["id"]) for each in answer.at(FIND_MESSAGE.holds)), key=int)

    async def _stored(self, content: str, mark: str) -> str:
        """The message with this mark; made if need be."""
        there = await self._messages(mark)
        if there:
            return there[0]
        assert self.config.auth is not None
        assert self.config.auth.basic is not None
        answer = await self.ask(
            STORE, author=self.config.auth.basic.user, content=content, messageid=_messageid(mark)
        )
        return str(int(answer.at("$.data.id")))

    async def _seen(self, name: str) -> Any:
        """The issue as it is listed. Raises `Gone` when it was retired: by its number it can still be read."""
        answer = await self.ask(SEE, issue=name)
        listed = [each for each in answer.at(SEE.holds) if each["id"] == name]
        if not listed:
            raise Gone(f"{answer.asked} lists no issue {name}: it was retired, or never was")
        return listed[0]

    async def _change(self, name: str, change: Any) -> None:
        """Change it as it is now; when somebody was faster, as it is then. Raises `Unreachable` when they go on."""
        for _ in range(RACES):
            answer = await self.ask(READ, issue=name)
            change_now = {"@op": "replace", **change(answer.at(READ.holds))}
            try:
                await self.ask(CHANGE, issue=name, etag=answer.headers["etag"], change=change_now)
            except Nonsense as error:
                if error.details.get("status") != RACED:
                    raise
            else:
                return
        raise Unreachable(f"the issue {name} is changed again and again while we write to it")


def _messageid(mark: str) -> str:
    return f"<firestation-{mark}@firestation.invalid>"


def _messages_of(issue: Any) -> list[str]:
    return [str(each["id"]) for each in issue["messages"]]
