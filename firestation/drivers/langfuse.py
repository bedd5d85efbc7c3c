"""The Langfuse source: traces with their observations and scores, prompts beside their previous version; and its lever.

Contract-tested only: against the shapes of Langfuse's published API, not against its server.

Langfuse does not compare before it sets a label, so somebody else's move that lands between our read and our write is
overwritten: the gap is one round trip to Langfuse, and never longer than `timeout`. Its clients keep a prompt for a
minute unless they are told otherwise, so a probe must look at the application.
"""

from collections.abc import Iterator
from functools import partial
from typing import ClassVar, Self

from pydantic import JsonValue, model_validator

from firestation.drivers.harvest import Fixed, Job, ProductConfig, ProductSource, stamp, then_and_now
from firestation.drivers.moving import ProductLever, ProductLeverConfig, is_version
from firestation.errors import Gone
from firestation.evidence import Scope
from firestation.model import Line, Model
from firestation.ports import Artifact, ByHand
from firestation.system import Position

TRACE = Fixed(url="/api/public/traces/{trace_id}", holds="$.observations")
AROUND = Fixed(
    url="/api/public/traces",
    query={"fromTimestamp": "{since}", "toTimestamp": "{until}", "orderBy": "timestamp.desc", "limit": "100"},
    some="$.data",
)
LABELLED = Fixed(url="/api/public/v2/prompts/{name}", query={"label": "{label}"})
VERSION = Fixed(url="/api/public/v2/prompts/{name}", query={"version": "{version}"})
LABEL = Fixed(
    method="PATCH",
    url="/api/public/v2/prompts/{name}/versions/{version}",
    body={"newLabels": ["{label}"]},
)


class PromptLabel(Model):
    """A prompt, and the label by which the application asks for it."""

    name: Line
    label: Line = "production"


class LangfuseSourceConfig(ProductConfig):
    """Langfuse authenticates by `auth: {basic: {user: PUBLIC_KEY, password: env:SECRET_KEY}}`."""

    parts: ClassVar = {"traces": (), "prompts": ("prompts",)}

    traces: bool = False
    prompts: tuple[PromptLabel, ...] = ()


class LangfuseSource(ProductSource[LangfuseSourceConfig]):
    """Freezes the traces that the alarm names, those around it, and the prompts."""

    config_model: ClassVar[type[Model]] = LangfuseSourceConfig

    def jobs(self, scope: Scope) -> Iterator[Job]:
        """What the alarm names first."""
        if self.config.traces:
            for trace in scope.trace_ids:
                yield partial(self.freeze, "traces", f"trace {trace}", TRACE, trace_id=trace)
            span = {"since": stamp(scope.since), "until": stamp(scope.until)}
            yield partial(self.freeze, "traces", "traces around the alarm", AROUND, **span)
        for prompt in self.config.prompts:
            yield partial(self._prompt, prompt)

    async def _prompt(self, prompt: PromptLabel) -> Artifact:
        """The version in force, and the one before it."""
        answer = await self.ask(LABELLED, name=prompt.name, label=prompt.label)
        now = answer.json()
        version = int(now["version"])
        then = None
        if version > 1:
            try:
                then = (await self.ask(VERSION, name=prompt.name, version=str(version - 1))).json()
            except Gone:
                then = None  # deleted: the artifact shows that there is none
        content = then_and_now({"prompt": prompt.name, "label": prompt.label}, then, now)
        return self.artifact("prompts", f"prompt {prompt.name}@{prompt.label}", content, answer.asked)


class LangfuseLeverConfig(ProductLeverConfig):
    """The `label` by which the application asks for the `prompt`. A position is the number of a version.

    A label can be moved to another version and not taken away, so there is no position null.
    """

    prompt: Line
    label: Line = "production"

    @model_validator(mode="after")
    def _can_be_moved(self) -> Self:
        if self.label == "latest":
            msg = "Langfuse itself moves the label latest; name the one that the application asks for"
            raise ValueError(msg)
        return self

    def wrong(self, value: JsonValue) -> str | None:
        """What is wrong with a position of the system file."""
        return None if is_version(value) else "this is no version; write its number, like 2"


class LangfuseLever(ProductLever[LangfuseLeverConfig]):
    """Moves the label, which Langfuse takes from the version that has it. Other labels stay where they are."""

    config_model: ClassVar[type[Model]] = LangfuseLeverConfig

    async def position(self) -> Position:
        """The version that has the label. Raises `Gone` when none has: it could not be put back to that."""
        answer = await self.ask(LABELLED, name=self.config.prompt, label=self.config.label)
        return Position(value=int(answer.at("$.version")))

    async def write(self, to: Position, found: Position, key: str) -> None:
        """One request; setting it to where it is changes nothing."""
        del found, key
        await self.ask(LABEL, name=self.config.prompt, label=self.config.label, version=to.value)

    def read_by_hand(self) -> ByHand:
        """The same request."""
        command = self.curl(LABELLED, name=self.config.prompt, label=self.config.label)
        return ByHand(command=command, look="the version stands at $.version")

    def by_hand(self, to: JsonValue) -> str:
        """The same request."""
        return self.curl(LABEL, name=self.config.prompt, label=self.config.label, version=to)
