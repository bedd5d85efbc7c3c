"""The Prometheus source: what the metrics said around the alarm. The answers are kept as they came."""

import math
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import ClassVar, Self

from pydantic import Field, JsonValue, model_validator

from firestation.drivers.exchange import Connection, ask
from firestation.drivers.kit import Kit
from firestation.drivers.template import Request
from firestation.errors import DriverError, Gone, Nonsense
from firestation.evidence import Scope
from firestation.model import Duration, Line, Model
from firestation.ports import Artifact
from firestation.system import SourceFitting

MOST_POINTS = 10_000  # Prometheus refuses more than 11,000 a series


class _Range(Request):
    allowed: ClassVar[frozenset[str]] = frozenset({"query", "start", "end", "step"})


RANGE = _Range(
    url="/api/v1/query_range",
    query={"query": "{query}", "start": "{start}", "end": "{end}", "step": "{step}"},
)
ALERTS = Request(url="/api/v1/alerts")


class MetricQuery(Model):
    """One PromQL query, and what its answer is called in the manifest."""

    name: Line
    query: str = Field(min_length=1, max_length=4000)


class PrometheusSourceConfig(Connection):
    """`step` is the distance between two points; it is widened when the span is too long for it."""

    queries: tuple[MetricQuery, ...] = Field(min_length=1)
    step: Duration = Field(default="15s", validate_default=True, gt=timedelta())
    alerts: bool = True

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if self.base is None:
            msg = "base is missing; write it like http://prometheus:9090"
            raise ValueError(msg)
        return self


class PrometheusSource:
    """Freezes the range of each query over the span of the alarm, and the alerts as they stand."""

    config_model: ClassVar[type[Model]] = PrometheusSourceConfig

    def __init__(self, fitting: SourceFitting, config: PrometheusSourceConfig, kit: Kit) -> None:
        self.fitting, self.config, self.kit = fitting, config, kit

    async def collect(self, scope: Scope) -> AsyncIterator[Artifact]:
        """One artifact a query. What gives no data does not stop the others: the error comes after all that was got."""
        trouble: DriverError | None = None
        for query in self.config.queries:
            try:
                yield await self._range(query, scope)
            except DriverError as error:
                trouble = trouble or error
        if self.config.alerts:
            answer = await ask(self.kit, self.config, ALERTS, {})
            if answer.at("$.status") != "success":
                raise Nonsense(f"{answer.asked} did not succeed: {answer.content[:200]!r}")
            yield self._artifact("alerts", answer.content, answer.asked)
        if trouble is not None:
            raise trouble

    async def _range(self, query: MetricQuery, scope: Scope) -> Artifact:
        span = max(timedelta(seconds=1), scope.until - scope.since)
        step = max(self.config.step.total_seconds(), math.ceil(span.total_seconds() / MOST_POINTS))
        values: dict[str, JsonValue] = {
            "query": query.query,
            "start": f"{scope.since.timestamp():.3f}",
            "end": f"{scope.until.timestamp():.3f}",
            "step": f"{step:g}",
        }
        answer = await ask(self.kit, self.config, RANGE, values)
        if answer.at("$.status") != "success":
            raise Nonsense(f"{answer.asked} did not succeed: {answer.content[:200]!r}")
        if not answer.at("$.data.result"):
            raise Gone(f"{query.name}: Prometheus has no data for {query.query} in that span")
        return self._artifact(query.name, answer.content, f"{answer.asked} {query.query}")

    def _artifact(self, name: str, content: bytes, how: str) -> Artifact:
        return Artifact(
            name=name,
            media_type="application/json",
            content=content,
            provides=self.fitting.provides,
            how=how[:300],
        )
