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
    assert run(*RING).exit_code == 0
    assert "attachments" not in station.rang


def test_the_command_that_the_document_teaches(
    run: Run, station: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (line,) = commands(ROOT / "docs/bells.md")
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
