"""The station's people on the command line: who is on call, and what is wrong with their file. No station runs."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

Run = Callable[..., Result]
ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/station/station.yaml"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 43
PLAIN_HOOK = "{kind: webhook, to: 'http://hook.example.org/ana'}"
STATION = """\
station: demo
people:
  - id: ana
    name: Ana
    roles: [captain]
    address: ana@example.org
  - id: ben
    name: Ben
    roles: [captain]
    address: ben@example.org
rotations:
  - id: primary
    layers:
      - name: week
        people: [ana, ben]
        zone: Europe/Berlin
        start: 2026-10-19
        day: monday
escalation: [primary]
bells: [{id: bell}]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "station.yaml"
    path.write_text(STATION)
    return path


def change(file: Path, old: str, new: str) -> int:
    """Replace this, and say on which line it stands now."""
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    return text[: text.index(old)].count("\n") + 1


def linted(run: Run, file: Path) -> tuple[int, dict[str, Any]]:
    result = run("station", "lint", str(file), "--json")
    return result.exit_code, json.loads(result.stdout)


def test_a_good_file(run: Run, file: Path) -> None:
    for each in (file, EXAMPLE):
        result = run("station", "lint", str(each))
        assert (result.exit_code, result.output) == (0, "1 of 1 station files are good.\n")


def test_who_is_on_call_in_the_readers_zone(run: Run, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("oncall", "--station", str(file), "--at", "2026-10-20T12:00+00:00")
    env = {"COLUMNS": "200", "FIRESTATION_URL": "http://127.0.0.1:9"}
    result = run(*words, env=env)
    assert result.exit_code == 0
    told = json.loads(run(*words, "--json", env=env).stdout)
    (primary,) = told["rotations"]
    assert (primary["rotation"], primary["person"], primary["by"]) == ("primary", "ana", "week")
    assert primary["until"] == primary["next"]["since"] == "2026-10-26T08:00:00Z"
    assert primary["next"]["person"] == "ben"
    assert told["paged"]["sev1"] == ["ana"]
    until = datetime(2026, 10, 26, 8, tzinfo=UTC).astimezone()
    assert f"primary: ana (week), until {until:%a %Y-%m-%d %H:%M %Z}, then ben" in result.output
    assert "paged at sev1: ana" in result.output


def test_a_gap_is_said_loudly_and_everybody_would_be_paged(run: Run, file: Path) -> None:
    said = run("oncall", "--station", str(file), "--at", "2026-10-01T12:00Z").output
    assert "primary: NOBODY, until " in said
    assert "paged at sev2: ana, ben" in said


@pytest.mark.parametrize("at", ["soon", "9999-12-31T23:59Z", "0001-01-01T00:00+14:00", "2026-13-01"])
def test_what_is_no_time(run: Run, file: Path, at: str) -> None:
    result = run("oncall", "--station", str(file), "--at", at)
    assert result.exit_code == 2
    assert "--at: " in result.stderr


def test_gaps_are_told_with_their_line(run: Run, file: Path) -> None:
    start = (datetime.now(UTC) + timedelta(days=3)).date()
    change(file, "start: 2026-10-19\n        day: monday", f"start: {start}")
    line = file.read_text().splitlines().index("  - id: primary") + 1
    code, told = linted(run, file)
    assert code == 1
    assert [(each["line"], each["field"]) for each in told["problems"]] == [
        (line, "rotations[0]"),
        (file.read_text().splitlines().index("escalation: [primary]") + 1, "escalation"),
    ]
    assert f"until {start} " in told["problems"][0]["problem"]


def test_overrides_that_overlap_or_are_over(run: Run, file: Path) -> None:
    now = datetime.now(UTC)
    spans = [("ana", -9, -8), ("ben", 1, 3), ("ana", 2, 4)]
    lines = [
        f"      - {{person: {who}, from: '{now + timedelta(days=since):%Y-%m-%dT%H:%MZ}',"
        f" until: '{now + timedelta(days=until):%Y-%m-%dT%H:%MZ}'}}"
        for who, since, until in spans
    ]
    change(file, "escalation:", "    overrides:\n" + "\n".join(lines) + "\nescalation:")
    code, told = linted(run, file)
    assert code == 1
    assert [each["field"] for each in told["problems"]] == ["rotations[0].overrides[2]"]
    assert "ben and ana both stand in" in told["problems"][0]["problem"]
    assert [each["field"] for each in told["warnings"]] == ["rotations[0].overrides[0]"]


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("Europe/Berlin", "Europe/Berlim", "rotations[0].layers[0].zone"),
        ("people: [ana, ben]", "people: [ana, zoe]", "rotations[0].layers[0].people[1]"),
        ("roles: [captain]", "roles: [comms]", "rotations[0].layers[0].people[0]"),
        ("2026-10-19", "2026-10-20", "rotations[0].layers[0].start"),
        ("[primary]", "[secondary]", "escalation[0]"),
        ("address: ana", "keys: [ssh-rsa AAAA]\n    address: ana", "people[0].keys[0]"),
        ("address: ana", "keys: ['-----BEGIN RSA PRIVATE KEY-----']\n    address: ana", "people[0].keys[0]"),
        ("address: ana", f"keys: ['{KEY}', \"{KEY}\\n{KEY}\"]\n    address: ana", "people[0].keys[1]"),
        ("address: ana", f"keys: ['ana {KEY}']\n    address: ana", "people[0].keys[0]"),
        ("escalation:", "escalation_at: {sev9: [ana]}\nescalation:", "escalation_at.sev9"),
        ("address: ana", "contacts: [{kind: sms, to: '0151'}]\n    address: ana", "people[0].contacts[0].to"),
        ("address: ana", f"contacts: [{PLAIN_HOOK}]\n    address: ana", "people[0].contacts[0].to"),
    ],
)
def test_a_mistake_has_its_field(run: Run, file: Path, old: str, new: str, field: str) -> None:
    change(file, old, new)
    code, told = linted(run, file)
    assert code == 1
    assert [each["field"] for each in told["problems"]] == [field]


def test_keys_that_are_stale_shared_or_of_nobody(run: Run, file: Path) -> None:
    end = datetime.now(UTC) + timedelta(days=5)
    signers = file.parent / "allowed_signers"
    signers.write_text(f'ana valid-before="20200101Z" {KEY}\nben@example.org {KEY}\n')
    for who in ("ana", "ben"):
        change(file, f"address: {who}", f"key_files: [allowed_signers]\n    address: {who}")
    _, told = linted(run, file)
    assert [each["field"] for each in told["problems"]] == ["people[0].key_files", "people[1].key_files"]
    assert "none of the keys of ana is valid now" in told["problems"][0]["problem"]
    assert "ben and ana have the same key" in told["problems"][1]["problem"]
    signers.write_text(f'ben valid-before="{end:%Y%m%d}Z" {KEY}\nana nonsense\n')
    _, told = linted(run, file)
    assert [each["field"] for each in told["warnings"]] == ["people[1].key_files"]
    said = [each["problem"] for each in told["problems"]]
    assert any("allowed_signers has no key of ana" in each for each in said)
    assert any("allowed_signers, line 2: there is no key after its options" in each for each in said)
    signers.unlink()
    _, told = linted(run, file)
    assert all("allowed_signers cannot be read: No such file" in each["problem"] for each in told["problems"])


def test_a_rotation_that_nobody_is_paged_by(run: Run, file: Path) -> None:
    change(file, "roles: [captain]", "roles: [comms]")
    change(file, "[primary]", "[ben]")
    code, told = linted(run, file)
    assert code == 0
    assert [each["field"] for each in told["warnings"]] == ["rotations[0]", "rotations[0].layers[0]"]


LOGIN = "login: {issuer: 'https://login.example.org', client_id: f, client_secret: 'env:SECRET'}\n"


@pytest.mark.parametrize(
    ("bells", "more", "field", "says"),
    [
        (
            "[{id: a, token: 'env:X'}, {id: b, tokens: ['env:Y', 'env:X']}]",
            "",
            "bells[1]",
            "the same secret as the bell a",
        ),
        ("[{id: a, tokens: ['env:X', 'env:Y', 'env:Z']}]", "", "bells[0].tokens", "3 secrets"),
        ("[{id: a}]", LOGIN, "login", "lets nobody in"),
        ("[{id: a, token: 'env:SHORT'}]", "", "bells[0]", "shorter than 20 characters"),
    ],
)
def test_secrets_and_logins_that_are_worth_a_look(
    run: Run, file: Path, monkeypatch: pytest.MonkeyPatch, bells: str, more: str, field: str, says: str
) -> None:
    monkeypatch.setenv("SHORT", "x" * 19)
    change(file, "[{id: bell}]\n", f"{bells}\n{more}")
    code, told = linted(run, file)
    assert code == 0
    assert [each["field"] for each in told["warnings"]] == [field]
    assert says in told["warnings"][0]["problem"]
    assert "x" * 19 not in str(told)


def test_a_key_that_cannot_do_what_its_line_asks(run: Run, file: Path) -> None:
    change(file, "address: ana", f"keys: ['verify-required {KEY}']\n    address: ana")
    code, told = linted(run, file)
    assert (code, [each["field"] for each in told["problems"]]) == (1, ["people[0].keys"])
    assert "no security key" in told["problems"][0]["problem"]


def test_a_claim_that_its_owner_can_change_is_worth_a_look(run: Run, file: Path) -> None:
    change(file, "address: ana", "login: ana\n    address: ana")
    for claim, fields in (("preferred_username", ["login.claim"]), ("sub", [])):
        change(
            file,
            "[{id: bell}]\n",
            "[{id: bell}]\n" + LOGIN.replace("client_id: f", f"client_id: f, claim: {claim}"),
        )
        _, told = linted(run, file)
        assert [each["field"] for each in told["warnings"]] == fields
        file.write_text(file.read_text().partition("login: {")[0])


def test_a_person_and_a_bell_with_one_secret_and_a_login_without_a_provider(run: Run, file: Path) -> None:
    change(file, "[{id: bell}]", "[{id: bell, token: 'env:X'}]")
    change(file, "address: ana", "token: env:X\n    login: ana@example.org\n    address: ana")
    _, told = linted(run, file)
    assert [each["field"] for each in told["warnings"]] == ["bells[0]", "people[0].login"]


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("[{id: bell}]", "[{id: bell, token: 'env:X', tokens: ['env:Y']}]", "bells[0].token"),
        ("[{id: bell}]", "[{id: bell, tokens: ['the-secret-itself']}]", "bells[0].tokens[0]"),
        ("[{id: bell}]\n", "[{id: bell}]\n" + LOGIN.replace("https:", "http:"), "login.issuer"),
        ("[{id: bell}]\n", "[{id: bell}]\n" + LOGIN.replace("env:SECRET", "abcdef"), "login.client_secret"),
        (
            "[{id: bell}]\n",
            "[{id: bell}]\n" + LOGIN.replace("client_id: f", "client_id: f, claim: name"),
            "login.claim",
        ),
    ],
)
def test_a_mistake_in_access_has_its_field(run: Run, file: Path, old: str, new: str, field: str) -> None:
    change(file, old, new)
    code, told = linted(run, file)
    assert code == 1
    assert [each["field"] for each in told["problems"]] == [field]
    assert "the-secret-itself" not in str(told)


def test_two_people_with_one_login(run: Run, file: Path) -> None:
    for who in ("ana", "ben"):
        change(file, f"address: {who}", f"login: someone@example.org\n    address: {who}")
    _, told = linted(run, file)
    assert [each["field"] for each in told["problems"]] == ["people[1].login"]


# Pagers --------------------------------------------------------------------------------------------------------

PAGERS = """\
pagers:
  - id: mail
    driver: email
    reaches: email
    with: {host: 127.0.0.1, tls: none, sender: firestation@example.org}
bells: [{id: bell}]
"""
CONTACT = "    contacts: [{kind: email, to: %s@example.org}]\n"


@pytest.fixture
def paging(file: Path) -> Path:
    """A station with a pager, which reaches both."""
    change(file, "bells: [{id: bell}]\n", PAGERS)
    for name in ("ana", "ben"):
        change(
            file, f"    address: {name}@example.org\n", f"    address: {name}@example.org\n" + CONTACT % name
        )
    return file


def test_a_station_whose_pagers_reach_everybody_is_good(run: Run, paging: Path) -> None:
    assert run("station", "lint", str(paging)).output == "1 of 1 station files are good.\n"


def test_whom_no_pager_reaches_and_a_pager_that_reaches_nobody_are_worth_a_look(
    run: Run, paging: Path
) -> None:
    change(paging, CONTACT % "ben", "    contacts: [{kind: sms, to: '+4915112345678'}]\n")
    chat = "{homeserver: 'https://m.example.org', token: 'env:MATRIX'}"
    another = f"  - {{id: chat, driver: matrix, reaches: matrix, with: {chat}}}\n"
    change(paging, "  - id: mail\n", f"{another}  - id: mail\n")
    code, told = linted(run, paging)
    assert (code, told["problems"]) == (0, [])
    found = {each["field"]: (each["problem"], each["fix"]) for each in told["warnings"]}
    assert "no pager reaches ben" in found["people[1].contacts"][0]
    assert found["people[1].contacts"][1] == "Add a contact of a kind that is reached: email, matrix"
    assert "the pager chat reaches nobody" in found["pagers[0].reaches"][0]


@pytest.mark.parametrize(("link", "warned"), [("", True), ("link: true, ", False), ("link: false, ", False)])
def test_a_pager_that_sends_all_to_one_place_is_worth_a_look(
    run: Run, paging: Path, link: str, warned: bool
) -> None:
    change(paging, "    with: {host", f"    {link.rstrip(', ')}\n    with: {{to: team@example.org, host")
    code, told = linted(run, paging)
    assert (code, told["problems"]) == (0, [])
    assert [each["field"] for each in told["warnings"]] == ["pagers[0]"] * warned
    if warned:
        assert "link: true if all who read there" in told["warnings"][0]["fix"]


def test_a_room_as_somebodys_contact_is_worth_a_look(run: Run, paging: Path) -> None:
    chat = "{homeserver: 'https://m.example.org', token: 'env:MATRIX'}"
    another = f"  - {{id: chat, driver: matrix, reaches: matrix, with: {chat}}}\n"
    change(paging, "  - id: mail\n", f"{another}  - id: mail\n")
    change(
        paging, "[{kind: email, to: ben@", "[{kind: matrix, to: '#fire:example.org'}, {kind: email, to: ben@"
    )
    code, told = linted(run, paging)
    assert (code, [each["field"] for each in told["warnings"]]) == (0, ["people[1].contacts[0]"])
    assert "is a room" in told["warnings"][0]["problem"]


WRONG_PAGERS = [
    ("reaches: email", "reaches: pigeon", "pagers[0].reaches", "pigeon"),
    ("driver: email", "driver: pigeon", "pagers[0].driver", "pigeon"),
    ("tls: none", "tls: maybe", "pagers[0].with.tls", "maybe"),
    ("host: 127.0.0.1", "host: mail.example.org", "pagers[0].with", "read on the way"),
    ("    with: {", "    with: {password: hunter2, ", "pagers[0].with.password", "never the secret itself"),
]


@pytest.mark.parametrize(("old", "new", "field", "says"), WRONG_PAGERS, ids=[row[2] for row in WRONG_PAGERS])
def test_what_is_wrong_with_a_pager_is_told_with_its_line(
    run: Run, paging: Path, old: str, new: str, field: str, says: str
) -> None:
    line = change(paging, old, new)
    code, told = linted(run, paging)
    assert code == 1
    (problem,) = told["problems"]
    assert problem["field"].startswith(field)
    assert says in problem["problem"] + problem["fix"]
    assert abs(problem["line"] - line) <= 1


def test_two_pagers_of_one_name_are_told_apart(run: Run, paging: Path) -> None:
    change(
        paging,
        "  - id: mail\n",
        "  - {id: mail, driver: apprise, reaches: sms, with: {url: 'env:SMS'}}\n  - id: mail\n",
    )
    code, told = linted(run, paging)
    assert (code, told["problems"][0]["field"]) == (1, "pagers[1].id")
