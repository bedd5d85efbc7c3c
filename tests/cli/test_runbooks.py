"""Reading the wall: list, show, match and graph."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

Run = Callable[..., Result]
ROOT = Path(__file__).parents[2]
WALL = ROOT / "runbooks"
SYSTEM = ROOT / "examples" / "refund_agent" / "system.yaml"
ALARM: dict[str, Any] = {
    "system": "refund-agent",
    "id": "1",
    "name": "RefundGoldenEvalFailing",
    "summary": "2 of 8 fail",
    "started_at": "2026-11-23T12:00:00Z",
}
EVERYTHING = """\
runbook: everything
title: All that a page can say
pattern: retrieval-poisoning
match: {names: [RecallDropped], labels: {index: [products]}, systems: [refund-agent]}
severity: {harm: 1, spread: 2, reversibility: 1, momentum: 1}
guidance: Look at the newest documents first.
owners: [search team]
validated: 2020-01-31
needs: [retrieval]
updates: {internal: "We are at {phase}.", public: "Search finds less than it should.", public_approval: comms}
firebreaks:
  - id: reranker-off
    lever: reranker
    to: "off"
    why: It may be the reranker.
    cost: Answers are ranked worse.
    probe: {check: golden}
    after: [tell-legal]
    when: {severity: [sev1], labels: {index: [products]}, levers: {memory: ["on"]}}
    group: ranking
    approvals: 2
    way_back: Ask the search team.
    drilled: 2026-10-01
  - id: index-back
    lever: index_version
    to: "2026-10"
    why: The last good index was reviewed.
    cost: Products of the last hours are not found.
    probe: {check: golden}
    group: ranking
    absence: {undecided: apply, severities: [sev1]}
    at_expiry: escalate
    if_ineffective: put-back
  - {id: limit, lever: rate_limit, to: low, why: W, cost: C, probe: {check: golden}, fallback_for: index-back}
manual:
  - {id: tell-legal, title: Tell the lawyers, do: Call the number on the wall., confirmed_by: comms}
recovery: {checks: [golden]}
lock: {title: Golden queries find what they should, check: golden-case, source: traces}
after_action: [{id: review, title: Review the source, owner: search team}]
"""


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "everything.yaml"
    path.write_text(EVERYTHING)
    return path


def words(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


def test_the_list_says_pattern_owner_and_age(run: Run, page: Path) -> None:
    said = words(run("runbook", "list", str(page)))
    assert "retrieval-poisoning; for alarms named RecallDropped, label index products" in said
    assert "kept by search team; STALE, validated 2020-01-31" in said
    assert said.index("tell-legal: by hand") < said.index("reranker-off: reranker -> off")
    (told,) = json.loads(run("runbook", "list", str(page), "--json").stdout)
    assert (told["pattern"], told["owners"], told["stale"]) == ("retrieval-poisoning", ["search team"], True)


def test_one_page_says_everything(run: Run, page: Path) -> None:
    said = words(run("runbook", "show", str(page)))
    for part in (
        "Look at the newest documents first.",
        "only on refund-agent",
        "It cannot do without: retrieval",
        "reranker-off: reranker -> off after tell-legal; only at sev1;",
        "only when the label index is products; only when memory stands at on",
        "2 people, the captain one of them, within 12m; undecided, it lapses",
        "undecided, it is done at sev1",
        "golden passes within 1m; otherwise it is put back",
        "without an answer the next one is asked",
        "ranking: these hold together, or all are put back",
        "Ask the search team.",
        "last rehearsed on 2026-10-01",
        "only when index-back came to nothing",
        "BY HAND: Tell the lawyers Call the number on the wall.",
        "the comms confirms it within 30m",
        "golden held for 10m, asked every 30s",
        "internal: We are at {phase}.",
        "public: Search finds less than it should.",
        "public words wait for the yes of comms",
        "lock: Golden queries find what they should (golden-case, on what traces had frozen, 3 times)",
        "review: Review the source (search team, within 14d)",
    ):
        assert part in said, part


def test_a_page_by_its_id(run: Run, page: Path) -> None:
    said = run("runbook", "show", "everything", "--runbooks", str(page.parent), "--json")
    assert json.loads(said.stdout)["runbook"] == "everything"
    unknown = run("runbook", "show", "nothing", "--runbooks", str(WALL))
    assert unknown.exit_code == 2
    assert "there is no runbook 'nothing'" in unknown.stderr
    assert "stale-policy" in unknown.stderr


def test_the_match_is_told_with_all_reasons(run: Run, page: Path) -> None:
    for each in WALL.glob("*.yaml"):
        (page.parent / each.name).write_text(each.read_text())
    command = ("runbook", "match", str(page.parent), "--system", str(SYSTEM), "--name", "RecallDropped")
    told = json.loads(run(*command, "--label", "index=products", "--json").stdout)[0]["runbooks"]
    assert told[0] | {"title": ""} == {
        "runbook": "everything",
        "title": "",
        "standing": "chosen",
        "why": ["the alarm is named RecallDropped", "label index is products"],
    }
    assert {each["standing"] for each in told[1:]} == {"not"}
    said = words(run(*command, "--label", "index=reviews"))
    assert "CHOSEN general: no runbook matches, so the general one is used" in said
    assert "not everything: label index is reviews, and it is for products" in said
    assert "not stale-policy: it is for alarms named RefundGoldenEvalFailing" in said


def test_a_page_that_cannot_be_followed_is_never_chosen(run: Run, page: Path) -> None:
    page.write_text(EVERYTHING.replace("lever: index_version", "lever: index"))
    command = ("runbook", "match", str(page.parent), "--system", str(SYSTEM), "--name", "RecallDropped")
    result = run(*command, "--label", "index=products")
    assert result.exit_code == 1
    said = " ".join(result.output.split())
    assert "NONE no runbook matches, and no general one fits this system" in said
    assert "it cannot be followed: firebreaks[1].lever: the system refund-agent has no lever 'index'" in said


def test_alarms_as_they_are_sent(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "alarm.json"
    command = ("runbook", "match", str(WALL), "--system", str(SYSTEM), "--alarm", str(path))
    path.write_text(json.dumps(ALARM))
    assert "CHOSEN stale-policy: the alarm is named RefundGoldenEvalFailing" in words(run(*command))
    alert = {
        "status": "firing",
        "labels": {"alertname": "RefundGoldenEvalFailing", "system": "refund-agent"},
        "startsAt": "2026-11-23T12:00:00Z",
        "fingerprint": "f",
    }
    other = alert | {"labels": {"alertname": "Unknown", "system": "refund-agent"}}
    path.write_text(json.dumps({"version": "4", "alerts": [alert, other]}))
    told = json.loads(run(*command, "--json").stdout)
    assert [each["runbooks"][0]["runbook"] for each in told] == ["stale-policy", "general"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff{", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"{}", "id: this field is missing"),
        (
            json.dumps(ALARM | {"system": "search"}).encode(),
            "is for the system search, and this is refund-agent",
        ),
        (json.dumps({"version": "4", "alerts": [{}]}).encode(), "alerts[0].status"),
    ],
)
def test_what_is_no_alarm_is_a_message(run: Run, tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "alarm.json"
    path.write_bytes(content)
    result = run("runbook", "match", str(WALL), "--system", str(SYSTEM), "--alarm", str(path))
    assert result.exit_code == 2
    assert said in result.stderr


@pytest.mark.parametrize("more", [[], ["--name", "X", "--alarm", "x.json"], ["--alarm", "/no/such.json"]])
def test_an_alarm_is_given_in_one_way(run: Run, more: list[str]) -> None:
    assert run("runbook", "match", str(WALL), "--system", str(SYSTEM), *more).exit_code == 2


def test_a_graph_in_three_forms(run: Run, page: Path, tmp_path: Path) -> None:
    text = run("runbook", "graph", str(page)).stdout
    assert text.startswith("flowchart TD\n")
    assert '-. "if it fails" .->' in text
    path = tmp_path / "new" / "page.svg"
    assert "wrote " in words(run("runbook", "graph", str(page), "--format", "svg", "--out", str(path)))
    assert path.read_text().startswith("<svg ")
    data = json.loads(run("runbook", "graph", str(page), "--json").stdout)
    assert {"start": "index-back", "end": "limit", "way": "fallback"} in data["edges"]


def test_a_graph_that_cannot_be_written_says_so(run: Run, page: Path) -> None:
    result = run("runbook", "graph", str(page), "--out", str(page / "inside-a-file.svg"))
    assert result.exit_code == 2
    assert "--out" in result.stderr
