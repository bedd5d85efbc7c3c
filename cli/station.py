"""Running the station, and re-running what it recorded.

Both are programs of the worker's (`python -m worker.station`, `python -m worker.replay`): the command has no wiring of
its own, so it starts them and says what came of it.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from cli.desk import Desk, Incident, Json
from cli.errors import ExitCode

Address = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="HOST:PORT",
        envvar="TEMPORAL_ADDRESS",
        help="A Temporal server that runs already.",
    ),
]


def up(
    ctx: typer.Context,
    *,
    station: Annotated[
        Path | None,
        typer.Option("--station", metavar="FILE", help="The station file: people, escalation, bells."),
    ] = None,
    systems: Annotated[
        Path | None, typer.Option("--systems", metavar="PATH", help="The system file, or a folder of them.")
    ] = None,
    runbooks: Annotated[
        Path | None, typer.Option("--runbooks", metavar="DIR", help="The runbook wall.")
    ] = None,
    port: Annotated[int | None, typer.Option("--port", metavar="N", help="The gateway's port.")] = None,
    temporal_port: Annotated[
        int | None, typer.Option("--temporal-port", metavar="N", help="The embedded Temporal server's port.")
    ] = None,
    ui_port: Annotated[
        int | None, typer.Option("--ui-port", metavar="N", help="The port of the embedded Temporal's UI.")
    ] = None,
    address: Address = None,
    as_json: Json = False,
) -> None:
    """Run the station until Ctrl-C: Temporal server and UI, worker, gateway.

    Example:
      firestation up --station examples/station/station.yaml --systems examples/refund_agent/system.yaml

    Next: alert systems ring POST /alarms/alertmanager; people look with `firestation incidents`.
    """
    desk = Desk.of(ctx, as_json=as_json)
    given = {
        "--state": desk.options.state,
        "--station": station,
        "--systems": systems,
        "--runbooks": runbooks,
        "--port": port,
        "--temporal-port": temporal_port,
        "--ui-port": ui_port,
        "--address": address,
    }
    become("worker.station", words(given, as_json=as_json))


def replay(
    ctx: typer.Context,
    incident: Incident,
    save: Annotated[
        Path | None,
        typer.Option("--save", metavar="DIR", help="Keep the recorded runs in this folder as JSON."),
    ] = None,
    address: Address = None,
    as_json: Json = False,
) -> None:
    """Run an incident's recorded history against today's code, and audit it by the rules of the house.

    Example:
      firestation replay refund-agent-1a2b3c4d

    Next: exit code 0 says that the code decides as it decided then, and that no rule was broken.
    """
    desk = Desk.of(ctx, as_json=as_json)
    given = {"--address": address or desk.options.where("temporal"), "--save": save}
    command = [sys.executable, "-m", "worker.replay", incident, *words(given, as_json=as_json)]
    done = subprocess.run(command, check=False)  # noqa: S603 - our own program, no shell
    raise typer.Exit(done.returncode if done.returncode >= 0 else ExitCode.DEFECT)


def words(given: Mapping[str, object], *, as_json: bool) -> list[str]:
    """The options that were given, as a command line."""
    found = [word for name, value in given.items() if value is not None for word in (name, str(value))]
    return [*found, "--json"] if as_json else found


def become(module: str, arguments: list[str]) -> None:
    """Let this process become that program, so that signals and the exit code are its own."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])  # noqa: S606 - our own program, no shell
