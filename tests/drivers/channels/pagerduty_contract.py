"""What PagerDuty publishes of Events v2, and of status updates in its REST API; both on one address here."""

import re
from dataclasses import dataclass, field
from typing import Any

from tests.drivers.channels.contract import TOKEN, Call, Contract, Refusal

ROUTING_KEY = "0123456789abcdef0123456789abcdef"
SENDER = "fire@example.org"


def invalid(*errors: str) -> Refusal:
    said = {"status": "invalid event", "message": "Event object is invalid", "errors": list(errors)}
    return Refusal(400, said)


@dataclass
class Pagerduty(Contract):
    """One service. `rung` is how often each alert rang somebody."""

    incidents: list[dict[str, Any]] = field(default_factory=list)
    rung: list[str] = field(default_factory=list)
    log: list[tuple[str, str]] = field(default_factory=list)

    def answer(self, call: Call) -> tuple[int, Any]:
        if (call.method, call.path) == ("POST", "/v2/enqueue"):
            return self.event(call.body)
        if call.headers.get("authorization") != f"Token token={TOKEN}":
            raise Refusal(401, {"error": {"message": "Access Denied", "code": 2006}})
        if not call.headers.get("accept", "").startswith("application/vnd.pagerduty+json;version=2"):
            raise Refusal(406, {"error": {"message": "Not Acceptable"}})
        if (call.method, call.path) == ("GET", "/incidents"):
            key = call.query.get("incident_key")
            return 200, {"incidents": [each for each in self.incidents if each["incident_key"] == key]}
        found = re.fullmatch(r"/incidents/(\w+)/status_updates", call.path)
        if found and call.method == "POST":
            return self.update(found[1], call)
        raise Refusal(404, {"error": {"message": "Not Found", "code": 2100}})

    def event(self, body: dict[str, Any]) -> tuple[int, Any]:
        if body.get("routing_key") != ROUTING_KEY:
            raise invalid("'routing_key' is invalid")
        action, key = body.get("event_action"), body.get("dedup_key")
        if action not in {"trigger", "acknowledge", "resolve"} or not key or len(key) > 255:
            raise invalid("'event_action' or 'dedup_key' is invalid")
        if action == "trigger":
            self.check(body.get("payload") or {})
        self.log.append((action, key))
        now = next(
            (each for each in self.incidents if each["incident_key"] == key and each["status"] != "resolved"),
            None,
        )
        if action == "trigger" and now is None:
            self.rung.append(key)
            number = f"P{len(self.incidents):06}"
            payload = body["payload"]
            self.incidents.insert(
                0,
                {"id": number, "incident_key": key, "status": "triggered", "payload": payload, "updates": []},
            )
        elif now is not None and action != "trigger":
            now["status"] = {"acknowledge": "acknowledged", "resolve": "resolved"}[action]
        return 202, {"status": "success", "message": "Event processed", "dedup_key": key}

    def check(self, payload: dict[str, Any]) -> None:
        missing = [name for name in ("summary", "source", "severity") if not payload.get(name)]
        if missing:
            raise invalid(*(f"'payload.{name}' is missing" for name in missing))
        if payload["severity"] not in {"critical", "error", "warning", "info"}:
            raise invalid("'payload.severity' is invalid")
        if len(payload["summary"]) > 1024:
            raise invalid("'payload.summary' is too long")

    def update(self, number: str, call: Call) -> tuple[int, Any]:
        if call.headers.get("from") != SENDER:
            raise Refusal(400, {"error": {"message": "Requester User Not Found", "code": 1008}})
        found = next((each for each in self.incidents if each["id"] == number), None)
        if found is None:
            raise Refusal(404, {"error": {"message": "Not Found", "code": 2100}})
        if not call.body.get("message"):
            raise Refusal(400, {"error": {"message": "Invalid Input Provided", "code": 2001}})
        found["updates"].append(call.body["message"])
        return 201, {"status_update": {"id": f"U{len(found['updates'])}", "message": call.body["message"]}}

    def texts(self) -> list[str]:
        """What people read below each title of a status update."""
        return [text.partition("\n")[2] for each in reversed(self.incidents) for text in each["updates"]]
