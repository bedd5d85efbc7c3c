"""The allowed_signers file: read as ssh-keygen reads it, and refused where it could mean more than one thing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firestation.allowed_signers import read_allowed_signers
from firestation.errors import InvalidInput
from tests.unit.ssh import security_keys

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
