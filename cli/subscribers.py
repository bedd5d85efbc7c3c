"""Who is told what stands on the public page: how many, and whoever asks to be forgotten. No address is shown."""

import asyncio
import sys
from collections import Counter

import typer
from rich.text import Text

from cli.desk import Desk, Json
from cli.show import say
from cli.teach import teach
from firestation.drivers.subscribers.book import SubscriberBook, open_book
from firestation.errors import InvalidInput, NotConfigured
from firestation.model import count
from firestation.public_page.subscriber import (
    KINDS,
    Kind,
    email_address,
    subscriber_id,
    webhook_address,
)
from firestation.secrets import ReferenceSecrets, subscriber_key
from firestation.settings import Settings

subscribers = typer.Typer(
    no_args_is_help=True, help="Who is told what stands on the public page; no address is ever shown."
)


def number(ctx: typer.Context, *, as_json: Json = False) -> None:
    """Count the subscribers by kind.

    Example:
      firestation subscribers count

    Next: `firestation subscribers remove` for who asks to be forgotten.
    """
    desk = Desk.of(ctx, as_json=as_json)
    found = Counter(each.partition("-")[0] for each in asyncio.run(_book(ctx).ids()))
    if desk.json:
        desk.answer({kind: found[kind] for kind in KINDS})
        return
    say(desk.console, Text(f"By e-mail: {found['email']}. By webhook: {found['webhook']}."))


def remove(ctx: typer.Context, *, as_json: Json = False) -> None:
    """Delete the subscriber whose address is typed, or comes on standard input: not on the command line, which is kept.

    Example:
      firestation subscribers remove < address.txt

    Next: nothing; all that was kept of the address is deleted, and it may subscribe again.
    """
    desk = Desk.of(ctx, as_json=as_json)
    given = typer.prompt("Address", err=True) if sys.stdin.isatty() else sys.stdin.readline()
    kind, address = _address(given.strip())
    book = _book(ctx)
    removed = asyncio.run(book.forget(subscriber_id(kind, address, book.key)))
    if desk.json:
        desk.answer({"removed": int(removed)})
        return
    say(desk.console, Text(f"{count(int(removed), 'subscriber')} deleted."))


def _address(given: str) -> tuple[Kind, str]:
    """The address as it is kept. Raises `InvalidInput`."""
    if given.startswith("https:"):
        return "webhook", webhook_address(given)
    if "@" not in given:
        raise InvalidInput(
            "the address", "it is none", "Type that of a mailbox, or the https:// address of a webhook"
        )
    return "email", email_address(given)


def _book(ctx: typer.Context) -> SubscriberBook:
    """The book. Raises `NotConfigured` where there is no key: one that was made now would open nothing."""
    settings = Settings.from_environment().changed(state=ctx.obj.state)
    key = settings.signing_key.with_name("subscribers")
    if settings.subscriber_key is None and not key.exists():
        fix = "name the station's state folder with --state, or its key with FIRESTATION_SUBSCRIBER_KEY"
        raise NotConfigured(f"there is no key of subscribers at {key}; {fix}")
    return open_book(settings.subscriber_store, subscriber_key(settings, ReferenceSecrets(settings.state)))


teach(subscribers, "count", number)
teach(subscribers, "remove", remove)
