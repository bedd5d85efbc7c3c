"""The GitHub tracker: tasks as issues of one repository, on github.com or an Enterprise Server of one's own.

Contract-tested only: against the published REST API (version 2022-11-28), not against GitHub. The mark of a key stands
in the body, in a comment that is not shown, and is looked for in the list of the issues that have our label, the newest
thousand: the search of GitHub lags by minutes, the list by moments at most. So a gap remains: who opens, loses the
answer and asks again within those moments may open a second one, and nobody closes it.
GitHub has no due dates, and drops the labels and assignees of whoever may not set them: the owner and the day stand in
the text, and without the right to set labels nothing is opened.
"""

from typing import Annotated, Any, ClassVar

from pydantic import JsonValue, StringConstraints

from firestation.after_action import Task, TicketState
from firestation.drivers.harvest import Fixed, one_line
from firestation.drivers.task_text import facts, has_mark, markdown, title_of
from firestation.drivers.ticketing import IssueTracker, TicketingConfig
from firestation.errors import Denied, Gone, Nonsense
from firestation.model import Model

API = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
REPOSITORY = "/repos/{owner}/{repository}"
SEE = Fixed(url=REPOSITORY, headers=API)
LIST = Fixed(
    url=REPOSITORY + "/issues",
    query={
        "labels": "{label}",
        "state": "all",
        "sort": "created",
        "direction": "desc",
        "per_page": "100",
        "page": "{page}",
    },
    headers=API,
)
CREATE = Fixed(method="POST", url=REPOSITORY + "/issues", headers=API, body="{issue}")
READ = Fixed(url=REPOSITORY + "/issues/{issue}", headers=API)
CLOSE = READ.changed(method="PATCH", body={"state": "closed", "state_reason": "not_planned"})
COMMENTS = Fixed(url=READ.url + "/comments", query={"per_page": "100", "page": "{page}"}, headers=API)
COMMENT = Fixed(method="POST", url=READ.url + "/comments", headers=API, body={"body": "{text}"})
MOVED = 301
MAY_LABEL = ("admin", "maintain", "push", "triage")


class GithubConfig(TicketingConfig):
    """`repository` is owner/name; `label` marks what is ours. `base` of an Enterprise Server ends in /api/v3."""

    base: str = "https://api.github.com"
    repository: Annotated[str, StringConstraints(pattern=r"^\w[\w.-]{0,99}/[\w.-]{1,100}$")]
    label: Annotated[str, StringConstraints(pattern=r"^[^,\s]{1,50}$")] = "firestation"


class GithubTracker(IssueTracker[GithubConfig]):
    """Keeps tasks as issues and reminders as comments."""

    config_model: ClassVar[type[Model]] = GithubConfig
    seeing, closing, comments, commenting = SEE, CLOSE, COMMENTS, COMMENT

    async def found(self, mark: str) -> list[str]:
        """In the list of those with our label; pull requests are in it too, and are none."""
        names = [
            int(issue["number"])
            async for issue in self.pages(LIST, label=self.config.label, **self._place)
            if "pull_request" not in issue and has_mark(issue["body"], mark)
        ]
        return [str(name) for name in sorted(names)]

    async def make(self, task: Task, mark: str) -> str:
        """One issue, with its label. Raises `Denied` when we may not set it."""
        await self._may_label()
        login = self.config.login(task.owner)
        issue: dict[str, JsonValue] = {
            "title": title_of(task),
            "body": markdown(task.text, facts(task), mark),
            "labels": [self.config.label],
        }
        if login:
            issue["assignees"] = [login]
        answer = await self.ask(CREATE, issue=issue, **self._place)
        made = answer.json()
        if self.config.label not in [label["name"] for label in made["labels"]]:
            raise Denied(
                f"{answer.asked} opened {int(made['number'])} and dropped its label; give the token write access"
            )
        return str(int(made["number"]))

    async def state(self, name: str) -> TicketState:
        """Open or closed, and why it was closed."""
        try:
            issue = (await self.ask(READ, issue=name, **self._place)).json()
        except Nonsense as error:
            if error.details.get("status") == MOVED:
                raise Gone(f"the issue {name} was moved to another repository") from error
            raise
        done = {"open": False, "closed": True}[issue["state"]]
        reason = issue.get("state_reason")
        owner = issue["assignee"]
        return TicketState(
            state="done" if done else "open",
            assignee=one_line(owner["login"]) if owner else None,
            detail=one_line(f"it is {issue['state']}" + (f" as {reason}" if done and reason else "")),
        )

    def address(self, name: str) -> str:
        """On the site that belongs to this API."""
        base = self.config.base.rstrip("/")
        site = "https://github.com" if base == "https://api.github.com" else base.removesuffix("/api/v3")
        return f"{site}/{self.config.repository}/issues/{name}"

    async def _may_label(self) -> None:
        seen: Any = (await self.ask(SEE, **self._place)).json()
        may = seen.get("permissions")
        if isinstance(may, dict) and not any(may.get(each) for each in MAY_LABEL):
            fix = "give it write access to issues, for a task is found again by its label"
            raise Denied(f"the token may not label the issues of {self.config.repository}; {fix}")
        if seen.get("has_issues") is False:
            raise Denied(f"{self.config.repository} has its issues switched off; switch them on")

    @property
    def _place(self) -> dict[str, JsonValue]:
        owner, _, repository = self.config.repository.partition("/")
        return {"owner": owner, "repository": repository}
