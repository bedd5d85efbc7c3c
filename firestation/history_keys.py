"""The keys that histories are encrypted with: a folder with one file a key, and the file `current` naming one of them.

The current key encrypts, every key decrypts. The folder is read again when somebody changes it and when a key is asked
for that is not known yet, so a new key counts without a restart. AES-256-GCM; what is encrypted is `nonce + sealed`.
"""

import logging
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from firestation.errors import InvalidInput, NotConfigured
from firestation.files import create_private, make_folder, replace_private

SETTING = "FIRESTATION_HISTORY_KEYS"
CURRENT = "current"
KEY_BYTES, NONCE_BYTES = 32, 12
LARGEST_FILE = 4096
KEY_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
LABEL = b"firestation history payload 1\0"
"""The version of the form. It is authenticated with the key's id, so that neither can be exchanged."""

Stamp = tuple[int, ...] | None

log = logging.getLogger(__name__)


class KeyFile(NamedTuple):
    """One key, as it is listed; never its bytes."""

    id: str
    made_at: datetime
    current: bool


class HistoryKeys:
    """The keys of a folder, read anew when the folder changes. What was read stays in force while it is wrong."""

    def __init__(self, folder: Path) -> None:
        """Read it. Raises `NotConfigured` when there is no folder, no current key, or a file that is wrong."""
        self.folder = folder
        self._seen = self._stamp()
        self._keys, self._current = _load(folder)

    def seal(self, plain: bytes, nonce: bytes) -> tuple[str, bytes]:
        """Encrypt with the current key, under a nonce that is used once: the key's id, and what to keep."""
        if (stamp := self._stamp()) != self._seen:
            self._seen = stamp
            self._read_again()
        sealed = self._keys[self._current].encrypt(nonce, plain, LABEL + self._current.encode())
        return self._current, nonce + sealed

    def open(self, key: str, sealed: bytes) -> bytes:
        """Decrypt. Raises `NotConfigured` for a key that is not here, `InvalidInput` for what was altered."""
        if key not in self._keys:
            self._read_again()
        if (cipher := self._keys.get(key)) is None:
            raise missing(key)
        try:
            return cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], LABEL + key.encode())
        except (InvalidTag, ValueError):
            raise altered(key) from None

    def _read_again(self) -> None:
        try:
            self._keys, self._current = _load(self.folder)
        except NotConfigured as error:
            log.warning("the history keys of before stay in force: %s", error)

    def _stamp(self) -> Stamp:
        """What changes whenever a key is added, removed or made the current one; two looks, some microseconds."""
        try:
            found = (self.folder.stat(), (self.folder / CURRENT).stat())
        except OSError:
            return None
        return tuple(mark for each in found for mark in (each.st_ino, each.st_mtime_ns, each.st_size))


def missing(key: str) -> NotConfigured:
    """The error for what a key encrypted that is not here. Only what can be the id of a key is repeated."""
    named = f"the history key {key}" if KEY_ID.fullmatch(key) else "a history key whose id cannot be one"
    fix = f"put its file into the folder that {SETTING} names (a backup of it has the key), and it is tried again"
    return NotConfigured(f"{named} is not here, so what it encrypted cannot be read; {fix}")


def altered(key: str) -> InvalidInput:
    """The error for what is not as this key, or any, made it."""
    named = f"by the history key {key}" if KEY_ID.fullmatch(key) else "by a history key"
    problem = f"what was encrypted {named} was altered, or the file of this key was"
    return InvalidInput("payload", problem, "Restore the history and the key from their backups, and compare")


def listed(folder: Path) -> tuple[KeyFile, ...]:
    """The keys of the folder, the oldest first. Raises `NotConfigured` when there are none or one is wrong."""
    keys, current = _load(folder)
    found = [(datetime.fromtimestamp((folder / key).stat().st_mtime, UTC), key) for key in keys]
    return tuple(KeyFile(key, made_at, key == current) for made_at, key in sorted(found))


def add(folder: Path, key: str, secret: bytes, *, current: bool) -> None:
    """Write a key of 32 random bytes, and let it be the current one if that is wanted or there is none yet.

    Raises `InvalidInput` when there is a key of this id, which stays as it is.
    """
    if not KEY_ID.fullmatch(key) or key == CURRENT or len(secret) != KEY_BYTES:
        raise InvalidInput(
            "ID", "it cannot be the id of a key", "Write lower-case letters, digits and hyphens"
        )
    make_folder(folder)
    if not create_private(folder / key, f"{secret.hex()}\n".encode()):
        raise InvalidInput(
            "ID", f"there is a key {key} already", "Choose another id: no key is ever overwritten"
        )
    if current or not (folder / CURRENT).exists():
        use(folder, key)


def use(folder: Path, key: str) -> None:
    """Let this key encrypt from now on. Raises `NotConfigured` when it is not there, or cannot be used."""
    if not KEY_ID.fullmatch(key) or key == CURRENT:
        raise missing(key)
    _key(folder / key)
    replace_private(folder / CURRENT, f"{key}\n".encode())


def remove(folder: Path, key: str) -> None:
    """Destroy a key. Raises as `check_removable`."""
    check_removable(folder, key)
    (folder / key).unlink()


def check_removable(folder: Path, key: str) -> None:
    """See that it can be destroyed. Raises `NotConfigured` when there is none, `InvalidInput` for the current one."""
    known = {each.id: each for each in listed(folder)}
    if key not in known:
        raise missing(key)
    if known[key].current:
        raise InvalidInput("ID", f"{key} is the current key", "Make another: firestation history-key new")


def _load(folder: Path) -> tuple[Mapping[str, AESGCM], str]:
    try:
        keys = {path.name: AESGCM(_key(path)) for path in _files(folder)}
        current = _read(folder / CURRENT).decode("ascii", errors="replace").strip()
    except FileNotFoundError as error:
        fix = "make one: firestation history-key new"
        raise NotConfigured(f"{SETTING}: there is no key in {folder} ({error.strerror}); {fix}") from None
    except OSError as error:
        raise NotConfigured(f"{SETTING}: {folder} cannot be read ({error.strerror})") from None
    if current not in keys:
        fix = "firestation history-key use ID names one that is there"
        raise NotConfigured(f"{SETTING}: the file {folder / CURRENT} names no key of its folder; {fix}")
    return keys, current


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name != CURRENT and not path.name.startswith(".") and path.is_file():
            yield path


def _key(path: Path) -> bytes:
    """The bytes of one key. Raises `NotConfigured` when it is none, or when somebody else may read it."""
    if not KEY_ID.fullmatch(path.name):
        raise NotConfigured(f"{SETTING}: {path} has a name that no key has; take it out of the folder")
    try:
        if path.stat().st_mode & 0o077:
            raise NotConfigured(f"{SETTING}: others may read the key {path}; type: chmod 600 {path}")
        key = bytes.fromhex(_read(path).decode("ascii").strip())
    except FileNotFoundError:
        raise missing(path.name) from None
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        fix = "restore it from its backup, or take it out of the folder"
        raise NotConfigured(f"{SETTING}: {path} is no key (64 hexadecimal digits); {fix}")
    return key


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(LARGEST_FILE)
