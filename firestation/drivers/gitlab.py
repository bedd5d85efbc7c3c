"""The GitLab tracker: tasks as issues of one project, on gitlab.com or a server of one's own.

Contract-tested only: against the published REST API (version 4), not against GitLab. The mark of a key stands in the
description, in a comment that is not shown, and is looked for in the list of the issues that have our label, the
newest thousand. That list comes from GitLab's database, which may be a replica a moment behind: who opens, loses the
answer and asks again within that moment may open a second one, and nobody closes it.
GitLab drops the labels of whoever may not set them, so without that right nothing is opened. A line that begins with a
slash would be a quick action there; none of ours does.
"""

from typing import Annotated, Any, ClassVar

from pydantic import JsonValue, StringConstraints

from firestation.after_action import Task, TicketState
from firestation.drivers.harvest import Fixed, one_line
from firestation.drivers.task_text import facts, has_mark, markdown, title_of
from firestation.drivers.ticketing import IssueTracker, TicketingConfig
from firestation.errors import Denied, Nonsense
from firestation.model import Model

PROJECT = "/api/v4/projects/{project}"
SEE = Fixed(url=PROJECT)
USERS = Fixed(url="/api/v4/users", query={"username": "{login}"})
LIST = Fixed(
    url=PROJECT + "/issues",
    query={
        "labels": "{label}",
        "order_by": "created_at",
        "sort": "desc",
        "per_page": "100",
        "page": "{page}",
    },
)
CREATE = Fixed(method="POST", url=PROJECT + "/issues", body="{issue}")
READ = Fixed(url=PROJECT + "/issues/{issue}")
CLOSE = Fixed(method="PUT", url=READ.url, body={"state_event": "close"})
NOTES = Fixed(url=READ.url + "/notes", query={"sort": "asc", "per_page": "100", "page": "{page}"})
NOTE = Fixed(method="POST", url=READ.url + "/notes", body={"body": "{text}"})
PLANNER = 15


class GitlabConfig(TicketingConfig):
    """`project` is its path, group/name; `label` marks what is ours. Confidential issues are for members only."""

    base: str = "https://gitlab.com"
    project: Annotated[str, StringConstraints(pattern=r"^[\w.-]+(/[\w.-]+)+$", max_length=200)]
    label: Annotated[str, StringConstraints(pattern=r"^[^,\s]{1,50}$")] = "firestation"
    confidential: bool = False


class GitlabTracker(IssueTracker[GitlabConfig]):
    """Keeps tasks as issues with a due date, and reminders as notes."""

    config_model: ClassVar[type[Model]] = GitlabConfig
    seeing, closing, comments, commenting = SEE, CLOSE, NOTES, NOTE

    async def found(self, mark: str) -> list[str]:
        """In the list of those with our label."""
        names = [
            int(issue["iid"])
            async for issue in self.pages(LIST, label=self.config.label, **self._place)
            if has_mark(issue["description"], mark)
        ]
        return [str(name) for name in sorted(names)]

    async def make(self, task: Task, mark: str) -> str:
        """One issue, with its label. Raises `Denied` when we may not set it."""
        await self._may_label()
        issue: dict[str, JsonValue] = {
            "title": title_of(task),
            "description": markdown(task.text, facts(task), mark),
            "labels": self.config.label,
            "confidential": self.config.confidential,
        }
        login = self.config.login(task.owner)
        if login:
            issue["assignee_ids"] = [await self._user(login)]
        if task.due:
            issue["due_date"] = f"{task.due:%Y-%m-%d}"
        answer = await self.ask(CREATE, issue=issue, **self._place)
        made = answer.json()
        if self.config.label not in made["labels"]:
            fix = "give the token's user the role Planner or Reporter"
            raise Denied(f"{answer.asked} opened {int(made['iid'])} and dropped its label; {fix}")
        return str(int(made["iid"]))

    async def state(self, name: str) -> TicketState:
        """Opened or closed."""
        issue = (await self.ask(READ, issue=name, **self._place)).json()
        done = {"opened": False, "reopened": False, "closed": True}[issue["state"]]
        owners = issue["assignees"]
        return TicketState(
            state="done" if done else "open",
            assignee=one_line(owners[0]["username"]) if owners else None,
            detail=one_line(f"it is {issue['state']}"),
        )

    def address(self, name: str) -> str:
        """On the same server."""
        return f"{self.config.base.rstrip('/')}/{self.config.project}/-/issues/{name}"

    async def _may_label(self) -> None:
        access: Any = (await self.ask(SEE, **self._place)).json().get("permissions") or {}
        levels = [each["access_level"] for each in access.values() if each]
        if levels and max(levels) < PLANNER:
            fix = "give its user the role Planner or Reporter, for a task is found again by its label"
            raise Denied(f"the token may not label the issues of {self.config.project}; {fix}")

    async def _user(self, login: str) -> int:
        found: Any = (await self.ask(USERS, login=login)).json()
        if not found:
            raise Nonsense(f"GitLab knows no user {one_line(login)}; correct it under people")
        return int(found[0]["id"])

    @property
    def _place(self) -> dict[str, JsonValue]:
        return {"project": self.config.project}
