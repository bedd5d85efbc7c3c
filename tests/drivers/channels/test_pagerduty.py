"""The PagerDuty channel, against the shapes of the published APIs."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from firestation.drivers import Drivers
from firestation.errors import Denied, Gone, InvalidInput, Nonsense
from firestation.ports import Channel
from tests.drivers.channels.contract import HOSTILE, KEY, WORD, make_channel
from tests.drivers.channels.pagerduty_contract import ROUTING_KEY, SENDER, Pagerduty
from tests.drivers.channels.promises import AtMostOnce, Making, page
from tests.drivers.serving import keeping
from tests.e2e.processes import free_port

pytestmark = pytest.mark.driver
ALERT = "firestation/refund-1/run-a"


@pytest.fixture
def contract(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pagerduty]:
    """It rang already, for the incident of each suite."""
    monkeypatch.setenv("CHANNEL_KEY", ROUTING_KEY)
    contract = Pagerduty()
    payload = {"summary": "Fire", "source": "refund-1", "severity": "critical"}
    for alert in (ALERT, "firestation/agent-1/1"):
        event = {"routing_key": ROUTING_KEY, "event_action": "trigger", "dedup_key": alert}
        contract.event({**event, "payload": payload})
    with keeping(contract):
        yield contract


@pytest.fixture
def make(bench: Drivers, contract: Pagerduty) -> Making:
    def make(audience: str = "internal", **more: Any) -> Channel:
        given = {"events": contract.url, "api": contract.url, "routing_key": "env:CHANNEL_KEY"}
        rest = {"token": "env:CHANNEL_TOKEN", "sender": SENDER}
        return make_channel(bench, "pagerduty", audience, **{**given, **rest, **more})

    return make


class TestPagerduty(AtMostOnce):
    @pytest.fixture
    def delivered(self, contract: Pagerduty) -> Callable[[], list[str]]:
        return contract.texts

    @pytest.fixture
    def absent(self) -> dict[str, Any]:
        return {"api": f"http://127.0.0.1:{free_port()}"}


async def test_all_pages_of_an_incident_are_one_alert(make: Making, contract: Pagerduty) -> None:
    channel = make("pager")
    for step in ("page-1", "page-1", "page-2"):
        await channel.send(page(incident="refund-2"), f"refund-2/run-b/{step}/ana/duty")
    await channel.send(
        page(incident="refund-2"), "refund-2/run-c/page-1/ana/duty"
    )  # a later fire of this name
    assert contract.rung[2:] == ["firestation/refund-2/run-b", "firestation/refund-2/run-c"]
    assert contract.incidents[0]["payload"]["severity"] == "critical"


async def test_a_lost_answer_rings_nobody_twice(make: Making, contract: Pagerduty) -> None:
    contract.plan = ["lose"]
    channel = make("pager")
    with pytest.raises(Exception, match="500"):
        await channel.send(page(incident="refund-2"), "refund-2/run-b/page-1/ana/duty")
    receipt = await channel.send(page(incident="refund-2"), "refund-2/run-b/page-1/ana/duty")
    assert receipt.reference == "firestation/refund-2/run-b"
    assert contract.rung.count(receipt.reference) == 1


async def test_a_decision_rings_although_the_alert_was_acknowledged(
    make: Making, contract: Pagerduty
) -> None:
    ask = WORD.changed(purpose="decision", title="Move the switch?")
    for _ in range(2):
        await make("pager").send(ask, "refund-1/run-a/decide-0123456789ab/duty")
    await make("pager").send(ask.changed(purpose="escalation"), "refund-1/run-a/lapsed-0123456789ab/duty")
    assert len(contract.rung[2:]) == 2
    assert all(each.startswith(f"{ALERT}/") for each in contract.rung[2:])
    assert contract.incidents[0]["payload"]["severity"] == "error"


@pytest.mark.parametrize(
    ("phase", "status"),
    [
        ("open", "triggered"),
        ("declared", "acknowledged"),
        ("restored", "acknowledged"),
        ("closed", "resolved"),
        ("dismissed", "resolved"),
        ("merged", "resolved"),
        ("something else", "triggered"),
    ],
)
async def test_the_words_of_the_board_move_the_alert(
    make: Making, contract: Pagerduty, phase: str, status: str
) -> None:
    word = WORD.changed(title=f"Refund agent: {phase}")
    for _ in range(2):
        await make().send(word, KEY)
    (alert,) = [each for each in contract.incidents if each["incident_key"] == ALERT]
    assert alert["status"] == status
    assert alert["updates"] == [f"Refund agent: {phase}\n{WORD.text}"]


async def test_a_word_about_what_never_rang_is_said_to_be_so(make: Making, contract: Pagerduty) -> None:
    with pytest.raises(Gone, match="nothing rang at PagerDuty"):
        await make().send(WORD, "refund-1/run-z/word-1/chat")


async def test_other_credentials_are_refused(
    make: Making, contract: Pagerduty, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Nonsense, match="Requester User Not Found"):
        await make(sender="who@example.org").send(WORD, KEY)
    monkeypatch.setenv("CHANNEL_TOKEN", "another-token")
    with pytest.raises(Denied) as caught:
        await make().send(WORD, KEY)
    assert "another-token" not in str(caught.value)
    monkeypatch.setenv("CHANNEL_KEY", "f" * 32)
    with pytest.raises(Nonsense, match="routing_key") as odd:
        await make("pager").send(page(), "refund-1/run-a/page-1/ana/duty")
    assert "f" * 32 not in str(odd.value)


async def test_a_yes_to_something_else_is_no_yes(
    make: Making, contract: Pagerduty, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contract, "answer", lambda _: (202, {"status": "success", "dedup_key": "another"}))
    with pytest.raises(Nonsense, match="without saying that it took"):
        await make("pager").send(page(text=HOSTILE), "refund-1/run-a/page-1/ana/duty")


@pytest.mark.parametrize(
    ("audience", "config", "said"),
    [
        ("public", {}, "read by our own people"),
        ("internal", {"token": None, "sender": None}, "Add token"),
        ("pager", {"token": None}, "go together"),
        ("pager", {"sender": "ana"}, "sender"),
    ],
)
async def test_what_the_file_should_not_say_is_named(
    make: Making, audience: str, config: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidInput, match=said):
        make(audience, **config)
