"""The reception: who asks to be told is asked whether they want it, and who wants no more is let go.

Nothing is kept of an address before it was confirmed: the link in the mail holds it, encrypted. A webhook confirms by
an answer that nothing gives by itself. What is answered to who asks is the same whoever is known here.
"""

import base64
import binascii
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import ValidationError

from firestation.drivers.subscribers import Mails
from firestation.drivers.subscribers.book import NONCE_BYTES, SubscriberBook
from firestation.drivers.subscribers.hook import Hooks, Post
from firestation.errors import DriverError
from firestation.model import Model, Time
from firestation.public_page.subscriber import (
    Kind,
    Subscriber,
    SubscriberId,
    Wish,
    derived,
    off_token,
    read_off_token,
    subscriber_id,
)

log = structlog.get_logger()

LIFE = timedelta(hours=48)
FORM = "fsc_"
LABEL = b"firestation subscribers confirm 1"


class Pending(Model):
    """What the link in a mail holds, encrypted."""

    wish: Wish
    until: Time


class Reception:
    """`address` is the gateway's, as customers have it; without a `mailer` nobody subscribes by e-mail."""

    def __init__(
        self,
        book: SubscriberBook,
        mailer: Mails | None,
        hooks: Hooks,
        address: str,
        title: str,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.book, self.mailer, self.hooks = book, mailer, hooks
        self.address, self.title, self.clock = address, title, clock
        self._cipher = AESGCM(derived(book.key, "confirm"))

    @property
    def ways(self) -> tuple[Kind, ...]:
        """How somebody can be told here."""
        return ("email", "webhook") if self.mailer else ("webhook",)

    async def ask(self, wish: Wish) -> None:
        """Ask whether they want it, unless they were asked within the hour. Never raises: nobody waits for it."""
        name = subscriber_id(wish.kind, wish.address, self.book.key)
        try:
            if wish.kind == "webhook":
                await self._challenge(name, wish)
            elif self.mailer and await self.book.may_ask(wish, self.clock()):
                link = f"{self.address}/subscribe/{self.token(wish)}"
                await self.mailer.send(
                    wish.address, f"[{self.title}] Confirm your subscription", _question(link)
                )
                log.info("asked to confirm", subscriber=name)
        except DriverError as error:
            log.warning("nobody could be asked to confirm", subscriber=name, problem=str(error))
        except Exception:
            log.exception("nobody could be asked to confirm", subscriber=name)

    async def _challenge(self, name: SubscriberId, wish: Wish) -> None:
        """A webhook that is told already is not asked: its secret would be a stranger's."""
        if await self.book.find(name) or not await self.book.may_ask(wish, self.clock()):
            return
        challenge = os.urandom(16).hex()
        body = {"type": "subscription.confirm", "challenge": challenge, "unsubscribe": self.way_out(name)}
        answer = await self.hooks.post(wish.address, Post(f"confirm-{challenge}", body), wish.secret)
        try:
            confirmed = json.loads(answer) == {"challenge": challenge}
        except (ValueError, RecursionError):
            confirmed = False
        if confirmed:
            await self._keep(wish)
        else:
            log.info("a webhook did not confirm", subscriber=name)

    def token(self, wish: Wish) -> str:
        """The end of the link that confirms this, for two days."""
        pending = Pending(wish=wish, until=self.clock() + LIFE)
        nonce = os.urandom(NONCE_BYTES)
        sealed = nonce + self._cipher.encrypt(nonce, pending.canonical(), LABEL)
        return FORM + base64.urlsafe_b64encode(sealed).decode().rstrip("=")

    def read(self, token: str) -> Wish | None:
        """What this link confirms; None when we did not make it, or its time is over."""
        given = token.removeprefix(FORM)
        try:
            raw = base64.b64decode(given + "=" * (-len(given) % 4), altchars=b"-_", validate=True)
            plain = self._cipher.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], LABEL)
            pending = Pending.model_validate_json(plain)
        except (binascii.Error, InvalidTag, ValueError, ValidationError):
            return None
        return pending.wish if token.startswith(FORM) and self.clock() <= pending.until else None

    async def confirm(self, wish: Wish) -> None:
        """They want it. Doing it again changes nothing. Raises `Unreachable` or `Denied`."""
        await self._keep(wish)

    async def leave(self, token: str) -> bool:
        """They want no more. Whether the link is one of ours: doing it again is as good. Raises as `confirm`."""
        name = read_off_token(token, self.book.key)
        if name is None:
            return False
        if await self.book.forget(name):
            log.info("unsubscribed", subscriber=name)
        return True

    def is_ours(self, token: str) -> bool:
        """Whether this link unsubscribes somebody who is here, or was."""
        return read_off_token(token, self.book.key) is not None

    def way_out(self, name: SubscriberId) -> str:
        """The link that unsubscribes this one."""
        return way_out(self.address, name, self.book.key)

    async def _keep(self, wish: Wish) -> None:
        name = subscriber_id(wish.kind, wish.address, self.book.key)
        before = await self.book.find(name)
        if before and before.wish == wish:
            return
        since = before.confirmed_at if before else self.clock()
        await self.book.keep(Subscriber(id=name, wish=wish, confirmed_at=since))
        log.info("subscribed", subscriber=name)


def way_out(address: str, name: SubscriberId, key: bytes) -> str:
    """The link that unsubscribes this one, for ever."""
    return f"{address}/unsubscribe/{off_token(name, key)}"


def _question(link: str) -> str:
    return (
        "Somebody, perhaps you, asked on the status page to be told here of incidents.\n\n"
        f"If you want that, open this and press the button, within two days:\n{link}\n\n"
        "If you do not, do nothing: nothing was kept of your address, and nothing else will come.\n"
    )
