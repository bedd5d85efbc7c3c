"""The git source on real repositories."""

import json
import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from firestation.drivers import Drivers
from firestation.errors import DriverError, Gone, InvalidInput, Nonsense
from firestation.evidence import Scope
from firestation.ports import Artifact, Source
from firestation.system import SourceFitting
from firestation.testing import SourceConformance
from tests.e2e.processes import needs

pytestmark = pytest.mark.driver
NOW = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
SCOPE = Scope(incident="agent-1", request_ids=(), since=NOW, until=NOW)


class Repository:
    """A repository of prompts, made by git itself."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.git("init", "--quiet", "--initial-branch", "main")

    def git(self, *words: str) -> str:
        who = {
            f"GIT_{role}_{what}": f"{what}@example.org"
            for role in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        }
        surroundings = {"PATH": os.environ["PATH"], "HOME": str(self.folder), **who}
        command = [needs("git", "git"), "-C", str(self.folder), *words]
        return subprocess.run(
            command, env=surroundings, check=True, capture_output=True, text=True
        ).stdout.strip()

    def commit(self, subject: str, **files: str) -> str:
        for name, content in files.items():
            path = self.folder / name.replace("__", "/")
            path.parent.mkdir(exist_ok=True)
            path.write_text(content)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", subject)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "prompts")
    made.commit("the reviewed prompt", prompts__refund="Rule by the policy in force.\n", README="x\n")
    made.git("tag", "last-good")
    made.commit("friendlier", prompts__refund="Be friendly. Rule by any policy.\n")
    return made


def make(bench: Drivers, **config: Any) -> Source:
    given = {"repository": "prompts", "last_good": "last-good", "paths": ["prompts"], **config}
    return bench.source(
        SourceFitting(id="prompts", title="P", driver="git", provides=("prompts",), config=given)
    )


async def gather(source: Source) -> dict[str, Artifact]:
    return {artifact.name: artifact async for artifact in source.collect(SCOPE)}


@pytest.mark.asyncio
class TestGitSource(SourceConformance):
    @pytest.fixture
    def source(self, bench: Drivers, repository: Repository) -> Source:
        assert repository.folder.exists()
        return make(bench)

    @pytest.fixture
    def absent(self, bench: Drivers) -> Source:
        return make(bench, repository="no-prompts")

    @pytest.fixture
    def scope(self) -> Scope:
        return SCOPE


async def test_it_freezes_the_revision_its_files_and_what_changed(
    bench: Drivers, repository: Repository
) -> None:
    found = await gather(make(bench))
    assert set(found) == {"revision", "difference to last-good", "file prompts/refund"}
    assert found["file prompts/refund"].content == b"Be friendly. Rule by any policy.\n"
    diff = found["difference to last-good"].content
    assert isinstance(diff, bytes)
    assert b"-Rule by the policy in force.\n+Be friendly. Rule by any policy.\n" in diff
    revision = json.loads(found["revision"].content)  # type: ignore[arg-type]
    assert revision["commit"] == repository.git("rev-parse", "HEAD")
    assert revision["last_good"] == repository.git("rev-parse", "last-good")
    assert [each["subject"] for each in revision["commits"]] == ["friendlier"]
    assert revision["uncommitted"] == []


async def test_what_is_not_committed_is_told(bench: Drivers, repository: Repository) -> None:
    (repository.folder / "prompts" / "refund").write_text("by hand, at night\n")
    found = await gather(make(bench))
    assert json.loads(found["revision"].content)["uncommitted"] == [" M prompts/refund"]  # type: ignore[arg-type]
    assert found["file prompts/refund"].content == b"Be friendly. Rule by any policy.\n"


async def test_programs_that_a_repository_names_are_not_run(bench: Drivers, repository: Repository) -> None:
    trap = repository.folder.parent / "sprung"
    (repository.folder / ".gitattributes").write_text("* diff=evil\n")
    for key in ("diff.evil.textconv", "diff.evil.command", "diff.external", "core.fsmonitor", "core.pager"):
        repository.git("config", key, f"touch {trap};")
    await gather(make(bench))
    assert not trap.exists()


@pytest.mark.parametrize(
    ("config", "error", "said"),
    [
        ({"repository": "nowhere"}, Gone, "no git repository"),
        ({"ref": "no-such-branch"}, Gone, "no revision no-such-branch"),
        ({"last_good": "never"}, Gone, "no revision never"),
        ({"paths": ["no/such"]}, Gone, "has none of no/such"),
        ({"max_bytes": 10}, Nonsense, "more than 10 bytes"),
    ],
)
async def test_what_cannot_be_had_says_why(
    bench: Drivers, repository: Repository, config: dict[str, Any], error: type[DriverError], said: str
) -> None:
    assert repository.folder.exists()
    with pytest.raises(error, match=said):
        await gather(make(bench, **config))


async def test_a_ref_is_never_an_option(bench: Drivers, repository: Repository) -> None:
    assert repository.folder.exists()
    for ref in ("--output=/tmp/x", "-x", "a b", "$(x)"):
        with pytest.raises(InvalidInput, match="ref"):
            make(bench, ref=ref)
