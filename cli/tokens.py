"""Access tokens for the station's people: made, listed, revoked, in the register itself; no station need run."""

import asyncio
import os
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import TypeAdapter, ValidationError
from rich.text import Text

from cli.desk import Desk, Json
from cli.errors import exit_code, message
from cli.plain import plain
from cli.show import say
from cli.teach import teach
from firestation import tokens
from firestation.drivers.register import Register, open_register
from firestation.errors import DriverError, Gone, InvalidInput, Nonsense
from firestation.loader import load_station
from firestation.model import Duration, Line
from firestation.settings import Settings
from firestation.tokens import KINDS, LONGEST, RANDOM_BYTES, Held, Kind, Scope, Token

FILE = Path("station.yaml")
SPAN: TypeAdapter[timedelta] = TypeAdapter(Duration)
NAME: TypeAdapter[str] = TypeAdapter(Line)
SHOWN_NAME = 40

token = typer.Typer(
    no_args_is_help=True, help="Access tokens for the station's people; kept as SHA-256 only."
)

StationFile = Annotated[
    Path, typer.Option("--station", metavar="FILE", envvar="FIRESTATION_STATION", help="The station file.")
]


def new(
    ctx: typer.Context,
    *,
    person: Annotated[
        str, typer.Option("--person", metavar="NAME", help="Whose it is: one of the station's people.")
    ],
    scope: Annotated[
        list[str] | None,
        typer.Option(
            "--scope",
            metavar="SCOPE",
            help="What it is good for: look, act, ring; may be repeated. Otherwise all.",
        ),
    ] = None,
    expires: Annotated[
        str, typer.Option("--expires", metavar="DURATION", help="When it ends; a year is the most.")
    ] = "90d",
    name: Annotated[
        str | None, typer.Option("--name", metavar="TEXT", help="What it is for, such as 'laptop'.")
    ] = None,
    station: StationFile = FILE,
    as_json: Json = False,
) -> None:
    """Make a token for one of the people, and print it. It is shown this once.

    Example:
      firestation token new --person ana --scope look --expires 30d --name 'wall screen'

    Next: its owner exports it as FIRESTATION_TOKEN, or logs in with it in a browser.
    """
    desk = Desk.of(ctx, as_json=as_json)
    known = load_station(station)
    if known.person(person) is None:
        people = ", ".join(each.id for each in known.people)
        raise InvalidInput(
            "--person", f"{person[:80]!r} is not one of the station's people", f"They are {people}"
        )
    made, text = tokens.mint(
        os.urandom(RANDOM_BYTES),
        person=person,
        now=datetime.now(UTC),
        lifetime=_lifetime(expires),
        scopes=_scopes(scope),
        name=_name(name),
    )
    asyncio.run(_register(desk).add(made))
    if desk.json:
        desk.answer({"token": text, **_told(made)})
        return
    print(text)
    print(
        f"It is {made.person}'s, for {', '.join(made.scopes)}, until {_day(made.expires)}, and is not shown again.\n"
        f"To end it before: firestation token revoke {made.id}",
        file=sys.stderr,
    )


def listing(ctx: typer.Context, *, as_json: Json = False) -> None:
    """List the tokens and the open sessions: whose, what for, until when, last used on which day.

    Example:
      firestation token list --json

    Next: `firestation token revoke ID` ends one.
    """
    desk = Desk.of(ctx, as_json=as_json)
    now = datetime.now(UTC)
    found, unread = asyncio.run(_all(_register(desk), now))
    _warn(unread)
    if desk.json:
        desk.answer(
            [
                {**_told(held.token), "state": _state(held, now), "last_used": used and used.isoformat()}
                for held, used in found
            ]
        )
        return
    for held, used in found:
        say(desk.console, _line(held, used, now))
    if not found and not unread:
        say(desk.console, Text("There is no token. Make one: firestation token new --person NAME"))


def revoke(
    ctx: typer.Context,
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="ID", help="The id of a token or a session.")
    ] = None,
    *,
    person: Annotated[
        str | None, typer.Option("--person", metavar="NAME", help="All that this person has, sessions too.")
    ] = None,
    as_json: Json = False,
) -> None:
    """End tokens and sessions, within seconds at every gateway. A token takes the sessions with it that it opened.

    Example:
      firestation token revoke --person ana

    Next: `firestation token list` shows what is left.
    """
    desk = Desk.of(ctx, as_json=as_json)
    if not ids and not person:
        raise InvalidInput(
            "ID", "nothing is named", "Write an id from `firestation token list`, or --person NAME"
        )
    ended, unread = asyncio.run(_revoke(_register(desk), [_number(each) for each in ids or ()], person))
    if desk.json:
        desk.answer({"revoked": ended} | ({"unread": [message(each) for each in unread]} if unread else {}))
    else:
        say(desk.console, Text(f"Revoked: {', '.join(ended) or 'nothing that was still good'}."))
    _warn(unread)
    if unread:
        raise typer.Exit(exit_code(unread[0]))


def _warn(unread: list[DriverError]) -> None:
    for error in unread:
        print(f"firestation: {message(error)}", file=sys.stderr)


def _register(desk: Desk) -> Register:
    settings = Settings.from_environment().changed(state=desk.options.state)
    return open_register(settings.access_store)


async def _all(register: Register, now: datetime) -> tuple[list[tuple[Held, date | None]], list[DriverError]]:
    made, sessions = await register.all("token"), await register.all("session")
    shown = [*made.held, *(each for each in sessions.held if not each.ended(now))]
    return [(held, await register.last_used(held.token.id)) for held in shown], made.unread + sessions.unread


async def _revoke(
    register: Register, ids: list[str], person: str | None
) -> tuple[list[str], list[DriverError]]:
    """End those, and what this person has; what cannot be read, and may be theirs, comes back as the errors.

    Raises `Gone` before anything is ended when one of the ids is unknown.
    """
    now, unread = datetime.now(UTC), list[DriverError]()
    for number in ids:
        if not (await _known(register, "token", number) or await _known(register, "session", number)):
            raise Gone(f"there is no token {number}. See what there is: firestation token list")
    if person:
        for kind in KINDS.values():
            held, others = await register.all(kind)
            ids += [each.token.id for each in held if each.token.person == person and not each.ended(now)]
            unread += others
    return [number for number in ids if await register.revoke(number, now)], unread


async def _known(register: Register, kind: Kind, number: str) -> bool:
    """Whether there is one, whether or not it can be read: it can be ended."""
    try:
        return await register.find(kind, number) is not None
    except Nonsense:
        return True


def _number(text: str) -> str:
    """The id; also of a whole token, as one may find it where it should not be."""
    given = tokens.read(text)
    number = given.id if given else text
    if not tokens.is_id(number):
        raise InvalidInput("ID", "it is not the id of a token", "Copy one from: firestation token list")
    return number


def _lifetime(text: str) -> timedelta:
    try:
        span = SPAN.validate_python(text)
    except (ValidationError, OverflowError):
        span = timedelta()
    if not timedelta() < span <= LONGEST:
        raise InvalidInput(
            "--expires",
            f"{text[:40]!r} is not a time that a token may last",
            "Write it like 90d; 366d at most",
        )
    return span


def _scopes(given: list[str] | None) -> tuple[Scope, ...]:
    words = [word.strip() for each in given or list(Scope) for word in each.split(",")]
    for word in words:
        if word not in set(Scope):
            raise InvalidInput("--scope", f"{word[:40]!r} is no scope", f"There are {', '.join(Scope)}")
    return tuple(Scope(word) for word in words)


def _name(text: str | None) -> str | None:
    try:
        return text and NAME.validate_python(text)
    except ValidationError:
        raise InvalidInput(
            "--name", "it is empty or too long", "Write what the token is for, in a line"
        ) from None


def _told(made: Token) -> dict[str, Any]:
    return made.model_dump(mode="json", exclude={"digest"})


def _state(held: Held, now: datetime) -> str:
    return held.ended(now) or "good"


def _line(held: Held, used: date | None, now: datetime) -> Text:
    made, state = held.token, _state(held, now)
    about = f" '{plain(made.name)[:SHOWN_NAME]}'" if made.name else ""
    what = f"{made.person}: {made.kind}{about}, {', '.join(made.scopes)}, until {_day(made.expires)}"
    last = f", last used {used.isoformat()}" if used else ""
    return Text.assemble(
        (made.id, "bold"), f"  {what}{last}", ("" if state == "good" else f"  {state.upper()}", "red")
    )


def _day(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d}"


teach(token, "new", new)
teach(token, "list", listing)
teach(token, "revoke", revoke)
