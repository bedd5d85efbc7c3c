"""The declarative driver against a real HTTP service."""

import json
import socket
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from pydantic import JsonValue

from firestation.drivers import Drivers
from firestation.drivers.template import PLACEHOLDER, fill, fill_header, fill_url
from firestation.errors import (
    Denied,
    Drifted,
    DriverError,
    Gone,
    Nonsense,
    NotApplied,
    NotConfigured,
    Unreachable,
)
from firestation.ports import Channel, Check, Lever, Lockable, Window
from firestation.system import (
    ChannelFitting,
    CheckFitting,
    LeverFitting,
    Position,
)
from firestation.testing import (
    ChannelConformance,
    CheckConformance,
    LeverConformance,
)
from tests.drivers.lever_service import TOKEN, Product
from tests.drivers.levers.making import HASTY, PATIENT

NOW = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
WINDOW = Window(since=NOW - timedelta(minutes=1), until=NOW)
AUTH = {"bearer": "env:AGENT_TOKEN"}

pytestmark = pytest.mark.driver


def lever_config(product: Product, **more: Any) -> dict[str, Any]:
    return {
        "base": product.url,
        "auth": AUTH,
        "read": {"url": "/levers/reranker", "path": "$.lever.position", "revision": {"header": "ETag"}},
        "move": {"url": "/levers/reranker", "body": {"position": "{position}", "by": "firestation {key}"}},
        **PATIENT,
        **more,
    }


def make_lever(bench: Drivers, product: Product, **more: Any) -> Lever:
    config = lever_config(product, **more)
    return bench.lever(
        LeverFitting(id="reranker", title="R", driver="http", positions={"on": "on"}, config=config)
    )


def make_check(bench: Drivers, config: dict[str, Any]) -> Check:
    return bench.check(CheckFitting(id="golden", title="G", driver="http", config=config))


def answer_config(product: Product, wanted: str = "denied", **more: Any) -> dict[str, Any]:
    request = {"method": "POST", "url": "/answer", "body": {"question": "is {{position}} text?"}}
    expect = [{"path": "$.ruling", "op": "equals", "value": wanted}]
    return {"base": product.url, "auth": AUTH, "request": request, "expect": expect, **more}


class TestLever(LeverConformance):
    @pytest.fixture
    def lever(self, bench: Drivers, product: Product) -> Lever:
        return make_lever(bench, product)

    @pytest.fixture
    def elsewhere(self) -> JsonValue:
        return "on"

    @pytest.fixture
    def meddle(self, product: Product) -> Callable[[JsonValue], Any]:
        return product.set

    @pytest.fixture
    def writes(self, product: Product) -> Callable[[], int]:
        return lambda: len(product.writes)


class TestCheck(CheckConformance):
    @pytest.fixture
    def passing(self, bench: Drivers, product: Product) -> Check:
        return make_check(bench, answer_config(product))

    @pytest.fixture
    def failing(self, bench: Drivers, product: Product) -> Check:
        return make_check(bench, answer_config(product, "approved"))

    @pytest.fixture
    def dumb(self, bench: Drivers, product: Product) -> Check:
        return make_check(bench, answer_config(product, base=f"{product.url}/nothing"))


class TestChannel(ChannelConformance):
    @pytest.fixture
    def channel(self, bench: Drivers, product: Product) -> Channel:
        send = {"url": "/messages", "body": {"text": "{text}", "to": "{to}"}}
        config = {"base": product.url, "send": send, "receipt": {"path": "$.id"}}
        return bench.channel(
            ChannelFitting(id="room", title="R", driver="http", audience="internal", config=config)
        )

    @pytest.fixture
    def delivered(self, product: Product) -> Callable[[], list[str]]:
        return lambda: [message["text"] for message in product.messages.values()]


class TestMoving:
    async def test_the_position_keeps_its_type_and_the_credential_is_sent(
        self, bench: Drivers, product: Product
    ) -> None:
        lever = make_lever(bench, product)
        values: list[JsonValue] = [0.5, False, None, {"a": [1]}, "1", 1]
        for value in values:
            shown = await lever.move(Position(value=value), await lever.read(), f"i/1/{value!r}")
            assert shown.same_as(Position(value=value))
        put = next(each for each in product.seen if each[0] == "PUT")
        assert json.loads(put[3]) == {"position": 0.5, "by": "firestation i/1/0.5"}
        assert put[2]["authorization"] == f"Bearer {TOKEN}"
        assert put[2]["idempotency-key"] == "i/1/0.5"
        assert put[2]["if-match"] == '"1"'

    async def test_a_race_between_read_and_write_overwrites_nothing(
        self, bench: Drivers, product: Product
    ) -> None:
        lever = make_lever(bench, product)
        origin = await lever.read()
        product.faults = [("PUT", "meddle")]
        with pytest.raises(Drifted) as caught:
            await lever.move(Position(value="on"), origin, "k")
        assert caught.value.details["found"]["value"] == "elsewhere"
        assert product.value == "elsewhere"
        assert product.writes == []

    async def test_a_weak_etag_is_not_sent_because_it_could_never_match(
        self, bench: Drivers, product: Product
    ) -> None:
        read = {"url": "/levers/reranker?weak=1", "path": "$.lever.position", "revision": {"header": "ETag"}}
        lever = make_lever(bench, product, read=read)
        assert (await lever.read()).revision == 'W/"1"'
        await lever.move(Position(value="on"), await lever.read(), "k")
        assert product.value == "on"

    async def test_a_yes_that_did_nothing_is_not_applied(self, bench: Drivers, product: Product) -> None:
        lever = make_lever(bench, product, read_back_within=HASTY["read_back_within"])
        product.faults = [("PUT", "noop")]
        with pytest.raises(NotApplied) as caught:
            await lever.move(Position(value="on"), await lever.read(), "k")
        assert caught.value.details["found"]["value"] == "off"

    async def test_a_product_may_take_a_moment_to_show_it(self, bench: Drivers, product: Product) -> None:
        product.shown_after = 3
        lever = make_lever(bench, product)
        assert (await lever.move(Position(value="on"), await lever.read(), "k")).value == "on"

    async def test_a_hiccup_of_the_read_back_is_outlived(
        self, bench: Drivers, product: Product, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lever = make_lever(bench, product)
        origin = await lever.read()
        original = product.set

        def set_and_break(value: Any) -> None:
            original(value)
            product.faults = [("GET", "503"), ("GET", "html")]

        monkeypatch.setattr(product, "set", set_and_break)
        assert (await lever.move(Position(value="on"), origin, "k")).value == "on"

    async def test_a_lost_answer_is_unreachable_and_the_next_try_finds_it_moved(
        self, bench: Drivers, product: Product
    ) -> None:
        lever = make_lever(bench, product)
        origin = await lever.read()
        product.faults = [("PUT", "503")]
        with pytest.raises(Unreachable):
            await lever.move(Position(value="on"), origin, "k")
        assert (await lever.move(Position(value="on"), origin, "k")).value == "on"
        assert len(product.writes) == 1


KINDS: list[tuple[str, type[DriverError], str]] = [
    ("401", Denied, "answered 401"),
    ("403", Denied, "answered 403"),
    ("404", Gone, "answered 404"),
    ("410", Gone, "answered 410"),
    ("408", Unreachable, "answered 408"),
    ("429", Unreachable, "answered 429"),
    ("500", Unreachable, "answered 500"),
    ("503", Unreachable, "it is 503"),
    ("400", Nonsense, "it is 400"),
    ("422", Nonsense, "answered 422"),
    ("redirect", Nonsense, "redirect to 198.51.100.7"),
    ("html", Nonsense, "text/html where JSON was wanted: <html>log in first</html>"),
    ("plain", Nonsense, "text/plain"),
    ("untyped", Nonsense, "no media type"),
    ("utf8", Nonsense, "not JSON"),
    ("surrogate", Nonsense, "not JSON"),
    ("nan", Nonsense, "not JSON"),
    ("deep", Nonsense, "not JSON"),
    ("empty", Nonsense, "not JSON"),
    ("other", Nonsense, r"nothing at \$.lever.position"),
    ("torn", Nonsense, "torn gzip"),
    ("notgzip", Nonsense, "broken gzip"),
    ("brotli", Nonsense, "'br'"),
    ("hang", Unreachable, "no whole answer within 0.5 s"),
    ("drip", Unreachable, "no whole answer within 0.5 s"),
    ("huge", Nonsense, "more than 100000 bytes"),
    ("bomb", Nonsense, "more than 100000 bytes"),
]
NEVER_WHOLE = frozenset({"hang", "drip"})


class TestAnswers:
    @pytest.mark.parametrize(("kind", "error", "said"), KINDS)
    async def test_each_bad_answer_is_the_right_error(
        self, bench: Drivers, product: Product, kind: str, error: type[DriverError], said: str
    ) -> None:
        timeout = (HASTY if kind in NEVER_WHOLE else PATIENT)["timeout"]
        lever = make_lever(bench, product, timeout=timeout, max_bytes=100_000)
        product.faults = [("*", kind)]
        with pytest.raises(error, match=said) as caught:
            await lever.read()
        assert type(caught.value) is error
        assert TOKEN not in str(caught.value)
        lever = make_lever(bench, product)
        assert (await lever.read()).value == "off"

    @pytest.mark.parametrize("kind", [kind for kind, _, _ in KINDS])
    async def test_a_check_is_inconclusive_whatever_comes(
        self, bench: Drivers, product: Product, kind: str
    ) -> None:
        timeout = (HASTY if kind in NEVER_WHOLE else PATIENT)["timeout"]
        config = answer_config(product, timeout=timeout, max_bytes=100_000)
        config["request"] = {"url": f"/bad/{kind}"}
        reading = await make_check(bench, config).measure(WINDOW)
        assert reading.verdict == "inconclusive"
        assert reading.check == "golden"

    @pytest.mark.parametrize("kind", ["gzip", "deflate"])
    async def test_a_compressed_answer_is_read(self, bench: Drivers, product: Product, kind: str) -> None:
        product.faults = [("*", kind)]
        read = {"url": "/levers/reranker", "path": "$.lever.position"}
        assert (await make_lever(bench, product, read=read).read()).value == "off"

    @pytest.mark.parametrize("kind", ["huge", "bomb"])
    async def test_memory_stays_bounded(self, bench: Drivers, product: Product, kind: str) -> None:
        lever = make_lever(bench, product, max_bytes=200_000)
        product.faults = [("*", kind)]
        tracemalloc.start()
        try:
            with pytest.raises(Nonsense):
                await lever.read()
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 8_000_000

    async def test_a_closed_port_is_unreachable(self, bench: Drivers, product: Product) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            base = f"http://127.0.0.1:{unused.getsockname()[1]}"
            with pytest.raises(Unreachable, match="is not reachable"):
                await make_lever(bench, product, base=base).read()

    async def test_a_missing_credential_is_denied_and_names_the_reference(
        self, bench: Drivers, product: Product, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("AGENT_TOKEN")
        with pytest.raises(Denied, match="env:AGENT_TOKEN is not set"):
            await make_lever(bench, product).read()

    async def test_a_credential_that_no_header_can_carry_is_denied(
        self, bench: Drivers, product: Product, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AGENT_TOKEN", "schlüssel")
        with pytest.raises(Denied, match="visible ASCII") as caught:
            await make_lever(bench, product).read()
        assert "schlüssel" not in str(caught.value)

    async def test_no_cookie_is_kept(self, bench: Drivers, product: Product) -> None:
        check = make_check(bench, answer_config(product))
        await check.measure(WINDOW)
        await check.measure(WINDOW)
        assert len(product.seen) == 2
        assert all("cookie" not in headers for _, _, headers, _ in product.seen)

    @pytest.mark.parametrize(
        ("auth", "header", "value"),
        [
            ({"header": {"name": "X-API-Key", "secret": "env:AGENT_TOKEN"}}, "x-api-key", TOKEN),
            (
                {"basic": {"user": "ana", "password": "env:AGENT_TOKEN"}},
                "authorization",
                httpx.BasicAuth("ana", TOKEN)._auth_header,
            ),
        ],
    )
    async def test_other_credentials(
        self, bench: Drivers, product: Product, auth: dict[str, Any], header: str, value: str
    ) -> None:
        await make_lever(bench, product, auth=auth).read()
        assert product.seen[0][2][header] == value


class TestLocks:
    async def test_a_check_becomes_plain_data(self, bench: Drivers, product: Product) -> None:
        check = make_check(bench, answer_config(product))
        assert isinstance(check, Lockable)
        case = check.lock_case()
        assert (case.method, case.url, case.token) == ("POST", f"{product.url}/answer", "env:AGENT_TOKEN")
        assert case.body == {"question": "is {position} text?"}
        assert case.expect[0].value == "denied"

    @pytest.mark.parametrize(
        "changes",
        [
            {"request": {"url": "/answer?since={since}"}},
            {"headers": {"X-Tenant": "a"}},
            {"auth": {"header": {"name": "X-Key", "secret": "env:AGENT_TOKEN"}}},
            {"request": {"url": "/" + "x" * 400}},
        ],
    )
    async def test_what_cannot_says_why(
        self, bench: Drivers, product: Product, changes: dict[str, Any]
    ) -> None:
        check = make_check(bench, answer_config(product, **changes))
        assert isinstance(check, Lockable)
        with pytest.raises(NotConfigured, match="cannot become a lock"):
            check.lock_case()


VALUE = st.text() | st.integers() | st.booleans() | st.none() | st.lists(st.text(), max_size=3)


@given(VALUE)
@example("..")
@example(".")
@example("../../admin?x=1#y")
@example("%2e%2e/")
def test_no_value_escapes_its_path_segment(value: Any) -> None:
    try:
        url = fill_url("/traces/{request_id}/spans", {"request_id": value})
    except Gone:
        assert value in ("", None, ".", "..")
        return
    whole = httpx.URL("http://agent.example:8080" + url)
    assert whole.host == "agent.example"
    assert not whole.query
    assert not whole.fragment
    parts = whole.raw_path.decode().split("/")
    assert len(parts) == 4
    assert (parts[1], parts[3]) == ("traces", "spans")
    assert urlsplit(str(whole)).path == url
    if isinstance(value, str):
        assert unquote(parts[2]) == value.encode(errors="replace").decode()


@given(st.text())
def test_no_value_adds_a_header(value: str) -> None:
    filled = fill_header("word {title}", {"title": value})
    assert filled.isascii()
    assert filled.isprintable()


@given(VALUE, st.text(alphabet="ab{}\n\"' "))
def test_a_value_is_never_read_as_a_template(value: Any, noise: str) -> None:
    values = {"position": value, "key": "{position}"}
    assert fill({"a": ["{position}"], "{{b": "{key}"}, values) == {"a": [value], "{{b": "{position}"}
    assert fill("{{position}}", values) == "{position}"
    once = PLACEHOLDER.sub("", noise)
    assume(not PLACEHOLDER.search(once))
    assert fill(once, {}) == once
