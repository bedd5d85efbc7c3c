"""SSH public keys as ssh-keygen makes them, with their times; what is no public key is refused and not quoted."""

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from firestation.errors import InvalidInput
from firestation.sshkeys import FIELDS, PublicKey, parse_file, parse_line
from tests.e2e.processes import needs

KINDS = [("ed25519", "256"), ("rsa", "2048"), ("ecdsa", "256"), ("ecdsa", "384"), ("ecdsa", "521")]
LINE = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 43
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def made(folder: Path, kind: str = "ed25519", bits: str = "256") -> Path:
    """A new pair of keys; the public half is beside it."""
    program, path = needs("ssh-keygen", "openssh-client"), folder / f"{kind}-{bits}"
    command = [program, "-q", "-t", kind, "-b", bits, "-N", "", "-C", "ana@laptop", "-f", str(path)]
    subprocess.run(command, check=True)
    return path


@pytest.mark.parametrize(("kind", "bits"), KINDS)
def test_a_key_of_ssh_keygen_has_the_fingerprint_that_it_says(tmp_path: Path, kind: str, bits: str) -> None:
    path = made(tmp_path, kind, bits).with_suffix(".pub")
    command = [needs("ssh-keygen", "openssh-client"), "-l", "-f", str(path)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    key = parse_line(path.read_text().strip())
    assert key.fingerprint == said.split()[1]
    assert key.type in FIELDS


def test_a_private_key_is_refused_and_not_quoted(tmp_path: Path) -> None:
    text = made(tmp_path).read_text()
    ((line, problem),) = parse_file(text)
    assert line == 1
    assert isinstance(problem, InvalidInput)
    assert "this is a private key" in problem.problem
    assert not any(word in str(problem) for word in text.split() if len(word) > 20)


def test_options_principals_and_times() -> None:
    plain = parse_line(f"{LINE} ana@laptop")
    assert (plain.principals, plain.valid_after, plain.valid_before) == ((), None, None)
    assert plain.of("anyone")
    times = 'namespaces="a,b",valid-after="20260101Z",valid-before="202612311230Z"'
    key = parse_line(f"ana,*@example.org,!ben@example.org {times} {LINE}")
    assert key.valid_after == datetime(2026, 1, 1, tzinfo=UTC)
    assert key.valid_before == datetime(2026, 12, 31, 12, 30, tzinfo=UTC)
    assert key.of("ana")
    assert key.of("cara@example.org")
    assert not key.of("ben@example.org")
    assert not key.of("ben")
    assert key.valid(NOW)
    assert not key.valid(datetime(2026, 12, 31, 12, 30, tzinfo=UTC))
    assert not key.valid(datetime(2026, 1, 1, tzinfo=UTC) - timedelta(seconds=1))
    kept = parse_line(f'no-pty,expiry-time="20270101Z" {LINE}')
    assert (kept.principals, kept.valid_before) == ((), datetime(2027, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("ssh-dss AAAA", "no SSH public key"),
        ("ssh-ed25519", "no SSH public key"),
        ("", "no SSH public key"),
        (LINE[:-4], "damaged"),
        (LINE + "AAAA", "damaged"),
        ("ssh-ed25519 not*base64", "damaged"),
        (LINE.replace("ssh-ed25519", "ssh-rsa"), "no ssh-rsa key"),
        (f'valid-before="20261231" {LINE}', "no fixed zone"),
        (f'valid-before="20261331Z" {LINE}', "does not exist"),
        (f"ana cert-authority restrict {LINE}", "no SSH public key"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", "private key"),
    ],
)
def test_what_is_no_public_key_is_refused(line: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_line(line)


def test_a_weak_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="fewer than 2048 bits"):
        parse_line(made(tmp_path, "rsa", "1024").with_suffix(".pub").read_text())


def test_a_file_is_read_line_by_line() -> None:
    found = list(parse_file(f"# the team\n\nana {LINE}\nnothing\nben {LINE} two\n"))
    assert [line for line, _ in found] == [3, 4, 5]
    assert [isinstance(each, PublicKey) for _, each in found] == [True, False, True]
