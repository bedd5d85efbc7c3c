"""The postmortem: whole, linked line by line, escaped, and short where little happened."""

import re
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firestation import acts, record
from firestation.after_action import Ticket
from firestation.alarm import Alarm
from firestation.evidence import Gap, Sealed
from firestation.fold import fold
from firestation.model import show_duration
from firestation.postmortem import MOST_PLAIN, SECTIONS, draft, packed, shortened, unpacked
from firestation.postmortem.healthy import HERE, Frozen, comparable, differences, fill
from firestation.postmortem.measures import measures
from firestation.postmortem.trail import Trail, plain
from firestation.record import EDITION
from firestation.state import Phase
from tests.property.postmortems import GOLDEN, HOSTILE, document, forward, told
from tests.property.worlds import World, alarm, move_forward, tries

LINK = re.compile(r"\[(?:\d+|[0-9a-f]{12}|record)\]\(#([\w-]+)\)")
TARGET = re.compile(r'<a id="([\w-]+)"></a>')
SEPARATOR = re.compile(r"^\|(-+\|)+$")


def rows_of(text: str) -> list[str]:
    """Every item of a list and every row of a table, but for the heads of the tables."""
    lines = text.split("\n")
    heads = {index - 1 for index, line in enumerate(lines) if SEPARATOR.match(line)}
    return [
        line
        for index, line in enumerate(lines)
        if (line.lstrip().startswith("- ") or line.startswith("|"))
        and index not in heads
        and not SEPARATOR.match(line)
    ]


def section(text: str, name: str) -> str:
    return text.split(f"\n## {name}\n")[1].split("\n## ", maxsplit=1)[0]


def check_links(text: str, events: int) -> None:
    """Every line has a link, every link a target, every target is there once, every event has one."""
    rows = rows_of(text)
    assert rows
    assert [row for row in rows if not LINK.search(row)] == []
    targets = TARGET.findall(text)
    assert len(targets) == len(set(targets))
    assert set(LINK.findall(text)) <= set(targets)
    assert {f"e{number}" for number in range(1, events + 1)} <= set(targets)


def check_text(text: str) -> None:
    """One line each, and nothing that a terminal or a browser would obey."""
    assert all(c == "\n" or c.isprintable() for c in text)
    without = TARGET.sub("", text)
    assert not re.search(r"(?<!\\)[<>]", without)
    assert "http://" not in text


def test_the_golden_example() -> None:
    """Written anew by `python -m tests.property.postmortems`; read the difference before you commit it."""
    assert document(told()) == GOLDEN.read_text()


def test_every_line_is_linked_and_hostile_text_is_only_text() -> None:
    world = told()
    text = document(world)
    check_links(text, len(world.record))
    check_text(text)
    assert [name for name, _, _ in SECTIONS] == re.findall(r"^## (.+)$", text, re.MULTILINE)


@settings(deadline=None, max_examples=40)
@given(st.data(), st.sampled_from([1, 2, 3, EDITION]))
def test_of_any_incident_at_any_moment(data: st.DataObject, edition: int) -> None:
    world = World(edition=edition)
    for _ in range(data.draw(st.integers(0, 25))):
        world.wait(timedelta(seconds=data.draw(st.sampled_from([0, 20, 600, 7200]))))
        if data.draw(st.booleans()):
            move_forward(world)
        else:
            world.attempt(data.draw(tries(world)))
    text = document(world)
    check_links(text, len(world.record))
    check_text(text)
    events = unpacked(packed(tuple(world.record)))
    assert draft(fold(events), events) == text, (
        "what the activity makes of the record is what the workflow would"
    )


ANYTHING = st.text(min_size=1, max_size=80).filter(lambda text: text.strip())


@settings(deadline=None, max_examples=60)
@given(ANYTHING, ANYTHING)
def test_whatever_alarms_notes_and_gaps_say(one: str, other: str) -> None:
    world = World()
    try:
        rung = Alarm.model_validate({**alarm("k2").model_dump(), "summary": one, "tenants": (other,)})
        note = acts.Note(by="ben", text=other, standing="fact")
    except ValueError:
        return
    world.happen(record.Rang(at=world.now, alarm=rung))
    world.attempt(note)
    sealed = Sealed(
        manifest="b" * 64,
        envelope="c" * 64,
        artifacts=(),
        gaps=(Gap(item=one, reason="gone", detail=other, source="traces"),),
        levers=(),
    )
    world.happen(record.SealedUp(at=world.now, sealed=sealed))
    text = document(world)
    check_links(text, len(world.record))
    assert all(c == "\n" or c.isprintable() for c in text)
    assert not re.search(r"(?<!\\)[<>]", TARGET.sub("", text).replace("\\\\", ""))


def test_marks_and_addresses_make_nothing_of_a_text() -> None:
    said = plain(HOSTILE)
    assert "\n" not in said
    assert "\u202e" not in said
    assert "\x1b" not in said
    assert r"http\://evil.example \<script\>" in said
    assert r"www\.evil.example" in said
    assert r"a\@b" in said
    assert plain(f"it said ghp_{'a1B2' * 9}.") == "it said (held back: in the form of a credential)."
    assert plain("x" * 700).endswith("… (100 more characters)")


def test_a_mild_incident_stays_short() -> None:
    world = World()
    world.attempt(acts.Acknowledge(by="ana"))
    world.attempt(acts.Dismiss(by="ana", reason="a test of the bell"))
    text = document(world)
    check_links(text, len(world.record))
    assert len(text) < 6000
    assert "- Not known: the cause. Nobody has marked one as a fact. [record](#events)" in text
    assert section(text, "Legal clocks").strip() == "None has run."
    assert section(text, "Firebreaks").strip() == "None."
    assert "No check was measured before a move, so which promise broke is not known." in text


def test_what_nobody_has_said_stays_an_empty_link_of_the_chain() -> None:
    world = World()
    empty = section(document(world), "Contributing factors")
    assert "| what began it | nobody has said yet | [record](#events) |" in empty
    chain = section(document(told()), "Contributing factors")
    assert "| what began it | the reranker was switched off" in chain
    assert "| why no review or eval held it | nobody has said yet | [record](#events) |" in chain


def test_each_measure_is_held_against_its_deadline() -> None:
    world = World()
    world.wait(timedelta(minutes=3))
    world.attempt(acts.Acknowledge(by="ana"))
    world.wait(timedelta(minutes=1))
    forward(world, Phase.CLOSED)
    found = {each.name: each for each in measures(world.incident, Trail(tuple(world.record)))}
    assert (found["acknowledge"].word, found["acknowledge"].took) == ("missed", timedelta(minutes=3))
    assert found["declare"].word == "kept"
    contained = min(each.effective_at for each in world.incident.firebreaks if each.effective_at)
    assert found["contain"].took == contained - world.incident.opened_at
    assert found["contain"].word == "no deadline"
    assert found["captain and scribe"].took is None
    text = document(world)
    assert f"| acknowledge | 3m | {show_duration(timedelta(minutes=2))} | missed |" in text
    assert "- Late: acknowledge (3m)." in text


def test_decisions_are_linked_to_the_word_of_their_own_person() -> None:
    world = told()
    said = section(document(world), "Response")
    for name in ("ana", "ben"):
        number = next(
            number
            for number, each in enumerate(world.record, start=1)
            if isinstance(each, record.Acted) and each.act.kind == "approve" and each.act.by == name
        )
        (line,) = [line for line in said.splitlines() if line.startswith(f"- {name}") and "approved" in line]
        assert line.endswith(f"[{number}](#e{number})")


def test_firebreaks_say_whether_they_stopped_the_harm_what_they_cost_and_how_they_ended() -> None:
    said = section(document(told()), "Firebreaks")
    assert "It stopped the harm: effective 20s after the move." in said
    assert "What it cost: customers wait for a person" in said
    assert "How it ended: put back, wanted by ben." in said
    assert "How it ended: adopted for good." in said
    world = World()
    world.baseline()
    world.seal()
    for fault in ("none", "ineffective"):
        world.work("tool", fault)
    said = section(document(world), "Firebreaks")
    assert "It is not shown to have stopped the harm: ineffective." in said


def test_the_evidence_path_says_what_was_frozen_what_is_missing_and_what_stood_where() -> None:
    said = section(document(told()), "Evidence path")
    assert f"| retrieval | [{'2' * 12}](#a-{'2' * 64}) | none | reranker: off |" in said
    assert "| memory | nothing | memory: forbidden | no lever |" in said
    assert "| tool | nothing | none | tool: enabled |" in said
    assert "Control sample: [444444444444]" in said


def test_waivers_tasks_and_retries_are_told() -> None:
    world = World()
    forward(world, Phase.AFTER_ACTION)
    world.lock(proved=False)
    ticket = Ticket(kind="follow-up", tracker="tasks", reference="#12 <b>", name="review")
    world.happen(record.TaskOpened(at=world.now, ticket=ticket))
    world.attempt(acts.Waive(by="ana", what="lock", reason="no time", until=world.now + timedelta(days=9)))
    text = document(world)
    check_links(text, len(world.record))
    assert "The lock was tried and not proved 1 time." in section(text, "What went badly")
    assert r"- Task follow-up review: \#12 \<b\>" in text
    if world.incident.lock_waiver:
        assert "- Waived by ana until" in section(text, "The lock")
        assert "- Waived: lock until" in section(text, "What did not go as it should")


@pytest.mark.parametrize("edition", [1, 2, 3])
def test_incidents_of_before_have_one_too(edition: int) -> None:
    world = World(edition=edition)
    forward(world, Phase.CLOSED)
    text = document(world)
    check_links(text, len(world.record))
    assert "declares sev2" in text


def test_a_long_incident_fits_into_a_payload() -> None:
    """5,000 events: the record as it goes through the history is far below Temporal's 2 MB, or even 512 KB."""
    world = World()
    filler: list[Any] = [
        record.TurnedAway(
            at=world.now, by="ben", act="close", rule=2, missing=f"number {n} is not the captain"
        )
        for n in range(5000 - len(world.record))
    ]
    events = (*world.record, *filler)
    text = draft(world.incident, events)
    assert text.count('<a id="e') == 5001  # with the one of the whole record
    assert len(packed(events)) < 400_000
    check_links(text, 5000)


# What differs from a healthy request -----------------------------------------------------------------------------


def frozen(*documents: Any, digit: str = "1") -> list[Frozen]:
    return [Frozen(digit * 64, each) for each in documents]


def test_the_healthy_request_most_like_the_bad_one_is_the_one_beside_it() -> None:
    bad = frozen({"id": "r-1", "route": "fallback", "model": "m", "say": "<b>"})
    healthy = frozen({"id": "r-0", "route": "primary", "model": "m", "say": "no"}, {"id": "r-9"}, digit="2")
    text = fill(f"a\n{HERE}: all of it.\nb\n{HERE} again\n", differences(bad, healthy))
    first, here, blank, head, _, route, say, after, again, _ = text.split("\n")
    assert (first, here, blank, after, again) == ("a", f"{HERE}: all of it.", "", "b", f"{HERE} again")
    assert head.startswith("| where |")
    links = f"[{'1' * 12}](#a-{'1' * 64}) [{'2' * 12}](#a-{'2' * 64})"
    assert route == rf'| \$.route | "fallback" | "primary" | {links} |'
    assert say == rf'| \$.say | "\<b\>" | "no" | {links} |'


def test_what_cannot_be_compared_adds_nothing_and_sameness_is_said() -> None:
    one = {"id": "r-1", "a": 1}
    assert differences([], frozen(one)) == differences(frozen(one), []) == []
    assert fill(f"{HERE}\n", []) == f"{HERE}\n"
    (_, same) = differences(frozen(one), frozen({"id": "r-2", "a": 1}, digit="2"))
    assert same.startswith("- Compared: nothing differs but ids and times. [111111111111]")
    many = differences(frozen({f"k{n}": n for n in range(40)}), frozen({}, digit="2"))
    assert len(many) == 3 + 12 + 1
    assert many[-1].startswith("| 28 more differences | - | - |")


def test_only_what_can_be_read_is_compared() -> None:
    world = told()
    bad, healthy = comparable(world.incident)
    assert (bad, healthy) == (("a" * 64,), ("4" * 64,))
    assert comparable(World().incident) == ((), ())


@given(lines=st.lists(st.text(alphabet="aé漢🔥", max_size=8), max_size=6), much=st.booleans())
def test_what_is_too_long_for_a_history_says_what_it_leaves_out(lines: list[str], much: bool) -> None:
    text = "\n".join(["é" * 1000] * (800 if much else 0) + lines) + "\n"
    short = shortened(text)
    assert len(short.encode()) < MOST_PLAIN + 200
    if not much:
        assert short == text
        return
    kept, _, rest = short.partition("\n\nThis document")
    assert text.startswith(kept + "\n")
    assert f": {text.count(chr(10)) - kept.count(chr(10))} lines more" in rest
