"""The captain's decision by the keyboard alone, in a real browser without JavaScript; and a page that renews itself."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.drivers.products import node
from tests.e2e.captain import stands
from tests.e2e.processes import ROOT, Station, a_station, an_agent, needs

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

SCRIPT = Path(__file__).parent / "login" / "board.mjs"
MODULES = ROOT / ".venv" / "unleash" / "login"
MOST_STOPS = 12
"""So many times Tab, and not more, from the top of a page to what is your turn."""


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Station, str]]:
    """A station, and an incident of it that nobody has taken."""
    folder = tmp_path_factory.mktemp("board")
    with an_agent(folder / "agent") as agent, a_station(folder / "station", agent) as station:
        agent.fault("stale_policy")
        yield station, agent.ring(station)


@pytest.fixture(scope="module")
def facts(station: tuple[Station, str]) -> dict[str, Any]:
    """What happened in the browser."""
    if not (MODULES / "node_modules").exists():
        message = f"{MODULES} has no playwright-core; run: make test"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    place, incident = station
    command = [
        node(),
        str(SCRIPT),
        str(MODULES),
        needs("chromium", "chromium"),
        place.url,
        incident,
    ]
    done = subprocess.run(
        [*command, place.token("ana"), place.token("ben")],
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_list_says_what_burns_and_what_it_waits_for(
    facts: dict[str, Any], station: tuple[Station, str]
) -> None:
    for words in ("1 open incident", "Refund agent", "SEV2", "Waits for", "since", station[1]):
        assert words in facts["list"], words


def test_a_stranger_is_told_what_to_do_first(facts: dict[str, Any]) -> None:
    top = facts["opened"][: facts["opened"].index("First fifteen minutes")]
    for words in ("YOUR TURN", "KNOWN", "WAITED FOR", "RefundGoldenEvalFailing", "Take it: I am the captain"):
        assert words in top, words
    assert "you are the captain" in facts["taken"]


def test_a_move_is_approved_by_the_keyboard_with_its_digest_in_sight(
    facts: dict[str, Any], station: tuple[Station, str]
) -> None:
    place, incident = station
    seen = place.until(incident, "the reranker to move", stands("reranker", *("effective", "applied")))  # type: ignore[arg-type]
    moved = [each for each in seen.firebreaks if each.digest == facts["digest"]]
    assert [each.action.lever for each in moved] == ["reranker"]
    assert [(each.kind, each.by) for each in moved[0].decisions] == [("approve", "ana")]
    for words in ("Why", "Cost", "Way back", "Undecided", "Approvals", "No conflict is known"):
        assert words in facts["plan"], words
    assert "Done: approve" in facts["approved"]


def test_a_refusal_says_its_rule_and_keeps_what_was_typed_when_there_is_news(facts: dict[str, Any]) -> None:
    assert "Refused by rule 7" in facts["refused"]
    assert facts["kept"] == "It broke because of the new index."


def test_an_open_page_renews_itself_and_leaves_alone_what_is_typed(facts: dict[str, Any]) -> None:
    assert "the index was rebuilt at two" in facts["live"]
    assert facts["typing"] == "half a sentence"
    assert facts["caught"] == "● Live", "what it could not fetch it fetches when it can"


def test_hostile_words_are_seen_and_do_nothing(facts: dict[str, Any]) -> None:
    assert facts["pwned"] is None
    assert '<img src=x onerror="window.pwned=1">' in facts["hostile"]
    assert "[U+202E]" in facts["hostile"]


def test_the_keyboard_leads_to_what_is_your_turn_and_every_stop_is_seen(facts: dict[str, Any]) -> None:
    assert facts["skip"] == "Skip to the content"
    assert facts["unseen"] == []
    assert set(facts["stops"]) == {
        "board",
        "incident",
        "take",
        "declare",
        "why",
        "declared",
        "plan",
        "approve",
    }
    assert max(facts["stops"].values()) <= MOST_STOPS, facts["stops"]


def test_no_page_breaks_its_policy(facts: dict[str, Any]) -> None:
    assert (facts["complaints"], facts["scripts"]) == ([], [])
