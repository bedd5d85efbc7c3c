"""The Chroma lever: which collection bears the name that the application asks for.

Chroma has no aliases, so two collections change names: the one in force leaves the name, the other takes it. Between
the two steps nobody has the name, and the application is told so (404) rather than served the wrong index. The parked
collection's name, `NAME.ID.OWN`, says who follows it (`ID`) and under which name that one is to be found again
(`OWN`): a move that died between its steps is seen, and ends either way.

There is no compare-and-set. The gap is two round trips; but Chroma never lets two collections have one name, so
somebody else's swap in the gap makes ours fail, and is not overwritten.
"""

import re
from typing import Any, ClassVar

from pydantic import JsonValue

from firestation.drivers.harvest import Fixed
from firestation.drivers.moving import ProductLever, ProductLeverConfig
from firestation.errors import Gone
from firestation.model import Line, Model
from firestation.ports import ByHand
from firestation.system import Position

ALL = "/api/v2/tenants/{tenant}/databases/{database}/collections"
BY_NAME = Fixed(url=f"{ALL}/{{name}}")
LIST = Fixed(url=ALL, query={"limit": "{limit}", "offset": "{offset}"})
DATABASE = Fixed(url="/api/v2/tenants/{tenant}/databases/{database}")
RENAME = Fixed(method="PUT", url=f"{ALL}/{{id}}", body={"new_name": "{new_name}"})
PAGE = 500
UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
PRESENT = "PRESENT"

Names = dict[str, str]
"""The names of all collections, by their ids."""


class ChromaLeverConfig(ProductLeverConfig):
    """`collection` is the name that the application asks for. A position is the id of the collection that bears it."""

    tenant: Line = "default_tenant"
    database: Line = "default_database"
    collection: Line


class ChromaLever(ProductLever[ChromaLeverConfig]):
    """Swaps names. To null it only parks what is in force."""

    config_model: ClassVar[type[Model]] = ChromaLeverConfig

    async def position(self) -> Position:
        """The id of the collection in force; null when there is none; `{from, to}` between the steps of a swap."""
        try:
            answer = await self.ask(BY_NAME, **self._place(name=self.config.collection))
        except Gone:
            return Position(value=self._halfway(await self._names()))
        return Position(value=str(answer.json()["id"]))

    async def write(self, to: Position, found: Position, key: str) -> None:  # noqa: ARG002 - Chroma knows no keys
        """First the one in force leaves the name, and is seen to have left; then the other takes it."""
        names = await self._names()
        if to.value is not None and to.value not in names:
            msg = f"Chroma has no collection with the id {to}; write the id that GET .../collections shows"
            raise Gone(msg)
        if isinstance(found.value, str):
            new_name = self._parked(found.value, to.value, names)
            await self.ask(RENAME, **self._place(id=found.value, new_name=new_name))
            await self._read_back(Position(value=self._halfway({**names, found.value: new_name})))
        if to.value is not None:
            await self.ask(RENAME, **self._place(id=to.value, new_name=self.config.collection))

    def between(self, found: Position, one: Position, other: Position) -> bool:
        """Whether nobody has the name, because one of the two has left it for the other."""
        value = found.value
        return isinstance(value, dict) and set(value.values()) == {one.value, other.value}

    def read_by_hand(self) -> ByHand:
        """The same request."""
        command = self.curl(BY_NAME, **self._place(name=self.config.collection))
        return ByHand(command=command, look="its position stands at $.id; 404: no collection has the name")

    def by_hand(self, to: JsonValue) -> str:
        """The two steps of the swap; the first asks for the id of the collection in force."""
        live = self.config.collection
        asked = self.curl(BY_NAME, **self._place(name=live))
        parked = self.curl(RENAME, **self._place(id=PRESENT, new_name=f"{live}.by-hand"))
        found = f"""{PRESENT}=$({asked} | grep -o '"id":"[^"]*"' | head -n 1 | cut -d '"' -f 4)"""
        leaves = f'{{ test -z "${PRESENT}" || {parked.replace(f"/{PRESENT}", f"/${PRESENT}")}; }}'
        takes = [] if to is None else [self.curl(RENAME, **self._place(id=to, new_name=live))]
        return f"{found}; {' && '.join([leaves, *takes])}"

    def _parked(self, leaves: str, follows: JsonValue, names: Names) -> str:
        """The name of the one that leaves: its own of before, where it is known; else one that says who follows."""
        live = self.config.collection
        for each, name in names.items():
            own = self._follower(name)
            if own and own[0] == leaves and follows in {each, None}:
                return own[1]
        if follows is None:
            return f"{live}.parked.{leaves}"
        return f"{live}.{follows}.{names[str(follows)]}"

    def _halfway(self, names: Names) -> JsonValue:
        """From where to where a swap was begun, when nobody has the name; null when no swap was."""
        begun: list[JsonValue] = []
        for each, name in names.items():
            own = self._follower(name)
            if own and names.get(own[0]) == own[1]:
                begun.append({"from": each, "to": own[0]})
        return begun[0] if len(begun) == 1 else None

    def _follower(self, name: str) -> tuple[str, str] | None:
        """Who follows the collection that is parked under this name, and its own name."""
        found = re.fullmatch(rf"{re.escape(self.config.collection)}\.({UUID})\.(.+)", name)
        return (found[1], found[2]) if found else None

    async def _names(self) -> Names:
        names: Names = {}
        while True:
            page = (await self.ask(LIST, **self._place(limit=PAGE, offset=len(names)))).json()
            names |= {str(each["id"]): str(each["name"]) for each in page}
            if not names:
                await self.ask(DATABASE, **self._place())  # one that is not there has no collections either
            if len(page) < PAGE:
                return names

    def _place(self, **values: Any) -> dict[str, Any]:
        return {"tenant": self.config.tenant, "database": self.config.database, **values}
