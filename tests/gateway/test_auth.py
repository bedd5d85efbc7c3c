"""Who may come in: everybody by their own token, nobody else, and whoever guesses is slowed down."""

import hmac
from pathlib import Path

import pytest

from gateway.auth import MOST_FAILURES, Caller, Doorkeeper
from gateway.problems import Problem
from tests.gateway.conftest import BELL, TOKENS


def admitted(door: Doorkeeper, header: str | None) -> Caller | int:
    try:
        return door.admit(header, "192.0.2.1")
    except Problem as problem:
        return problem.status


def test_everybody_is_known_by_their_own_token(door: Doorkeeper) -> None:
    assert admitted(door, f"Bearer {TOKENS['ana']}") == Caller("person", "ana")
    assert admitted(door, f"bearer  {TOKENS['cara']} ") == Caller("person", "cara")
    assert admitted(door, f"Bearer {BELL}") == Caller("bell", "alertmanager")


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", "Bearer x", f"Basic {BELL}", BELL, f"Bearer {BELL}x", "Bearer \x00"],
)
def test_everybody_else_is_nobody(door: Doorkeeper, header: str | None) -> None:
    assert admitted(door, header) == 401


def test_somebody_without_a_token_cannot_come_in(door: Doorkeeper, tokens: Path) -> None:
    assert not (tokens / "noname").exists()
    (tokens / "cara").write_text("\n")
    assert admitted(door, "Bearer ") == 401
    assert admitted(door, "Bearer None") == 401


def test_a_token_is_changed_without_a_restart(door: Doorkeeper, tokens: Path) -> None:
    (tokens / "ana").write_text("a-new-token-of-ana-0123")
    assert admitted(door, f"Bearer {TOKENS['ana']}") == 401
    assert admitted(door, "Bearer a-new-token-of-ana-0123") == Caller("person", "ana")


def test_who_guesses_is_slowed_down_and_the_others_are_not(door: Doorkeeper) -> None:
    for _ in range(MOST_FAILURES):
        assert admitted(door, "Bearer guess") == 401
    assert admitted(door, f"Bearer {TOKENS['ana']}") == 429
    assert door.admit(f"Bearer {TOKENS['ana']}", "192.0.2.2") == Caller("person", "ana")


def test_every_token_is_compared_in_constant_time(door: Doorkeeper, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[int, int]] = []
    really = hmac.compare_digest

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return really(one, other)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    admitted(door, f"Bearer {TOKENS['ana']}")
    first = list(compared)
    admitted(door, "Bearer x")
    assert compared == first * 2
    assert first == [(32, 32)] * 3
