"""The OTLP source: traces from files in the OTLP JSON format, one export request a line.

That is what the OpenTelemetry collector's file exporter writes. The lines are read twice and never held all at once:
first to find the traces that are wanted, then to gather their spans, for those of one trace come in many lines.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, ClassVar, cast

from pydantic import Field, JsonValue
from pydantic_core import from_json

from firestation.drivers.harvest import JSON, composed, one_line
from firestation.drivers.kit import Kit
from firestation.drivers.lines import Pattern, files_in, last_lines
from firestation.errors import Gone, Nonsense
from firestation.evidence import Scope
from firestation.model import Line, Model
from firestation.ports import Artifact
from firestation.system import SourceFitting

NANOS = 10**9
Spans = dict[str, list[dict[str, Any]]]


class OtlpSourceConfig(Model):
    """`files` is a path or glob under `folder`; the last `max_bytes` of each are searched.

    `request_attribute` is the span attribute that holds the application's request id. Of the traces around the alarm
    the newest `most_traces` are kept beside those that the alarm names.
    """

    folder: Line
    files: Pattern
    request_attribute: Line | None = None
    most_traces: int = Field(default=50, ge=0, le=1000)
    max_bytes: int = Field(default=256_000_000, ge=1, le=4 * 2**30)
    max_trace_bytes: int = Field(default=16_000_000, ge=1, le=256_000_000)


class OtlpSource:
    """Freezes whole traces: those that the alarm names each by itself, and those around it together."""

    config_model: ClassVar[type[Model]] = OtlpSourceConfig

    def __init__(self, fitting: SourceFitting, config: OtlpSourceConfig, kit: Kit) -> None:
        self.fitting, self.config = fitting, config
        self.folder = kit.folder / config.folder

    async def collect(self, scope: Scope) -> AsyncIterator[Artifact]:
        """The named traces first. One that is not there is an error, after all that was got."""
        paths = await asyncio.to_thread(files_in, self.folder, self.config.files)
        if not paths:
            raise Gone(f"{self.folder} has no file {self.config.files}")
        named, around = await asyncio.to_thread(self._wanted, paths, scope)
        spans = await asyncio.to_thread(self._gathered, paths, {*named, *around})
        for trace, request in named.items():
            of = f" of request {request}" if request else ""
            yield self._artifact(f"trace {trace}{of}", spans[trace])
        rest = [each for trace in around if trace not in named for each in spans[trace]]
        if rest:
            yield self._artifact("traces around the alarm", rest)
        missing = {each.lower() for each in scope.trace_ids} - set(named)
        if self.config.request_attribute:
            missing |= set(scope.request_ids) - set(named.values())
        if missing or not (named or rest):
            what = ", ".join(sorted(missing)) or "the time around the alarm"
            raise Gone(f"{self.folder}/{self.config.files} has no trace of {what}"[:4000])

    def _wanted(self, paths: list[Path], scope: Scope) -> tuple[dict[str, str], list[str]]:
        """The traces that the alarm names, each with the request it is of, and the newest of those around it."""
        traces, requests = {each.lower() for each in scope.trace_ids}, set(scope.request_ids)
        since, until = scope.since.timestamp() * NANOS, scope.until.timestamp() * NANOS
        named: dict[str, str] = {}
        times: dict[str, int] = {}
        for _, _, span in self._spans(paths):
            trace, began = span["traceId"], _number(span.get("startTimeUnixNano"))
            request = _attribute(span, self.config.request_attribute)
            if request and request in requests:
                named[trace] = request
            elif trace in traces:
                named.setdefault(trace, "")
            if since <= began <= until:
                times[trace] = max(began, times.get(trace, 0))
        newest = sorted(times, key=lambda trace: times[trace], reverse=True)
        return named, newest[: self.config.most_traces]

    def _gathered(self, paths: list[Path], wanted: set[str]) -> Spans:
        """Every span of the traces that are wanted, each in the frame of its resource and scope."""
        found: Spans = {trace: [] for trace in wanted}
        sizes = dict.fromkeys(wanted, 0)
        for resource, scope, span in self._spans(paths):
            trace = span["traceId"]
            if trace not in wanted:
                continue
            framed = {**resource, "scopeSpans": [{**scope, "spans": [span]}]}
            sizes[trace] += len(json.dumps(span))
            if sizes[trace] > self.config.max_trace_bytes:
                msg = f"the trace {trace} has more than {self.config.max_trace_bytes} bytes; raise max_trace_bytes"
                raise Nonsense(msg)
            found[trace].append(framed)
        return found

    def _spans(self, paths: list[Path]) -> Iterator[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]]:
        """Each span with the frames around it. A line that is torn, as the last one may be, is passed over."""
        good = bad = 0
        for path in paths:
            for line in last_lines(path, self.config.max_bytes):
                if not line.strip():
                    continue
                try:
                    spans = tuple(_unfolded(from_json(line)))
                except (ValueError, TypeError, KeyError, AttributeError):
                    bad += 1
                    continue
                good += 1
                yield from spans
        if bad and not good:
            raise Nonsense(f"{self.folder}/{self.config.files} holds no OTLP JSON, one export request a line")

    def _artifact(self, name: str, spans: list[dict[str, Any]]) -> Artifact:
        return Artifact(
            name=one_line(name),
            media_type=JSON,
            content=composed({"resourceSpans": cast("JsonValue", spans)}),
            provides=self.fitting.provides,
            how=one_line(f"OTLP files {self.config.files}"),
        )


def _unfolded(request: Any) -> Iterator[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]]:
    """The spans of one export request. Raises one of several errors for what is none."""
    for resource in request["resourceSpans"]:
        outer = {key: each for key, each in resource.items() if key != "scopeSpans"}
        for scope in resource.get("scopeSpans", ()):
            inner = {key: each for key, each in scope.items() if key != "spans"}
            for span in scope.get("spans", ()):
                yield outer, inner, {**span, "traceId": span["traceId"].lower()}


def _attribute(span: dict[str, Any], key: str | None) -> str | None:
    if key is None:
        return None
    for each in span.get("attributes") or ():
        if isinstance(each, dict) and each.get("key") == key:
            value = next(iter((each.get("value") or {}).values()), None)
            return None if value is None else str(value)
    return None


def _number(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        return 0
