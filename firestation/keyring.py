"""The keys of the station's people: those in the station file, and those in the files that it names."""

from collections.abc import Mapping
from pathlib import Path

from firestation.allowed_signers import AllowedSigner, read_key_file, read_own_key
from firestation.authority import Member, Station
from firestation.errors import InvalidInput
from firestation.hole import Hole

LARGEST_BYTES = 1_000_000

Keyring = Mapping[str, tuple[AllowedSigner, ...]]
"""Each person's keys, by the person's id; people without keys are not in it."""


def read_keyring(station: Station, folder: Path) -> tuple[Keyring, tuple[Hole, ...]]:
    """Everybody's keys, and what is wrong with the files. `folder`, the station file's, is where their paths begin."""
    ring: dict[str, tuple[AllowedSigner, ...]] = {}
    wrong: list[Hole] = []
    for index, person in enumerate(station.people):
        found = [read_own_key(line, person.id) for line in person.keys]
        for number, name in enumerate(person.key_files):
            for each in _file(person, folder / name, name):
                if isinstance(each, AllowedSigner):
                    found.append(each)
                else:
                    problem, fix = each
                    field = f"people[{index}].key_files[{number}]"
                    wrong.append(Hole(field=field, problem=problem, fix=fix))
        if found:
            ring[person.id] = tuple(found)
    return ring, tuple(wrong)


def _file(person: Member, path: Path, name: str) -> list[AllowedSigner | tuple[str, str]]:
    """This person's keys in a file, or what is wrong there and what to do."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_BYTES + 1)
        if len(content) > LARGEST_BYTES:
            return [(f"{name} is longer than {LARGEST_BYTES} bytes", "Name a file of public keys")]
        read = list(read_key_file(content.decode("utf-8"), person.id, person.address))
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is no text of keys"
        return [(f"{name} cannot be read: {why}", "Name a file of public keys")]
    found: list[AllowedSigner | tuple[str, str]] = [
        (f"{name}, {each.field}: {each.problem}", each.fix) if isinstance(each, InvalidInput) else each
        for each in read
    ]
    if not any(isinstance(each, AllowedSigner) for each in read):
        fix = f"Write {person.id} or {person.address} as the principal of their key"
        found.append((f"{name} has no key of {person.id}", fix))
    return found
