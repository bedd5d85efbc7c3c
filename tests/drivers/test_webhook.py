"""The webhook channel before a receiver that verifies each signature and knows its idempotency keys."""

import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from firestation.board import Message
from firestation.drivers import Drivers
from firestation.errors import Denied, DriverError, Gone, InvalidInput, Nonsense, Unreachable
from firestation.ports import Channel
from firestation.system import ChannelFitting
from firestation.testing import ChannelConformance
from tests.drivers.contracts import listening

SECRET = "signing-secret-of-the-test"
PATH = "/hooks/a-path-that-is-a-secret"
PAGE = Message(incident="agent-1", purpose="page", title="Fire", text="Take it")
OLDEST_SECONDS = 300


class Receiver:
    """Takes what is signed, recent and new."""

    def __init__(self) -> None:
        self.url, self.status = "", 200
        self.taken: dict[str, dict[str, Any]] = {}
        self.turned_away = 0

    def take(self, headers: dict[str, str], body: bytes) -> int:
        if self.status != 200:
            return self.status
        at = headers.get("x-firestation-timestamp", "0")
        me = self.url.partition("://")[2]
        expected = hmac.new(SECRET.encode(), f"{at}\n{me}\n".encode() + body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(headers.get("x-firestation-signature", ""), f"v1={expected}"):
            self.turned_away += 1
            return 401
        if abs(time.time() - int(at)) > OLDEST_SECONDS:
            return 400
        self.taken.setdefault(headers["idempotency-key"], json.loads(body))
        return 200


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    made = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status = made.take(headers, body) if self.path == PATH else 404
            echo = f"you asked {made.url}".encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(echo)))
            self.end_headers()
            self.wfile.write(echo)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with listening(Handler) as url:
        made.url = url + PATH
        monkeypatch.setenv("HOOK", made.url)
        monkeypatch.setenv("HOOK_SECRET", SECRET)
        yield made


def channel_at(bench: Drivers, **config: Any) -> Channel:
    given = {"secret": "env:HOOK_SECRET", **config}
    return bench.channel(
        ChannelFitting(id="hook", title="H", driver="webhook", audience="pager", config=given)
    )


class TestWebhookChannel(ChannelConformance):
    @pytest.fixture
    def channel(self, bench: Drivers, receiver: Receiver) -> Channel:
        return channel_at(bench, url="env:HOOK")

    @pytest.fixture
    def delivered(self, receiver: Receiver) -> Callable[[], list[str]]:
        return lambda: [each["text"] for each in receiver.taken.values()]


@pytest.mark.parametrize("to", ["env:HOOK", "the address itself"])
async def test_a_contact_is_an_address_or_its_reference(bench: Drivers, receiver: Receiver, to: str) -> None:
    contact = to if to.startswith("env:") else receiver.url
    receipt = await channel_at(bench).send(PAGE.changed(to=contact), "i/1/page-1/hook")
    assert receipt.reference == "HTTP 200"
    told = {
        "incident": "agent-1",
        "purpose": "page",
        "title": "Fire",
        "text": "Take it",
        "key": "i/1/page-1/hook",
    }
    assert receiver.taken == {"i/1/page-1/hook": told}


async def test_another_secret_is_turned_away(
    bench: Drivers, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK_SECRET", "another")
    with pytest.raises(Denied, match="401"):
        await channel_at(bench, url="env:HOOK").send(PAGE, "k")
    assert (receiver.taken, receiver.turned_away) == ({}, 1)


async def test_what_one_receiver_got_is_no_word_of_ours_to_another(
    bench: Drivers, receiver: Receiver
) -> None:
    got: list[tuple[dict[str, str], bytes]] = []
    take = receiver.take

    def keep(headers: dict[str, str], body: bytes) -> int:
        got.append((headers, body))
        return take(headers, body)

    receiver.take = keep  # type: ignore[method-assign]  # it keeps what it got, to send it on
    await channel_at(bench).send(PAGE.changed(to="env:HOOK"), "k")
    assert take(*got[0]) == 200, "again to the same one, which knows its key"
    other = Receiver()
    other.url = receiver.url.replace(PATH, "/hooks/ben")
    assert other.take(*got[0]) == 401


STATUS: list[tuple[int, type[DriverError], bool]] = [
    (301, Nonsense, True),
    (400, Nonsense, True),
    (403, Denied, False),
    (404, Gone, False),
    (410, Gone, False),
    (429, Unreachable, True),
    (500, Unreachable, True),
]


@pytest.mark.parametrize(("status", "error", "retried"), STATUS)
@pytest.mark.parametrize("to", ["env:HOOK", "the address itself"])
async def test_no_error_shows_the_address(
    bench: Drivers, receiver: Receiver, status: int, error: type[DriverError], retried: bool, to: str
) -> None:
    receiver.status = status
    contact = to if to.startswith("env:") else receiver.url
    with pytest.raises(error) as caught:
        await channel_at(bench).send(PAGE.changed(to=contact), "k")
    assert caught.value.retryable is retried
    assert PATH not in str(caught.value)
    assert SECRET not in str(caught.value)
    assert "POST" in str(caught.value)


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ("ftp://example.org/x", Gone),
        ("https://user:secret-part@example.org/x", Gone),
        ("env:HOOK", Gone),
        ("secret-part of nothing", Gone),
        ("http://example.org/secret-part", Gone),
        ("http://127.0.0.1:99999/secret-part", Gone),
        ("http://127.0.0.1:1/secret-part", Unreachable),
        ("", Denied),
    ],
)
async def test_a_reference_to_something_else_is_told_by_its_name(
    bench: Drivers, monkeypatch: pytest.MonkeyPatch, value: str, error: type[DriverError]
) -> None:
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    monkeypatch.setenv("HOOK", value)
    with pytest.raises(error, match="env:HOOK") as caught:
        await channel_at(bench).send(PAGE.changed(to="env:HOOK"), "k")
    assert "secret-part" not in str(caught.value)


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"url": "example.org"}, "url"),
        ({"url": "http://example.org/x"}, "https://"),
        ({"secret": SECRET}, "secret"),
        ({"url": "https://u:p@example.org"}, "url"),
    ],
)
def test_a_wrong_configuration_is_told(bench: Drivers, config: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        channel_at(bench, **config)
