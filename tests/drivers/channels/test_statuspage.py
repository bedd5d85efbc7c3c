"""The Statuspage channel, against the shape of the published API."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from firestation.drivers import Drivers
from firestation.errors import Denied, DriverError, Gone, InvalidInput, Nonsense, Unreachable
from firestation.ports import Channel
from tests.drivers.channels.contract import HOSTILE, KEY, WORD, make_channel
from tests.drivers.channels.promises import HASTE, Making, Promises, page
from tests.drivers.channels.statuspage_contract import PAGE, Statuspage
from tests.drivers.serving import keeping
from tests.e2e.processes import wait_for

pytestmark = pytest.mark.driver
COMPONENT = "8kbf7d35c070"
FAULTS: list[tuple[str, type[DriverError]]] = [
    ("lose", Unreachable),
    ("hang", Unreachable),
    ("lie", Nonsense),
    ("html", Nonsense),
]


@pytest.fixture
def contract() -> Iterator[Statuspage]:
    contract = Statuspage()
    with keeping(contract):
        yield contract


@pytest.fixture
def make(bench: Drivers, contract: Statuspage) -> Making:
    def make(audience: str = "public", **more: Any) -> Channel:
        config = {"base": contract.url, "token": "env:CHANNEL_TOKEN", "page": PAGE, **more}
        return make_channel(bench, "statuspage", audience, **config)

    return make


class TestStatuspage(Promises):
    @pytest.fixture
    def delivered(self, contract: Statuspage) -> Callable[[], list[str]]:
        return contract.texts

    @pytest.mark.parametrize(("fault", "error"), FAULTS)
    async def test_whatever_becomes_of_the_answer_a_word_is_said_once(
        self, make: Making, contract: Statuspage, fault: str, error: type[DriverError]
    ) -> None:
        contract.plan = [fault]
        with pytest.raises(error):
            await make(**(HASTE if fault == "hang" else {})).send(WORD, KEY)
        if fault != "lie":
            wait_for("what was taken", contract.texts)
        receipts = [await make().send(WORD, KEY) for _ in range(2)]
        assert contract.texts() == [WORD.text]
        assert {each.reference for each in receipts} == {"https://stspg.io/inc0"}


def titled(phase: str) -> Any:
    return WORD.changed(title=f"Refund agent: {phase}", text=f"Known: {phase}")


async def test_an_incident_goes_its_way_and_never_names_a_cause(make: Making, contract: Statuspage) -> None:
    channel = make(components={COMPONENT: "partial_outage"})
    told: list[tuple[str, str]] = []
    phases = ["open", "declared", "contained", "recovering", "restored", "after-action"]
    for number, phase in enumerate(phases):
        await channel.send(titled(phase), f"refund-1/run-a/word-{number}/chat")
        told.append((contract.incidents[0]["status"], contract.components[COMPONENT]))
    assert told == [
        *[("investigating", "partial_outage")] * 4,
        ("monitoring", "partial_outage"),
        ("resolved", "operational"),
    ]
    (incident,) = contract.incidents
    assert incident["name"] == "Refund agent"
    assert len(incident["metadata"]["firestation"]["keys"]) == len(phases)
    assert contract.told == len(phases)
    await channel.send(titled("open"), "refund-1/run-b/word-1/chat")  # a later fire of the same name
    assert len(contract.incidents) == 2


async def test_what_a_person_set_by_hand_is_left_alone(make: Making, contract: Statuspage) -> None:
    channel = make(components={COMPONENT: "partial_outage"}, notify=False)
    await channel.send(titled("declared"), KEY)
    contract.components[COMPONENT] = "major_outage"
    await channel.send(titled("contained"), "refund-1/run-a/word-2/chat")
    assert contract.components[COMPONENT] == "major_outage"
    contract.incidents[0]["status"] = "resolved"
    await channel.send(titled("contained"), "refund-1/run-a/word-3/chat")
    assert contract.incidents[0]["status"] == "resolved"
    assert contract.told == 0


async def test_what_is_quoted_is_no_markup(make: Making, contract: Statuspage) -> None:
    await make().send(WORD.changed(text=HOSTILE, title="<b>Refund agent</b>: declared"), KEY)
    assert "<" not in contract.texts()[0] + contract.incidents[0]["name"]


async def test_ours_is_found_behind_many_others(make: Making, contract: Statuspage) -> None:
    await make().send(WORD, KEY)
    others = [{"id": f"o{number}", "metadata": {}, "incident_updates": []} for number in range(150)]
    contract.incidents[:0] = others
    await make().send(WORD, KEY)
    assert contract.texts() == [WORD.text]


async def test_only_public_words_go_there(make: Making, contract: Statuspage) -> None:
    for purpose in ("page", "decision", "escalation", "reminder"):
        with pytest.raises(Denied, match="is nothing for a status page"):
            await make().send(page().changed(purpose=purpose), KEY)
    for audience in ("internal", "pager"):
        with pytest.raises(InvalidInput, match="audience: public"):
            make(audience)
    assert contract.seen == []


async def test_other_credentials_and_pages_are_refused(
    make: Making, contract: Statuspage, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Gone):
        await make(page="another").send(WORD, KEY)
    with pytest.raises(Nonsense, match="Component is unknown"):
        await make(components={"another": "major_outage"}).send(WORD, KEY)
    monkeypatch.setenv("CHANNEL_TOKEN", "another-token")
    with pytest.raises(Denied) as caught:
        await make().send(WORD, KEY)
    assert "another-token" not in str(caught.value)
