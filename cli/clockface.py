"""Times and spans as a reader wants them: in the reader's own zone, with the date only where it is needed."""

from datetime import UTC, datetime, timedelta

from pydantic import TypeAdapter, ValidationError

from firestation.errors import InvalidInput
from firestation.model import Time, show_duration

SECOND = timedelta(seconds=1)
MOMENT: TypeAdapter[datetime] = TypeAdapter(Time)
FIRST, LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


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


def instant(option: str, text: str) -> datetime:
    """A moment in ISO 8601, in the reader's zone where it names none, as UTC. Raises `InvalidInput` for the option."""
    try:
        moment = MOMENT.validate_python(datetime.fromisoformat(text).astimezone())
    except (ValueError, OverflowError, ValidationError):
        moment = LAST
    if not FIRST <= moment < LAST:
        raise InvalidInput(
            option, f"{text[:80]!r} is no time", "Write it like 2026-12-24T18:00, or with an offset"
        )
    return moment
