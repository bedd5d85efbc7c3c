"""`firestation ring --attach`: files go first, then the alarm that names them; what may not be attached stays here."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from firestation import record
from tests.docs.documents import ROOT, commands
from tests.property.test_attachments import attachment
from tests.property.worlds import START, alarm

Run = Callable[..., Result]
NAME = "refund-agent-1a2b3c4d"
RING = ("ring", "refund-agent", "Complaint", "it names another customer")
PNG = b"\x89PNG\r\n\x1a\n a picture"


def test_a_screenshot_goes_first_and_the_alarm_names_it(run: Run, station: Any, tmp_path: Path) -> None:
    (tmp_path / "screen.png").write_bytes(PNG)
    (tmp_path / "log.txt").write_text("a line")
    result = run(*RING, "--attach", str(tmp_path / "screen.png"), "--attach", str(tmp_path / "log.txt"))
    assert result.exit_code == 0, result.output
    assert station.attached == [("screen.png", PNG), ("log.txt", b"a line")]
    assert [each["name"] for each in station.rang["attachments"]] == ["screen.png", "log.txt"]
    assert "attached screen.png, 18 bytes" in result.output
    assert run(*RING).exit_code == 0
    assert "attachments" not in station.rang


def test_the_command_that_the_document_teaches(
    run: Run, station: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (line,) = (each for each in commands(ROOT / "docs/bells.md") if "--attach" in each)
    monkeypatch.chdir(tmp_path)
    Path("screen.png").write_bytes(PNG)
    result = run(*shlex.split(line)[1:])
    assert result.exit_code == 0, result.output
    assert station.rang["labels"] == {"class": "privacy"}


@pytest.mark.parametrize(
    ("files", "more", "says"),
    [
        ({"a.exe": b"MZ\x90\x00"}, (), "none of the kinds"),
        ({"a.png": PNG + bytes(10 * 1024 * 1024)}, (), "larger than 10 MB"),
        ({"missing": None}, (), "it cannot be read"),
        ({f"{number}.png": PNG for number in range(6)}, (), "there are 6 files"),
        ({"a.png": PNG}, ("--bell", "refund-eval"), "a bell attaches nothing"),
    ],
)
def test_what_may_not_be_attached_is_not_sent(
    run: Run, station: Any, tmp_path: Path, files: dict[str, bytes | None], more: tuple[str, ...], says: str
) -> None:
    words: list[str] = []
    for name, content in files.items():
        if content is not None:
            (tmp_path / name).write_bytes(content)
        words += ["--attach", str(tmp_path / name)]
    result = run("--state", str(tmp_path), *RING, *words, *more)
    assert result.exit_code == 2
    assert says in " ".join(result.output.split())
    assert (station.attached, station.rang) == ([], {})


def test_evidence_lists_what_was_attached(run: Run, station: Any) -> None:
    file = attachment(1, by="cara").changed(name="\x1b[31mred.png")
    station.happen(record.Rang(at=START, alarm=alarm().changed(attachments=(file,))))
    station.seal()
    text = run("evidence", "list", NAME).output
    assert "attached by people, no part of the manifest" in text
    assert "cara: " in text
    assert "\x1b" not in text
    told = json.loads(run("evidence", "list", NAME, "--json").stdout)
    assert told["attachments"] == [file.model_dump(mode="json")]


def test_the_captain_sees_who_rang_with_which_file_and_how_to_get_it(run: Run, station: Any) -> None:
    file = attachment(1, by="cara")
    station.happen(record.Rang(at=START, alarm=alarm().changed(attachments=(file,))))
    said = " ".join(run("show", NAME).output.split())
    assert f"file {file.name}, {file.size:,} bytes, which {file.by} rang with" in said
    assert f"firestation evidence show {NAME} {file.digest[:12]}" in said


def test_a_person_says_in_words_what_was_seen(run: Run, station: Any) -> None:
    result = run("ring", "refund-agent", "Complaint", " ")
    assert result.exit_code == 2
    assert "SUMMARY: it is empty" in result.output + result.stderr
    assert station.rang == {}


def test_what_becomes_of_an_alarm_is_said_in_words(run: Run, station: Any) -> None:
    over = {"incidents": [{"incident": NAME, "coalesced": False}], "ignored": []}
    station.override = (202, json.dumps(over).encode())
    said = " ".join(run(*RING, "--resolved").output.split())
    assert f"over, by your word: {NAME}" in said
    assert "It closes nothing" in said
    ignored = {
        "incidents": [],
        "ignored": [{"alarm": "Complaint", "reason": "recorded only: chatter: \x1b[31m"}],
    }
    station.override = (202, json.dumps(ignored).encode())
    said = run(*RING).output
    assert "rings nobody: recorded only: chatter" in said
    assert "$ firestation spool" in said
    assert not {"\x1b", "{"} & set(said)


def test_a_person_is_told_when_nobody_is_paged_yet(run: Run, station: Any) -> None:
    station.spooling = True
    said = run(*RING).output
    assert "KEPT, AND NOBODY IS PAGED YET" in said
    assert "$ firestation oncall" in said
    station.spooling = False
    assert "KEPT" not in run(*RING).output
