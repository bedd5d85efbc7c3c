"""Tokens have one form, which scanners find; what is kept of them proves a secret and does not tell it."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firestation import tokens
from firestation.credentials import SECRETS
from firestation.drivers.sieve import DetectSecretsSieve
from firestation.logging import MASK, mask
from firestation.tokens import RANDOM_BYTES, SECRET_BYTES, Held, Scope

NOW = datetime(2026, 11, 25, tzinfo=UTC)
RANDOM = st.binary(min_size=RANDOM_BYTES, max_size=RANDOM_BYTES)


@given(RANDOM, st.sampled_from(["token", "session"]), st.text())
def test_what_is_kept_and_logged_never_has_the_secret(random: bytes, kind: tokens.Kind, around: str) -> None:
    token, text = tokens.mint(random, person="ana", now=NOW, lifetime=timedelta(days=1), kind=kind)
    read = tokens.read(text)
    assert read == tokens.Given(kind, token.id, text.rsplit("_", 1)[1])
    assert token.belongs_to(read.secret)
    assert not token.belongs_to(read.secret[::-1] + "a")
    assert read.secret.encode() not in token.canonical()
    for said in (f"asked with {text}.", f"Bearer {text}", f"{around} {text} {around}"):
        assert SECRETS.search(said)
        told = mask(None, "info", {"event": said, "where": {"deep": [said]}})
        assert read.secret not in str(told)
        assert MASK in str(told["event"])
    assert ("Firestation token", text) in list(DetectSecretsSieve().find(f"x {text} y"))


@given(st.binary(min_size=SECRET_BYTES, max_size=SECRET_BYTES))
def test_a_bells_secret_is_found_too(random: bytes) -> None:
    secret = tokens.bell_secret(random)
    assert SECRETS.sub("", f"x {secret} y") == "x  y"
    assert tokens.read(secret) is None


@given(st.text(max_size=90) | st.from_regex(re.compile(r"fs[a-z]_[a-z0-9]{9,11}_[a-z0-9]{51,53}\n?")))
def test_another_form_is_none(text: str) -> None:
    read = tokens.read(text)
    assert read is None or text == f"fs{read.kind[0]}_{read.id}_{read.secret}"


def test_what_is_opened_with_a_token_can_do_no_more_and_lasts_no_longer() -> None:
    token, _ = tokens.mint(
        bytes(RANDOM_BYTES), person="ana", now=NOW, lifetime=timedelta(hours=1), scopes=[Scope.LOOK]
    )
    session, _ = tokens.mint(
        bytes(RANDOM_BYTES),
        person="ana",
        now=NOW,
        lifetime=timedelta(hours=12),
        kind="session",
        opened_with=token,
    )
    assert (session.scopes, session.expires, session.opened_with) == ((Scope.LOOK,), token.expires, token.id)


@pytest.mark.parametrize(
    ("after", "revoked", "why"),
    [
        (timedelta(), None, None),
        (timedelta(hours=1, seconds=-1), None, None),
        (timedelta(hours=1), None, "expired"),
        (timedelta(), NOW, "revoked"),
        (timedelta(hours=2), NOW, "revoked"),
    ],
)
def test_when_it_is_good_no_more(after: timedelta, revoked: datetime | None, why: str | None) -> None:
    token, _ = tokens.mint(bytes(RANDOM_BYTES), person="ana", now=NOW, lifetime=timedelta(hours=1))
    assert Held(token, revoked).ended(NOW + after) == why
