"""What Atlassian publishes of Statuspage's incidents API."""

import re
from dataclasses import dataclass, field
from typing import Any

from tests.drivers.channels.contract import TOKEN, Call, Contract, Refusal

PAGE = "kctbh9vrtdwd"
COMPONENTS = {"8kbf7d35c070", "vtnh60py4yd7"}
STATES = {"operational", "under_maintenance", "degraded_performance", "partial_outage", "major_outage"}
STATUSES = {"investigating", "identified", "monitoring", "resolved"}


def unprocessable(said: str) -> Refusal:
    return Refusal(422, {"error": [said]})


@dataclass
class Statuspage(Contract):
    """One page. `told` is how often subscribers were told."""

    limit_status: int = 420
    incidents: list[dict[str, Any]] = field(default_factory=list)
    components: dict[str, str] = field(default_factory=dict)
    told: int = 0

    def answer(self, call: Call) -> tuple[int, Any]:
        if call.headers.get("authorization") != f"OAuth {TOKEN}":
            raise Refusal(401, {"error": "Could not authenticate"})
        found = re.fullmatch(rf"/v1/pages/{PAGE}/incidents(?:/(\w+))?", call.path)
        if not found:
            raise Refusal(404, {"error": "Page not found"})
        if call.method == "GET":
            size, page = int(call.query["limit"]), int(call.query["page"])
            return 200, self.incidents[(page - 1) * size : page * size]
        said = call.body.get("incident")
        if not isinstance(said, dict):
            raise unprocessable("incident is missing")
        self.check(said)
        if call.method == "POST" and found[1] is None:
            if not said.get("name") or len(said["name"]) > 255:
                raise unprocessable("Name can't be blank")
            number = f"inc{len(self.incidents)}"
            made = {"id": number, "incident_updates": [], "shortlink": f"https://stspg.io/{number}"}
            self.incidents.insert(0, made)
            return 201, self.change(made, said)
        known = next((each for each in self.incidents if each["id"] == found[1]), None)
        if call.method != "PATCH" or known is None:
            raise Refusal(404, {"error": "Incident not found"})
        return 200, self.change(known, said)

    def check(self, said: dict[str, Any]) -> None:
        if said.get("status", "investigating") not in STATUSES:
            raise unprocessable("Status is invalid")
        if len(said.get("body", "")) > 25_000:
            raise unprocessable("Body is too long")
        if not all(isinstance(each, dict) for each in said.get("metadata", {}).values()):
            raise unprocessable("All top-level values in metadata must be objects")
        states = said.get("components", {})
        if not set(states) <= COMPONENTS or not set(states.values()) <= STATES:
            raise unprocessable("Component is unknown")

    def change(self, known: dict[str, Any], said: dict[str, Any]) -> dict[str, Any]:
        known |= {name: said[name] for name in ("name", "status", "metadata") if name in said}
        known["incident_updates"].insert(0, {"body": said["body"], "status": known["status"]})
        self.components |= said.get("components", {})
        self.told += said["deliver_notifications"]
        return known

    def texts(self) -> list[str]:
        """What customers read, the earliest first."""
        found: list[str] = []
        for each in reversed(self.incidents):
            found += [update["body"] for update in reversed(each["incident_updates"])]
        return found
