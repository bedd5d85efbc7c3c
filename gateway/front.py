"""The front of the gateway, as browsers see it: its address, its cookies, and the key that signs a visit."""

import os
from pathlib import Path
from typing import NamedTuple

from fastapi import Request

from firestation.files import create_private
from firestation.ports import Secrets
from firestation.secrets import strong_key
from firestation.settings import Settings


class Front(NamedTuple):
    """`public_url` is the address that people type; without one they come to whatever the Host header says.

    `key` signs the cookie of a visit before the login, and no session: those are in the register.
    """

    key: str
    public_url: str | None = None

    @property
    def secure(self) -> bool:
        """Whether browsers come by TLS."""
        return bool(self.public_url and self.public_url.startswith("https://"))

    @property
    def session_cookie(self) -> str:
        """The name of a session's cookie. `__Host-` has the browser refuse one that another host has set."""
        return f"{'__Host-' if self.secure else ''}firestation"

    @property
    def visit_cookie(self) -> str:
        """The name of the cookie of a visit before the login."""
        return f"{self.session_cookie}-visit"

    def origin(self, request: Request) -> str:
        """Our own origin, as a browser names it in the header of that name."""
        return self.public_url or f"{request.url.scheme}://{request.headers.get('host', '')}"


def open_front(settings: Settings, secrets: Secrets) -> Front:
    """The front of these settings; its key is made (mode 0600) if there is none. Raises `NotConfigured`."""
    if settings.session_key:
        key, where = secrets.resolve(settings.session_key), settings.session_key
    else:
        path = settings.state / "keys" / "session"
        key, where = _own_key(path), str(path)
    return Front(strong_key(key, where), settings.public_url)


def _own_key(path: Path) -> str:
    create_private(path, os.urandom(32).hex().encode())
    return path.read_text(encoding="ascii")
