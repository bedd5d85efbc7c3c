"""Every message has a key of its own, and the audit finds the same one from the history alone."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from firestation import acts, record
from tests.property.worlds import World


def keys(offset: timedelta, offers: int, failures: int) -> list[str]:
    """The keys of the messages of a life in which some things happen again and again, this much later."""
    world = World()
    world.attempt(acts.Acknowledge(by="ana"))
    world.wait(offset)
    for number in range(max(offers, failures)):
        if number < offers:
            assert world.attempt(acts.Handover(by="ana", to="ben")) is None
        if number < failures:
            world.happen(record.NotSealed(at=world.now, detail="the store is down"))
            world.happen(record.Failed(at=world.now, step="draft", detail="the store is down"))
    return [parcel.key for parcel in world.incident.outbox]


@given(st.integers(0, 1999), st.integers(0, 4), st.integers(0, 4))
def test_keys_are_all_different_and_know_nothing_of_the_moment(
    late_ms: int, offers: int, failures: int
) -> None:
    made = keys(timedelta(), offers, failures)
    assert len(set(made)) == len(made)
    assert keys(timedelta(milliseconds=late_ms), offers, failures) == made


def test_what_was_sent_is_counted_too() -> None:
    world = World()
    world.happen(record.NotSealed(at=world.now, detail="down"))
    first = {parcel.key for parcel in world.incident.outbox}
    for parcel in world.incident.outbox:
        world.happen(
            record.Unsent(at=world.now, key=parcel.key, message=parcel.message, detail="nobody answers")
        )
    world.happen(record.NotSealed(at=world.now, detail="still down"))
    assert first.isdisjoint({parcel.key for parcel in world.incident.outbox})
