"""Who asked for a page before the login gets it afterwards; nobody is led to another site."""

from urllib.parse import quote, urljoin, urlsplit

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.returning import HOME, own_page
from tests.gateway.conftest import BELL, INCIDENT, TOKENS
from tests.gateway.test_sessions import ORIGIN, csrf

PAGE = f"/board/{INCIDENT}?show=people"
LOGIN = f"/login?next={quote(PAGE, safe='/')}"
HOSTILE = [
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "\t//evil.example",
    " //evil.example",
    "https://evil.example/",
    "https:evil.example",
    "javascript:alert(1)",
    "evil.example",
    "\\\\evil.example",
    "/board\r\nSet-Cookie: a=b",
    "/board\x00",
    "/bö",
    "/\u2028/evil.example",
    "/" + "a" * 1000,
    "/login",
    "/login?next=/login",
    "/logout",
    "",
]


@pytest.mark.parametrize("asked", HOSTILE)
def test_what_is_no_page_of_ours_is_the_start(asked: str) -> None:
    assert own_page(asked) == HOME


@given(st.text(alphabet=st.sampled_from("/\\.:@?#%\t\n ab"), max_size=20) | st.text(max_size=40))
@example("/..//evil.example")
def test_whatever_was_asked_for_it_is_this_site(asked: str) -> None:
    found = own_page(asked)
    assert found in {asked, HOME}
    whole = urlsplit(urljoin("https://fire.example.org/login", found))
    assert (whole.scheme, whole.netloc) == ("https", "fire.example.org")
    assert found.isascii()
    assert found.isprintable()


async def test_who_logs_in_comes_back_to_the_page(http: httpx.AsyncClient) -> None:
    led = await http.get(PAGE)
    assert (led.status_code, led.headers["location"]) == (303, LOGIN)
    page = await http.get(LOGIN)
    assert f'name="next" value="{PAGE}"' in page.text
    form = {"csrf": csrf(page), "next": PAGE}
    for wrong, status in (("fst_wrong", 401), (BELL, 403)):
        again = await http.post("/login", data={**form, "token": wrong}, headers=ORIGIN)
        assert again.status_code == status
        assert f'name="next" value="{PAGE}"' in again.text, "a wrong token loses no page"
    answer = await http.post("/login", data={**form, "token": TOKENS["ana"]}, headers=ORIGIN)
    assert (answer.status_code, answer.headers["location"]) == (303, PAGE)
    assert (await http.get(PAGE)).status_code == 200
    there = await http.get(LOGIN)
    assert (there.status_code, there.headers["location"]) == (303, PAGE), "who is in already is not asked"


@pytest.mark.parametrize("asked", ["//evil.example", "https://evil.example", '"><script>'])
async def test_a_forged_login_leads_nowhere_else(http: httpx.AsyncClient, asked: str) -> None:
    page = await http.get("/login", params={"next": asked})
    assert 'name="next" value="/"' in page.text
    assert asked not in page.text
    form = {"csrf": csrf(page), "token": TOKENS["ana"], "next": asked}
    answer = await http.post("/login", data=form, headers=ORIGIN)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


async def test_only_who_looks_is_led(http: httpx.AsyncClient) -> None:
    sent = await http.post(f"/board/{INCIDENT}/note", data={"text": "x"}, headers=ORIGIN)
    assert sent.status_code == 401
    assert (await http.get("/")).headers["location"] == "/login"
