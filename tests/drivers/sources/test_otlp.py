"""The OTLP source on what OpenTelemetry's own SDK exports, in the form that the collector's file exporter writes."""

import json
import subprocess
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from firestation.drivers import Drivers
from firestation.errors import Gone, InvalidInput, Nonsense
from firestation.evidence import Scope
from firestation.ports import Source
from firestation.testing import SourceConformance
from tests.drivers import products
from tests.drivers.sources.reading import NOW, documents, gather, in_scope, make_source

pytestmark = pytest.mark.driver

# Two requests of two spans each, exported span by span as they end, in Phoenix's environment, which has the SDK.
APPLICATION = """
import base64, json, sys
from google.protobuf.json_format import MessageToDict
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

def hexed(value):
    if isinstance(value, dict):
        return {k: base64.b64decode(v).hex() if k in ("traceId", "spanId", "parentSpanId") else hexed(v)
                for k, v in value.items()}
    return [hexed(each) for each in value] if isinstance(value, list) else value

class File(SpanExporter):
    def export(self, spans):
        message = MessageToDict(encode_spans(spans), use_integers_for_enums=True)
        with open(sys.argv[1], "a") as file:
            file.write(json.dumps(hexed(message)) + "\\n")
        return SpanExportResult.SUCCESS

provider = TracerProvider(resource=Resource.create({"service.name": "refund-agent"}))
provider.add_span_processor(SimpleSpanProcessor(File()))
tracer = provider.get_tracer("refunds")
at = int(sys.argv[2])
traces = {}
for number, request in enumerate(("r-1", "r-2", "r-3")):
    began = at + number * 10**9
    root = tracer.start_span("answer", attributes={"request.id": request}, start_time=began)
    from opentelemetry.trace import set_span_in_context
    inner = tracer.start_span("retrieve", context=set_span_in_context(root), start_time=began + 10**6)
    inner.end(began + 2 * 10**6)
    root.end(began + 5 * 10**6)
    traces[request] = format(root.get_span_context().trace_id, "032x")
print(json.dumps(traces))
"""


def exported(file: Path, at: datetime) -> dict[str, str]:
    """Have the SDK write the file; the trace id of each request."""
    nanos = str(int(at.timestamp() * 10**9))
    command = [products.program("phoenix", "python"), "-c", APPLICATION, str(file), nanos]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    traces: dict[str, str] = json.loads(done.stdout)
    return traces


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, dict[str, str]]:
    file = tmp_path_factory.mktemp("otlp") / "traces.jsonl"
    traces = exported(file, NOW - timedelta(seconds=30))
    return file.read_bytes(), traces


@pytest.fixture
def traces(original: tuple[bytes, dict[str, str]], tmp_path: Path) -> dict[str, str]:
    (tmp_path / "otlp").mkdir()
    (tmp_path / "otlp" / "traces.jsonl").write_bytes(original[0])
    return original[1]


def make(bench: Drivers, **config: Any) -> Source:
    given = {"folder": "otlp", "files": "*.jsonl", "request_attribute": "request.id"}
    return make_source(bench, "otlp", **{**given, **config})


def names_of(document: dict[str, Any]) -> list[str]:
    return [
        span["name"]
        for resource in document["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]


@pytest.mark.asyncio
class TestOtlpSource(SourceConformance):
    @pytest.fixture
    def source(self, bench: Drivers, traces: dict[str, str]) -> Source:
        assert traces
        return make(bench)

    @pytest.fixture
    def absent(self, bench: Drivers) -> Source:
        return make(bench, folder="nowhere")

    @pytest.fixture
    def scope(self) -> Scope:
        return in_scope("r-1")


async def test_it_gathers_whole_traces_from_lines_apart(bench: Drivers, traces: dict[str, str]) -> None:
    found = await documents(make(bench), in_scope("r-1", trace_ids=(traces["r-2"].upper(),)))
    of_request = found[f"trace {traces['r-1']} of request r-1"]
    assert sorted(names_of(of_request)) == ["answer", "retrieve"]
    (service,) = {json.dumps(each["resource"]) for each in of_request["resourceSpans"]}
    assert "refund-agent" in service
    assert sorted(names_of(found[f"trace {traces['r-2']}"])) == ["answer", "retrieve"]
    around = found["traces around the alarm"]
    assert {
        span["traceId"]
        for resource in around["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    } == {traces["r-3"]}


async def test_of_those_around_the_newest_are_kept(bench: Drivers, traces: dict[str, str]) -> None:
    found = await documents(make(bench, most_traces=1, request_attribute=None), in_scope())
    assert traces["r-3"] in json.dumps(found["traces around the alarm"])
    assert traces["r-1"] not in json.dumps(found)


async def test_what_is_torn_or_foreign_is_passed_over(
    bench: Drivers, traces: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "otlp" / "traces.jsonl"
    lines = b'\n{"resourceMetrics": []}\n[1]\n"x"\nnot json\n\xff\xfe\n'
    file.write_bytes(lines + file.read_bytes() + b'{"resourceSpans": [{"scopeSpans": [{"spa')
    found = await documents(make(bench), in_scope("r-1"))
    assert f"trace {traces['r-1']} of request r-1" in found


async def test_files_that_hold_none_are_nonsense(bench: Drivers, tmp_path: Path) -> None:
    (tmp_path / "otlp").mkdir()
    (tmp_path / "otlp" / "a.jsonl").write_bytes(b"<html>\n" * 10)
    with pytest.raises(Nonsense, match="holds no OTLP JSON"):
        await documents(make(bench), in_scope("r-1"))


@pytest.mark.parametrize("about", [{"request_ids": ("r-9",)}, {"trace_ids": ("f" * 32,)}])
async def test_what_is_not_there_is_named_after_what_is(
    bench: Drivers, traces: dict[str, str], about: dict[str, tuple[str, ...]]
) -> None:
    found, error = await gather(make(bench), in_scope(**about))
    assert [each.name for each in found] == ["traces around the alarm"]
    assert isinstance(error, Gone)
    assert next(iter(about.values()))[0] in str(error)
    assert traces


async def test_a_trace_that_no_memory_should_hold_is_an_error(bench: Drivers, traces: dict[str, str]) -> None:
    assert traces
    with pytest.raises(Nonsense, match="max_trace_bytes"):
        await documents(make(bench, max_trace_bytes=10), in_scope("r-1"))


def test_it_stays_in_its_folder(bench: Drivers) -> None:
    with pytest.raises(InvalidInput, match="leaves the folder"):
        make(bench, files="../*.jsonl")
