"""Text for products of others: whatever it holds it is shown, short enough, and what is missing is said."""

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firestation.board import Message
from firestation.drivers.matrix_rooms import thing_of
from firestation.drivers.saying import CUT, cut, cut_bytes, doubting, phase_of, run_of, shown, shown_line
from firestation.drivers.slack import content_of, escaped
from firestation.errors import Denied, Doubtful, DriverError, Gone, Nonsense, Unreachable
from firestation.model import canonical_json
from firestation.state import Phase

ANY = st.text(st.characters(), max_size=300)
WORD = Message(incident="refund-1", purpose="update", title="Refund agent: declared", text="Known: wrong")


@given(ANY)
def test_whatever_it_holds_can_be_seen(text: str) -> None:
    assert all(each.isprintable() or each == "\n" for each in shown(text))
    assert shown_line(text).isprintable()
    assert len(shown(text).split("\n")) == max(1, len(text.splitlines()))


@given(st.text(max_size=100), st.integers(20, 120))
def test_a_cut_says_so_and_is_within_its_limit(text: str, limit: int) -> None:
    for made, size in ((cut(text, limit), len), (cut_bytes(text, limit), _bytes)):
        assert size(made) <= limit
        assert made == text if size(text) <= limit else made.endswith(CUT)


def _bytes(text: str) -> int:
    return len(text.encode())


@given(ANY, ANY)
def test_no_text_calls_anybody_in_slack_or_is_too_long_for_it(title: str, text: str) -> None:
    assert not set("<>") & set(escaped(text))
    content = content_of(WORD.model_copy(update={"title": title, "text": text * 40}), "k")
    assert isinstance(content["text"], str)
    assert not set("<>") & set(content["text"])
    assert len(canonical_json(content["blocks"]).decode()) < 13_000


def test_which_incident_and_which_phase_a_word_is_of() -> None:
    assert run_of(WORD, "refund-1/run-a/word-1/chat") == "refund-1/run-a"
    assert run_of(WORD, "k") == "refund-1"
    assert phase_of(WORD) is Phase.DECLARED
    assert phase_of(WORD.changed(title="Refund: agent: after-action")) is Phase.AFTER_ACTION
    assert phase_of(WORD.changed(title="declared: Refund agent")) is None
    assert phase_of(WORD.changed(purpose="page")) is None


@pytest.mark.parametrize(
    ("purpose", "step", "thing"),
    [
        ("update", "word-3", "words"),
        ("update", "ended", "words"),
        ("decision", "decide-0123456789ab", "0123456789ab"),
        ("decision", "expiry-0123456789ab-2", "0123456789ab"),
        ("escalation", "escalate-decide-0123456789ab-1", "0123456789ab"),
        ("page", "page-1", None),
        ("escalation", "missed-sealed", None),
        ("decision", "duty-restart-1", None),
    ],
)
def test_what_a_message_is_about(purpose: str, step: str, thing: str | None) -> None:
    message = WORD.model_copy(update={"purpose": purpose})
    assert thing_of(message, f"refund-1/run-a/{step}/chat") == thing
    assert thing_of(message, "k") == ("words" if purpose == "update" else None)


def caused(error: DriverError, cause: Exception) -> DriverError:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "doubtful"),
    [
        (Unreachable("429", status=429), False),
        (Nonsense("400", status=400), False),
        (Nonsense("301", status=301), False),
        (Unreachable("503", status=503, retry_after_s=3.0), False),
        (Unreachable("503", status=503), True),
        (Unreachable("500", status=500), True),
        (caused(Unreachable("no"), httpx.ConnectError("refused")), False),
        (caused(Unreachable("no"), httpx.ConnectTimeout("slow")), False),
        (caused(Unreachable("no"), httpx.ReadError("reset")), True),
        (caused(Unreachable("no"), TimeoutError()), True),
        (Nonsense("HTML"), True),
        (Denied("401", status=401), False),
        (Gone("404", status=404), False),
    ],
)
def test_what_may_have_been_sent_is_a_doubt_and_nothing_else(error: DriverError, doubtful: bool) -> None:
    with pytest.raises(Doubtful if doubtful else type(error)), doubting():
        raise error
