"""What is attached is known by its bytes, keeps a harmless name, and is not lost when the alarm rings again."""

import hashlib
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firestation.alarm import Alarm, Alarms
from firestation.attachment import MOST_ATTACHED, MOST_BYTES, MOST_TEXT, Attachment, name_of, recognized
from firestation.errors import InvalidInput
from firestation.picture import attached, exhibits, picture
from firestation.record import Rang
from firestation.storm import pile
from firestation.waits import Wait, heard
from tests.property.worlds import START, World, alarm

SIGNS = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"RIFF\x00\x00\x00\x0aWEBP": "image/webp",
    b"GIF89a": "image/gif",
    b"%PDF-1.7": "application/pdf",
}


def attachment(number: int, by: str = "ana") -> Attachment:
    digest = hashlib.sha256(str(number).encode()).hexdigest()
    return Attachment(digest=digest, name=f"{number}.png", media_type="image/png", size=10, by=by)


FILES = st.lists(st.integers(0, 9), unique=True, max_size=MOST_ATTACHED).map(
    lambda numbers: tuple(map(attachment, numbers))
)


@given(sign=st.sampled_from(sorted(SIGNS)), rest=st.binary(max_size=50))
def test_a_picture_is_what_it_begins_with(sign: bytes, rest: bytes) -> None:
    assert recognized(sign + rest, "file") == SIGNS[sign]


@given(st.binary(max_size=200))
def test_what_is_no_picture_is_text_or_refused(content: bytes) -> None:
    try:
        kind = recognized(content, "file")
    except InvalidInput:
        kind = None
    signed = any(content.startswith(sign[:3]) for sign in SIGNS)
    readable = b"\x00" not in content and content.decode(errors="ignore").encode() == content != b""
    if kind in {"text/plain", "application/json"}:
        assert readable
    elif kind is not None:
        assert signed
    if (
        content.isascii()
        and content.decode().isprintable()
        and not content.startswith((b"%PDF-", b"RIFF"))
        and content
    ):
        assert kind in {"text/plain", "application/json", "image/gif"}


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b'{"a": [1]}', "application/json"),
        (b"[" * 100_000, "text/plain"),
        (b"17", "text/plain"),
        ("\ufeffgrüße\n\x1b[31mred".encode(), "text/plain"),
        (b"<svg onload=alert(1)>", "text/plain"),
        (b"x" * MOST_TEXT, "text/plain"),
        (b"%PDF-" + b"\x00" * (MOST_BYTES - 5), "application/pdf"),
    ],
    ids=range(7),
)
def test_what_may_be_attached(content: bytes, kind: str) -> None:
    assert recognized(content, "file") == kind


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "empty"),
        (b"MZ\x90\x00", "none of the kinds"),
        (b"PK\x03\x04", "none of the kinds"),
        (b"caf\xe9", "none of the kinds"),
        (b"x" * (MOST_TEXT + 1), "text of more than 1 MB"),
        (b"\xff\xd8\xff" + b"\x00" * MOST_BYTES, "larger than 10 MB"),
    ],
    ids=range(6),
)
def test_what_may_not_be_attached(content: bytes, problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem):
        recognized(content, "file")


@given(st.text(max_size=300))
def test_a_name_is_one_harmless_line(given_name: str) -> None:
    name = name_of(given_name)
    made = attachment(1).changed(name=name)
    assert Attachment.model_validate_json(made.model_dump_json()) == made
    assert not {"/", "\\"} & set(name)
    assert not [each for each in name if unicodedata.category(each)[0] == "C"]


def test_names_of_hostile_files() -> None:
    names = {
        "../../etc/passwd": "passwd",
        r"C:\x\a.png": "a.png",
        "\u202egnp.exe\x00": "_gnp.exe_",
        " / ": "",
    }
    assert {given: name_of(given) for given in names} == {
        given: name or "attachment" for given, name in names.items()
    }


@given(before=FILES, now=FILES)
def test_what_was_attached_stays_with_the_alarm_when_it_rings_again(
    before: tuple[Attachment, ...], now: tuple[Attachment, ...]
) -> None:
    first, again = alarm().changed(attachments=before), alarm(status="resolved").changed(attachments=now)
    world = World()
    for each in (first, again):
        world.happen(Rang(at=world.incident.now, alarm=each))
    seen = picture(world.incident, tuple(world.record))
    wait = Wait(incident="i-1", system="s", title="S", rule="r", why="w", since=START, until=START)
    for each in (first, again):
        wait = heard(wait, Alarms(alarms=(each,)), START)
    (kept,) = (heap.alarm for heap in wait.heaps.values())
    piled = pile(pile(None, first, START), again, START).alarm
    assert attached(seen) == kept.attachments == piled.attachments
    assert set(now) <= set(kept.attachments) <= {*before, *now}
    assert len(kept.attachments) == min(MOST_ATTACHED, len({*before, *now}))
    assert {each.digest for each in kept.attachments} <= exhibits(seen)


def test_an_alarm_without_attachments_is_written_as_ever() -> None:
    assert "attachments" not in alarm().model_dump(mode="json")
    held = alarm().changed(attachments=(attachment(1),))
    assert Alarm.model_validate_json(held.canonical()) == held
