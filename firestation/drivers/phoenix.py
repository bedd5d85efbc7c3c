"""The Phoenix source: spans with their annotations, and prompts beside their previous version."""

from collections.abc import Iterator
from functools import partial
from typing import Any, ClassVar

from pydantic import Field

from firestation.drivers.harvest import Fixed, Job, ProductConfig, ProductSource, stamp, then_and_now
from firestation.errors import Gone
from firestation.evidence import Scope
from firestation.model import Line, Model
from firestation.ports import Artifact

LIMIT = "1000"
SPANS = Fixed(
    url="/v1/projects/{project}/spans", query={"trace_id": "{trace_id}", "limit": LIMIT}, holds="$.data"
)
SPANS_BY = Fixed(
    url="/v1/projects/{project}/spans", query={"attribute": "{attribute}", "limit": LIMIT}, holds="$.data"
)
AROUND = Fixed(
    url="/v1/projects/{project}/spans",
    query={"start_time": "{since}", "end_time": "{until}", "limit": "{limit}"},
    holds="$.data",
    some="$.data",
)
ANNOTATIONS = Fixed(
    url="/v1/projects/{project}/trace_annotations",
    query={"trace_ids": "{trace_id}", "limit": LIMIT},
    holds="$.data",
)
SPAN_ANNOTATIONS = Fixed(
    url="/v1/projects/{project}/span_annotations",
    query={"span_ids": "{span_id}", "limit": LIMIT},
    holds="$.data",
)
TAGGED = Fixed(url="/v1/prompts/{name}/tags/{tag}", holds="$.data")
VERSIONS = Fixed(url="/v1/prompts/{name}/versions", query={"limit": "100"}, holds="$.data")
MOST_ANNOTATED = 50
"""Spans of one trace that are asked for their annotations, the first ones: roots come first."""


class PromptTag(Model):
    """A prompt, and the tag by which the application asks for it."""

    name: Line
    tag: Line = "production"


class PhoenixSourceConfig(ProductConfig):
    """`request_attribute` is the span attribute that holds the application's request id, such as session.id."""

    parts: ClassVar = {"project": (), "prompts": ("prompts",)}

    project: Line | None = None
    request_attribute: Line | None = None
    prompts: tuple[PromptTag, ...] = ()
    most_spans: int = Field(default=500, ge=1, le=1000)


class PhoenixSource(ProductSource[PhoenixSourceConfig]):
    """Freezes the spans that the alarm names with what was noted on them, those around it, and the prompts."""

    config_model: ClassVar[type[Model]] = PhoenixSourceConfig

    def jobs(self, scope: Scope) -> Iterator[Job]:
        """What the alarm names first."""
        project = self.config.project
        if project:
            for trace in scope.trace_ids:
                yield partial(self._spans, f"trace {trace}", SPANS, trace_id=trace)
            if self.config.request_attribute:
                for request in scope.request_ids:
                    wanted = f"{self.config.request_attribute}:{request}"
                    yield partial(self._spans, f"spans of request {request}", SPANS_BY, attribute=wanted)
            yield partial(
                self.freeze,
                "project",
                "spans around the alarm",
                AROUND,
                project=project,
                since=stamp(scope.since),
                until=stamp(scope.until),
                limit=self.config.most_spans,
            )
        for prompt in self.config.prompts:
            yield partial(self._prompt, prompt)

    async def _spans(self, name: str, request: Fixed, **wanted: str) -> Artifact:
        """The spans, and what people and evaluators noted on them and on their traces."""
        project = self.config.project
        answer = await self.ask(request, project=project, **wanted)
        spans = answer.at("$.data")
        if not spans:
            raise Gone(f"the project {project} has no {name}")
        noted: list[Any] = []
        for trace in dict.fromkeys(span["context"]["trace_id"] for span in spans):
            found = await self.ask(ANNOTATIONS, project=project, trace_id=trace)
            noted += found.at("$.data")
        for span in spans[:MOST_ANNOTATED]:
            found = await self.ask(SPAN_ANNOTATIONS, project=project, span_id=span["context"]["span_id"])
            noted += found.at("$.data")
        return self.document("project", name, {"spans": spans, "annotations": noted}, answer.asked)

    async def _prompt(self, prompt: PromptTag) -> Artifact:
        """The version in force, and the one before it."""
        answer = await self.ask(TAGGED, name=prompt.name, tag=prompt.tag)
        now = answer.at("$.data")
        versions = (await self.ask(VERSIONS, name=prompt.name)).at("$.data")  # the newest first
        ids = [version.get("id") for version in versions]
        before = ids.index(now["id"]) + 1 if now["id"] in ids else len(ids)
        then = versions[before] if before < len(versions) else None
        content = then_and_now({"prompt": prompt.name, "tag": prompt.tag}, then, now)
        return self.artifact("prompts", f"prompt {prompt.name}@{prompt.tag}", content, answer.asked)
