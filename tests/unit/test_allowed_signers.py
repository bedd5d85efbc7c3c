"""The allowed_signers file: read as ssh-keygen reads it, and refused where it could mean more than one thing."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firestation.allowed_signers import (
    AllowedSigner,
    read_allowed_signers,
    read_key_file,
    read_own_key,
    write_allowed_signers,
)
from firestation.errors import InvalidInput
from tests.unit.ssh import keygen, make_key, public, security_keys

KEY = next(iter(security_keys().values())).public.line


def test_its_lines_are_read() -> None:
    text = f'# who\n\n  ana,ben  {KEY} a comment\r\n"ana" namespaces="a b,c",valid-before="20270101Z" {KEY}\n'
    first, second = read_allowed_signers(text)
    assert (first.principals, first.key, first.namespaces) == (("ana", "ben"), KEY, None)
    assert (second.principals, second.namespaces, second.valid_after) == (("ana",), ("a b", "c"), None)
    assert second.valid_before is not None
    assert second.valid_before.isoformat() == "2027-01-01T00:00:00+00:00"
    assert type(first).model_validate_json(second.canonical()) == second


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("ana", "no key on this line"),
        ("ana valid-before=20270101Z", "no key after its options"),
        (f"ana valid-before=20270101Z {KEY}", "options cannot be read"),
        (f'ana namespaces="a {KEY}', "no key after its options|options cannot be read"),
        (f"* {KEY}", "not plain names"),
        (f"ana,!ben {KEY}", "not plain names"),
        (f"ana, {KEY}", "not plain names"),
        (f"ana cert-authority {KEY}", "certificate authorities are not accepted"),
        (f'ana CERT-AUTHORITY,namespaces="a" {KEY}', "certificate authorities are not accepted"),
        (f"ana no-touch-required {KEY}", "option no-touch-required is unknown"),
        (f'ana namespaces="" {KEY}', "option namespaces is empty or there twice"),
        (f'ana namespaces="a",namespaces="b" {KEY}', "option namespaces is empty or there twice"),
        (f'ana valid-after="20270101" {KEY}', "not a time in UTC"),
        (f'ana valid-after="20271301Z" {KEY}', "no such time"),
        (f'ana valid-after="20270102Z",valid-before="20270101Z" {KEY}', "ends before it begins"),
        ("ana ssh-ed25519 AAAA*", "not base64"),
        ("ana ssh-ed25519", "there is no public key"),
        ("ana ssh-ed25519 AAAAC3NzaC1lZDI1NTE5", "no key of the type ssh-ed25519"),
        ("ana ssh-ed25519 AAAA", "cut off"),
        (f"ana ssh-rsa {KEY.split()[1]}", "it says 'ssh-rsa' and holds"),
        ("ana ssh-ed448 AAAACXNzaC1lZDQ0OA==", "type 'ssh-ed448' is not accepted"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(line: str, says: str) -> None:
    with pytest.raises(InvalidInput, match=says) as caught:
        read_allowed_signers(f"# comment\n{line}\n")
    assert caught.value.field == "allowed_signers:2"


def test_a_huge_file_is_not_read() -> None:
    with pytest.raises(InvalidInput, match="longer than 1000000"):
        read_allowed_signers("#" * 1_000_001)


@given(
    st.text() | st.text().map(lambda text: f"ana {text} {KEY}") | st.text().map(lambda text: f"{text} {KEY}")
)
def test_anything_is_read_or_refused(text: str) -> None:
    try:
        lines = read_allowed_signers(text)
    except InvalidInput as error:
        assert error.field.startswith("allowed_signers:")  # noqa: PT017 - either is right
    else:
        assert all(line.key == KEY for line in lines)


@pytest.mark.parametrize("kind", ["ed25519", "rsa-2048", "ecdsa-256", "ecdsa-384", "ecdsa-521"])
def test_a_key_of_ssh_keygen_has_the_fingerprint_that_it_says(tmp_path: Path, kind: str) -> None:
    path = make_key(tmp_path, kind)
    said = keygen("-l", "-f", path).stdout.decode()
    assert read_own_key(public(path), "ana").fingerprint == said.split()[1]


def test_a_private_key_is_refused_and_not_quoted(tmp_path: Path) -> None:
    text = make_key(tmp_path, "ed25519").read_text()
    (problem,) = read_key_file(text, "ana")
    assert isinstance(problem, InvalidInput)
    assert (problem.field, problem.problem) == ("line 1", "this is a private key")
    assert not any(word in str(problem) for word in text.split() if len(word) > 20)
    with pytest.raises(InvalidInput, match="private key"):
        read_own_key(text, "ana")


def test_a_file_of_either_form_gives_a_persons_keys() -> None:
    text = f"""# the team
{KEY} ana@laptop
no-pty,command="x y",expiry-time="20270101Z" {KEY}
ana,ben {KEY}
ana@example.org namespaces="git" {KEY}
ben {KEY}
nothing
"""
    found = list(read_key_file(text, "ana", "ana@example.org"))
    signers = [each for each in found if isinstance(each, AllowedSigner)]
    assert [each.principals for each in signers] == [("ana",)] * 4
    assert [each.valid_before is not None for each in signers] == [False, True, False, False]
    assert [each.covers("firestation-decision") for each in signers] == [True, True, True, False]
    assert [each.field for each in found if isinstance(each, InvalidInput)] == ["line 7"]


def test_what_asks_for_a_pin_goes_on_asking_for_it() -> None:
    own, other = read_own_key(f"verify-required,no-pty {KEY}", "ana"), read_own_key(KEY, "ana")
    (filed,) = read_key_file(f"no-pty,verify-required {KEY}\n", "ana")
    assert filed == own
    assert (own.verify_required, other.verify_required) == (True, False)
    assert own.canonical() != other.canonical()
    assert b"verify" not in other.canonical()  # what was digested before has the same digest
    written = write_allowed_signers([own, other])
    assert written.count("# verify-required") == 1
    assert [each.key for each in read_allowed_signers(written)] == [own.key, other.key]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (f"ana {KEY}", "a principal stands before the key"),
        (f"{KEY}\n{KEY}", "more than one line"),
        (f"cert-authority {KEY}", "certificate authorities"),
        (f'valid-before="20261231" {KEY}', "not a time in UTC"),
        (f'expiry-time="20271231Z",valid-before="20271231Z" {KEY}', "is empty or there twice"),
        ("", "no key on this line"),
    ],
)
def test_a_key_of_ones_own_is_one_line_without_a_name(line: str, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        read_own_key(line, "ana")


MOMENTS = st.none() | st.integers(0, 200 * 365 * 86400).map(
    lambda seconds: datetime(2000, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
)


@given(
    after=MOMENTS,
    before=MOMENTS,
    names=st.lists(st.sampled_from(["ana", "ben", "ana@example.org"]), min_size=1, unique=True),
    spaces=st.none() | st.just(("firestation-decision",)) | st.just(("git", "!x y")),
)
def test_what_is_written_is_read_again(
    after: datetime | None, before: datetime | None, names: list[str], spaces: tuple[str, ...] | None
) -> None:
    after, before = (None, before) if after and before and after >= before else (after, before)
    signer = AllowedSigner(
        principals=tuple(names), key=KEY, namespaces=spaces, valid_after=after, valid_before=before
    )
    assert read_allowed_signers(write_allowed_signers([signer])) == (signer,)
