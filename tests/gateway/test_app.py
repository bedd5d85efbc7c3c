"""What the gateway answers: to what is right, and to everything that is not."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import httpx
import pytest

from firestation import tokens
from firestation.acts import ACTS
from firestation.alarm import Alarm
from firestation.drivers.register import Register
from firestation.errors import Unreachable
from gateway.auth import Doorkeeper
from gateway.bells import AT_ONCE
from gateway.hearing import Sent
from gateway.ringing import Health, Rang
from tests.gateway.conftest import BELL, DIGEST, INCIDENT, NOW, TOKENS, Remembering, bearer

ANA, CARA = bearer(TOKENS["ana"]), bearer(TOKENS["cara"])
ALARM: dict[str, Any] = {
    "system": "refund-agent",
    "id": "golden-eval",
    "name": "RefundGoldenEvalFailing",
    "summary": "2 of 6 golden cases fail",
    "started_at": "2026-11-23T03:00:00Z",
}
ALERT: dict[str, Any] = {
    "status": "firing",
    "labels": {"alertname": "RefundGoldenEvalFailing", "system": "refund-agent"},
    "annotations": {"summary": "it fails", "request_ids": "r-1, r-2,,r-1"},
    "startsAt": "2026-11-23T03:00:00.123Z",
    "endsAt": "0001-01-01T00:00:00Z",
    "generatorURL": "http://prometheus/graph",
    "fingerprint": "c0ffee",
}
GENERIC, MANAGER, NOTE = "/alarms/generic", "/alarms/alertmanager", f"/incidents/{INCIDENT}/note"
APPROVE = f"/incidents/{INCIDENT}/approve"


def without(data: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key != name}


def notification(*alerts: Any, **changes: Any) -> dict[str, Any]:
    return {"version": "4", "receiver": "r", "status": "firing", "alerts": list(alerts), **changes}


HALF = "2 of 8 \ud83d"
DEEP = "[" * 100_000 + "]" * 100_000
BAD: list[tuple[str, str, str, Any, int, str]] = [
    # what is wrong, method and address, who, body, status, what the answer must name
    ("no token", f"POST {GENERIC}", "", ALARM, 401, "Authorization: Bearer"),
    ("no token, and no JSON", f"POST {NOTE}", "", b"{nonsense", 401, "Authorization: Bearer"),
    ("no token, and too deep", f"POST {NOTE}", "", DEEP.encode(), 401, "Authorization: Bearer"),
    ("an act that is no JSON", f"POST {NOTE}", "ana", b"{nonsense", 400, "JSON"),
    ("wrong token", f"POST {GENERIC}", "Bearer wrong", ALARM, 401, "Authorization: Bearer"),
    ("empty token", f"POST {GENERIC}", "Bearer ", ALARM, 401, "Authorization: Bearer"),
    ("wrong scheme", f"POST {GENERIC}", f"Basic {BELL}", ALARM, 401, "Authorization: Bearer"),
    ("token without scheme", f"POST {GENERIC}", BELL, ALARM, 401, "Authorization: Bearer"),
    ("no JSON", f"POST {GENERIC}", "bell", b"{nonsense", 400, "JSON"),
    ("no UTF-8", f"POST {GENERIC}", "bell", b'{"a": "\xff\xfe"}', 400, "JSON"),
    ("nothing", f"POST {GENERIC}", "bell", b"", 400, "JSON"),
    ("too deep", f"POST {GENERIC}", "bell", DEEP.encode(), 400, "JSON"),
    ("too large", f"POST {GENERIC}", "bell", b" " * 1_100_000, 413, "1048576 bytes"),
    ("a list", f"POST {GENERIC}", "bell", [ALARM], 422, "(whole)"),
    ("no system", f"POST {GENERIC}", "bell", without(ALARM, "system"), 422, "system"),
    (
        "unknown system",
        f"POST {GENERIC}",
        "bell",
        {**ALARM, "system": "toaster"},
        422,
        "protects refund-agent",
    ),
    ("a system that is no id", f"POST {GENERIC}", "bell", {**ALARM, "system": "../etc"}, 422, "system"),
    ("unknown field", f"POST {GENERIC}", "bell", {**ALARM, "sumary": "x"}, 422, "sumary"),
    ("unknown status", f"POST {GENERIC}", "bell", {**ALARM, "status": "burning"}, 422, "status"),
    ("empty name", f"POST {GENERIC}", "bell", {**ALARM, "name": ""}, 422, "name"),
    (
        "a time without zone",
        f"POST {GENERIC}",
        "bell",
        {**ALARM, "started_at": "2026-11-23T03:00:00"},
        422,
        "started",
    ),
    ("labels of numbers", f"POST {GENERIC}", "bell", {**ALARM, "labels": {"a": 1}}, 422, "labels.a"),
    (
        "half a character in a label",
        f"POST {GENERIC}",
        "bell",
        {**ALARM, "labels": {"a": HALF}},
        422,
        "labels.a",
    ),
    (
        "half a character as a label",
        f"POST {GENERIC}",
        "bell",
        {**ALARM, "labels": {HALF: "a"}},
        422,
        "labels",
    ),
    (
        "half a character in an annotation",
        f"POST {GENERIC}",
        "bell",
        {**ALARM, "annotations": {"a": HALF}},
        422,
        "a",
    ),
    (
        "half a character in the summary",
        f"POST {GENERIC}",
        "bell",
        {**ALARM, "summary": HALF},
        422,
        "summary",
    ),
    ("half a character as a field", f"POST {GENERIC}", "bell", {**ALARM, HALF: "a"}, 422, "(whole)"),
    ("half a character in a note", f"POST {NOTE}", "ana", {"text": HALF}, 422, "text"),
    (
        "half a character as a field of an act",
        f"POST {NOTE}",
        "ana",
        {"text": "x", HALF: "a"},
        422,
        "(whole)",
    ),
    ("a summary without end", f"POST {GENERIC}", "bell", {**ALARM, "summary": "x" * 9999}, 422, "summary"),
    ("no alerts", f"POST {MANAGER}", "bell", notification(), 422, "alerts"),
    ("another version", f"POST {MANAGER}", "bell", notification(ALERT, version="3"), 422, "version"),
    ("a person at the machines' door", f"POST {MANAGER}", "ana", notification(ALERT), 403, "/alarms/generic"),
    (
        "no label system",
        f"POST {MANAGER}",
        "bell",
        notification({**ALERT, "labels": {}}),
        422,
        "labels.system",
    ),
    (
        "no fingerprint",
        f"POST {MANAGER}",
        "bell",
        notification(without(ALERT, "fingerprint")),
        422,
        "alerts[0].fingerprint",
    ),
    ("a bell that looks", f"GET /incidents/{INCIDENT}", "bell", None, 403, "only people"),
    ("a bell that lists", "GET /incidents", "bell", None, 403, "only people"),
    ("a bell that acts", f"POST {NOTE}", "bell", {"text": "x"}, 403, "only people"),
    ("unknown incident", "POST /incidents/nowhere-1/note", "ana", {"text": "x"}, 404, "nowhere-1"),
    ("unknown picture", "GET /incidents/nowhere-1", "ana", None, 404, "nowhere-1"),
    ("an incident that is no id", "POST /incidents/Now%20here/note", "ana", {"text": "x"}, 422, "incident"),
    ("a picture of no id", "GET /incidents/..%00", "ana", None, 422, "incident"),
    ("evidence of no id", f"GET /incidents/-x/evidence/{DIGEST}", "ana", None, 422, "incident"),
    ("ended incident", "POST /incidents/ended/note", "ana", {"text": "x"}, 409, "ended"),
    ("unknown act", f"POST /incidents/{INCIDENT}/burn", "ana", {}, 404, "/burn"),
    ("wrong method", f"DELETE /incidents/{INCIDENT}", "ana", None, 405, "DELETE"),
    ("an act in another's name", f"POST {NOTE}", "ana", {"text": "x", "by": "cara"}, 422, "by"),
    ("an empty note", f"POST {NOTE}", "ana", {"text": ""}, 422, "text"),
    ("a note that is a number", f"POST {NOTE}", "ana", {"text": 7}, 422, "text"),
    ("an act without its text", f"POST {NOTE}", "ana", {}, 422, "text"),
    ("an unknown standing", f"POST {NOTE}", "ana", {"text": "x", "standing": "rumour"}, 422, "standing"),
    (
        "an unknown severity",
        f"POST /incidents/{INCIDENT}/declare",
        "ana",
        {"severity": 9, "reason": "x"},
        422,
        "sev",
    ),
    ("no axis", f"POST /incidents/{INCIDENT}/assess", "ana", {"reason": "x"}, 422, "harm: no axis is given"),
    (
        "an axis that is off the scale",
        f"POST /incidents/{INCIDENT}/assess",
        "ana",
        {"harm": 4, "reason": "x"},
        422,
        "harm",
    ),
    (
        "a note without a number",
        f"POST /incidents/{INCIDENT}/establish",
        "ana",
        {"entry": 0, "reason": "x"},
        422,
        "entry",
    ),
    ("a digest that is none", f"POST {APPROVE}", "ana", {"action": "the red one"}, 422, "action"),
    ("a digest that is unknown", f"POST {APPROVE}", "ana", {"action": "12345678"}, 422, "action"),
    ("an act that breaks a rule", f"POST /incidents/{INCIDENT}/close", "ana", {}, 409, "no lock"),
]


@pytest.mark.parametrize(
    ("call", "who", "body", "status", "named"), [row[1:] for row in BAD], ids=[r[0] for r in BAD]
)
async def test_bad_input_is_a_clear_answer(
    http: httpx.AsyncClient, desk: Remembering, call: str, who: str, body: Any, status: int, named: str
) -> None:
    method, path = call.split(" ")
    known = {"bell": f"Bearer {BELL}", "ana": ANA["Authorization"]}
    headers = {"Content-Type": "application/json", "Authorization": known.get(who, who)}
    content = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else None
    answer = await http.request(method, path, content=content, headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert named in answer.text
    assert "Traceback" not in answer.text
    if status == 422:
        assert all(each["field"] and each["fix"] for each in problem["errors"])
    assert desk.rang == []
    assert [act.kind for act, _ in desk.acted] in ([], ["close"])


async def test_another_content_type_is_refused(http: httpx.AsyncClient, desk: Remembering) -> None:
    headers = {**bearer(BELL), "Content-Type": "text/xml"}
    answer = await http.post(GENERIC, content=json.dumps(ALARM), headers=headers)
    assert (answer.status_code, desk.rang) == (415, [])


@pytest.mark.parametrize("key", ["short", "with space in it", "x" * 101, "semi;colon-key"])
async def test_an_idempotency_key_has_a_form(http: httpx.AsyncClient, desk: Remembering, key: str) -> None:
    answer = await http.post(NOTE, json={"text": "x"}, headers={**ANA, "Idempotency-Key": key})
    assert (answer.status_code, desk.acted) == (422, [])
    assert "dempotency" in answer.text


async def test_the_keys_of_two_people_and_two_acts_are_never_the_same(
    http: httpx.AsyncClient, desk: Remembering, door: Doorkeeper, register: Register
) -> None:
    """Whatever dashes stand in a name: `ana` with the key `b-12345678`, and `ana-b` with `12345678`."""
    member = door.station.people[0]
    people = (*door.station.people, member.changed(id="ana-b"))
    door.books.book = door.books.book.changed(station=door.station.changed(people=people))  # type: ignore[misc]
    token, text = tokens.mint(b"b" * tokens.RANDOM_BYTES, person="ana-b", now=NOW, lifetime=timedelta(days=1))
    assert await register.add(token)
    for who, key in ((TOKENS["ana"], "b-12345678"), (text, "12345678")):
        headers = {**bearer(who), "Idempotency-Key": key}
        assert (await http.post(NOTE, json={"text": "x"}, headers=headers)).status_code == 200
    (_, first), (_, second) = desk.acted
    assert first != second


@pytest.mark.parametrize("length", ["1048577", "9" * 13, "9" * 5000, "-1", "1e3", ""])
async def test_a_length_that_is_none_or_too_much_is_too_large(http: httpx.AsyncClient, length: str) -> None:
    headers = {**ANA, "Content-Type": "application/json", "Content-Length": length}
    answer = await http.post(NOTE, content=b"{}", headers=headers)
    assert answer.status_code == 413, answer.text


async def test_a_generic_alarm_rings(http: httpx.AsyncClient, desk: Remembering) -> None:
    answer = await http.post(GENERIC, json=ALARM, headers=bearer(BELL))
    assert answer.status_code == 202
    (incident,) = answer.json()["incidents"]
    assert (incident["incident"], incident["address"]) == (INCIDENT, f"/incidents/{INCIDENT}")
    assert (desk.rang[0].source, desk.rang[0].key) == ("alertmanager", "golden-eval")


async def test_a_person_may_ring_too(http: httpx.AsyncClient, desk: Remembering) -> None:
    assert (await http.post(GENERIC, json=ALARM, headers=ANA)).status_code == 202
    assert desk.rang[0].source == "person"


async def test_an_alertmanager_notification_rings_for_each_alert(
    http: httpx.AsyncClient, desk: Remembering
) -> None:
    well = {**ALERT, "status": "resolved", "fingerprint": "beef", "endsAt": "2026-11-23T03:05:00Z"}
    body = notification(ALERT, well, truncatedAlerts=3, newField="theirs to add")
    answer = await http.post(MANAGER, json=body, headers=bearer(BELL))
    assert answer.status_code == 202
    assert len(answer.json()["incidents"]) == 1
    assert "no open incident" in answer.json()["ignored"][0]["reason"]
    first, second = desk.rang
    assert (first.key, second.status) == ("c0ffee/2026-11-23T03:00:00.123000+00:00", "resolved")
    assert first.request_ids == ("r-1", "r-2")
    assert "3 more alerts" in first.summary


@pytest.mark.parametrize("place", ["labels", "annotations"])
async def test_half_a_character_in_one_alert_does_not_silence_its_neighbours(
    http: httpx.AsyncClient, desk: Remembering, place: str
) -> None:
    for more in ({"team": HALF}, {HALF: "team"}):
        cut = {**ALERT, place: {**ALERT[place], **more}}
        content = json.dumps(notification(cut, ALERT)).encode()
        headers = {**bearer(BELL), "Content-Type": "application/json"}
        answer = await http.post(MANAGER, content=content, headers=headers)
        assert answer.status_code == 422, answer.text
        (error,) = answer.json()["errors"]
        assert f"alerts[0].{place}" in error["field"]
        assert "half of a character" in error["problem"]
    assert [alarm.key for alarm in desk.rang] == ["c0ffee/2026-11-23T03:00:00.123000+00:00"] * 2


async def test_one_bad_alert_does_not_silence_its_neighbours(
    http: httpx.AsyncClient, desk: Remembering
) -> None:
    nameless = {**ALERT, "labels": {"system": "refund-agent"}}
    foreign = {**ALERT, "labels": {**ALERT["labels"], "system": "toaster"}}
    answer = await http.post(MANAGER, json=notification(nameless, foreign, ALERT), headers=bearer(BELL))
    assert answer.status_code == 422
    problem = answer.json()
    assert [each["field"] for each in problem["errors"]] == ["alerts[0].labels.alertname", "system"]
    assert [each["incident"] for each in problem["incidents"]] == [INCIDENT]
    assert [alarm.name for alarm in desk.rang] == ["RefundGoldenEvalFailing"]


async def test_a_long_notification_rings_in_its_order_and_lets_others_in_between(
    http: httpx.AsyncClient, desk: Remembering, monkeypatch: pytest.MonkeyPatch
) -> None:
    ringing, most, ring = 0, 0, desk.ring

    async def counted(alarm: Alarm, delivery: str | None = None, sent: Sent | None = None) -> Rang:
        nonlocal ringing, most
        ringing += 1
        most = max(most, ringing)
        await asyncio.sleep(0)
        rang = await ring(alarm, delivery, sent)
        ringing -= 1
        return rang

    monkeypatch.setattr(desk, "ring", counted)
    many = [{**ALERT, "fingerprint": f"f{number}"} for number in range(2 * AT_ONCE + 50)]
    answer = await http.post(MANAGER, json=notification(*many), headers=bearer(BELL))
    assert (answer.status_code, len(answer.json()["incidents"]), most) == (202, len(many), AT_ONCE)
    assert [alarm.key.partition("/")[0] for alarm in desk.rang] == [each["fingerprint"] for each in many]


async def test_a_station_that_cannot_ring_asks_for_the_alarm_again(
    http: httpx.AsyncClient, desk: Remembering
) -> None:
    """Alertmanager repeats what was answered with 503, and forgets what was answered with 4xx."""
    desk.away = Unreachable("Temporal does not answer")
    answer = await http.post(MANAGER, json=notification(ALERT), headers=bearer(BELL))
    assert answer.status_code == 503
    assert answer.headers["retry-after"]


FIELDS: dict[str, dict[str, Any]] = {
    "acknowledge": {"role": "scribe"},
    "declare": {"severity": "sev2", "reason": "x"},
    "assess": {"harm": 2, "momentum": 0, "reason": "x"},
    "propose": {"step": "reranker-on"},
    "approve": {"action": DIGEST[:12]},
    "refuse": {"action": DIGEST, "reason": "x"},
    "note": {"text": "x", "standing": "fact"},
    "establish": {"entry": 1, "reason": "x"},
    "update": {"audience": "public", "known": "x"},
    "release": {"word": DIGEST[:12]},
    "withhold": {"word": DIGEST, "reason": "x"},
    "handover": {"to": "ben"},
    "accept": {},
    "decline": {"reason": "x"},
    "renounce": {"role": "scribe", "reason": "x"},
    "lift": {"action": DIGEST[:8], "reason": "x"},
    "adopt": {"action": DIGEST, "reason": "x"},
    "extend": {"action": DIGEST[:12], "reason": "x"},
    "stop": {"reason": "x"},
    "switch": {"to": "other", "reason": "x"},
    "confirm": {"step": "call-support"},
    "waive": {"what": "lock", "reason": "x", "until": "2026-12-01T00:00:00Z"},
    "attest": {"change": "x", "reference": "4.2", "verify_by": "2027-01-31T00:00:00Z", "document": DIGEST},
    "second": {"reason": "x"},
    "categorize": {"category": "serious-incident", "reason": "x", "aware_at": "2026-11-23T00:00:00Z"},
    "withdraw": {"category": "serious-incident", "reason": "x"},
    "inform": {"clock": "gdpr-33", "reference": "4711", "authority": "x", "at": "2026-11-23T00:00:00Z"},
    "prove": {},
    "dismiss": {"reason": "x"},
    "merge": {"into": "refund-agent-ffffffff", "reason": "x"},
    "close": {},
}


@pytest.mark.parametrize("kind", sorted(ACTS))
async def test_every_act_arrives_in_the_callers_name(
    http: httpx.AsyncClient, desk: Remembering, kind: str
) -> None:
    headers = {**CARA, "Idempotency-Key": "key-12345678"}
    answer = await http.post(f"/incidents/{INCIDENT}/{kind}", json=FIELDS[kind], headers=headers)
    assert answer.status_code == (409 if kind == "close" else 200), answer.text
    ((act, key),) = desk.acted
    assert (act.kind, act.by, key) == (kind, "cara", f"{kind}/cara/key-12345678")
    assert getattr(act, "action", DIGEST) == DIGEST


async def test_the_openapi_document_names_every_route(http: httpx.AsyncClient) -> None:
    paths = (await http.get("/openapi.json")).json()["paths"]
    acts = {f"/incidents/{{incident}}/{kind}" for kind in ACTS}
    looks = {"/incidents", "/incidents/{incident}", "/incidents/{incident}/postmortem"}
    looks |= {"/incidents/{incident}/evidence/{digest}", "/incidents/{incident}/bundle"}
    looks |= {"/incidents/{incident}/same-fire"}
    tasks = {"/tasks", "/incidents/{incident}/tasks", "/incidents/{incident}/tasks/{task}/finish"}
    bells = {GENERIC, MANAGER, "/bells", "/bells/{bell}", "/v2/enqueue", "/alarms/spool", "/attachments"}
    triage = {"/triage", "/triage/{incident}/open", "/triage/{incident}/dismiss"}
    assert acts | looks | tasks | bells | triage | {"/healthz", "/readyz"} == set(paths)
    assert all(paths[path]["post"]["summary"] for path in acts)


async def test_health_and_readiness_are_two_things(http: httpx.AsyncClient, desk: Remembering) -> None:
    assert (await http.get("/readyz")).status_code == 200
    desk.well = Health(status="spooling", waiting=123, oldest=NOW)
    answer = await http.get("/readyz")
    assert (answer.status_code, answer.json()["status"], answer.json()["waiting"]) == (200, "spooling", 123)
    desk.well = Health(status="down", detail="the spool cannot be written: disk full")
    assert (await http.get("/healthz")).status_code == 200
    answer = await http.get("/readyz")
    assert (answer.status_code, "disk full" in answer.text) == (503, True)
    assert answer.headers["retry-after"] == "2"


async def test_every_answer_forbids_what_a_browser_might_do_with_it(http: httpx.AsyncClient) -> None:
    for answer in (await http.get("/healthz"), await http.get("/nowhere"), await http.get("/incidents")):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"


async def test_what_nobody_foresaw_is_no_stack_trace(http: httpx.AsyncClient, desk: Remembering) -> None:
    desk.away = ZeroDivisionError("the secret inner workings")
    answer = await http.post(GENERIC, json=ALARM, headers=bearer(BELL))
    assert answer.status_code == 500
    assert "inner workings" not in answer.text
    assert answer.headers["content-type"] == "application/problem+json"


SUBJECTS = {
    "request_ids": ("r-1", "r-2"),
    "trace_ids": ("t-1",),
    "tenants": ("acme", "globex"),
    "users": ("mia",),
    "queries": ("a refund, please?", "how long?"),
}


async def test_an_alert_says_in_its_annotations_what_it_is_about(
    http: httpx.AsyncClient, desk: Remembering
) -> None:
    said = {what: ", ".join(names) for what, names in SUBJECTS.items()}
    said["queries"] = (
        "a refund, please?\n\nhow long?\n"  # a query may have commas, so that one stands on each line
    )
    body = notification({**ALERT, "annotations": {"summary": "it fails", **said}})
    assert (await http.post(MANAGER, json=body, headers=bearer(BELL))).status_code == 202
    assert {what: getattr(desk.rang[0], what) for what in SUBJECTS} == SUBJECTS


async def test_a_generic_alarm_says_it_in_lists_or_in_annotations(
    http: httpx.AsyncClient, desk: Remembering
) -> None:
    lists = {what: list(names) for what, names in SUBJECTS.items()}
    await http.post(GENERIC, json={**ALARM, **lists}, headers=bearer(BELL))
    await http.post(GENERIC, json={**ALARM, "annotations": {"tenants": "acme"}}, headers=bearer(BELL))
    assert {what: getattr(desk.rang[0], what) for what in SUBJECTS} == SUBJECTS
    assert desk.rang[1].tenants == ("acme",)
    answer = await http.post(GENERIC, json={**ALARM, "users": ["u"] * 51}, headers=bearer(BELL))
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "users")


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00"])
async def test_a_time_that_is_none_in_utc_is_named(http: httpx.AsyncClient, time: str) -> None:
    answer = await http.post(GENERIC, json={**ALARM, "started_at": time}, headers=bearer(BELL))
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "started_at")


async def test_the_tasks_are_listed_to_people_only(http: httpx.AsyncClient, desk: Remembering) -> None:
    answer = (await http.get("/tasks?open=true", headers=ANA)).json()
    assert [each["task"] for each in answer["incidents"][0]["tasks"]] == ["postmortem", "eval-lock"]
    assert answer["not_shown"] == ["after-other-1"]
    assert (await http.get(f"/incidents/{INCIDENT}/tasks", headers=CARA)).status_code == 200
    assert desk.asked == [(None, True), (INCIDENT, False)]
    assert (await http.get("/incidents/no-such/tasks", headers=ANA)).status_code == 404
    assert (await http.get("/incidents/a'%20OR%20''='/tasks", headers=ANA)).status_code == 422
    for path in ("/tasks", f"/incidents/{INCIDENT}/tasks"):
        assert (await http.get(path)).status_code == 401
        assert (await http.get(path, headers=bearer(BELL))).status_code == 403


async def test_a_task_is_finished_in_the_callers_name(http: httpx.AsyncClient, desk: Remembering) -> None:
    path = f"/incidents/{INCIDENT}/tasks/postmortem/finish"
    headers = {**CARA, "Idempotency-Key": "key-12345678"}
    answer = await http.post(path, json={"reason": "it is written", "fire": "0198"}, headers=headers)
    assert answer.json() == {"accepted": True, "task": "postmortem", "missing": None}
    ((word, fire, key),) = desk.finished
    assert (word.by, word.task, word.reason, fire) == ("cara", "postmortem", "it is written", "0198")
    assert key == "finish/postmortem/cara/key-12345678"
    refused = await http.post(path.replace("postmortem", "no-such"), json={"reason": "x"}, headers=CARA)
    assert refused.status_code == 409
    assert "postmortem, eval-lock" in refused.json()["missing"]


@pytest.mark.parametrize(
    "body", [{}, {"reason": ""}, {"reason": "x", "by": "ana"}, {"reason": "x", "fire": "' OR"}]
)
async def test_a_word_that_is_none_finishes_nothing(
    http: httpx.AsyncClient, desk: Remembering, body: dict[str, Any]
) -> None:
    path = f"/incidents/{INCIDENT}/tasks/postmortem/finish"
    assert (await http.post(path, json=body, headers=CARA)).status_code == 422
    assert (await http.post(path, json={"reason": "x"})).status_code == 401
    assert (await http.post(path, json={"reason": "x"}, headers=bearer(BELL))).status_code == 403
    assert desk.finished == []
