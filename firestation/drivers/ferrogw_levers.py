"""The ferrogw levers: a model alias, the weights of a split, a setting of a plugin, and a key's expiry.

ferrogw compares nothing: all but the key live in one configuration, which is read, changed in one place and written
whole. Just before that write the lever is compared once more; somebody else's change to any part of the
configuration that lands between this reading and the write is overwritten: that gap is one round trip. A key is
changed alone. What is written is effective on the next request.

A key is cut off by an expiry in the past, never revoked: ferrogw has no way back from a revocation.
"""

import json
import shlex
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal, Self

from pydantic import JsonValue, model_validator

from firestation.drivers.ferrogw import CONFIG
from firestation.drivers.harvest import Fixed
from firestation.drivers.moving import ProductLever, ProductLeverConfig, Raced
from firestation.errors import Denied, Gone
from firestation.model import Line, Model
from firestation.ports import ByHand
from firestation.system import Position

PUT = Fixed(method="PUT", url="/admin/config", body="{config}")
KEY = Fixed(url="/admin/keys/{id}")
KEY_PUT = Fixed(method="PUT", url="/admin/keys/{id}", body="{change}")
REDACTED = "[REDACTED]"
REVOKED = "revoked"

Write = Callable[[Any, JsonValue], None]


class PluginPlace(Model):
    """A plugin by its name (and stage, if it runs at several), and one of its settings or the whole."""

    name: Line
    stage: Line | None = None
    setting: Line | None = None


class FerrogwLeverConfig(ProductLeverConfig):
    """Exactly one thing to move.

    `alias` is a model alias: its position is the model, null is no such alias. `weights` are those of `variants`
    (an A/B test) or of `targets`: the position is the whole map, label or virtual key to weight. `plugin` with a
    `setting` is that setting, null where it is not set; without, it is `{"enabled": ..., "config": {...}}`. `key` is
    the id of a gateway key: the position is its expiry in UTC, null is never.
    """

    alias: Line | None = None
    weights: Literal["variants", "targets"] | None = None
    plugin: PluginPlace | None = None
    key: Line | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        named = [each for each in ("alias", "weights", "plugin", "key") if getattr(self, each) is not None]
        if len(named) != 1:
            msg = f"one thing is moved, and here {len(named)} are named; write alias, weights, plugin or key"
            raise ValueError(msg)
        return self


class FerrogwLever(ProductLever[FerrogwLeverConfig]):
    """Moves one thing in the gateway and leaves the rest as it is."""

    config_model: ClassVar[type[Model]] = FerrogwLeverConfig

    async def position(self) -> Position:
        """Of the running gateway."""
        if self.config.key:
            return Position(value=_expiry((await self.ask(KEY, id=self.config.key)).json()))
        return Position(value=self._value(await self._running()))

    async def write(self, to: Position, found: Position, key: str) -> None:  # noqa: ARG002 - ferrogw has no place for it
        """The key's expiry, or the whole configuration with one value changed."""
        if self.config.key:
            if found.value == REVOKED:
                raise Gone(
                    f"the key {self.config.key} is revoked, which ferrogw cannot undo; create a new one"
                )
            await self.ask(KEY_PUT, id=self.config.key, change=_change(to.value))
            return
        config = await self._running()
        if not Position(value=self._value(config)).same_as(found):
            raise Raced("the configuration was changed between our reading and our write")
        if REDACTED in json.dumps(config):
            msg = "ferrogw hides a literal secret in its configuration, so it cannot be written back; make it a ${VAR}"
            raise Denied(msg)
        self._change(config, to.value)
        await self.ask(PUT, config=config)

    async def _running(self) -> Any:
        return (await self.ask(CONFIG)).json()

    def _value(self, config: Any) -> JsonValue:
        """The one value, out of the configuration. Raises `Gone` for a place that is not there."""
        asked = self.config
        if asked.alias:
            value: JsonValue = (config.get("aliases") or {}).get(asked.alias)
            return value
        if asked.weights:
            return {name: each.get("weight", 0) for name, each in self._weighted(config).items()}
        plugin = self._plugin(config)
        settings = plugin.get("config") or {}
        assert asked.plugin
        if asked.plugin.setting:
            setting: JsonValue = settings.get(asked.plugin.setting)
            return setting
        return {"enabled": plugin.get("enabled", False), "config": settings}

    def _change(self, config: Any, to: JsonValue) -> None:
        """Put the value into the configuration. Raises `Gone` when it cannot stand there."""
        asked = self.config
        if asked.alias:
            _put(config.setdefault("aliases", {}), asked.alias, to)
        elif asked.weights:
            there = self._weighted(config)
            if not isinstance(to, dict) or set(to) != set(there):
                msg = f"the weights are {to}; give each of {', '.join(there)} its weight, and no other"
                raise Gone(msg)
            for name, each in there.items():
                each["weight"] = to[name]
        else:
            assert asked.plugin
            plugin = self._plugin(config)
            if asked.plugin.setting:
                _put(plugin.setdefault("config", {}), asked.plugin.setting, to)
            elif isinstance(to, dict) and set(to) == {"enabled", "config"}:
                plugin.update(to)
            else:
                raise Gone(f"a plugin cannot stand at {to}; write {{enabled: ..., config: {{...}}}}")

    def _weighted(self, config: Any) -> dict[str, Any]:
        """What has weights, by its name."""
        if self.config.weights == "targets":
            found = {each["virtual_key"]: each for each in config["targets"]}
        else:
            found = {each["label"]: each for each in config["strategy"].get("ab_variants") or ()}
        if not found:
            raise Gone("the gateway has no A/B variants; set strategy.ab_variants, or move weights: targets")
        return found

    def _plugin(self, config: Any) -> Any:
        """The only plugin of this name, and of this stage where one is named."""
        place = self.config.plugin
        assert place
        found = [
            each
            for each in config.get("plugins") or ()
            if each["name"] == place.name and place.stage in {None, each.get("stage")}
        ]
        if len(found) != 1:
            fix = "configure it with enabled: false" if not found else "name its stage"
            raise Gone(f"the gateway has {len(found)} plugins {place.name}, and one is to be moved; {fix}")
        return found[0]

    def read_by_hand(self) -> ByHand:
        """The same request."""
        if self.config.key:
            return ByHand(command=self.curl(KEY, id=self.config.key), look="its end stands at $.expires_at")
        return ByHand(command=self.curl(CONFIG), look="keep the whole answer: it is what is written back")

    def by_hand(self, to: JsonValue) -> str:
        """The key by one request; the configuration read, changed by jq and written back."""
        asked = self.config
        if asked.key:
            return self.curl(KEY_PUT, id=asked.key, change=_change(to))
        # Placed where the request has the body, so that the credential is written once and in one way.
        written = self.curl(PUT, config=REDACTED).replace(shlex.quote(json.dumps(REDACTED)), "@-")
        return f"{self.curl(CONFIG)} | jq {shlex.quote(self._jq(to))} | {written}"

    def _jq(self, to: JsonValue) -> str:
        asked, value = self.config, json.dumps(to)
        if asked.alias:
            place = f".aliases[{json.dumps(asked.alias)}]"
            return f"del({place})" if to is None else f"{place} = {value}"
        if asked.weights:
            what, name = (
                (".targets", "virtual_key")
                if asked.weights == "targets"
                else (".strategy.ab_variants", "label")
            )
            return f"{what}[] |= (.weight = {value}[.{name}])"
        assert asked.plugin
        named = f".name == {json.dumps(asked.plugin.name)}"
        if asked.plugin.stage:
            named += f" and .stage == {json.dumps(asked.plugin.stage)}"
        plugin = f"(.plugins[] | select({named}))"
        if asked.plugin.setting:
            place = f"{plugin}.config[{json.dumps(asked.plugin.setting)}]"
            return f"del({place})" if to is None else f"{place} = {value}"
        return f"{plugin} += {value}"


def _put(there: dict[str, Any], name: str, to: JsonValue) -> None:
    """Set it, or take it out."""
    if to is None:
        there.pop(name, None)
    else:
        there[name] = to


def _expiry(key: Any) -> str | None:
    """When a key ends. ferrogw gives a time back in the zone in which it came, so it is put into UTC here."""
    if not key["active"]:
        return REVOKED
    given = key.get("expires_at")
    return None if given is None else _stamp(given)


def _stamp(given: str) -> str:
    moment = datetime.fromisoformat(given).astimezone(UTC)
    return moment.isoformat().replace("+00:00", "Z")


def _change(to: JsonValue) -> JsonValue:
    """What a key is told for this expiry."""
    if to is None:
        return {"clear_expiration": True}
    try:
        given = _stamp(to) if isinstance(to, str) else None
    except ValueError:
        given = None
    if given != to:
        msg = f'the expiry of a key cannot be {to}; write it in UTC like "2001-01-01T00:00:00Z", or null for never'
        raise Gone(msg)
    return {"expires_at": given}
