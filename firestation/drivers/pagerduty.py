"""The PagerDuty channel: alerts by Events v2 with real keys, and status updates. Contract-tested only.

All pages of an incident are one alert: their `dedup_key` is the incident, so that a repeated one rings nobody twice,
and the board's words acknowledge it once a severity is declared and resolve it when the incident ends. A decision, and
an escalation, is an alert of its own with its own key, since one that was acknowledged would ring nobody.

The board's words are status updates of the incident that the first page made, by the REST API. Those know no keys, so
each is claimed before it is posted (`claims.py`).
"""

import hashlib
from typing import Annotated, Any, ClassVar, Literal, Self
from urllib.parse import quote

from pydantic import JsonValue, StringConstraints, ValidationInfo, model_validator

from firestation.address import Address
from firestation.authority import SecretReference
from firestation.board import Message, Receipt
from firestation.drivers.claims import at_most_once
from firestation.drivers.harvest import one_line
from firestation.drivers.kit import Kit
from firestation.drivers.posting import Call, PostingConfig, call, object_of, secret_of
from firestation.drivers.saying import ENDED, cut, doubting, is_update, phase_of, run_of, shown, shown_line
from firestation.errors import Denied, Gone, Nonsense
from firestation.model import Line, Model
from firestation.state import Phase
from firestation.system import ChannelFitting

SUMMARY, DETAILS, UPDATE = 1024, 8000, 4000
SEVERITY: dict[str, str] = {
    "page": "critical",
    "escalation": "error",
    "decision": "error",
    "reminder": "info",
}
Action = Literal["trigger", "acknowledge", "resolve"]


class PagerdutyConfig(PostingConfig):
    """`routing_key` is of an Events v2 integration. A board's words need the REST API's `token`, too, and `sender`."""

    events: Address = "https://events.pagerduty.com"
    api: Address = "https://api.pagerduty.com"
    routing_key: SecretReference
    token: SecretReference | None = None
    sender: Annotated[Line, StringConstraints(pattern=r"^[\x21-\x7e]+@[\x21-\x7e]+$")] | None = None

    @model_validator(mode="after")
    def _can_be_used(self, info: ValidationInfo) -> Self:
        audience = (info.context or {}).get("audience")
        if audience == "public":
            msg = (
                "PagerDuty is read by our own people and the audience is public; use statuspage for customers"
            )
            raise ValueError(msg)
        if (self.token is None) != (self.sender is None):
            msg = "token and sender go together; sender is the e-mail address of a PagerDuty user"
            raise ValueError(msg)
        if audience == "internal" and self.token is None:
            msg = "the board's words are status updates, which need the REST API; add token: env:NAME and sender"
            raise ValueError(msg)
        return self


class PagerdutyChannel:
    """Rings once a key, and says a word at most once a key."""

    config_model: ClassVar[type[Model]] = PagerdutyConfig

    def __init__(self, fitting: ChannelFitting, config: PagerdutyConfig, kit: Kit) -> None:
        self.fitting, self.config, self.kit = fitting, config, kit

    async def send(self, message: Message, key: str) -> Receipt:
        """An alert, or a status update."""
        alert = f"firestation/{run_of(message, key)}"
        if not is_update(message):
            if message.purpose != "page":
                alert += f"/{hashlib.sha256(key.encode()).hexdigest()[:32]}"
            await self._event("trigger", alert, _payload(message))
            return Receipt(channel=self.fitting.id, reference=alert)
        receipt = await at_most_once(self.kit.claims, key, lambda: self._update(alert, message))
        phase = phase_of(message)
        if phase in ENDED:
            await self._event("resolve", alert)
        elif phase not in {None, Phase.OPEN}:
            await self._event("acknowledge", alert)
        return receipt

    async def _event(self, action: Action, alert: str, payload: JsonValue = None) -> None:
        """As often as one likes: the alert is one by its key. Raises `DriverError`."""
        key = secret_of(self.kit, self.config.routing_key)
        body: dict[str, JsonValue] = {"routing_key": key, "event_action": action, "dedup_key": alert}
        if payload is not None:
            body |= {"payload": payload, "client": "Firestation"}
        url = f"{self.config.events.rstrip('/')}/v2/enqueue"
        found = object_of(await call(self.kit, self.config, Call("POST", url, url, key, {}, body)))
        if found.get("status") != "success" or found.get("dedup_key") != alert:
            raise Nonsense(f"POST {url} answered without saying that it took the alert {alert}")

    async def _update(self, alert: str, message: Message) -> Receipt:
        number = await self._incident(alert)
        text = cut(f"{shown_line(message.title)}\n{shown(message.text)}", UPDATE)
        with doubting():
            found = await self._rest(
                "POST", f"/incidents/{quote(number, safe='')}/status_updates", {"message": text}
            )
            made = found.get("status_update")
            if not (isinstance(made, dict) and made.get("id")):
                raise Nonsense("PagerDuty answered without the status update that it took")
        return Receipt(channel=self.fitting.id, reference=one_line(f"{number} {made['id']}"))

    async def _incident(self, alert: str) -> str:
        """The incident that the alert made: the one that is open, else the latest."""
        found = (
            await self._rest("GET", f"/incidents?incident_key={quote(alert, safe='')}&date_range=all")
        ).get("incidents")
        if not isinstance(found, list):
            raise Nonsense("PagerDuty answered no list of incidents")
        known = [each for each in found if isinstance(each, dict) and each.get("incident_key") == alert]
        still = [each for each in known if each.get("status") != "resolved"] or known
        if not still:
            raise Gone(f"nothing rang at PagerDuty as {alert}, so there is nothing to put a status update to")
        return str(still[0].get("id"))

    async def _rest(self, method: str, path: str, body: JsonValue = None) -> dict[str, Any]:
        if self.config.token is None or self.config.sender is None:
            raise Denied("a status update needs PagerDuty's REST API; add token and sender to the channel")
        token = secret_of(self.kit, self.config.token)
        headers = {
            "authorization": f"Token token={token}",
            "accept": "application/vnd.pagerduty+json;version=2",
            "from": self.config.sender,
        }
        url = f"{self.config.api.rstrip('/')}{path}"
        made = Call(method, url, url.partition("?")[0], token, headers, body)
        return object_of(await call(self.kit, self.config, made))


def _payload(message: Message) -> JsonValue:
    """The alert. PagerDuty shows it as plain text, on phones and in calls."""
    return {
        "summary": cut(shown_line(message.title), SUMMARY),
        "source": message.incident,
        "severity": SEVERITY.get(message.purpose, "error"),
        "custom_details": {"text": cut(shown(message.text), DETAILS), "purpose": message.purpose},
    }
