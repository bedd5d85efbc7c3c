"""Posts to webhooks of people whom nobody here knows, so never to an address of this machine or its networks.

Apprise's json: is not used for them: it connects to whatever the name leads to in that moment, so that a check of the
address before it proves nothing; it signs nothing; and it does not tell a webhook that is gone from one that is away.
Here the name is resolved once, every address that it has must be one of the public internet, and the connection goes
to the address that was checked. No redirect is followed, no proxy asked.

The signature is that of Standard Webhooks (`webhook-id`, `webhook-timestamp`, `webhook-signature`).
"""

import asyncio
import base64
import hashlib
import hmac
import os
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import httpx

from firestation.errors import Denied, Gone, Unreachable
from firestation.model import canonical_json
from firestation.public_page.subscriber import is_outside

SECONDS = 10.0
"""For a whole post, the name's look-up included."""

LOOK_UPS = 16
"""Names that are looked up at once, in threads of their own: strangers choose the name, and who answers for it."""

LONGEST_ANSWER = 4096
SECRET = "whsec_"  # noqa: S105 - how each begins, as Standard Webhooks has it
SECRET_BYTES = 24
MISSING = frozenset({404, 410})
TRY_LATER = frozenset({408, 425, 429})


class Post(NamedTuple):
    """One message: its name, the same at every attempt, and what it says."""

    id: str
    body: dict[str, Any]


class Hooks:
    """Posts, signed. `inside` lets addresses of one's own networks through: for tests, and customers in one house."""

    def __init__(self, *, inside: bool = False, trust: ssl.SSLContext | None = None) -> None:
        self.inside = inside
        self._trust = trust or httpx.create_ssl_context()
        self._threads = ThreadPoolExecutor(LOOK_UPS, thread_name_prefix="names")

    async def post(self, url: str, post: Post, secret: str) -> bytes:
        """The first bytes of the answer, which was a yes. No error shows the address.

        Raises `Gone` (404, 410, or it leads to an address that is not outside), `Denied`, `Unreachable`.
        """
        body = canonical_json(post.body)
        try:
            async with asyncio.timeout(SECONDS):
                return await self._send(httpx.URL(url), body, _signed(post.id, body, secret))
        except TimeoutError:
            raise Unreachable(f"the webhook gave no answer within {SECONDS:.0f} s") from None
        except (
            httpx.HTTPError,
            httpx.InvalidURL,
            OSError,
            UnicodeError,
        ) as error:  # of an xn-- that is no name
            raise Unreachable(f"the webhook cannot be reached ({type(error).__name__})") from None

    async def _send(self, url: httpx.URL, body: bytes, headers: dict[str, str]) -> bytes:
        address = await self._address(url)
        headers = {**headers, "host": url.netloc.decode("ascii"), "content-type": "application/json"}
        async with (
            httpx.AsyncClient(verify=self._trust, trust_env=False, timeout=SECONDS) as client,
            client.stream(
                "POST",
                url.copy_with(host=address),
                content=body,
                headers={**headers, "accept-encoding": "identity", "user-agent": "firestation"},
                extensions={"sni_hostname": url.host},
            ) as answer,
        ):
            _judge(answer.status_code)
            content = b""
            async for piece in answer.aiter_raw():
                content += piece
                if len(content) > LONGEST_ANSWER:
                    break
            return content[:LONGEST_ANSWER]

    async def _address(self, url: httpx.URL) -> str:
        """Where this leads. Raises `Gone` when any of its addresses is not outside."""
        look_up = partial(socket.getaddrinfo, url.host, url.port or 443, type=socket.SOCK_STREAM)
        found = await asyncio.get_running_loop().run_in_executor(self._threads, look_up)
        addresses = [str(each[4][0]) for each in found]
        if not self.inside and not all(map(is_outside, addresses)):
            raise Gone("the webhook leads to an address that is not of the public internet")
        return addresses[0]


def new_secret() -> str:
    """What signs the posts to one webhook."""
    return SECRET + base64.b64encode(os.urandom(SECRET_BYTES)).decode()


def _signed(name: str, body: bytes, secret: str) -> dict[str, str]:
    at = str(int(time.time()))
    key = base64.b64decode(secret.removeprefix(SECRET))
    seal = hmac.new(key, b".".join((name.encode(), at.encode(), body)), hashlib.sha256).digest()
    signature = f"v1,{base64.b64encode(seal).decode()}"
    return {"webhook-id": name, "webhook-timestamp": at, "webhook-signature": signature}


def _judge(status: int) -> None:
    if status in MISSING:
        raise Gone(f"the webhook answered {status}")
    if status >= 500 or status in TRY_LATER:  # noqa: PLR2004 - HTTP's
        raise Unreachable(f"the webhook answered {status}")
    if not 200 <= status < 300:  # noqa: PLR2004 - HTTP's; a redirect is no yes
        raise Denied(f"the webhook answered {status}")
