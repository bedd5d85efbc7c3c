"""Those who want to be told what stands on the public page: who they are, how they ask, and how they are told."""

import importlib
from typing import Protocol

from firestation.authority import SecretReference
from firestation.errors import NotConfigured
from firestation.ports import Secrets


class Mails(Protocol):
    """Sends mails; see `mail.Mailer`, which does it by apprise."""

    async def send(self, to: str, subject: str, text: str, off: str | None = None) -> None:
        """One mail; `off` is the link that unsubscribes. Raises `Doubtful` when it may have been sent."""
        ...


def mailer_of(reference: SecretReference | None, secrets: Secrets) -> Mails | None:
    """What sends mails by the URL of this reference; None without one. Raises `NotConfigured` without apprise."""
    if reference is None:
        return None
    try:
        made: Mails = importlib.import_module("firestation.drivers.subscribers.mail").Mailer(
            reference, secrets
        )
    except ImportError as error:
        msg = "mails to subscribers are sent by apprise, which is not installed; pip install firestation[apprise]"
        raise NotConfigured(msg) from error
    return made
