"""Help that teaches: the docstring of a command is its help, with its examples left as they are written."""

import inspect
from collections.abc import Callable
from typing import Any

import typer

AS_WRITTEN = "\b\n"
"""Before a paragraph, this tells Typer not to wrap it."""


def kept(text: str) -> str:
    """A help text whose lists and examples (paragraphs with an indented line) keep their lines."""
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(AS_WRITTEN + each if "\n " in each else each for each in paragraphs)


def teach(app: typer.Typer, name: str, command: Callable[..., Any], panel: str | None = None) -> None:
    """Add a command, with its docstring as help."""
    app.command(name, help=kept(command.__doc__ or ""), rich_help_panel=panel)(command)
