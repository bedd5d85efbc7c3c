"""`firestation postmortem` against a real gateway: shown, edited, put, and merged when several write at once."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from typer.testing import CliRunner, Result

from cli.main import app
from firestation import tokens
from firestation.authority import Bell, Member, Role, Station
from firestation.drivers.register import open_register
from firestation.postmortem.documents import Documents, Version
from firestation.secrets import ReferenceSecrets
from firestation.testing import MemoryEvidence, MemoryShelf
from gateway.app import create_app
from gateway.auth import Doorkeeper
from gateway.front import Front
from tests.docs.documents import ROOT, commands
from tests.gateway.conftest import INCIDENT, Remembering, books_of

TEXT = "# Postmortem\n\n## Summary\n\n- one\n- two\n\n## The end\n\n- three\n"
Run = Callable[..., Result]


class Town:
    """A shelf with one postmortem, and what others do to it."""

    def __init__(self) -> None:
        self.shelf = MemoryShelf()
        self.documents = Documents(self.shelf, "test")
        self.redraft(TEXT)

    def redraft(self, words: str) -> Version:
        return asyncio.run(self.documents.redraft(INCIDENT, "run-1", words, datetime.now(UTC)))

    def latest(self) -> Version:
        found = asyncio.run(self.documents.latest(INCIDENT, "run-1"))
        assert found
        return found

    def edit(self, text: str, by: str) -> Version:
        latest = self.latest()
        return asyncio.run(self.documents.edit(latest, latest.tag, text, by, datetime.now(UTC)))


@pytest.fixture
def town() -> Town:
    return Town()


@pytest.fixture
def run(town: Town, tmp_path: Path) -> Iterator[Run]:
    """Run `firestation` as ana, against a gateway in a thread."""
    person = Member(id="ana", name="Ana", roles=(Role.CAPTAIN,), address="ana@example.org")
    station = Station(station="test", people=(person,), escalation=("ana",), bells=(Bell(id="b"),))
    register = open_register(tmp_path / "access")
    held, token = tokens.mint(
        b"a" * tokens.RANDOM_BYTES, person="ana", now=datetime.now(UTC), lifetime=timedelta(days=1)
    )
    assert asyncio.run(register.add(held))
    door = Doorkeeper(books_of(station), ReferenceSecrets(tmp_path), register)
    made = create_app(Remembering(), door, MemoryEvidence(), Front("a key"), shelf=town.shelf)
    closes = [("connection", "close")]  # a command of its own process leaves that to its end
    config = uvicorn.Config(made, host="127.0.0.1", port=0, log_config=None, lifespan="off", headers=closes)
    server = uvicorn.Server(config)
    socket = server.config.bind_socket()
    thread = threading.Thread(target=lambda: server.run(sockets=[socket]))
    thread.start()
    url = f"http://127.0.0.1:{socket.getsockname()[1]}"

    def call(*words: str, **more: Any) -> Result:
        env = {
            "FIRESTATION_TOKEN": token,
            "FIRESTATION_URL": url,
            "COLUMNS": "80",
            "VISUAL": "",
            "EDITOR": "",
        }
        return CliRunner().invoke(app, ["postmortem", *words], env=env, **more)

    yield call
    server.should_exit = True
    thread.join()
    socket.close()


def editor(folder: Path, program: str) -> str:
    """An editor that is this Python program; `file` is the path that it is given."""
    path = folder / "editor.py"
    path.write_text(f"import sys, pathlib\nfile = pathlib.Path(sys.argv[1])\n{program}\n")
    return f"python3 {path}"


def test_it_is_shown_to_people_and_machines(run: Run) -> None:
    shown = run("show", INCIDENT)
    assert shown.exit_code == 0, shown.output
    assert "Summary" in shown.output
    assert "version 1, draft by the engine" in shown.output
    assert json.loads(run("show", INCIDENT, "--json").stdout)["text"] == TEXT
    raw = run("show", INCIDENT, "--raw").stdout
    assert raw.startswith(f"<!-- firestation postmortem {INCIDENT} version 1;")
    assert raw.endswith(TEXT)
    assert run("show", INCIDENT, "--version", "7").exit_code == 4


def test_what_is_shown_raw_is_put_back_by_its_first_line(run: Run, town: Town, tmp_path: Path) -> None:
    file = tmp_path / "postmortem.md"
    file.write_text(run("show", INCIDENT, "--raw").stdout + "- four, by ana\n")
    done = run("put", INCIDENT, str(file))
    assert done.exit_code == 0, done.output
    assert "kept: version 2, edit by ana" in done.output
    assert town.latest().text == f"{TEXT}- four, by ana\n"


def test_a_file_that_does_not_say_from_what_it_was_made_is_asked(
    run: Run, town: Town, tmp_path: Path
) -> None:
    file = tmp_path / "postmortem.md"
    file.write_text(f"{TEXT}- four\n")
    asked = run("put", INCIDENT, str(file))
    assert (asked.exit_code, "--base" in asked.stderr) == (2, True)
    assert run("put", INCIDENT, str(file), "--base", "1").exit_code == 0
    file.write_text(f"<!-- firestation postmortem another version 1; leave this line -->\n{TEXT}")
    assert run("put", INCIDENT, str(file)).exit_code == 2
    assert run("put", INCIDENT, str(tmp_path / "none.md")).exit_code == 2
    assert town.latest().number == 2


def test_the_editor_opens_it_and_what_it_wrote_is_kept(run: Run, town: Town, tmp_path: Path) -> None:
    program = "file.write_text(file.read_text().replace('- two', '- two, by hand'))"
    done = run("edit", INCIDENT, "--editor", editor(tmp_path, program))
    assert done.exit_code == 0, done.output
    assert town.latest().text == TEXT.replace("- two", "- two, by hand")
    same = run("edit", INCIDENT, "--editor", editor(tmp_path, "pass"))
    assert "nothing was changed" in same.output
    assert town.latest().number == 2


def test_an_editor_that_fails_keeps_the_file(run: Run, town: Town, tmp_path: Path) -> None:
    failed = run("edit", INCIDENT, "--editor", editor(tmp_path, "sys.exit(3)"))
    assert failed.exit_code == 2
    path = next(word for word in failed.stderr.split() if word.endswith(".md"))
    assert Path(path).read_text().endswith(TEXT)
    assert run("edit", INCIDENT, "--editor", "/no/such/editor").exit_code == 2
    assert town.latest().number == 1


def test_what_the_engine_and_others_changed_meanwhile_is_merged(run: Run, town: Town, tmp_path: Path) -> None:
    file = tmp_path / "postmortem.md"
    file.write_text(run("show", INCIDENT, "--raw").stdout.replace("- one", "- one, by ana"))
    town.edit(TEXT.replace("- three", "- three, by ben"), "ben")
    town.redraft(TEXT.replace("## The end", "## The very end"))
    done = run("put", INCIDENT, str(file))
    assert done.exit_code == 0, done.output
    latest = town.latest()
    for line in ("- one, by ana", "- three, by ben", "## The very end"):
        assert line in latest.text
    assert (latest.number, latest.by) == (4, "ana")
    assert "Two versions" not in latest.text


def test_the_same_line_changed_twice_is_told_and_both_are_in_the_file(
    run: Run, town: Town, tmp_path: Path
) -> None:
    file = tmp_path / "postmortem.md"
    file.write_text(run("show", INCIDENT, "--raw").stdout.replace("- two", "- two, by ana"))
    town.edit(TEXT.replace("- two", "- two, by ben"), "ben")
    refused = run("put", INCIDENT, str(file))
    assert refused.exit_code == 1
    assert "1 passage changed by you and by ben" in refused.stderr
    both = file.read_text()
    assert "- two, by ana\n- **Two versions: 1 line above by you; 1 line below by others." in both
    assert "- two, by ben" in both
    assert town.latest().by == "ben"
    settled = [line for line in both.splitlines(keepends=True) if "Two versions" not in line]
    file.write_text("".join(settled))
    assert run("put", INCIDENT, str(file)).exit_code == 0
    assert "- two, by ana\n- two, by ben\n" in town.latest().text


def test_the_commands_that_the_document_teaches(run: Run, tmp_path: Path) -> None:
    program = "file.write_text(file.read_text() + '- by ana\\n')"
    taught = commands(ROOT / "docs/postmortem.md")
    assert len(taught) == 4
    for line in taught:
        command, _, out = line.replace("INCIDENT", INCIDENT).partition(" > ")
        program_name, group, *words = command.split()
        assert (program_name, group) == ("firestation", "postmortem")
        words = [str(tmp_path / word) if word.endswith(".md") else word for word in words]
        words += ["--editor", editor(tmp_path, program)] if "edit" in words else []
        done = run(*words)
        assert done.exit_code == 0, (line, done.output)
        if out:
            (tmp_path / out).write_text(done.stdout)


def test_a_hostile_document_cannot_write_to_the_terminal(run: Run, town: Town) -> None:
    town.redraft("# \x1b[2J \u202e\n\n- [a](file:///etc/passwd)\n")
    for words in (("show", INCIDENT), ("show", INCIDENT, "--raw")):
        said = run(*words).stdout
        assert "\x1b[2J" not in said
        assert "\u202e" not in said
