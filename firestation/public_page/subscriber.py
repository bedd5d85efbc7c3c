"""Who wants to be told: an address that was given on the public page, its name on the shelf, and the links it is sent.

An address is never a name: a subscriber is called by an HMAC of it, which only the station's key can make. All keys are
made from that one, each for its own purpose.
"""

import base64
import binascii
import hashlib
import hmac
import ipaddress
import re
from collections.abc import Mapping
from typing import Annotated, Literal
from urllib.parse import urlsplit, urlunsplit

from pydantic import Field, StringConstraints

from firestation.errors import InvalidInput
from firestation.model import Id, Model, Time

Kind = Literal["email", "webhook"]
KINDS: tuple[Kind, ...] = ("email", "webhook")
SubscriberId = Annotated[str, StringConstraints(pattern=r"^(?:email|webhook)-[0-9a-f]{32}$")]

LONGEST_EMAIL, LONGEST_LOCAL, LONGEST_WEBHOOK = 254, 64, 1500
ATOMS = r"[A-Za-z0-9_=~-]+(?:\.[A-Za-z0-9_=~-]+)*"
LOCAL = re.compile(rf"{ATOMS}(?:\+{ATOMS})?")
"""What stands before the @: the signs that addresses have in practice and that apprise takes as they are."""
DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])")
MOST_COMPONENTS = 40

SEAL = 16  # bytes of the HMAC that a link carries
FORM = "fsu_"
HIDDEN_NETWORKS = tuple(
    ipaddress.ip_network(each)
    for each in ("64:ff9b::/96", "64:ff9b:1::/48", "192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32")
)
"""What Python, or one of its versions, takes for global: NAT64, which has an address of IPv4 within that may be a
private one; IETF's own, where Oracle's cloud has the metadata of a machine; relays of 6to4; the host of one in Azure.
"""


class Wish(Model):
    """Who wants to be told, and of which components; of all when none is named. `secret` signs what a webhook gets."""

    kind: Kind
    address: str = Field(max_length=LONGEST_WEBHOOK)
    components: tuple[Id, ...] = Field(default=(), max_length=MOST_COMPONENTS)
    secret: str = ""


class Subscriber(Model):
    """Somebody who has confirmed it. What was said before is not told to them."""

    id: SubscriberId
    wish: Wish
    confirmed_at: Time


def email_address(text: str) -> str:
    """The address, its domain in small letters and ASCII. Raises `InvalidInput`, which does not repeat it."""
    local, at, domain = text.strip().rpartition("@")
    try:
        domain = domain.encode("idna").decode().lower()
    except UnicodeError:
        domain = ""
    found = f"{local}@{domain}"
    fits = len(local) <= LONGEST_LOCAL and len(found) <= LONGEST_EMAIL
    if not (at and fits and LOCAL.fullmatch(local) and DOMAIN.fullmatch(domain)):
        raise InvalidInput(
            "email", "this is no e-mail address that we can use", "Write it like ana@example.org"
        )
    return found


def webhook_address(text: str) -> str:
    """The URL, its host in small letters. Raises `InvalidInput`, which does not repeat it.

    Where a name leads is not known here: `is_outside` says it of each address that it leads to.
    """
    given = text.strip()
    fix = "Write it like https://hooks.example.org/status, without a user or a #"
    try:
        parts = urlsplit(given)
        port, host = parts.port, (parts.hostname or "").rstrip(".")
    except ValueError:
        raise InvalidInput("webhook", "this is no address of a webhook", fix) from None
    plain = given.isascii() and given.isprintable() and not re.search(r"[\s\\\"<>]", given)
    if not plain or "@" in parts.netloc or parts.fragment or len(given) > LONGEST_WEBHOOK or port == 0:
        raise InvalidInput("webhook", "this is no address of a webhook", fix)
    if parts.scheme != "https":
        raise InvalidInput("webhook", "what is sent there could be read on the way", fix)
    if _is_number(host):
        shown = f"[{host}]" if ":" in host else host
    elif DOMAIN.fullmatch(host):
        shown = host
    else:
        raise InvalidInput("webhook", "its host is no name that everybody knows", fix)
    netloc = shown if port in {None, 443} else f"{shown}:{port}"
    return urlunsplit(("https", netloc, parts.path or "/", parts.query, ""))


def _is_number(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_outside(address: str) -> bool:
    """Whether this IP address is one of the public internet: not of this machine, nor of somebody's own network."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        within = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if within is not None:
            return is_outside(str(within))
        if found.is_site_local:
            return False
    if any(found in network for network in HIDDEN_NETWORKS):
        return False
    return found.is_global and not found.is_multicast and not found.is_reserved


def derived(key: bytes, purpose: str) -> bytes:
    """The key for one purpose: 32 bytes, which tell nothing of the others."""
    return hmac.new(key, f"firestation subscribers 1\n{purpose}".encode(), hashlib.sha256).digest()


def subscriber_id(kind: Kind, address: str, key: bytes) -> SubscriberId:
    """What a subscriber is called: the same for each way to write one mailbox. `key` is the station's own."""
    same = address.casefold() if kind == "email" else address
    return f"{kind}-{_digest(kind, same, key)}"


def mailbox(kind: Kind, address: str, key: bytes) -> str:
    """Whom it would annoy, by a name that tells nothing: a+tag@… and a@… are one person."""
    local, _, domain = address.casefold().rpartition("@")
    same = f"{local.partition('+')[0]}@{domain}" if kind == "email" else address
    return _digest(f"limit {kind}", same, key)


def _digest(purpose: str, text: str, key: bytes) -> str:
    seal = hmac.new(derived(key, "names"), f"{purpose}\n{text}".encode(), hashlib.sha256)
    return seal.hexdigest()[:32]


def off_token(subscriber: SubscriberId, key: bytes) -> str:
    """The end of the link that unsubscribes. It needs nothing else, and holds for ever."""
    body = subscriber.encode()
    return FORM + base64.urlsafe_b64encode(_seal(body, key) + body).decode().rstrip("=")


def read_off_token(token: str, key: bytes) -> SubscriberId | None:
    """Whom this link unsubscribes; None when we did not make it so."""
    given = token.removeprefix(FORM)
    try:
        raw = base64.b64decode(given + "=" * (-len(given) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    seal, body = raw[:SEAL], raw[SEAL:]
    if not token.startswith(FORM) or not hmac.compare_digest(seal, _seal(body, key)):
        return None
    return body.decode() if off_token(body.decode(), key) == token else None


def _seal(body: bytes, key: bytes) -> bytes:
    return hmac.new(derived(key, "unsubscribe"), body, hashlib.sha256).digest()[:SEAL]


def wish_of(fields: Mapping[str, str], components: tuple[str, ...], secret: str) -> Wish:
    """What a form asks for: either an e-mail address or a webhook. Raises `InvalidInput`."""
    email, webhook = fields.get("email", "").strip(), fields.get("webhook", "").strip()
    if bool(email) is bool(webhook):
        raise InvalidInput("email", "one address is wanted", "Write an e-mail address, or that of a webhook")
    if len(components) > MOST_COMPONENTS or not all(
        re.fullmatch(r"[0-9a-f]{12}", each) for each in components
    ):
        raise InvalidInput(
            "component", "this is no list of our components", "Send the form as the page has it"
        )
    if email:
        return Wish(kind="email", address=email_address(email), components=components)
    return Wish(kind="webhook", address=webhook_address(webhook), components=components, secret=secret)
