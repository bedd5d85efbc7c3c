"""Authority: who the people are, what they may be, and what this person may do now."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from firestation.address import Address
from firestation.allowed_signers import AllowedSigner, KeyLine
from firestation.bell.formats import FormatName
from firestation.bell.mapping import Mapping as Declared
from firestation.bell.signatures import Scheme, Signature
from firestation.contacts import Contact
from firestation.model import Duration, Id, Line, Model, wrong_at
from firestation.pagers import Pager, Way
from firestation.rotation import Rotation
from firestation.severity import Severity

SecretReference = Annotated[str, StringConstraints(pattern=r"^(env:[A-Z][A-Z0-9_]*|file:.+)$")]
"""Names a credential: `env:NAME`, or `file:PATH` (a relative path is relative to the state folder)."""


class Role(StrEnum):
    """What a person may be asked to be. Only one person is captain at a time."""

    CAPTAIN = "captain"
    SCRIBE = "scribe"
    COMMS = "comms"
    INVESTIGATOR = "investigator"
    APPROVER = "approver"
    AUDITOR = "auditor"


class _Someone(Model):
    id: Id
    name: Line
    roles: tuple[Role, ...] = Field(min_length=1)
    address: Line
    contacts: tuple[Contact, ...] = Field(default=(), exclude_if=lambda contacts: not contacts)

    @property
    def only_reads(self) -> bool:
        """Whether they are an auditor and nothing else."""
        return set(self.roles) == {Role.AUDITOR}


class Person(_Someone):
    """Somebody who may act. `address` is where a system's pager channel reaches them; never a secret.

    `contacts` are where the station's own pagers reach them. `signers` are the public keys by which this person signs
    decisions, with the times in which each counts.
    """

    signers: tuple[AllowedSigner, ...] = Field(default=(), exclude_if=lambda signers: not signers)


class Roster(Model):
    """The people of a station and the order in which they are paged. Pinned into each incident.

    `silence`: how long a captain for whom something waits may say nothing before they are relieved.
    `escalation_at` has the severities at which that order is another one.
    """

    station: Id
    people: tuple[Person, ...] = Field(min_length=1)
    escalation: tuple[Id, ...] = Field(min_length=1)
    page_every: Duration = Field(default="2m", validate_default=True, gt=timedelta())
    silence: Duration | None = Field(default=None, gt=timedelta(), exclude_if=lambda span: span is None)
    pagers: tuple[Pager, ...] = Field(default=(), exclude_if=lambda pagers: not pagers)
    escalation_at: dict[Severity, Annotated[tuple[Id, ...], Field(min_length=1)]] = Field(
        default_factory=dict, exclude_if=lambda value: not value
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        ids = [person.id for person in self.people]
        if len(set(ids)) != len(ids):
            msg = "two people have the same id; give each their own"
            raise ValueError(msg)
        for place, name in _steps(self):
            person = self.person(name)
            if person is None or Role.CAPTAIN not in person.roles:
                says = f"escalation names {name!r}, who is not one of the people with the role captain"
                raise wrong_at(*place, says=says)
        return self

    def ranks(self, severity: Severity) -> tuple[Id, ...]:
        """Who is paged in which order at this severity."""
        return self.escalation_at.get(severity, self.escalation)

    def person(self, name: str) -> Person | None:
        """The person of this id."""
        return next((each for each in self.people if each.id == name), None)

    def ways(self, name: str) -> tuple[Way, ...]:
        """Every way in which the station's pagers reach this person; none when no pager fits a contact of theirs."""
        person, found = self.person(name), list[Way]()
        contacts = person.contacts if person else ()
        for pager in self.pagers:
            fitting = [each for each in contacts if each.kind is pager.reaches]
            for number, contact in enumerate(fitting, start=1):
                found.append(Way(pager.id if number == 1 else f"{pager.id}:{number}", pager, contact.to))
        return tuple(found)


class Member(_Someone):
    """A person as the station file has them. `login` is what the provider's claim says of them, letter by letter.

    `token` refers (`env:NAME` or `file:PATH`) to a secret that they bring themselves, besides the tokens that the
    station made for them; it is for machines that act in their name, and is good for everything until it is changed.
    `keys` are SSH public keys as `authorized_keys` has them; `key_files` are files of them, or of allowed signers,
    relative to the station file.
    """

    login: Line | None = None
    token: SecretReference | None = None
    keys: tuple[KeyLine, ...] = ()
    key_files: tuple[Line, ...] = ()


LARGEST_DELIVERY = 1024 * 1024
SCHEMES: dict[FormatName, Scheme] = {
    "pagerduty-events": "routing-key",
    "pagerduty-webhook": "pagerduty",
    "sentry": "sentry",
    "langfuse": "langfuse",
}
"""How these formats show who sent them; all others can send a bearer token."""


class Bell(Model):
    """A machine that may ring: an alert system, what it sends, and the reference of its secret.

    While the secret is changed there are two, `tokens`, the newest first; each of them is taken. It rings
    `/bells/ID` in its `format`; a bell that shows its secret as a bearer token may ring `/alarms` too. `system` burns
    where an alarm names none. `mapping` makes alarms of JSON that is in no format of ours.
    """

    id: Id
    token: SecretReference | None = None
    tokens: tuple[SecretReference, ...] = ()
    format: FormatName = "generic"
    system: Id | None = None
    signature: Signature | None = Field(default=None, description="how it shows that it is itself")
    mapping: Declared | None = None
    largest: int = Field(
        default=LARGEST_DELIVERY, ge=1024, le=LARGEST_DELIVERY, description="bytes of one delivery"
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.token and self.tokens:
            raise wrong_at("token", says="token and tokens both stand there; write all of them into tokens")
        if self.mapping and self.format != "generic":
            raise wrong_at(
                "mapping", says=f"only a generic bell has one, and this is {self.format}; take it out"
            )
        if self.proof.scheme == "routing-key" and self.format != "pagerduty-events":
            raise wrong_at(
                "signature", "scheme", says="only pagerduty-events have a routing key; take another"
            )
        return self

    @property
    def token_references(self) -> tuple[str, ...]:
        """Where this bell's secrets are kept; without a setting, in the station's own state folder."""
        return self.tokens or (self.token or f"file:tokens/bell-{self.id}",)

    @property
    def proof(self) -> Signature:
        """How this bell shows that it is itself: as is written, else as its format does."""
        return self.signature or Signature(scheme=SCHEMES.get(self.format, "bearer"))


class Login(Model):
    """The organization's own OpenID Connect provider. Whose `claim` is the `login` of one of the people is that person.

    Everybody else is refused. `email` counts only where the provider says that it is verified. `title` names it to
    people.
    """

    issuer: Address
    client_id: Line
    client_secret: SecretReference
    claim: Literal["email", "sub", "preferred_username"] = "email"
    title: Line = "single sign-on"


class Station(Model):
    """The station file: the people, who is on call, who is paged in which order, and which machines may ring.

    A step of `escalation`, and of `escalation_at` for a severity, is a person or a rotation.
    """

    station: Id
    people: tuple[Member, ...] = Field(min_length=1)
    rotations: tuple[Rotation, ...] = ()
    escalation: tuple[Id, ...] = Field(min_length=1)
    escalation_at: dict[Severity, Annotated[tuple[Id, ...], Field(min_length=1)]] = {}
    page_every: Duration = Field(default="2m", validate_default=True, gt=timedelta())
    silence: Duration = Field(
        default="30m",
        validate_default=True,
        gt=timedelta(),
        description="how long a captain for whom something waits may say nothing before they are relieved",
    )
    bells: tuple[Bell, ...] = Field(min_length=1)
    login: Login | None = None
    pagers: tuple[Pager, ...] = Field(default=(), description="the station's own ways to reach its people")

    @model_validator(mode="after")
    def _pagers_told_apart(self) -> Self:
        for index, pager in enumerate(self.pagers):
            if pager.id in [each.id for each in self.pagers[:index]]:
                raise wrong_at(
                    "pagers", index, "id", says=f"{pager.id!r} is already a pager; give each its own id"
                )
        return self

    @model_validator(mode="after")
    def _whole(self) -> Self:
        ids = [person.id for person in self.people]
        if len(set(ids)) != len(ids):
            msg = "two people have the same id; give each their own"
            raise ValueError(msg)
        logins = [person.login for person in self.people]
        for index, login in enumerate(logins):
            if login and login in logins[:index]:
                says = f"two people have the login {login!r}; nobody could tell who of them came"
                raise wrong_at("people", index, "login", says=says)
        for index, rotation in enumerate(self.rotations):
            if rotation.id in ids + [each.id for each in self.rotations[:index]]:
                says = f"{rotation.id!r} is already a person or a rotation; give it a name of its own"
                raise wrong_at("rotations", index, "id", says=says)
        captains = {person.id for person in self.people if Role.CAPTAIN in person.roles}
        rotations = {rotation.id for rotation in self.rotations}
        for place, name in self.steps():
            if name not in captains | rotations:
                says = f"escalation names {name!r}, who is not one of the people with the role captain"
                raise wrong_at(*place, says=says + (", and no rotation" if rotations else ""))
        paged = {name for _, name in self.steps()}
        for place, turning, name in self.turns():
            if name not in (captains if turning in paged else ids):
                who = "one of the people with the role captain" if name in ids else "one of the people"
                says = f"the rotation {turning} names {name!r}, who is not {who}"
                raise wrong_at(*place, says=says)
        return self

    def steps(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Each step of each escalation, with its place in the file."""
        return _steps(self)

    def turns(self) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
        """Each naming of a person in a rotation: its place in the file, the rotation, the person."""
        for index, rotation in enumerate(self.rotations):
            for number, layer in enumerate(rotation.layers):
                for which, name in enumerate(layer.people):
                    yield ("rotations", index, "layers", number, "people", which), rotation.id, name
            for number, override in enumerate(rotation.overrides):
                yield ("rotations", index, "overrides", number, "person"), rotation.id, override.person

    def person(self, name: str) -> Member | None:
        """The person of this id."""
        return next((each for each in self.people if each.id == name), None)

    def roster(
        self,
        escalation: tuple[Id, ...],
        escalation_at: Mapping[Severity, tuple[Id, ...]] = MappingProxyType({}),
        keys: Mapping[str, tuple[AllowedSigner, ...]] = MappingProxyType({}),
    ) -> Roster:
        """What an incident needs to know of the station, without anything that leads to a token.

        `firestation.oncall.roster` says who is on the escalation at a moment; `keys` are everybody's (`keyring.py`).
        """
        people = tuple(
            Person(
                id=each.id,
                name=each.name,
                roles=each.roles,
                address=each.address,
                contacts=each.contacts,
                signers=keys.get(each.id, ()),
            )
            for each in self.people
        )
        return Roster(
            station=self.station,
            people=people,
            escalation=escalation,
            page_every=self.page_every,
            escalation_at=dict(escalation_at),
            silence=self.silence,
            pagers=self.pagers,
        )


def _steps(ranked: Roster | Station) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Each step of each escalation, with its place."""
    for index, name in enumerate(ranked.escalation):
        yield ("escalation", index), name
    for severity, names in ranked.escalation_at.items():
        for index, name in enumerate(names):
            yield ("escalation_at", str(severity), index), name


Authority = Literal["captain", "preauthorized", "absence", "expiry", "compensation"]
"""On whose word a lever moves: the captain's decision, the pinned runbook's pre-authorization, or what it says for the
case that nobody decides; and back: by the expiry, or because the move failed, both of which were decided on with it."""
