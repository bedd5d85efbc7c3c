"""People on the homeserver of the tests, and channels to it."""

from typing import Any

import httpx

from firestation.drivers import Drivers
from firestation.ports import Channel
from firestation.system import ChannelFitting
from tests.drivers.products import Synapse


class User:
    """Somebody on the homeserver."""

    def __init__(self, server: Synapse, name: str) -> None:
        self.id, self.name, self.token = f"@{name}:test.local", name, server.join(name)
        self.base = f"{server.url}/_matrix/client/v3"

    def ask(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.token}"}
        url = f"{self.base}{path}"
        asked = httpx.request(
            method, url, json=body, params=query, headers=headers, trust_env=False, timeout=30
        )
        return asked.raise_for_status().json()

    def log_in_anew(self) -> str:
        """Another access token, of another device."""
        who = {"type": "m.id.user", "user": self.name}
        body = {"type": "m.login.password", "identifier": who, "password": "a password"}
        return str(self.ask("POST", "/login", body)["access_token"])

    def invited(self) -> list[str]:
        return list(self.ask("GET", "/sync", timeout=0).get("rooms", {}).get("invite", {}))

    def joined(self) -> list[str]:
        return list(self.ask("GET", "/joined_rooms")["joined_rooms"])

    def enter(self, room: str) -> None:
        self.ask("POST", f"/join/{room}", {})

    def leave(self, room: str) -> None:
        self.ask("POST", f"/rooms/{room}/leave", {})

    def messages(self, room: str) -> list[dict[str, Any]]:
        found = self.ask("GET", f"/rooms/{room}/messages", dir="b", limit=100)["chunk"]
        return [each for each in reversed(found) if each["type"] == "m.room.message"]

    def texts(self, room: str) -> list[str]:
        return [each["content"]["body"] for each in self.messages(room)]

    def make_room(self, alias: str) -> str:
        return str(
            self.ask("POST", "/createRoom", {"room_alias_name": alias, "preset": "public_chat"})["room_id"]
        )


def channel_at(bench: Drivers, homeserver: str, audience: str = "pager", **config: Any) -> Channel:
    given = {"homeserver": homeserver, "token": "env:MATRIX_TOKEN", **config}
    fitting = {"id": "chat", "title": "C", "driver": "matrix", "audience": audience, "with": given}
    return bench.channel(ChannelFitting.model_validate(fitting))
