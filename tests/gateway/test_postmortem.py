"""The postmortem over HTTP: who reads, who writes, from which version, and what must not be kept."""

from datetime import UTC, datetime

import httpx
import pytest

from firestation import tokens
from firestation.drivers.register import Register
from firestation.postmortem.documents import Documents
from firestation.testing import MemoryShelf
from gateway.postmortem import Document
from tests.gateway.conftest import BELL, INCIDENT, NOW, TOKENS, Remembering, bearer

ANA, CARA = bearer(TOKENS["ana"]), bearer(TOKENS["cara"])
PATH = f"/incidents/{INCIDENT}/postmortem"
TEXT = "# Postmortem\n\n- one\n- two\n"
AT = datetime(2026, 11, 26, 12, tzinfo=UTC)


@pytest.fixture
async def documents(shelf: MemoryShelf) -> Documents:
    found = Documents(shelf, "test")
    await found.redraft(INCIDENT, "run-1", TEXT, AT)
    return found


async def put(
    http: httpx.AsyncClient, text: str, etag: str | None, who: dict[str, str] = ANA
) -> httpx.Response:
    headers = {**who, "If-Match": etag} if etag else who
    return await http.put(PATH, json={"text": text}, headers=headers)


async def test_it_is_read_with_an_etag_and_written_with_it(
    http: httpx.AsyncClient, documents: Documents
) -> None:
    answer = await http.get(PATH, headers=ANA)
    found = Document.model_validate(answer.json())
    assert (answer.status_code, answer.headers["etag"]) == (200, '"run-1.1"')
    assert (found.version, found.kind, found.by, found.text) == (1, "draft", None, TEXT)
    made = await put(http, f"{TEXT}- three\r\n", found.etag, CARA)
    assert (made.status_code, made.headers["etag"]) == (200, '"run-1.2"')
    latest = await documents.latest(INCIDENT, "run-1")
    assert latest
    assert (latest.text, latest.by, latest.base, latest.at) == (f"{TEXT}- three\n", "cara", 1, NOW)
    assert (await http.get(PATH, params={"version": 1}, headers=ANA)).json()["text"] == TEXT
    assert (await http.get(PATH, params={"version": 9}, headers=ANA)).status_code == 404


@pytest.mark.usefixtures("documents")
async def test_who_began_from_another_version_is_told_and_nothing_is_written_over(
    http: httpx.AsyncClient,
) -> None:
    assert (await put(http, f"{TEXT}- by ana\n", '"run-1.1"')).status_code == 200
    late = await put(http, f"{TEXT}- by cara\n", '"run-1.1"', CARA)
    assert (late.status_code, late.json()["latest"]) == (412, '"run-1.2"')
    assert "version 2 is newer, by ana; merge with it and send that" in late.json()["detail"]
    assert (await put(http, TEXT, '"another-run.2"')).status_code == 412
    none = await put(http, TEXT, None)
    assert (none.status_code, none.json()["latest"]) == (428, '"run-1.2"')
    assert "send its ETag as If-Match" in none.json()["detail"]
    assert (await http.get(PATH, headers=CARA)).json()["text"] == f"{TEXT}- by ana\n"


@pytest.mark.usefixtures("documents")
async def test_everybody_of_the_station_reads_and_all_but_auditors_write(
    http: httpx.AsyncClient, register: Register
) -> None:
    token, text = tokens.mint(b"n" * tokens.RANDOM_BYTES, person="noname", now=NOW, lifetime=tokens.LONGEST)
    assert await register.add(token)
    auditor = bearer(text)
    assert (await http.get(PATH, headers=auditor)).status_code == 200
    refused = await put(http, TEXT, '"run-1.1"', auditor)
    assert (refused.status_code, refused.json()["detail"]) == (403, "an auditor reads and does not write")
    for who in ({}, bearer("fst_" + "a" * 10 + "_" + "a" * 52)):
        assert (await http.get(PATH, headers=who)).status_code == 401
        assert (await put(http, TEXT, '"run-1.1"', who)).status_code == 401
    assert (await http.get(PATH, headers=bearer(BELL))).status_code == 403
    assert (await put(http, TEXT, '"run-1.1"', bearer(BELL))).status_code == 403


@pytest.mark.usefixtures("documents")
async def test_what_must_not_be_kept_is_refused_by_its_field(http: httpx.AsyncClient) -> None:
    secret = "ghp_" + "a1B2" * 9
    answer = await put(http, f"{TEXT}- the token was {secret}\n", '"run-1.1"')
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert (error["field"], "line 5" in error["problem"]) == ("text", True)
    assert secret not in answer.text
    assert (await put(http, "", '"run-1.1"')).json()["errors"][0]["field"] == "text"
    assert (await put(http, "x" * 4_500_000, '"run-1.1"')).status_code == 422
    assert (await put(http, "x" * 5_500_000, '"run-1.1"')).status_code == 413
    wrong = await http.put(PATH, json={"txt": "x"}, headers={**ANA, "If-Match": '"run-1.1"'})
    assert (wrong.status_code, "text" in wrong.text) == (422, True)
    assert (await http.get(PATH, headers=ANA)).json()["version"] == 1


async def test_a_long_one_fits(http: httpx.AsyncClient, documents: Documents) -> None:
    """Other bodies are limited to a MiB; the document of 5,000 events is longer than that."""
    long = "- a line of a long incident\n" * 39_000
    assert len(long) > 1024 * 1024
    assert (await put(http, long, '"run-1.1"')).status_code == 200
    latest = await documents.latest(INCIDENT, "run-1")
    assert latest
    assert latest.text == long


async def test_it_is_there_when_temporal_is_not(
    http: httpx.AsyncClient, documents: Documents, desk: Remembering, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The document lives on the shelf: the workflow may have ended, and its history be gone."""

    async def gone(incident: str) -> None:
        raise AssertionError(incident)

    monkeypatch.setattr(desk, "picture", gone)
    assert await documents.newest(INCIDENT)
    assert (await http.get(PATH, headers=ANA)).status_code == 200
    assert (await put(http, f"{TEXT}more\n", '"run-1.1"')).status_code == 200


async def test_where_there_is_none_it_is_said_which_of_both_is_missing(
    http: httpx.AsyncClient, shelf: MemoryShelf
) -> None:
    none = await http.get(PATH, headers=ANA)
    assert (none.status_code, "it is drafted once the lock was tried" in none.json()["detail"]) == (404, True)
    nothing = await http.get("/incidents/no-such/postmortem", headers=ANA)
    assert (nothing.status_code, "there is no incident" in nothing.json()["detail"]) == (404, True)
    await Documents(shelf, "another-station").redraft(INCIDENT, "run-1", TEXT, AT)
    assert (await http.get(PATH, headers=ANA)).status_code == 404
