"""A recorded history made readable: every payload in it decrypted, and the words of failures where they belong."""

from collections.abc import AsyncIterator, Iterator

from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload, SearchAttributes
from temporalio.api.failure.v1 import Failure
from temporalio.client import Client, WorkflowHistory
from temporalio.converter import DataConverter
from temporalio.service import RPCError, RPCStatusCode

from workflows.codec import ENCODING, ENCRYPTED, KEY, HistoryCodec


async def decoded(history: WorkflowHistory, converter: DataConverter) -> WorkflowHistory:
    """A copy without encryption: of inputs, results, details, memos, headers, summaries and failures.

    Raises `NotConfigured` naming the key that is missing, or that none is configured, and `InvalidInput` for what was
    altered. What was never encrypted is as it was.
    """
    events = [type(event).FromString(event.SerializeToString()) for event in history.events]
    found = [part for event in events for part in parts(event)]
    payloads = [part for part in found if isinstance(part, Payload)]
    codec = converter.payload_codec or HistoryCodec()
    for payload, plain in zip(payloads, await codec.decode(payloads), strict=True):
        payload.CopyFrom(plain)
    for part in found:
        if isinstance(part, Failure) and part.HasField("encoded_attributes"):
            words = converter.payload_converter.from_payload(part.encoded_attributes)
            part.message, part.stack_trace = str(words["message"]), str(words["stack_trace"])
            part.ClearField("encoded_attributes")
    return WorkflowHistory(workflow_id=history.workflow_id, events=events)


async def readers_of(client: Client, key: str) -> AsyncIterator[str]:
    """The ids of the workflows, open or still kept by the server, that have something encrypted with this key.

    It reads every history of the namespace: some milliseconds each. Raises `RPCError`.
    """
    async for found in client.list_workflows():
        try:
            history = await client.get_workflow_handle(found.id, run_id=found.run_id).fetch_history()
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:  # else it has just been forgotten
                raise
            continue
        if any(key in keys_of(event) for event in history.events):
            yield found.id


def keys_of(message: Message) -> set[str]:
    """The ids of the keys that something in this message is encrypted with."""
    return {
        part.metadata[KEY].decode("ascii", errors="replace")
        for part in parts(message)
        if isinstance(part, Payload) and part.metadata.get(ENCODING) == ENCRYPTED and KEY in part.metadata
    }


def parts(message: Message) -> Iterator[Message]:
    """The payloads and the failures in a message, at any depth. Search attributes are never encrypted."""
    if isinstance(message, SearchAttributes):
        return
    if isinstance(message, Payload | Failure):
        yield message
    if isinstance(message, Payload):
        return
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            each = list(value.values()) if field.message_type.fields_by_name["value"].message_type else []
        else:
            each = list(value) if field.is_repeated else [value]
        for part in each:
            yield from parts(part)
