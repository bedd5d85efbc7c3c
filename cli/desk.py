"""What every command has at hand: who acts, which station, and whether people or machines read the answer."""

import json
import re
import stat
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from cli.client import Gateway
from cli.plain import plain
from firestation.errors import Denied, InvalidInput, NotConfigured

DEFAULT_URL = "http://127.0.0.1:8420"
NAME = re.compile(r"^[a-z0-9][a-z0-9_.-]{0,62}$")

Incident = Annotated[
    str,
    typer.Argument(
        metavar="INCIDENT", help="The incident's id, or enough of its beginning to be the only one."
    ),
]
As = Annotated[
    str | None,
    typer.Option(
        "--as", metavar="NAME", envvar="FIRESTATION_AS", help="Who acts: one of the station's people."
    ),
]
Reason = Annotated[
    str, typer.Option("--reason", metavar="TEXT", help="Why, in a sentence. It stays on the record.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines, and nothing else.")]


@dataclass
class Options:
    """What was said before the command."""

    url: str | None
    state: Path
    token: str | None
    json: bool = False

    def where(self, name: str) -> str | None:
        """What the station that runs in the state folder wrote down: `gateway`, `temporal`, `temporal_ui`."""
        try:
            found = json.loads((self.state / "station.json").read_text(encoding="utf-8"))
            return str(found[name])
        except (OSError, ValueError, LookupError, TypeError):
            return None


@dataclass
class Desk:
    """One command's surroundings."""

    options: Options
    person: str | None
    console: Console

    @classmethod
    def of(cls, ctx: typer.Context, person: str | None = None, *, as_json: bool = False) -> "Desk":
        """The desk for this call."""
        options: Options = ctx.obj
        options.json = as_json
        return cls(options, person, terminal())

    @property
    def json(self) -> bool:
        """Whether a machine reads the answer."""
        return self.options.json

    def gateway(self, token_name: str | None = None) -> Gateway:
        """The station's gateway, spoken to with the person's (or the bell's) token."""
        return Gateway(
            self.options.url or self.options.where("gateway") or DEFAULT_URL,
            self._token(token_name or self.person),
            self._waits,
        )

    def _waits(self, why: str) -> None:
        """Tell whoever sits there, and no machine, that it takes longer."""
        if not self.json:
            print(f"firestation: {plain(why)}", file=sys.stderr)

    def answer(self, data: Any) -> None:
        """Print for a machine: ASCII JSON on standard output."""
        print(json.dumps(data, indent=None if not sys.stdout.isatty() else 2))

    def _token(self, name: str | None) -> str | None:
        """The token of this name in the state folder; without a name or a file, the one from FIRESTATION_TOKEN."""
        if name is None:
            return self.options.token
        if not NAME.match(name):
            raise InvalidInput(
                "--as", f"{name[:80]!r} is not a name", "Write the id of one of the station's people"
            )
        path = self.options.state / "tokens" / name
        try:
            return read_secret(path)
        except FileNotFoundError:
            if self.options.token:
                return self.options.token
        raise Denied(
            f"there is no token for {name}: {path} does not exist and FIRESTATION_TOKEN is not set. "
            "Name the station's state folder with --state, or one of its people with --as"
        )


def read_secret(path: Path) -> str:
    """A token from a file that only its owner may read. Raises `FileNotFoundError`, `NotConfigured`."""
    try:
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise NotConfigured(f"{path} can be read by others; run: chmod 600 {path}")
        token = path.read_text(encoding="ascii").strip()
    except PermissionError as error:
        raise NotConfigured(f"{path} cannot be read by you; ask for a token of your own") from error
    except UnicodeDecodeError as error:
        raise NotConfigured(f"{path} does not hold a token; let `firestation up` write it anew") from error
    if not token:
        raise NotConfigured(f"{path} is empty; let `firestation up` write it anew")
    return token


def terminal() -> Console:
    """The console that all commands print to: no markup, no guessing at what is a number or a path."""
    return Console(markup=False, highlight=False, emoji=False, soft_wrap=False)
