"""Which Firestation this is: its version, and a digest of the code that decides, which tells two builds apart."""

import hashlib
from functools import cache
from importlib import metadata
from pathlib import Path

DECIDES = ("firestation", "activities", "workflows")
"""The packages whose code a replay runs; drivers, worker, gateway and command decide nothing."""

ROOT = Path(__file__).parent.parent
SHOWN = 12


@cache
def version() -> str:
    """What is installed, such as `0.1.0`."""
    return metadata.version("firestation")


@cache
def build() -> str:
    """Version and code, such as `0.1.0+9f8e7d6c5b4a`: a worker writes it into each workflow task that it completes."""
    weighed = hashlib.sha256()
    for package in DECIDES:
        for file in sorted((ROOT / package).glob("*.py")):
            weighed.update(f"{package}/{file.name}\0".encode())
            weighed.update(hashlib.sha256(file.read_bytes()).digest())
    return f"{version()}+{weighed.hexdigest()[:SHOWN]}"
