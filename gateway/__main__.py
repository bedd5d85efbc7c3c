"""`python -m gateway`: the alarm bell and the captain's API. It keeps only its spool; start as many as you like."""

import argparse
import asyncio
import sys
from datetime import datetime
from pathlib import Path

import structlog
import uvicorn

from firestation import drill_shelf
from firestation.drivers import Drivers
from firestation.drivers.register import open_register
from firestation.drivers.shelf import open_shelf
from firestation.drivers.store import open_store
from firestation.drivers.subscribers import mailer_of
from firestation.drivers.subscribers.book import open_book
from firestation.drivers.subscribers.hook import Hooks
from firestation.drivers.subscribers.reception import Reception
from firestation.errors import FirestationError, NotConfigured, Unreachable
from firestation.garbage import pass_over_what_stays
from firestation.hanging import read, wall_keys
from firestation.links import PlanLink, sign_plan
from firestation.logging import set_up
from firestation.secrets import ReferenceSecrets, link_key, subscriber_key
from firestation.settings import Settings
from firestation.signers import open_signer
from firestation.signing import PublicKey, load_public_key
from firestation.wall import Wall
from gateway.app import WallPort, create_app
from gateway.auth import Doorkeeper
from gateway.book import Bookkeeper
from gateway.bundles import Sealing
from gateway.chat import Clerk, PlanAddress
from gateway.codec import reader_of
from gateway.desk import Desk
from gateway.detectors import detectors_of
from gateway.drills import FOUND, DrillDesk, LastDrilled, Shelved
from gateway.front import open_front
from gateway.listening import Listening
from gateway.patience import Impatient, hold_many
from gateway.ringing import Ringing
from gateway.spool import Spool
from gateway.subscribing import Customers
from workflows.client import connect, forward_logs

log = structlog.get_logger()

SHUTDOWN_SECONDS = 3
"""So long whoever is being answered has still; pages that are kept up to date are never done, and come again."""

HELP = "All other settings are FIRESTATION_ variables; firestation/settings.py lists them."


async def run(settings: Settings, address: str | None) -> None:
    """Serve until SIGTERM or SIGINT, whether or not Temporal answers yet: /readyz tells."""
    books = Bookkeeper(settings)
    client = await connect(address, history_keys=settings.history_keys, lazy=True)
    secrets = ReferenceSecrets(Path(settings.state))
    front = open_front(settings, secrets)
    door = Doorkeeper(books, secrets, open_register(settings.access_store))
    shelf, key = open_shelf(settings.evidence_store, "evidence store"), link_key(settings, secrets)
    shelved = shelved_of(settings)
    last_drilled = LastDrilled(shelved)
    last_drilled.look()  # so that it is known when the first alarm comes
    ringing = Ringing(client, books, Spool(settings.spool_file), settings.coalesce, last_drilled)
    desk = Desk(client, books, ringing)
    async with Drivers(secrets, folder=settings.state) as bench:
        clerk = Clerk(desk, books, plan_address(settings, key), settings.gateway_url)
        chat = Listening(books, bench, clerk, settings.state / "chat")
        app = create_app(
            desk,
            door,
            open_store(settings.evidence_store),
            front,
            key,
            shelf=shelf,
            reader=reader_of(client, settings.temporal_ui),
            sealing=Sealing(lambda: open_signer(settings, secrets, make=False), shelf),
            wall=wall_of(settings),
            watch=detectors_of(client, books),
            console=console_of(settings, client.namespace),
            drill_desk=DrillDesk(client, books, shelved),
            customers=customers_of(settings, secrets),
            warnings=chat.warnings,
        )
        config = uvicorn.Config(
            app,
            host=settings.gateway_host,
            port=settings.gateway_port,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
            http=Impatient,
        )
        log.info("gateway ready", host=settings.gateway_host, port=settings.gateway_port)
        pass_over_what_stays()
        async with ringing.standing(), chat.standing():
            await uvicorn.Server(config).serve()


def plan_address(settings: Settings, key: bytes) -> PlanAddress:
    """How the link of a plan is made: the gateway's public address, and a token that only this station can sign."""

    def address(link: PlanLink, until: datetime) -> str:
        return f"{settings.gateway_url}/plan/{sign_plan(link, until, key)}"

    return address


def console_of(settings: Settings, namespace: str) -> str | None:
    """Where the Temporal UI shows the workflows of this namespace, if the station has said where it is."""
    return f"{settings.temporal_ui}/namespaces/{namespace}/workflows" if settings.temporal_ui else None


def customers_of(settings: Settings, secrets: ReferenceSecrets) -> Customers | None:
    """Who answers those who want to be told what stands on the public page; None where they cannot."""
    if settings.subscribe_url is None:
        return None
    reception = Reception(
        open_book(settings.subscriber_store, subscriber_key(settings, secrets)),
        mailer_of(settings.subscriber_mail, secrets),
        Hooks(inside=settings.subscriber_webhooks_inside),
        settings.subscribe_url,
        settings.public_page_title,
    )
    return Customers(reception, settings.public_page_url)


def wall_of(settings: Settings) -> WallPort:
    """How the wall of locks is read: from beside the evidence, believed by the keys of this station.

    Raises `Unreachable` while the key is not there, which the first worker makes.
    """
    shelf = open_shelf(settings.evidence_store, "wall of locks")

    async def wall(system: str | None) -> Wall:
        return await read(shelf, _own_keys(settings), system)

    return wall


def shelved_of(settings: Settings) -> Shelved:
    """How the results of drills are read: as the wall of locks is. Raises as that does."""
    shelf = open_shelf(settings.evidence_store, "shelf of drills")

    async def shelved(system: str | None) -> FOUND:
        return await drill_shelf.read(shelf, _own_keys(settings), system)

    return shelved


def _own_keys(settings: Settings) -> tuple[PublicKey, ...]:
    public = settings.key_public if settings.key_uri and settings.key_public else None
    path = public or settings.signing_key.with_name(f"{settings.signing_key.name}.pub")
    try:
        return wall_keys(load_public_key(path), settings.signing_key.parent)
    except NotConfigured as error:
        raise Unreachable(f"nobody can say what this station has signed: {error}") from error


def main() -> int:
    """Read arguments and settings, say what is wrong with them, serve."""
    parser = argparse.ArgumentParser(prog="python -m gateway", description=__doc__, epilog=HELP)
    parser.add_argument("--address", help="Temporal's address; otherwise Temporal's own environment settings")
    arguments = parser.parse_args()
    try:
        settings = Settings.from_environment()
        set_up(settings.log)
        forward_logs()
        hold_many()
        asyncio.run(run(settings, arguments.address))
    except FirestationError as error:
        print(f"firestation gateway: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
