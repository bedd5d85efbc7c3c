"""References to credentials, resolved when they are needed: nothing is kept, nothing is logged."""

import os
from pathlib import Path
from secrets import token_bytes

from firestation.errors import NotConfigured
from firestation.files import create_private
from firestation.links import SHORTEST_KEY
from firestation.settings import Settings

LARGEST_BYTES = 65_536
SHORTEST_SECRET = 20
"""Characters of what a person or a bell shows: a shorter one can be guessed."""


def strong_key(key: str, where: str) -> str:
    """This key. Raises `NotConfigured` naming where it is kept when it is too short, as that of an empty file is."""
    if len(key) < SHORTEST_KEY:
        problem = f"the key {where} is shorter than {SHORTEST_KEY} characters"
        raise NotConfigured(f"{problem}; write one that nobody guesses: openssl rand -hex 32")
    return key


class ReferenceSecrets:
    """Resolves `env:NAME` and `file:PATH`; a relative PATH starts at `base`. Every call reads anew."""

    def __init__(self, base: Path) -> None:
        self.base = base

    def resolve(self, reference: str) -> str:
        """The secret, without its final line break. Raises `NotConfigured` naming the reference and the fix only."""
        kind, _, name = reference.partition(":")
        if kind == "env" and name:
            secret = os.environ.get(name, "")
            missing = (
                f"the secret {reference} is not set; export {name} where the worker and the gateway start"
            )
        elif kind == "file" and name:
            secret = self._read(reference, self.base / name)
            missing = f"the secret {reference} is empty; write it into {self.base / name}"
        else:
            # Not shown: what stands here may be the secret itself.
            msg = "a secret's reference is neither env:NAME nor file:PATH; write it like env:AGENT_TOKEN"
            raise NotConfigured(msg)
        secret = secret.rstrip("\r\n")
        if not secret:
            raise NotConfigured(missing)
        if not secret.isprintable():
            msg = (
                f"the secret {reference} has more than one line or a control character; write it on one line"
            )
            raise NotConfigured(msg)
        return secret

    @staticmethod
    def _read(reference: str, path: Path) -> str:
        try:
            with path.open("rb") as file:
                content = file.read(LARGEST_BYTES + 1)
            text = content.decode()
        except OSError as error:
            msg = f"the secret {reference} cannot be read from {path}: {error.strerror}; create the file, mode 0600"
            raise NotConfigured(msg) from error
        except UnicodeDecodeError as error:
            msg = f"the secret {reference} in {path} is not UTF-8 text; write it as one line of text"
            raise NotConfigured(msg) from error
        if len(content) > LARGEST_BYTES:
            msg = (
                f"the secret {reference} in {path} is longer than {LARGEST_BYTES} bytes; name the right file"
            )
            raise NotConfigured(msg)
        return text


def local_secret(path: Path) -> bytes:
    """32 bytes that only this station has, made (mode 0600) if there are none; whoever comes first makes them.

    Raises `NotConfigured` for fewer, as an empty file has.
    """
    create_private(path, token_bytes(SHORTEST_KEY))
    key = path.read_bytes()
    if len(key) < SHORTEST_KEY:
        msg = f"the key {path} is shorter than {SHORTEST_KEY} bytes; restore it, or remove it and a new one is made"
        raise NotConfigured(msg)
    return key


def subscriber_key(settings: Settings, secrets: ReferenceSecrets) -> bytes:
    """What all keys of subscribers are made of, for worker and gateway alike. Raises as `link_key` does."""
    if settings.subscriber_key is None:
        return local_secret(settings.signing_key.with_name("subscribers"))
    return strong_key(secrets.resolve(settings.subscriber_key), settings.subscriber_key).encode()


def link_key(settings: Settings, secrets: ReferenceSecrets) -> bytes:
    """What signs the links of pages, for worker and gateway alike. Raises `NotConfigured` when it is too short."""
    if settings.link_key is None:
        return local_secret(settings.signing_key.with_name("links"))
    return strong_key(secrets.resolve(settings.link_key), settings.link_key).encode()
