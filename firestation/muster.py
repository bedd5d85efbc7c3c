"""What is wrong with a station beyond its form: gaps, overrides that overlap, keys that are stale or shared."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta

from firestation.allowed_signers import VERIFY
from firestation.authority import Member, Role, Station
from firestation.decision import NAMESPACE
from firestation.errors import NotConfigured
from firestation.fitting import is_room
from firestation.hole import Found, Hole
from firestation.keyring import Keyring
from firestation.oncall import escalation, gaps
from firestation.ports import Secrets
from firestation.rotation import Rotation
from firestation.secrets import SHORTEST_SECRET
from firestation.severity import Severity

AHEAD = timedelta(days=30)
"""How far ahead a gap, or the end of a key, is told."""

CHANGEABLE = "preferred_username"
SYSTEMLESS = frozenset({"pagerduty-webhook", "langfuse"})
MOST_SECRETS = 2
"""Of a bell, while its secret is changed."""


def amiss(station: Station, at: datetime, ring: Keyring) -> tuple[Hole, ...]:
    """What is wrong from `at` on for 30 days."""
    found = [hole for index, each in enumerate(station.rotations) for hole in _rotation(index, each, at)]
    return (*found, *_nobody(station, at), *_stale(station, ring, at), *_shared(station, ring))


def worth_a_look(station: Station, at: datetime, ring: Keyring) -> tuple[Hole, ...]:
    """What may be right and should be looked at."""
    return (
        *_idle(station),
        *_unpaged(station),
        *_gathering(station),
        *_rooms(station),
        *_past(station, at),
        *_ending(station, ring, at),
        *_secrets(station),
        *_systemless(station),
        *_logins(station),
    )


def _rotation(index: int, rotation: Rotation, at: datetime) -> Found:
    for gap in gaps(rotation, at, at + AHEAD):
        problem = f"nobody is on call {_span(gap.since, gap.until)}"
        fix = "Add a layer below the others, or an override"
        yield Hole(field=f"rotations[{index}]", problem=problem, fix=fix)
    for number, later in enumerate(rotation.overrides):
        for earlier in rotation.overrides[:number]:
            since, until = max(earlier.since, later.since), min(earlier.until, later.until)
            if since < until:
                problem = f"{earlier.person} and {later.person} both stand in {_span(since, until)}"
                fix = f"Let one end where the other begins; as it is, {earlier.person} is on call"
                yield Hole(field=f"rotations[{index}].overrides[{number}]", problem=problem, fix=fix)


def _nobody(station: Station, at: datetime) -> Found:
    """Escalations that lead to nobody at some moment: all their steps are rotations that are in a gap together."""
    rotations = {each.id: each for each in station.rotations}
    for severity in (None, *station.escalation_at):
        # without a severity of its own: any that the file does not name
        steps = station.escalation_at[severity] if severity else station.escalation
        asked = severity or next((each for each in Severity if each not in station.escalation_at), None)
        if asked is None or any(step not in rotations for step in steps):
            continue
        moments = sorted({gap.since for step in steps for gap in gaps(rotations[step], at, at + AHEAD)})
        for moment in moments:
            if not escalation(station, moment, asked):
                problem = f"from {_shown(moment)} it leads to nobody, and then everybody with the role captain is paged"
                field = f"escalation_at.{severity}" if severity else "escalation"
                yield Hole(field=field, problem=problem, fix="Add a person as the last step")
                break


def _stale(station: Station, ring: Keyring, at: datetime) -> Found:
    for index, person in enumerate(station.people):
        keys = ring.get(person.id, ())
        if keys and not any(key.holds(at) for key in keys):
            problem = f"none of the keys of {person.id} is valid now"
            yield Hole(field=_place(index, person), problem=problem, fix="Add the key that is used today")
        elif keys and not any(key.holds(at) and key.covers(NAMESPACE) for key in keys):
            problem = f"none of the keys of {person.id} may sign decisions"
            fix = f'Add a line whose namespaces hold "{NAMESPACE}", or that names none'
            yield Hole(field=_place(index, person), problem=problem, fix=fix)
        for key in keys:
            if key.verify_required and not key.key.startswith("sk-"):
                problem = (
                    f"{key.fingerprint} of {person.id} is no security key, so it cannot do what {VERIFY} asks"
                )
                fix = "Take the option out, or name a security key; as it is, no signature by it counts"
                yield Hole(field=_place(index, person), problem=problem, fix=fix)


def _shared(station: Station, ring: Keyring) -> Found:
    """A key of two people: a signature by it would count as either's word."""
    owners: dict[str, list[str]] = defaultdict(list)
    for index, person in enumerate(station.people):
        for fingerprint in dict.fromkeys(key.fingerprint for key in ring.get(person.id, ())):
            for other in owners[fingerprint]:
                problem = f"{person.id} and {other} have the same key, {fingerprint}"
                yield Hole(field=_place(index, person), problem=problem, fix="Give each a key of their own")
            owners[fingerprint].append(person.id)


def _idle(station: Station) -> Found:
    named = {name for _, name in station.steps()}
    for index, rotation in enumerate(station.rotations):
        if rotation.id not in named:
            problem = f"no escalation names the rotation {rotation.id}, so it pages nobody"
            yield Hole(
                field=f"rotations[{index}]", problem=problem, fix="Name it in escalation, or take it out"
            )
            captains = {person.id for person in station.people if Role.CAPTAIN in person.roles}
            for place, turning, name in station.turns():
                if turning == rotation.id and name not in captains:
                    problem = f"{name} has not the role captain, so the rotation cannot be paged for a fire"
                    field = f"rotations[{index}].{place[2]}[{place[3]}]"
                    yield Hole(field=field, problem=problem, fix="Give the role, or name somebody else")


def _unpaged(station: Station) -> Found:
    """Whom the station's pagers cannot reach, and pagers that reach nobody; without pagers, systems have channels."""
    named = {name for _, name in station.steps()} | {name for _, _, name in station.turns()}
    kinds = {pager.reaches for pager in station.pagers}
    for index, person in enumerate(station.people):
        if station.pagers and person.id in named and not kinds & {each.kind for each in person.contacts}:
            problem = f"no pager reaches {person.id}; a system's own pager channel is tried, if it has one"
            fix = f"Add a contact of a kind that is reached: {', '.join(sorted(kinds))}"
            yield Hole(field=f"people[{index}].contacts", problem=problem, fix=fix)
    for index, pager in enumerate(station.pagers):
        if not any(each.kind is pager.reaches for person in station.people for each in person.contacts):
            problem = f"the pager {pager.id} reaches nobody: nobody has a contact of the kind {pager.reaches}"
            yield Hole(field=f"pagers[{index}].reaches", problem=problem, fix="Add contacts, or take it out")


def _gathering(station: Station) -> Found:
    """Pagers that tell everybody's pages in one place: whoever reads there could be captain by another's link."""
    for index, pager in enumerate(station.pagers):
        if pager.gathers and pager.link is None:
            problem = (
                f"the pager {pager.id} sends every page to one place, so no page that goes by it has its link"
            )
            fix = (
                "Write link: true if all who read there may be captain in each other's name, else link: false"
            )
            yield Hole(field=f"pagers[{index}]", problem=problem, fix=fix)


def _rooms(station: Station) -> Found:
    """Contacts that are a room, where others read too."""
    kinds = {pager.reaches for pager in station.pagers if pager.link is None}
    for index, person in enumerate(station.people):
        for number, contact in enumerate(person.contacts):
            if contact.kind in kinds and is_room(contact.to):
                problem = f"{contact.to} is a room, so no page that goes there has its link"
                fix = f"Write {person.id}'s own @user:server, or link: true or false at the pager"
                yield Hole(field=f"people[{index}].contacts[{number}]", problem=problem, fix=fix)


def _past(station: Station, at: datetime) -> Found:
    for index, rotation in enumerate(station.rotations):
        for number, override in enumerate(rotation.overrides):
            if override.until <= at:
                problem = f"it ended on {_shown(override.until)}"
                field = f"rotations[{index}].overrides[{number}]"
                yield Hole(field=field, problem=problem, fix="Take it out")


def _ending(station: Station, ring: Keyring, at: datetime) -> Found:
    for index, person in enumerate(station.people):
        valid = [key for key in ring.get(person.id, ()) if key.holds(at)]
        ends = [key.valid_before for key in valid if key.valid_before]
        if ends and len(ends) == len(valid) and max(ends) < at + AHEAD:
            problem = f"the last key of {person.id} ends on {_shown(max(ends))}"
            yield Hole(field=_place(index, person), problem=problem, fix="Add its successor")


def weak(station: Station, secrets: Secrets) -> Found:
    """The secrets that can be read here, and are so short that the gateway takes them for none."""
    for field, who, reference in _references(station):
        try:
            secret = secrets.resolve(reference)
        except NotConfigured:
            continue  # it is kept elsewhere
        if len(secret) < SHORTEST_SECRET:
            problem = f"the secret {reference} of the {who} is shorter than {SHORTEST_SECRET} characters"
            fix = "Write a longer one, since the gateway lets nobody in with it: openssl rand -hex 32"
            yield Hole(field=field, problem=problem, fix=fix)


def _references(station: Station) -> Iterator[tuple[str, str, str]]:
    """Each secret that is kept by reference: its field, whose it is, and where."""
    for index, person in enumerate(station.people):
        if person.token:
            yield f"people[{index}].token", f"person {person.id}", person.token
    for index, bell in enumerate(station.bells):
        for reference in dict.fromkeys(bell.token_references):
            yield f"bells[{index}]", f"bell {bell.id}", reference


def _secrets(station: Station) -> Found:
    """A secret of two bells, or of a bell and a person: nobody could tell who of them came. And changes left open."""
    owners: dict[str, str] = {}
    for field, who, reference in _references(station):
        if (other := owners.setdefault(reference, who)) != who:
            problem = f"the {who} has the same secret as the {other}, {reference}"
            yield Hole(field=field, problem=problem, fix="Give each a secret of their own")
    for index, bell in enumerate(station.bells):
        if len(bell.tokens) > MOST_SECRETS:
            problem = f"the bell {bell.id} has {len(bell.tokens)} secrets, so an earlier change was not ended"
            fix = "Take out those that the alert system does not use any more"
            yield Hole(field=f"bells[{index}].tokens", problem=problem, fix=fix)


def _systemless(station: Station) -> Found:
    """Bells whose alarms have no place for a system, and that have none themselves."""
    for index, bell in enumerate(station.bells):
        if bell.format in SYSTEMLESS and bell.system is None:
            problem = (
                f"{bell.format} never says which system burns, so each alarm of the bell {bell.id} is refused"
            )
            yield Hole(field=f"bells[{index}]", problem=problem, fix="Write its `system`")


def _logins(station: Station) -> Found:
    named = [index for index, person in enumerate(station.people) if person.login]
    if station.login and not named:
        problem = "nobody has a login, so the provider lets nobody in"
        yield Hole(
            field="login", problem=problem, fix=f"Write each person's {station.login.claim} as their login"
        )
    if station.login and station.login.claim == CHANGEABLE:
        problem = f"the claim is {CHANGEABLE}: its owner can change it at many providers, to somebody else's"
        yield Hole(field="login.claim", problem=problem, fix="Take sub, or email where it is verified")
    if named and not station.login:
        problem = "the station names no provider, so this login lets nobody in"
        yield Hole(
            field=f"people[{named[0]}].login", problem=problem, fix="Add the section login, or take it out"
        )


def _place(index: int, person: Member) -> str:
    return f"people[{index}].{'keys' if person.keys else 'key_files'}"


def _span(since: datetime, until: datetime | None) -> str:
    return f"from {_shown(since)}" + (f" until {_shown(until)}" if until else "")


def _shown(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
