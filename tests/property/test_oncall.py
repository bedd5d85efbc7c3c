"""On call: at every moment one person or a gap that is told, handoffs at local time, overrides before layers."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from firestation.authority import Bell, Member, Role, Roster, Station
from firestation.oncall import begins, escalation, gaps, on_call, roster, shifts, watch
from firestation.rotation import Hours, Layer, Override, Rotation, Weekday
from firestation.severity import Severity

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia"]
MOMENTS = st.datetimes(datetime(2011, 12, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
CLOCKS = st.sampled_from(["00:00", "00:30", "02:00", "02:30", "09:00", "23:59"])
PEOPLE = st.lists(st.sampled_from(["ana", "ben", "cara"]), min_size=1, max_size=3).map(tuple)
DAYS = st.lists(st.sampled_from(Weekday), min_size=1, max_size=7).map(tuple)
HOURS = st.builds(Hours, days=DAYS, since=CLOCKS, until=CLOCKS)
SECOND = timedelta(seconds=1)


@st.composite
def layers(draw: st.DrawFn, name: str) -> Layer:
    return Layer(
        name=name,
        people=draw(PEOPLE),
        zone=draw(st.sampled_from(ZONES)),
        start=draw(st.dates(date(2011, 11, 1), date(2028, 1, 1))),
        handoff=draw(CLOCKS),
        turn=timedelta(days=draw(st.integers(1, 20))),
        only=tuple(draw(st.lists(HOURS, max_size=2))),
    )


@st.composite
def rotations(draw: st.DrawFn, near: datetime) -> Rotation:
    overrides = []
    for _ in range(draw(st.integers(0, 2))):
        since = near + timedelta(minutes=draw(st.integers(-5000, 5000)))
        until = since + timedelta(minutes=draw(st.integers(1, 5000)))
        overrides.append(Override(person=draw(st.sampled_from(["ana", "dan"])), since=since, until=until))
    names = ["first", "second"][: draw(st.integers(1, 2))]
    made = tuple(draw(layers(name)) for name in names)
    return Rotation(id="primary", layers=made, overrides=tuple(overrides))


@given(data=st.data(), at=MOMENTS)
def test_a_span_is_told_whole_and_as_it_is_at_every_moment(data: st.DataObject, at: datetime) -> None:
    rotation, end = data.draw(rotations(at)), at + timedelta(days=12)
    told = list(shifts(rotation, at, end))
    assert (told[0].since, told[-1].until) == (at, end)
    for shift, following in pairwise(told):
        assert shift.until == following.since
        assert shift.person != following.person
    assert [each for each in told if each.person is None] == list(gaps(rotation, at, end))
    asked = data.draw(st.lists(st.integers(0, 12 * 86400 - 1), min_size=5, max_size=20))
    edges = [moment for each in told for moment in (each.since, each.since - SECOND)][2:]
    for moment in [at + seconds * SECOND for seconds in asked] + edges:
        (holding,) = [each for each in told if each.until and each.since <= moment < each.until]
        assert on_call(rotation, moment)[0] == holding.person


@given(data=st.data(), at=MOMENTS)
def test_an_override_wins_and_then_the_first_layer_that_has_somebody(
    data: st.DataObject, at: datetime
) -> None:
    rotation = data.draw(rotations(at))
    standing = [each for each in rotation.overrides if each.since <= at < each.until]
    alone = [on_call(Rotation(id="one", layers=(each,)), at) for each in rotation.layers]
    found = [each for each in alone if each[0]]
    expected = (standing[0].person, "override") if standing else found[0] if found else (None, None)
    assert on_call(rotation, at) == expected


@given(data=st.data(), turn=st.integers(0, 300))
def test_a_handoff_is_at_its_local_time_or_where_the_clocks_skip_it(data: st.DataObject, turn: int) -> None:
    layer = data.draw(layers("first"))
    begun = begins(layer, turn).astimezone(ZoneInfo(layer.zone))
    wanted = datetime.fromisoformat(f"{layer.start + turn * layer.turn}T{layer.handoff}")
    if begun.replace(tzinfo=None, fold=0) != wanted:  # then nobody's clock ever showed that time
        local = wanted.replace(tzinfo=ZoneInfo(layer.zone))
        assert local.astimezone(UTC).astimezone(ZoneInfo(layer.zone)).replace(tzinfo=None) != wanted


def weekly(**more: Any) -> Layer:
    given: dict[str, Any] = {
        "name": "week",
        "people": ("ana", "ben"),
        "zone": "Europe/Berlin",
        "start": date(2026, 10, 19),
        "day": Weekday.MONDAY,
    }
    return Layer(**{**given, **more})


@pytest.mark.parametrize(
    ("at", "person"),
    [
        ("2026-10-26T07:59:59+00:00", "ana"),  # the clocks went back the night before: 08:59:59 in Berlin
        ("2026-10-26T08:00:00+00:00", "ben"),
        ("2027-03-22T08:00:00+00:00", "ana"),
        ("2027-03-29T06:59:59+00:00", "ana"),  # and forth: 09:00 is an hour earlier now
        ("2027-03-29T07:00:00+00:00", "ben"),
        ("2026-10-19T06:59:59+00:00", None),
    ],
)
def test_a_handoff_across_a_change_of_the_clocks(at: str, person: str | None) -> None:
    assert on_call(Rotation(id="primary", layers=(weekly(),)), datetime.fromisoformat(at))[0] == person


@pytest.mark.parametrize(
    ("day", "handoff", "begun"),
    [
        (date(2026, 3, 29), "02:30", "2026-03-29T03:30:00+02:00"),  # 02:30 does not exist
        (date(2026, 10, 25), "02:30", "2026-10-25T02:30:00+02:00"),  # 02:30 comes twice
    ],
)
def test_a_handoff_in_the_hour_of_the_change(day: date, handoff: str, begun: str) -> None:
    layer = weekly(start=day, handoff=handoff, day=None)
    assert begins(layer, 0) == datetime.fromisoformat(begun)


def test_who_is_next_and_when() -> None:
    at = datetime(2026, 10, 20, tzinfo=UTC)
    now, then = watch(Rotation(id="primary", layers=(weekly(),)), at)
    assert (now.person, now.by, now.until) == ("ana", "week", datetime(2026, 10, 26, 8, tzinfo=UTC))
    assert then
    assert (then.person, then.since) == ("ben", now.until)
    alone = Rotation(id="primary", layers=(weekly(people=("ana",)),))
    assert watch(alone, at)[0].until is None
    assert watch(alone, at)[1] is None


def station(**more: Any) -> Station:
    given: dict[str, Any] = {
        "station": "demo",
        "people": tuple(
            Member(id=name, name=name, roles=(role,), address=name)
            for name, role in (("ana", Role.CAPTAIN), ("ben", Role.CAPTAIN), ("cara", Role.COMMS))
        ),
        "rotations": (Rotation(id="primary", layers=(weekly(),)),),
        "escalation": ("primary", "ben"),
        "bells": (Bell(id="bell"),),
    }
    return Station(**{**given, **more})


def test_the_escalation_is_whoever_is_on_call_at_that_severity() -> None:
    made = station(escalation_at={Severity.SEV1: ("ben", "primary", "ana")})
    first, second = datetime(2026, 10, 20, tzinfo=UTC), datetime(2026, 10, 27, tzinfo=UTC)
    assert escalation(made, first, Severity.SEV2) == ("ana", "ben")
    assert escalation(made, second, Severity.SEV2) == ("ben",)
    assert escalation(made, second, Severity.SEV1) == ("ben", "ana")
    assert roster(made, first, Severity.SEV1).escalation == ("ben", "ana")
    pinned = roster(made, first, Severity.SEV2)
    assert pinned.escalation_at == {Severity.SEV1: ("ben", "ana")}
    assert {each: pinned.ranks(each) for each in (Severity.SEV1, Severity.SEV4)} == {
        Severity.SEV1: ("ben", "ana"),
        Severity.SEV4: ("ana", "ben"),
    }
    others = dict.fromkeys((Severity.SEV2, Severity.SEV3, Severity.SEV4), ("ana", "ben"))
    assert roster(made, first, Severity.SEV1).escalation_at == others
    assert "escalation_at" not in roster(station(), first, Severity.SEV1).model_dump()
    assert escalation(station(escalation=("ana", "ben", "ana")), first, Severity.SEV1) == (
        "ana",
        "ben",
        "ana",
    )


def test_whoever_is_ranked_at_a_severity_is_known_and_may_be_captain() -> None:
    made = roster(station(), datetime(2026, 10, 20, tzinfo=UTC), Severity.SEV1)
    for stranger in ("cara", "zoe"):
        with pytest.raises(ValidationError, match=f"escalation names '{stranger}'"):
            Roster.model_validate({**made.model_dump(), "escalation_at": {"sev1": ["ana", stranger]}})


def test_an_alarm_in_a_gap_pages_everybody_who_may_be_captain() -> None:
    made, before = station(escalation=("primary",)), datetime(2026, 10, 1, tzinfo=UTC)
    assert escalation(made, before, Severity.SEV1) == ()
    assert roster(made, before, Severity.SEV1).escalation == ("ana", "ben")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"turn": "36h"}, "a turn takes whole days"),
        ({"turn": "10d"}, "whole weeks"),
        ({"start": "2026-10-20"}, "2026-10-20 is a tuesday, and the handoff is on monday; write 2026-10-26"),
        ({"zone": "Europe/Berlim"}, "did you mean 'Europe/Berlin'"),
        ({"zone": "../../etc/passwd"}, "is not a time zone"),
        ({"zone": "Europe"}, "is not a time zone"),
        ({"handoff": "9:00"}, "write it like 09:00"),
        ({"handoff": "24:00"}, "write it like 09:00"),
    ],
)
def test_a_layer_that_cannot_be(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        weekly(**changes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"escalation": ("primry",)}, "escalation names 'primry'"),
        ({"escalation_at": {"sev1": ("cara",)}}, "escalation names 'cara'"),
        ({"rotations": (Rotation(id="primary", layers=(weekly(people=("cara",)),)),)}, "role captain"),
        (
            {"rotations": (Rotation(id="ana", layers=(weekly(),)),), "escalation": ("ana",)},
            "already a person",
        ),
    ],
)
def test_a_station_that_cannot_be(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        station(**changes)


def test_a_rotation_that_pages_nobody_may_have_other_people() -> None:
    comms = Rotation(id="press", layers=(weekly(people=("cara",)),))
    assert station(rotations=(comms,), escalation=("ana",)).rotations == (comms,)
