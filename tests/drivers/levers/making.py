"""Levers as a system file has them."""

from typing import Any

from firestation.drivers import Drivers
from firestation.ports import Lever
from firestation.system import LeverFitting

PATIENT = {"timeout": "20s", "read_back_within": "20s"}
"""For a product that is well: a machine under load may take long, and nothing is proved by losing patience."""

HASTY = {"timeout": "500ms", "read_back_within": "600ms"}
"""For a product that is made to hang or to do nothing, so that it is noticed soon."""


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
