"""The apprise channel: whatever the library `apprise` can reach (SMS services, chats, phones), sent at most once.

The address is one of apprise's URLs, and a secret: it is named by its reference. `{to}` in it is the contact's
address. Apprise says only that something failed, not what: unless nobody was reached at all, that leaves a doubt, and
the message is not sent again.
"""

import asyncio
import logging
import re
from typing import ClassVar
from urllib.parse import quote

import apprise

from firestation.authority import SecretReference
from firestation.board import Message, Receipt
from firestation.drivers.claims import at_most_once
from firestation.drivers.kit import Kit
from firestation.errors import Denied, Doubtful, NotConfigured, Unreachable
from firestation.model import Model
from firestation.system import ChannelFitting

NOBODY = re.compile(
    r"connection refused|failed to establish a new connection|failed to resolve|"
    r"name or service not known|temporary failure in name resolution|network is unreachable|no route to host",
    re.IGNORECASE,
)
"""What the system says when there was no connection, so that nothing can have been sent."""


class AppriseConfig(Model):
    """`url` refers to the URL: `env:NAME` or `file:PATH`."""

    url: SecretReference


class AppriseChannel:
    """Sends, at most once a key."""

    config_model: ClassVar[type[Model]] = AppriseConfig

    def __init__(self, fitting: ChannelFitting, config: AppriseConfig, kit: Kit) -> None:
        self.fitting, self.config, self.kit = fitting, config, kit

    async def send(self, message: Message, key: str) -> Receipt:
        """One notification, under the key."""

        async def sending() -> Receipt:
            await asyncio.to_thread(self._notify, message)
            return Receipt(channel=self.fitting.id, reference="taken by apprise")

        return await at_most_once(self.kit.claims, key, sending)

    def _notify(self, message: Message) -> None:
        """Blocks. Raises `Doubtful`, or what shows that nothing was sent."""
        reference = self.config.url
        try:
            url = self.kit.secrets.resolve(reference).replace("{to}", quote(message.to or "", safe=""))
        except NotConfigured as error:
            raise Denied(str(error)) from error
        made = apprise.Apprise()
        if not made.add(url):
            raise Denied(f"apprise cannot use the URL of {reference}; see apprise's own list of services")
        for service in made:
            service.retry = 0  # also where the URL asks for more: at most once
        result = made.notify(
            message.text,
            title=message.title,
            body_format=apprise.NotifyFormat.TEXT,
            log_level=logging.DEBUG,
        )
        if result:
            return
        attempts = [attempt for each in result.results for attempt in each.attempts]
        if attempts and all(any(NOBODY.search(log.message) for log in each.logs) for each in attempts):
            raise Unreachable(f"apprise could not connect to the service of {reference}")
        raise Doubtful(
            f"it may have been sent; not sent again: the service of {reference} did not confirm it"
        )


_log = logging.getLogger("apprise")
_log.propagate = False  # what it says holds its URLs, which are secrets; we read it from the result alone
_log.setLevel(logging.DEBUG)
