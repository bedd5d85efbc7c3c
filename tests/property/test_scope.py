"""What sources are asked for, whatever the clocks of alarm systems say."""

from datetime import UTC, datetime, timedelta

from hypothesis import example, given
from hypothesis import strategies as st

from firestation.evidence import LONGEST_LOOK_BACK, LOOK_BACK, in_scope
from tests.property import worlds

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
TIMES = st.datetimes(timezones=st.just(UTC))


@given(st.lists(TIMES, min_size=1, max_size=5))
@example([datetime.min.replace(tzinfo=UTC)])  # how Alertmanager writes that there is no time
@example([datetime.max.replace(tzinfo=UTC)])
@example([NOW + timedelta(hours=2)])
def test_the_span_is_never_empty_and_never_endless(times: list[datetime]) -> None:
    alarms = [worlds.alarm().changed(started_at=each) for each in times]
    scope = in_scope("agent-1", alarms, NOW)
    assert LOOK_BACK <= scope.until - scope.since <= LOOK_BACK + LONGEST_LOOK_BACK
    assert scope.until == NOW
    for each in times:
        if NOW - LONGEST_LOOK_BACK <= each <= NOW:
            assert scope.since <= each - LOOK_BACK


def test_what_several_alarms_name_is_asked_for_once() -> None:
    first = worlds.alarm().changed(request_ids=("r-1", "r-2"), tenants=("acme",))
    second = worlds.alarm().changed(request_ids=("r-2", "r-3"), queries=("a refund?",))
    scope = in_scope("agent-1", [first, second], NOW)
    assert (scope.request_ids, scope.tenants, scope.queries) == (
        ("r-1", "r-2", "r-3"),
        ("acme",),
        ("a refund?",),
    )
