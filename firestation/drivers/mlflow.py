"""The MLflow source: traces, prompts beside their previous version, evaluation datasets, the AI gateway's routes."""

from collections.abc import Iterator
from functools import partial
from typing import Any, ClassVar

from pydantic import Field

from firestation.drivers.harvest import Fixed, Job, ProductConfig, ProductSource, naming, then_and_now
from firestation.errors import Gone, Nonsense
from firestation.evidence import Scope
from firestation.model import Line, Model
from firestation.ports import Artifact
from firestation.system import CONTROL

PROMPT_TEXT = "mlflow.prompt.text"
UNKNOWN = 400  # how MLflow answers for an alias that there is not

TRACE = Fixed(url="/api/3.0/mlflow/traces/get", query={"trace_id": "{trace_id}"}, holds="$.trace")
SEARCH = Fixed(
    method="POST",
    url="/api/3.0/mlflow/traces/search",
    body={
        "locations": [{"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "{experiment}"}}],
        "filter": "{filter}",
        "max_results": "{limit}",
        "order_by": ["timestamp_ms DESC"],
    },
    some="$.traces",
)
ALIAS = Fixed(
    url="/api/2.0/mlflow/registered-models/alias",
    query={"name": "{name}", "alias": "{alias}"},
    holds="$.model_version",
)
VERSION = Fixed(
    url="/api/2.0/mlflow/model-versions/get",
    query={"name": "{name}", "version": "{version}"},
    holds="$.model_version",
)
DATASET = Fixed(url="/api/3.0/mlflow/datasets/{dataset}", holds="$.dataset")
RECORDS = Fixed(url="/api/3.0/mlflow/datasets/{dataset}/records", some="$.records")
ENDPOINTS = Fixed(url="/api/3.0/mlflow/gateway/endpoints/list")


class PromptAlias(Model):
    """A registered prompt, and the alias by which the application asks for it."""

    name: Line
    alias: Line = "production"


class MlflowSourceConfig(ProductConfig):
    """`experiments` and `datasets` are ids. `most_traces` bounds what is read of the span around the alarm."""

    parts: ClassVar = {
        "experiments": (),
        "prompts": ("prompts",),
        "datasets": (CONTROL, "judges", "human-review"),
        "gateway": ("model-route", "flags"),
    }

    experiments: tuple[Line, ...] = ()
    prompts: tuple[PromptAlias, ...] = ()
    datasets: tuple[Line, ...] = ()
    gateway: bool = False
    most_traces: int = Field(default=100, ge=1, le=500)


class MlflowSource(ProductSource[MlflowSourceConfig]):
    """Freezes the traces that the alarm names, those around it, and what the application ran on."""

    config_model: ClassVar[type[Model]] = MlflowSourceConfig

    def jobs(self, scope: Scope) -> Iterator[Job]:
        """What the alarm names first, for it may be gone soonest."""
        config = self.config
        if config.experiments:
            for trace in scope.trace_ids:
                yield partial(self.freeze, "experiments", f"trace {trace}", TRACE, trace_id=trace)
        span = f"timestamp_ms >= {_millis(scope.since)} AND timestamp_ms <= {_millis(scope.until)}"
        for experiment in config.experiments:
            for request in scope.request_ids:
                yield partial(self._trace_of, experiment, request)
            name = f"traces of experiment {experiment} around the alarm"
            yield partial(
                self.freeze,
                "experiments",
                name,
                SEARCH,
                experiment=experiment,
                filter=span,
                limit=config.most_traces,
            )
        for prompt in config.prompts:
            yield partial(self._prompt, prompt)
        for dataset in config.datasets:
            yield partial(self.freeze, "datasets", f"dataset {dataset}", DATASET, dataset=dataset)
            yield partial(self.freeze, "datasets", f"records of dataset {dataset}", RECORDS, dataset=dataset)
        if config.gateway:
            yield partial(self.freeze, "gateway", "gateway endpoints", ENDPOINTS)

    async def _trace_of(self, experiment: str, request: str) -> Artifact:
        """The newest trace of a request id of the application's own."""
        if "'" in request or "\\" in request:
            raise Gone(f"MLflow cannot be asked for the request {request!r}: it has a quote in it")
        where = f"client_request_id = '{request}'"
        with naming(f"trace of request {request}"):
            found = await self.ask(SEARCH, experiment=experiment, filter=where, limit=1)
        trace = str(found.at("$.traces[0].trace_id"))
        return await self.freeze("experiments", f"trace of request {request}", TRACE, trace_id=trace)

    async def _prompt(self, prompt: PromptAlias) -> Artifact:
        """The version in force, and the one before it."""
        try:
            answer = await self.ask(ALIAS, name=prompt.name, alias=prompt.alias)
        except Nonsense as error:
            if error.details.get("status") == UNKNOWN:
                raise Gone(f"the prompt {prompt.name} has no alias {prompt.alias}: {error}") from error
            raise
        now = _version(answer.json())
        number = int(now["version"])
        then = None
        for earlier in range(number - 1, 0, -1):  # a version in between may have been deleted
            try:
                then = _version((await self.ask(VERSION, name=prompt.name, version=str(earlier))).json())
                break
            except Gone:
                continue
        content = then_and_now({"prompt": prompt.name, "alias": prompt.alias}, then, now)
        return self.artifact("prompts", f"prompt {prompt.name}@{prompt.alias}", content, answer.asked)


def _version(answer: Any) -> dict[str, Any]:
    """A version of a prompt as MLflow keeps it: as a model version with tags."""
    version = answer["model_version"]
    tags = {tag.get("key"): tag.get("value") for tag in version.get("tags") or ()}
    return {"version": version["version"], "text": tags.get(PROMPT_TEXT), "registered": version}


def _millis(moment: Any) -> int:
    return int(moment.timestamp() * 1000)
