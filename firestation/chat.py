"""Acts from chat: from what somebody wrote in an incident's room to an act, or a question; and the words of the answer.

A command stands at the very beginning of a message: `!ack`, `!note …`, `!update …`, `!show`, `!help`. `!approve` and
`!refuse` decide nothing: they are answered with a link to the plan, for the page is where one sees what one decides on.
Nothing else that is written does anything: no bare word, no quotation.
"""

import re
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Literal, TypeVar

from pydantic import ValidationError

from firestation.acts import Acknowledge, Act, Note, Update
from firestation.complaints import first_invalid
from firestation.errors import InvalidInput
from firestation.model import Id, Line, Model, Plain, Time
from firestation.picture import Picture
from firestation.plan import Plan
from firestation.state import ENDS

COMMAND = re.compile(r"!([a-z]{2,20})(?:\s(.*))?", re.IGNORECASE | re.DOTALL)
NAMES = frozenset({"ack", "note", "update", "show", "help", "approve", "refuse"})
FIELD = re.compile(r"(?:^|[\n|])[ \t]*(known|unknown|doing)\b[ \t]*:?", re.IGNORECASE)
SHORTEST_PREFIX, SHORT = 8, 12

TOO_OLD = timedelta(minutes=10)
"""What was written longer ago is not done: much may have happened meanwhile."""

NOTE_TOO_OLD = timedelta(days=1)
"""A note is, for a day, with the time at which it was written."""

DELAYED = timedelta(minutes=1)
"""A note that was heard so late says when it was written."""

LINK_LIFE = timedelta(hours=1)
SHOWN_PLANS, SHOWN_WAITS = 3, 3

HELP = (
    "!ack takes the incident: you are the captain (!ack scribe, comms or investigator takes that role)\n"
    "!note TEXT notes what you suppose, or saw\n"
    "!update known TEXT | unknown TEXT | doing TEXT is a word to the team; each may be a line of its own\n"
    "!show tells how it stands\n"
    "!approve DIGEST, !refuse DIGEST give you a link to the plan, where you decide\n"
    "Each is done in your own name. Everything else is on the board: {board}"
)


class Said(Model):
    """A message in a room that may be a command. Who said it is the homeserver's word.

    The answer goes to `thread`. `at` is when it was written, by the clock of the sender's homeserver.
    """

    event: Line
    room: Line
    thread: Line
    sender: Line
    text: Plain
    at: Time


class Ask(Model):
    """A command that changes nothing. `action` is the beginning of a digest."""

    kind: Literal["show", "help", "approve", "refuse"]
    action: str = ""


Command = Acknowledge | Note | Update | Ask


def is_command(text: str) -> bool:
    """Whether it looks like one, known or not."""
    return COMMAND.fullmatch(text.rstrip()) is not None


def read(said: Said, by: Id, now: datetime) -> Command:
    """The command. Raises `InvalidInput` naming what is wrong with it, and for what is no command, or too old a one."""
    found = COMMAND.fullmatch(said.text.rstrip())
    word, rest = (found[1].lower(), (found[2] or "").strip()) if found else ("", "")
    if word not in NAMES:
        raise InvalidInput(f"!{word}", "there is no such command", "Type !help")
    age = now - said.at
    if age > (NOTE_TOO_OLD if word == "note" else TOO_OLD):
        problem = "it was written too long ago to be done now"
        raise InvalidInput(f"!{word}", problem, "See how it stands with !show, and say it again")
    match word:
        case "ack":
            return _made(Acknowledge, {"by": by, "role": rest.lower() or None})
        case "note":
            return _made(Note, {"by": by, "text": rest, "at": said.at if age > DELAYED else None})
        case "update":
            return _made(Update, {"by": by, **_fields(rest)})
        case _:
            return Ask.model_validate({"kind": word, "action": rest.lower()})


def _fields(text: str) -> dict[str, str]:
    """The fields of an update: each begins with its name, on a new line or after a bar; what has no name is known."""
    names = list(FIELD.finditer(text))
    unnamed = text[: names[0].start()].strip() if names else text
    found = {"known": unnamed} if unnamed else {}
    for one, end in pairwise([*(each.span() for each in names), (len(text), 0)]):
        name = text[one[0] : one[1]].strip("\n| \t:").lower()
        if name in found:
            raise InvalidInput(name, "it stands there twice", f"Write it once: !update {name} TEXT")
        found[name] = text[one[1] : end[0]].strip("| \t\n")
    if "known" not in found:
        raise InvalidInput("known", "nothing is said to be known", "Write !update known TEXT | unknown TEXT")
    return found


Made = TypeVar("Made", bound=Model)


def _made(model: type[Made], given: dict[str, object]) -> Made:
    """The act. Raises `InvalidInput` naming the first field that is wrong."""
    try:
        return model.model_validate({name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        raise first_invalid(error, model) from None


def plan_of(seen: Picture, prefix: str) -> Plan:
    """The plan that waits for a decision whose digest begins so. Raises `InvalidInput` unless it is exactly one."""
    known = [each.digest[:SHORT] for each in seen.plans]
    choice = f"Type !approve {known[0]}" if len(known) == 1 else f"There is {', '.join(known) or 'none'}"
    if len(prefix) < SHORTEST_PREFIX:
        raise InvalidInput("action", f"give at least {SHORTEST_PREFIX} characters of its digest", choice)
    found = [each for each in seen.plans if each.digest.startswith(prefix)]
    if len(found) != 1:
        problem = f"{len(found) or 'no'} plans that wait for a decision begin so"
        raise InvalidInput("action", problem, choice)
    return found[0]


def until(seen: Picture, plan: Plan, now: datetime) -> datetime:
    """How long the link to a plan holds: until nobody decides any more, an hour at most."""
    ends = [each.decide_by for each in seen.firebreaks if each.digest == plan.digest]
    return min([*ends, now + LINK_LIFE])


# The words of the answers --------------------------------------------------------------------------------------


def done(act: Act) -> str:
    """An act was accepted."""
    match act:
        case Acknowledge():
            return f"Done: {act.by} is the {act.role}."
        case Note():
            return (
                "Done: noted as a hypothesis. With firestation establish, or on the board, it becomes a fact."
            )
        case _:
            return "Done: the word goes to the team. Words to customers are written on the board."


def refused(rule: int, title: str, missing: str) -> str:
    """The incident refused it."""
    return f"Refused by rule {rule}, {title}: {missing}" if rule else f"Refused: {missing}"


def wrong(error: InvalidInput) -> str:
    """A command that cannot be read; nothing was done."""
    return f"Not done. {error}."


def stranger(sender: str) -> str:
    """Whoever is no one of the station's people."""
    return (
        f"{sender} is the contact of nobody of this station, or of several, so nothing was done; I do not answer you "
        "again here. Whoever keeps the station file can add it to one person: contacts, kind: matrix."
    )


def link(by: Id, plan: Plan, address: str, end: datetime) -> str:
    """The answer to `!approve` and `!refuse`."""
    return (
        f"Nothing is decided yet. {by}: see the whole plan ({plan.change}), and decide there: {address}\n"
        f"It opens for {by} alone, who has to log in, until {end:%H:%M:%S} UTC. Digest: {plan.digest}"
    )


SEALED = (
    "This room is encrypted, and I read no encrypted messages: no command here does anything. See {board}"
)
AWAY = (
    "Heard, and not done yet: the incident does not answer. I try again, for ten minutes; a note, for a day."
)
FAILED = "Not done: the station failed on it, and its log says why. Try it on the board."
EARLIER = "This room is of an earlier fire. What burns now has a room of its own."


def shown(seen: Picture) -> str:
    """The answer to `!show`."""
    how = str(seen.severity) if seen.severity else f"{seen.proposal.severity} (proposed)"
    lines = [f"{seen.title}: {seen.phase}, {how}. Captain: {seen.captain or 'nobody'}."]
    said = [each for each in seen.words if each.audience == "internal"]
    lines += [f"Known: {said[-1].known}"] if said else []
    for each in seen.waiting[:SHOWN_WAITS]:
        due = f", due {each.due:%H:%M} UTC" if each.due else ""
        lines.append(f"It waits for {each.what} ({each.who}{due})")
    return "\n".join(lines)


def following(seen: Picture) -> str:
    """What can be typed next."""
    if seen.phase in ENDS:
        return f"It is over: {seen.phase}."
    lines = [] if seen.captain else ["Next: !ack, nobody is captain."]
    lines += [f"Next: !approve {each.digest[:SHORT]} ({each.change})" for each in seen.plans[:SHOWN_PLANS]]
    return "\n".join(lines or ["Next: !show, or !help."])
