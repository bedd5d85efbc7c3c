"""How the demo speaks, and how the person at the terminal answers it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer
from rich.console import Console
from rich.text import Text

from cli.plain import plain
from cli.show import say
from firestation.errors import FirestationError


class DemoFailed(FirestationError):
    """Something in the demo was not as it should be."""


class Voice:
    """What the demo prints. With `auto` it answers its own questions, and says so."""

    def __init__(self, console: Console, *, auto: bool) -> None:
        self.console, self.auto = console, auto
        self.chapters = 0

    def chapter(self, title: str) -> None:
        """A new part of the story."""
        self.chapters += 1
        self.console.print()
        self.console.print(Text(f"{self.chapters}. {title}", style="bold underline"))

    def say(self, text: str, style: str = "") -> None:
        """A paragraph."""
        say(self.console, Text(plain(text), style=style), hang=0)

    def fact(self, name: str, value: object) -> None:
        """One thing that was measured or made, under its name."""
        say(self.console, Text.assemble((f"{name:<16} ", "dim"), plain(value)), indent=2, hang=17)

    def path(self, name: str, value: object) -> None:
        """A path, in one piece so that it can be copied."""
        self.console.print(Text.assemble((f"  {name:<16} ", "dim"), plain(value)), soft_wrap=True)

    def typed(self, command: str, who: str) -> None:
        """A command as that person would type it."""
        mark = f"the demo, as {who}:" if self.auto else f"{who}:"
        say(
            self.console,
            Text.assemble((f"{mark} ", "dim"), (f"$ {plain(command)}", "bold cyan")),
            indent=2,
            hang=4,
        )

    def happened(self, line: Text) -> None:
        """A line of the incident's timeline."""
        say(self.console, Text.assemble("| ", line), indent=2, hang=12)

    @contextmanager
    def progress(self, what: str) -> Iterator[None]:
        """A spinner where it can turn; elsewhere one line that says what is waited for."""
        if self.console.is_terminal:
            with self.console.status(Text(f"{plain(what)} ...")):
                yield
        else:
            self.console.print(Text(f"  ... {plain(what)}", style="dim"), soft_wrap=True)
            yield

    def agrees(self, question: str) -> bool:
        """Yes or no from the person; `--auto` says yes. Raises `typer.Abort` when they quit."""
        if self.auto:
            say(self.console, Text(f"{plain(question)} [the demo answers: yes]"), indent=2)
            return True
        while True:
            said = (
                str(typer.prompt(f"  {plain(question)} [y/n/q]", default="y", show_default=False))
                .strip()
                .lower()
            )
            if said in {"y", "yes"}:
                return True
            if said in {"n", "no"}:
                return False
            if said in {"q", "quit"}:
                raise typer.Abort
            self.console.print("  Please answer y, n, or q to leave the demo.")

    def insist(self, question: str, otherwise: str) -> None:
        """Ask until the answer is yes; each no is told what follows from it."""
        while not self.agrees(question):
            self.say(f"  {otherwise}", style="yellow")

    def ask(self, question: str, default: str) -> str:
        """A text from the person; `--auto`, or just Enter, takes the default."""
        if self.auto:
            say(self.console, Text(f"{plain(question)} [the demo answers: {plain(default)}]"), indent=2)
            return default
        return str(typer.prompt(f"  {plain(question)}", default=default))

    def choose(self, question: str, allowed: tuple[str, ...], default: str) -> str:
        """One of some words from the person."""
        while (said := self.ask(f"{question} ({'/'.join(allowed)})", default).strip().lower()) not in allowed:
            self.console.print(f"  Please answer one of {', '.join(allowed)}.")
        return said


def demand(held: object, otherwise: str) -> None:
    """Fail the demo when something is not as it should be."""
    if not held:
        fail(otherwise)


def fail(why: str) -> NoReturn:
    """End the demo with what was wrong."""
    raise DemoFailed(f"the demo failed: {why}")


Condition = Callable[[], bool]
