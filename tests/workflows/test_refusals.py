"""Every way to be refused, through HTTP, as an update and as a signal: the same reason each time, on the record."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from temporalio.testing import WorkflowEnvironment

from firestation import acts, tokens
from firestation.allowed_signers import AllowedSigner
from firestation.authority import Bell, Member, Person, Role, Station
from firestation.decision import Signed
from firestation.drivers.register import open_register
from firestation.firebreak import Action, Lease
from firestation.lock_plan import LockPlan
from firestation.picture import Picture
from firestation.secrets import ReferenceSecrets
from firestation.severity import Severity
from firestation.system import Position
from firestation.testing import MemoryEvidence, MemoryShelf
from gateway.app import create_app
from gateway.auth import Doorkeeper
from gateway.book import Book
from gateway.desk import Desk
from gateway.front import Front
from tests.gateway.conftest import Standing
from tests.gateway.desks import a_desk
from tests.property import worlds
from tests.property.signatures import decision, new_key, signed
from tests.property.worlds import KEYS
from tests.workflows.stage import SERVERS, Stage, firebreak, short_brief, staged, stands

SPEAKERS = ("ana", "ben", "cara", "dan", "eve", "fay")
STRANGERS_KEY = new_key("somebody else's laptop")


@dataclass
class Night:
    """One incident, a gateway before it, and what the cases need to know of it."""

    stage: Stage
    http: httpx.AsyncClient
    tokens: dict[str, str]
    seen: Picture

    def digest(self, lever: str) -> str:
        found = firebreak(self.seen, lever)
        assert found is not None
        return found.digest

    def action(self, lever: str, **changes: Any) -> str:
        """The digest of nearly the same action."""
        found = firebreak(self.seen, lever)
        assert found is not None
        return Action.model_validate(found.action.model_dump() | changes).sha256()

    def word(self, by: str, key: str = "", lever: str = "reranker", **changes: Any) -> Signed:
        """A signed decision, but for the changes."""
        named = self.seen.incident, self.seen.run, self.digest(lever)
        made = decision(named, by, datetime.now(UTC), changes)
        return signed(made, STRANGERS_KEY if key == "nobody" else KEYS[key or by])

    def approve(self, by: str, lever: str = "reranker", **fields: Any) -> acts.Approve:
        return acts.Approve.model_validate({"by": by, "action": self.digest(lever), **fields})

    async def refused(self, act: acts.Act) -> set[str]:
        """The reasons that the three ways give; each refusal stands on the record."""
        before = len(refusals(await self.stage.picture()))
        headers = {"Authorization": f"Bearer {self.tokens[act.by]}"}
        body = act.model_dump(mode="json", exclude={"kind", "by"}, exclude_unset=True)
        answer = await self.http.post(
            f"/incidents/{self.stage.brief.incident}/{act.kind}", json=body, headers=headers
        )
        assert answer.status_code == 409, answer.text
        update = await self.stage.act(act)
        assert not update.accepted, act
        await self.stage.handle.signal(act.kind, act)
        seen = await self.stage.until(
            "the refusals on the record", lambda seen: len(refusals(seen)) == before + 3
        )
        assert len(set(refusals(seen)[-3:])) == 1
        assert str(update.missing) in refusals(seen)[-1]
        return {answer.json()["missing"], str(update.missing)}


def refusals(seen: Picture) -> list[str]:
    return [moment.text for moment in seen.timeline if moment.kind == "turned-away"]


class Case(NamedTuple):
    """One way to be refused, and the words that say why."""

    name: str
    act: Callable[[Night], acts.Act]
    says: str


ALONE = [
    Case("nobody is the captain yet", lambda n: n.approve("ana", "tool"), "there is no captain yet"),
    Case(
        "declared by nobody's captain",
        lambda n: acts.Declare(by="ana", severity=Severity.SEV1, reason="bad"),
        "there is no captain yet",
    ),
    Case(
        "a captain without the role", lambda n: acts.Acknowledge(by="cara"), "does not hold the role captain"
    ),
    Case("taken by an auditor", lambda n: acts.Acknowledge(by="dan"), "does not hold the role captain"),
    Case("taken by a stranger", lambda n: acts.Acknowledge(by="eve"), "not on the roster"),
    Case("nothing was offered", lambda n: acts.Accept(by="ben"), "was not offered to ben"),
]
"""Before anybody has taken it."""

TAKEN = [
    Case("not the captain", lambda n: n.approve("ben", "tool"), "the captain is ana"),
    Case("comms", lambda n: n.approve("cara", "tool"), "the captain is ana"),
    Case("an auditor", lambda n: n.approve("dan", "tool"), "the captain is ana"),
    Case("not on the roster", lambda n: n.approve("eve", "tool"), "not on the roster"),
    Case("a second captain", lambda n: acts.Acknowledge(by="ben"), "only by handover and accept"),
    Case("no such action", lambda n: n.approve("ana", action="f" * 64), "no action of this incident"),
    Case(
        "a changed action",
        lambda n: n.approve("ana", action=n.action("tool", to=Position(value="limited"))),
        "no action of this incident",
    ),
    Case(
        "an action that lasts longer",
        lambda n: n.approve("ana", action=n.action("tool", expires_after=timedelta(days=9))),
        "no action of this incident",
    ),
    Case(
        "the same action of another incident",
        lambda n: n.approve("ana", action=n.action("tool", incident="refund-agent-ffffffff")),
        "no action of this incident",
    ),
    Case(
        "the same action of an earlier run",
        lambda n: n.approve("ana", action=n.action("tool", run="an-earlier-run")),
        "no action of this incident",
    ),
    Case("unsigned where a signature is demanded", lambda n: n.approve("ana"), "demands a signature"),
    Case(
        "signed with another's key",
        lambda n: n.approve("ana", signed=n.word("ana", key="ben")),
        "nobody is allowed to sign with",
    ),
    Case(
        "signed with a key of nobody",
        lambda n: n.approve("ana", signed=n.word("ana", key="nobody")),
        "nobody is allowed to sign with",
    ),
    Case(
        "signed with a key that has ended",
        lambda n: n.approve("fay", signed=n.word("fay", key="dan")),
        "is valid until 2026-01-01",
    ),
    Case(
        "signed in another's name",
        lambda n: n.approve("ana", signed=n.word("ben")),
        "nobody is allowed to sign with|the signed decision is ben's",
    ),
    Case(
        "signed for another action",
        lambda n: n.approve("ana", signed=n.word("ana", lever="tool")),
        "names another action",
    ),
    Case(
        "signed for another incident",
        lambda n: n.approve("ana", signed=n.word("ana", incident="refund-agent-ffffffff")),
        "names another incident",
    ),
    Case(
        "signed for another run",
        lambda n: n.approve("ana", signed=n.word("ana", run="another-run")),
        "names another run",
    ),
    Case(
        "signed as a refusal",
        lambda n: n.approve("ana", signed=n.word("ana", kind="refuse")),
        "names another decision",
    ),
    Case(
        "signed for another reason",
        lambda n: n.approve("ana", reason="it is safe", signed=n.word("ana", reason="I am told to")),
        "names another reason",
    ),
    Case(
        "signed long ago",
        lambda n: n.approve(
            "ana",
            signed=n.word(
                "ana",
                at=datetime.now(UTC) - timedelta(hours=3),
                expires_at=datetime.now(UTC) - timedelta(hours=2),
            ),
        ),
        "was good until",
    ),
    Case(
        "signed in the future",
        lambda n: n.approve(
            "ana",
            signed=n.word(
                "ana",
                at=datetime.now(UTC) + timedelta(days=30),
                expires_at=datetime.now(UTC) + timedelta(days=31),
            ),
        ),
        "from the future",
    ),
    Case(
        "one byte changed after it was signed",
        lambda n: n.approve("ana", signed=changed(n.word("ana"), "decision")),
        "does not fit",
    ),
    Case(
        "one byte of the signature changed",
        lambda n: n.approve("ana", signed=changed(n.word("ana"), "signature")),
        "the signature does not count",
    ),
    Case("refused by another", lambda n: acts.Refuse(by="ben", action=n.digest("tool"), reason="no"), "ana"),
    Case("handed over by another", lambda n: acts.Handover(by="ben", to="ben"), "already|captain is ana"),
    Case("handed over to comms", lambda n: acts.Handover(by="ana", to="cara"), "does not hold the role"),
    Case("accepted by whom it was not offered", lambda n: acts.Accept(by="ben"), "was not offered to ben"),
    Case("declined by whom it was not offered", lambda n: acts.Decline(by="ben", reason="no"), "not offered"),
    Case("laid down by another", lambda n: acts.Renounce(by="ben", reason="no"), "ben is not the captain"),
    Case("stopped by another", lambda n: acts.Stop(by="ben", reason="no"), "the captain is ana"),
]
"""Ana is the captain; the tool waits for her word, the reranker for two that are signed."""


def changed(word: Signed, field: str) -> Signed:
    """One byte of it is another one: a digit of the action, or a letter in the middle of the signature."""
    text: str = getattr(word, field)
    place = text.index('"action":"') + 12 if field == "decision" else len(text) // 2
    other = "0" if text[place] != "0" else "1"
    return word.changed(**{field: f"{text[:place]}{other}{text[place + 1 :]}"})


@pytest.fixture(params=sorted(SERVERS))
async def night(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Night]:
    async with SERVERS[request.param]() as environment, _night(environment, tmp_path) as night:
        yield night


@asynccontextmanager
async def reached(desk: Desk, door: Doorkeeper) -> AsyncIterator[httpx.AsyncClient]:
    """The routes before this desk."""
    app = create_app(desk, door, MemoryEvidence(), Front("a key for visits"), shelf=MemoryShelf())
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway", timeout=60) as http:
        yield http


@asynccontextmanager
async def _night(environment: WorkflowEnvironment, folder: Path) -> AsyncIterator[Night]:
    tool, reranker = worlds.runbook().firebreaks
    plan = (tool.changed(preauthorized=()), reranker.changed(signed=True, approvals=2))
    async with staged(environment, folder, firebreaks=plan) as stage:
        roster = stage.brief.roster
        ended = AllowedSigner(
            principals=("fay",), key=KEYS["dan"].public.line, valid_before=datetime(2026, 1, 1, tzinfo=UTC)
        )
        fay = Person(
            id="fay", name="Fay", roles=(Role.APPROVER,), address="fay@example.org", signers=(ended,)
        )
        stage.brief = stage.brief.changed(roster=roster.changed(people=(*roster.people, fay)))
        minted = {}
        register = open_register(folder / "access")
        for name in SPEAKERS:
            token, minted[name] = tokens.mint(
                name.encode().ljust(tokens.RANDOM_BYTES, b"."),
                person=name,
                now=datetime.now(UTC),
                lifetime=timedelta(days=1),
            )
            assert await register.add(token)
        people = tuple(
            Member(id=name, name=name, roles=(Role.CAPTAIN,), address=f"{name}@example.org")
            for name in SPEAKERS
        )
        station = Station(station="demo", people=people, escalation=("ana",), bells=(Bell(id="bell"),))
        book = Book(
            station=station, systems={"refund-agent": stage.brief.system}, wall=(stage.brief.runbook,)
        )
        books = Standing(book)
        door = Doorkeeper(books, ReferenceSecrets(folder), register)
        async with a_desk(environment.client, books, folder) as desk, reached(desk, door) as http:
            await stage.ring()
            seen = await stage.until("the proposals", stands("reranker", Lease.PROPOSED))
            yield Night(stage, http, minted, seen)


async def check(night: Night, cases: list[Case]) -> None:
    """Each is refused alike, for its own reason, and nothing has moved."""
    for case in cases:
        for missing in await night.refused(case.act(night)):
            assert any(words in missing for words in case.says.split("|")), (case.name, missing)
    assert night.stage.town.tool.position.value == "enabled"
    assert night.stage.town.reranker.position.value == "off"


async def test_at_least_twenty_five_ways_to_be_refused(night: Night) -> None:
    assert len(ALONE) + len(TAKEN) >= 25
    await check(night, ALONE)
    await night.stage.do(acts.Acknowledge(by="ana"))
    await night.stage.do(acts.Declare(by="ana", severity=Severity.SEV2, reason="wrong refunds leave"))
    await check(night, TAKEN)
    await night.stage.proved()


async def test_a_word_counts_once_and_a_captain_of_before_has_none(night: Night) -> None:
    stage = night.stage
    await stage.do(acts.Acknowledge(by="ana"))
    await stage.do(acts.Declare(by="ana", severity=Severity.SEV2, reason="wrong refunds leave"))
    first = await stage.act(night.approve("ana", signed=night.word("ana")))
    assert (first.accepted, first.missing) == (True, "1 more approval needed: ben or fay")
    cases = [
        Case("the same person twice", lambda n: n.approve("ana", signed=n.word("ana")), "already approved"),
        Case("comms as the second person", lambda n: n.approve("cara"), "the captain is ana"),
    ]
    await check(night, cases)
    await stage.do(acts.Handover(by="ana", to="ben"))
    await stage.do(acts.Accept(by="ben"))
    former = [
        Case("a former captain", lambda n: n.approve("ana", "tool"), "ana handed it over at"),
        Case("accepted twice", lambda n: acts.Accept(by="ben"), "was not offered to ben"),
        Case(
            "a former captain lays it down", lambda n: acts.Renounce(by="ana", reason="no"), "ana is not the"
        ),
    ]
    await check(night, former)
    await stage.do(night.approve("ben", signed=night.word("ben")))
    night.seen = await stage.until("the reranker to be on", stands("reranker", Lease.EFFECTIVE))
    assert [move.to for move in stage.town.reranker.log] == ["on"]
    again = [
        Case(
            "said again",
            lambda n: n.approve("ben", signed=n.word("ben")),
            "is effective and waits for no decision",
        ),
        Case("said again by the first", lambda n: n.approve("ana", signed=n.word("ana")), "handed it over"),
    ]
    for case in again:
        for missing in await night.refused(case.act(night)):
            assert case.says in missing
    await stage.do(acts.Refuse(by="ben", action=night.digest("tool"), reason="not needed any more"))
    for missing in await night.refused(night.approve("ben", "tool")):
        assert "is refused and waits for no decision" in missing
    await stage.do(acts.Renounce(by="ben", reason="I must leave"))
    for missing in await night.refused(acts.Propose(by="ben", step="stop-refunds")):
        assert "there is no captain now" in missing
        assert "ben renounced it at" in missing
    await stage.proved()


SECONDS = [
    Case(
        "seconded by whom it is of",
        lambda n: acts.Second(by="ana", reason="mine"),
        "a second person is needed",
    ),
    Case(
        "seconded by comms",
        lambda n: acts.Second(by="cara", reason="x"),
        "neither the role captain nor approver",
    ),
    Case("seconded by an auditor", lambda n: acts.Second(by="dan", reason="x"), "who could: ben, fay"),
    Case("seconded by a stranger", lambda n: acts.Second(by="eve", reason="x"), "not on the roster"),
    Case(
        "seconded what was replaced",
        lambda n: acts.Second(by="ben", reason="x", word="f" * 64),
        "was replaced meanwhile",
    ),
    Case(
        "attested where the lock is run",
        lambda n: acts.Attest(by="ana", change="x", reference="4.2", verify_by=soon()),
        "which is proved by running it",
    ),
]
"""Ana has waived the lock; another person has to stand for it."""


def soon() -> datetime:
    return datetime.now(UTC) + timedelta(days=30)


async def test_two_people_are_never_one(night: Night) -> None:
    stage = night.stage
    await stage.do(acts.Acknowledge(by="ana"))
    nothing = Case("nothing waits", lambda n: acts.Second(by="ben", reason="x"), "waits for a second person")
    undated = Case(
        "no date", lambda n: acts.Waive(by="ana", what="lock", reason="x"), "needs a date in the future"
    )
    await check(night, [nothing, undated])
    await stage.do(acts.Waive(by="ana", what="lock", reason="the eval is not ready", until=soon()))
    await check(night, SECONDS)
    await stage.do(acts.Second(by="fay", reason="it is ordered"))
    await check(night, [nothing])
    await stage.proved()


async def test_a_process_is_attested_when_it_is_time_and_by_who_may(night: Night) -> None:
    """Nothing is moved by us: the town is put right by others, so that there is an after-action at once."""
    before, stage = night.stage, Stage(night.stage.environment, night.stage.town, short_brief())
    plan = LockPlan(title="Two people sign a new policy", kind="process")
    roster = before.brief.roster
    stage.brief = stage.brief.changed(
        runbook=stage.brief.runbook.changed(lock=plan, firebreaks=()), roster=roster
    )
    night.stage = stage
    await stage.ring()
    await stage.do(acts.Acknowledge(by="ana"))
    await stage.do(acts.Declare(by="ana", severity=Severity.SEV2, reason="wrong refunds leave"))
    await stage.until("the seal", lambda seen: seen.sealed and seen.baseline)

    def attest(by: str = "ana", verify_by: datetime | None = None) -> acts.Attest:
        return acts.Attest(by=by, change="two sign", reference="4.2", verify_by=verify_by or soon())

    early = Case("attested too early", lambda n: attest(), "attested after recovery")
    await refuse(night, [early])
    stage.town.reranker.moved_by_other("on")
    await stage.until("the draft", lambda seen: seen.postmortem)
    past = datetime(2026, 1, 1, tzinfo=UTC)
    cases = [
        Case("attested by an auditor", lambda n: attest("dan"), "an auditor reads and does not write"),
        Case("attested by a stranger", lambda n: attest("eve"), "not on the roster"),
        Case("never to be looked at again", lambda n: attest(verify_by=past), "on a day in the future"),
        Case("run by a machine", lambda n: acts.Prove(by="ana"), "which no machine runs"),
        Case(
            "closed without a word",
            lambda n: acts.Close(by="ana"),
            "nobody has attested the change of process",
        ),
    ]
    await refuse(night, cases)
    await stage.do(attest())
    alone = [
        Case("closed on one word", lambda n: acts.Close(by="ana"), "a second person for the attestation"),
        Case(
            "the same person twice",
            lambda n: acts.Second(by="ana", reason="mine"),
            "a second person is needed",
        ),
    ]
    await refuse(night, alone)
    await stage.do(acts.Second(by="ben", reason="I have read it"))
    await stage.do(acts.Close(by="ana"))
    await stage.ended()
    await stage.proved()


async def refuse(night: Night, cases: list[Case]) -> None:
    """Each is refused alike, for its own reason."""
    for case in cases:
        for missing in await night.refused(case.act(night)):
            assert case.says in missing, (case.name, missing)


async def test_too_late_is_too_late(night: Night) -> None:
    stage = night.stage
    await stage.do(acts.Acknowledge(by="ana"))
    await stage.do(acts.Declare(by="ana", severity=Severity.SEV2, reason="wrong refunds leave"))
    await stage.later("the lapse", stands("tool", Lease.LAPSED), timedelta(minutes=20))
    for missing in await night.refused(night.approve("ana", "tool")):
        assert "is lapsed and waits for no decision" in missing


async def test_whoever_is_silent_is_relieved_and_has_no_word(night: Night) -> None:
    stage = night.stage
    await stage.do(acts.Acknowledge(by="ana"))
    seen = await stage.later(
        "the relief", lambda seen: seen.captain is None and bool(seen.tenures), timedelta(minutes=40)
    )
    texts = [moment.text for moment in seen.timeline]
    assert any("ana has said nothing since" in text for text in texts)
    for missing in await night.refused(acts.Declare(by="ana", severity=Severity.SEV2, reason="late")):
        assert "ana was relieved of it at" in missing
    await stage.until("ben to be paged", partial(paged_again, len(seen.timeline)))
    await stage.do(acts.Acknowledge(by="ben"))
    await stage.proved()


def paged_again(_: int, seen: Picture) -> bool:
    texts = [moment.text for moment in seen.timeline]
    relieved = next(index for index, text in enumerate(texts) if "is relieved as captain" in text)
    return any(text.startswith("page ") for text in texts[relieved:])
