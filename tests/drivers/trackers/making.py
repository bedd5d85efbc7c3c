"""Trackers as a system file has them."""

from typing import Any

from firestation.drivers import Drivers
from firestation.ports import Followed, Tracker
from firestation.system import TrackerFitting
from tests.drivers.levers.making import HASTY, PATIENT

PATIENTLY, HASTILY = PATIENT["timeout"], HASTY["timeout"]


def make_tracker(bench: Drivers, driver: str, **config: Any) -> Tracker:
    """A tracker of this driver, with this `with`."""
    fitting = {"id": "tasks", "title": "The tasks", "driver": driver, "with": config}
    return bench.tracker(TrackerFitting.model_validate(fitting))


def as_followed(tracker: Tracker) -> Followed:
    """The same, which must be both."""
    assert isinstance(tracker, Followed)
    return tracker
