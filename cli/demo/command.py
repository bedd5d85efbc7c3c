"""The command: set the stage, break the agent, walk the incident, show what is left of it."""

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from cli.demo.scene import Scene
from cli.demo.stage import stage
from cli.demo.story import Story
from cli.demo.voice import Voice
from cli.desk import Desk, Json, terminal
from firestation.errors import InvalidInput

STATE = Path(".firestation/demo")


def demo(
    ctx: typer.Context,
    auto: Annotated[
        bool, typer.Option("--auto", help="The demo answers its own questions, and says so.")
    ] = False,
    state: Annotated[
        Path, typer.Option("--state", metavar="DIR", help="Where the demo's station lives.")
    ] = STATE,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave everything running at the end, until Ctrl-C.")
    ] = False,
    as_json: Json = False,
) -> None:
    """See a whole incident: a real agent goes wrong, and the fire is put out, in under 90 seconds.

    Example:
      firestation demo --auto

    Next: it prints where the manifest, the postmortem, the lock and the bundle are, and how to verify them.
    """
    desk = Desk.of(ctx, as_json=as_json)
    if not auto and not sys.stdin.isatty():
        raise InvalidInput(
            "--auto", "nobody can answer here, since this is no terminal", "Run: firestation demo --auto"
        )
    began = time.monotonic()
    console = terminal()
    console.stderr = as_json  # with --json the story goes to standard error
    voice = Voice(console, auto=auto)
    with stage() as processes:
        scene = Scene(voice, state, processes)
        scene.open()
        scene.show_it_right()
        scene.break_it()
        story = Story(voice, scene.people(), scene.ring_the_bell())
        story.what_is_known()
        refunds = story.the_first_firebreak()
        story.someone_takes_it()
        plan = story.the_captains_decision()
        story.recovery_and_the_cause(refunds)
        closed = story.the_lock(plan)
        left = scene.what_is_left(closed)
        seconds = time.monotonic() - began
        voice.say(f"Done in {seconds:.0f} seconds.", style="bold green")
        if as_json:
            desk.answer(
                {**left, "incident": closed.incident, "phase": closed.phase, "seconds": round(seconds, 1)}
            )
        if keep:
            scene.stay()
