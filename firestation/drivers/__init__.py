"""The drivers that there are: kind, then name, then where the class is.

A driver class is built as `Class(fitting, config, kit)` and names the Pydantic model of its `with` in `config_model`.
Third parties add theirs by the entry-point group `firestation.drivers`, each entry named `KIND.NAME`:

    [project.entry-points."firestation.drivers"]
    "lever.statsig" = "acme_firestation:StatsigLever"

Nothing is imported before a system file names it, so a broken third-party package harms only who asks for it.
"""

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, cast

from pydantic import ValidationError

from firestation.authority import Station
from firestation.complaints import field_path, invalid_inputs
from firestation.drivers.age import is_recipient
from firestation.drivers.exchange import stateless_client
from firestation.drivers.kit import HttpClient, Kit
from firestation.drivers.moving import MovingConfig
from firestation.errors import InvalidInput, NotConfigured
from firestation.fitting import Fitting
from firestation.model import Model
from firestation.pagers import Pager
from firestation.ports import Channel, Check, Claims, Fault, Lever, Secrets, Source, Tracker
from firestation.rehearsal import RehearsalFitting
from firestation.system import (
    ChannelFitting,
    CheckFitting,
    LeverFitting,
    SourceFitting,
    System,
    TrackerFitting,
)

Kind = Literal["source", "lever", "check", "channel", "tracker", "fault"]
GROUP = "firestation.drivers"


@dataclass(frozen=True)
class Entry:
    """Where a driver is: `module:Class`. `needs` is what pip must install for it beyond Firestation itself."""

    where: str
    needs: str | None = None


REGISTRY: dict[Kind, dict[str, Entry]] = {
    "source": {
        "http": Entry("firestation.drivers.http:HttpSource"),
        "file": Entry("firestation.drivers.file:FileSource"),
        "git": Entry("firestation.drivers.git:GitSource"),
        "prometheus": Entry("firestation.drivers.prometheus:PrometheusSource"),
        "mlflow": Entry("firestation.drivers.mlflow:MlflowSource"),
        "phoenix": Entry("firestation.drivers.phoenix:PhoenixSource"),
        "ferrogw": Entry("firestation.drivers.ferrogw:FerrogwSource"),
        "unleash": Entry("firestation.drivers.unleash:UnleashSource"),
        "otlp": Entry("firestation.drivers.otlp:OtlpSource"),
        "lancedb": Entry("firestation.drivers.lancedb:LancedbSource", needs="firestation[lancedb]"),
        "chroma": Entry("firestation.drivers.chroma:ChromaSource"),
        "qdrant": Entry("firestation.drivers.qdrant:QdrantSource", needs="firestation[qdrant]"),
        "postgresql": Entry(
            "firestation.drivers.postgresql:PostgresqlSource", needs="firestation[postgresql]"
        ),
        # Contract-tested only: against the published shapes, not against the product.
        "langfuse": Entry("firestation.drivers.langfuse:LangfuseSource"),
        "langsmith": Entry("firestation.drivers.langsmith:LangsmithSource"),
        "litellm": Entry("firestation.drivers.litellm:LitellmSource"),
    },
    "lever": {
        "http": Entry("firestation.drivers.http:HttpLever"),
        "file": Entry("firestation.drivers.file_levers:FileLever"),
        "git": Entry("firestation.drivers.git_levers:GitLever"),
        "mlflow": Entry("firestation.drivers.mlflow_levers:MlflowLever"),
        "phoenix": Entry("firestation.drivers.phoenix:PhoenixLever"),
        "ferrogw": Entry("firestation.drivers.ferrogw_levers:FerrogwLever"),
        "unleash": Entry("firestation.drivers.unleash_levers:UnleashLever"),
        "flagd": Entry("firestation.drivers.flagd:FlagdLever"),
        "lancedb": Entry("firestation.drivers.lancedb_levers:LancedbLever", needs="firestation[lancedb]"),
        "chroma": Entry("firestation.drivers.chroma_levers:ChromaLever"),
        "qdrant": Entry("firestation.drivers.qdrant_levers:QdrantLever", needs="firestation[qdrant]"),
        "haproxy": Entry("firestation.drivers.haproxy:HaproxyLever"),
        "postgresql": Entry(
            "firestation.drivers.postgresql_levers:PostgresqlLever", needs="firestation[postgresql]"
        ),
        # Contract-tested only: against the published shapes, not against the product.
        "langfuse": Entry("firestation.drivers.langfuse:LangfuseLever"),
        "litellm": Entry("firestation.drivers.litellm:LitellmLever"),
        "launchdarkly": Entry("firestation.drivers.launchdarkly:LaunchdarklyLever"),
        "kubernetes": Entry("firestation.drivers.kubernetes:KubernetesLever"),
    },
    "check": {
        "http": Entry("firestation.drivers.http:HttpCheck"),
    },
    "channel": {
        "http": Entry("firestation.drivers.http:HttpChannel"),
        "file": Entry("firestation.drivers.file:FileChannel"),
        "email": Entry("firestation.drivers.email:EmailChannel"),
        "matrix": Entry("firestation.drivers.matrix:MatrixChannel"),
        "webhook": Entry("firestation.drivers.webhook:WebhookChannel"),
        "apprise": Entry("firestation.drivers.apprise:AppriseChannel", needs="firestation[apprise]"),
        # Contract-tested only: against the published shapes, not against the product.
        "slack": Entry("firestation.drivers.slack:SlackChannel"),
        "teams": Entry("firestation.drivers.teams:TeamsChannel"),
        "pagerduty": Entry("firestation.drivers.pagerduty:PagerdutyChannel"),
        "statuspage": Entry("firestation.drivers.statuspage:StatuspageChannel"),
    },
    "tracker": {
        "http": Entry("firestation.drivers.http_tracker:HttpTracker"),
        "file": Entry("firestation.drivers.file_tracker:FileTracker"),
        "roundup": Entry("firestation.drivers.roundup:RoundupTracker"),
        # Contract-tested only: against the published shapes, not against the product.
        "github": Entry("firestation.drivers.github:GithubTracker"),
        "gitlab": Entry("firestation.drivers.gitlab:GitlabTracker"),
        "jira": Entry("firestation.drivers.jira:JiraTracker"),
    },
    "fault": {
        "http": Entry("firestation.drivers.http_fault:HttpFault"),
    },
}


class Drivers:
    """The bench: a fitting in, the driver that it names out. Close it, or use it as `async with Drivers(secrets)`.

    `folder` is where relative paths of system files start. `client` replaces the shared HTTP client, for a proxy
    or a private CA; it is closed with the bench. `claims` are needed by the channels that send at most once.
    """

    def __init__(
        self,
        secrets: Secrets,
        *,
        folder: Path | None = None,
        client: HttpClient | None = None,
        claims: Claims | None = None,
    ) -> None:
        self.kit = Kit(client or stateless_client(), secrets, folder or Path(), claims)

    async def __aenter__(self) -> Self:
        """Ready at once."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        await self.aclose()

    async def aclose(self) -> None:
        """Close the shared connections; drivers built before can no longer be used."""
        await self.kit.client.aclose()

    def source(self, fitting: SourceFitting) -> Source:
        """The source."""
        return cast("Source", self._build("source", fitting))

    def lever(self, fitting: LeverFitting) -> Lever:
        """The lever."""
        return cast("Lever", self._build("lever", fitting))

    def check(self, fitting: CheckFitting) -> Check:
        """The check."""
        return cast("Check", self._build("check", fitting))

    def channel(self, fitting: ChannelFitting) -> Channel:
        """The channel."""
        return cast("Channel", self._build("channel", fitting))

    def tracker(self, fitting: TrackerFitting) -> Tracker:
        """The tracker."""
        return cast("Tracker", self._build("tracker", fitting))

    def fault(self, fitting: RehearsalFitting) -> Fault:
        """The fault of a drill."""
        return cast("Fault", self._build("fault", fitting))

    def _build(self, kind: Kind, fitting: Fitting) -> Any:
        """Raises `NotConfigured` for an unknown driver, `InvalidInput` for the first thing wrong in its `with`."""
        made = driver_class(kind, fitting.driver)
        wrong = _wrong_config(made.config_model, fitting, (fitting.id,))
        if wrong:
            raise wrong[0]
        return made(fitting, _config(made.config_model, fitting), self.kit)


def problems(system: System) -> tuple[InvalidInput, ...]:
    """Everything that the drivers find wrong in a system file: `field` is like `levers[0].with.read.path`."""
    found: list[InvalidInput] = []
    fittings: dict[Kind, tuple[Fitting, ...]] = {
        "source": system.sources,
        "lever": system.levers,
        "check": system.checks,
        "channel": system.channels,
        "tracker": system.trackers,
    }
    for kind, each in fittings.items():
        found += _wrong_fittings(kind, each, f"{kind}s")
    found += _wrong_fittings("fault", system.rehearsal, "rehearsal")
    found += _mixed_places(system.channels)
    for index, source in enumerate(system.sources):
        for place, recipient in enumerate(source.privacy.encrypt_to):
            if not is_recipient(recipient):
                field = f"sources[{index}].privacy.encrypt_to[{place}]"
                fix = "Copy the public key that age-keygen printed; one of its characters is wrong"
                found.append(InvalidInput(field, f"{recipient} is no age recipient", fix))
    return tuple(found)


def _mixed_places(channels: tuple[ChannelFitting, ...]) -> Iterator[InvalidInput]:
    """Channels for the public and for our own people that end in one place: some would read what is not for them."""
    for index, channel in enumerate(channels):
        for other in channels[:index]:
            same = channel.place is not None and (channel.driver, channel.place) == (
                other.driver,
                other.place,
            )
            if same and (channel.audience == "public") != (other.audience == "public"):
                problem = f"it sends {channel.audience} words where {other.id} sends {other.audience} ones"
                yield InvalidInput(f"channels[{index}].with", problem, "Name another place in one of them")


def pager_problems(station: Station) -> tuple[InvalidInput, ...]:
    """Everything that the drivers find wrong in a station's pagers: `field` is like `pagers[0].with.host`."""
    return tuple(_wrong_fittings("channel", station.pagers, "pagers"))


def _wrong_fittings(kind: Kind, fittings: tuple[Fitting, ...], where: str) -> Iterator[InvalidInput]:
    for index, fitting in enumerate(fittings):
        try:
            made = driver_class(kind, fitting.driver)
        except NotConfigured as error:
            problem, _, fix = str(error).partition("; ")
            yield InvalidInput(f"{where}[{index}].driver", problem, fix[:1].upper() + fix[1:])
        else:
            yield from _wrong_config(made.config_model, fitting, (where, index))


def known(kind: Kind) -> tuple[str, ...]:
    """The names of the drivers of this kind, ours and installed third parties', sorted."""
    return tuple(sorted({*REGISTRY[kind], *installed(kind)}))


def driver_class(kind: Kind, name: str) -> Any:
    """The class of a driver. Raises `NotConfigured` naming what there is, or what to install."""
    entry, plugin = REGISTRY[kind].get(name), installed(kind).get(name)
    if entry is None and plugin is None:
        msg = f"there is no {kind} driver {name!r}; choose from {', '.join(known(kind))}, or install one that adds it"
        raise NotConfigured(msg)
    try:
        made = _import(entry.where) if entry else cast("EntryPoint", plugin).load()
    except (ImportError, AttributeError) as error:
        needs = entry.needs if entry else None
        fix = f"pip install '{needs}'" if needs else "repair or reinstall the package that brings it"
        msg = f"the {kind} driver {name!r} cannot be loaded ({error}); {fix}"
        raise NotConfigured(msg) from error
    config = getattr(made, "config_model", None)
    if not (isinstance(config, type) and issubclass(config, Model)):
        msg = (
            f"the {kind} driver {name!r} names no config_model; ask its author for one that subclasses Model"
        )
        raise NotConfigured(msg)
    return made


@cache
def installed(kind: Kind) -> dict[str, EntryPoint]:
    """The drivers of others, looked up once a process: that reads the metadata of every package, in 4 ms."""
    prefix = f"{kind}."
    found = entry_points(group=GROUP)
    return {each.name.removeprefix(prefix): each for each in found if each.name.startswith(prefix)}


def _import(where: str) -> Any:
    module, _, name = where.partition(":")
    return getattr(importlib.import_module(module), name)


def _config(model: type[Model], fitting: Fitting) -> Model:
    """The configuration. What a source promises, and whom a channel is for, are the context for its driver."""
    context: dict[str, Any] = {}
    if isinstance(fitting, SourceFitting):
        context["provides"] = fitting.provides
    elif isinstance(fitting, ChannelFitting | Pager):
        context["audience"] = fitting.audience if isinstance(fitting, ChannelFitting) else "pager"
    return model.model_validate(fitting.config, context=context)


def _wrong_config(model: type[Model], fitting: Fitting, place: tuple[str | int, ...]) -> list[InvalidInput]:
    try:
        config = _config(model, fitting)
    except ValidationError as error:
        return invalid_inputs(error, model, (*place, "with"))
    if isinstance(fitting, LeverFitting) and isinstance(config, MovingConfig):
        return list(_wrong_positions(config, fitting, place))
    return []


def _wrong_positions(
    config: MovingConfig, fitting: LeverFitting, place: tuple[str | int, ...]
) -> Iterator[InvalidInput]:
    """A position where the lever cannot stand is refused when the file loads, and not in the night."""
    for name, value in fitting.positions.items():
        problem, _, fix = (config.wrong(value) or "").partition("; ")
        if problem:
            yield InvalidInput(field_path((*place, "positions", name)), problem, fix[:1].upper() + fix[1:])
