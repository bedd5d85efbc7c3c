"""Addresses to which one may send a secret."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def is_https(url: str) -> str:
    """The address, when what is sent there cannot be read on the way. Raises `ValueError`."""
    parts = urlsplit(url)
    if not parts.hostname or parts.username or parts.query or parts.fragment:
        msg = "it is no plain address; write it like https://login.example.org"
        raise ValueError(msg)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        msg = "it must begin with https:// (http:// only for this very machine)"
        raise ValueError(msg)
    return url


Address = Annotated[str, AfterValidator(is_https)]


def is_origin(url: str) -> str:
    """The address of a whole host, without a slash at its end. Raises `ValueError`."""
    if urlsplit(is_https(url)).path.strip("/"):
        msg = "it has a path; write it like https://fire.example.org"
        raise ValueError(msg)
    return url.rstrip("/")


Origin = Annotated[str, AfterValidator(is_origin)]
