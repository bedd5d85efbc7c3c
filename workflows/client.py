"""The connection to Temporal: by Temporal's own environment configuration, or by an address."""

import logging
from pathlib import Path

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import Client
from temporalio.envconfig import ClientConfig
from temporalio.runtime import LogForwardingConfig, LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter
from temporalio.service import RPCError, RPCStatusCode

from workflows.codec import converter
from workflows.search import KEYS

TASK_QUEUE = "firestation"


def forward_logs() -> None:
    """Let Temporal's core log as everything else here does; by itself it writes to standard output."""
    forwarding = LogForwardingConfig(logger=logging.getLogger("temporalio.core"))
    levels = TelemetryFilter(core_level="WARN", other_level="ERROR")
    telemetry = TelemetryConfig(logging=LoggingConfig(filter=levels, forwarding=forwarding))
    Runtime.set_default(Runtime(telemetry=telemetry), error_if_already_set=False)


async def connect(
    address: str | None = None, *, history_keys: Path | None = None, lazy: bool = False
) -> Client:
    """A client, which encrypts what it sends when there is a folder of keys.

    Raises `RuntimeError` when nobody answers there, unless it is to connect only when it is used, and `NotConfigured`
    when the keys cannot be used.
    """
    config = ClientConfig.load_client_connect_config()
    if address:
        config["target_host"] = address
    config.setdefault("target_host", "127.0.0.1:7233")
    return await Client.connect(data_converter=converter(history_keys), lazy=lazy, **config)


async def ensure_search_attributes(client: Client) -> None:
    """Register our search attributes where the server does not have them yet."""
    for key in KEYS:
        request = AddSearchAttributesRequest(
            namespace=client.namespace,
            search_attributes={key.name: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD},
        )
        try:
            await client.operator_service.add_search_attributes(request)
        except RPCError as error:
            if error.status is not RPCStatusCode.ALREADY_EXISTS:
                raise
