"""References to credentials."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from firestation.errors import NotConfigured
from firestation.secrets import LARGEST_BYTES, ReferenceSecrets, link_key, local_secret
from firestation.settings import Settings


@pytest.fixture
def resolver(tmp_path: Path) -> ReferenceSecrets:
    return ReferenceSecrets(tmp_path)


def test_it_reads_at_call_time(resolver: ReferenceSecrets, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_TOKEN", "first")
    assert resolver.resolve("env:AGENT_TOKEN") == "first"
    monkeypatch.setenv("AGENT_TOKEN", "second")
    assert resolver.resolve("env:AGENT_TOKEN") == "second"


def test_files_are_relative_to_the_base_or_absolute(resolver: ReferenceSecrets, tmp_path: Path) -> None:
    path = tmp_path / "tokens" / "ana"
    path.parent.mkdir()
    path.write_text(" s3cret with space \r\n")
    assert resolver.resolve("file:tokens/ana") == " s3cret with space "
    assert resolver.resolve(f"file:{path}") == " s3cret with space "


def test_what_is_missing_names_the_reference_and_the_fix(
    resolver: ReferenceSecrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NOT_THERE", raising=False)
    with pytest.raises(NotConfigured, match="env:NOT_THERE is not set; export NOT_THERE"):
        resolver.resolve("env:NOT_THERE")
    with pytest.raises(NotConfigured, match=r"file:no/such cannot be read .* create the file"):
        resolver.resolve("file:no/such")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"two\nlines\n", "more than one line"),
        (b"bell\x07", "control character"),
        (b"\xff\xfe", "not UTF-8"),
        (b"x" * (LARGEST_BYTES + 1), "longer than"),
    ],
)
def test_what_cannot_be_a_secret_is_refused(
    resolver: ReferenceSecrets, tmp_path: Path, content: bytes, said: str
) -> None:
    (tmp_path / "token").write_bytes(content)
    with pytest.raises(NotConfigured, match=said) as caught:
        resolver.resolve("file:token")
    assert "lines" not in str(caught.value).replace("more than one line", "")


@pytest.mark.parametrize("reference", ["hunter2", "env:", "file:", "vault:x", ""])
def test_a_secret_written_as_its_own_reference_is_not_repeated(
    resolver: ReferenceSecrets, reference: str
) -> None:
    with pytest.raises(NotConfigured, match="write it like env:AGENT_TOKEN") as caught:
        resolver.resolve(reference)
    assert "hunter2" not in str(caught.value)


def test_a_local_secret_is_made_once_and_for_us_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "links"
    with ThreadPoolExecutor(8) as several:
        made = set(several.map(local_secret, [path] * 8))
    assert len(made) == 1
    assert len(made.pop()) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_worker_and_gateway_have_one_key_of_links(
    resolver: ReferenceSecrets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = Settings(state=tmp_path / "a")
    assert link_key(ours, resolver) == link_key(ours, resolver)
    assert link_key(ours, resolver) != link_key(Settings(state=tmp_path / "b"), resolver)
    monkeypatch.setenv("LINKS", "k" * 32)
    apart = [Settings(state=tmp_path / name, link_key="env:LINKS") for name in ("c", "d")]
    assert {link_key(each, resolver) for each in apart} == {b"k" * 32}
    monkeypatch.setenv("LINKS", "secret-part")
    with pytest.raises(NotConfigured, match="env:LINKS is shorter than 32") as caught:
        link_key(apart[0], resolver)
    assert "secret-part" not in str(caught.value)
