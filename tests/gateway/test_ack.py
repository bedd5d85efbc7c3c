"""The link of a page: looking changes nothing, one touch takes it, and every reason why not is told."""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from html import unescape

import httpx
import pytest
import structlog

from firestation import acts, links
from firestation.authority import Member, Role, Station
from firestation.errors import Refused, Unreachable
from firestation.links import LIFE, Link, mark_of, sign
from firestation.picture import Picture, picture
from firestation.testing import MemoryEvidence, MemoryShelf
from gateway.app import create_app
from gateway.attempts import MOST_FAILURES
from gateway.auth import Doorkeeper
from gateway.book import Book
from gateway.front import Front
from tests.gateway.conftest import NOW, Clock, Remembering, Standing, client_of
from tests.property.worlds import RUN, World
from workflows.messages import Answer

KEY = b"the key of the links of a test.."
INCIDENT = "refund-agent-1a2b3c4d"
LINK = Link(incident=INCIDENT, mark=mark_of(RUN), person="ana", page=1)


class Burning(Remembering):
    """A desk with one real incident on it, which really decides."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.refuses: Exception | None = None

    async def picture(self, incident: str) -> Picture:
        self._known(incident)
        if self.away:
            raise self.away
        return picture(self.world.incident, tuple(self.world.record))

    async def act(self, incident: str, act: acts.Act, key: str | None = None) -> Answer:
        self._known(incident)
        if self.refuses:
            raise self.refuses
        done = key in {before for _, before in self.acted}
        self.acted.append((act, key))
        refusal = None if done else self.world.attempt(act)
        phase = self.world.incident.phase
        if refusal is None:
            return Answer(accepted=True, phase=phase)
        return Answer(
            accepted=False, phase=phase, rule=refusal.rule, title=refusal.title, missing=refusal.missing
        )


@pytest.fixture
def desk() -> Burning:
    return Burning()


@pytest.fixture
async def phone(
    desk: Burning, door: Doorkeeper, store: MemoryEvidence, front: Front
) -> AsyncIterator[httpx.AsyncClient]:
    """A phone that has nothing but the link: no token, no cookie."""
    app = create_app(desk, door, store, front, KEY, shelf=MemoryShelf())
    async with client_of(app) as client:
        yield client


def address(link: Link = LINK, key: bytes = KEY, life: timedelta = LIFE) -> str:
    return f"/ack/{sign(link, NOW + life, key)}"


@pytest.fixture
def station(station: Station) -> Station:
    """As every test of the gateway has it, and with ben, who is paged second."""
    ben = Member(id="ben", name="Ben", roles=(Role.CAPTAIN,), address="ben@example.org")
    return station.changed(people=(*station.people, ben))


async def test_looking_shows_what_burns_and_changes_nothing(phone: httpx.AsyncClient, desk: Burning) -> None:
    looks = [await phone.get(address()) for _ in range(3)]  # a program that previews links looks, too
    assert {seen.status_code for seen in looks} == {200}
    text = unescape(looks[-1].text)
    for told in ("Refund agent", "SEV2", "RefundGoldenEvalFailing", "2 of 8 golden cases fail", "Ana (ana)"):
        assert told.lower() in text.lower(), told
    assert text.count("<button") == 1
    assert 'method="post"' in text
    assert "Nobody yet" in text
    assert (desk.acted, desk.world.incident.captain) == ([], None)
    assert (await phone.head(address())).status_code == 405


async def test_one_touch_takes_it_and_says_what_comes_next(phone: httpx.AsyncClient, desk: Burning) -> None:
    done = await phone.post(address())
    assert done.status_code == 200
    assert f"You are the captain of {INCIDENT}" in done.text
    assert f"firestation show {INCIDENT}" in done.text
    assert desk.world.incident.captain == "ana"
    ((act, key),) = desk.acted
    assert act == acts.Acknowledge(by="ana", page=1)
    assert key == f"link-{LINK.sha256_of_page()}"
    assert "<button" not in done.text


async def test_an_impatient_thumb_does_it_once(phone: httpx.AsyncClient, desk: Burning) -> None:
    first, second = await phone.post(address()), await phone.post(address(life=LIFE / 2))
    for answer in (first, second, await phone.get(address())):
        assert answer.status_code == 200
        assert "You are the captain" in answer.text
    assert len(desk.acted) == 1
    taken = [moment.text for moment in (await desk.picture(INCIDENT)).timeline if moment.kind == "acted"]
    assert taken == ["ana takes it as captain, by the link of page 1"]


async def test_who_took_it_otherwise_is_told_that_they_have_it(
    phone: httpx.AsyncClient, desk: Burning
) -> None:
    captain_is(desk, "ana")
    for answer in (await phone.get(address()), await phone.post(address())):
        assert (answer.status_code, "You are the captain" in answer.text) == (200, True)
    assert desk.acted == []


async def test_the_page_after_a_renounce_brings_a_link_of_its_own(
    phone: httpx.AsyncClient, desk: Burning
) -> None:
    taken_otherwise(desk)
    newest = desk.world.incident.paging[-1]
    assert newest.step > 1
    link = LINK.changed(page=newest.step, person=newest.person)
    assert (await phone.post(address())).status_code == 409
    assert (await phone.post(address(link))).status_code == 200
    assert desk.world.incident.captain == newest.person


async def test_no_page_is_kept_followed_or_framed(phone: httpx.AsyncClient) -> None:
    answers = [await phone.get(address()), await phone.post(address()), await phone.get("/ack/x")]
    for answer in answers:
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-robots-tag"] == "noindex, nofollow"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "script" not in answer.headers["content-security-policy"]
        assert "<script" not in answer.text
        assert "set-cookie" not in answer.headers


def captain_is(desk: Burning, name: str) -> None:
    assert desk.world.attempt(acts.Acknowledge(by=name)) is None


def ended(desk: Burning) -> None:
    captain_is(desk, "ben")
    assert desk.world.attempt(acts.Dismiss(by="ben", reason="no fire")) is None


def used(desk: Burning) -> None:
    assert desk.world.attempt(acts.Acknowledge(by="ana", page=1)) is None
    assert desk.world.attempt(acts.Renounce(by="ana", reason="asleep")) is None


def taken_otherwise(desk: Burning) -> None:
    captain_is(desk, "ana")
    assert desk.world.attempt(acts.Renounce(by="ana", reason="asleep")) is None


def handed_over(desk: Burning) -> None:
    captain_is(desk, "ana")
    assert desk.world.attempt(acts.Handover(by="ana", to="ben")) is None
    assert desk.world.attempt(acts.Accept(by="ben")) is None


def as_it_is(desk: Burning) -> None:
    """Nothing has happened meanwhile."""


REFUSED: list[tuple[str, str, Callable[[Burning], None], int, str]] = [
    # what is wrong, the address, what happened before, status, what is told
    ("nonsense", "/ack/nonsense", as_it_is, 403, "copy all of it"),
    ("a piece of it", address()[:-3], as_it_is, 403, "copy all of it"),
    ("another key", address(key=b"x" * 32), as_it_is, 403, "copy all of it"),
    ("very long", "/ack/" + "A" * 3000, as_it_is, 403, "copy all of it"),
    ("expired", address(life=-timedelta(seconds=1)), as_it_is, 410, "expired"),
    ("another fire", address(LINK.changed(mark=mark_of("before"))), as_it_is, 409, "another one"),
    ("no such page", address(LINK.changed(page=7)), as_it_is, 409, "no page 7"),
    ("another's page", address(LINK.changed(person="ben")), as_it_is, 409, "no page 1 was sent to ben"),
    ("no incident", address(LINK.changed(incident="gone-1")), as_it_is, 404, "gone-1"),
    ("used", address(), used, 409, "used already"),
    ("taken otherwise and renounced", address(), taken_otherwise, 409, "somebody took the incident after"),
    ("handed over", address(), handed_over, 409, "ben is the captain"),
    ("somebody has it", address(), lambda desk: captain_is(desk, "ben"), 409, "ben is the captain"),
    ("ended", address(), ended, 409, "dismissed"),
]


@pytest.mark.parametrize(
    ("where", "before", "status", "told"), [row[1:] for row in REFUSED], ids=[r[0] for r in REFUSED]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_why_not_is_told_on_a_page_and_nothing_is_done(
    phone: httpx.AsyncClient,
    desk: Burning,
    method: str,
    where: str,
    before: Callable[[Burning], None],
    status: int,
    told: str,
) -> None:
    before(desk)
    captain = desk.world.incident.captain
    answer = await phone.request(method, where)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("text/html")
    assert told in unescape(answer.text)
    assert "<button" not in answer.text
    assert "2 of 8 golden cases fail" not in answer.text, "what rang is for those who can still take it"
    assert (desk.acted, desk.world.incident.captain) == ([], captain)


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_who_is_not_in_the_station_file_any_more_takes_nothing(
    phone: httpx.AsyncClient, desk: Burning, door: Doorkeeper, station: Station, method: str
) -> None:
    there = address()
    assert (await phone.get(there)).status_code == 200
    without_ana = station.changed(people=tuple(each for each in station.people if each.id != "ana"))

    class Newer(Standing):
        """Books that the gateway finds changed when it looks."""

        async def latest(self) -> Book:
            self.book = self.book.changed(station=without_ana)
            return self.book

    door.books = Newer(door.books.book)
    answer = await phone.request(method, there)
    assert (answer.status_code, "<button" in answer.text) == (403, False)
    assert "is not one of the station" in unescape(answer.text)
    assert (desk.acted, desk.world.incident.captain) == ([], None)


async def test_what_the_incident_decides_in_the_last_moment_is_told(
    phone: httpx.AsyncClient, desk: Burning
) -> None:
    desk.refuses = Refused(
        2, "one captain", "ben is the captain; ana can take over only by handover and accept"
    )
    answer = await phone.post(address())
    assert answer.status_code == 409
    assert "ben is the captain" in answer.text
    desk.refuses = Unreachable("Temporal does not answer")
    answer = await phone.post(address())
    assert (answer.status_code, "Temporal does not answer" in answer.text) == (503, True)
    assert "nobody knows yet whether you have it" in answer.text.lower()
    assert f'href="{address()}">Look again' in answer.text
    assert desk.world.incident.captain is None


async def test_who_took_it_is_told_so_though_it_cannot_be_shown(
    phone: httpx.AsyncClient, desk: Burning, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = desk.picture

    async def picture(incident: str) -> Picture:
        if desk.acted:
            raise Unreachable("Temporal does not answer")
        return await shown(incident)

    monkeypatch.setattr(desk, "picture", picture)
    answer = await phone.post(address())
    assert (answer.status_code, desk.world.incident.captain) == (503, "ana")
    assert "You took it: you are the captain of" in answer.text


async def test_who_guesses_too_often_waits_and_nobody_is_locked_out_by_it(
    phone: httpx.AsyncClient, desk: Burning
) -> None:
    for _ in range(MOST_FAILURES):
        assert (await phone.get("/ack/wrong")).status_code == 403
    for method in ("GET", "POST"):
        slowed = await phone.request(method, "/ack/wrong")
        assert (slowed.status_code, "retry-after" in slowed.headers) == (429, True)
    assert desk.acted == []
    assert (await phone.post(address())).status_code == 200, "whoever has a right link is no guesser"


async def test_an_error_that_nobody_foresaw_logs_the_route_and_not_the_link(
    phone: httpx.AsyncClient, desk: Burning
) -> None:
    desk.refuses = RuntimeError("a bug")
    with structlog.testing.capture_logs() as logs:
        assert (await phone.post(address())).status_code == 500
    (told,) = (each for each in logs if each["log_level"] == "error")
    assert (told["method"], told["route"]) == ("POST", "/ack/{token}")
    assert address().rpartition("/")[2] not in repr(logs)


async def test_an_expired_link_is_no_guess(phone: httpx.AsyncClient, clock: Clock) -> None:
    there = address()
    clock.now += LIFE + timedelta(seconds=1)
    for _ in range(MOST_FAILURES + 1):
        assert (await phone.get(there)).status_code == 410


async def test_what_rang_is_shown_and_not_believed(phone: httpx.AsyncClient, desk: Burning) -> None:
    alarm = desk.world.incident.rung[0]
    hostile = alarm.changed(
        alarm=alarm.alarm.changed(summary="<script>alert(1)</script>", name='"><img src=x>')
    )
    desk.world.incident = desk.world.incident.changed(rung=(hostile,))
    text = (await phone.get(address())).text
    assert "<script>" not in text
    assert "<img" not in text
    assert "&lt;script&gt;" in text


async def test_without_a_key_no_link_opens_anything(http: httpx.AsyncClient) -> None:
    assert (await http.get(address())).status_code == 404
    assert links.SHORTEST_KEY == 32
