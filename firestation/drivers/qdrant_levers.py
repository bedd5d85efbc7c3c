"""The Qdrant lever: the collection that an alias names.

Qdrant deletes and creates an alias in one request, so nobody ever asks for a name that is not there, and the next query
already goes to the other collection. It does not compare: the gap is one round trip.

Tested on the local mode of qdrant-client, which is the product's own code in the process; its server is
contract-tested only.
"""

import asyncio
import math
import shlex
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import ClassVar

from pydantic import Field, JsonValue
from qdrant_client import AsyncQdrantClient
from qdrant_client.models import (
    AliasOperations,
    CreateAlias,
    CreateAliasOperation,
    DeleteAlias,
    DeleteAliasOperation,
)

from firestation.drivers.exchange import Auth, Connection, HeaderSecret, curl
from firestation.drivers.harvest import Fixed
from firestation.drivers.moving import MovingConfig, MovingLever
from firestation.drivers.qdrant import Place, open_client, ours
from firestation.drivers.template import Values
from firestation.errors import DriverError, Gone, Unreachable
from firestation.model import Duration, Line, Model
from firestation.ports import ByHand
from firestation.system import Position

ALIASES = Fixed(url="/aliases")
SWITCH = Fixed(method="POST", url="/collections/aliases", body={"actions": "{actions}"})


class QdrantLeverConfig(MovingConfig, Place):
    """Where it is, and the alias that the application asks for. `timeout` is for one reading or one writing."""

    alias: Line
    timeout: Duration = Field(default="10s", validate_default=True, gt=timedelta(), le=timedelta(minutes=10))


class QdrantLever(MovingLever[QdrantLeverConfig]):
    """Switches an alias. A position is the name of a collection; null: there is no such alias."""

    config_model: ClassVar[type[Model]] = QdrantLeverConfig

    async def position(self) -> Position:
        """The collection that the alias names."""
        async with self._opened() as client:
            aliases = {each.alias_name: each.collection_name for each in (await client.get_aliases()).aliases}
        return Position(value=aliases.get(self.config.alias))

    async def write(self, to: Position, found: Position, key: str) -> None:  # noqa: ARG002 - Qdrant knows no keys
        """One request."""
        async with self._opened() as client:
            if to.value is not None and not (
                isinstance(to.value, str) and await client.collection_exists(to.value)
            ):
                msg = f"Qdrant has no collection {to.value!r}; write the name of one"
                raise Gone(msg)
            await client.update_collection_aliases(self._actions(to.value, there=found.value is not None))

    def read_by_hand(self) -> ByHand:
        """The aliases that there are; for a local index by a line of Python."""
        look = f"its position is the collection of the alias {self.config.alias}; none: null"
        return ByHand(command=self._typed(ALIASES, {}, "print(client.get_aliases())"), look=look)

    def _typed(self, request: Fixed, values: Values, line: str) -> str:
        """A request to the server, or the same line of Python on a local index."""
        config = self.config
        if config.url is not None:
            header = HeaderSecret(name="api-key", secret=config.api_key) if config.api_key else None
            link = Connection(base=config.url, auth=Auth(header=header) if header else None)
            return curl(link, request, values)
        opened = f"import qdrant_client; client = qdrant_client.QdrantClient(path={str(self._folder())!r})"
        return f"python3 -c {shlex.quote(f'{opened}; {line}; client.close()')}"

    def by_hand(self, to: JsonValue) -> str:
        """The same request; for a local index a line of Python."""
        actions: list[JsonValue] = [
            each.model_dump(mode="json", exclude_none=True) for each in self._actions(to, there=True)
        ]
        adapter = "qdrant_client.models.ChangeAliasesOperation"
        line = f"client.update_collection_aliases({adapter}(actions={actions!r}).actions)"
        return self._typed(SWITCH, {"actions": actions}, line)

    def _folder(self) -> str:
        return str(self.kit.folder / (self.config.folder or ""))

    def _actions(self, to: JsonValue, *, there: bool) -> list[AliasOperations]:
        """What makes the alias name that collection. Deleting one that is not there does no harm."""
        alias = self.config.alias
        actions: list[AliasOperations] = []
        if there:
            actions.append(DeleteAliasOperation(delete_alias=DeleteAlias(alias_name=alias)))
        if to is not None:
            created = CreateAlias(collection_name=str(to), alias_name=alias)
            actions.append(CreateAliasOperation(create_alias=created))
        return actions

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[AsyncQdrantClient]:
        """A client for one act, for the local mode lets only one in. What it raises comes out as one of our errors."""
        seconds = self.config.timeout.total_seconds()
        client: AsyncQdrantClient | None = None
        try:
            async with asyncio.timeout(seconds):
                client = open_client(self.kit, self.config, math.ceil(seconds))
                yield client
        except (DriverError, asyncio.CancelledError):
            raise
        except TimeoutError as error:
            msg = f"Qdrant, alias {self.config.alias}: no answer within {seconds:g} s"
            raise Unreachable(msg) from error
        except Exception as error:
            raise ours(error, f"alias {self.config.alias}") from error
        finally:
            if client is not None:
                await client.close()
