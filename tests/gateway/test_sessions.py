"""Sessions: opened with a token in a browser, acted in by our own forms only, and over when they are over."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from firestation.authority import Station
from firestation.drivers.register import Register
from firestation.errors import InvalidInput, NotConfigured, Unreachable
from firestation.secrets import ReferenceSecrets
from firestation.settings import Settings
from firestation.testing import MemoryEvidence, MemoryShelf
from firestation.tokens import Scope
from gateway import auth
from gateway.__main__ import run
from gateway.app import create_app
from gateway.attempts import MOST_FAILURES
from gateway.auth import SESSION, Doorkeeper
from gateway.desk import Row
from gateway.front import Front, open_front
from tests.gateway.conftest import BELL, INCIDENT, MINTED, NOW, TOKENS, Clock, Remembering, books_of
from tests.gateway.test_app import ALARM, GENERIC, NOTE
from tests.gateway.test_tokens import STRANGER, WRONG, with_scopes

ORIGIN = {"Origin": "http://gateway"}
HIDDEN = re.compile(r'name="csrf" value="([0-9a-f]{64})"')
COOKIE = "firestation"


def csrf(page: httpx.Response) -> str:
    found = HIDDEN.search(page.text)
    assert found, page.text
    return found[1]


async def log_in(http: httpx.AsyncClient, token: str = TOKENS["ana"], **origin: str) -> httpx.Response:
    page = await http.get("/login")
    assert page.status_code == 200
    return await http.post("/login", data={"csrf": csrf(page), "token": token}, headers=origin or ORIGIN)


@pytest.fixture
async def session(http: httpx.AsyncClient) -> str:
    """Ana's session; what its forms must bring."""
    answer = await log_in(http)
    assert (answer.status_code, answer.headers["location"]) == (303, "/"), answer.text
    return csrf(await http.get("/"))


@pytest.fixture
async def other(
    desk: Remembering, door: Doorkeeper, store: MemoryEvidence, front: Front
) -> AsyncIterator[httpx.AsyncClient]:
    """Another browser, at another gateway of the same station."""
    again = Doorkeeper(door.books, door.secrets, door.register, door.clock)
    transport = httpx.ASGITransport(
        create_app(desk, again, store, front, shelf=MemoryShelf()), raise_app_exceptions=False
    )
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        yield client


async def test_who_is_nobody_is_led_to_the_login(http: httpx.AsyncClient) -> None:
    answer = await http.get("/")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")


async def test_a_token_opens_a_session_and_the_page_says_who_you_are(
    http: httpx.AsyncClient, session: str, register: Register
) -> None:
    page = await http.get("/")
    assert "<h1>Ana</h1>" in page.text
    assert "captain" in page.text
    (held,) = (await register.all("session")).held
    assert (held.token.person, held.token.expires) == ("ana", NOW + SESSION)
    assert held.token.opened_with == MINTED["ana"][0].id


async def test_the_cookie_is_for_this_site_only_and_for_no_script(http: httpx.AsyncClient) -> None:
    answer = await log_in(http)
    cookies = answer.headers.get_list("set-cookie")
    (cookie,) = [each for each in cookies if each.startswith(f"{COOKIE}=")]
    assert re.fullmatch(rf"{COOKIE}=fss_\w+; HttpOnly; Max-Age=43200; Path=/; SameSite=lax", cookie), cookie


async def test_behind_tls_the_cookies_are_secure_and_of_this_host(
    desk: Remembering, door: Doorkeeper, store: MemoryEvidence
) -> None:
    front = Front("key", "https://fire.example.org")
    transport = httpx.ASGITransport(create_app(desk, door, store, front, shelf=MemoryShelf()))
    async with httpx.AsyncClient(transport=transport, base_url="https://fire.example.org") as http:
        answer = await log_in(http, Origin="https://fire.example.org")
        assert answer.status_code == 303, answer.text
        (cookie,) = [each for each in answer.headers.get_list("set-cookie") if "fss_" in each]
        assert cookie.startswith("__Host-firestation=fss_")
        assert {"HttpOnly", "Secure", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
        assert "Domain" not in cookie
        assert (await http.get("/")).status_code == 200
    async with httpx.AsyncClient(transport=transport, base_url="https://fire.example.org") as another:
        assert (await log_in(another, Origin="http://fire.example.org")).status_code == 403


@pytest.mark.parametrize(
    ("token", "status", "says"),
    [
        ("", 401, "Nobody here has this token"),
        ("garbage", 401, "Nobody here has this token"),
        (STRANGER, 401, "Nobody here has this token"),
        (WRONG, 401, "Nobody here has this token"),
        ("<script>alert(1)</script>", 401, "Nobody here has this token"),
        (BELL, 403, "a machine&#39;s secret"),
    ],
)
async def test_what_opens_no_session(
    http: httpx.AsyncClient, register: Register, token: str, status: int, says: str
) -> None:
    answer = await log_in(http, token)
    assert (answer.status_code, says in answer.text) == (status, True), answer.text
    assert answer.headers["content-type"].startswith("text/html")
    assert "<script" not in answer.text
    assert COOKIE not in http.cookies
    assert (await register.all("session")).held == []


async def test_who_guesses_in_the_form_is_slowed_down(http: httpx.AsyncClient) -> None:
    for guess in ["a guess", WRONG] * (MOST_FAILURES // 2):
        assert (await log_in(http, guess)).status_code == 401
    for guess in ("a guess", WRONG):
        answer = await log_in(http, guess)
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) >= 1
        assert "too many failures; wait" in answer.text
    assert (await log_in(http)).status_code == 303


async def test_a_cookie_that_is_good_for_nothing_is_taken_away(http: httpx.AsyncClient) -> None:
    """Of a station that was here before, say; it would count as a guess at each look."""
    http.cookies.set(COOKIE, f"fss_{'a' * 10}_{'b' * 52}", domain="gateway.local")
    assert (await http.get("/")).headers["location"] == "/login"
    await http.get("/login")
    assert COOKIE not in http.cookies


@pytest.mark.parametrize("origin", [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"X": "y"}])
async def test_a_login_that_another_site_sends_is_refused(
    http: httpx.AsyncClient, origin: dict[str, str]
) -> None:
    assert (await log_in(http, **origin)).status_code == 403
    assert COOKIE not in http.cookies


async def test_a_login_form_of_another_visit_is_refused(
    http: httpx.AsyncClient, other: httpx.AsyncClient
) -> None:
    foreign = csrf(await other.get("/login"))
    await http.get("/login")
    answer = await http.post("/login", data={"csrf": foreign, "token": TOKENS["ana"]}, headers=ORIGIN)
    assert answer.status_code == 403


SAME = {"Sec-Fetch-Site": "same-origin"}
REFUSED: list[tuple[str, dict[str, str], str]] = [
    # what is wrong, headers ({csrf} is the right one), what is said
    ("no token", {**ORIGIN}, "too old, or of another session"),
    ("an empty token", {**ORIGIN, "X-CSRF-Token": ""}, "too old, or of another session"),
    ("a wrong token", {**ORIGIN, "X-CSRF-Token": "0" * 64}, "too old, or of another session"),
    ("no ASCII", {**ORIGIN, "X-CSRF-Token": "\u00fc"}, "too old, or of another session"),
    ("another session's token", {**ORIGIN, "X-CSRF-Token": "{other}"}, "too old, or of another session"),
    ("no origin", {"X-CSRF-Token": "{csrf}"}, "neither Origin nor Sec-Fetch-Site"),
    ("another origin", {"Origin": "https://evil.example", "X-CSRF-Token": "{csrf}"}, "another site"),
    ("another port", {"Origin": "http://gateway:81", "X-CSRF-Token": "{csrf}"}, "another site"),
    ("another scheme", {"Origin": "https://gateway", "X-CSRF-Token": "{csrf}"}, "another site"),
    ("no origin's name", {"Origin": "null", "X-CSRF-Token": "{csrf}"}, "another site"),
    ("another site", {"Sec-Fetch-Site": "cross-site", "X-CSRF-Token": "{csrf}"}, "another site"),
    ("a sister site", {**ORIGIN, "Sec-Fetch-Site": "same-site", "X-CSRF-Token": "{csrf}"}, "another site"),
]


@pytest.mark.parametrize(
    ("headers", "says"), [each[1:] for each in REFUSED], ids=[each[0] for each in REFUSED]
)
async def test_an_act_that_our_own_page_did_not_send_is_refused(
    http: httpx.AsyncClient,
    other: httpx.AsyncClient,
    desk: Remembering,
    session: str,
    headers: dict[str, str],
    says: str,
) -> None:
    await log_in(other, TOKENS["cara"])
    foreign = csrf(await other.get("/"))
    told = {key: value.format(csrf=session, other=foreign) for key, value in headers.items()}
    sent = httpx.Headers(told, encoding="utf-8")
    for path, body in ((NOTE, {"text": "x"}), (GENERIC, ALARM)):
        answer = await http.post(path, json=body, headers=sent)
        assert (answer.status_code, says in answer.text) == (403, True), answer.text
    assert (desk.acted, desk.rang) == ([], [])


@pytest.mark.parametrize("where", [ORIGIN, SAME, {**ORIGIN, **SAME}])
async def test_an_act_of_our_own_page_is_done_in_the_callers_name(
    http: httpx.AsyncClient, desk: Remembering, session: str, where: dict[str, str]
) -> None:
    answer = await http.post(NOTE, json={"text": "x"}, headers={**where, "X-CSRF-Token": session})
    assert answer.status_code == 200, answer.text
    assert [act.by for act, _ in desk.acted] == ["ana"]


async def test_looking_needs_no_form(http: httpx.AsyncClient, session: str) -> None:
    assert session
    assert (await http.get(f"/incidents/{INCIDENT}")).status_code == 200


async def test_a_bearer_token_needs_no_form_even_where_a_session_is(
    http: httpx.AsyncClient, desk: Remembering, session: str
) -> None:
    assert session
    headers = {"Authorization": f"Bearer {TOKENS['cara']}"}
    assert (await http.post(NOTE, json={"text": "x"}, headers=headers)).status_code == 200
    assert [act.by for act, _ in desk.acted] == ["cara"]
    bad = {"Authorization": f"Bearer {WRONG}", **ORIGIN, "X-CSRF-Token": session}
    assert (await http.post(NOTE, json={"text": "x"}, headers=bad)).status_code == 401


@pytest.mark.parametrize(
    "cookie",
    ["", "garbage", STRANGER.replace("fst_", "fss_"), TOKENS["ana"], "{forged}", "{cut}", "fss_" + "a" * 200],
)
async def test_a_forged_cookie_is_nobody(http: httpx.AsyncClient, session: str, cookie: str) -> None:
    real = http.cookies[COOKIE]
    forged = cookie.format(forged=real[:-1] + ("a" if real[-1] != "a" else "b"), cut=real[:-1])
    http.cookies.clear()
    headers = {"Cookie": f"{COOKIE}={forged}", **ORIGIN, "X-CSRF-Token": session}
    assert (await http.get("/", headers=headers)).headers["location"] == "/login"
    assert (await http.get("/incidents", headers=headers)).status_code == 401
    assert (await http.post(NOTE, json={"text": "x"}, headers=headers)).status_code == 401


async def test_logging_out_ends_it_everywhere(
    http: httpx.AsyncClient, other: httpx.AsyncClient, session: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also for somebody who has copied the cookie."""
    monkeypatch.setattr(auth, "FRESH_SECONDS", 0.0)
    copied = {"Cookie": f"{COOKIE}={http.cookies[COOKIE]}"}
    assert (await other.get("/incidents", headers=copied)).status_code == 200
    answer = await http.post("/logout", data={"csrf": session}, headers=ORIGIN)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert COOKIE not in http.cookies
    assert (await http.get("/")).headers["location"] == "/login"
    for client in (http, other):
        gone = await client.get("/incidents", headers=copied)
        assert (gone.status_code, gone.json()["detail"]) == (401, "your session is revoked; get another")


async def test_logging_out_needs_our_own_form(http: httpx.AsyncClient, session: str) -> None:
    for data, headers in (
        ({"x": "y"}, ORIGIN),
        ({"csrf": "0" * 64}, ORIGIN),
        ({"csrf": session}, {"Origin": "http://x"}),
    ):
        answer = await http.post("/logout", data=data, headers=headers)
        assert answer.status_code == 403
        assert answer.headers["content-type"].startswith("text/html")
    assert (await http.post("/logout", json={"csrf": session}, headers=ORIGIN)).status_code == 415
    assert (await http.get("/")).status_code == 200


async def test_a_session_lasts_twelve_hours(http: httpx.AsyncClient, clock: Clock, session: str) -> None:
    assert session
    clock.now = NOW + SESSION - timedelta(seconds=1)
    assert (await http.get("/")).status_code == 200
    clock.now = NOW + timedelta(hours=12)
    assert (await http.get("/")).headers["location"] == "/login"
    assert (await http.get("/incidents")).json()["detail"] == "your session is expired; get another"


async def test_a_session_ends_with_the_token_that_opened_it(
    http: httpx.AsyncClient, register: Register, session: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert session
    monkeypatch.setattr(auth, "FRESH_SECONDS", 0.0)
    await register.revoke(MINTED["ana"][0].id, NOW)
    assert (await http.get("/")).headers["location"] == "/login"


async def test_a_session_ends_when_the_person_is_taken_out_of_the_station_file(
    http: httpx.AsyncClient, door: Doorkeeper, session: str, station: Station
) -> None:
    assert session
    others = tuple(each.changed(id="ben") if each.id == "ana" else each for each in station.people)
    door.books = books_of(station.changed(people=others, escalation=("ben",)))
    assert (await http.get("/")).headers["location"] == "/login"
    assert "not one of the station's people" in (await http.get("/incidents")).json()["detail"]


async def test_each_login_has_a_session_of_its_own_and_ends_the_one_before(
    http: httpx.AsyncClient, register: Register, session: str
) -> None:
    before = http.cookies[COOKIE]
    page = await http.get("/")
    answer = await http.post("/login", data={"csrf": csrf(page), "token": TOKENS["cara"]}, headers=ORIGIN)
    assert answer.status_code == 303, answer.text
    assert http.cookies[COOKIE] != before
    assert csrf(await http.get("/")) != session
    ended = {held.token.person: held.revoked is not None for held in (await register.all("session")).held}
    assert ended == {"ana": True, "cara": False}


async def test_a_planted_cookie_is_not_taken_over(http: httpx.AsyncClient) -> None:
    """Whoever plants a cookie before the login does not know the session after it."""
    http.cookies.set(COOKIE, f"fss_{'a' * 10}_{'b' * 52}", domain="gateway.local")
    answer = await log_in(http)
    assert answer.status_code == 303
    assert "a" * 10 not in str(answer.headers.get_list("set-cookie"))


async def test_a_token_without_a_scope_opens_a_session_without_it(
    http: httpx.AsyncClient, register: Register, desk: Remembering
) -> None:
    await log_in(http, await with_scopes(register, Scope.LOOK))
    form = csrf(await http.get("/"))
    answer = await http.post(NOTE, json={"text": "x"}, headers={**ORIGIN, "X-CSRF-Token": form})
    assert (answer.status_code, answer.json()["scope"], desk.acted) == (403, "act", [])


async def test_a_token_that_may_not_look_sees_no_page(http: httpx.AsyncClient, register: Register) -> None:
    await log_in(http, await with_scopes(register, Scope.RING))
    answer = await http.get("/")
    assert (answer.status_code, "has not the scope look" in answer.text) == (403, True)


def row(incident: str, captain: str, **more: Any) -> Row:
    told: dict[str, Any] = {
        "title": "Refund agent",
        "phase": "open",
        "severity": "sev2",
        "waiting": "a captain",
        **more,
    }
    return Row(
        incident=incident, run="r", system="refund-agent", captain=captain, opened_at=datetime.now(UTC),
        ended_at=None, open=True, **told,
    )  # fmt: skip


async def test_the_first_page_shows_what_burns_yours_first_and_escaped(
    http: httpx.AsyncClient, desk: Remembering, session: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert session

    async def listing(*, open_only: bool) -> list[Row]:
        assert open_only
        evil = {"title": "<b>x</b>", "waiting": "<script>alert(1)</script>", "severity": '"><img src=x>'}
        return [row("other-1", "cara", **evil), row("mine-1", "ana")]

    monkeypatch.setattr(desk, "listing", listing)
    page = (await http.get("/")).text
    assert page.index('href="/board/mine-1"') < page.index('href="/board/other-1"')
    assert "ana (you)" in page
    assert "sev2" in page
    for raw in ("<b>", "<script", "<img"):
        assert raw not in page
    assert "&lt;script&gt;" in page


async def test_the_first_page_says_when_temporal_is_away(
    http: httpx.AsyncClient, desk: Remembering, session: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert session

    async def listing(*, open_only: bool) -> list[Row]:
        raise Unreachable("Temporal does not answer")

    monkeypatch.setattr(desk, "listing", listing)
    page = await http.get("/")
    assert (page.status_code, "Temporal does not answer" in page.text) == (200, True)


async def test_a_page_allows_a_browser_its_own_stylesheet_and_nothing_else(http: httpx.AsyncClient) -> None:
    page = await http.get("/login")
    policy = page.headers.get_list("content-security-policy")
    assert policy == [
        "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ]
    assert page.headers.get_list("referrer-policy") == ["same-origin"]
    assert page.headers["cache-control"] == "no-store"
    assert not re.search(r"<script|<style|style=|\son\w+=|https?://", page.text)
    style = await http.get("/static/station.css")
    assert (style.status_code, style.headers["content-type"]) == (200, "text/css; charset=utf-8")
    assert (await http.get("/static/../auth.py")).status_code == 404
    assert (await http.get("/static/%2e%2e/auth.py")).status_code == 404


@pytest.mark.parametrize("body", [b"\xff\xfe", b"a=1&" * 100])
async def test_a_form_that_cannot_be_read_is_refused(http: httpx.AsyncClient, body: bytes) -> None:
    headers = {**ORIGIN, "Content-Type": "application/x-www-form-urlencoded"}
    answer = await http.post("/login", content=body, headers=headers)
    assert answer.status_code in {403, 422}
    assert "Traceback" not in answer.text


def test_the_key_of_visits_is_made_once_for_its_owner_or_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = ReferenceSecrets(tmp_path)
    settings = Settings(state=tmp_path)
    first = open_front(settings, secrets)
    assert len(first.key) == 64
    assert open_front(settings, secrets) == first
    assert (tmp_path / "keys/session").stat().st_mode & 0o777 == 0o600
    monkeypatch.setenv("VISITS", "a key from elsewhere, long enough")
    named = settings.changed(session_key="env:VISITS")
    assert open_front(named, secrets).key == "a key from elsewhere, long enough"
    monkeypatch.setenv("VISITS", "x" * 31)
    with pytest.raises(NotConfigured, match="key env:VISITS is shorter than 32") as caught:
        open_front(named, secrets)
    assert "x" * 31 not in str(caught.value)
    (tmp_path / "keys/session").write_text("")
    with pytest.raises(NotConfigured, match="keys/session is shorter than 32"):
        open_front(settings, secrets)


async def test_a_login_through_a_provider_needs_our_own_address(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    text = (root / "examples/station/station.yaml").read_text()
    login = "login: {issuer: 'https://login.example.org', client_id: f, client_secret: 'env:S'}\n"
    (tmp_path / "station.yaml").write_text(text + login)
    system = root / "examples/refund_agent/system.yaml"
    settings = Settings(state=tmp_path, station=tmp_path / "station.yaml", systems=system, gateway_port=0)
    with pytest.raises(NotConfigured, match="FIRESTATION_PUBLIC_URL"):
        await run(settings, "127.0.0.1:9")


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://fire.example.org", "https://"),
        ("https://fire.example.org/station", "path"),
        ("fire.example.org", "plain address"),
        ("https://me:secret@fire.example.org", "plain address"),
    ],
)
def test_an_address_to_which_no_secret_should_go_is_refused(url: str, says: str) -> None:
    with pytest.raises(InvalidInput, match=says) as caught:
        Settings.from_environment({"FIRESTATION_PUBLIC_URL": url})
    assert caught.value.field == "FIRESTATION_PUBLIC_URL"


def test_the_address_has_no_slash_at_its_end() -> None:
    given = {"FIRESTATION_PUBLIC_URL": "https://fire.example.org/"}
    assert Settings.from_environment(given).public_url == "https://fire.example.org"
