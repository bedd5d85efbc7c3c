"""Times and spans as a reader wants them: in the reader's own zone, with the date only where it is needed."""

from datetime import datetime, timedelta

from firestation.model import show_duration

SECOND = timedelta(seconds=1)


def clock(moment: datetime, now: datetime) -> str:
    """14:03:22, or with the date when it is not the day of `now`."""
    here = moment.astimezone()
    return f"{here:%H:%M:%S}" if here.date() == now.astimezone().date() else f"{here:%Y-%m-%d %H:%M:%S}"


def zone(now: datetime) -> str:
    """The reader's zone, as the times are shown in."""
    return f"{now.astimezone():%Z}"


def towards(moment: datetime, now: datetime) -> str:
    """How far a moment is: "in 3m", or "OVERDUE by 2m"."""
    left = moment - now
    return f"in {show_duration(left)}" if left >= timedelta() else f"OVERDUE by {show_duration(-left)}"
