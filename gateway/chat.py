"""What somebody wrote in an incident's room, done in their name and answered: by the desk, as everything else.

Who they are is what the homeserver says of the sender, and whose contact that is in the station file. The incident
decides; here nobody is believed anything else.
"""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

import structlog

from firestation import chat
from firestation.acts import Act
from firestation.authority import Member, Station
from firestation.chat import Ask, Said
from firestation.contacts import ContactKind
from firestation.drivers.matrix_ears import Place
from firestation.errors import ORDER, Gone, InvalidInput, NotConfigured, Refused, Unreachable
from firestation.links import PlanLink, mark_of
from firestation.picture import Picture
from gateway.book import Books
from workflows.messages import Answer

log = structlog.get_logger()

PlanAddress = Callable[[PlanLink, datetime], str]
"""The address at which this link is opened, until that time."""


class ChatDesk(Protocol):
    """What chat asks of the desk."""

    async def act(self, incident: str, act: Act, key: str | None = None) -> Answer: ...  # noqa: D102 - see Desk
    async def picture(self, incident: str) -> Picture: ...  # noqa: D102


class Reply(NamedTuple):
    """What is answered, under which name; `once` is for good, however often it would be answered."""

    text: str
    key: str
    once: bool = False


class Clerk:
    """Reads, has it done, and says what came of it. `home` is the gateway's address as a browser has it."""

    def __init__(
        self,
        desk: ChatDesk,
        books: Books,
        address: PlanAddress,
        home: str,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.desk, self.books, self.address, self.home, self.clock = desk, books, address, home, clock

    async def reply(self, said: Said, place: Place, *, behind: bool = False) -> Reply | None:
        """The answer to a command; None where it is not ours to give. Raises `Unreachable` while nobody can say.

        Asked again, the act is done once: its key is the event's. `behind` another that waits it is not done yet.
        """
        member = person_of((await self.books.latest()).station, said.sender)
        if member is None:
            log.warning("chat from nobody we know", sender=said.sender, incident=place.incident)
            return Reply(chat.stranger(said.sender), f"stranger/{said.room}/{said.sender}", once=True)
        try:
            text = await self._done(said, member.id, place, behind=behind)
        except InvalidInput as error:
            text = chat.wrong(error)
        except Refused as error:
            text = chat.refused(error.rule, error.title, error.missing)
        except NotConfigured as error:
            log.warning("chat could not be done", incident=place.incident, problem=str(error))
            text = chat.FAILED
        except Gone:  # of another station that speaks by the same user
            return None
        return Reply(text, f"answer/{said.room}/{said.event}")

    def board(self, incident: str) -> str:
        """The address of the incident's page."""
        return f"{self.home}/board/{incident}"

    async def _done(self, said: Said, by: str, place: Place, *, behind: bool) -> str:
        command = chat.read(said, by, self.clock())
        if behind:
            raise Unreachable("something that was said before waits to be done")
        seen = await self.desk.picture(place.incident)
        if seen.run != place.run:
            return chat.EARLIER
        if isinstance(command, Ask):
            return self._asked(command, seen, by)
        answer = await self.desk.act(place.incident, command, key_of(said))
        log.info(
            "act", incident=place.incident, act=command.kind, by=by, accepted=answer.accepted, by_chat=True
        )
        if answer.accepted:
            text = chat.done(command)
        else:
            text = chat.refused(answer.rule, answer.title or ORDER, answer.missing or "")
        return f"{text}\n{chat.following(await self.desk.picture(place.incident))}"

    def _asked(self, command: Ask, seen: Picture, by: str) -> str:
        match command.kind:
            case "help":
                return chat.HELP.format(board=self.board(seen.incident))
            case "show":
                return f"{chat.shown(seen)}\n{chat.following(seen)}\n{self.board(seen.incident)}"
        plan = chat.plan_of(seen, command.action)
        end = chat.until(seen, plan, self.clock())
        link = PlanLink(incident=seen.incident, mark=mark_of(seen.run), person=by, action=plan.digest)
        log.info("a link to a plan", incident=seen.incident, of=by, action=plan.digest)
        return chat.link(by, plan, self.address(link, end), end)


def person_of(station: Station, sender: str) -> Member | None:
    """Whose contact this Matrix user is; nobody where it is that of two, for nobody could tell which."""
    found = [
        person
        for person in station.people
        if any(each.kind is ContactKind.MATRIX and each.to == sender for each in person.contacts)
    ]
    return found[0] if len(found) == 1 else None


def key_of(said: Said) -> str:
    """The name under which what this event says is done once, by however many gateways hear it."""
    return f"chat-{hashlib.sha256(f'{said.room} {said.event}'.encode()).hexdigest()[:32]}"
