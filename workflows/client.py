"""The connection to Temporal: by Temporal's own environment configuration, or by an address."""

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.envconfig import ClientConfig
from temporalio.service import RPCError, RPCStatusCode

from workflows.search import KEYS

TASK_QUEUE = "firestation"


async def connect(address: str | None = None, *, lazy: bool = False) -> Client:
    """A client. Raises `RuntimeError` when nobody answers there, unless it is to connect only when it is used."""
    config = ClientConfig.load_client_connect_config()
    if address:
        config["target_host"] = address
    config.setdefault("target_host", "127.0.0.1:7233")
    return await Client.connect(data_converter=pydantic_data_converter, lazy=lazy, **config)


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
