"""What every driver is handed besides its fitting and its configuration."""

from dataclasses import dataclass
from pathlib import Path

import httpx

from firestation.ports import Claims, Secrets

HttpClient = httpx.AsyncClient


@dataclass(frozen=True)
class Kit:
    """The shared HTTP client, the way to secrets, and the folder that relative paths of a system file start from.

    `claims` are where channels note what they have begun to send, when their product cannot tell a repeated message.
    """

    client: HttpClient
    secrets: Secrets
    folder: Path
    claims: Claims | None = None
