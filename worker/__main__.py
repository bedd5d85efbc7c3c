"""`python -m worker`: runs incidents until it is told to stop. Start as many as you like."""

import argparse
import asyncio
import os
import signal
import sys

import structlog

from firestation.errors import FirestationError
from firestation.garbage import pass_over_what_stays
from firestation.logging import set_up
from firestation.settings import Settings
from worker.wiring import station_worker
from workflows.client import connect, ensure_search_attributes, forward_logs

log = structlog.get_logger()

BEHIND_THE_BELL = 10
"""How far a worker stands back (nice) where it shares a machine with the gateway: no alarm waits for work."""

HELP = "All other settings are FIRESTATION_ variables; firestation/settings.py lists them."


async def run(settings: Settings, address: str | None) -> None:
    """Work until SIGTERM or SIGINT; what was begun is handed back to Temporal."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    client = await connect(address, history_keys=settings.history_keys)
    await ensure_search_attributes(client)
    async with station_worker(client, settings) as worker:
        pass_over_what_stays()
        async with worker:
            log.info("worker ready", task_queue=worker.task_queue, evidence=settings.evidence_store)
            await stop.wait()
    log.info("worker stopped")


def main() -> int:
    """Read arguments and settings, say what is wrong with them, run."""
    parser = argparse.ArgumentParser(prog="python -m worker", description=__doc__, epilog=HELP)
    parser.add_argument("--address", help="Temporal's address; otherwise Temporal's own environment settings")
    arguments = parser.parse_args()
    os.nice(BEHIND_THE_BELL)
    try:
        settings = Settings.from_environment()
        set_up(settings.log)
        forward_logs()
        asyncio.run(run(settings, arguments.address))
    except FirestationError as error:
        print(f"firestation worker: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
