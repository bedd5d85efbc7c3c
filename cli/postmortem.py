"""The postmortem in a terminal: read it, write it, and keep everybody's edits when several write at once."""

import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markdown import Markdown

from cli.client import Gateway, Newer
from cli.desk import As, Desk, Incident, Json
from cli.errors import ExitCode
from cli.files import write_text
from cli.plain import plain, visible
from cli.teach import teach
from firestation.errors import ORDER, InvalidInput, Refused
from firestation.model import count
from firestation.postmortem.merge import Names, merge

postmortem = typer.Typer(no_args_is_help=True, help="The postmortem: read it, and write in it.")

HEADER = re.compile(r"\A<!-- firestation postmortem (\S+) version (\d+)[^\n]*-->\n*")
TRIES = 5
NAMES = Names("by you", "by others")

Editor = Annotated[
    str,
    typer.Option(
        "--editor", metavar="COMMAND", envvar=["VISUAL", "EDITOR"], help="What to edit with; otherwise vi."
    ),
]
Base = Annotated[
    int | None,
    typer.Option(
        "--base",
        metavar="NUMBER",
        min=1,
        help="The version that you began from, if the file does not say so.",
    ),
]


def show(
    ctx: typer.Context,
    incident: Incident,
    *,
    raw: Annotated[
        bool, typer.Option("--raw", help="As Markdown, with a first line that `put` reads.")
    ] = False,
    version: Annotated[
        int | None, typer.Option("--version", metavar="NUMBER", min=1, help="An earlier version.")
    ] = None,
    who: As = None,
    as_json: Json = False,
) -> None:
    """Show the postmortem as it stands, with everybody's edits.

    Example:
      firestation postmortem show refund-agent-1a2b3c4d
      firestation postmortem show refund-agent-1a2b3c4d --raw > postmortem.md

    Next: `firestation postmortem edit` opens it in your editor.
    """
    desk = Desk.of(ctx, who, as_json=as_json)
    gateway = desk.gateway()
    found = gateway.postmortem(gateway.find(incident), version)
    text = "\n".join(visible(line) for line in str(found["text"]).split("\n"))
    if desk.json:
        desk.answer(found)
    elif raw:
        print(_header(found) + text, end="")
    else:
        desk.console.print(Markdown(text, hyperlinks=False))
        desk.console.print()
        _tell(desk, found, "")


def edit(
    ctx: typer.Context, incident: Incident, *, editor: Editor = "vi", who: As = None, as_json: Json = False
) -> None:
    """Edit the postmortem. What the engine or others change meanwhile is merged with it.

    The file stays where it is until what you wrote is kept.

    Example:
      firestation postmortem edit refund-agent-1a2b3c4d

    Next: `firestation postmortem show` shows it; it is drafted again with your words in it.
    """
    desk = Desk.of(ctx, who, as_json=as_json)
    gateway = desk.gateway()
    began = gateway.postmortem(gateway.find(incident))
    file = Path(tempfile.mkdtemp(prefix="firestation-")) / f"postmortem-{began['incident']}.md"
    write_text(file, _header(began) + began["text"])
    _open(editor, file)
    text = _written(file)
    if text == began["text"]:
        _tell(desk, began, "nothing was changed: ")
    else:
        _tell(desk, _keep(gateway, began, text, file), "kept: ")
    file.unlink()
    file.parent.rmdir()


def put(
    ctx: typer.Context,
    incident: Incident,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The document in Markdown.")],
    *,
    base: Base = None,
    who: As = None,
    as_json: Json = False,
) -> None:
    """Keep a file as the postmortem. What others changed since the version that it began from is merged with it.

    Example:
      firestation postmortem put refund-agent-1a2b3c4d postmortem.md

    Next: `firestation postmortem show` shows it as it stands.
    """
    desk = Desk.of(ctx, who, as_json=as_json)
    gateway = desk.gateway()
    text, name = _written(file), gateway.find(incident)
    said = HEADER.match(_read(file))
    if said and said[1] != name:
        raise InvalidInput(
            "file", f"{file} is the postmortem of {plain(said[1])}", f"Put it there, not to {name}"
        )
    number = base or (int(said[2]) if said else None)
    if number is None:
        problem = "nothing says from which version it was made"
        raise InvalidInput("--base", problem, "Name it; firestation postmortem show has the number")
    _tell(desk, _keep(gateway, gateway.postmortem(name, number), text, file), "kept: ")


def _keep(gateway: Gateway, began: dict[str, Any], text: str, file: Path) -> dict[str, Any]:
    """Keep it, merged with what is newer.

    Raises `Refused` when somebody else changed the same lines: both are in the file then, for a person to settle.
    """
    for _ in range(TRIES):
        try:
            return gateway.write_postmortem(began["incident"], text, began["etag"])
        except Newer:
            latest = gateway.postmortem(began["incident"])
        both = merge(began["text"], text, latest["text"], NAMES)
        if both.conflicts:
            write_text(file, _header(latest) + both.text)
            same = f"{count(both.conflicts, 'passage')} changed by you and by {latest['by'] or 'the engine'}"
            again = f"firestation postmortem put {began['incident']} {file}"
            raise Refused(0, ORDER, f"{same}; both versions are in {file}. Settle it, then: {again}")
        text, began = both.text, latest
    raise Refused(0, ORDER, f"others keep writing; yours is in {file}. Try again in a moment")


def _header(found: dict[str, Any]) -> str:
    return (
        f"<!-- firestation postmortem {found['incident']} version {found['version']}; leave this line -->\n"
    )


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").replace("\r\n", "\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput("file", f"{file} cannot be read", "Name a text file in UTF-8") from error


def _written(file: Path) -> str:
    """What stands in the file, without the line that says from which version it began."""
    return HEADER.sub("", _read(file))


def _open(editor: str, file: Path) -> None:
    """Wait until the editor is closed. Raises `InvalidInput` when it cannot be opened or fails."""
    try:
        code = subprocess.run([*shlex.split(editor), str(file)], check=False).returncode  # noqa: S603 - theirs
    except (OSError, ValueError) as error:
        problem = f"{editor!r} cannot be started"
        raise InvalidInput("--editor", problem, "Name your editor, or set EDITOR") from error
    if code != ExitCode.OK:
        raise InvalidInput(
            "--editor", f"{editor!r} ended with {code}, so nothing is kept", f"It is in {file}"
        )


def _tell(desk: Desk, found: dict[str, Any], what: str) -> None:
    if desk.json:
        desk.answer({name: value for name, value in found.items() if name != "text"})
        return
    conflicts = found.get("conflicts") or 0
    more = f"; {count(conflicts, 'passage')} to settle" if conflicts else ""
    by = plain(found.get("by") or "the engine")
    print(
        f"{what}version {found['version']}, {found['kind']} by {by}, {plain(found['at'])}{more}",
        file=sys.stdout,
    )


teach(postmortem, "show", show)
teach(postmortem, "edit", edit)
teach(postmortem, "put", put)
