"""What people wrote is kept when it is drafted again: the three-way merge, and the versions on the shelf."""

import asyncio
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firestation.errors import InvalidInput, Nonsense, Unreachable
from firestation.postmortem.documents import LARGEST, Documents, Stale, Version, checked
from firestation.postmortem.merge import merge
from firestation.testing import MemoryShelf
from tests.property.postmortems import document, told
from tests.property.worlds import World

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
INCIDENT, RUN = "refund-agent-1a2b3c4d", "run-1"
LINES = st.lists(st.sampled_from(["", "- a", "- b", "| c |", "d", "## e", "f f"]), max_size=12)


@st.composite
def edited(draw: st.DrawFn, base: list[str]) -> list[str]:
    """Some lines changed, some taken out, some added."""
    made: list[str] = []
    for line in base:
        match draw(st.integers(0, 5)):
            case 0:
                made.append(f"{line} {draw(st.sampled_from('xyz'))}")
            case 1:
                pass
            case 2:
                made += [line, f"- new {draw(st.sampled_from('xyz'))}"]
            case _:
                made.append(line)
    return made


@st.composite
def three(draw: st.DrawFn) -> tuple[str, str, str]:
    base = draw(LINES)
    return "\n".join(base), "\n".join(draw(edited(base))), "\n".join(draw(edited(base)))


@settings(max_examples=400)
@given(three())
def test_no_line_that_either_side_added_or_changed_is_lost(texts: tuple[str, str, str]) -> None:
    base, people, engine = texts
    made = Counter(merge(base, people, engine).text.split("\n"))
    for side in (people, engine):
        assert not (Counter(side.split("\n")) - Counter(base.split("\n"))) - made


@given(three())
def test_where_only_one_side_wrote_that_is_what_it_is(texts: tuple[str, str, str]) -> None:
    base, people, engine = texts
    assert merge(base, people, base).text == people
    assert merge(base, base, engine).text == engine
    assert merge(base, people, people).text == people
    assert not merge(base, people, people).conflicts


def test_both_versions_of_a_passage_are_kept_in_the_form_of_what_they_stand_in() -> None:
    table = merge("| a | 1 |\n| b | 2 |\n", "| a | 1 people |\n| b | 2 |\n", "| a | 1 engine |\n| b | 2 |\n")
    first, mark, second, rest, _ = table.text.split("\n")
    assert (first, second, rest) == ("| a | 1 people |", "| a | 1 engine |", "| b | 2 |")
    assert mark.startswith("| **Two versions: 1 line above by people; 1 line below from the record.")
    assert mark.endswith(" |")
    listed = merge("- a\n- b\n", "- a by hand\n- b\n", "- a anew\n- b\n")
    assert listed.text.split("\n")[1].startswith("- **Two versions")
    out = merge("a\nb\n", "b\n", "a anew\nb\n")
    assert out.conflicts == 1
    assert "taken out by people; 1 line below from the record" in out.text
    gone = merge("a\nb\n", "a by hand\nb\n", "b\n")
    assert "1 line above by people; not there any more from the record" in gone.text


def test_a_document_drafted_again_keeps_the_answers_that_people_gave() -> None:
    before = document(World())
    after = document(told())
    answer = "| why no review or eval held it | the eval had no stale policy in it | [record](#events) |"
    mine = before.replace(
        "| why no review or eval held it | nobody has said yet | [record](#events) |", answer
    )
    mine = mine.replace("## Summary\n", "## Summary\n\nA stale policy ruled for an hour.\n")
    assert answer in mine
    made = merge(before, mine, after)
    assert answer in made.text
    assert "A stale policy ruled for an hour." in made.text
    assert (
        not set(after.split("\n"))
        - set(made.text.split("\n"))
        - {"| why no review or eval held it | nobody has said yet | [record](#events) |"}
    )


# The versions --------------------------------------------------------------------------------------------------


@pytest.fixture
def shelf() -> MemoryShelf:
    return MemoryShelf()


@pytest.fixture
def documents(shelf: MemoryShelf) -> Documents:
    return Documents(shelf, "demo")


async def edit(documents: Documents, text: str, by: str = "ana") -> Version:
    latest = await documents.latest(INCIDENT, RUN)
    assert latest
    return await documents.edit(latest, latest.tag, text, by, NOW)


async def test_drafts_and_edits_follow_each_other(documents: Documents, shelf: MemoryShelf) -> None:
    first = await documents.redraft(INCIDENT, RUN, "a\nb\nc\n", NOW)
    assert (first.number, first.kind, first.base, first.draft) == (1, "draft", 0, 1)
    assert await documents.redraft(INCIDENT, RUN, "a\nb\nc\n", NOW) == first
    second = await edit(documents, "a\nb\nc by hand\n")
    assert (second.number, second.kind, second.by, second.base, second.draft) == (2, "edit", "ana", 1, 1)
    third = await documents.redraft(INCIDENT, RUN, "a anew\nb\nc\n", NOW)
    assert (third.text, third.words, third.draft) == ("a anew\nb\nc by hand\n", "a anew\nb\nc\n", 3)
    assert await documents.redraft(INCIDENT, RUN, "a anew\nb\nc\n", NOW) == third
    fourth = await edit(documents, "a anew\nb by cara\nc by hand\n", "cara")
    fifth = await documents.redraft(INCIDENT, RUN, "a anew\nb\nc\nd\n", NOW)
    assert fifth.text == "a anew\nb by cara\nc by hand\nd\n"
    assert (fourth.number, fifth.number, fifth.conflicts) == (4, 5, 0)
    assert list(shelf.kept) == [f"postmortems/{INCIDENT}/{RUN}/{n:06}.json" for n in range(1, 6)]
    assert await documents.version(INCIDENT, RUN, 2) == second


async def test_an_edit_of_what_is_not_the_latest_any_more_is_told(documents: Documents) -> None:
    first = await documents.redraft(INCIDENT, RUN, "a\n", NOW)
    newer = await edit(documents, "a by ben\n", "ben")
    for latest in (first, newer):
        with pytest.raises(Stale, match="version 2 is newer, by ben"):
            await documents.edit(latest, first.tag, "a by ana\n", "ana", NOW)
    assert await documents.latest(INCIDENT, RUN) == newer


async def test_many_at_once_lose_nothing(documents: Documents) -> None:
    await documents.redraft(INCIDENT, RUN, "head\nb\nc\n", NOW)

    async def person(name: str) -> None:
        while True:
            latest = await documents.latest(INCIDENT, RUN)
            assert latest
            try:
                await documents.edit(latest, latest.tag, f"{latest.text}by {name}\n", name, NOW)
            except Stale:
                continue
            return

    drafts = (documents.redraft(INCIDENT, RUN, f"head {n}\nb\nc\n", NOW) for n in range(3))
    await asyncio.gather(*drafts, *(person(f"p{n}") for n in range(6)))
    latest = await documents.latest(INCIDENT, RUN)
    assert latest
    assert {f"by p{n}" for n in range(6)} <= set(latest.text.split("\n"))


async def test_another_stations_documents_are_nobodys(shelf: MemoryShelf, documents: Documents) -> None:
    await documents.redraft(INCIDENT, RUN, "a\n", NOW)
    other = Documents(shelf, "elsewhere")
    assert await other.latest(INCIDENT, RUN) is None
    assert await other.version(INCIDENT, RUN, 1) is None


async def test_the_newest_fire_of_an_incident_is_found(shelf: MemoryShelf, documents: Documents) -> None:
    times = iter(NOW.replace(minute=minute) for minute in range(10))
    shelf.clock = lambda: next(times)
    assert await documents.newest(INCIDENT) is None
    for run in ("run-b", "run-a"):
        await documents.redraft(INCIDENT, run, f"{run}\n", NOW)
    await documents.redraft(INCIDENT, "run-b", "more\n", NOW)
    assert await documents.newest(INCIDENT) == "run-a"


async def test_a_shelf_that_lost_the_answer_is_asked_again(shelf: MemoryShelf, documents: Documents) -> None:
    shelf.faults.errors.append(Unreachable("the answer was lost"))
    shelf.faults.after_effect = True
    with pytest.raises(Unreachable):
        await documents.redraft(INCIDENT, RUN, "a\n", NOW)
    assert (await documents.redraft(INCIDENT, RUN, "a\n", NOW)).number == 1
    assert len(shelf.kept) == 1


async def test_what_is_no_version_is_said_so(shelf: MemoryShelf, documents: Documents) -> None:
    await shelf.create(f"postmortems/{INCIDENT}/{RUN}/000001.json", b"{nonsense")
    with pytest.raises(Nonsense, match=r"000001\.json on the shelf is no version"):
        await documents.latest(INCIDENT, RUN)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("  \n", "it is empty"),
        ("a\nbearer abcdefghijklmnopqrstuvwxyz0123\n", "line 2 holds something in the form of a credential"),
        ("a\n\u202eb\n", "line 2 holds a control character"),
        ("\x1b[2J", "line 1 holds a control character"),
        ("x" * (LARGEST + 1), "it is too long"),
        ("x\n" * 50_000, "it is too long"),
    ],
)
def test_what_must_not_be_kept_names_the_field_and_the_line(text: str, says: str) -> None:
    with pytest.raises(InvalidInput, match=says) as error:
        checked(text)
    assert error.value.field == "text"


def test_lines_end_as_lines_do() -> None:
    assert checked("a\r\n\tb\rc\n\n") == "a\n\tb\nc\n"


# Kill -9 between any two lines -----------------------------------------------------------------------------------

KILLED = '''
import asyncio, os, signal, sys, threading
from datetime import UTC, datetime
from pathlib import Path
from firestation.files import create_private
from firestation.postmortem.documents import Documents

OURS = ("documents.py", "merge.py", "files.py")
NOW = datetime(2026, 11, 26, tzinfo=UTC)

class Folder:
    """A shelf in a folder: created as the real one creates, read with nothing that a fork would break."""
    def __init__(self, folder): self.folder = folder
    async def create(self, name, content): return create_private(self.folder / name, content)
    async def get(self, name):
        path = self.folder / name
        return path.read_bytes() if path.exists() else None
    async def names(self, folder):
        found = sorted(p for p in (self.folder / folder).rglob("*") if p.is_file() and p.name[0] != ".")
        return {str(p.relative_to(self.folder)): datetime.fromtimestamp(p.stat().st_mtime, UTC) for p in found}

def life(folder, line=None):
    """Draft again; die before this line of ours, if any."""
    left = [line or 0]
    def trace(frame, event, arg):
        if not frame.f_code.co_filename.endswith(OURS): return None
        if event == "line":
            left[0] -= 1
            if left[0] == 0: os.kill(os.getpid(), signal.SIGKILL)
        return trace
    if line:
        sys.settrace(trace); threading.settrace(trace)
    asyncio.run(Documents(Folder(folder), "demo").redraft("i", "r", "a anew\\nb\\nc\\n", NOW))

def child(work):
    pid = os.fork()
    if not pid:
        work(); os._exit(0)
    return os.waitpid(pid, 0)[1]

async def begin(documents):
    first = await documents.redraft("i", "r", "a\\nb\\nc\\n", NOW)
    await documents.edit(first, first.tag, "a\\nb\\nc by hand\\n", "ana", NOW)

line, died = 0, 0
while True:
    line += 1
    folder = Path(sys.argv[1]) / str(line)
    folder.mkdir()
    documents = Documents(Folder(folder), "demo")
    asyncio.run(begin(documents))
    status = child(lambda: life(folder, line))
    before = asyncio.run(documents.latest("i", "r"))
    assert "c by hand" in before.text, (line, before)
    assert child(lambda: life(folder)) == 0
    latest = asyncio.run(documents.latest("i", "r"))
    assert (latest.number, latest.text) == (3, "a anew\\nb\\nc by hand\\n"), (line, latest)
    if not status: break
    assert os.WTERMSIG(status) == signal.SIGKILL
    died += 1
print(died)
'''


@pytest.mark.kill
def test_a_kill_between_any_two_lines_loses_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", KILLED, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 60
