"""A file of one process: for its owner only, and held for as long as the process lives."""

import fcntl
import os
import time
from pathlib import Path
from typing import IO

from firestation.errors import NotConfigured

CLAIM_SECONDS = 5.0


def private(path: Path) -> None:
    """Have the file be there, for its owner only, whatever folder it is in: an alarm may name a customer."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)


def claim(path: Path) -> IO[str]:
    """Hold the spool for as long as this process lives; one that was killed just now may still hold it a moment."""
    private(path)
    file, deadline = path.open("w"), time.monotonic() + CLAIM_SECONDS
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if time.monotonic() > deadline:
                file.close()
                message = f"another gateway has the spool {path.with_suffix('')}; give this one its own"
                raise NotConfigured(f"{message} with FIRESTATION_SPOOL") from error
            time.sleep(0.1)
        else:
            return file
