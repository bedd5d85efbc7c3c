"""What a token may do: what its scopes say, until it ends; and the table of what is refused."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from firestation import tokens
from firestation.drivers.register import Register, open_register
from firestation.tokens import RANDOM_BYTES, Scope
from gateway import auth
from gateway.attempts import Attempts
from gateway.auth import Doorkeeper
from gateway.problems import Problem
from tests.gateway.conftest import BELL, INCIDENT, MINTED, NOW, TOKENS, Clock, Remembering, bearer
from tests.gateway.test_app import ALARM, ALERT, GENERIC, MANAGER, NOTE, notification

STRANGER = f"fst_{'a' * 10}_{'b' * 52}"
ANA, WRONG = TOKENS["ana"], TOKENS["ana"][:-52] + "b" * 52
LOOK, ACT = f"/incidents/{INCIDENT}", NOTE
EVIDENCE = f"{LOOK}/evidence/{'ab' * 32}"
CALLS: dict[str, tuple[str, str, Any]] = {
    "list": ("GET", "/incidents", None),
    "look": ("GET", LOOK, None),
    "evidence": ("GET", EVIDENCE, None),
    "act": ("POST", ACT, {"text": "x"}),
    "ring": ("POST", GENERIC, ALARM),
}
NEEDS = {"list": Scope.LOOK, "look": Scope.LOOK, "evidence": Scope.LOOK, "act": Scope.ACT, "ring": Scope.RING}


async def call(http: httpx.AsyncClient, name: str, headers: dict[str, str]) -> httpx.Response:
    method, path, body = CALLS[name]
    return await http.request(method, path, json=body, headers=headers)


async def with_scopes(register: Register, *scopes: Scope, number: int = 7) -> str:
    random = number.to_bytes(RANDOM_BYTES, "little")
    token, text = tokens.mint(random, person="ana", now=NOW, lifetime=timedelta(days=1), scopes=scopes)
    assert await register.add(token)
    return text


@pytest.mark.parametrize("name", sorted(CALLS))
@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        f"Basic {ANA}",
        ANA,
        "Bearer garbage",
        f"Bearer {STRANGER}",
        f"Bearer {WRONG}",
        f"Bearer {ANA.replace('fst_', 'fss_')}",
        "Bearer token-of-ana",
    ],
)
async def test_a_stranger_is_told_nothing(
    http: httpx.AsyncClient, desk: Remembering, name: str, header: str | None
) -> None:
    answer = await call(http, name, {"Authorization": header} if header is not None else {})
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert answer.json()["detail"] == "send Authorization: Bearer with your token"
    assert (desk.rang, desk.acted) == ([], [])


@pytest.mark.parametrize("scope", list(Scope))
async def test_each_scope_opens_its_own_doors_and_no_other(
    http: httpx.AsyncClient, register: Register, scope: Scope
) -> None:
    text = await with_scopes(register, scope)
    for name, needed in NEEDS.items():
        answer = await call(http, name, bearer(text))
        if needed is scope:
            assert answer.status_code != 403, (name, answer.text)
        else:
            assert answer.status_code == 403, (name, answer.text)
            assert f"has not the scope {needed}" in answer.json()["detail"]
            assert answer.json()["scope"] == needed


@pytest.mark.parametrize("name", ["list", "look", "evidence", "act"])
async def test_a_bell_only_rings(http: httpx.AsyncClient, desk: Remembering, name: str) -> None:
    answer = await call(http, name, bearer(BELL))
    assert (answer.status_code, desk.acted) == (403, [])
    assert "alertmanager is a bell; only people look and act" in answer.text


async def test_a_bell_rings_under_its_own_name_only(http: httpx.AsyncClient, desk: Remembering) -> None:
    """A body that names another source is refused, and Alertmanager's own words do not name one."""
    forged = await http.post(GENERIC, json={**ALARM, "source": "pagerduty"}, headers=bearer(BELL))
    assert (forged.status_code, desk.rang) == (422, [])
    body = notification({**ALERT, "labels": {**ALERT["labels"], "source": "pagerduty", "bell": "pagerduty"}})
    assert (await http.post(MANAGER, json=body, headers=bearer(BELL))).status_code == 202
    assert [alarm.source for alarm in desk.rang] == ["alertmanager"]


async def test_a_person_is_not_let_in_by_a_bells_secret_nor_a_bell_by_a_persons(
    http: httpx.AsyncClient,
) -> None:
    answer = await http.post(MANAGER, json=notification(ALERT), headers=bearer(ANA))
    assert (answer.status_code, "people ring" in answer.text) == (403, True)
    assert (await call(http, "act", bearer(BELL))).status_code == 403


@pytest.mark.parametrize("name", sorted(CALLS))
async def test_the_owner_of_an_ended_token_is_told_why(
    http: httpx.AsyncClient, register: Register, clock: Clock, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "FRESH_SECONDS", 0.0)
    clock.now = NOW + timedelta(days=90)
    answer = await call(http, name, bearer(ANA))
    assert (answer.status_code, answer.json()["detail"]) == (401, "your token is expired; get another")
    await register.revoke(MINTED["ana"][0].id, NOW)
    answer = await call(http, name, bearer(ANA))
    assert (answer.status_code, answer.json()["detail"]) == (401, "your token is revoked; get another")
    answer = await call(http, name, bearer(WRONG))
    assert answer.json()["detail"] == "send Authorization: Bearer with your token"


async def test_a_revocation_counts_at_every_gateway_without_a_restart(
    door: Doorkeeper, tmp_path: Path, register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This one has just believed the token; once its memory is stale it asks, and another process had revoked it."""
    assert auth.FRESH_SECONDS <= 5
    assert (await door.admit(f"Bearer {ANA}", "192.0.2.1")).name == "ana"
    elsewhere = open_register(tmp_path / "access")
    assert await elsewhere.revoke(MINTED["ana"][0].id, NOW)
    monkeypatch.setattr(auth, "FRESH_SECONDS", 0.0)  # as if so much time had passed
    with pytest.raises(Problem) as caught:
        await door.admit(f"Bearer {ANA}", "192.0.2.1")
    assert "revoked" in str(caught.value.detail)


async def test_its_last_day_of_use_is_written_down(
    http: httpx.AsyncClient, register: Register, clock: Clock
) -> None:
    number = MINTED["ana"][0].id
    await call(http, "list", bearer(WRONG))
    assert await register.last_used(number) is None
    await call(http, "list", bearer(ANA))
    assert await register.last_used(number) == NOW.date()
    clock.now = NOW + timedelta(days=2)
    await call(http, "list", bearer(ANA))
    assert await register.last_used(number) == clock.now.date()


async def test_a_register_that_is_away_lets_nobody_in(http: httpx.AsyncClient, tmp_path: Path) -> None:
    (tmp_path / "access/token").rename(tmp_path / "access/gone")
    (tmp_path / "access/token").write_text("no folder")
    answer = await call(http, "list", bearer(ANA))
    assert answer.status_code in {401, 503}, answer.text
    assert ANA[-52:] not in answer.text


HEADERS = st.sampled_from(["Bearer {}", "bearer  {}", "Basic {}", "{}", "Bearer {}x", "Bearer x{}"])


@given(
    header=HEADERS, name=st.sampled_from(sorted(CALLS)), shown=st.sampled_from([ANA, WRONG, STRANGER, BELL])
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_token_is_ever_in_a_log_an_answer_or_a_file(
    http: httpx.AsyncClient,
    door: Doorkeeper,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    header: str,
    name: str,
    shown: str,
) -> None:
    """What is handed to the log has it not, even before credentials are masked there."""
    door.attempts = Attempts()
    caplog.clear()
    with caplog.at_level(0), capture_logs() as logs:
        answer = await call(http, name, {"Authorization": header.format(shown)})
    assert logs or answer.is_success or answer.status_code in {403, 404}
    secret = shown.rsplit("_", 1)[-1]
    assert secret not in str(logs) + caplog.text + answer.text + str(answer.headers)
    kept = [path.read_text() for path in (tmp_path / "access").rglob("*") if path.is_file()]
    assert kept
    assert not [text for text in kept if secret in text]
