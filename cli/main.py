"""The `firestation` command, put together."""

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from cli import (
    acts,
    audits,
    bell,
    bells,
    decisions,
    detectors,
    drills,
    evidence,
    files,
    history_keys,
    law,
    locks,
    people,
    postmortem,
    runbooks,
    station,
    subscribers,
    system_lint,
    tasks,
    tokens,
    triage,
    watch,
)
from cli.demo import demo
from cli.desk import Options
from cli.errors import EXIT_CODES, StationGroup
from cli.teach import kept, teach

SEE = "See"
RUN = "The station"

HELP = """The runbook engine for incidents in AI systems.

An incident, in order:
  incidents, show    what is known, what is waited for, what to type
  ack, declare       someone is the captain, and says how bad it is
  approve, refuse    one exact move of one lever, decided by its digest
  note, update       facts and hypotheses apart; a word to team and public
  lift, adopt        every firebreak ends: put back, or kept for good
  prove, close       it fails on the frozen evidence, it passes now: a lock

The engine freezes the evidence, moves what you approved, measures the recovery and
proves the lock by itself. After every act it shows what it waits for.

Example:
  firestation demo --auto
"""

app = typer.Typer(
    name="firestation",
    cls=StationGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    epilog=kept(EXIT_CODES),
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(help=kept(HELP))
def firestation(
    ctx: typer.Context,
    url: Annotated[
        str | None,
        typer.Option(
            "--url",
            metavar="URL",
            envvar="FIRESTATION_URL",
            help="The station's gateway; otherwise that of the state folder, or http://127.0.0.1:8420.",
        ),
    ] = None,
    state: Annotated[
        Path,
        typer.Option(
            "--state", metavar="DIR", envvar="FIRESTATION_STATE", help="The station's state folder."
        ),
    ] = Path(".firestation"),
    token: Annotated[
        str | None, typer.Option(envvar="FIRESTATION_TOKEN", hidden=True, help="Only by the environment.")
    ] = None,
) -> None:
    """Everything that is said before the command."""
    ctx.obj = Options(url=url, state=state, token=token)


teach(app, "incidents", watch.incidents, SEE)
teach(app, "show", watch.show_incident, SEE)
teach(app, "briefing", watch.brief, SEE)
teach(app, "locks", locks.locks, SEE)
teach(app, "detectors", detectors.detectors, SEE)
teach(app, "bells", bells.bells, SEE)
for panel, commands in acts.PANELS.items():
    for act in commands:
        teach(app, act.__name__, act, panel)
for said in law.COMMANDS:
    teach(app, said.__name__, said, law.PANEL)
teach(app, "tasks", tasks.tasks, SEE)
teach(app, "finish", tasks.finish, tasks.PANEL)
teach(app, "oncall", people.oncall, SEE)
teach(app, "up", station.up, RUN)
teach(app, "demo", demo, RUN)
teach(app, "ring", bell.ring, RUN)
teach(app, "spool", bell.spool, RUN)
teach(app, "replay", station.replay, RUN)
app.add_typer(triage.triage, name="triage", rich_help_panel=SEE)
app.add_typer(evidence.evidence, name="evidence", rich_help_panel=SEE)
app.add_typer(postmortem.postmortem, name="postmortem", rich_help_panel=SEE)
app.add_typer(audits.audit, name="audit", rich_help_panel=SEE)
app.add_typer(decisions.decision, name="decision", rich_help_panel=SEE)
app.add_typer(drills.drill, name="drill", rich_help_panel=RUN)
app.add_typer(runbooks.runbook, name="runbook", rich_help_panel=RUN)
teach(files.system, "lint", system_lint.lint)
app.add_typer(files.system, name="system", rich_help_panel=RUN)
app.add_typer(tokens.token, name="token", rich_help_panel=RUN)
app.add_typer(history_keys.history_key, name="history-key", rich_help_panel=RUN)
app.add_typer(subscribers.subscribers, name="subscribers", rich_help_panel=RUN)
app.add_typer(people.station, name="station", rich_help_panel=RUN)


def main() -> None:
    """Run the command; a terminal that cannot show a letter gets it written out, a closed pipe ends it quietly."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    signal.signal(signal.SIGTERM, _terminate)
    try:
        app(prog_name="firestation")
    except SystemExit as ended:
        if isinstance(ended.code, str):  # it is for people, and Python itself says it
            raise
        _leave(ended.code or 0)


def _leave(code: int) -> NoReturn:
    """End at once: obstore's and Temporal's threads may still call Python while it is taken down, which aborts it."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # a closed pipe
            stream.flush()
    os._exit(code)


def _terminate(number: int, frame: object) -> None:  # noqa: ARG001 - a signal handler's form
    """Leave through every `finally`, as with Ctrl-C."""
    raise KeyboardInterrupt
