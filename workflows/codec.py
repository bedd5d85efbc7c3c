"""What Temporal keeps of an incident, encrypted: inputs, results, details, memos, summaries, and failures with them.

Each payload becomes one of the encoding `binary/encrypted` whose metadata names its key. The workflow's id is no part
of what is authenticated: a codec server is given payloads only. What was written before encryption is read as it is.
"""

import dataclasses
import json
import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict, ParseDict, ParseError
from google.protobuf.message import DecodeError
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import (
    DataConverter,
    DefaultFailureConverterWithEncodedAttributes,
    PayloadCodec,
)

from firestation.errors import InvalidInput, NotConfigured
from firestation.history_keys import NONCE_BYTES, SETTING, HistoryKeys, altered

ENCRYPTED = b"binary/encrypted"
ENCODING, KEY = "encoding", "encryption-key-id"


class HistoryCodec(PayloadCodec):
    """Encrypts with the current key of the folder, decrypts with each; without keys it passes on what is plain."""

    def __init__(self, keys: HistoryKeys | None = None) -> None:
        self.keys = keys

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Encrypt each, with its metadata."""
        keys = self.keys
        return [seal(each, keys) for each in payloads] if keys else list(payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Decrypt each. Raises `NotConfigured` naming the key that is missing, `InvalidInput` for what was altered."""
        return [unseal(each, self.keys) for each in payloads]


def seal(payload: Payload, keys: HistoryKeys) -> Payload:
    """This payload, encrypted."""
    key, data = keys.seal(payload.SerializeToString(deterministic=True), os.urandom(NONCE_BYTES))
    return Payload(metadata={ENCODING: ENCRYPTED, KEY: key.encode()}, data=data)


def unseal(payload: Payload, keys: HistoryKeys | None) -> Payload:
    """What was encrypted; a payload that never was, as it is. Raises as `HistoryCodec.decode`."""
    metadata = payload.metadata
    if metadata.get(ENCODING) != ENCRYPTED and KEY not in metadata:
        return payload
    key = metadata.get(KEY, b"").decode("ascii", errors="replace")
    if dict(metadata) != {ENCODING: ENCRYPTED, KEY: key.encode()}:
        raise altered(key)
    if keys is None:
        problem = f"a history is encrypted (by the key {key[:64]!r}), and no keys are configured here"
        raise NotConfigured(f"{problem}; name their folder: {SETTING}")
    try:
        return Payload.FromString(keys.open(key, payload.data))
    except DecodeError:
        raise altered(key) from None


def converter(folder: Path | None = None) -> DataConverter:
    """How everything goes to Temporal and comes back: encrypted when there is a folder of keys.

    Raises `NotConfigured` when its keys cannot be used. Messages and stacks of failures are encrypted with the rest.
    """
    if folder is None:
        return dataclasses.replace(pydantic_data_converter, payload_codec=HistoryCodec())
    return dataclasses.replace(
        pydantic_data_converter,
        payload_codec=HistoryCodec(HistoryKeys(folder)),
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
    )


async def over_json(
    body: bytes, work: Callable[[Sequence[Payload]], Awaitable[list[Payload]]]
) -> dict[str, Any]:
    """Do to payloads in Temporal's JSON what a codec does, as its codec servers are asked to.

    Raises `InvalidInput` for what are no payloads, without repeating any of it, and what the work raises.
    """
    try:
        given = ParseDict(dict(json.loads(body)), Payloads(), ignore_unknown_fields=True)
    except (ParseError, ValueError, RecursionError, AttributeError, TypeError):
        fix = 'Send {"payloads": [{"metadata": {"encoding": BASE64}, "data": BASE64}]}'
        raise InvalidInput("body", "these are no payloads in Temporal's JSON form", fix) from None
    return MessageToDict(Payloads(payloads=await work(given.payloads)))
