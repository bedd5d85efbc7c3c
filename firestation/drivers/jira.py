"""The Jira tracker: tasks as issues of one project of Jira Cloud.

Contract-tested only: against the published REST API (version 3), not against Jira. The mark of a key is a label of its
own, by which the project is searched with JQL. Jira's index follows its database within seconds: who opens, loses the
answer and asks again within them may open a second one, and nobody closes it. A reminder is a comment that ends in its
mark; comments are read from the database, so there is no such gap. Texts are sent as documents (ADF) of plain words, in
which nothing is markup.
"""

import re
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar

from pydantic import JsonValue, StringConstraints

from firestation.after_action import Task, TicketState
from firestation.drivers.harvest import Fixed, one_line
from firestation.drivers.task_text import PLAIN, facts, has_mark, plain, title_of
from firestation.drivers.ticketing import PAGE, PAGES, TicketingConfig, TicketingTracker
from firestation.errors import Nonsense
from firestation.model import Line, Model

API = "/rest/api/3"
SEARCH = Fixed(
    method="POST",
    url=API + "/search/jql",
    body={"jql": "{jql}", "fields": ["labels"], "maxResults": 50},
    holds="$.issues",
)
CREATE = Fixed(method="POST", url=API + "/issue", body={"fields": "{fields}"})
READ = Fixed(url=API + "/issue/{issue}", query={"fields": "status,assignee"}, holds="$.fields")
LABELS = Fixed(method="PUT", url=API + "/issue/{issue}", body={"update": {"labels": "{labels}"}})
COMMENTS = Fixed(
    url=API + "/issue/{issue}/comment",
    query={"startAt": "{start}", "maxResults": "100", "orderBy": "created"},
    holds="$.comments",
)
COMMENT = Fixed(method="POST", url=API + "/issue/{issue}/comment", body={"body": "{document}"})
SEE = Fixed(url=API + "/project/{project}")
CATEGORIES = {"new": False, "undefined": False, "indeterminate": False, "done": True}


class JiraConfig(TicketingConfig):
    """`project` is its key, `people` are account ids. `due_field: false` where its screens have no due date."""

    project: Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]{1,79}$")]
    issue_type: Line = "Task"
    label: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,50}$")] = "firestation"
    due_field: bool = True


class JiraTracker(TicketingTracker[JiraConfig]):
    """Keeps tasks as issues with a due date, and reminders as comments."""

    config_model: ClassVar[type[Model]] = JiraConfig
    named: ClassVar[re.Pattern[str]] = re.compile(r"(?:^|/)([A-Z][A-Z0-9_]{1,79}-\d{1,18})$")

    async def found(self, mark: str) -> list[str]:
        """By the label that is the mark."""
        label = self._label(mark)
        jql = f'project = "{self.config.project}" AND labels = "{label}" ORDER BY created ASC'
        issues: Any = (await self.ask(SEARCH, jql=jql)).at(SEARCH.holds)
        named = [(int(each["id"]), each["key"]) for each in issues if label in each["fields"]["labels"]]
        return [self._key(key) for _, key in sorted(named)]

    async def make(self, task: Task, mark: str) -> str:
        """One issue."""
        fields: dict[str, JsonValue] = {
            "project": {"key": self.config.project},
            "issuetype": {"name": self.config.issue_type},
            "summary": title_of(task),
            "description": document(f"{plain(task.text)}\n\n{plain(chr(10).join(facts(task)))}"),
            "labels": [self.config.label, self._label(mark)],
        }
        login = self.config.login(task.owner)
        if login:
            fields["assignee"] = {"accountId": login}
        if task.due and self.config.due_field:
            fields["duedate"] = f"{task.due:%Y-%m-%d}"
        return self._key((await self.ask(CREATE, fields=fields)).at("$.key"))

    async def state(self, name: str) -> TicketState:
        """By the category of its status, which is the same in every workflow."""
        fields: Any = (await self.ask(READ, issue=name)).at(READ.holds)
        status, owner = fields["status"], fields["assignee"]
        return TicketState(
            state="done" if CATEGORIES[status["statusCategory"]["key"]] else "open",
            assignee=one_line(owner.get("displayName") or owner["accountId"]) if owner else None,
            detail=one_line(f"its status is {status['name']}"),
        )

    async def reminded(self, name: str, mark: str) -> bool:
        """In its comments."""
        for page in range(PAGES):
            answer = await self.ask(COMMENTS, issue=name, start=page * PAGE)
            comments: Any = answer.at(COMMENTS.holds)
            if any(has_mark("\n".join(words(each["body"])), mark, PLAIN) for each in comments):
                return True
            if len(comments) < PAGE:
                return False
        return False

    async def comment(self, name: str, text: str, mark: str) -> None:
        """One comment."""
        told = document(f"{plain(text)}\n\n{PLAIN.format(mark=mark)}")
        int((await self.ask(COMMENT, issue=name, document=told)).at("$.id"))

    async def retire(self, name: str, first: str) -> None:
        """Its workflow is the team's own, so it is left where it is, marked as a duplicate."""
        del first
        await self.say(LABELS, issue=name, labels=[{"add": f"{self.config.label}-duplicate"}])

    async def see_project(self) -> None:
        """The project."""
        await self.ask(SEE, project=self.config.project)

    def address(self, name: str) -> str:
        """On the same site."""
        return f"{self.config.base.rstrip('/')}/browse/{name}"

    def _label(self, mark: str) -> str:
        return f"{self.config.label}-{mark}"

    def _key(self, key: Any) -> str:
        if not (isinstance(key, str) and self.named.fullmatch(key)):
            raise Nonsense(f"Jira names an issue {one_line(key)}, which is no key of one")
        return key


def document(text: str) -> dict[str, JsonValue]:
    """Plain text in Atlassian's document format: a paragraph a line."""
    lines = [line for line in text.splitlines() if line.strip()] or ["(nothing)"]
    paragraphs: list[JsonValue] = [
        {"type": "paragraph", "content": [{"type": "text", "text": line}]} for line in lines
    ]
    return {"type": "doc", "version": 1, "content": paragraphs}


def words(node: Any) -> Iterator[str]:
    """The texts of a document, as they come."""
    if isinstance(node, dict):
        if node.get("type") == "text":
            yield str(node["text"])
        for each in node.get("content") or ():
            yield from words(each)
