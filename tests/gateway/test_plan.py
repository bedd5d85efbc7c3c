"""The link of a plan: it opens for its person alone, once they have logged in, and shows what would be approved."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest

from firestation import acts
from firestation.authority import Member, Role, Station
from firestation.links import LIFE, Link, PlanLink, mark_of, sign, sign_plan
from firestation.severity import Severity
from firestation.testing import MemoryEvidence, MemoryShelf
from gateway.app import create_app
from gateway.auth import Doorkeeper
from gateway.front import Front
from tests.gateway.conftest import INCIDENT, NOW, TOKENS, client_of
from tests.gateway.test_ack import KEY, Burning
from tests.gateway.test_sessions import ORIGIN, csrf, log_in
from tests.property.worlds import RUN


@pytest.fixture
def desk() -> Burning:
    """An incident in which a plan waits for ana, its captain."""
    desk = Burning()
    assert desk.world.attempt(acts.Acknowledge(by="ana")) is None
    assert desk.world.attempt(acts.Declare(by="ana", severity=Severity.SEV3, reason="so it looks")) is None
    desk.world.seal()
    return desk


@pytest.fixture
def station(station: Station) -> Station:
    ana = Member(id="ana", name="Ana", roles=(Role.CAPTAIN, Role.APPROVER), address="ana@example.org")
    return station.changed(people=(ana, *station.people[1:]))


@pytest.fixture
async def http(
    desk: Burning, door: Doorkeeper, store: MemoryEvidence, front: Front
) -> AsyncIterator[httpx.AsyncClient]:
    told = ["chat is not heard"]
    app = create_app(desk, door, store, front, KEY, shelf=MemoryShelf(), warnings=lambda: told)
    async with client_of(app) as client:
        yield client


@pytest.fixture
def link(desk: Burning) -> PlanLink:
    digest = desk.world.incident.pending[0].digest
    return PlanLink(incident=INCIDENT, mark=mark_of(RUN), person="ana", action=digest)


def address(link: PlanLink, key: bytes = KEY, life: timedelta = timedelta(hours=1)) -> str:
    return f"/plan/{sign_plan(link, NOW + life, key)}"


async def test_the_right_person_sees_the_whole_plan_and_approves_it(
    http: httpx.AsyncClient, desk: Burning, link: PlanLink
) -> None:
    where = address(link)
    led = await http.get(where)
    assert (led.status_code, led.headers["location"]) == (303, f"/login?next={where}")
    page = await http.get(led.headers["location"])
    form = {"csrf": csrf(page), "token": TOKENS["ana"], "next": where}
    led = await http.post("/login", data=form, headers=ORIGIN)
    assert (led.status_code, led.headers["location"]) == (303, where)
    page = await http.get(where)
    assert page.status_code == 200
    plan = (await desk.picture(INCIDENT)).plans[0]
    assert link.action in "".join(re.findall(r"<span>([0-9a-f]{8})</span>", page.text)), "the whole digest"
    for words in (plan.why, plan.cost, plan.way_back):
        assert words in page.text
    assert set(re.findall(rf'action="/board/{INCIDENT}/(\w+)"', page.text)) == {"approve", "refuse"}
    assert desk.acted == [], "looking decides nothing"
    data = {"csrf": csrf(page), "key": "0123456789abcdef", "subject": link.action}
    done = await http.post(f"/board/{INCIDENT}/approve", data=data, headers=ORIGIN)
    assert done.status_code == 303, done.text
    assert desk.acted[-1][0] == acts.Approve(by="ana", action=link.action)
    over = await http.get(where)
    assert over.status_code == 410
    assert "does not wait for a decision any more" in over.text


async def test_another_person_is_told_that_it_is_not_theirs(
    http: httpx.AsyncClient, desk: Burning, link: PlanLink
) -> None:
    assert (await log_in(http, TOKENS["cara"])).status_code == 303
    page = await http.get(address(link))
    assert page.status_code == 403
    assert "It is for ana, and you are cara" in page.text
    assert "<form" not in page.text.partition("<main")[2]
    mine = await http.get(address(link.changed(person="cara")))
    assert mine.status_code == 200, "whoever may not decide may look"
    assert f'action="/board/{INCIDENT}/approve"' not in mine.text


async def test_what_was_not_signed_so_opens_nothing(http: httpx.AsyncClient, link: PlanLink) -> None:
    await log_in(http)
    page_link = Link(incident=INCIDENT, mark=mark_of(RUN), person="ana", page=1)
    for where, status in (
        ("/plan/fsl_x", 403),
        (address(link, b"another key of another station .."), 403),
        (f"/plan/{sign(page_link, NOW + LIFE, KEY)}", 403),
        (address(link)[:-1], 403),
        (address(link, life=-timedelta(seconds=1)), 410),
        (address(link.changed(mark=mark_of("another-run"))), 410),
        (address(link.changed(action="0" * 64)), 410),
    ):
        page = await http.get(where)
        assert page.status_code == status, where
        assert "!approve" in page.text, "it says what to do"
        assert "<form" not in page.text.partition("<main")[2]
    assert (await http.post(f"/ack/{address(link).rpartition('/')[2]}")).status_code == 403, (
        "it takes no page"
    )


async def test_what_does_not_go_well_is_told_with_the_readiness(http: httpx.AsyncClient) -> None:
    found = await http.get("/readyz")
    told = {"status": "ready", "waiting": 0, "warnings": ["chat is not heard"]}
    assert (found.status_code, found.json()) == (200, told)
