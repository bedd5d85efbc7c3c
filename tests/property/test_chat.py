"""What is written in a room: a command is read as it is meant or refused with the fix; nothing else does anything."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from firestation import acts, chat
from firestation.authority import Role
from firestation.chat import Ask, Said, is_command, plan_of, read, until
from firestation.errors import InvalidInput
from firestation.picture import picture
from firestation.severity import Severity
from tests.property.worlds import World

NOW = datetime(2026, 11, 26, 3, 0, tzinfo=UTC)
WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
LINES = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Z"], exclude_characters="|:"), min_size=1, max_size=30
)
NAMES = ("known", "unknown", "doing")


def said(text: str, age: timedelta = timedelta()) -> Said:
    return Said(event="$e", room="!r:a", thread="$e", sender="@ana:a", text=text, at=NOW - age)


def command(text: str, age: timedelta = timedelta()) -> chat.Command:
    return read(said(text, age), "ana", NOW)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("!ack", acts.Acknowledge(by="ana")),
        ("!ACK scribe\n", acts.Acknowledge(by="ana", role=Role.SCRIBE)),
        ("!note the prompt changed at 14:02", acts.Note(by="ana", text="the prompt changed at 14:02")),
        ("!note\ntwo\nlines", acts.Note(by="ana", text="two\nlines")),
        ("!update refunds are wrong", acts.Update(by="ana", known="refunds are wrong")),
        (
            "!update known a | b | unknown: why | doing we look",
            acts.Update(by="ana", known="a | b", unknown="why", doing="we look"),
        ),
        (
            "!update\nDoing: we look\nknown: a\nand b\nunknown why",
            acts.Update(by="ana", known="a\nand b", unknown="why", doing="we look"),
        ),
        ("!update it is known | doing x", acts.Update(by="ana", known="it is known", doing="x")),
        ("!show", Ask(kind="show")),
        ("!help", Ask(kind="help")),
        ("!approve 0123ABCD", Ask(kind="approve", action="0123abcd")),
        ("!refuse", Ask(kind="refuse")),
    ],
)
def test_a_command_is_read_as_it_is_meant(text: str, meant: chat.Command) -> None:
    assert command(text) == meant


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("!ack please", "Choose from 'captain'"),
        ("!note", "Write something here"),
        ("!note  \n ", "Write something here"),
        (f"!note {'a' * 4001}", "Shorten it"),
        ("!update", "Write !update known TEXT"),
        ("!update unknown why", "Write !update known TEXT"),
        ("!update a\nknown b", "Write it once"),
        ("!update a | doing b | doing c", "Write it once"),
        ("!update a | unknown |", "Write something here"),
        ("!launch", "Type !help"),
        ("!Notes x", "Type !help"),
    ],
)
def test_what_is_wrong_is_named_with_its_fix(text: str, fix: str) -> None:
    assert is_command(text)
    with pytest.raises(InvalidInput) as caught:
        command(text)
    assert fix in caught.value.fix
    assert fix in chat.wrong(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "yes",
        "approve",
        "👍",
        "ack",
        " !ack",
        "> <@ben:a> !ack\n\nyes",
        "> !ack",
        "!",
        "!!!",
        "!important: x",
        "* !ack",
        "",
    ],
)
def test_a_bare_word_is_no_command(text: str) -> None:
    assert not is_command(text)


@given(WORDS)
@example("!approve " + "a" * 64)
def test_whatever_is_written_nothing_is_decided(text: str) -> None:
    """The only acts that chat can do are these three, each in the name of who it is read for."""
    for each in (text, f"!{text}", f"!note {text}", f"!update {text}", f"!approve {text}"):
        try:
            found = command(each)
        except InvalidInput:
            continue
        assert isinstance(found, acts.Acknowledge | acts.Note | acts.Update | Ask)
        assert isinstance(found, Ask) or found.by == "ana"


@given(st.permutations(NAMES), st.lists(LINES, min_size=3, max_size=3), st.sampled_from(["\n", " | ", "|"]))
def test_an_update_has_its_fields_in_any_order(names: list[str], texts: list[str], between: str) -> None:
    written = between.join(f"{name}: {text}" for name, text in zip(names, texts, strict=True))
    expected = dict(zip(names, texts, strict=True))
    assert command(f"!update {written}") == acts.Update.model_validate({"by": "ana", **expected})


@given(st.timedeltas(timedelta(), timedelta(days=3)))
def test_what_is_too_old_is_not_done_and_a_note_tells_when_it_was_written(age: timedelta) -> None:
    for text in ("!ack", "!update a", "!show", "!approve 01234567"):
        if age > chat.TOO_OLD:
            with pytest.raises(InvalidInput, match="too long ago"):
                command(text, age)
        else:
            command(text, age)
    if age > chat.NOTE_TOO_OLD:
        with pytest.raises(InvalidInput, match="too long ago"):
            command("!note a", age)
    else:
        at = NOW - age if age > chat.DELAYED else None
        assert command("!note a", age) == acts.Note(by="ana", text="a", at=at)


def test_a_clock_that_goes_ahead_changes_nothing() -> None:
    assert command("!note a", -timedelta(hours=3)) == acts.Note(by="ana", text="a")


# Plans ---------------------------------------------------------------------------------------------------------


def to_decide() -> World:
    world = World()
    assert world.attempt(acts.Acknowledge(by="ana")) is None
    assert world.attempt(acts.Declare(by="ana", severity=Severity.SEV3, reason="so it looks")) is None
    world.seal()
    return world


def test_a_plan_is_named_by_the_beginning_of_its_digest() -> None:
    world = to_decide()
    seen = picture(world.incident, tuple(world.record))
    plan = seen.plans[0]
    assert plan_of(seen, plan.digest[:12]) == plan_of(seen, plan.digest) == plan
    for wrong in ("", plan.digest[:7], "0" * 12, f"{plan.digest}0"):
        with pytest.raises(InvalidInput) as caught:
            plan_of(seen, wrong)
        assert plan.digest[:12] in caught.value.fix
    assert f"!approve {plan.digest[:12]}" in chat.following(seen)


def test_a_link_ends_when_nobody_decides_any_more_and_after_an_hour() -> None:
    world = to_decide()
    seen = picture(world.incident, tuple(world.record))
    (firebreak,) = (each for each in seen.firebreaks if each.digest == seen.plans[0].digest)
    ends = until(seen, seen.plans[0], world.now)
    assert ends == min(firebreak.decide_by, world.now + chat.LINK_LIFE)
    assert until(seen, seen.plans[0], world.now - timedelta(days=1)) == world.now - timedelta(hours=23)


def test_how_it_stands_is_told_from_the_first_second_to_the_end() -> None:
    world = World()
    seen = picture(world.incident, tuple(world.record))
    assert "Captain: nobody" in chat.shown(seen)
    assert "Next: !ack" in chat.following(seen)
    assert world.attempt(acts.Acknowledge(by="ana")) is None
    assert world.attempt(acts.Update(by="ana", known="refunds are wrong")) is None
    seen = picture(world.incident, tuple(world.record))
    assert "Captain: ana" in chat.shown(seen)
    assert "Known: refunds are wrong" in chat.shown(seen)
    assert "!show" in chat.following(seen)
    assert world.attempt(acts.Dismiss(by="ana", reason="no fire")) is None
    assert chat.following(picture(world.incident, tuple(world.record))) == "It is over: dismissed."
