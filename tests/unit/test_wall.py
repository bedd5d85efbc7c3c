"""The runbook wall: each of the eleven patterns has one page, and the agent's own alerts find it."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from firestation.loader import load_system, load_wall
from firestation.runbook import Runbook, choose
from firestation.severity import Severity, propose

ROOT = Path(__file__).parents[2]
SYSTEM = load_system(ROOT / "examples/refund_agent/system.yaml")
WALL = load_wall(ROOT / "runbooks")
RULES = yaml.safe_load((ROOT / "examples/refund_agent/alerts.yaml").read_text())["groups"][0]["rules"]

PATTERNS = {
    "prompt-regression",
    "model-route-regression",
    "retrieval-poisoning",
    "reranker-regression",
    "tool-loop-runaway",
    "memory-contamination",
    "guardrail-bypass",
    "judge-drift",
    "cost-runaway",
    "latency-fallback-harm",
    "privacy-leak",
}

each_page = pytest.mark.parametrize("page", WALL, ids=lambda page: page.runbook)


def test_eleven_patterns_and_a_general_page() -> None:
    assert sorted(page.pattern for page in WALL) == sorted({*PATTERNS, "general"})


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_each_alert_finds_the_page_of_its_pattern(rule: dict[str, Any]) -> None:
    page, reasons = choose(WALL, SYSTEM, rule["alert"], {"alertname": rule["alert"], **rule["labels"]})
    assert page.pattern == rule["labels"].get("pattern", "general")
    assert reasons


def test_each_pattern_has_an_alert() -> None:
    assert {rule["labels"].get("pattern") for rule in RULES} == {*PATTERNS, None}


@each_page
def test_a_page_moves_nothing_by_itself_unless_it_burns(page: Runbook) -> None:
    """Pre-authorized is one step at most, the first, and only where the page's own weight is grave."""
    ahead = [step.id for step in page.firebreaks if step.preauthorized]
    assert ahead in ([], [page.firebreaks[0].id])
    assert all(set(step.preauthorized) <= {Severity.SEV1, Severity.SEV2} for step in page.firebreaks)
    if ahead:
        assert propose(page.severity).severity in page.firebreaks[0].preauthorized


def test_whoever_names_the_class_privacy_finds_its_page_without_knowing_the_pattern() -> None:
    page, _ = choose(WALL, SYSTEM, "Complaint", {"class": "privacy"})
    assert page.runbook == "privacy-leak"


def test_the_page_of_the_class_privacy_tells_the_public_of_no_person_and_no_kind_of_data() -> None:
    (page,) = (each for each in WALL if each.runbook == "privacy-leak")
    words = re.findall(r"\w+", (page.updates.public or "").lower())
    assert words
    assert not {"customer", "customers", "person", "personal", "data", "privacy", "leak", "mail"} & set(words)
    assert page.updates.public_approval == "comms"
