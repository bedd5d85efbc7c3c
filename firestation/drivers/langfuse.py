"""The Langfuse source: traces with their observations and scores, and prompts beside their previous version.

Contract-tested only: against the shapes of Langfuse's published API, not against its server.
"""

from collections.abc import Iterator
from functools import partial
from typing import ClassVar

from firestation.drivers.harvest import Fixed, Job, ProductConfig, ProductSource, stamp, then_and_now
from firestation.errors import Gone
from firestation.evidence import Scope
from firestation.model import Line, Model
from firestation.ports import Artifact

TRACE = Fixed(url="/api/public/traces/{trace_id}", holds="$.observations")
AROUND = Fixed(
    url="/api/public/traces",
    query={"fromTimestamp": "{since}", "toTimestamp": "{until}", "orderBy": "timestamp.desc", "limit": "100"},
    some="$.data",
)
LABELLED = Fixed(url="/api/public/v2/prompts/{name}", query={"label": "{label}"})
VERSION = Fixed(url="/api/public/v2/prompts/{name}", query={"version": "{version}"})


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
