"""Every timeout and every retry, in one table. A heartbeat time-out sets the pace of recovery from a dead worker."""

from datetime import timedelta
from typing import NotRequired, TypedDict

from temporalio.common import RetryPolicy
from temporalio.workflow import ActivityCancellationType

from firestation.lock_plan import LONGEST_TRIAL
from firestation.orders import LockOrder

BEAT = timedelta(seconds=2)
QUICK = RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=5))
PATIENT = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=15))


class Options(TypedDict):
    """The options of one activity, as Temporal takes them."""

    heartbeat_timeout: timedelta
    retry_policy: RetryPolicy
    schedule_to_close_timeout: NotRequired[timedelta]
    start_to_close_timeout: NotRequired[timedelta]
    cancellation_type: NotRequired[ActivityCancellationType]


def _within(limit: timedelta, retry: RetryPolicy) -> Options:
    return Options(heartbeat_timeout=BEAT, retry_policy=retry, schedule_to_close_timeout=limit)


def _until_done(attempt: timedelta) -> Options:
    return Options(heartbeat_timeout=BEAT, retry_policy=QUICK, start_to_close_timeout=attempt)


OPTIONS: dict[str, Options] = {
    "collect": _within(timedelta(minutes=8), QUICK),
    "read_lever": _within(timedelta(minutes=1), QUICK),
    "measure": _within(timedelta(minutes=1), QUICK),
    "seal": _within(timedelta(minutes=1), QUICK),
    "keep": _within(timedelta(minutes=2), PATIENT),
    # The last one has less time (`postmortem.LAST`): the incident has ended, and a new fire waits for its id.
    "draft": _within(timedelta(minutes=2), PATIENT),
    # Temporal itself is asked, so there is no giving up: whoever can schedule this can do it.
    "take_lease": _until_done(timedelta(seconds=10)),
    "release_lease": _until_done(timedelta(seconds=10)),
    "move_lever": _within(timedelta(minutes=3), QUICK),
    "send": _within(timedelta(minutes=2), PATIENT),
    "open_task": _within(timedelta(minutes=10), PATIENT),
    "look_at_task": _within(timedelta(minutes=5), PATIENT),
    "remind_task": _within(timedelta(minutes=5), PATIENT),
    # The wall of locks is asked side by side with everything, and again later when it does not answer; what is hung at
    # the end of an incident holds its id for so long at most, and a workflow of its own goes on with it.
    "recall_locks": _within(timedelta(seconds=30), QUICK),
    "hang_lock": _within(timedelta(seconds=20), QUICK),
    # A drill: the files are read, and a fire that has just ended is still listed for a moment.
    "open_drill": _within(timedelta(seconds=30), QUICK),
    "inject_fault": _within(timedelta(minutes=2), QUICK),
    "clear_fault": _within(timedelta(minutes=5), QUICK),
    "ring_drill": _within(timedelta(minutes=2), QUICK),
    "score_drill": _within(timedelta(minutes=2), QUICK),
    "keep_drill": _within(timedelta(minutes=2), QUICK),
    "call_off_drill": _within(timedelta(minutes=30), PATIENT),
    # It lasts as long as the drill may, and the workflow says how long that is.
    "follow_drill": Options(
        heartbeat_timeout=BEAT,
        retry_policy=QUICK,
        cancellation_type=ActivityCancellationType.TRY_CANCEL,
    ),
    "publish": _within(timedelta(seconds=30), PATIENT),
    # One goes through all subscribers, so it may take hours; who was told already is not told again by the next.
    "tell_subscribers": Options(
        heartbeat_timeout=BEAT,
        retry_policy=PATIENT,
        start_to_close_timeout=timedelta(hours=6),
        schedule_to_close_timeout=timedelta(days=1),
    ),
    # A bell that is away holds up the next look for no longer than this; that one rings again.
    "ring_bell": _within(timedelta(seconds=30), QUICK),
    "prove_lock": _within(LONGEST_TRIAL, PATIENT),
    # A probe and a soak last as long as the runbook says; a dead worker is noticed by the heartbeat.
    "probe": Options(
        heartbeat_timeout=BEAT,
        retry_policy=QUICK,
        start_to_close_timeout=timedelta(days=1),
        cancellation_type=ActivityCancellationType.TRY_CANCEL,
    ),
    "soak": Options(
        heartbeat_timeout=BEAT,
        retry_policy=QUICK,
        start_to_close_timeout=timedelta(days=7),
        cancellation_type=ActivityCancellationType.TRY_CANCEL,
    ),
}


def options(activity: str, order: object) -> Options:
    """The options of one call: those of the table; the trial of a lock has the time that its plan takes.

    A plan of before there was a bound may take longer than that: it is given the longest time that there is.
    """
    if isinstance(order, LockOrder):
        return _within(min(order.plan.trial, LONGEST_TRIAL), PATIENT)
    return OPTIONS[activity]
