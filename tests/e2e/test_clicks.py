"""The captain's whole part of an incident by clicking, on a telephone and at a desk, with JavaScript and without.

Four incidents of one station, each of an agent of its own, go side by side from the list to the lock. On the way each
page is looked at: whether it fits, whether a thumb hits what is there, what axe-core finds in it by day and by night.

    FIRESTATION_PICTURES=1 .venv/app/bin/pytest tests/e2e/test_clicks.py -n 0

writes the pictures of docs/pictures anew. Look at them before they are committed.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from firestation.picture import Picture
from tests.drivers.contracts import listening
from tests.drivers.products import node
from tests.e2e.captain import MOVES
from tests.e2e.processes import ROOT, Agent, Station, a_station, an_agent, needs, system_text, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

SCRIPT = Path(__file__).parent / "login" / "clicks.mjs"
MODULES = ROOT / ".venv" / "unleash" / "login"
PICTURES = {
    "incident-1200": "incident.png",
    "plan-360": "plan.png",
    "incident-360-dark": "night.png",
    "list-360": "list.png",
    "public": "public.png",
}
"""What becomes of the screenshots in docs/pictures."""

MOST_BYTES = 150_000
CAUSE = "The reranker was off, so the policy of last year outranked the current one."
WORD = "Refund rulings were wrong for some customers. They are right again; refunds start again soon."
PHONE, DESK = {"width": 360, "height": 740}, {"width": 1200, "height": 800}
WAYS: dict[str, dict[str, Any]] = {
    "refund-agent": {"name": "telephone", **PHONE, "js": True, "bars": "all", "sharp": 1.75},
    "refunds-eu": {"name": "telephone without scripts", **PHONE, "js": False},
    "refunds-us": {"name": "desk", **DESK, "js": True, "bars": ["list", "deciding"]},
    "refunds-uk": {"name": "desk without scripts", **DESK, "js": False},
}
"""How each system's incident is looked at. `bars`: on which pages axe-core looks for barriers."""

HOSTILE = (
    '<img src="https://evil.example/x" onerror="window.pwned=1"><script>window.pwned=1</script>'
    "<style>*{display:none}</style> [click](javascript:alert(1)) \x1b[31mred\x07 \u202egnp.exe \u200b{{ 7*7 }} "
    "a\u0301\u0301\u0301\u0301\u0301\u0301\u0301\u0301"
)
LONG = "request-" + "x" * 192


class Night(NamedTuple):
    """What the browser saw, and what the station and the agents say of it. Incidents and agents by their system."""

    facts: dict[str, Any]
    closed: dict[str, Picture]
    agents: dict[str, Agent]
    shots: Path


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    """Everything, once; the tests look at what came of it."""
    if not (MODULES / "node_modules" / "axe-core").exists():
        message = f"{MODULES} has no axe-core; run: make test"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    folder = tmp_path_factory.mktemp("clicks")
    public, shots = folder / "public", folder / "shots"
    shots.mkdir()
    with ExitStack() as stack:
        agents = {system: stack.enter_context(an_agent(folder / system)) for system in WAYS}
        first, *others = agents
        more = {system: _named(system, agents[system]) for system in others}
        more["strange"] = _named("strange", agents[first])
        station = stack.enter_context(
            a_station(folder / "station", agents[first], more_systems=more, public_page=public)
        )
        hostile = ring_hostile(station, agents[first])
        for agent in agents.values():
            agent.fault("stale_policy")
        incidents = {system: agent.ring(station, system) for system, agent in agents.items()}
        pages = stack.enter_context(listening(partial(_Quiet, directory=str(public))))
        plan = {
            "url": station.url,
            "folder": str(shots),
            "tokens": {name: station.token(name) for name in ("ana", "ben", "cara")},
            "ways": [{**WAYS[system], "incident": incident} for system, incident in incidents.items()],
            "hostile": hostile,
            "ack": link_of(station, hostile),
            "public": f"{pages}/index.html",
            "pictures": bool(os.environ.get("FIRESTATION_PICTURES")),
            "cause": CAUSE,
            "word": WORD,
        }
        (folder / "plan.json").write_text(json.dumps(plan))
        command = [
            node(),
            str(SCRIPT),
            str(MODULES),
            needs("chromium", "chromium"),
            str(folder / "plan.json"),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=500)
        assert done.returncode == 0, done.stdout + done.stderr
        closed = {system: station.picture(incident) for system, incident in incidents.items()}
        yield Night(json.loads(done.stdout), closed, agents, shots)


def _named(system: str, agent: Agent) -> str:
    """The system file of an agent under another name; those of customers say where."""
    title = "Search" if system == "strange" else f"Refund agent {system.rpartition('-')[2].upper()}"
    named = f"system: {system}\ntitle: {title}\n"
    return system_text(agent, {"system: refund-agent\ntitle: Refund agent\n": named})


def ring_hostile(station: Station, agent: Agent) -> str:
    """An incident whose evidence was written by an enemy, to be looked at beside the healthy requests of the agent."""
    assert agent.http.post("/evals/run").is_success
    order = {"id": "o-1", "item": "headphones", "days_since_purchase": 45, "amount": 79.0}
    asked = {
        "tenant": f"{HOSTILE[:60]}{'W' * 500_000}",
        "user": HOSTILE[:60],
        "question": f"{HOSTILE} I want a refund for headphones.",
        "order": order,
    }
    trace = agent.http.post("/ask", json=asked).json()["request_id"]
    alarm = {
        "system": "strange",
        "id": "strange-1",
        "name": HOSTILE[:200],
        "summary": f"{HOSTILE}{'W' * 100}",
        "status": "firing",
        "started_at": "2026-11-23T03:00:00Z",
        "labels": {"where": HOSTILE},
        "annotations": {"request_ids": f"{trace},{LONG}"},
    }
    token = station.token("bell-refund-eval")
    answer = httpx.post(
        f"{station.url}/alarms/generic",
        json=alarm,
        headers={"Authorization": f"Bearer {token}"},
        trust_env=False,
        timeout=30,
    )
    assert answer.is_success, answer.text
    incident = str(answer.json()["incidents"][0]["incident"])
    station.until(incident, "the seal", lambda seen: seen.sealed)
    return incident


def link_of(station: Station, incident: str) -> str:
    """The link of the page that the engine sent to ana."""
    pager = station.state / "words" / "pager.jsonl"

    def look() -> str | None:
        for line in pager.read_text().splitlines() if pager.exists() else ():
            if incident in line and (found := re.search(r"http://\S+/ack/[^\s\"\\]+", line)):
                return found[0]
        return None

    return wait_for("the page to ana", look)


@pytest.mark.parametrize("system", WAYS)
def test_from_the_list_to_the_lock_by_clicking(night: Night, system: str) -> None:
    seen, agent = night.closed[system], night.agents[system]
    assert (seen.phase, seen.captain, seen.scribe, seen.lock_proved) == ("closed", "ana", "ben", True)
    assert agent.moves() == MOVES, "each lever was moved as it should be, once"
    assert (agent.lever("refund_tool"), agent.lever("reranker"), agent.ruling()) == ("enabled", "on", "deny")
    told = night.facts["ways"][WAYS[system]["name"]]
    (moved,) = (each for each in seen.firebreaks if each.action.lever == "reranker")
    assert moved.digest == told["digest"], "the digest that was shown is the one that was approved"
    assert ("approve", "ana") in [(each.kind, each.by) for each in moved.decisions]
    assert [each.text for each in seen.entries if each.cause] == [CAUSE]
    assert [each.known for each in seen.words if each.audience == "public" and each.by] == [WORD]
    assert "It is over: closed" in told["closed"]


@pytest.mark.parametrize("name", [way["name"] for way in WAYS.values()])
def test_what_the_captain_sees_on_the_way(night: Night, name: str) -> None:
    told = night.facts["ways"][name]
    top = told["first"][: told["first"].index("First fifteen minutes")]
    for words in ("YOUR TURN", "KNOWN", "WAITED FOR", "RefundGoldenEvalFailing", "Take it: I am the captain"):
        assert words in top, words
    assert "human-review" in told["evidence"], "the gaps are named"
    assert "the order differs" in told["diff"]
    assert "refund-policy 2024-03" in told["diff"]
    assert "YOUR TURN" in told["deciding"]
    for words in ("Why", "Cost", "Way back", "Undecided", "Approvals", "No conflict is known"):
        assert words in told["plan"], words
    assert "Refused by rule 7" in told["refused"]
    assert told["kept"] == "It broke because of the new index."


def test_every_page_fits_and_a_thumb_hits_what_is_there(night: Night) -> None:
    facts = night.facts
    assert len(facts["looked"]) > 40
    assert (facts["wide"], sorted(set(facts["small"]))) == ([], [])


def test_axe_finds_nothing_serious(night: Night) -> None:
    assert night.facts["barriers"] == []


def test_hostile_evidence_is_seen_and_does_nothing(night: Night) -> None:
    facts = night.facts
    seen = facts["hostile"]
    assert seen["pwned"] is False
    assert (facts["dialogs"], facts["strangers"], facts["complaints"]) == ([], [], [])
    for words in ("<script>window.pwned=1</script>", "[U+202E]", "␛[31m", "{{ 7*7 }}", LONG[:60]):
        assert words in seen["page"], words
    for words in ("<script>window.pwned=1</script>", "[U+202E]", "{{ 7*7 }}", "characters more"):
        assert words in seen["diff"], words


def test_customers_read_what_was_said_to_them_and_no_more(night: Night) -> None:
    assert WORD in night.facts["public"]
    assert "reranker" not in night.facts["public"]


def test_the_pictures_of_the_documents(night: Night) -> None:
    folder = ROOT / "docs" / "pictures"
    if os.environ.get("FIRESTATION_PICTURES"):
        folder.mkdir(exist_ok=True)
        for shot, name in PICTURES.items():
            shutil.copy(night.shots / f"{shot}.png", folder / name)
    assert {each.name for each in folder.glob("*.png")} == set(PICTURES.values())
    assert max(each.stat().st_size for each in folder.glob("*.png")) < MOST_BYTES
