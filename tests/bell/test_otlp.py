"""OTLP in protobuf: the same alarms as in JSON, the answers of its specification, and a real exporter that rings."""

import base64
import json
from collections.abc import Iterator, Sequence
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from google.protobuf.json_format import Parse
from google.rpc.error_details_pb2 import BadRequest  # type: ignore[import-untyped]  # it does not mark its types
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # nor do these
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord as Record
from opentelemetry.sdk._logs import LoggerProvider, ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExportResult, SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource

from firestation.alarm import Alarm
from firestation.bell.formats import hear
from firestation.bell.heard import Ear, Heard
from firestation.bell.reading import MOST_ITEMS
from firestation.errors import InvalidInput, Unreachable
from gateway.attempts import MOST_FAILURES
from gateway.guard import LARGEST_BODY
from gateway.hearing import Sent
from gateway.otlp import PROTOBUF, decoded
from gateway.problems import Problem
from gateway.ringing import Rang
from tests.bell.conftest import secret
from tests.bell.golden import AT, HERE, sent, shown
from tests.drivers.serving import serving
from tests.gateway.conftest import Remembering

EAR = Ear("a-bell", "refund-agent", AT)
FILES = sorted(path.stem for path in (HERE / "otlp").glob("*.binpb"))
WHO = {"Authorization": f"Bearer {secret('otlp')}"}
NANOS = 1795402800123000000


def raw(name: str) -> bytes:
    """A delivery as OpenTelemetry's own SDK encodes it."""
    return (HERE / "otlp" / f"{name}.binpb").read_bytes()


# The same event in both encodings -------------------------------------------------------------------------------


def test_every_kind_of_delivery_is_there_in_protobuf_too() -> None:
    assert FILES == ["firing", "redelivered", "resolved", "truncated"]


@pytest.mark.parametrize("name", FILES)
def test_a_delivery_in_protobuf_is_heard_as_the_same_in_json(name: str) -> None:
    heard = hear("otlp", decoded(raw(name)), {}, sent("otlp", name).ear())
    assert shown(heard) == json.loads((HERE / "otlp" / f"{name}.heard.json").read_text())


Both = tuple[AnyValue, Any]
"""One typed value in protobuf, and in JSON."""

TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
NAMES = TEXTS | st.sampled_from(["event.name", "alarm.id", "alarm.status", "system", "trace_ids", "queries"])
WHOLE = st.integers(-(2**63), 2**63 - 1)


@st.composite
def plain_values(draw: st.DrawFn) -> Both:
    match draw(st.sampled_from(["text", "boolean", "whole", "real", "bytes", "empty"])):
        case "text":
            text = draw(TEXTS | st.sampled_from(["refund-agent", "resolved"]))
            return AnyValue(string_value=text), {"stringValue": text}
        case "boolean":
            answer = draw(st.booleans())
            return AnyValue(bool_value=answer), {"boolValue": answer}
        case "whole":
            whole = draw(WHOLE)
            return AnyValue(int_value=whole), {"intValue": draw(st.sampled_from([whole, str(whole)]))}
        case "real":
            real = draw(st.floats())
            shortest = int(real) if real.is_integer() and str(real)[0] != "-" else real
            written = shortest if abs(real) < float("inf") else str(real).replace("inf", "Infinity")
            return AnyValue(double_value=real), {"doubleValue": "NaN" if real != real else written}  # noqa: PLR0124
        case "bytes":
            some = draw(st.binary(max_size=9))
            return AnyValue(bytes_value=some), {"bytesValue": base64.b64encode(some).decode()}
        case _:
            return AnyValue(), draw(st.sampled_from([{}, None]))


def nested(inner: st.SearchStrategy[Both]) -> st.SearchStrategy[Both]:
    def several(values: list[Both]) -> Both:
        typed = AnyValue()
        typed.array_value.SetInParent()
        typed.array_value.values.extend(each for each, _ in values)
        return typed, {"arrayValue": {"values": [each for _, each in values]} if values else {}}

    def named(values: dict[str, Both]) -> Both:
        typed = AnyValue()
        typed.kvlist_value.SetInParent()
        typed.kvlist_value.values.extend(KeyValue(key=key, value=each) for key, (each, _) in values.items())
        return typed, {"kvlistValue": {"values": pairs(values)}}

    return st.lists(inner, max_size=3).map(several) | st.dictionaries(TEXTS, inner, max_size=3).map(named)


VALUES = st.recursive(plain_values(), nested, max_leaves=6)


def pairs(values: dict[str, Both]) -> list[dict[str, Any]]:
    return [{"key": key, "value": each} for key, (_, each) in values.items()]


def typed_pairs(values: dict[str, Both]) -> list[KeyValue]:
    return [KeyValue(key=key, value=each) for key, (each, _) in values.items()]


@st.composite
def records(draw: st.DrawFn) -> tuple[Record, dict[str, Any]]:
    """One record as each encoding has it. JSON may leave out what is empty, and write ids in large letters."""
    times = st.sampled_from([0, NANOS]) | st.integers(0, 2**64 - 1)
    time, observed, number = draw(times), draw(times), draw(st.integers(0, 24))
    name, severity = draw(st.sampled_from(["", "tone.rude"]) | TEXTS), draw(st.sampled_from(["", "ERROR"]))
    known: dict[str, Both] = draw(st.dictionaries(NAMES, VALUES, max_size=4))
    trace = draw(st.sampled_from([b"", bytes(16)]) | st.binary(min_size=16, max_size=16))
    record = Record(
        time_unix_nano=time,
        observed_time_unix_nano=observed,
        severity_number=number,  # type: ignore[arg-type]  # protobuf takes the number
        severity_text=severity,
        event_name=name,
        attributes=typed_pairs(known),
        trace_id=trace,
    )
    written = {
        "timeUnixNano": draw(st.sampled_from([time, str(time)])),
        "observedTimeUnixNano": str(observed),
        "severityNumber": number,
        "severityText": severity,
        "eventName": name,
        "attributes": pairs(known),
        "traceId": draw(st.sampled_from([trace.hex(), trace.hex().upper()])),
    }
    body = draw(st.none() | VALUES)
    if body:
        record.body.CopyFrom(body[0])
        written["body"] = body[1]
    bare = draw(st.booleans())
    return record, {name: each for name, each in written.items() if each or not bare}


@st.composite
def requests(draw: st.DrawFn) -> tuple[ExportLogsServiceRequest, dict[str, Any]]:
    typed, written = ExportLogsServiceRequest(), list[Any]()
    for _ in range(draw(st.integers(0, 2))):
        resource, known = typed.resource_logs.add(), draw(st.dictionaries(NAMES, VALUES, max_size=2))
        resource.resource.attributes.extend(typed_pairs(known))
        found: list[tuple[Record, dict[str, Any]]] = draw(st.lists(records(), max_size=3))
        resource.scope_logs.add().log_records.extend(each for each, _ in found)
        scope = {"scope": {"name": "agent"}, "logRecords": [each for _, each in found]}
        written.append({"resource": {"attributes": pairs(known)}, "scopeLogs": [scope]})
    return typed, {"resourceLogs": written}


def heard_or_not(body: Any) -> Heard | tuple[str, str]:
    try:
        return hear("otlp", body, {}, EAR)
    except InvalidInput as error:
        return error.field, error.problem


def told(heard: Heard | tuple[str, str]) -> Any:
    if isinstance(heard, Heard):
        return heard.alarms, [(each.field, each.problem) for each in heard.errors]
    return heard


@given(requests())
def test_the_same_event_is_the_same_alarm_in_both_encodings(
    found: tuple[ExportLogsServiceRequest, dict[str, Any]],
) -> None:
    typed, written = found
    in_json = json.loads(json.dumps(written))
    assert told(heard_or_not(decoded(typed.SerializeToString()))) == told(heard_or_not(in_json))


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    whole = raw(draw(st.sampled_from(FILES)))
    place = draw(st.integers(0, len(whole) - 1))
    return whole[:place] + draw(st.binary(max_size=8)) + whole[place + draw(st.integers(0, 8)) :]


@given(st.binary(max_size=200) | damaged())
def test_whatever_comes_in_protobuf_is_heard_or_refused_in_words(some: bytes) -> None:
    try:
        body = decoded(some)
    except Problem as problem:
        if (problem.status, problem.detail) != (400, "send one ExportLogsServiceRequest, as OTLP has it"):
            raise
        return
    heard = heard_or_not(body)
    for alarm in heard.alarms if isinstance(heard, Heard) else ():
        assert Alarm.model_validate_json(alarm.model_dump_json()) == alarm


@pytest.mark.parametrize("levels", [20, 40, 200])
def test_what_is_nested_without_end_is_refused(levels: int) -> None:
    deepest = ExportLogsServiceRequest()
    value = deepest.resource_logs.add().scope_logs.add().log_records.add(event_name="x").body
    for _ in range(levels):
        value = value.array_value.values.add()
    with pytest.raises((InvalidInput, Problem)) as caught:
        hear("otlp", decoded(deepest.SerializeToString()), {}, EAR)
    if isinstance(caught.value, InvalidInput):
        assert caught.value.problem == "this is nested deeper than 50 levels"


def wide(number: int) -> bytes:
    """So many records without a word."""
    request = ExportLogsServiceRequest()
    request.resource_logs.add().scope_logs.add().log_records.extend([Record()] * number)
    return request.SerializeToString()


RESOURCE, SCOPE = b"\x0a\x00", b"\x0a\x02\x12\x00"
"""A resource without a scope, and one with a scope that has no record, as they stand in a request."""


@pytest.mark.parametrize("nothing", [wide(100_000), RESOURCE * 100_000, SCOPE * 100_000])
def test_a_megabyte_of_nothing_is_refused_before_each_of_it_is_read(
    monkeypatch: pytest.MonkeyPatch, nothing: bytes
) -> None:
    monkeypatch.delattr("gateway.otlp.MessageToDict")
    with pytest.raises(InvalidInput, match=f"at most {MOST_ITEMS} are read"):
        decoded(nothing)


def test_as_many_groups_as_records_are_read() -> None:
    assert len(decoded(SCOPE * MOST_ITEMS)["resourceLogs"]) == MOST_ITEMS


@pytest.mark.parametrize(("given", "known"), [("0" * 32, ()), ("5B" * 16, ("5b" * 16,)), ("a-b", ("a-b",))])
def test_the_id_of_a_trace_is_heard_as_trace_stores_write_it(given: str, known: tuple[str, ...]) -> None:
    (alarm,) = hear("otlp", events("refund-agent", traceId=given), {}, EAR).alarms
    assert alarm.trace_ids == known


# Answers --------------------------------------------------------------------------------------------------------


async def export(
    http: httpx.AsyncClient, content: bytes, kind: str = PROTOBUF, **more: str
) -> httpx.Response:
    answer = await http.post("/bells/otlp", content=content, headers=WHO | {"Content-Type": kind} | more)
    assert answer.headers["content-type"] == (PROTOBUF if kind == PROTOBUF else "application/json")
    return answer


def response(answer: httpx.Response) -> ExportLogsServiceResponse:
    assert answer.status_code == 200
    if answer.headers["content-type"] == PROTOBUF:
        return ExportLogsServiceResponse.FromString(answer.content)
    return Parse(answer.text, ExportLogsServiceResponse())


def status(answer: httpx.Response) -> Any:
    if answer.headers["content-type"] == PROTOBUF:
        return Status.FromString(answer.content)
    return Parse(answer.text, Status())


def in_both(body: dict[str, Any]) -> list[tuple[bytes, str]]:
    typed = Parse(json.dumps(body), ExportLogsServiceRequest())
    return [(typed.SerializeToString(), PROTOBUF), (json.dumps(body).encode(), "application/json")]


def events(*systems: str, **more: str) -> dict[str, Any]:
    """An event of each of these systems."""
    found = [
        {"eventName": "tone.rude", "attributes": [{"key": "system", "value": {"stringValue": each}}], **more}
        for each in systems
    ]
    return {"resourceLogs": [{"scopeLogs": [{"logRecords": found}]}]}


async def test_what_is_taken_is_answered_with_an_empty_response(
    http: httpx.AsyncClient, desk: Remembering
) -> None:
    answer = await export(http, raw("firing"))
    assert (answer.status_code, answer.content) == (200, b"")
    again = await export(http, raw("redelivered"))
    assert (again.status_code, again.content) == (200, b"")
    first, second = desk.rang
    assert (first.source, first.name) == ("otlp", "refund.policy.violated")
    assert first.delivery == second.delivery


async def test_a_sender_that_adds_the_path_of_otlp_is_heard(
    http: httpx.AsyncClient, desk: Remembering
) -> None:
    who = WHO | {"Content-Type": PROTOBUF}
    answer = await http.post("/bells/otlp/v1/logs", content=raw("firing"), headers=who)
    assert (answer.status_code, [each.name for each in desk.rang]) == (200, ["refund.policy.violated"])


@pytest.mark.parametrize(("content", "kind"), [(b"", PROTOBUF), *in_both({"resourceLogs": []})])
async def test_a_request_without_a_record_is_a_success(
    http: httpx.AsyncClient, desk: Remembering, content: bytes, kind: str
) -> None:
    assert response(await export(http, content, kind)) == ExportLogsServiceResponse()
    assert desk.rang == []


@pytest.mark.parametrize(("content", "kind"), in_both(events("toaster", "refund-agent", "../etc", "kettle")))
async def test_what_is_taken_in_part_is_told_with_the_number_of_the_others(
    http: httpx.AsyncClient, desk: Remembering, content: bytes, kind: str
) -> None:
    partial = response(await export(http, content, kind)).partial_success
    assert partial.rejected_log_records == 3
    assert "there is no system 'toaster'" in partial.error_message
    assert "logRecords[2].attributes.system" in partial.error_message
    assert len(desk.rang) == 1


@pytest.mark.parametrize(("content", "kind"), in_both(events("../etc")))
async def test_what_can_all_not_be_used_is_a_bad_request_that_names_the_field(
    http: httpx.AsyncClient, content: bytes, kind: str
) -> None:
    answer = await export(http, content, kind)
    assert answer.status_code == 400
    found = status(answer)
    (detail,) = found.details
    bad = BadRequest()
    assert detail.Unpack(bad)
    assert bad.field_violations[0].field == "resourceLogs[0].scopeLogs[0].logRecords[0].attributes.system"
    assert bad.field_violations[0].description
    assert found.message.startswith("this cannot be used: resourceLogs[0]")


@pytest.mark.parametrize(
    ("content", "kind", "more", "number", "named"),
    [
        (b"\x0a\xff", PROTOBUF, {}, 400, "one ExportLogsServiceRequest"),
        (b"{", "application/json", {}, 400, "not JSON"),
        (b'{"resourceLogs": "\\ud83d"}', "application/json", {}, 400, "resourceLogs"),
        (b"<a/>", "text/xml", {}, 415, "Content-Type: application/json"),
        (b"", PROTOBUF, {"Content-Encoding": "zstd"}, 415, "Content-Encoding: gzip"),
        (wide(MOST_ITEMS + 1), PROTOBUF, {}, 400, "at most 20000"),
        (b" " * (LARGEST_BODY + 1), PROTOBUF, {}, 413, "the limit is 1048576 bytes"),
        (b"", PROTOBUF, {"Authorization": "Bearer wrong"}, 401, "Authorization: Bearer"),
    ],
)
async def test_an_error_is_a_status_in_the_encoding_of_the_request(
    http: httpx.AsyncClient, content: bytes, kind: str, more: dict[str, str], number: int, named: str
) -> None:
    answer = await export(http, content, kind, **more)
    assert answer.status_code == number
    assert named in status(answer).message
    assert answer.headers.get("www-authenticate") == ("Bearer" if number == 401 else None)


async def test_who_should_come_again_is_told_when(http: httpx.AsyncClient, desk: Remembering) -> None:
    desk.away = Unreachable("the spool cannot be written")
    for content, kind in in_both(events("refund-agent")):
        answer = await export(http, content, kind)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        assert "the spool cannot be written" in status(answer).message
    for _ in range(MOST_FAILURES):
        await export(http, b"", Authorization="Bearer wrong")
    answer = await export(http, b"", Authorization="Bearer wrong")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "60")
    assert "wait 60 s" in status(answer).message


async def test_in_protobuf_too_nobody_learns_which_bells_there_are(http: httpx.AsyncClient) -> None:
    names = ("otlp", "sentry", "datadog", "hollow", "no-such-bell")
    answers = [
        await http.post(f"/bells/{name}", content=b"\x00", headers={"Content-Type": PROTOBUF})
        for name in names
    ]
    assert {(each.status_code, each.content, str(each.headers)) for each in answers} == {
        (401, answers[0].content, str(answers[0].headers))
    }


# OpenTelemetry's own exporter -----------------------------------------------------------------------------------


class Exporter(OTLPLogExporter):
    """OpenTelemetry's exporter with gzip, which remembers what it says became of each batch."""

    def __init__(self, url: str, key: str) -> None:
        self.outcomes: list[LogRecordExportResult] = []
        headers = {"Authorization": f"Bearer {key}"}
        super().__init__(endpoint=url, headers=headers, compression=Compression.Gzip, timeout=60)

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        outcome = super().export(batch)
        self.outcomes.append(outcome)
        return outcome


@pytest.fixture
def url(app: FastAPI) -> Iterator[str]:
    with serving(app) as address:
        yield f"{address}/bells/otlp"


def emit(to: OTLPLogExporter, *statuses: str) -> None:
    """Emit this event once for each status, as an application does."""
    resource = Resource({"service.name": "refund-agent-api", "system": "refund-agent"})
    provider = LoggerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(to))
    for each in statuses:
        record = LogRecord(
            timestamp=NANOS,
            severity_text="ERROR",
            severity_number=SeverityNumber.ERROR,
            body="a refund was approved on day 45",
            attributes={"request_ids": "r-1", "alarm.status": each},
            event_name="refund.policy.violated",
        )
        provider.get_logger("agent").emit(record)
    provider.shutdown()


def test_opentelemetry_s_own_exporter_rings(url: str, desk: Remembering) -> None:
    to = Exporter(url, secret("otlp"))
    emit(to, "firing", "firing", "resolved")
    assert to.outcomes == [LogRecordExportResult.SUCCESS] * 3
    first, again, over = desk.rang
    assert (first.name, first.system, first.status) == ("refund.policy.violated", "refund-agent", "firing")
    assert (first.request_ids, first.summary) == (("r-1",), "a refund was approved on day 45")
    assert (again.delivery, over.key, over.status) == (first.delivery, first.key, "resolved")


def test_opentelemetry_s_own_exporter_comes_again_when_it_is_told_to(
    url: str, desk: Remembering, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring, tries = desk.ring, list[Alarm]()

    async def away_at_first(alarm: Alarm, delivery: str | None = None, sent: Sent | None = None) -> Rang:
        tries.append(alarm)
        if len(tries) == 1:
            raise Unreachable("the spool cannot be written")
        return await ring(alarm, delivery, sent)

    monkeypatch.setattr(desk, "ring", away_at_first)
    to = Exporter(url, secret("otlp"))
    emit(to, "firing")
    assert to.outcomes == [LogRecordExportResult.SUCCESS]
    assert len(tries) == 2
    assert [alarm.name for alarm in desk.rang] == ["refund.policy.violated"]


def test_opentelemetry_s_own_exporter_is_told_that_it_is_not_known(url: str, desk: Remembering) -> None:
    to = Exporter(url, secret("wrong"))
    emit(to, "firing")
    assert to.outcomes == [LogRecordExportResult.FAILURE]
    assert desk.rang == []
