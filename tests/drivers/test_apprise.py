"""The apprise channel, through its real library, to a real mail server and a real HTTP listener."""

import logging
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from firestation.board import Message
from firestation.drivers import Drivers
from firestation.errors import Denied, Doubtful, InvalidInput, Unreachable
from firestation.ports import Channel
from firestation.system import ChannelFitting
from firestation.testing import ChannelConformance
from tests.drivers.contracts import published
from tests.drivers.mailing import Mailbox, mail_server
from tests.e2e.processes import free_port

PAGE = Message(incident="agent-1", purpose="page", title="Fire", text="Take it", to="ana@example.org")


class Service:
    """A service that takes apprise's JSON."""

    def __init__(self) -> None:
        self.status, self.asked, self.taken = 200, 0, list[tuple[str, dict[str, Any]]]()

    def __call__(self, method: str, path: str, headers: Any, body: Any) -> tuple[int, Any]:
        self.asked += 1
        if self.status == 200:
            self.taken.append((path, body))
        return self.status, {}


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    made = Service()
    with published(made) as url:
        monkeypatch.setenv("NOTIFY", f"json://{url.removeprefix('http://')}/to/{{to}}?retry=2&wait=0")
        yield made


def channel(bench: Drivers, url: str = "env:NOTIFY") -> Channel:
    config = {"url": url}
    return bench.channel(
        ChannelFitting(id="any", title="A", driver="apprise", audience="pager", config=config)
    )


class TestAppriseChannel(ChannelConformance):
    @pytest.fixture
    def channel(self, bench: Drivers, service: Service) -> Channel:
        return channel(bench)

    @pytest.fixture
    def delivered(self, service: Service) -> Callable[[], list[str]]:
        return lambda: [body["message"] for _, body in service.taken]


async def test_it_reaches_a_mailbox(bench: Drivers, monkeypatch: pytest.MonkeyPatch) -> None:
    with mail_server(Mailbox()) as box:
        url = (
            f"mailto://127.0.0.1:{box.port}/?from=firestation@example.org&to={{to}}&mode=insecure&format=text"
        )
        monkeypatch.setenv("NOTIFY", url)
        await channel(bench).send(PAGE, "k")
        await channel(bench).send(PAGE, "k")
    (envelope,) = box.raw
    assert envelope.rcpt_tos == ["ana@example.org"]
    assert "Take it" in box.texts[0]


@pytest.mark.parametrize("to", ["a/../b?x=1&to=eve@example.org", "+49 151 %2F", "ä@x"])
async def test_an_address_cannot_leave_its_place_in_the_url(
    bench: Drivers, service: Service, to: str
) -> None:
    await channel(bench).send(PAGE.changed(to=to), "k")
    ((path, _),) = service.taken
    assert path.startswith("/to/")
    assert path.count("/") == 2


async def test_a_service_that_is_away_is_tried_again(
    bench: Drivers, monkeypatch: pytest.MonkeyPatch, service: Service
) -> None:
    there = os.environ["NOTIFY"]
    monkeypatch.setenv("NOTIFY", f"json://127.0.0.1:{free_port()}/secret-part")
    with pytest.raises(Unreachable, match="could not connect") as caught:
        await channel(bench).send(PAGE, "k")
    assert "secret-part" not in str(caught.value)
    monkeypatch.setenv("NOTIFY", there)
    await channel(bench).send(PAGE, "k")
    assert len(service.taken) == 1


async def test_what_was_not_confirmed_is_not_sent_again(bench: Drivers, service: Service) -> None:
    service.status = 500
    with pytest.raises(Doubtful, match="not sent again"):
        await channel(bench).send(PAGE, "k")
    assert service.asked == 1, "though the URL asks for retries"
    service.status = 200
    with pytest.raises(Doubtful, match="not sent again"):
        await channel(bench).send(PAGE, "k")
    assert service.taken == []


async def test_a_url_that_is_none_is_told_by_its_reference(
    bench: Drivers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY", "secret-part")
    with pytest.raises(Denied, match="env:NOTIFY") as caught:
        await channel(bench).send(PAGE, "k")
    assert "secret-part" not in str(caught.value)
    monkeypatch.delenv("NOTIFY")
    with pytest.raises(Denied, match="NOTIFY is not set"):
        await channel(bench).send(PAGE, "k")
    with pytest.raises(InvalidInput, match="url"):
        channel(bench, "json://127.0.0.1/x")


async def test_nothing_that_apprise_says_comes_into_our_logs(bench: Drivers, service: Service) -> None:
    service.status, heard = 500, list[logging.LogRecord]()

    class Ours(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.append(record)

    handler, root = Ours(), logging.getLogger()
    root.addHandler(handler)
    try:
        with pytest.raises(Doubtful):
            await channel(bench).send(PAGE, "k")
        logging.getLogger("another").warning("this one is heard")
    finally:
        root.removeHandler(handler)
    assert {each.name.partition(".")[0] for each in heard if each.levelno >= logging.INFO} == {"another"}
