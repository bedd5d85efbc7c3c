import re
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from cli.plain import LONGEST, plain

HOSTILE = "\x1b[2J\x1b]0;owned\x07 red\x9b31m \u202egnp.exe \u200b [bold red]x[/] \r\nsecond\tline \x00"


def test_escapes_are_written_out_and_do_nothing() -> None:
    assert plain(HOSTILE) == (
        r"\x1b[2J\x1b]0;owned\x07 red\x9b31m \u202egnp.exe \u200b [bold red]x[/] second line \x00"
    )


def test_a_lone_surrogate_is_written_out() -> None:
    assert plain("a\ud800b") == r"a\ud800b"


def test_other_writing_is_left_alone() -> None:
    assert plain("Grüße, 日本語, שלום") == "Grüße, 日本語, שלום"


def test_a_line_of_a_megabyte_is_cut_and_the_rest_is_counted() -> None:
    said = plain("x" * 1_000_000)
    assert said == "x" * LONGEST + f" … ({1_000_000 - LONGEST} more characters)"


@given(st.text(st.characters(categories=["L", "Cc", "Cf", "Cs", "Zl", "Zp", "Zs"])))
def test_nothing_that_a_terminal_obeys_gets_through(text: str) -> None:
    said = plain(text)
    assert not [each for each in said if unicodedata.category(each) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}]
    assert not re.search(r"[\r\n]", said)
