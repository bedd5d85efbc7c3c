"""The file tracker: people edit what they like, and we append, once a key, to whatever is there."""

import asyncio
import json
import os
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firestation.after_action import Task, Ticket
from firestation.drivers import Drivers
from firestation.drivers.task_text import quoted
from firestation.errors import Denied, DriverError, Gone, Nonsense, Unreachable
from firestation.ports import Tracker
from firestation.testing import FollowedConformance
from firestation.tracker_conformance import TASK
from tests.drivers.trackers.making import as_followed, make_tracker
from tests.e2e.processes import ROOT, wait_for

NOTES = "I asked the vendor. ü\nState of the art\n"


def write(ticket: Ticket, change: Callable[[str], str]) -> None:
    """As an editor saves: another file, renamed to this name."""
    path = Path(ticket.reference)
    half = path.with_suffix(".swp")
    half.write_text(change(path.read_text()))
    half.rename(path)


def beside(ticket: Ticket) -> Path:
    return Path(re.sub(r"\.json$", ".reminders.jsonl", ticket.reference))


@pytest.mark.parametrize("form", ["markdown", "json"])
class TestFileTracker(FollowedConformance):
    @pytest.fixture
    def tracker(self, bench: Drivers, form: str) -> Tracker:
        return make_tracker(bench, "file", folder="tasks", format=form)

    @pytest.fixture
    def kept(self, tmp_path: Path) -> Callable[[], int]:
        return lambda: sum(path.suffix != ".jsonl" for path in (tmp_path / "tasks").iterdir())

    @pytest.fixture
    def shown(self, form: str) -> Callable[[Ticket], str]:
        def text(ticket: Ticket) -> str:
            said = Path(ticket.reference).read_text()
            if form == "json" and beside(ticket).exists():
                said += "".join(json.loads(line)["text"] for line in beside(ticket).read_text().splitlines())
            return said

        return text

    @pytest.fixture
    def lossy(self, tracker: Tracker) -> Callable[[int], Tracker]:
        return lambda _: tracker  # no answer of a file can be lost; of a death, see below

    @pytest.fixture
    def finish(self) -> Callable[[Ticket], Any]:
        def edit(text: str) -> str:
            return text.replace("State: open", "State: done").replace('"state": "open"', '"state": "done"')

        return lambda ticket: write(ticket, edit)

    @pytest.fixture
    def remove(self) -> Callable[[Ticket], Any]:
        return lambda ticket: Path(ticket.reference).unlink()


@pytest.fixture
def tracker(bench: Drivers) -> Tracker:
    return make_tracker(bench, "file", folder="tasks")


async def test_a_task_is_a_page_that_a_person_can_read(tracker: Tracker) -> None:
    task = TASK.changed(owner="ana", due=datetime(2026, 12, 1, 17, 30, tzinfo=UTC))
    ticket = await tracker.open(task, "k")
    await as_followed(tracker).remind(ticket, "Due tomorrow", "k/1")
    await as_followed(tracker).remind(ticket, "Due\ntoday", "k/2")
    page = Path(ticket.reference).read_text()
    page = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC, Fire", "NOW, Fire", page)
    page = re.sub(r"firestation:[0-9a-f]{32}", "MARK", page)
    assert page == (
        "# Write it\n\n"
        "State: open\nIncident: agent-1, postmortem\nOwner: ana\nDue: 2026-12-01 17:30 UTC\n\n"
        "What {happened}, and why\n\n"
        "- NOW, Firestation: Due tomorrow <!-- MARK -->\n"
        "- NOW, Firestation: Due today <!-- MARK -->\n"
    )
    assert (await as_followed(tracker).look(ticket)).assignee == "ana"


async def test_what_a_person_wrote_into_a_task_stays(tracker: Tracker) -> None:
    ticket = await tracker.open(TASK, "k")
    Path(ticket.reference).write_text("my notes")
    assert await tracker.open(TASK, "k") == ticket
    assert Path(ticket.reference).read_text() == "my notes"
    await as_followed(tracker).remind(ticket, "Late", "k/1")
    assert Path(ticket.reference).read_text().startswith("my notes\n\n- ")
    assert (await as_followed(tracker).look(ticket)).state == "open"


@pytest.mark.parametrize(
    ("line", "state"),
    [
        ("State: done", "done"),
        ("state:done", "done"),
        ("- **State:** Done.", "done"),
        ("> State : CLOSED", "done"),
        ("State: done\r", "done"),
        ("State: in  progress", "open"),
        ("State: nearly done", "open"),
        ("State: not done", "open"),
        ("State:", "open"),
        ("", "open"),
        ("The State: done", "open"),
    ],
)
async def test_a_state_is_read_as_people_write_it_and_doubt_is_open(
    tracker: Tracker, line: str, state: str
) -> None:
    ticket = await tracker.open(TASK, "k")
    write(ticket, lambda text: text.replace("State: open", line))
    seen = await as_followed(tracker).look(ticket)
    assert seen.state == state
    if state == "open" and "progress" not in line:
        assert "neither State: open nor State: done" in seen.detail


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"\xff\xfe", b'{"state": ["done"]}', b'{"state": null}']
)
async def test_json_that_cannot_be_read_is_open(bench: Drivers, content: bytes) -> None:
    tracker = make_tracker(bench, "file", folder="tasks", format="json")
    ticket = await tracker.open(TASK, "k")
    Path(ticket.reference).write_bytes(content)
    assert (await as_followed(tracker).look(ticket)).state == "open"


HOSTILE = (
    "State: done",
    "ok\nState: done",
    "ok\r**State**: done",
    "ok\u2028- state :done",
    "ok\x85> _State:_ done <!-- x",
    "\x0bState\t: done",
)


@pytest.mark.parametrize("text", HOSTILE)
async def test_no_text_of_others_forges_a_state(tracker: Tracker, text: str) -> None:
    task = Task(incident="agent-1", kind="follow-up", title=text, text=text, owner=text)
    ticket = await tracker.open(task, "k")
    await as_followed(tracker).remind(ticket, text, "k/1")
    assert (await as_followed(tracker).look(ticket)).state == "open"
    write(ticket, lambda page: page.replace("State: open\n", "", 1))
    assert "neither" in (await as_followed(tracker).look(ticket)).detail


@pytest.mark.parametrize(
    "text",
    [
        "![](http://a.example/p)",
        r"\[log in](http://a.example)",
        "[a][b]",
        "[b]: http://a.example",
        "&#64;ana",
    ],
)
def test_what_would_be_a_picture_a_link_or_a_call_is_words(text: str) -> None:
    shown = quoted(text)
    assert not re.search(r"\][(:\[]", shown)
    assert "&#" not in shown


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(st.text(st.sampled_from("State:done \n\r\t*_->#@/<!\\\u2028\x85\x0b\0x"), max_size=60))
def test_no_text_at_all_is_more_than_words(text: str) -> None:
    for line in quoted(text).splitlines():
        assert not re.match(r"[\s>*_#-]*state[\s*_]*:", line, re.IGNORECASE)
        assert not line.lstrip().startswith(("#", "/", ">", "--", "<"))
        assert "<" not in line
        assert not re.search(r"@\w", line)


async def test_an_editor_that_saves_while_we_append_loses_nothing_of_a_person(tracker: Tracker) -> None:
    """Many times over, by rename; every word of theirs is there in the end, and every reminder that came after."""
    ticket = await tracker.open(TASK, "k")
    path = Path(ticket.reference)

    def edit() -> None:
        for number in range(200):
            write(ticket, lambda text, number=number: text + f"note {number}\n")  # type: ignore[misc]

    async def remind(number: int) -> None:
        """As Temporal does: an editor that is always faster makes it say so, and it is tried again."""
        while True:
            try:
                return await as_followed(tracker).remind(ticket, "Late", f"k/{number}")
            except Unreachable as error:
                if "replaced again and again" not in str(error):
                    raise

    editing = asyncio.create_task(asyncio.to_thread(edit))
    for number in range(40):
        await remind(number)
    await editing
    text = path.read_text()
    assert [f"note {number}\n" in text for number in range(200)] == [True] * 200
    for number in range(40):
        await as_followed(tracker).remind(ticket, "Late", f"k/{number}")
    assert path.read_text().count("Firestation: Late") == 40


async def test_a_file_that_is_away_for_a_moment_is_not_gone(tracker: Tracker) -> None:
    """Some editors take the old one away first."""
    ticket = await tracker.open(TASK, "k")
    path, away = Path(ticket.reference), Path(f"{ticket.reference}~")
    path.rename(away)
    looks = [
        asyncio.create_task(as_followed(tracker).look(ticket)),
        asyncio.create_task(as_followed(tracker).remind(ticket, "Late", "k/1")),
    ]
    done, _ = await asyncio.wait(looks, timeout=0.3)
    assert not done
    away.rename(path)
    seen = await asyncio.gather(*looks)
    assert seen[0] is not None
    assert seen[0].state == "open"
    assert "Late" in path.read_text()


async def test_a_line_torn_by_a_death_is_written_again_whole(tracker: Tracker) -> None:
    ticket = await tracker.open(TASK, "k")
    await as_followed(tracker).remind(ticket, "It is late", "k/1")
    path = Path(ticket.reference)
    whole = path.read_bytes()
    for cut in range(1, 60):
        path.write_bytes(whole[:-cut])
        await as_followed(tracker).remind(ticket, "It is late", "k/1")
        lines = path.read_text().splitlines()
        assert sum(line.endswith("-->") and "It is late" in line for line in lines) == 1
        assert path.read_bytes().startswith(whole[:-cut])


KILLED = """
import asyncio, sys
from pathlib import Path
from firestation.drivers import Drivers
from firestation.secrets import ReferenceSecrets
from firestation.after_action import Ticket
from firestation.system import TrackerFitting

async def main(folder, reference):
    fitting = TrackerFitting(id="tasks", title="T", driver="file", config={"folder": "tasks"})
    async with Drivers(ReferenceSecrets(folder), folder=folder) as bench:
        tracker = bench.tracker(fitting)
        for number in range(100_000):
            await tracker.remind(Ticket(kind="postmortem", tracker="tasks", reference=reference), "Late", f"k/{number}")

asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
"""


async def test_a_worker_that_is_killed_in_the_middle_spoils_nothing(tracker: Tracker, tmp_path: Path) -> None:
    ticket = await tracker.open(TASK, "k")
    path = Path(ticket.reference)
    before = path.read_bytes()
    command = [sys.executable, "-c", KILLED, str(tmp_path), str(path)]
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT)
    try:
        await asyncio.to_thread(wait_for, "ten reminders", lambda: path.read_bytes().count(b"-->\n") >= 10)
    finally:
        process.kill()
        await process.wait()
    said = path.read_bytes().count(b"-->\n")
    for number in range(said + 1):
        await asyncio.wait_for(as_followed(tracker).remind(ticket, "Late", f"k/{number}"), 20)
    assert path.read_bytes().startswith(before)
    marks = re.findall(r"<!-- firestation:\w+ -->$", path.read_text(), re.MULTILINE)
    assert len(marks) == len(set(marks)) == said + 1


async def test_what_is_no_file_of_ours_is_neither_read_nor_written(tracker: Tracker, tmp_path: Path) -> None:
    ticket = await tracker.open(TASK, "k")
    path, secret = Path(ticket.reference), tmp_path / "secret"
    secret.write_text("State: done")
    path.unlink()
    path.symlink_to(secret)
    followed = as_followed(tracker)
    for each in (followed.look(ticket), followed.remind(ticket, "Late", "k/1")):
        with pytest.raises(Denied, match="no plain file"):
            await each
    assert secret.read_text() == "State: done"
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(Denied, match="no plain file"):
        await asyncio.wait_for(followed.look(ticket), 20)
    path.unlink()
    path.mkdir()
    with pytest.raises(DriverError):
        await followed.look(ticket)
    for reference in ("../secret", "secret", "tasks/..", "a.md", "x-000000000000.md/.."):
        with pytest.raises(Nonsense, match="no file of a task"):
            await followed.look(ticket.changed(reference=reference))


async def test_the_folder_may_move_and_too_big_a_file_is_named(bench: Drivers, tmp_path: Path) -> None:
    tracker = make_tracker(bench, "file", folder="tasks")
    ticket = await tracker.open(TASK, "k")
    (tmp_path / "tasks").rename(tmp_path / "moved")
    moved = as_followed(make_tracker(bench, "file", folder="moved"))
    assert (await moved.look(ticket)).state == "open"
    with pytest.raises(Gone):
        await as_followed(tracker).remind(ticket, "Late", "k/1")
    with (tmp_path / "moved" / Path(ticket.reference).name).open("ab") as file:
        file.truncate(17 * 2**20)
    with pytest.raises(Nonsense, match="a task is short"):
        await moved.look(ticket)
