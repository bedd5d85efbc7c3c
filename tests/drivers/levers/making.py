"""Levers as a system file has them."""

from typing import Any

from firestation.drivers import Drivers
from firestation.ports import Lever
from firestation.system import LeverFitting


def make_lever(bench: Drivers, driver: str, positions: dict[str, Any] | None = None, **config: Any) -> Lever:
    """A lever of this driver, with this `with`."""
    fitting = LeverFitting.model_validate(
        {
            "id": "lever",
            "title": "The lever",
            "driver": driver,
            "positions": positions or {"any": None},
            "with": config,
        }
    )
    return bench.lever(fitting)
