"""https://docs.github.com/en/rest/issues, version 2022-11-28: the issues and comments of one repository."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.drivers.trackers.contract import TOKEN, Answer, Call, Contract, Refusal, page_of

REPOSITORY = "/repos/acme/agent"
PEOPLE = {"ana-gh", "ben-gh"}
REASONS = {None, "completed", "not_planned", "reopened", "duplicate"}


def invalid(resource: str, name: str, code: str, value: Any = None) -> Refusal:
    error = {"resource": resource, "field": name, "code": code, "value": value}
    return Refusal(422, {"message": "Validation Failed", "errors": [error]})


@dataclass
class Github(Contract):
    """`moved` issues were transferred to another repository."""

    moved: set[int] = field(default_factory=set)
    enterprise: str = ""

    def routes(self) -> list[tuple[str, str, Callable[..., Answer]]]:
        issue = f"{self.enterprise}{REPOSITORY}/issues/(\\d+)"
        return [
            ("GET", f"{self.enterprise}{REPOSITORY}", self.repository),
            ("GET", f"{self.enterprise}{REPOSITORY}/issues", self.listed),
            ("POST", f"{self.enterprise}{REPOSITORY}/issues", self.create),
            ("GET", issue, self.get),
            ("PATCH", issue, self.update),
            ("GET", f"{issue}/comments", self.list_comments),
            ("POST", f"{issue}/comments", self.comment),
        ]

    def check(self, call: Call) -> None:
        if not call.headers.get("user-agent"):
            raise Refusal(403, {"message": "Request forbidden by administrative rules."})
        if call.headers.get("x-github-api-version") != "2022-11-28":
            raise Refusal(400, {"message": "Unknown API version"})
        if call.headers.get("accept") != "application/vnd.github+json":
            raise Refusal(415, {"message": "Unsupported 'Accept' header"})
        if call.headers.get("authorization") != f"Bearer {TOKEN}":
            raise Refusal(401, {"message": f"Bad credentials: {call.headers.get('authorization')}"})
        if self.hidden:
            raise Refusal(404, {"message": "Not Found"})

    def repository(self, _: Call) -> Answer:
        push = {
            "admin": False,
            "maintain": False,
            "push": self.may_label,
            "triage": self.may_label,
            "pull": True,
        }
        return 200, {"full_name": "acme/agent", "has_issues": True, "permissions": push}

    def listed(self, call: Call) -> Answer:
        query = call.query
        if query.get("state", "open") not in {"open", "closed", "all"}:
            raise invalid("Issue", "state", "invalid")
        wanted = set(filter(None, query.get("labels", "").split(",")))
        found = [
            issue
            for number, issue in self.issues.items()
            if number not in self.deleted | self.moved
            and wanted <= {label["name"] for label in issue["labels"]}
            and query.get("state", "open") in {"all", issue["state"]}
        ]
        found.sort(key=lambda issue: issue["number"], reverse=query.get("direction", "desc") == "desc")
        return 200, page_of(found, query, 30)

    def create(self, call: Call) -> Answer:
        body = call.body
        if not isinstance(body, dict) or not isinstance(body.get("title"), str) or not body["title"].strip():
            raise invalid("Issue", "title", "missing_field")
        if len(body["title"]) > 256:
            raise invalid("Issue", "title", "custom")
        if not isinstance(body.get("body", ""), str) or len(body.get("body", "")) > 65536:
            raise invalid("Issue", "body", "custom")
        for login in body.get("assignees", []):
            if login not in PEOPLE:
                raise invalid("Issue", "assignees", "invalid", login)
        number = len(self.issues) + 1
        labels = [{"name": name} for name in body.get("labels", [])] if self.keeps_labels else []
        owners = [{"login": name} for name in body.get("assignees", [])] if self.may_label else []
        self.issues[number] = {
            "id": 10_000 + number,
            "number": number,
            "title": body["title"],
            "body": body.get("body"),
            "state": "open",
            "state_reason": None,
            "labels": labels,
            "assignee": owners[0] if owners else None,
            "assignees": owners,
        }
        self.notify(f"{body['title']}\n{body.get('body')}")
        return 201, self.issues[number]

    def get(self, _: Call, number: int) -> Answer:
        if number in self.moved:
            raise Refusal(301, {"message": "Moved Permanently"})
        if number in self.deleted:
            raise Refusal(410, {"message": "This issue was deleted"})
        return 200, self.exists(number, Refusal(404, {"message": "Not Found"}))

    def update(self, call: Call, number: int) -> Answer:
        _, issue = self.get(call, number)
        if call.body.get("state") not in {"open", "closed"} or call.body.get("state_reason") not in REASONS:
            raise invalid("Issue", "state", "invalid")
        issue |= call.body
        return 200, issue

    def list_comments(self, call: Call, number: int) -> Answer:
        self.get(call, number)
        made = [{"id": at, "body": body} for at, body in enumerate(self.comments.get(number, []), 1)]
        return 200, page_of(made, call.query, 30)

    def comment(self, call: Call, number: int) -> Answer:
        self.get(call, number)
        if not isinstance(call.body, dict) or not str(call.body.get("body") or "").strip():
            raise invalid("IssueComment", "body", "missing_field")
        self.comments.setdefault(number, []).append(call.body["body"])
        self.notify(call.body["body"])
        return 201, {"id": len(self.comments[number]), "body": call.body["body"]}

    def made(self) -> list[dict[str, Any]]:
        return [
            each for at, each in self.issues.items() if at not in self.deleted and each["state"] == "open"
        ]

    def text(self, number: int) -> str:
        issue = self.issues[number]
        return "\n".join([issue["title"], issue["body"], *self.comments.get(number, [])])

    def finish(self, number: int) -> None:
        self.issues[number] |= {"state": "closed", "state_reason": "completed"}
