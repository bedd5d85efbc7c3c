"""OTLP over HTTP: protobuf read as what OTLP has in JSON, and answers in the encoding of the request."""

import base64
from collections.abc import Mapping
from typing import Any

from fastapi.responses import Response
from google.protobuf.json_format import MessageToDict, MessageToJson
from google.protobuf.message import DecodeError, Message
from google.rpc.error_details_pb2 import BadRequest  # type: ignore[import-untyped]  # it does not mark its types
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # nor do these
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)

from firestation.bell.reading import LONGEST_TEXT, cut, few_enough
from gateway.problems import Problem
from gateway.reading import JSON

PROTOBUF = "application/x-protobuf"
UNUSABLE, BAD = 422, 400
MOST_TOLD = 20
"""So many things that are wrong are told: the collector reads 64 kB of an answer."""


def is_protobuf(headers: Mapping[str, str]) -> bool:
    """Whether this request is in protobuf, and its answer must be."""
    return headers.get("content-type", "").partition(";")[0].strip().lower() == PROTOBUF


def decoded(raw: bytes) -> Any:
    """An export request as OTLP has it in JSON: 64-bit numbers as text, ids in hexadecimal.

    Raises `Problem` 400 for what is none, `InvalidInput` for too many records, or groups of them: each has two bytes
    at least.
    """
    request = ExportLogsServiceRequest()
    try:
        request.ParseFromString(raw)
    except DecodeError:
        detail = "send one ExportLogsServiceRequest, as OTLP has it"
        raise Problem(BAD, "the body is not OTLP's protobuf", detail) from None
    scopes = [scope for each in request.resource_logs for scope in each.scope_logs]
    few_enough(max(len(request.resource_logs), len(scopes), sum(len(scope.log_records) for scope in scopes)))
    body = MessageToDict(request, use_integers_for_enums=True)
    for resource in body.get("resourceLogs", ()):
        for scope in resource.get("scopeLogs", ()):
            for record in scope.get("logRecords", ()):
                _hexadecimal(record)
    return body


def _hexadecimal(record: dict[str, Any]) -> None:
    """OTLP's own rule for its JSON: ids are no base64, as protobuf's bytes are everywhere else."""
    for name in ("traceId", "spanId"):
        if name in record:
            record[name] = base64.b64decode(record[name]).hex()


def taken(headers: Mapping[str, str], rejected: int = 0, why: str = "") -> Response:
    """The answer to an export request, of whose records so many were rejected."""
    answer = ExportLogsServiceResponse()
    if rejected:
        answer.partial_success.rejected_log_records = rejected
        answer.partial_success.error_message = _text(why)
    return _encoded(answer, headers, 200, {})


def refused(problem: Problem, headers: Mapping[str, str]) -> Response:
    """A problem as OTLP tells it, a `google.rpc.Status`. What cannot be used is a bad request there."""
    answer = Status(message=_text(f"{problem.title}: {problem.detail}" if problem.detail else problem.title))
    errors = problem.more.get("errors", ())[:MOST_TOLD]
    if errors:
        wrong = BadRequest(
            field_violations=[
                BadRequest.FieldViolation(
                    field=_text(each["field"]), description=_text(f"{each['problem']}. {each['fix']}")
                )
                for each in errors
            ]
        )
        answer.details.add().Pack(wrong)
    status = BAD if problem.status == UNUSABLE else problem.status
    return _encoded(answer, headers, status, problem.told)


def _encoded(answer: Message, headers: Mapping[str, str], status: int, told: Mapping[str, str]) -> Response:
    if is_protobuf(headers):
        return Response(answer.SerializeToString(), status, told, media_type=PROTOBUF)
    return Response(MessageToJson(answer, indent=None), status, told, media_type=JSON)


def _text(text: str) -> str:
    """The beginning of a text, as protobuf takes it: what was sent may hold half a character."""
    return cut(text, LONGEST_TEXT // 4).encode(errors="replace").decode()
