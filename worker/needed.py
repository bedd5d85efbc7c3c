"""`python -m worker.needed KEY`: which histories that Temporal keeps, open ones too, need a key to be read; as JSON."""

import argparse
import asyncio
import json
import sys

from temporalio.service import RPCError

from workflows.client import connect, forward_logs
from workflows.reading import readers_of

UNREACHABLE = 5


async def needed(address: str | None, key: str) -> list[str]:
    """The ids of the workflows. Raises `RuntimeError` and `RPCError` when Temporal does not answer."""
    client = await connect(address)
    return sorted({found async for found in readers_of(client, key)})


def main() -> int:
    """Read the arguments, and say why when Temporal does not answer."""
    parser = argparse.ArgumentParser(prog="python -m worker.needed", description=__doc__)
    parser.add_argument("key", help="the id of the key")
    parser.add_argument("--address", help="Temporal's address; otherwise Temporal's own environment settings")
    arguments = parser.parse_args()
    forward_logs()  # of what Temporal's core logs by itself, standard output is for the answer
    try:
        found = asyncio.run(needed(arguments.address, arguments.key))
    except (RuntimeError, RPCError) as error:
        print(str(error), file=sys.stderr)
        return UNREACHABLE
    print(json.dumps(found), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
