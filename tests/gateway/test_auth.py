"""Who may come in: everybody by what is their own, nobody else, and whoever guesses is slowed down."""

import asyncio
import hmac
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from firestation import tokens
from firestation.authority import Bell, Member, Role, Station
from firestation.drivers.register import Register
from firestation.secrets import ReferenceSecrets
from firestation.tokens import EVERYTHING, Scope
from gateway import attempts, auth
from gateway.attempts import MOST_FAILURES, SECONDS, Attempts, neighbourhood
from gateway.auth import Caller, Doorkeeper
from gateway.problems import Problem
from tests.gateway.conftest import BELL, MINTED, NOW, TOKENS, Clock, books_of

HERE, ELSEWHERE = "192.0.2.1", "192.0.2.2"
STRANGER = f"fst_{'a' * 10}_{'b' * 52}"
WRONG = TOKENS["ana"][:-52] + "b" * 52


async def admitted(door: Doorkeeper, header: str | None, address: str = HERE) -> tuple[str, str] | int:
    try:
        caller = await door.admit(header, address)
    except Problem as problem:
        return problem.status
    return caller.kind, caller.name


async def test_everybody_is_known_by_what_is_their_own(door: Doorkeeper) -> None:
    ana = await door.admit(f"Bearer {TOKENS['ana']}", HERE)
    assert ana == Caller("person", "ana", frozenset(EVERYTHING), MINTED["ana"][0])
    assert await admitted(door, f"bearer  {TOKENS['cara']} ") == ("person", "cara")
    assert await door.admit(f"Bearer {BELL}", HERE) == Caller("bell", "alertmanager", frozenset({Scope.RING}))


@pytest.mark.parametrize(
    "header",
    [
        *(None, "", "Bearer", "Bearer ", "Bearer x", f"Basic {BELL}", BELL, f"Bearer {BELL}x", "Bearer \x00"),
        *(
            f"Basic {TOKENS['ana']}",
            TOKENS["ana"],
            f"Bearer {TOKENS['ana']}x",
            f"Bearer {TOKENS['ana'].upper()}",
        ),
        *(f"Bearer {STRANGER}", f"Bearer {WRONG}", f"Bearer {TOKENS['ana'].replace('fst_', 'fss_')}"),
        *(
            "Bearer None",
            f"Bearer {TOKENS['ana']} {TOKENS['cara']}",
            "Bearer ünbekannt",
            f"Bearer {'x' * 9999}",
        ),
    ],
)
async def test_everybody_else_is_nobody(door: Doorkeeper, header: str | None) -> None:
    assert await admitted(door, header) == 401


async def test_somebody_without_a_secret_cannot_come_in(door: Doorkeeper, bells: Path) -> None:
    (bells / "bell-alertmanager").write_text("\n")
    assert await admitted(door, "Bearer ") == 401
    assert await admitted(door, f"Bearer {BELL}") == 401


async def test_a_persons_file_is_not_read(door: Doorkeeper, bells: Path) -> None:
    (bells / "ana").write_text("a-secret-of-the-old-form-0123")
    assert await admitted(door, "Bearer a-secret-of-the-old-form-0123") == 401


async def test_who_guesses_is_slowed_down_and_the_others_are_not(turning: Doorkeeper) -> None:
    """Before anything is compared: a secret that a person chose might be guessed."""
    for _ in range(MOST_FAILURES):
        assert await admitted(turning, "Bearer guess") == 401
    with pytest.raises(Problem) as caught:
        await turning.admit("Bearer the-secret-of-the-robot", HERE)
    assert caught.value.status == 429
    assert 1 <= int(caught.value.headers["Retry-After"]) <= SECONDS
    assert await admitted(turning, "Bearer the-secret-of-the-robot", ELSEWHERE) == ("person", "robot")


async def test_who_fails_beside_the_captain_does_not_lock_them_out(door: Doorkeeper, bells: Path) -> None:
    """A machine with an old token, on the same host: what the station made cannot be guessed, and still comes in."""
    (bells / "bell-alertmanager").write_text(f"fsb_{'c' * 52}")
    for wrong in (WRONG, STRANGER, f"fsb_{'d' * 52}"):
        for _ in range(MOST_FAILURES):
            await admitted(door, f"Bearer {wrong}")
        assert await admitted(door, f"Bearer {wrong}") == 429
    assert await admitted(door, f"Bearer {TOKENS['ana']}") == ("person", "ana")
    assert await admitted(door, f"Bearer fsb_{'c' * 52}") == ("bell", "alertmanager")


async def test_a_token_that_many_guess_at_is_slowed_down_and_its_owner_is_not(door: Doorkeeper) -> None:
    for number in range(MOST_FAILURES):
        assert await admitted(door, f"Bearer {WRONG}", f"198.51.100.{number}") == 401
    assert await admitted(door, f"Bearer {WRONG}", ELSEWHERE) == 429
    assert await admitted(door, f"Bearer {TOKENS['ana']}", ELSEWHERE) == ("person", "ana")


async def test_made_up_ids_wait_for_each_other_and_nobody_for_them(
    door: Doorkeeper, register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor do they push the captain's out of memory, who would be a stranger again."""
    monkeypatch.setattr(auth, "FRESH_SECONDS", -1.0)
    monkeypatch.setattr(auth, "MOST_REMEMBERED", 20)
    assert await admitted(door, f"Bearer {TOKENS['ana']}") == ("person", "ana")
    find, go_on, looking, most = register.find, asyncio.Event(), 0, 0

    async def slowly(kind: tokens.Kind, number: str) -> tokens.Held | None:
        nonlocal looking, most
        if number == MINTED["ana"][0].id:
            return await find(kind, number)
        looking += 1
        most = max(most, looking)
        await go_on.wait()
        looking -= 1
        return None

    monkeypatch.setattr(register, "find", slowly)
    made_up = [f"fst_{'abcdefghijklmnopqrstuvwxyz234567'[n] * 10}_{'a' * 52}" for n in range(32)]
    calls = [
        asyncio.create_task(admitted(door, f"Bearer {each}", f"10.0.{n}.1")) for n, each in enumerate(made_up)
    ]
    async with asyncio.timeout(30):
        while looking < auth.STRANGERS_AT_ONCE:  # noqa: ASYNC110
            await asyncio.sleep(0)
        assert await admitted(door, f"Bearer {TOKENS['ana']}") == ("person", "ana")
        go_on.set()
        assert set(await asyncio.gather(*calls)) == {401}
    assert most == auth.STRANGERS_AT_ONCE
    go_on.clear()
    assert await asyncio.wait_for(admitted(door, f"Bearer {TOKENS['ana']}"), 30) == ("person", "ana")


async def test_a_call_that_shows_nothing_is_no_guess(door: Doorkeeper) -> None:
    for _ in range(MOST_FAILURES + 1):
        assert await admitted(door, None) == 401
    assert await admitted(door, f"Bearer {TOKENS['ana']}") == ("person", "ana")


def test_failures_are_forgotten_in_time_and_the_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "MOST_REMEMBERED", 100)
    moment = [0.0]
    memory = Attempts(lambda: moment[0])
    for _ in range(MOST_FAILURES):
        memory.failed("a")
        moment[0] += 1
    assert memory.wait("a") == SECONDS - MOST_FAILURES
    moment[0] = SECONDS
    assert memory.wait("a") == 0
    for number in range(500):
        memory.failed(f"b{number}")
    assert len(memory._failures) == 100
    assert all(len(each) <= MOST_FAILURES + 1 for each in memory._failures.values())


def test_one_customer_has_many_addresses() -> None:
    assert neighbourhood("2001:db8:1:2:3::4") == neighbourhood("2001:db8:1:2:ffff::1") == "2001:db8:1:2::/64"
    assert neighbourhood("2001:db8:1:3::1") != neighbourhood("2001:db8:1:2::1")
    assert neighbourhood("192.0.2.1") == "192.0.2.1"
    assert neighbourhood("unknown") == "unknown"


@pytest.mark.parametrize("shown", [TOKENS["ana"], WRONG, STRANGER])
async def test_a_token_costs_the_same_whether_it_is_known_or_not(
    door: Doorkeeper, register: Register, monkeypatch: pytest.MonkeyPatch, shown: str
) -> None:
    """One look into the register, and one comparison of two digests in constant time."""
    compared: list[tuple[int, int]] = []
    asked: list[str] = []
    really, really_find = hmac.compare_digest, register.find

    def compare(one: str, other: str) -> bool:
        compared.append((len(one), len(other)))
        return really(one, other)

    async def find(kind: str, number: str) -> object:
        asked.append(kind)
        return await really_find("token", number)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    monkeypatch.setattr(register, "find", find)
    await admitted(door, f"Bearer {shown}")
    assert (compared, asked) == ([(64, 64)], ["token"])


async def test_every_secret_of_a_bell_is_compared_in_constant_time(
    door: Doorkeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[int, int]] = []
    really = hmac.compare_digest

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return really(one, other)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    await admitted(door, f"Bearer {BELL}")
    await admitted(door, "Bearer x")
    assert compared == [(32, 32)] * 2


@pytest.fixture
def turning(station: Station, tmp_path: Path, register: Register, clock: Clock) -> Doorkeeper:
    """A door whose bell's secret is being changed, and where a person has brought a secret of their own."""
    secrets = {
        "new": "the-new-secret-of-the-bell",
        "old": "the-old-secret-of-the-bell",
        "robot": "the-secret-of-the-robot",
    }
    for name, secret in secrets.items():
        (tmp_path / name).write_text(secret)
    bells = (Bell(id="eval", tokens=("file:new", "file:old")), Bell(id="other", token="file:other"))
    robot = Member(id="robot", name="R", roles=(Role.SCRIBE,), address="r", token="file:robot")
    changed = station.changed(bells=bells, people=(*station.people, robot))
    return Doorkeeper(books_of(changed), ReferenceSecrets(tmp_path), register, clock)


async def test_while_a_bells_secret_is_changed_both_ring_under_its_own_name(turning: Doorkeeper) -> None:
    assert await admitted(turning, "Bearer the-new-secret-of-the-bell") == ("bell", "eval")
    with capture_logs() as logs:
        assert await admitted(turning, "Bearer the-old-secret-of-the-bell") == ("bell", "eval")
    assert [(each["event"], each["bell"]) for each in logs] == [
        ("a bell's older secret is still in use", "eval")
    ]


async def test_a_secret_that_is_brought_by_reference_is_a_persons(turning: Doorkeeper) -> None:
    assert await turning.admit("Bearer the-secret-of-the-robot", HERE) == Caller(
        "person", "robot", frozenset(EVERYTHING)
    )


@pytest.mark.parametrize("reference", ["new", "robot"])
async def test_a_short_secret_is_none_and_is_told_once(
    turning: Doorkeeper, tmp_path: Path, reference: str
) -> None:
    secret = "x" * 19
    (tmp_path / reference).write_text(secret)
    with capture_logs() as logs:
        assert [await admitted(turning, f"Bearer {secret}") for _ in range(3)] == [401] * 3
    short = [each for each in logs if "too short" in each["event"]]
    assert [each["reference"] for each in short] == [f"file:{reference}"]
    assert secret not in str(logs)
    (tmp_path / reference).write_text(f"{secret}x")
    assert await admitted(turning, f"Bearer {secret}x") != 401


async def test_a_secret_of_a_person_and_a_bell_at_once_is_nobodys(
    turning: Doorkeeper, tmp_path: Path
) -> None:
    (tmp_path / "other").write_text("the-secret-of-the-robot")
    assert await admitted(turning, "Bearer the-secret-of-the-robot") == 401


async def test_what_is_logged_is_where_from_and_which_and_never_what(door: Doorkeeper) -> None:
    with capture_logs() as logs:
        await admitted(door, f"Bearer {WRONG}", ELSEWHERE)
        await admitted(door, "Bearer the-secret-of-somebody-else", ELSEWHERE)
    assert [(each["address"], each.get("id"), each.get("person")) for each in logs] == [
        (ELSEWHERE, MINTED["ana"][0].id, "ana"),
        (ELSEWHERE, None, None),
    ]
    assert WRONG[-52:] not in str(logs)
    assert "the-secret-of-somebody-else" not in str(logs)


async def test_whoever_is_no_longer_in_the_station_file_is_nobody(
    station: Station, door: Doorkeeper, register: Register, clock: Clock, tmp_path: Path
) -> None:
    assert await admitted(door, f"Bearer {TOKENS['cara']}") == ("person", "cara")
    left = station.changed(people=tuple(each for each in station.people if each.id != "cara"))
    door = Doorkeeper(books_of(left), ReferenceSecrets(tmp_path), register, clock)
    with pytest.raises(Problem, match="who are you") as caught:
        await door.admit(f"Bearer {TOKENS['cara']}", HERE)
    assert "not one of the station's people" in str(caught.value.detail)


async def test_a_token_ends_at_its_time(door: Doorkeeper, clock: Clock) -> None:
    clock.now = NOW + timedelta(days=90, seconds=-1)
    assert await admitted(door, f"Bearer {TOKENS['ana']}") == ("person", "ana")
    clock.now = NOW + timedelta(days=90)
    with pytest.raises(Problem) as caught:
        await door.admit(f"Bearer {TOKENS['ana']}", HERE)
    assert (caught.value.status, "expired" in str(caught.value.detail)) == (401, True)
    with pytest.raises(Problem) as caught:
        await door.admit(f"Bearer {WRONG}", HERE)
    assert "expired" not in str(caught.value.detail)
