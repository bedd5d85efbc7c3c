"""The git lever on real repositories: what it commits, what git refuses, and how it fails."""

import asyncio
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import JsonValue

from activities.levers import moved
from firestation.drivers import Drivers
from firestation.errors import Denied, Drifted, DriverError, Gone, InvalidInput, Unreachable
from firestation.ports import Lever
from firestation.system import Position
from firestation.testing import LeverConformance
from tests.drivers.levers.faults import carried_out, order, times
from tests.drivers.levers.git_server import PAIR, PASSWORD, serving
from tests.drivers.levers.hands import by_hand
from tests.drivers.levers.making import HASTY, PATIENT, make_lever
from tests.e2e.processes import needs, wait_for

pytestmark = pytest.mark.driver

RULE, KIND = "Rule by the policy in force.\n", "Be friendly.\n"
SETTINGS = "model: gpt-large  # the big one\nlimit: 100\n"


class Repository:
    """A bare repository, which its owner changes by git itself."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self.git("init", "--quiet", "--bare", "--initial-branch", "main")
        self.change(
            "the first", **{"prompts/refund": RULE, "settings.yaml": SETTINGS, "s.json": '{"a": [1]}'}
        )

    def git(self, *words: str, given: str = "", **more: str) -> str:
        who = {
            f"GIT_{role}_{what}": "ana@example.org"
            for role in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        }
        surroundings = {"PATH": os.environ["PATH"], "HOME": str(self.folder), **who, **more}
        command = [needs("git", "git"), "-C", str(self.folder), *words]
        done = subprocess.run(
            command, env=surroundings, input=given, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def change(self, subject: str, **files: str) -> str:
        """A commit of somebody else's on top of the branch."""
        index = {"GIT_INDEX_FILE": str(self.folder / "index-of-the-test")}
        there = self.git("for-each-ref", "--format=%(objectname)", "refs/heads/main")
        self.git("read-tree", there or "--empty", **index)
        for name, content in files.items():
            blob = self.git("hash-object", "-w", "--stdin", given=content)
            self.git("update-index", "--add", "--cacheinfo", f"100644,{blob},{name}", **index)
        tree = self.git("write-tree", **index)
        made = self.git("commit-tree", tree, *(("-p", there) if there else ()), "-m", subject)
        self.git("update-ref", "refs/heads/main", made)
        return made

    def has(self, name: str) -> str:
        return self.git("show", f"main:{name}")

    def ours(self) -> int:
        """How many commits of the branch Firestation has made."""
        return len(self.git("log", "--author=Firestation", "--format=%H", "main").splitlines())

    def hook(self, name: str, script: str) -> None:
        path = self.folder / "hooks" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)


@pytest.fixture
def origin(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "served" / "prompts.git")


@pytest.fixture
def clone(origin: Repository, tmp_path: Path) -> Path:
    path = tmp_path / "clone"
    origin.git("clone", "--quiet", str(origin.folder), str(path))
    return path


def make(bench: Drivers, **config: Any) -> Lever:
    given: dict[str, Any] = {"repository": "served/prompts.git", "branch": "main", **PATIENT}
    return make_lever(bench, "git", **{**given, "at": {"file": "prompts/refund"}, **config})


def in_remote(bench: Drivers, origin: Repository, **config: Any) -> Lever:
    return make(bench, **{"repository": "clone", "remote": str(origin.folder), **config})


class TestFile(LeverConformance):
    @pytest.fixture
    def lever(self, bench: Drivers, origin: Repository) -> Lever:
        assert origin.has("prompts/refund")
        return make(bench)

    @pytest.fixture
    def elsewhere(self) -> JsonValue:
        return KIND

    @pytest.fixture
    def meddle(self, origin: Repository) -> Callable[[JsonValue], Any]:
        return lambda to: origin.change("somebody else", **{"prompts/refund": str(to)})

    @pytest.fixture
    def writes(self, origin: Repository) -> Callable[[], int]:
        return origin.ours


class TestRemote(TestFile):
    @pytest.fixture
    def lever(self, bench: Drivers, origin: Repository, clone: Path) -> Lever:
        assert clone.exists()
        return in_remote(bench, origin, remote="origin")


class TestBranch(TestFile):
    @pytest.fixture
    def lever(self, bench: Drivers, origin: Repository) -> Lever:
        assert origin.folder.exists()
        return make(bench, at=None)

    @pytest.fixture
    def elsewhere(self, origin: Repository) -> JsonValue:
        first = origin.git("rev-parse", "main^{tree}")
        origin.change("friendlier", **{"prompts/refund": KIND})
        return first

    @pytest.fixture
    def meddle(self, origin: Repository) -> Callable[[JsonValue], Any]:
        return lambda _: origin.change("somebody else", **{"prompts/refund": RULE})


@pytest.fixture
def server(tmp_path: Path, origin: Repository, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    origin.git("config", "http.receivepack", "true")
    monkeypatch.setenv("GIT_TOKEN", PASSWORD)
    with serving(tmp_path / "served") as url:
        yield f"{url}/prompts.git"


async def test_a_remote_over_http_is_moved_with_a_password_that_nobody_sees(
    bench: Drivers, origin: Repository, clone: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert clone.exists()
    lever = in_remote(bench, origin, remote=server, token="env:GIT_TOKEN")
    first = await lever.read()
    shown = await lever.move(Position(value=KIND), first, "i/1/move")
    assert origin.has("prompts/refund") == KIND.strip()
    await lever.move(first, shown, "i/1/lift")
    assert origin.has("prompts/refund") == RULE.strip()
    kept = b"".join(path.read_bytes() for path in clone.rglob("*") if path.is_file())
    assert PASSWORD.encode() not in kept
    assert PAIR.encode() not in kept
    monkeypatch.setenv("GIT_TOKEN", "wrong-password")
    with pytest.raises(Denied) as caught:
        await lever.read()
    assert "wrong-password" not in str(caught.value)
    monkeypatch.delenv("GIT_TOKEN")
    with pytest.raises(Denied, match="env:GIT_TOKEN is not set"):
        await lever.read()


async def test_history_only_grows_and_says_who_and_why(bench: Drivers, origin: Repository) -> None:
    before = origin.git("rev-parse", "main")
    lever = make(bench, at={"file": "settings.yaml", "path": "$.model"})
    first = await lever.read()
    assert (first.value, first.revision) == ("gpt-large", before)
    shown = await lever.move(Position(value="gpt-small"), first, "agent-1/x/move")
    assert origin.has("settings.yaml") == 'model: "gpt-small"  # the big one\nlimit: 100'
    assert origin.git("rev-parse", "main~1") == before
    assert origin.git("log", "-1", "--format=%an%n%B", "main").splitlines() == [
        "Firestation",
        "Firestation moves lever",
        "",
        "Firestation-Key: agent-1/x/move",
    ]
    origin.change("beside it", other="kept\n")
    await lever.move(first, shown, "agent-1/x/lift")
    assert origin.has("other") == "kept"
    assert origin.git("rev-parse", "main~3") == before


async def test_a_file_that_is_not_there_is_made_and_taken_away(bench: Drivers, origin: Repository) -> None:
    tree = origin.git("rev-parse", "main^{tree}")
    lever = make(bench, at={"file": "switches/refunds-off"})
    first = await lever.read()
    assert first.value is None
    shown = await lever.move(Position(value="since 03:00\n"), first, "i/1/move")
    assert origin.has("switches/refunds-off") == "since 03:00"
    await lever.move(first, shown, "i/1/lift")
    assert origin.git("rev-parse", "main^{tree}") == tree


async def test_an_executable_stays_one(bench: Drivers, origin: Repository) -> None:
    origin.git(
        "update-index", "--add", "--cacheinfo", f"100755,{origin.git('rev-parse', 'main:prompts/refund')},run"
    )
    tree = origin.git("write-tree")
    origin.git("update-ref", "refs/heads/main", origin.git("commit-tree", tree, "-p", "main", "-m", "run"))
    lever = make(bench, at={"file": "run"})
    await lever.move(Position(value="new\n"), await lever.read(), "i/1/move")
    assert origin.git("ls-tree", "main", "run").startswith("100755 ")


@pytest.mark.parametrize("place", ["here", "remote"])
async def test_git_itself_compares(
    bench: Drivers, origin: Repository, clone: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """A commit by somebody else between our reading and our write, even one beside it: nothing is overwritten."""
    assert clone.exists()
    lever: Any = make(bench) if place == "here" else in_remote(bench, origin)
    first = await lever.read()
    write = lever.write

    async def late(*what: Any) -> None:
        origin.change("beside it", other="kept\n")
        await write(*what)

    monkeypatch.setattr(lever, "write", late)
    with pytest.raises(Drifted):
        await lever.move(Position(value=KIND), first, "i/1/move")
    assert origin.has("prompts/refund") == RULE.strip()
    assert origin.ours() == 0
    monkeypatch.undo()
    await lever.move(Position(value=KIND), first, "i/1/move")
    assert origin.has("other") == "kept"


async def test_many_at_once_move_it_once(bench: Drivers, origin: Repository) -> None:
    lever = make(bench)
    first = await lever.read()
    moves = [lever.move(Position(value=f"{number}\n"), first, f"i/{number}/move") for number in range(5)]
    results = await asyncio.gather(*moves, return_exceptions=True)
    assert all(isinstance(each, Position | DriverError) for each in results)
    assert sum(isinstance(each, Position) for each in results) == origin.ours() == 1


# ---------------------------------------------------------------------------------------------------- faults

PUT_BACK = "unset GIT_QUARANTINE_PATH; git update-ref refs/heads/main $(git rev-parse main~1)"
HOOKS = [
    ("pre-receive", "exit 1", "uncertain"),
    ("post-receive", PUT_BACK, "uncertain"),
    ("post-receive", f"test -e once || {{ {PUT_BACK}; }}; touch once", "done"),
]


@pytest.mark.parametrize(("hook", "script", "result"), HOOKS)
async def test_a_remote_that_fails_is_never_taken_for_done(
    bench: Drivers, origin: Repository, clone: Path, hook: str, script: str, result: str
) -> None:
    """It refuses, or somebody puts the branch back at once: once, or each time."""
    assert clone.exists()
    lever, hasty = in_remote(bench, origin), in_remote(bench, origin, **times("flap"))
    first, to = await lever.read(), Position(value=KIND)
    origin.hook(hook, script)
    outcome = await carried_out(hasty, order("move", first, to))
    assert outcome.result == result, outcome
    assert (origin.has("prompts/refund") == KIND.strip()) is (result == "done")
    (origin.folder / "hooks" / hook).unlink()
    back = await carried_out(lever, order("lift", first, to))
    assert back.result == "done", back
    assert origin.has("prompts/refund") == RULE.strip()


async def test_a_remote_that_answers_too_late_is_found_moved(
    bench: Drivers, origin: Repository, clone: Path
) -> None:
    """It has taken the push, and does not come to say so."""
    assert clone.exists()
    lever, hasty = in_remote(bench, origin), in_remote(bench, origin, timeout=HASTY["timeout"])
    first, to = await lever.read(), Position(value=KIND)
    origin.hook("post-receive", "sleep 3")
    with pytest.raises(Unreachable, match=r"more than 0\.5 s"):
        await moved(hasty, order("move", first, to), 1)
    assert (await moved(lever, order("move", first, to), 2)).result == "done"
    assert origin.has("prompts/refund") == KIND.strip()
    (origin.folder / "hooks/post-receive").unlink()
    assert (await carried_out(lever, order("lift", first, to))).result == "done"
    assert origin.has("prompts/refund") == RULE.strip()


async def test_a_push_that_is_taken_late_is_seen_in_the_end(
    bench: Drivers, origin: Repository, clone: Path
) -> None:
    """The answer is lost while the server still works on it."""
    assert clone.exists()
    lever, hasty = in_remote(bench, origin), in_remote(bench, origin, timeout=HASTY["timeout"])
    first, to = await lever.read(), Position(value=KIND)
    origin.hook("pre-receive", "test -e once && exit 0; touch once; sleep 2")
    with pytest.raises(Unreachable, match=r"more than 0\.5 s"):
        await hasty.move(to, first, "i/1/move")
    outcome = await carried_out(lever, order("move", first, to))
    assert outcome.result in {"done", "drifted"}
    wait_for("the move", lambda: origin.has("prompts/refund") == KIND.strip())
    assert (await carried_out(lever, order("lift", first, to))).result == "done"
    assert origin.has("prompts/refund") == RULE.strip()


async def test_a_lock_that_a_dead_git_left_is_told_and_taken_up_again(
    bench: Drivers, origin: Repository
) -> None:
    lever = make(bench)
    first, to = await lever.read(), Position(value=KIND)
    lock = origin.folder / "refs/heads/main.lock"
    lock.touch()
    outcome = await carried_out(lever, order("move", first, to))
    assert outcome.result == "uncertain"
    assert "main.lock" in str(outcome.detail)
    lock.unlink()
    assert (await carried_out(lever, order("move", first, to))).result == "done"
    assert (await carried_out(lever, order("lift", first, to))).result == "done"


async def test_a_remote_may_be_gone_and_come_back(bench: Drivers, origin: Repository, clone: Path) -> None:
    assert clone.exists()
    lever = in_remote(bench, origin)
    first, to = await lever.read(), Position(value=KIND)
    away = origin.folder.rename(origin.folder.with_name("away"))
    assert (await carried_out(lever, order("move", first, to))).result == "uncertain"
    away.rename(origin.folder)
    assert (await carried_out(lever, order("move", first, to))).result == "done"
    assert (await carried_out(lever, order("lift", first, to))).result == "done"


# ---------------------------------------------------------------------------------------------------- refused


async def test_a_branch_that_is_checked_out_is_not_moved(bench: Drivers, clone: Path) -> None:
    lever = make(bench, repository="clone")
    with pytest.raises(Denied, match="name a bare repository"):
        await lever.move(Position(value=KIND), await lever.read(), "i/1/move")
    assert (clone / "prompts/refund").read_text() == RULE


async def test_hooks_and_programs_of_the_repository_do_not_run(bench: Drivers, origin: Repository) -> None:
    ran = origin.folder / "ran"
    for name in ("reference-transaction", "pre-commit", "post-commit", "update"):
        origin.hook(name, f"touch {ran}")
    origin.git("config", "core.fsmonitor", f"touch {ran}")
    ran.unlink(missing_ok=True)
    lever = make(bench)
    await lever.move(Position(value=KIND), await lever.read(), "i/1/move")
    assert not ran.exists()


async def test_what_is_not_there_is_named(bench: Drivers, origin: Repository, clone: Path) -> None:
    assert clone.exists()
    for config, said in (
        ({"branch": "no-such"}, "no revision refs/heads/no-such"),
        ({"repository": "nothing"}, "no git repository"),
        ({"repository": "clone", "remote": str(origin.folder), "branch": "no-such"}, "has no branch no-such"),
        ({"at": {"file": "settings.yaml", "path": "$.no"}}, "has no 'no' there"),
        ({"at": {"file": "no.yaml", "path": "$.no"}}, "no file no.yaml"),
    ):
        with pytest.raises(Gone, match=said):
            await make(bench, **config).read()
    for kind, at in (("tree", "prompts"), ("blob of mode 120000", "link")):
        blob = origin.git("hash-object", "-w", "--stdin", given="prompts/refund")
        origin.git("read-tree", "main")
        origin.git("update-index", "--add", "--cacheinfo", f"120000,{blob},link")
        made = origin.git("commit-tree", origin.git("write-tree"), "-p", "main", "-m", "link")
        origin.git("update-ref", "refs/heads/main", made)
        with pytest.raises(Denied, match=kind):
            await make(bench, at={"file": at}).read()


@pytest.mark.parametrize("to", ["main", "--help", "0" * 40, 5, None])
async def test_a_branch_moves_to_a_tree_only(bench: Drivers, origin: Repository, to: JsonValue) -> None:
    lever = make(bench, at=None)
    with pytest.raises(Gone, match="git rev-parse COMMIT"):
        await lever.move(Position(value=to), await lever.read(), "i/1/move")
    assert origin.ours() == 0


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"branch": "--upload-pack=x"}, "with.branch"),
        ({"branch": "a..b"}, "is no branch"),
        ({"remote": "--upload-pack=x"}, "with.remote"),
        ({"remote": "ext::sh -c x"}, "with.remote"),
        ({"remote": "https://me:hush@example.org/r.git"}, "the password as token"),
        ({"token": "env:GIT_TOKEN"}, "Add remote"),
        ({"at": {"file": "../outside"}}, "leaves the folder or"),
        ({"at": {"file": ".git/config"}}, "leaves the folder or"),
    ],
)
def test_a_wrong_configuration_is_refused(bench: Drivers, config: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said.replace(".", r"\.")):
        make(bench, **config)


@pytest.mark.parametrize("place", ["here", "remote"])
async def test_by_hand_does_the_same(bench: Drivers, origin: Repository, clone: Path, place: str) -> None:
    needs("jq", "jq")
    assert clone.exists()
    there = {} if place == "here" else {"repository": "clone", "remote": str(origin.folder)}
    moves: list[tuple[Any, JsonValue]] = [
        ({"file": "prompts/refund"}, "it's new\n"),
        ({"file": "prompts/refund"}, None),
        ({"file": "s.json", "path": "$.a[0]"}, {"b": "it's"}),
        (None, origin.git("rev-parse", "main^{tree}")),
    ]
    for at, to in moves:
        lever = make(bench, **there, at=at)
        by_hand(lever, to)
        assert (await lever.read()).value == to
