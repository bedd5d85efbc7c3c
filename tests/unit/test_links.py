"""The link of a page: what was signed is read again, and nothing else; not after its day."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from firestation.errors import LinkAltered, LinkExpired
from firestation.links import (
    FORM,
    LIFE,
    SHORTEST_PIECE,
    Link,
    PlanLink,
    mark_of,
    read,
    read_plan,
    sign,
    sign_plan,
    without_link,
)

NOW = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)
KEY, OTHER = b"k" * 32, b"o" * 32
LINK = Link(incident="refund-agent-1a2b3c4d", mark=mark_of("run-1"), person="ana", page=3)
IDS = st.from_regex(r"[a-z0-9][a-z0-9_.-]{0,62}", fullmatch=True)
PLANS = st.builds(
    PlanLink,
    incident=IDS,
    mark=st.text().map(mark_of),
    person=IDS,
    action=st.binary(min_size=32, max_size=32).map(bytes.hex),
)
LINKS = st.builds(Link, incident=IDS, mark=st.text().map(mark_of), person=IDS, page=st.integers(1, 10**9))


@given(LINKS, st.binary(min_size=32, max_size=64), st.timedeltas(timedelta(), LIFE))
def test_what_was_signed_is_read_until_its_day_is_over(link: Link, key: bytes, later: timedelta) -> None:
    token = sign(link, NOW + LIFE, key)
    assert read(token, key, NOW + later) == link
    with pytest.raises(LinkExpired):
        read(token, key, NOW + LIFE + timedelta(seconds=1))


@given(PLANS, LINKS, st.binary(min_size=32, max_size=64))
def test_the_link_of_a_plan_is_read_as_that_alone(plan: PlanLink, page: Link, key: bytes) -> None:
    """In both directions: who has one may not use it as the other, although one key signs both."""
    token = sign_plan(plan, NOW + LIFE, key)
    assert read_plan(token, key, NOW) == plan
    with pytest.raises(LinkExpired):
        read_plan(token, key, NOW + LIFE + timedelta(seconds=1))
    for other in (lambda: read(token, key, NOW), lambda: read_plan(sign(page, NOW + LIFE, key), key, NOW)):
        with pytest.raises(LinkAltered):
            other()
    with pytest.raises(LinkAltered):
        read_plan(token, b"another key, not the station's ..", NOW)


@given(LINKS, st.data())
def test_no_changed_character_is_believed(link: Link, data: st.DataObject) -> None:
    token = sign(link, NOW + LIFE, KEY)
    at = data.draw(st.integers(0, len(token) - 1))
    letter = data.draw(st.sampled_from("abcXYZ019-_"))
    assume(token[at] != letter)
    with pytest.raises(LinkAltered):
        read(token[:at] + letter + token[at + 1 :], KEY, NOW)


@given(st.text(max_size=400))
def test_whatever_is_typed_is_no_link(text: str) -> None:
    with pytest.raises(LinkAltered):
        read(text, KEY, NOW)


@pytest.mark.parametrize("change", ["", "=", " ", "\n", "."])
def test_only_the_one_form_is_read(change: str) -> None:
    token = sign(LINK, NOW + LIFE, KEY)
    with pytest.raises(LinkAltered):
        read(token + (change or "A"), KEY, NOW)


def test_another_key_another_purpose_and_a_moved_end_are_not_believed() -> None:
    token = sign(LINK, NOW + LIFE, KEY)
    with pytest.raises(LinkAltered):
        read(token, OTHER, NOW)
    letters = token.removeprefix(FORM)
    raw = urlsafe_b64decode(letters + "=" * (-len(letters) % 4))
    later = raw[:16] + int((NOW + 9 * LIFE).timestamp()).to_bytes(4, "big") + raw[20:]
    with pytest.raises(LinkAltered):
        read(FORM + urlsafe_b64encode(later).decode().rstrip("="), KEY, NOW)
    with pytest.raises(LinkAltered):
        read(letters, KEY, NOW)


def test_it_fits_into_a_short_message_and_stands_in_a_url_as_it_is() -> None:
    token = sign(LINK, NOW + LIFE, KEY)
    assert len(token) < 100
    assert re.fullmatch(r"fsl_[\w-]{60,}", token), "a scanner of leaked credentials knows it by this"
    assert token.replace("-", "").replace("_", "").isalnum()


def test_a_run_has_a_mark_of_its_own() -> None:
    assert mark_of("run-1") == mark_of("run-1") != mark_of("run-2")


@given(LINKS, st.data())
def test_no_piece_of_it_is_left_in_what_quotes_it(link: Link, data: st.DataObject) -> None:
    token = sign(link, NOW + LIFE, KEY)
    since, until = sorted(data.draw(st.tuples(*[st.integers(0, len(token))] * 2)))
    wrapped = data.draw(st.integers(1, len(token)))
    quoted = f"you sent {token[since:until]} and {token[:wrapped]}=\n{token[wrapped:]}."
    left = without_link(quoted, f"https://fire.example.org/ack/{token}")
    pieces = {token[at : at + SHORTEST_PIECE] for at in range(len(token) - SHORTEST_PIECE + 1)}
    assert not [piece for piece in pieces if piece in left]
    assert left.startswith("you sent ")
    assert left.endswith(".")


@given(st.text())
def test_without_a_link_every_text_stays_as_it_is(text: str) -> None:
    assert without_link(text, "") == text
