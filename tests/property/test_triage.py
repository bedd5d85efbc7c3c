"""Triage: what nobody thought of rings, an open fire is told everything, and what waits is never forgotten."""

from datetime import datetime, timedelta
from functools import reduce
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from firestation import waits
from firestation.alarm import MOST_KINDS, Alarm, Alarms, Batch, Triaged, incident_id
from firestation.alike import Alike
from firestation.complaints import invalid_inputs
from firestation.errors import InvalidInput
from firestation.storm import place
from firestation.system import System
from firestation.triage import OpenFire, classed, decide, rule_for, told_labels
from firestation.triage_lint import over, unreachable
from firestation.triage_rules import CLASS, TriageRule
from firestation.waits import Verdict, Wait
from tests.property.worlds import START, system
from tests.property.worlds import alarm as one_alarm

NAMES = st.sampled_from(["Cost", "Latency", "Leak"])
LABELS = st.dictionaries(
    st.sampled_from(["team", "tier", CLASS]), st.sampled_from(["a", "b", "cost"]), max_size=3
)
HOUR = timedelta(hours=1)
ALIKE = st.builds(
    Alike,
    names=st.lists(NAMES, max_size=2, unique=True).map(tuple),
    labels=st.dictionaries(
        st.sampled_from(["team", "tier"]),
        st.lists(st.sampled_from(["a", "b"]), min_size=1, max_size=2, unique=True).map(tuple),
        max_size=2,
    ),
).filter(lambda each: not each.empty)
ALARMS = st.builds(
    lambda name, labels, status: one_alarm(status=status).changed(name=name, labels=labels),
    NAMES,
    LABELS,
    st.sampled_from(["firing", "resolved"]),
)
MOMENTS = st.integers(-3, 3).map(lambda hours: START + hours * HOUR)


@st.composite
def rules(draw: st.DrawFn) -> tuple[dict[str, Any], ...]:
    then = draw(st.lists(st.sampled_from(["incident", "person", "record"]), max_size=3))
    return tuple(
        {
            "id": f"r{number}",
            "match": draw(ALIKE),
            "class": draw(st.sampled_from([None, "cost", "privacy"])),
            "then": each,
            "within": HOUR if each == "person" else None,
            "why": "it is so",
        }
        for number, each in enumerate(then)
    )


@st.composite
def systems(draw: st.DrawFn) -> System:
    inhibit = [
        {"id": f"i{number}", "while": draw(ALIKE), "match": draw(ALIKE), "why": "one explains the other"}
        for number in range(draw(st.integers(0, 2)))
    ]
    starts = draw(MOMENTS)
    window = {
        "id": "w",
        "starts": starts,
        "ends": starts + HOUR,
        "match": draw(ALIKE),
        "by": "ana",
        "why": "x",
    }
    more = {
        "triage": draw(rules()),
        "inhibit": inhibit,
        "maintenance": [window] if draw(st.booleans()) else [],
    }
    return System.model_validate(system().model_dump() | more)


FIRES = st.lists(
    st.builds(lambda name, labels: OpenFire(incident="other-1", name=name, labels=labels), NAMES, LABELS),
    max_size=2,
)


@given(systems(), ALARMS, FIRES, MOMENTS)
def test_only_what_a_declared_rule_means_does_not_ring(
    declared: System, alarm: Alarm, fires: list[OpenFire], now: datetime
) -> None:
    found = decide(declared, alarm, fires, now)
    windows = [
        w
        for w in declared.maintenance
        if w.starts <= now < w.ends and w.match.means(alarm.name, alarm.labels)
    ]
    inhibited = [
        each
        for each in declared.inhibit
        if each.match.means(alarm.name, alarm.labels)
        and any(each.while_.means(fire.name, fire.labels) for fire in fires)
    ]
    rule = next((each for each in declared.triage if each.match.means(alarm.name, alarm.labels)), None)
    if windows:
        assert (found.then, found.ledger) == ("record", "maintenance")
    elif inhibited:
        assert (found.then, found.ledger) == ("record", "inhibited")
    else:
        assert found.then == (rule.then if rule else "incident")
        assert (found.ledger is None) == (found.then != "record")


@given(systems(), ALARMS, FIRES, MOMENTS)
def test_an_open_incident_is_told_everything_that_is_its_own(
    declared: System, alarm: Alarm, fires: list[OpenFire], now: datetime
) -> None:
    own = OpenFire(incident=incident_id(alarm, declared.fire_labels), name=alarm.name)
    assert decide(declared, alarm, [*fires, own], now).then == "incident"
    opened = alarm.changed(triaged=Triaged(by=None, why="nobody decided"))
    assert decide(declared, opened, fires, now).then == "incident"


@given(systems(), ALARMS, MOMENTS)
def test_while_nobody_can_say_what_is_open_nothing_is_inhibited(
    declared: System, alarm: Alarm, now: datetime
) -> None:
    found = decide(declared, alarm, None, now)
    assert found.ledger != "inhibited"
    if alarm.status == "resolved":
        assert found.then == "incident", "it opens none, and belongs to the one that may be open"


@given(systems(), ALARMS)
def test_the_class_of_the_rule_is_put_on_what_brings_none(declared: System, alarm: Alarm) -> None:
    found, rule = classed(declared, alarm), rule_for(declared, alarm)
    given_class = alarm.labels.get(CLASS) or (rule.class_ if rule else None)
    assert found.labels.get(CLASS) == given_class
    assert found.changed(labels=alarm.labels) == alarm


@given(ALIKE, ALIKE, NAMES, LABELS)
def test_what_covers_another_means_whatever_that_means(
    wide: Alike, narrow: Alike, name: str, labels: dict[str, str]
) -> None:
    assert wide.covers(wide)
    if wide.covers(narrow) and narrow.means(name, labels):
        assert wide.means(name, labels)


@given(systems(), ALARMS)
def test_a_rule_that_is_told_to_be_out_of_reach_never_decides(declared: System, alarm: Alarm) -> None:
    dead = {hole.field for hole in unreachable(declared)}
    rule = rule_for(declared, alarm)
    assert rule is None or f"triage[{declared.triage.index(rule)}].match" not in dead


@given(systems(), ALARMS, MOMENTS)
def test_a_window_that_is_told_to_be_over_mutes_nothing_again(
    declared: System, alarm: Alarm, now: datetime
) -> None:
    if over(declared, now):
        assert decide(declared, alarm, [], now).ledger != "maintenance"


@given(systems(), ALARMS)
def test_an_incident_says_by_which_labels_it_inhibits(declared: System, alarm: Alarm) -> None:
    told = told_labels(declared, alarm)
    for each in declared.inhibit:
        assert each.while_.means(alarm.name, told) == each.while_.means(alarm.name, alarm.labels)


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"match": {}}, "match"),
        ({"match": {"labels": {"team": ()}}}, "team"),
        ({"then": "person"}, "within"),
        ({"then": "record", "within": "1h"}, "within"),
        ({"then": "person", "within": "8d"}, "within"),
        ({"class": "weather"}, "class"),
    ],
)
def test_a_rule_that_says_nothing_or_too_much_is_refused(more: dict[str, Any], field: str) -> None:
    fields = {"id": "a", "match": {"names": ["Cost"]}, "why": "because"}
    TriageRule.model_validate(fields)
    with pytest.raises(ValidationError) as refused:
        TriageRule.model_validate(fields | more)
    assert field in invalid_inputs(refused.value, TriageRule)[0].field


# What waits ---------------------------------------------------------------------------------------------------


def waiting() -> Wait:
    return Wait(
        incident="refund-agent-1a2b3c4d",
        system="refund-agent",
        title="Refund agent",
        rule="cheap",
        why="it is often nothing",
        since=START,
        until=START + HOUR,
    )


RINGS = st.lists(
    st.tuples(st.integers(0, 80), st.sampled_from(["firing", "resolved"])), min_size=1, max_size=90
)
WORDS = st.sampled_from(["open", "dismiss", None])


@given(RINGS, RINGS, WORDS)
def test_what_is_opened_rings_every_alarm_that_is_kept_and_its_all_clear_last(
    before: list[tuple[int, str]], after: list[tuple[int, str]], word: waits.Word | None
) -> None:
    wait = waiting()
    for number, (key, status) in enumerate(before, 1):
        alarms = Alarms(alarms=(one_alarm(f"k{key}", status),), batch=Batch(spool="s", number=number))
        wait = waits.heard(waits.heard(wait, alarms, START), alarms, START)
    assert wait.times == len(before), "a batch that comes twice is counted once"
    assert len(wait.heaps) <= MOST_KINDS + 1
    end = START + HOUR
    assert waits.overdue(wait, end - timedelta(seconds=1)) == wait
    wait = (
        waits.decided(wait, Verdict(word=word, by="ana", reason="so"), end)
        if word
        else waits.overdue(wait, end)
    )
    for key, status in after:
        wait = waits.heard(wait, Alarms(alarms=(one_alarm(f"k{key}", status),)), end)
    if word == "dismiss":  # what fires after it is another fire, and waits for another word
        fired = [status for _, status in after]
        rest = fired[fired.index("firing") :] if "firing" in fired else []
        assert not wait.owed
        assert (wait.ended is None, wait.until) == ((True, end + HOUR) if rest else (False, end))
        assert wait.times == (len(rest) or len(before) + len(after))
        return
    owed = [each.alarm for each in wait.owed]
    assert {place(each, wait.heaps) for each in owed} == set(wait.heaps)
    numbers = [each.number for each in wait.owed]
    assert numbers == sorted(set(numbers))
    for heap in wait.heaps.values():
        said = [each.status for each in owed if each.key == heap.alarm.key]
        fired = ["firing"] if heap.fired else []
        assert said == fired + (["resolved"] if heap.alarm.status == "resolved" else [])
    assert all(each.triaged and each.triaged.by == ("ana" if word else None) for each in owed)
    assert not reduce(waits.rung, wait.owed, wait).owed


def test_the_first_word_counts_and_a_dismissal_needs_a_reason() -> None:
    dismissed = waits.decided(waiting(), Verdict(word="dismiss", by="ana", reason="a load test"), START)
    late = Verdict(word="open", by="ben", reason="no")
    assert waits.decided(dismissed, late, START) == dismissed
    assert waits.contradicts(dismissed, late) == "it was dismissed by ana"
    assert waits.overdue(dismissed, START + 2 * HOUR) == dismissed
    assert waits.verdict_of("open", "ben", None).reason
    for nothing in (None, "  ", "x" * 4001):
        with pytest.raises(InvalidInput, match="reason"):
            waits.verdict_of("dismiss", "ben", nothing)
