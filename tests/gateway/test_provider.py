"""What comes back from the provider is believed only when it is the provider's, for us, for this visit, and now.

The provider here is a real HTTP server that signs whatever it is told; the well-behaved one is in tests/e2e.
"""

import json
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from structlog.testing import capture_logs

from firestation.authority import Login, Station
from firestation.drivers.register import Register
from firestation.secrets import ReferenceSecrets
from firestation.testing import MemoryEvidence, MemoryShelf
from gateway.app import create_app
from gateway.auth import Doorkeeper
from gateway.front import Front
from tests.gateway.conftest import Clock, Remembering, books_of, client_of

KEY, ANOTHER = RSAKey.generate_key(2048, {"kid": "k"}), RSAKey.generate_key(2048, {"kid": "k"})
SECRET = "the-secret-of-the-client-0123456789abcdef"
HOME = "http://gateway"


class Forger:
    """A provider that says what the test wants it to say."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.metadata: dict[str, Any] = {}
        self.claims: dict[str, Any] = {}
        self.userinfo: dict[str, Any] = {}
        self.header = {"alg": "RS256", "kid": "k"}
        self.key: Any = KEY
        self.published = KEY
        self.nonce = ""
        self.id_token: str | None = "signed"
        self.issuer = ""

    def answer(self, path: str) -> Any:
        match path:
            case "/.well-known/openid-configuration":
                ends = {"authorization_endpoint": "auth", "token_endpoint": "token", "jwks_uri": "jwks"}
                found = {name: f"{self.issuer}/{end}" for name, end in ends.items()}
                algorithms = ["RS256", "HS256", "none"]
                return {
                    "issuer": self.issuer,
                    "userinfo_endpoint": f"{self.issuer}/me",
                    "id_token_signing_alg_values_supported": algorithms,
                    **found,
                    **self.metadata,
                }
            case "/jwks":
                return {"keys": [{**self.published.as_dict(private=False), "use": "sig"}]}
            case "/token":
                told = {"access_token": "an-access-token", "token_type": "Bearer"}
                return told if self.id_token is None else {**told, "id_token": self._signed()}
            case "/me":
                return self.userinfo
        return {}

    def _signed(self) -> str:
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "sub": "42",
            "aud": "firestation",
            "iat": now,
            "exp": now + 300,
            "nonce": self.nonce,
            "email": "ana@example.org",
            "email_verified": True,
        }
        told = {name: value for name, value in {**claims, **self.claims}.items() if value is not None}
        if self.header["alg"] == "none":
            parts = (json.dumps(part).encode() for part in (self.header, told))
            return ".".join([*(urlsafe_b64encode(part).decode().rstrip("=") for part in parts), ""])
        return jwt.encode(self.header, told, self.key, algorithms=["RS256", "HS256"])


@pytest.fixture
def forger() -> Iterator[Forger]:
    found = Forger()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
            found.asked.append((self.path, body, dict(self.headers)))
            content = json.dumps(found.answer(self.path)).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET  # noqa: N815 - the server's name

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.issuer = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
async def browser(
    forger: Forger,
    desk: Remembering,
    store: MemoryEvidence,
    station: Station,
    register: Register,
    clock: Clock,
    front: Front,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[httpx.AsyncClient]:
    """A browser at a gateway whose provider this is; ana's login is her email address."""
    monkeypatch.setenv("LOGIN_SECRET", SECRET)
    login = Login(issuer=forger.issuer, client_id="firestation", client_secret="env:LOGIN_SECRET")
    people = tuple(
        each.changed(login="ana@example.org") if each.id == "ana" else each for each in station.people
    )
    door = Doorkeeper(
        books_of(station.changed(login=login, people=people)),
        ReferenceSecrets(tmp_path),
        register,
        clock,
    )
    app = create_app(desk, door, store, front._replace(public_url=HOME), shelf=MemoryShelf())
    async with client_of(app, HOME) as client:
        yield client


async def leave(browser: httpx.AsyncClient, forger: Forger, **asked: str) -> dict[str, str]:
    """To the provider; what the browser brings there."""
    answer = await browser.get("/login/provider", params=asked)
    assert answer.status_code == 302, answer.text
    assert answer.headers["location"].startswith(f"{forger.issuer}/auth?")
    told = {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}
    forger.nonce = told["nonce"]
    return told


async def come_back(browser: httpx.AsyncClient, forger: Forger, **changes: str) -> httpx.Response:
    told = await leave(browser, forger)
    return await browser.get("/login/callback", params={"code": "c0de", "state": told["state"], **changes})


async def test_who_comes_back_rightly_comes_in(browser: httpx.AsyncClient, forger: Forger) -> None:
    told = await leave(browser, forger)
    assert (told["response_type"], told["client_id"]) == ("code", "firestation")
    assert (told["redirect_uri"], told["code_challenge_method"]) == (f"{HOME}/login/callback", "S256")
    assert set(told["scope"].split()) == {"openid", "email", "profile"}
    answer = await browser.get("/login/callback", params={"code": "c0de", "state": told["state"]})
    assert (answer.status_code, answer.headers["location"]) == (303, "/"), answer.text
    assert "<h1>Ana</h1>" in (await browser.get("/")).text
    ((_, body, headers),) = [each for each in forger.asked if each[0] == "/token"]
    assert len(parse_qs(body)["code_verifier"][0]) >= 43
    assert headers["Authorization"].startswith("Basic ")


@pytest.mark.parametrize(
    ("asked", "led"),
    [("/board/a?all=1", "/board/a?all=1"), ("//evil.example", "/"), ("/\t/evil.example", "/")],
)
async def test_the_page_that_was_asked_for_survives_the_way_there_and_back(
    browser: httpx.AsyncClient, forger: Forger, asked: str, led: str
) -> None:
    login = await browser.get("/login", params={"next": "/board/a?all=1"})
    assert 'href="/login/provider?next=/board/a%3Fall%3D1"' in login.text
    told = await leave(browser, forger, next=asked)
    answer = await browser.get("/login/callback", params={"code": "c0de", "state": told["state"]})
    assert (answer.status_code, answer.headers["location"]) == (303, led)
    again = await come_back(browser, forger)
    assert again.headers["location"] == "/", "it is asked for once"


async def test_a_key_that_the_provider_has_withdrawn_opens_no_more(
    browser: httpx.AsyncClient, forger: Forger
) -> None:
    assert (await come_back(browser, forger)).status_code == 303
    forger.published = ANOTHER
    answer = await come_back(browser, forger)
    assert (answer.status_code, "signature" in answer.text) == (401, True), answer.text
    forger.key = ANOTHER
    assert (await come_back(browser, forger)).status_code == 303


def _by_secret(forger: Forger) -> None:
    forger.header.update(alg="HS256")
    forger.key = OctKey.import_key(SECRET)


LATER = 10**9
BAD: list[tuple[str, Callable[[Forger], None], int, str]] = [
    ("another issuer", lambda it: it.claims.update(iss="https://evil.example"), 401, "iss"),
    ("no issuer", lambda it: it.claims.update(iss=None), 401, "iss"),
    ("another audience", lambda it: it.claims.update(aud="another"), 401, "aud"),
    ("another audience for us", lambda it: it.claims.update(aud="another", azp="firestation"), 401, "aud"),
    ("no audience", lambda it: it.claims.update(aud=None), 401, "aud"),
    ("too late", lambda it: it.claims.update(exp=int(time.time()) - 3600), 401, "expired"),
    ("without end", lambda it: it.claims.update(exp=None), 401, "exp"),
    ("from the future", lambda it: it.claims.update(iat=int(time.time()) + LATER), 401, "refused"),
    ("another visit's nonce", lambda it: it.claims.update(nonce="of another visit"), 401, "nonce"),
    ("no nonce", lambda it: it.claims.update(nonce=None), 401, "nonce"),
    ("another's signature", lambda it: setattr(it, "key", ANOTHER), 401, "signature"),
    ("the client's secret", _by_secret, 401, "refused"),
    ("no signature", lambda it: it.header.update(alg="none"), 401, "refused"),
    ("no id_token", lambda it: setattr(it, "id_token", None), 502, "no id_token"),
    ("a stranger", lambda it: it.claims.update(email="eve@example.org"), 403, "nobody of this station"),
    ("another writing", lambda it: it.claims.update(email="Ana@example.org"), 403, "nobody of this station"),
    ("an id for an address", lambda it: it.claims.update(email="ana"), 403, "nobody of this station"),
    ("no address", lambda it: it.claims.update(email=""), 403, "does not tell your email"),
    ("a list of addresses", lambda it: it.claims.update(email=["ana@example.org"]), 403, "does not tell"),
    ("unverified", lambda it: it.claims.update(email_verified=False), 403, "not verified"),
    ("verified in words", lambda it: it.claims.update(email_verified="yes"), 403, "not verified"),
    ("nothing of verified", lambda it: it.claims.update(email_verified=None), 403, "not verified"),
]


@pytest.mark.parametrize(
    ("forge", "status", "says"), [each[1:] for each in BAD], ids=[each[0] for each in BAD]
)
async def test_what_is_not_right_opens_no_session(
    browser: httpx.AsyncClient,
    forger: Forger,
    register: Register,
    forge: Callable[[Forger], None],
    status: int,
    says: str,
) -> None:
    forge(forger)
    with capture_logs() as logs:
        answer = await come_back(browser, forger)
    assert answer.status_code == status, answer.text
    assert says in answer.text
    assert answer.headers["content-type"].startswith("text/html")
    assert "firestation" not in browser.cookies
    assert (await register.all("session")).held == []
    assert SECRET not in answer.text + str(logs)
    assert "an-access-token" not in answer.text + str(logs)
    assert status == 502 or any(each["event"] == "an unknown caller was turned away" for each in logs)


async def test_an_answer_to_a_visit_that_never_was_is_refused(
    browser: httpx.AsyncClient, forger: Forger
) -> None:
    assert (await come_back(browser, forger, state="of-somebody-else")).status_code == 401
    told = await leave(browser, forger)
    browser.cookies.clear()  # the link was sent to somebody else
    answer = await browser.get("/login/callback", params={"code": "c0de", "state": told["state"]})
    assert (answer.status_code, "mismatching_state" in answer.text) == (401, True)


async def test_an_answer_counts_once(browser: httpx.AsyncClient, forger: Forger) -> None:
    told = await leave(browser, forger)
    params = {"code": "c0de", "state": told["state"]}
    assert (await browser.get("/login/callback", params=params)).status_code == 303
    assert (await browser.get("/login/callback", params=params)).status_code == 401


@pytest.mark.parametrize(
    "params", [{}, {"code": "x"}, {"state": "x"}, {"error": "<script>access_denied</script>"}]
)
async def test_half_an_answer_is_refused_and_escaped(
    browser: httpx.AsyncClient, params: dict[str, str]
) -> None:
    answer = await browser.get("/login/callback", params=params)
    assert answer.status_code == 401
    assert "<script" not in answer.text


async def test_a_claim_that_is_told_on_asking_is_asked_for(
    browser: httpx.AsyncClient, forger: Forger
) -> None:
    forger.claims.update(email=None, email_verified=None)
    forger.userinfo = {"sub": "42", "email": "ana@example.org", "email_verified": True}
    assert (await come_back(browser, forger)).status_code == 303
    forger.userinfo["sub"] = "43"
    answer = await come_back(browser, forger)
    assert (answer.status_code, "of somebody else" in answer.text) == (502, True)


@pytest.mark.parametrize(
    ("metadata", "status", "says"),
    [
        ({"issuer": "https://evil.example"}, 502, "another issuer"),
        ({"issuer": None}, 502, "another issuer"),
        ({"authorization_endpoint": None}, 503, "does not answer"),
    ],
)
async def test_a_provider_that_is_another_is_not_gone_to(
    browser: httpx.AsyncClient, forger: Forger, metadata: dict[str, Any], status: int, says: str
) -> None:
    forger.metadata = metadata
    answer = await browser.get("/login/provider")
    assert (answer.status_code, says in answer.text) == (status, True), answer.text


async def test_a_provider_that_takes_the_secret_in_the_form_gets_it_there(
    browser: httpx.AsyncClient, forger: Forger
) -> None:
    forger.metadata = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    assert (await come_back(browser, forger)).status_code == 303
    ((_, body, _),) = [each for each in forger.asked if each[0] == "/token"]
    assert parse_qs(body)["client_secret"] == [SECRET]


async def test_a_provider_that_is_away_is_said_and_the_token_is_a_way_in(
    browser: httpx.AsyncClient, forger: Forger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forger, "answer", lambda path: [path])  # not even a description
    answer = await browser.get("/login/provider")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
    assert "log in with an access token meanwhile" in answer.text
    assert 'name="token"' in (await browser.get("/login")).text
    monkeypatch.undo()
