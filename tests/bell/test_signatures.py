"""Who rings: right signatures are taken, and forged, altered, replayed and old ones are not."""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from firestation.authority import Bell, Member, Role, Station
from firestation.bell.signatures import Signature, Verdict, routed, shows, verify
from firestation.muster import worth_a_look

NOW = datetime(2026, 11, 23, 3, tzinfo=UTC)
NEW, OLD, WRONG = "the-new-secret-of-the-bell", "the-old-secret-of-the-bell", "a-secret-of-somebody-else"
BODY = b'{"a": "\xc3\xa4",\n "b": 1.0}'
AT = int(NOW.timestamp())

GRAFANA = Signature(scheme="grafana")
TIMED = Signature(scheme="grafana", timestamp="X-Grafana-Alerting-Timestamp")
PAGERDUTY = Signature(scheme="pagerduty")
SENTRY = Signature(scheme="sentry")
LANGFUSE = Signature(scheme="langfuse")
HMAC = Signature(scheme="hmac", header="X-Hub-Signature-256")
HEADER = Signature(scheme="header", header="X-Bell-Secret")
BEARER = Signature(scheme="bearer")


def mac(secret: str, message: bytes) -> str:
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


Sign = Callable[[str, bytes], dict[str, str]]
SCHEMES: dict[str, tuple[Signature, Sign]] = {
    "grafana": (GRAFANA, lambda key, raw: {"x-grafana-alerting-signature": mac(key, raw)}),
    "grafana, timed": (
        TIMED,
        lambda key, raw: {
            "x-grafana-alerting-signature": mac(key, f"{AT}:".encode() + raw),
            "x-grafana-alerting-timestamp": str(AT),
        },
    ),
    "pagerduty": (PAGERDUTY, lambda key, raw: {"x-pagerduty-signature": f"v1={mac(key, raw)}"}),
    "pagerduty, rotating": (
        PAGERDUTY,
        lambda key, raw: {"x-pagerduty-signature": f"v1={'0' * 64},v0=x, v1={mac(key, raw)}"},
    ),
    "sentry": (SENTRY, lambda key, raw: {"sentry-hook-signature": mac(key, raw)}),
    "langfuse": (
        LANGFUSE,
        lambda key, raw: {"x-langfuse-signature": f"t={AT},v1={mac(key, f'{AT}.'.encode() + raw)}"},
    ),
    "hmac": (HMAC, lambda key, raw: {"x-hub-signature-256": f"sha256={mac(key, raw)}"}),
}
SHOWN: dict[str, tuple[Signature, Sign]] = {
    "bearer": (BEARER, lambda key, _: {"authorization": f"Bearer {key}"}),
    "header": (HEADER, lambda key, _: {"x-bell-secret": key}),
}
BOTH = SCHEMES | SHOWN


@pytest.mark.parametrize("name", BOTH)
def test_the_right_secret_is_taken_the_older_one_too_and_no_other(name: str) -> None:
    signature, sign = BOTH[name]
    assert verify(signature, [NEW, OLD], BODY, sign(NEW, BODY), NOW).number == 0
    assert verify(signature, [NEW, OLD], BODY, sign(OLD, BODY), NOW).number == 1
    forged = verify(signature, [NEW, OLD], BODY, sign(WRONG, BODY), NOW)
    assert forged.number is None
    assert forged.why
    assert verify(signature, [], BODY, sign(NEW, BODY), NOW).number is None
    assert verify(signature, [NEW], BODY, {}, NOW).number is None


@pytest.mark.parametrize("name", SCHEMES)
@given(where=st.integers(0, len(BODY) - 1), to=st.integers(1, 255))
def test_a_body_that_was_altered_by_one_byte_is_refused(name: str, where: int, to: int) -> None:
    signature, sign = SCHEMES[name]
    altered = BODY[:where] + bytes([BODY[where] ^ to]) + BODY[where + 1 :]
    assert verify(signature, [NEW], altered, sign(NEW, BODY), NOW).number is None


@pytest.mark.parametrize("name", ["grafana, timed", "langfuse"])
@pytest.mark.parametrize(("late", "taken"), [(-301, False), (-300, True), (299, True), (301, False)])
def test_what_was_signed_at_another_time_is_a_replay(name: str, late: int, taken: bool) -> None:
    signature, sign = SCHEMES[name]
    verdict = verify(signature, [NEW], BODY, sign(NEW, BODY), NOW + timedelta(seconds=late))
    assert (verdict.number is not None) is taken


@pytest.mark.parametrize("name", ["grafana, timed", "langfuse"])
def test_a_replay_with_another_moment_is_a_forgery(name: str) -> None:
    signature, sign = SCHEMES[name]
    later = NOW + timedelta(hours=1)
    headers = {
        what: said.replace(str(AT), str(int(later.timestamp()))) for what, said in sign(NEW, BODY).items()
    }
    assert verify(signature, [NEW], BODY, headers, later).why == "a wrong signature"


@given(
    st.sampled_from(sorted(BOTH)),
    st.dictionaries(st.text(max_size=9), st.text(max_size=40), max_size=3),
    st.text(),
)
def test_whatever_is_shown_is_judged(name: str, more: Mapping[str, str], said: str) -> None:
    signature, _ = BOTH[name]
    headers = {**more, signature.place: said, (signature.timestamp or "x").lower(): said}
    assert verify(signature, [NEW], BODY, headers, NOW).number is None


@pytest.mark.parametrize("moment", ["", "x", "-5", "1e9", "9" * 400, "٣", f"{AT}.0"])
def test_a_moment_that_is_none_is_refused(moment: str) -> None:
    headers = {"x-langfuse-signature": f"t={moment},v1={mac(NEW, f'{moment}.'.encode() + BODY)}"}
    assert verify(LANGFUSE, [NEW], BODY, headers, NOW).number is None


def test_a_routing_key_is_a_secret_in_the_body() -> None:
    assert routed({"routing_key": OLD}, [NEW, OLD]) == Verdict(1, "", OLD)
    nobody: list[Any] = [{"routing_key": WRONG}, {"routing_key": 7}, {"routing_key": None}, {}, [], "x", None]
    for body in nobody:
        assert routed(body, [NEW, OLD]).number is None


def test_every_secret_is_compared_whether_or_not_one_has_matched(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = list[bytes]()
    real = hmac.compare_digest

    def counted(one: bytes, other: bytes) -> bool:
        compared.append(other)
        return real(one, other)

    monkeypatch.setattr("firestation.bell.signatures.hmac.compare_digest", counted)
    assert shows(NEW, [NEW, OLD, WRONG]).number == 0
    assert verify(SENTRY, [NEW, OLD, WRONG], BODY, SCHEMES["sentry"][1](NEW, BODY), NOW).number == 0
    assert len(compared) == 6


@pytest.mark.parametrize(
    ("written", "named"),
    [
        ({"scheme": "header"}, "header"),
        ({"scheme": "hmac"}, "header"),
        ({"scheme": "sentry", "header": "X-Other"}, "header"),
        ({"scheme": "bearer", "timestamp": "X-Time"}, "timestamp"),
        ({"scheme": "header", "header": "no header: at all"}, "X-Bell-Secret"),
        ({"scheme": "grafana", "window": "2h"}, "window"),
        ({"scheme": "rot13"}, "scheme"),
    ],
)
def test_a_signature_that_cannot_be_is_refused_when_the_file_is_read(
    written: dict[str, str], named: str
) -> None:
    with pytest.raises(ValidationError, match=named):
        Signature.model_validate(written)


def test_a_bell_shows_itself_as_its_format_does_unless_it_is_told_otherwise() -> None:
    schemes = {
        name: Bell(id="a", format=name).proof.scheme
        for name in ("alertmanager", "grafana", "pagerduty-events", "pagerduty-webhook", "sentry", "langfuse")
    }
    assert schemes == {
        "alertmanager": "bearer",
        "grafana": "bearer",
        "pagerduty-events": "routing-key",
        "pagerduty-webhook": "pagerduty",
        "sentry": "sentry",
        "langfuse": "langfuse",
    }
    assert Bell(id="a", format="sentry", signature=BEARER).proof == BEARER
    with pytest.raises(ValidationError, match="routing key"):
        Bell(id="a", format="sentry", signature=Signature(scheme="routing-key"))
    with pytest.raises(ValidationError, match="only a generic bell"):
        Bell.model_validate({"id": "a", "format": "sentry", "mapping": {"id": "$.a", "name": "$.b"}})


def test_a_bell_whose_alarms_could_name_no_system_is_pointed_at() -> None:
    ana = Member(id="ana", name="Ana", roles=(Role.CAPTAIN,), address="ana@example.org")
    bells = (
        Bell(id="a", format="langfuse"),
        Bell(id="b", format="pagerduty-webhook", system="refund-agent"),
        Bell(id="c", format="grafana"),
    )
    station = Station(station="a", people=(ana,), escalation=("ana",), bells=bells)
    found = [hole for hole in worth_a_look(station, NOW, {}) if "system" in hole.problem]
    assert [hole.field for hole in found] == ["bells[0]"]
