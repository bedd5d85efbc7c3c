"""The keys that histories are encrypted with: made, listed, put into force, retired."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from cli.desk import Desk, Json
from cli.show import say
from cli.station import Address, words
from cli.teach import teach
from firestation import history_keys as keys
from firestation.errors import ORDER, Refused, Unreachable
from firestation.settings import Settings

FOLDER = "history-keys"
SHOWN = 3

history_key = typer.Typer(
    no_args_is_help=True,
    help="The keys that histories are encrypted with; a lost one loses what it encrypted.",
)

Keys = Annotated[
    Path | None,
    typer.Option(
        "--keys",
        metavar="DIR",
        envvar=keys.SETTING,
        help="The folder of the keys; otherwise history-keys in the state folder.",
    ),
]
KeyId = Annotated[str, typer.Argument(metavar="ID", help="The key, as `history-key list` names it.")]


def new(
    ctx: typer.Context,
    *,
    folder: Keys = None,
    waiting: Annotated[
        bool,
        typer.Option("--waiting", help="It decrypts only, until `history-key use` lets it encrypt."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Make a key, and let it encrypt from now on; those before it go on decrypting.

    Example:
      firestation history-key new --waiting

    Next: back it up apart from the histories. With several machines, make it --waiting, copy it to all of them, then
    `firestation history-key use ID`. Running workers and gateways take it without a restart.
    """
    desk, place = Desk.of(ctx, as_json=as_json), _folder(ctx, folder)
    made = f"{datetime.now(UTC):%Y-%m-%d}-{os.urandom(4).hex()}"
    keys.add(place, made, os.urandom(keys.KEY_BYTES), current=not waiting)
    _tell(
        desk,
        place,
        {"key": made},
        f"Made {made} in {place}. Back it up: who loses it loses what it encrypts.",
    )


def listing(ctx: typer.Context, *, folder: Keys = None, as_json: Json = False) -> None:
    """List the keys, the oldest first: since when, and which one encrypts.

    Example:
      firestation history-key list

    Next: `firestation history-key new` once a year, or when somebody may have copied one.
    """
    desk, place = Desk.of(ctx, as_json=as_json), _folder(ctx, folder)
    found = keys.listed(place)
    if desk.json:
        desk.answer(
            [{"key": each.id, "made_at": each.made_at.isoformat(), "current": each.current} for each in found]
        )
        return
    for each in found:
        what = "encrypts and decrypts" if each.current else "decrypts"
        say(desk.console, Text.assemble((each.id, "bold"), f"  since {each.made_at:%Y-%m-%d}, {what}"))


def use(ctx: typer.Context, key: KeyId, *, folder: Keys = None, as_json: Json = False) -> None:
    """Let this key encrypt from now on.

    Example:
      firestation history-key use 2026-11-26-1a2b3c4d

    Next: `firestation history-key list`.
    """
    desk, place = Desk.of(ctx, as_json=as_json), _folder(ctx, folder)
    keys.use(place, key)
    _tell(desk, place, {"key": key}, f"{key} encrypts from now on.")


def retire(
    ctx: typer.Context,
    key: KeyId,
    *,
    folder: Keys = None,
    address: Address = None,
    unread: Annotated[
        bool,
        typer.Option("--lose-histories", help="Do so though histories need it: nobody will read them again."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Destroy a key that no history needs any more. Temporal is asked, and every history that it keeps is looked at.

    Example:
      firestation history-key retire 2026-11-26-1a2b3c4d

    Next: what it encrypted is closed for good, also in backups of Temporal's database; destroy the backups of the key.
    """
    desk, place = Desk.of(ctx, as_json=as_json), _folder(ctx, folder)
    keys.check_removable(place, key)
    if not unread:
        found = _needed(address or desk.options.where("temporal"), key)
        if found:
            named = ", ".join(found[:SHOWN]) + (
                f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
            )
            cost = f"{key} is needed to read {named}; wait until Temporal has forgotten them (its retention), or take"
            raise Refused(0, ORDER, f"{cost} --lose-histories, and nobody reads them again")
    keys.remove(place, key)
    _tell(
        desk, place, {"key": key}, f"{key} is destroyed. What it encrypted is read only with a backup of it."
    )


def _needed(address: str | None, key: str) -> list[str]:
    """The workflows that need the key. Raises `Unreachable` when Temporal does not answer."""
    command = [sys.executable, "-m", "worker.needed", key, *words({"--address": address}, as_json=False)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - our own program
    try:
        found: list[str] = json.loads(done.stdout)
    except ValueError:
        said = done.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        fix = "name it with --address, or retire with --lose-histories what you know to be forgotten"
        raise Unreachable(f"Temporal does not say which histories need {key} ({said[0]}); {fix}") from None
    return found


def _folder(ctx: typer.Context, given: Path | None) -> Path:
    state: Path = ctx.obj.state
    return given or Settings.from_environment().history_keys or state / FOLDER


def _tell(desk: Desk, folder: Path, data: dict[str, str], said: str) -> None:
    if desk.json:
        desk.answer({**data, "folder": str(folder)})
        return
    say(desk.console, Text(said))
    if Settings.from_environment().history_keys is None:
        say(
            desk.console,
            Text(f"It counts where {keys.SETTING} is {folder} when a worker or a gateway starts."),
        )


teach(history_key, "new", new)
teach(history_key, "list", listing)
teach(history_key, "use", use)
teach(history_key, "retire", retire)
