"""A bell as people see it: whether it was ever heard, why it was last refused, and what to do about it."""

from typing import Literal

from firestation.alarm import OWN_BELL
from firestation.bell.formats import FormatName
from firestation.bell.signatures import Scheme
from firestation.model import Id, Line, Model, Time, count

Standing = Literal["never heard", "heard", "refused"]


class Refusal(Model):
    """Why a delivery was refused: nothing of what was in it, and nothing that it showed."""

    at: Time
    status: int
    title: Line
    field: Line | None = None
    fix: Line | None = None

    def sentence(self) -> str:
        """The same in one line."""
        where = f" (at {self.field})" if self.field else ""
        return f"{self.title}{where}" + (f": {self.fix}" if self.fix else "")


class Known(Model):
    """What one gateway knows of one bell, counted `since` then.

    `deliveries` are those that were taken, also those that rang nothing or were sent again; `alarms` are what was kept
    of them, each once; `refusals` are the deliveries that were refused.
    """

    since: Time | None = None
    heard: Time | None = None
    deliveries: int = 0
    alarms: int = 0
    refusals: int = 0
    refused: Refusal | None = None

    def taken(self) -> str:
        """How much was heard."""
        return f"{_deliveries(self.deliveries)} with {count(self.alarms, 'alarm')}"

    def turned_away(self) -> str:
        """How much was refused."""
        return _deliveries(self.refusals)


class BellView(Known):
    """What is known of a bell of the station file.

    `shows` is how it shows that it is itself; `secret` whether this gateway has one of its secrets; `url` where it
    delivers. `standing` is by the last delivery; `next` is what to do, where there is something to do.
    """

    bell: Id
    format: FormatName
    shows: Scheme
    secret: bool
    url: Line
    standing: Standing
    next: Line | None = None


def _deliveries(number: int) -> str:
    return f"{number} {'delivery' if number == 1 else 'deliveries'}"


def view(
    bell: Id, says: FormatName, shows: Scheme, *, secret: bool, origin: str, known: Known | None
) -> BellView:
    """The view of this bell, at the gateway of this origin."""
    found = known or Known()
    standing: Standing = "heard" if found.heard else "never heard"
    if found.refused and (found.heard is None or found.refused.at >= found.heard):
        standing = "refused"
    url = f"{origin}{'/v2/enqueue' if says == 'pagerduty-events' else f'/bells/{bell}'}"
    return BellView(
        **dict(found),
        bell=bell,
        format=says,
        shows=shows,
        secret=secret,
        url=url,
        standing=standing,
        next=_next(bell, standing, found, url, secret=secret),
    )


def _next(bell: Id, standing: Standing, known: Known, url: str, *, secret: bool) -> str | None:
    if not secret:
        return "Write its secret where its `token` in the station file says (docs/access.md)"
    if standing == "never heard" and bell == OWN_BELL:
        return "Nothing: the station rings it itself, when its watch finds a fire"
    if standing == "never heard":
        return f"Have it send to {url}, as docs/bells.md says, and send a test from it"
    if standing == "refused":
        fix = (known.refused and known.refused.fix) or "See the gateway's log"
        return f"{fix.rstrip('.')}. Then send a test from it"[:300]
    return None


class Bells(Model):
    """The bells of the station file as one gateway has heard them; and what came to none of them, counted together."""

    bells: tuple[BellView, ...]
    strangers: Known = Known()
