"""https://docs.gitlab.com/api/issues and /api/notes, version 4: the issues and notes of one project."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

from tests.drivers.trackers.contract import TOKEN, Answer, Call, Contract, Refusal, page_of

PROJECT = "/api/v4/projects/acme%2Fteam%2Fagent"
PEOPLE = {"ana-gl": 41, "ben-gl": 42}
NOT_FOUND = {"message": "404 Not found"}


def is_day(text: Any) -> bool:
    try:
        return str(date.fromisoformat(text)) == str(text)
    except (TypeError, ValueError):
        return False


@dataclass
class Gitlab(Contract):
    """Lines that begin with a slash are quick actions, and carried out."""

    def routes(self) -> list[tuple[str, str, Callable[..., Answer]]]:
        issue = f"{PROJECT}/issues/(\\d+)"
        return [
            ("GET", PROJECT, self.project),
            ("GET", "/api/v4/users", self.users),
            ("GET", f"{PROJECT}/issues", self.listed),
            ("POST", f"{PROJECT}/issues", self.create),
            ("GET", issue, self.get),
            ("PUT", issue, self.update),
            ("GET", f"{issue}/notes", self.notes),
            ("POST", f"{issue}/notes", self.note),
        ]

    def check(self, call: Call) -> None:
        if call.headers.get("private-token") != TOKEN:
            raise Refusal(401, {"message": f"401 Unauthorized {call.headers.get('private-token')}"})
        if self.hidden:
            raise Refusal(404, {"message": "404 Project Not Found"})

    def project(self, _: Call) -> Answer:
        level = 20 if self.may_label else 10
        access = {"project_access": {"access_level": level}, "group_access": None}
        return 200, {"path_with_namespace": "acme/team/agent", "permissions": access}

    def users(self, call: Call) -> Answer:
        name = call.query["username"]
        return 200, [{"id": PEOPLE[name], "username": name}] if name in PEOPLE else []

    def listed(self, call: Call) -> Answer:
        wanted = set(filter(None, call.query.get("labels", "").split(",")))
        found = [
            each
            for at, each in self.issues.items()
            if at not in self.deleted and wanted <= set(each["labels"])
        ]
        found.sort(key=lambda issue: issue["iid"], reverse=call.query.get("sort", "desc") == "desc")
        return 200, page_of(found, call.query, 20)

    def create(self, call: Call) -> Answer:
        body = call.body
        if not isinstance(body, dict) or not body.get("title"):
            raise Refusal(400, {"error": "title is missing"})
        if len(body["title"]) > 255:
            raise Refusal(400, {"message": {"title": ["is too long (maximum is 255 characters)"]}})
        due = body.get("due_date")
        if due is not None and not is_day(due):
            raise Refusal(400, {"error": "due_date is invalid"})
        ids = body.get("assignee_ids", [])
        if not isinstance(ids, list) or not all(isinstance(each, int) for each in ids):
            raise Refusal(400, {"error": "assignee_ids is invalid"})
        if not isinstance(body.get("confidential", False), bool):
            raise Refusal(400, {"error": "confidential is invalid"})
        number = len(self.issues) + 1
        labels = body.get("labels", "").split(",") if self.keeps_labels else []
        names = {at: name for name, at in PEOPLE.items()}
        self.issues[number] = {
            "id": 90_000 + number,
            "iid": number,
            "title": body["title"],
            "description": body.get("description"),
            "state": "opened",
            "labels": [label for label in labels if label],
            "due_date": due,
            "confidential": body.get("confidential", False),
            "assignees": [{"id": each, "username": names[each]} for each in ids if each in names],
        }
        self.act_on(number, body.get("description") or "")
        return 201, self.issues[number]

    def get(self, _: Call, number: int) -> Answer:
        return 200, self.exists(number, Refusal(404, NOT_FOUND))

    def update(self, call: Call, number: int) -> Answer:
        _, issue = self.get(call, number)
        if call.body.get("state_event") not in {"close", "reopen"}:
            raise Refusal(400, {"error": "state_event does not have a valid value"})
        issue["state"] = "closed" if call.body["state_event"] == "close" else "opened"
        return 200, issue

    def notes(self, call: Call, number: int) -> Answer:
        self.get(call, number)
        made = [{"id": at, "body": body} for at, body in enumerate(self.comments.get(number, []), 1)]
        if call.query.get("sort", "desc") == "desc":
            made.reverse()
        return 200, page_of(made, call.query, 20)

    def note(self, call: Call, number: int) -> Answer:
        self.get(call, number)
        if not isinstance(call.body, dict) or not str(call.body.get("body") or "").strip():
            raise Refusal(400, {"error": "body is missing"})
        self.comments.setdefault(number, []).append(call.body["body"])
        self.act_on(number, call.body["body"])
        return 201, {"id": len(self.comments[number]), "body": call.body["body"]}

    def act_on(self, number: int, text: str) -> None:
        self.notify(text)
        if re.search(r"^\s*/close\b", text, re.MULTILINE):
            self.finish(number)

    def made(self) -> list[dict[str, Any]]:
        return [
            each for at, each in self.issues.items() if at not in self.deleted and each["state"] == "opened"
        ]

    def text(self, number: int) -> str:
        issue = self.issues[number]
        return "\n".join([issue["title"], issue["description"], *self.comments.get(number, [])])

    def finish(self, number: int) -> None:
        self.issues[number]["state"] = "closed"
