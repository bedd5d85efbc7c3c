"""The way from the worker to the gateway's bell: over HTTP and with the secret of a bell, as any machine rings."""

from collections.abc import Callable
from typing import Any, ClassVar

from firestation.alarm import OWN_BELL, Alarm
from firestation.drivers.exchange import Auth, Connection, ask
from firestation.drivers.kit import Kit
from firestation.drivers.template import Method, Request
from firestation.errors import NotConfigured
from firestation.loader import load_station
from firestation.settings import Settings


class _Ring(Request):
    allowed: ClassVar[frozenset[str]] = frozenset({"alarm"})

    method: Method = "POST"


RING = _Ring(url="/alarms/generic", body="{alarm}")


class StationBell:
    """Rings at the gateway. The reference of the secret is asked for anew each time, so that it can be changed."""

    def __init__(self, kit: Kit, url: str, reference: Callable[[], str]) -> None:
        self.kit, self.url, self.reference = kit, url, reference

    async def ring(self, alarm: Alarm, delivery: str | None = None) -> str | None:
        """One request. The alarm's key is its identity there, so a repeat is the same alarm."""
        link = Connection(base=self.url, auth=Auth(bearer=self.reference()))
        key = {"Idempotency-Key": delivery} if delivery else None
        answer = await ask(self.kit, link, RING, {"alarm": said(alarm)}, key)
        incidents = answer.at("$.incidents")
        found = incidents[0].get("incident") if isinstance(incidents, list) and incidents else None
        return found if isinstance(found, str) else None


def said(alarm: Alarm) -> dict[str, Any]:
    """The alarm in the plain form of our own bell. What has waited for a person comes from where it came from."""
    rest = {"key"} if alarm.triaged else {"key", "source", "triaged"}
    return {"id": alarm.key, **alarm.model_dump(mode="json", exclude=rest)}


def own_bell(settings: Settings, kit: Kit) -> StationBell:
    """The bell `watch` of the station file."""

    def reference() -> str:
        for bell in load_station(settings.station).bells:
            if bell.id == OWN_BELL:
                return bell.token_references[0]
        problem = f"the station file has no bell {OWN_BELL!r}, so what the watch finds cannot be rung"
        raise NotConfigured(f"{problem}; add to its bells: - id: {OWN_BELL}")

    return StationBell(kit, settings.gateway_url, reference)
