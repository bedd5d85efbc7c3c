"""`python -m gateway`: the alarm bell and the captain's API. It keeps nothing; start as many as you like."""

import argparse
import asyncio
import sys
from pathlib import Path

import structlog
import uvicorn

from firestation import drill_shelf
from firestation.drivers.register import open_register
from firestation.drivers.shelf import open_shelf
from firestation.drivers.store import open_store
from firestation.errors import FirestationError, NotConfigured, Unreachable
from firestation.hanging import read, wall_keys
from firestation.logging import set_up
from firestation.secrets import ReferenceSecrets, link_key
from firestation.settings import Settings
from firestation.signers import open_signer
from firestation.signing import PublicKey, load_public_key
from firestation.wall import Wall
from gateway.app import WallPort, create_app
from gateway.auth import Doorkeeper
from gateway.book import Bookkeeper
from gateway.bundles import Sealing
from gateway.codec import reader_of
from gateway.desk import Desk
from gateway.drills import FOUND, DrillDesk, LastDrilled, Shelved
from gateway.front import open_front
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
    shelf = open_shelf(settings.evidence_store, "evidence store")
    shelved = shelved_of(settings)
    last_drilled = LastDrilled(shelved)
    last_drilled("")  # so that it is known when the first alarm comes
    app = create_app(
        Desk(client, books, settings.coalesce, last_drilled),
        door,
        open_store(settings.evidence_store),
        front,
        link_key(settings, secrets),
        shelf=shelf,
        reader=reader_of(client, settings.temporal_ui),
        sealing=Sealing(lambda: open_signer(settings, secrets, make=False), shelf),
        wall=wall_of(settings),
        console=console_of(settings, client.namespace),
        drill_desk=DrillDesk(client, books, shelved),
    )
    config = uvicorn.Config(
        app,
        host=settings.gateway_host,
        port=settings.gateway_port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    log.info("gateway ready", host=settings.gateway_host, port=settings.gateway_port)
    await uvicorn.Server(config).serve()


def console_of(settings: Settings, namespace: str) -> str | None:
    """Where the Temporal UI shows the workflows of this namespace, if the station has said where it is."""
    return f"{settings.temporal_ui}/namespaces/{namespace}/workflows" if settings.temporal_ui else None


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
        asyncio.run(run(settings, arguments.address))
    except FirestationError as error:
        print(f"firestation gateway: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
