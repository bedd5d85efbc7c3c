"""https://developer.atlassian.com/cloud/jira/platform/rest/v3: the issues and comments of one project of Jira Cloud."""

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from firestation.drivers.jira import words
from tests.drivers.trackers.contract import TOKEN, Answer, Call, Contract, Refusal

API = "/rest/api/3"
PEOPLE = {"5b10-ana": "Ana A.", "5b10-ben": "Ben B."}
BASIC = base64.b64encode(f"fire@example.org:{TOKEN}".encode()).decode()
JQL = re.compile(r'project = "FIRE" AND labels = "([a-z0-9-]+)" ORDER BY created ASC')
FIELDS = {"project", "issuetype", "summary", "description", "labels", "duedate", "assignee"}
NO_ISSUE = {"errorMessages": ["Issue does not exist or you do not have permission to see it."], "errors": {}}


def wrong(name: str, says: str) -> Refusal:
    return Refusal(400, {"errorMessages": [], "errors": {name: says}})


def check_document(document: Any, name: str) -> None:
    """As Jira checks a document: its version, its node types, and that no text is empty."""
    if not isinstance(document, dict) or (document.get("type"), document.get("version")) != ("doc", 1):
        raise wrong(name, "Operation value must be an Atlassian Document (see the Atlassian Document Format)")
    for paragraph in document["content"]:
        if paragraph["type"] != "paragraph" or set(paragraph) != {"type", "content"}:
            raise Refusal(400, {"errorMessages": ["INVALID_INPUT"], "errors": {}})
        for node in paragraph["content"]:
            if set(node) != {"type", "text"} or not node["text"] or "\n" in node["text"]:
                raise Refusal(400, {"errorMessages": ["INVALID_INPUT"], "errors": {}})


@dataclass
class Jira(Contract):
    """`behind` issues are not in the index yet; `due_field` is whether the screen has a due date."""

    behind: set[int] = field(default_factory=set)
    documents: dict[int, list[Any]] = field(default_factory=dict)
    due_field: bool = True

    def routes(self) -> list[tuple[str, str, Callable[..., Answer]]]:
        issue = f"{API}/issue/FIRE-(\\d+)"
        return [
            ("GET", f"{API}/project/FIRE", lambda _: (200, {"key": "FIRE"})),
            ("POST", f"{API}/search/jql", self.search),
            ("POST", f"{API}/search", self.removed),
            ("POST", f"{API}/issue", self.create),
            ("GET", issue, self.get),
            ("PUT", issue, self.update),
            ("GET", f"{issue}/comment", self.list_comments),
            ("POST", f"{issue}/comment", self.comment),
        ]

    def check(self, call: Call) -> None:
        if call.headers.get("authorization") != f"Basic {BASIC}":
            given = call.headers.get("authorization")
            raise Refusal(401, {"message": f"Client must be authenticated to access this resource: {given}"})
        if self.hidden:
            raise Refusal(
                404, {"errorMessages": ["No project could be found with key 'FIRE'."], "errors": {}}
            )

    def removed(self, _: Call) -> Answer:
        raise Refusal(410, {"errorMessages": ["The requested API has been removed."]})

    def search(self, call: Call) -> Answer:
        found = JQL.fullmatch(call.body.get("jql", ""))
        if not found:
            raise Refusal(400, {"errorMessages": ["Unbounded JQL queries are not allowed here."]})
        if call.body.get("maxResults", 50) > 5000 or not isinstance(call.body.get("fields", []), list):
            raise Refusal(400, {"errorMessages": ["Invalid request payload."]})
        issues = [
            {"id": str(10_000 + at), "key": f"FIRE-{at}"}
            | ({"fields": {"labels": each["labels"]}} if "labels" in call.body.get("fields", []) else {})
            for at, each in self.issues.items()
            if found[1] in each["labels"] and at not in self.deleted | self.behind
        ]
        return 200, {"issues": issues, "isLast": True}

    def create(self, call: Call) -> Answer:
        fields = call.body.get("fields", {}) if isinstance(call.body, dict) else {}
        for name in set(fields) - (FIELDS if self.due_field else FIELDS - {"duedate"}):
            raise wrong(
                name, f"Field '{name}' cannot be set. It is not on the appropriate screen, or unknown."
            )
        summary = fields.get("summary")
        if not summary or "\n" in summary or len(summary) > 255:
            raise wrong(
                "summary", "You must specify a summary of the issue, of one line and 255 characters at most."
            )
        if fields.get("project") != {"key": "FIRE"}:
            raise wrong("project", "valid project is required")
        if fields.get("issuetype") != {"name": "Task"}:
            raise wrong("issuetype", "The issue type selected is invalid.")
        check_document(fields.get("description"), "description")
        if any(" " in label or len(label) > 255 for label in fields.get("labels", [])):
            raise wrong("labels", "The label can't contain spaces.")
        if "duedate" in fields and not re.fullmatch(r"\d{4}-\d\d-\d\d", fields["duedate"]):
            raise wrong("duedate", "Error parsing date string")
        account = fields.get("assignee", {}).get("accountId")
        if "assignee" in fields and account not in PEOPLE:
            raise wrong("assignee", f"User '{account}' cannot be assigned issues.")
        number = len(self.issues) + 1
        self.issues[number] = {
            "summary": summary,
            "description": fields["description"],
            "labels": fields.get("labels", []),
            "duedate": date.fromisoformat(fields["duedate"]).isoformat() if "duedate" in fields else None,
            "assignee": {"accountId": account, "displayName": PEOPLE[account]} if account else None,
            "status": {"name": "To Do", "statusCategory": {"key": "new"}},
        }
        return 201, {
            "id": str(10_000 + number),
            "key": f"FIRE-{number}",
            "self": f"{self.url}{API}/issue/{number}",
        }

    def get(self, call: Call, number: int) -> Answer:
        issue = self.exists(number, Refusal(404, NO_ISSUE))
        asked = call.query.get("fields", "*all").split(",")
        fields = {name: value for name, value in issue.items() if asked == ["*all"] or name in asked}
        return 200, {"id": str(10_000 + number), "key": f"FIRE-{number}", "fields": fields}

    def update(self, call: Call, number: int) -> Answer:
        issue = self.exists(number, Refusal(404, NO_ISSUE))
        for each in call.body["update"]["labels"]:
            issue["labels"].append(each["add"])
        return 204, None

    def list_comments(self, call: Call, number: int) -> Answer:
        self.exists(number, Refusal(404, NO_ISSUE))
        start, size = int(call.query.get("startAt", "0")), min(int(call.query.get("maxResults", "50")), 100)
        made = [{"id": str(at), "body": body} for at, body in enumerate(self.documents.get(number, []), 1)]
        page = made[start : start + size]
        return 200, {"startAt": start, "maxResults": size, "total": len(made), "comments": page}

    def comment(self, call: Call, number: int) -> Answer:
        self.exists(number, Refusal(404, NO_ISSUE))
        check_document(call.body.get("body"), "comment")
        self.documents.setdefault(number, []).append(call.body["body"])
        return 201, {"id": str(len(self.documents[number])), "body": call.body["body"]}

    def made(self) -> list[dict[str, Any]]:
        there = [each for at, each in self.issues.items() if at not in self.deleted]
        return [each for each in there if "firestation-duplicate" not in each["labels"]]

    def text(self, number: int) -> str:
        issue = self.issues[number]
        documents = [issue["description"], *self.documents.get(number, [])]
        return "\n".join([issue["summary"], *(word for each in documents for word in words(each))])

    def add_comment(self, number: int, text: str) -> None:
        """As a person does, who may leave a document empty."""
        content = [{"type": "paragraph", "content": [{"type": "text", "text": text}]}, {"type": "rule"}]
        self.documents.setdefault(number, []).append({"type": "doc", "version": 1, "content": content})

    def finish(self, number: int) -> None:
        self.issues[number]["status"] = {"name": "Shipped", "statusCategory": {"key": "done"}}
