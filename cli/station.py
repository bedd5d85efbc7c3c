"""Running the station, and re-running what it recorded."""

import importlib
from typing import Annotated, Any

import typer
from rich.text import Text

from cli.desk import Desk, Incident, Json
from cli.plain import plain


def up() -> None:
    """Run the station."""


def replay() -> None:
    """Replay."""
