"""The Phoenix source: spans with their annotations, and prompts beside their previous version; and its lever, a tag.

Phoenix does not compare before it sets a tag, so somebody else's move that lands between our last read and our write is
overwritten: the gap is two round trips to Phoenix, neither longer than `timeout`. A moved tag is effective with the
next request for it: neither Phoenix nor its client keeps one.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any, ClassVar

from pydantic import Field, JsonValue

from firestation.drivers.harvest import Fixed, Job, ProductConfig, ProductSource, stamp, then_and_now
from firestation.drivers.moving import ProductLever, ProductLeverConfig
from firestation.errors import Gone
from firestation.evidence import Scope
from firestation.model import Line, Model
from firestation.ports import Artifact, ByHand
from firestation.system import Position

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
TAGS = Fixed(url="/v1/prompt_versions/{version}/tags", query={"limit": "1000"})
SET_TAG = Fixed(
    method="POST",
    url="/v1/prompt_versions/{version}/tags",
    body={"name": "{tag}", "description": "{description}"},
)
DROP_TAG = Fixed(method="DELETE", url="/v1/prompt_versions/{version}/tags/{tag}")
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


class PhoenixLeverConfig(ProductLeverConfig):
    """The `tag` by which the application asks for the `prompt`.

    Positions: the id of a version, as Phoenix shows it (UHJvbXB0VmVyc2lvbjox), or null for no tag.
    """

    prompt: Line
    tag: Line = "production"

    def wrong(self, value: JsonValue) -> str | None:
        """What is wrong with a position of the system file."""
        right = value is None or (isinstance(value, str) and value.isalnum())
        return None if right else "this is no version; write the id that Phoenix shows, or null for no tag"


class PhoenixLever(ProductLever[PhoenixLeverConfig]):
    """Moves the tag. Its description goes with it; one that was taken off the prompt comes back without."""

    config_model: ClassVar[type[Model]] = PhoenixLeverConfig

    async def position(self) -> Position:
        """The id of the version that has the tag; null where none has it."""
        config = self.config
        try:
            answer = await self.ask(TAGGED, name=config.prompt, tag=config.tag)
        except Gone:
            answer = await self.ask(
                VERSIONS, name=config.prompt
            )  # Phoenix says the same of a tag and of a prompt
            if not answer.at("$.data"):
                raise
            return Position(value=None)
        return Position(value=str(answer.at("$.data.id")))

    async def write(self, to: Position, found: Position, key: str) -> None:
        """One request that sets or deletes, under the prompt's name for the tag; a tag is always on one version."""
        del key
        tag = self.config.tag
        if to.value is None:
            await self.ask(DROP_TAG, version=found.value, tag=tag)
            return
        description: JsonValue = None
        if found.value is not None:
            tags = (await self.ask(TAGS, version=found.value)).at("$.data")
            description = {each["name"]: each.get("description") for each in tags}.get(tag)
        await self.ask(SET_TAG, version=to.value, tag=tag, description=description)

    def read_by_hand(self) -> ByHand:
        """The same request."""
        command = self.curl(TAGGED, name=self.config.prompt, tag=self.config.tag)
        return ByHand(command=command, look="the version stands at $.data.id; 404: no version has the tag")

    def by_hand(self, to: JsonValue) -> str:
        """The same request; to take the tag off, the version that has it now is left for the person to fill in."""
        if to is None:
            return self.curl(DROP_TAG, version="VERSION", tag=self.config.tag)
        return self.curl(SET_TAG, version=to, tag=self.config.tag, description=None)
