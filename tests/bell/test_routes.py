"""The bells at the gateway: each rings with what is its own, and whoever is none of them learns nothing."""

import gzip
import hashlib
import hmac
import json
import tracemalloc
import zlib
from datetime import timedelta
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from firestation.bell.formats import FORMATS
from firestation.bell.heard import REMEMBERED
from firestation.errors import Unreachable
from gateway.attempts import MOST_FAILURES
from gateway.auth import Doorkeeper
from tests.bell.conftest import secret
from tests.bell.golden import Sent, sent
from tests.gateway.conftest import INCIDENT, NOW, TOKENS, Clock, Remembering, bearer

AT = int(NOW.timestamp())


def mac(key: str, message: bytes) -> str:
    return hmac.new(key.encode(), message, hashlib.sha256).hexdigest()


def signed(bell: str, raw: bytes, key: str) -> dict[str, str]:
    """What this bell shows with this secret, besides what is in the body."""
    match bell:
        case "grafana":
            moment = {"X-Grafana-Alerting-Timestamp": str(AT)}
            return moment | {"X-Grafana-Alerting-Signature": mac(key, f"{AT}:".encode() + raw)}
        case "pagerduty-webhook":
            return {"X-PagerDuty-Signature": f"v1={mac(key, raw)}"}
        case "sentry":
            return {"Sentry-Hook-Signature": mac(key, raw)}
        case "langfuse":
            return {"x-langfuse-signature": f"t={AT},v1={mac(key, f'{AT}.'.encode() + raw)}"}
        case "datadog" | "opsgenie":
            return {"X-Bell-Secret": key}
        case "pagerduty-events":
            return {}
        case _:
            return {"Authorization": f"Bearer {key}"}


def packed(found: Sent, key: str) -> bytes:
    body = found.body
    if found.folder == "pagerduty-events":
        body = {**body, "routing_key": key}
    return json.dumps(body).encode()


async def ring(
    http: httpx.AsyncClient, found: Sent, key: str | None = None, bell: str | None = None
) -> httpx.Response:
    bell = bell or found.folder
    key = key or secret(bell)
    raw = packed(found, key)
    headers = httpx.Headers(found.headers)
    headers.update(signed(found.folder, raw, key))
    return await http.post(f"/bells/{bell}", content=raw, headers=headers)


@pytest.mark.parametrize("name", sorted(FORMATS))
async def test_every_bell_rings_with_each_of_its_secrets_and_no_other(
    http: httpx.AsyncClient, desk: Remembering, name: str
) -> None:
    found = sent(name, "firing")
    with capture_logs() as logs:
        answers = [await ring(http, found, secret(name, number)) for number in (0, 1)]
    assert [answer.is_success for answer in answers] == [True, True], answers[0].text
    alarm, again = desk.rang
    assert again.delivery == alarm.delivery
    assert (alarm.source, alarm.system, alarm.status) == (name, "refund-agent", "firing")
    assert [each["number"] for each in logs if "older secret" in each["event"]] == [2]
    assert not any(secret(name, number) in repr(each) for each in logs for number in (0, 1))
    refused = await ring(http, found, secret("somebody-else"))
    assert refused.status_code == 401
    assert len(desk.rang) == 2


async def test_a_mapped_bell_rings_for_what_its_mapping_finds(
    http: httpx.AsyncClient, desk: Remembering
) -> None:
    answer = await ring(http, sent("generic-mapped", "grouped"), bell="mapped")
    assert answer.status_code == 422
    assert [each["field"] for each in answer.json()["errors"]] == [
        "$.alarms[2].rule.id",
        "$.alarms[3].at",
        "$.alarms[4].app",
    ]
    assert [(alarm.key, alarm.status) for alarm in desk.rang] == [("7", "firing"), ("8", "resolved")]
    assert answer.json()["incidents"][0]["incident"] == INCIDENT


async def told(answer: httpx.Response) -> tuple[int, str, list[tuple[str, str]]]:
    return answer.status_code, answer.text, sorted(answer.headers.items())


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer wrong"}, {"Sentry-Hook-Signature": "00"}], ids=str
)
async def test_nobody_learns_which_bells_there_are(http: httpx.AsyncClient, headers: dict[str, str]) -> None:
    names = (
        "sentry",
        "alertmanager",
        "datadog",
        "pagerduty-events",
        "hollow",
        "nobody",
        "no-such-bell",
        "%00",
    )
    answers = [await http.post(f"/bells/{name}", content=b"{nonsense", headers=headers) for name in names]
    assert len({str(await told(answer)) for answer in answers}) == 1
    assert answers[0].status_code == 401
    assert answers[0].headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("bell", "why"),
    [
        ("alertmanager", "there is no header authorization"),
        ("hollow", "it has no secret here: write it where its `token` says"),
        ("no-such-bell", "there is no such bell"),
    ],
)
async def test_the_log_tells_the_operator_why_a_bell_rings_nobody(
    http: httpx.AsyncClient, bell: str, why: str
) -> None:
    with capture_logs() as logs:
        assert (await http.post(f"/bells/{bell}", json={})).status_code == 401
    (told,) = [each for each in logs if each["event"] == "a bell was turned away"]
    assert (told["bell"], told["why"]) == (bell, why)


async def test_the_secret_of_one_bell_rings_no_other_and_a_person_rings_none(
    http: httpx.AsyncClient, desk: Remembering
) -> None:
    found = sent("alertmanager", "firing")
    for key in (secret("langsmith"), TOKENS["ana"]):
        assert (await ring(http, found, key)).status_code == 401
    assert desk.rang == []


async def test_what_signs_is_no_token(http: httpx.AsyncClient, desk: Remembering) -> None:
    headers = {"Authorization": f"Bearer {secret('sentry')}"}
    found = sent("generic", "firing")
    for path in ("/alarms/generic", "/bells/sentry"):
        assert (await http.post(path, json=found.body, headers=headers)).status_code == 401
    assert desk.rang == []


async def test_guessing_is_slowed_down_and_who_signs_still_comes_in(
    http: httpx.AsyncClient, desk: Remembering
) -> None:
    found = sent("sentry", "firing")
    for _ in range(MOST_FAILURES):
        assert (await ring(http, found, secret("wrong"))).status_code == 401
    refused = await ring(http, found, secret("wrong"))
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")
    assert (
        await ring(http, sent("datadog", "firing"))
    ).status_code == 429  # a secret that is shown can be guessed
    assert (await http.post("/v2/enqueue", json={"routing_key": "guess"})).status_code == 429
    assert (await ring(http, found)).status_code == 202  # a signature cannot
    assert len(desk.rang) == 1


async def test_a_replay_is_refused_once_its_moment_has_passed(
    http: httpx.AsyncClient, desk: Remembering, clock: Clock
) -> None:
    for name in ("grafana", "langfuse"):
        assert (await ring(http, sent(name, "firing"))).status_code == 202
    clock.now += timedelta(minutes=6)
    for name in ("grafana", "langfuse"):
        assert (await ring(http, sent(name, "firing"))).status_code == 401
    assert len(desk.rang) == 2


@pytest.mark.parametrize("name", ["pagerduty-webhook", "sentry"])
async def test_what_signs_no_moment_is_known_by_what_it_signs(
    http: httpx.AsyncClient, desk: Remembering, clock: Clock, name: str
) -> None:
    """Whoever has captured a delivery can change the headers that are not signed, and makes no news of it."""
    found = sent(name, "firing")
    for number in range(2):
        forged = {"request-id": f"n{number}", "x-webhook-id": f"n{number}"}
        answer = await ring(http, found._replace(headers=found.headers | forged))
        assert answer.status_code == 202
    assert len(set(desk.deliveries)) == 1
    assert desk.deliveries[0]
    assert (await ring(http, sent(name, "resolved"))).status_code == 202
    assert desk.deliveries[2] != desk.deliveries[0]
    clock.now += REMEMBERED
    answer = await ring(http, found)
    assert (answer.status_code, len(desk.rang)) == ((422, 3) if name == "pagerduty-webhook" else (202, 4))


async def test_too_much_is_refused_before_all_of_it_is_read(http: httpx.AsyncClient) -> None:
    pieces = list[int]()

    async def endless() -> Any:
        for number in range(10_000):
            pieces.append(number)
            yield b" " * 512

    headers = {"Authorization": f"Bearer {secret('small')}", "Content-Type": "application/json"}
    answer = await http.post("/bells/small", content=endless(), headers=headers)
    assert (answer.status_code, len(pieces)) == (413, 3)
    pieces.clear()
    answer = await http.post("/bells/sentry", content=endless(), headers={"Sentry-Hook-Signature": "00"})
    assert answer.status_code == 413
    assert len(pieces) < 3000


@pytest.mark.parametrize("where", ["generic", "alertmanager"])
async def test_the_limit_of_a_bell_holds_at_every_door(http: httpx.AsyncClient, where: str) -> None:
    headers = {"Authorization": f"Bearer {secret('small')}", "Content-Type": "application/json"}
    answer = await http.post(f"/alarms/{where}", content=b" " * 1025, headers=headers)
    assert (answer.status_code, answer.json()["detail"]) == (413, "the limit is 1024 bytes")


@pytest.mark.parametrize(
    ("headers", "content", "status", "named"),
    [
        ({"Content-Type": "application/x-protobuf"}, b"\x0a\x00", 415, "Content-Type: application/json"),
        ({"Content-Encoding": "br"}, b"{}", 415, "Content-Encoding: gzip"),
        ({}, b"{", 400, "not JSON"),
        ({}, b'{"alert_cycle_key": NaN}', 400, "not JSON"),
        ({}, b'{"alert_cycle_key": []}', 422, "org_id"),
    ],
)
async def test_what_cannot_be_read_is_told_to_a_bell(
    http: httpx.AsyncClient, headers: dict[str, str], content: bytes, status: int, named: str
) -> None:
    known = {"X-Bell-Secret": secret("datadog"), "Content-Type": "application/json", **headers}
    with capture_logs() as logs:
        answer = await http.post("/bells/datadog", content=content, headers=known)
    assert (answer.status_code, named in answer.text) == (status, True)
    (told,) = [each for each in logs if each["event"] == "a delivery cannot be used"]
    assert (told["ringer"], told["status"]) == ("datadog", status), "the operator reads it in the log"
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("name", sorted(FORMATS))
async def test_every_bell_takes_gzip_and_its_signature_is_over_what_is_sent(
    http: httpx.AsyncClient, desk: Remembering, name: str
) -> None:
    found = sent(name, "firing")
    plain = packed(found, secret(name))
    raw = gzip.compress(plain)
    headers = httpx.Headers(found.headers | {"Content-Encoding": "gzip"})
    headers.update(signed(name, raw, secret(name)))
    answer = await http.post(f"/bells/{name}", content=raw, headers=headers)
    assert answer.is_success, answer.text
    assert [alarm.system for alarm in desk.rang] == ["refund-agent"]
    if name in {"grafana", "langfuse", "pagerduty-webhook", "sentry"}:
        headers.update(signed(name, plain, secret(name)))
        assert (await http.post(f"/bells/{name}", content=raw, headers=headers)).status_code == 401


DOORS = {
    "/bells/langsmith": bearer(secret("langsmith")),
    "/bells/otlp": bearer(secret("otlp")),
    "/alarms/alertmanager": bearer(secret("alertmanager")),
    "/alarms/generic": bearer(TOKENS["ana"]),
    "/v2/enqueue": {},
}
WHOLE = gzip.compress(b"{}")


@pytest.mark.parametrize("where", DOORS)
async def test_another_compression_is_refused_with_the_fix(http: httpx.AsyncClient, where: str) -> None:
    for coding in ("deflate", "br", "zstd", "gzip, gzip", "snappy"):
        answer = await http.post(where, content=WHOLE, headers=DOORS[where] | {"Content-Encoding": coding})
        assert (answer.status_code, answer.headers["accept-encoding"]) == (415, "gzip")
        assert f"send it with Content-Encoding: gzip, or as it is, not with {coding}" in answer.text


NO_GZIP = {
    "nothing": b"",
    "plain": b"{}",
    "cut off": WHOLE[:-1],
    "more behind it": WHOLE + b"{}",
    "twice": WHOLE + WHOLE,
    "another checksum": WHOLE[:-8] + bytes(8),
    "zlib": zlib.compress(b"{}"),
}


@pytest.mark.parametrize("where", DOORS)
async def test_what_is_no_gzip_is_refused(http: httpx.AsyncClient, where: str) -> None:
    for what, raw in NO_GZIP.items():
        answer = await http.post(where, content=raw, headers=DOORS[where] | {"Content-Encoding": "gzip"})
        assert (what, answer.status_code, "gzip" in answer.text) == (what, 400, True)


def bomb(megabytes: int) -> bytes:
    """So many megabytes of zeros as gzip, without its end: nobody may come so far as to miss it."""
    packing = zlib.compressobj(9, wbits=31)
    head = packing.compress(b"") + packing.flush(zlib.Z_FULL_FLUSH)
    one = packing.compress(bytes(1_000_000)) + packing.flush(zlib.Z_FULL_FLUSH)
    return head + one * megabytes


@pytest.mark.parametrize("where", DOORS)
async def test_a_bomb_is_refused_with_little_memory(http: httpx.AsyncClient, where: str) -> None:
    for megabytes, weighs in ((10, 10_000), (1000, 1_000_000)):
        raw = bomb(megabytes)
        assert len(raw) == pytest.approx(weighs, rel=0.05)
        tracemalloc.start()
        try:
            answer = await http.post(where, content=raw, headers=DOORS[where] | {"Content-Encoding": "gzip"})
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert (answer.status_code, "unpacked it is more than the limit" in answer.text) == (413, True)
        assert peak < 8 * 1024 * 1024


@pytest.mark.parametrize(("size", "status"), [(1024, 400), (1025, 413)])
async def test_the_limit_of_a_bell_is_of_what_is_unpacked_too(
    http: httpx.AsyncClient, size: int, status: int
) -> None:
    headers = bearer(secret("small")) | {"Content-Encoding": "gzip"}
    for where in ("/bells/small", "/alarms/generic"):
        answer = await http.post(where, content=gzip.compress(b" " * size), headers=headers)
        assert (answer.status_code, "the limit of 1024 bytes" in answer.text) == (status, status == 413)


async def test_an_exporter_of_logs_is_answered_in_its_own_words(
    http: httpx.AsyncClient, desk: Remembering
) -> None:
    assert (await ring(http, sent("otlp", "firing"))).json() == {}
    answer = await ring(http, sent("otlp", "grouped"))
    assert answer.status_code == 200
    assert answer.json()["partialSuccess"]["rejectedLogRecords"] == "1"
    assert "logRecords[4].timeUnixNano" in answer.json()["partialSuccess"]["errorMessage"]
    assert len(desk.rang) == 5


async def test_pagerduty_s_own_address_answers_as_pagerduty_does(
    http: httpx.AsyncClient, desk: Remembering
) -> None:
    body = {**sent("pagerduty-events", "firing").body, "routing_key": secret("pagerduty-events")}
    answer = await http.post("/v2/enqueue", json=body)
    told = {"status": "success", "message": "Event processed", "dedup_key": "samplekeyhere"}
    assert (answer.status_code, answer.json()) == (202, told)
    keyless = {name: value for name, value in body.items() if name != "dedup_key"}
    first, again = [(await http.post("/v2/enqueue", json=keyless)).json()["dedup_key"] for _ in range(2)]
    assert first == again == desk.rang[1].key
    over = {"routing_key": body["routing_key"], "event_action": "resolve", "dedup_key": "samplekeyhere"}
    assert (await http.post("/v2/enqueue", json=over)).status_code == 202
    assert desk.rang[-1] == desk.rang[0].changed(status="resolved")
    acknowledged = {**over, "event_action": "acknowledge"}
    assert (await http.post("/v2/enqueue", json=acknowledged)).status_code == 202
    assert len(desk.rang) == 4


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"routing_key": "R0UT1NGK3Y-of-somebody-else"}, "Invalid routing key"),
        ({"routing_key": None}, "Invalid routing key"),
        ({"payload": {"source": "x"}}, "payload.summary"),
        (
            {"payload": {"summary": "x", "custom_details": {"system": "toaster"}}},
            "there is no system 'toaster'",
        ),
    ],
)
async def test_pagerduty_s_refusal_names_what_is_wrong(
    http: httpx.AsyncClient, desk: Remembering, change: dict[str, Any], named: str
) -> None:
    body = {**sent("pagerduty-events", "firing").body, "routing_key": secret("pagerduty-events"), **change}
    answer = await http.post("/v2/enqueue", json=body)
    assert answer.status_code == 400
    assert answer.json()["status"] == "invalid event"
    assert named in answer.json()["errors"][0]
    assert desk.rang == []
    assert (await http.post("/v2/enqueue", content=b"{")).json()["errors"] == ["the body is not JSON"]


async def test_a_station_that_is_out_of_reach_is_tried_again(
    http: httpx.AsyncClient, desk: Remembering
) -> None:
    desk.away = Unreachable("Temporal does not answer")
    body = {**sent("pagerduty-events", "firing").body, "routing_key": secret("pagerduty-events")}
    for answer in (await http.post("/v2/enqueue", json=body), await ring(http, sent("sentry", "firing"))):
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")


async def test_two_bells_with_one_routing_key_are_nobody(
    http: httpx.AsyncClient, door: Doorkeeper, desk: Remembering
) -> None:
    station = door.station
    twin = next(each for each in station.bells if each.id == "pagerduty-events").changed(id="twin")
    door.books.book = door.books.book.changed(station=station.changed(bells=(*station.bells, twin)))  # type: ignore[misc]
    body = {**sent("pagerduty-events", "firing").body, "routing_key": secret("pagerduty-events")}
    assert (await http.post("/v2/enqueue", json=body)).status_code == 400
    assert desk.rang == []


async def test_no_log_has_a_routing_key(http: httpx.AsyncClient) -> None:
    bodies = [
        {**sent("pagerduty-events", name).body, "routing_key": key}
        for name in ("firing", "resolved")
        for key in (secret("pagerduty-events"), "guessed-routing-key-012345")
    ]
    with capture_logs() as logs:
        for body in [*bodies, {**bodies[0], "payload": {}}]:
            await http.post("/v2/enqueue", json=body)
    assert logs
    assert not any(body["routing_key"] in repr(logs) for body in bodies)


@pytest.mark.parametrize("name", ["cloudevents", "no-such-bell"])
async def test_a_sender_of_cloudevents_may_shake_hands_at_any_bell(
    http: httpx.AsyncClient, name: str
) -> None:
    answer = await http.options(f"/bells/{name}", headers={"WebHook-Request-Origin": "events.example.org"})
    assert answer.status_code == 200
    assert answer.headers["webhook-allowed-origin"] == "events.example.org"
    assert answer.headers["webhook-allowed-rate"] == "*"
    for headers in ({}, {"WebHook-Request-Origin": "a b"}, {"WebHook-Request-Origin": "x" * 300}):
        assert (await http.options(f"/bells/{name}", headers=headers)).status_code == 400


@pytest.mark.parametrize("name", ["firing", "binary", "grouped"])
async def test_cloudevents_ring_in_each_of_their_forms(
    http: httpx.AsyncClient, desk: Remembering, name: str
) -> None:
    answer = await ring(http, sent("cloudevents", name))
    assert answer.status_code == (422 if name == "grouped" else 202)
    assert [alarm.key for alarm in desk.rang][:1] == ["%2Fevals%2Frefunds/golden"]
