"""`python -m gateway`: the alarm bell and the captain's API. It keeps nothing; start as many as you like."""

import argparse
import asyncio
import sys
from pathlib import Path

import structlog
import uvicorn

from firestation.drivers import pager_problems, problems
from firestation.drivers.register import open_register
from firestation.drivers.store import open_store
from firestation.errors import FirestationError, InvalidFile, NotConfigured
from firestation.keyring import read_keyring
from firestation.legal import strangers
from firestation.loader import load_station, load_system, load_wall
from firestation.logging import set_up
from firestation.secrets import ReferenceSecrets, link_key
from firestation.settings import Settings
from gateway.app import create_app
from gateway.auth import Doorkeeper
from gateway.desk import Book, Desk
from gateway.front import open_front
from workflows.client import connect, forward_logs

log = structlog.get_logger()

HELP = "All other settings are FIRESTATION_ variables; firestation/settings.py lists them."


def read_book(settings: Settings) -> Book:
    """Station, systems and runbooks. Raises `InvalidFile` for the first thing that is wrong in one of them."""
    files = sorted(settings.systems.glob("*.yaml")) if settings.systems.is_dir() else [settings.systems]
    systems = [load_system(file) for file in files]
    for file, system in zip(files, systems, strict=True):
        for wrong in problems(system):
            raise InvalidFile(str(file), 0, wrong.field, wrong.problem, wrong.fix)
    station = load_station(settings.station)
    for wrong in pager_problems(station):
        raise InvalidFile(str(settings.station), 0, wrong.field, wrong.problem, wrong.fix)
    keys, unread = read_keyring(station, settings.station.parent)
    for hole in unread:
        raise InvalidFile(str(settings.station), 0, hole.field, hole.problem, hole.fix)
    people = [person.id for person in station.people]
    for file, system in zip(files, systems, strict=True):
        for field, owner in strangers(system.legal, people):
            problem = f"{owner!r} is neither a role nor one of the station's people"
            raise InvalidFile(str(file), 0, field, problem, f"Name a role, or one of {', '.join(people)}")
    return Book(
        station=station,
        keys=dict(keys),
        systems={system.system: system for system in systems},
        wall=tuple(load_wall(settings.runbooks)),
    )


async def run(settings: Settings, address: str | None) -> None:
    """Serve until SIGTERM or SIGINT, whether or not Temporal answers yet: /readyz tells."""
    book = read_book(settings)
    client = await connect(address, lazy=True)
    secrets = ReferenceSecrets(Path(settings.state))
    front = open_front(settings, secrets)
    if book.station.login and not front.public_url:
        raise NotConfigured(
            "the station file has a login; set FIRESTATION_PUBLIC_URL, to which it sends people back"
        )
    door = Doorkeeper(book.station, secrets, open_register(settings.access_store))
    app = create_app(
        Desk(client, book, settings.coalesce),
        door,
        open_store(settings.evidence_store),
        front,
        link_key(settings, secrets),
    )
    config = uvicorn.Config(
        app, host=settings.gateway_host, port=settings.gateway_port, log_config=None, access_log=False
    )
    log.info("gateway ready", host=settings.gateway_host, port=settings.gateway_port)
    await uvicorn.Server(config).serve()


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
