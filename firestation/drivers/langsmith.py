"""The LangSmith source: runs of traces and of projects, and prompts beside their previous commit.

Contract-tested only: against the shapes of LangSmith's published API, not against its server.
"""

from collections.abc import Iterator
from functools import partial
from typing import ClassVar

from firestation.drivers.harvest import Fixed, Job, ProductConfig, ProductSource, stamp, then_and_now
from firestation.errors import Gone
from firestation.evidence import Scope
from firestation.model import Line, Model
from firestation.ports import Artifact

RUNS_OF = Fixed(
    method="POST", url="/api/v1/runs/query", body={"trace": "{trace_id}", "limit": 100}, some="$.runs"
)
AROUND = Fixed(
    method="POST",
    url="/api/v1/runs/query",
    body={
        "session": ["{project}"],
        "is_root": True,
        "start_time": "{since}",
        "end_time": "{until}",
        "limit": 100,
    },
    some="$.runs",
)
COMMITS = Fixed(
    url="/api/v1/commits/{owner}/{name}", query={"limit": "100", "offset": "0"}, holds="$.commits"
)
TAGGED = Fixed(url="/api/v1/commits/{owner}/{name}/{tag}")


class PromptCommit(Model):
    """A prompt of LangSmith's hub, and the tag by which the application asks for it; `-` is one's own workspace."""

    owner: Line = "-"
    name: Line
    tag: Line = "latest"


class LangsmithSourceConfig(ProductConfig):
    """`projects` are ids. LangSmith authenticates by `auth: {header: {name: X-API-Key, secret: env:NAME}}`."""

    parts: ClassVar = {"projects": (), "prompts": ("prompts",)}

    projects: tuple[Line, ...] = ()
    prompts: tuple[PromptCommit, ...] = ()


class LangsmithSource(ProductSource[LangsmithSourceConfig]):
    """Freezes the runs of the traces that the alarm names, the roots around it, and the prompts."""

    config_model: ClassVar[type[Model]] = LangsmithSourceConfig

    def jobs(self, scope: Scope) -> Iterator[Job]:
        """What the alarm names first."""
        if self.config.projects:
            for trace in scope.trace_ids:
                yield partial(self.freeze, "projects", f"runs of trace {trace}", RUNS_OF, trace_id=trace)
        for project in self.config.projects:
            span = {"since": stamp(scope.since), "until": stamp(scope.until), "project": project}
            yield partial(
                self.freeze, "projects", f"runs of project {project} around the alarm", AROUND, **span
            )
        for prompt in self.config.prompts:
            yield partial(self._prompt, prompt)

    async def _prompt(self, prompt: PromptCommit) -> Artifact:
        """The commit in force, and its parent."""
        place = {"owner": prompt.owner, "name": prompt.name}
        answer = await self.ask(TAGGED, **place, tag=prompt.tag)
        now = answer.json()
        listed = (await self.ask(COMMITS, **place)).at("$.commits")  # the newest first
        hashes = [each["commit_hash"] for each in listed]
        commit = now["commit_hash"]
        parent = hashes.index(commit) + 1 if commit in hashes else len(hashes)
        then = None
        if parent < len(hashes):
            try:
                then = (await self.ask(TAGGED, **place, tag=hashes[parent])).json()
            except Gone:
                then = None
        content = then_and_now({"prompt": prompt.name, "tag": prompt.tag}, then, now)
        return self.artifact("prompts", f"prompt {prompt.name}@{prompt.tag}", content, answer.asked)
