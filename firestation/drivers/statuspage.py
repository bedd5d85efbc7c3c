"""The Statuspage channel: public words as one incident of Atlassian Statuspage, once a key. Contract-tested only.

The incident is found again by its metadata, which also hold the digests of the keys that were posted: a word and its
mark are one request, so what was posted is known, whatever became of the answer. Two workers that post one word within
the same round trip may both post it; within one process an incident has its turn.

Only public words come here. `identified` is never said: that would name a cause, which is a person's to say. What a
person set by hand is left alone: components are set when the incident is made and when it is resolved, and an incident
that was resolved is not opened again.
"""

import asyncio
import hashlib
import html
from typing import Annotated, Any, ClassVar, Literal, Self
from weakref import WeakValueDictionary

from pydantic import Field, JsonValue, StringConstraints, ValidationInfo, model_validator

from firestation.address import Address
from firestation.authority import SecretReference
from firestation.board import Message, Receipt
from firestation.drivers.harvest import one_line
from firestation.drivers.kit import Kit
from firestation.drivers.posting import Call, PostingConfig, call, secret_of
from firestation.drivers.saying import cut, is_update, phase_of, run_of, shown, shown_line
from firestation.errors import Denied, Nonsense
from firestation.model import Line, Model
from firestation.state import Phase
from firestation.system import ChannelFitting

PAGES, PAGE = 3, 100
NAME, BODY = 200, 20_000
OVER = frozenset({"resolved", "postmortem"})
STATUS: dict[Phase, str] = {
    Phase.OPEN: "investigating",
    Phase.DECLARED: "investigating",
    Phase.CONTAINED: "investigating",
    Phase.RECOVERING: "investigating",
    Phase.RESTORED: "monitoring",
    Phase.AFTER_ACTION: "resolved",
    Phase.CLOSED: "resolved",
    Phase.DISMISSED: "resolved",
    Phase.MERGED: "resolved",
}
TURNS: WeakValueDictionary[tuple[Any, ...], asyncio.Lock] = WeakValueDictionary()
Place = Annotated[Line, StringConstraints(pattern=r"^[a-z0-9]+$")]
Harm = Literal["degraded_performance", "partial_outage", "major_outage", "under_maintenance"]


class StatuspageConfig(PostingConfig):
    """`page` is the page's id; `components`: what each, by its id, is set to while the incident is open.

    `notify`: whether the page's subscribers are told.
    """

    base: Address = "https://api.statuspage.io"
    token: SecretReference
    page: Place
    components: dict[Place, Harm] = Field(default_factory=dict)
    notify: bool = True

    @model_validator(mode="after")
    def _is_public(self, info: ValidationInfo) -> Self:
        if (info.context or {}).get("audience", "public") != "public":
            msg = "a status page is read by everybody; write audience: public, or choose another channel"
            raise ValueError(msg)
        return self


class StatuspageChannel:
    """Says a word once a key."""

    config_model: ClassVar[type[Model]] = StatuspageConfig

    def __init__(self, fitting: ChannelFitting, config: StatuspageConfig, kit: Kit) -> None:
        self.fitting, self.config, self.kit = fitting, config, kit

    async def send(self, message: Message, key: str) -> Receipt:
        """An update of the incident, which the first one makes. Raises `Denied` for what is not a public word."""
        if self.fitting.audience != "public" or not is_update(message):
            raise Denied(
                f"a {message.purpose} for the audience {self.fitting.audience} is nothing for a status page"
            )
        run = run_of(message, key)
        mark = hashlib.sha256(key.encode()).hexdigest()[:32]
        place = (asyncio.get_running_loop(), self.config.base, self.config.page, run)
        async with TURNS.setdefault(place, asyncio.Lock()):
            found = await self._find(run)
            marks = _marks(found)
            if found is None or mark not in marks:
                found = await self._post(found, message, {"run": run, "keys": [*marks, mark]})
        return Receipt(channel=self.fitting.id, reference=one_line(found.get("shortlink") or found["id"]))

    async def _find(self, run: str) -> dict[str, Any] | None:
        """The incident of ours, the first one if there are several."""
        known: list[dict[str, Any]] = []
        for page in range(1, PAGES + 1):
            items = await self._ask("GET", f"/incidents?limit={PAGE}&page={page}")
            if not isinstance(items, list) or not all(isinstance(each, dict) for each in items):
                raise Nonsense("Statuspage answered no list of incidents")
            known += [
                each for each in items if _noted(each).get("run") == run and isinstance(each.get("id"), str)
            ]
            if len(items) < PAGE:
                break
        return known[-1] if known else None  # it lists the latest first

    async def _post(self, found: dict[str, Any] | None, message: Message, noted: JsonValue) -> dict[str, Any]:
        status = STATUS.get(phase_of(message) or Phase.OPEN, "investigating")
        said: dict[str, JsonValue] = {
            "body": html.escape(cut(shown(message.text), BODY), quote=False),
            "metadata": {"firestation": noted},
            "deliver_notifications": self.config.notify,
        }
        # Without a phase nothing is known of it, and what was resolved by hand stays so.
        if found is None or (phase_of(message) and found.get("status") not in OVER):
            said["status"] = status
        if found is None:
            said["name"] = _name(message)
        if self.config.components and (found is None or said.get("status") in OVER):
            said |= self._components(status)
        path = "/incidents" if found is None else f"/incidents/{found['id']}"
        answer = await self._ask("POST" if found is None else "PATCH", path, {"incident": said})
        if not (isinstance(answer, dict) and isinstance(answer.get("id"), str)):
            raise Nonsense("Statuspage answered without the incident")
        return answer

    def _components(self, status: str) -> dict[str, JsonValue]:
        over = status in OVER
        states: dict[str, JsonValue] = {
            name: "operational" if over else harm for name, harm in self.config.components.items()
        }
        return {"components": states, "component_ids": list(states)}

    async def _ask(self, method: str, path: str, body: JsonValue = None) -> Any:
        token = secret_of(self.kit, self.config.token)
        url = f"{self.config.base.rstrip('/')}/v1/pages/{self.config.page}{path}"
        headers = {"authorization": f"OAuth {token}"}
        made = Call(method, url, url.partition("?")[0], token, headers, body)
        return (await call(self.kit, self.config, made)).json()


def _noted(incident: dict[str, Any] | None) -> dict[str, Any]:
    """What we noted in its metadata; empty where it is not ours."""
    metadata = incident.get("metadata") if incident else None
    found = metadata.get("firestation") if isinstance(metadata, dict) else None
    return found if isinstance(found, dict) else {}


def _marks(incident: dict[str, Any] | None) -> list[str]:
    marks = _noted(incident).get("keys")
    return [each for each in marks if isinstance(each, str)] if isinstance(marks, list) else []


def _name(message: Message) -> str:
    """The title without our own name of the phase, which tells customers nothing."""
    title = message.title.rpartition(": ")[0] if phase_of(message) else message.title
    return html.escape(cut(shown_line(title), NAME), quote=False)
