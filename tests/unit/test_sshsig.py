"""SSH signatures of decisions: ours are ssh-keygen's and ssh-keygen's are ours; anything else is refused."""

import base64
import subprocess
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firestation.decision import NAMESPACE, Decision, read_decision
from firestation.errors import InvalidInput, NotConfigured
from firestation.ssh_keys import load_private_key
from firestation.ssh_wire import Reader, string
from firestation.sshsig import HASH, _armor, _message, _signed, _unarmor, sign, verify
from tests.docs.documents import ROOT, commands
from tests.e2e.processes import needs
from tests.unit.ssh import (
    AT,
    DECISION,
    KINDS,
    allow,
    allowed,
    keygen,
    keygen_accepts,
    keygen_signs,
    make_key,
    public,
    security_keys,
)

CONTENT = DECISION.canonical()
SECURITY_KEYS = security_keys()


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("keys")
    return {kind: make_key(folder, kind) for kind in KINDS}


@pytest.fixture(scope="module")
def good(keys: dict[str, Path]) -> dict[str, str]:
    return {kind: sign(DECISION, key) for kind, key in keys.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_ssh_keygen_accepts_ours(
    keys: dict[str, Path], good: dict[str, str], tmp_path: Path, kind: str
) -> None:
    lines = allow(public(keys[kind]))
    assert keygen_accepts(tmp_path, good[kind], CONTENT, lines)
    assert not keygen_accepts(tmp_path, good[kind], CONTENT + b" ", lines)
    signer = verify(good[kind], CONTENT, allowed(public(keys[kind])), at=AT)
    shown = keygen("-l", "-f", keys[kind]).stdout.decode()
    assert (signer.person, signer.fingerprint) == ("ana", shown.split()[1])
    assert (signer.touches, signer.verified) == (None, False)


@pytest.mark.parametrize("hash_name", ["sha256", "sha512"])
@pytest.mark.parametrize("kind", KINDS)
def test_ours_accepts_ssh_keygen(keys: dict[str, Path], kind: str, hash_name: str) -> None:
    signature = keygen_signs(keys[kind], CONTENT, "-O", f"hashalg={hash_name}")
    assert verify(signature, CONTENT, allowed(public(keys[kind])), at=AT).person == "ana"


@pytest.mark.parametrize("kind", SECURITY_KEYS)
def test_a_key_that_must_ask_for_a_pin_counts_only_when_it_has(kind: str) -> None:
    key = SECURITY_KEYS[kind]
    asks = allowed(key.public.line)[0].changed(verify_required=True)
    signatures = {flags: _signed(DECISION, key.public, partial(key.sign, flags=flags)) for flags in (1, 5)}
    assert verify(signatures[5], CONTENT, [asks], at=AT).verified
    assert not verify(signatures[1], CONTENT, allowed(key.public.line), at=AT).verified
    for lines in ([asks], [asks, *allowed(key.public.line)]):
        with pytest.raises(InvalidInput, match="no PIN or fingerprint"):
            verify(signatures[1], CONTENT, lines, at=AT)


def test_a_key_in_a_file_can_ask_for_no_pin(keys: dict[str, Path]) -> None:
    signature = keygen_signs(keys["ed25519"], CONTENT)
    asks = allowed(public(keys["ed25519"]))[0].changed(verify_required=True)
    with pytest.raises(InvalidInput, match="no PIN or fingerprint"):
        verify(signature, CONTENT, [asks], at=AT)


@pytest.mark.parametrize("kind", SECURITY_KEYS)
def test_a_security_key_must_be_touched(tmp_path: Path, kind: str) -> None:
    key = SECURITY_KEYS[kind]
    signature = _signed(DECISION, key.public, lambda message: key.sign(message, flags=5, counter=41))
    assert keygen_accepts(tmp_path, signature, CONTENT, allow(key.public.line))
    signer = verify(signature, CONTENT, allowed(key.public.line), at=AT)
    assert (signer.key_type, signer.touches, signer.verified) == (kind, 41, True)
    untouched = _signed(DECISION, key.public, lambda message: key.sign(message, flags=0))
    with pytest.raises(InvalidInput, match="was not touched"):
        verify(untouched, CONTENT, allowed(key.public.line), at=AT)


@pytest.mark.parametrize("kind", SECURITY_KEYS)
def test_what_a_security_key_says_is_signed_too(kind: str) -> None:
    key = SECURITY_KEYS[kind]
    for place in (-5, -1):  # the flags, and the last byte of the counter

        def forge(message: bytes, place: int = place) -> bytes:
            blob = bytearray(key.sign(message))
            blob[place] ^= 4
            return bytes(blob)

        with pytest.raises(InvalidInput, match="was altered"):
            verify(_signed(DECISION, key.public, forge), CONTENT, allowed(key.public.line), at=AT)


@given(data=st.data())
def test_any_changed_byte_is_refused(
    keys: dict[str, Path], good: dict[str, str], data: st.DataObject
) -> None:
    kind = data.draw(st.sampled_from(sorted(KINDS)))
    known = allowed(public(keys[kind]))
    change = data.draw(st.integers(1, 255))
    content = bytearray(CONTENT)
    content[data.draw(st.integers(0, len(content) - 1))] ^= change
    with pytest.raises(InvalidInput):
        verify(good[kind], bytes(content), known, at=AT)
    text = bytearray(good[kind].encode())
    text[data.draw(st.integers(0, len(text) - 1))] ^= change
    with pytest.raises(InvalidInput):
        verify(text.decode("latin-1"), CONTENT, known, at=AT)
    blob = bytearray(_unarmor(good[kind]))
    blob[data.draw(st.integers(0, len(blob) - 1))] ^= change
    with pytest.raises(InvalidInput):
        verify(_armor(bytes(blob)), CONTENT, known, at=AT)


def test_every_cut_is_refused(keys: dict[str, Path], good: dict[str, str]) -> None:
    known, blob = allowed(public(keys["ed25519"])), _unarmor(good["ed25519"])
    for size in range(len(blob)):
        with pytest.raises(InvalidInput):
            verify(_armor(blob[:size]), CONTENT, known, at=AT)
    with pytest.raises(InvalidInput, match="1 bytes follow its end"):
        verify(_armor(blob + b"\0"), CONTENT, known, at=AT)


@given(st.text() | st.binary().map(_armor) | st.binary().map(lambda rest: _armor(b"SSHSIG\0\0\0\1" + rest)))
def test_anything_else_is_refused(keys: dict[str, Path], text: str) -> None:
    with pytest.raises(InvalidInput):
        verify(text, CONTENT, allowed(public(keys["ed25519"])), at=AT)


def test_the_armor_has_one_form(keys: dict[str, Path], good: dict[str, str]) -> None:
    text = good["ed25519"]
    for other in (
        text[:-1],
        text + "\n",
        " " + text,
        text.replace("\n", "\r\n"),
        text.replace("U1N", "U1*", 1),
    ):
        with pytest.raises(InvalidInput, match="signature"):
            verify(other, CONTENT, allowed(public(keys["ed25519"])), at=AT)
    with pytest.raises(InvalidInput, match="is not base64"):
        verify(text.replace("U1N", "U1*", 1), CONTENT, allowed(public(keys["ed25519"])), at=AT)
    with pytest.raises(InvalidInput, match="as ssh-keygen writes them"):
        verify(text.replace("\n", "", 2).replace("SIGNATURE-----", "SIGNATURE-----\n", 1), CONTENT, (), at=AT)


def test_what_is_huge_is_not_read(good: dict[str, str]) -> None:
    with pytest.raises(InvalidInput, match="longer than 16384 characters"):
        verify(_armor(bytes(10_000_000)), CONTENT, (), at=AT)
    with pytest.raises(InvalidInput, match="longer than 65536 bytes"):
        verify(good["ed25519"], b" " * 10_000_000, (), at=AT)


def _packed(key_blob: bytes, signature: bytes, **other: bytes) -> str:
    told = {"namespace": NAMESPACE.encode(), "reserved": b"", "hash": HASH.encode()} | other
    return _armor(b"SSHSIG\0\0\0\1" + b"".join(map(string, (key_blob, *told.values(), signature))))


def test_another_namespace_hash_or_reserved_field_is_refused(keys: dict[str, Path]) -> None:
    key, known = keys["ed25519"], allowed(public(keys["ed25519"]))
    with pytest.raises(InvalidInput, match="it was made for 'git'"):
        verify(keygen_signs(key, CONTENT, namespace="git"), CONTENT, known, at=AT)
    blob = base64.b64decode(public(key).split()[1])
    reader = Reader(_unarmor(sign(DECISION, key)), "signature")
    reader.take(10)
    signature = [reader.string() for _ in range(5)][-1]
    assert verify(_packed(blob, signature), CONTENT, known, at=AT).person == "ana"
    for other, says in (
        ({"hash": b"sha1"}, "'sha1' is not accepted"),
        ({"hash": b"sha256"}, "was altered"),
        ({"reserved": b"x"}, "must be empty"),
    ):
        with pytest.raises(InvalidInput, match=says):
            verify(_packed(blob, signature, **other), CONTENT, known, at=AT)


def test_an_rsa_signature_by_sha1_is_refused(keys: dict[str, Path]) -> None:
    key = keys["rsa-2048"]
    blob = base64.b64decode(public(key).split()[1])
    forged = _packed(blob, string(b"ssh-rsa") + string(bytes(256)))
    with pytest.raises(InvalidInput, match="SHA-1"):
        verify(forged, CONTENT, allowed(public(key)), at=AT)


def test_an_rsa_signature_without_its_leading_zeros_is_one(keys: dict[str, Path], tmp_path: Path) -> None:
    key = load_private_key(keys["rsa-2048"], None)
    prefix = string(b"rsa-sha2-512")

    def shortened(message: bytes) -> bytes:
        raw = key.sign(message)[len(prefix) + 4 :]
        return prefix + string(raw.lstrip(b"\0"))

    whole = len(key.sign(b""))
    tries = (DECISION.changed(reason=f"try {number}") for number in range(10_000))
    decision = next(
        each for each in tries if len(shortened(_message(NAMESPACE, HASH, each.canonical()))) < whole
    )
    signature, content = _signed(decision, key.public, shortened), decision.canonical()
    assert keygen_accepts(tmp_path, signature, content, allow(key.public.line))
    assert verify(signature, content, allowed(key.public.line), at=AT).person == "ana"


def test_only_the_person_whom_the_decision_names(keys: dict[str, Path], good: dict[str, str]) -> None:
    line, signature = public(keys["ed25519"]), good["ed25519"]
    with pytest.raises(InvalidInput, match="is not a key of ana"):
        verify(signature, CONTENT, allowed(line, who="ben"), at=AT)
    with pytest.raises(InvalidInput, match="nobody is allowed to sign with SHA256:"):
        verify(signature, CONTENT, allowed(public(keys["ecdsa-256"])), at=AT)
    with pytest.raises(InvalidInput, match="may not sign in the namespace"):
        verify(signature, CONTENT, allowed(line, 'namespaces="git,file"'), at=AT)
    as_ben = DECISION.changed(by="ben")
    with pytest.raises(InvalidInput, match="is not a key of ben"):
        verify(sign(as_ben, keys["ed25519"]), as_ben.canonical(), allowed(line), at=AT)
    assert verify(signature, CONTENT, allowed(line, who="ben,ana"), at=AT).person == "ana"


@pytest.mark.parametrize(
    ("options", "fits"),
    [
        ('valid-after="20261125031000Z"', True),
        ('valid-after="20261125031001Z"', False),
        ('valid-before="20261125031000Z"', True),
        ('valid-before="20261125030959Z"', False),
        ('valid-before="202611250310Z"', True),
        ('valid-after="20261126Z"', False),
        ('VALID-AFTER="20261125Z",namespaces="firestation-*"', True),
        ('namespaces="*,!firestation-decision"', False),
        ('namespaces="firestation.decision"', False),
        ('namespaces="?irestation-decision"', True),
    ],
)
def test_ssh_keygen_reads_the_line_as_we_do(
    keys: dict[str, Path], good: dict[str, str], tmp_path: Path, options: str, *, fits: bool
) -> None:
    line, signature = public(keys["ed25519"]), good["ed25519"]
    assert keygen_accepts(tmp_path, signature, CONTENT, allow(line, options)) is fits
    if fits:
        assert verify(signature, CONTENT, allowed(line, options), at=AT).person == "ana"
    else:
        with pytest.raises(InvalidInput, match=r"is valid|may not sign"):
            verify(signature, CONTENT, allowed(line, options), at=AT)


def test_a_key_that_is_listed_twice_is_valid_in_both_spans(
    keys: dict[str, Path], good: dict[str, str]
) -> None:
    line = public(keys["ed25519"])
    lines = allowed(line, 'valid-before="20260101Z"') + allowed(line, 'valid-after="20261101Z"')
    assert verify(good["ed25519"], CONTENT, lines, at=AT).person == "ana"
    with pytest.raises(InvalidInput, match=r"until 2026-01-01.*, from 2026-11-01"):
        verify(good["ed25519"], CONTENT, lines, at=AT - timedelta(days=90))


def test_a_passphrase_opens_the_key(tmp_path: Path) -> None:
    key = make_key(tmp_path, "ed25519", "sesame-7f3")
    signature = sign(DECISION, key, b"sesame-7f3")
    assert verify(signature, CONTENT, allowed(public(key)), at=AT).person == "ana"
    for wrong in (None, b"open-7f3"):
        with pytest.raises(InvalidInput, match="not its passphrase") as caught:
            sign(DECISION, key, wrong)
        assert "7f3" not in str(caught.value)


def test_a_key_that_cannot_sign_is_refused(tmp_path: Path, keys: dict[str, Path]) -> None:
    with pytest.raises(NotConfigured, match="cannot be read: No such file"):
        sign(DECISION, tmp_path / "none")
    for name, content in (
        ("text", "no key"),
        ("cut", keys["ed25519"].read_text()[:200]),
        ("public", public(keys["ed25519"])),
    ):
        (tmp_path / name).write_text(content)
        (tmp_path / name).chmod(0o600)
        with pytest.raises(InvalidInput, match="it is no private key"):
            sign(DECISION, tmp_path / name)
    (tmp_path / "open").write_bytes(keys["ed25519"].read_bytes())
    (tmp_path / "open").chmod(0o640)
    with pytest.raises(NotConfigured, match=r"others can read the key .*; type: chmod 600"):
        sign(DECISION, tmp_path / "open")


@pytest.mark.filterwarnings(
    "ignore:SSH DSA keys are deprecated"
)  # cryptography says so before we refuse them
@pytest.mark.parametrize("kind", [["-t", "rsa", "-b", "1024"], ["-t", "dsa"]], ids=" ".join)
def test_a_weak_key_is_refused(tmp_path: Path, kind: list[str]) -> None:
    path = tmp_path / "weak"
    assert keygen("-q", *kind, "-N", "", "-f", path).returncode == 0
    with pytest.raises(InvalidInput, match="not accepted"):
        allowed(public(path))
    with pytest.raises(InvalidInput, match=r"not accepted|does not sign"):
        sign(DECISION, path)
    with pytest.raises(InvalidInput, match="not accepted"):
        verify(keygen_signs(path, CONTENT), CONTENT, (), at=AT)


def test_a_certificate_is_refused(tmp_path: Path, keys: dict[str, Path]) -> None:
    key = make_key(tmp_path, "ed25519")
    done = keygen("-q", "-s", keys["ecdsa-256"], "-I", "ana", "-n", "ana", f"{key}.pub")
    assert done.returncode == 0, done.stderr
    with pytest.raises(InvalidInput, match="a certificate is not accepted"):
        allowed((tmp_path / "ed25519-cert.pub").read_text())


def test_a_decision_has_one_byte_form() -> None:
    assert read_decision(CONTENT) == DECISION
    for other in (
        b" " + CONTENT,
        CONTENT.replace(b'"at":', b'"at": '),
        CONTENT.replace(b'{"', b'{"by":"ben","', 1),
    ):
        with pytest.raises(InvalidInput, match="not its canonical bytes"):
            read_decision(other)
    for wrong in (b"", b"{}", b"[]", b"\xff", CONTENT.replace(b"approve", b"perhaps")):
        with pytest.raises(InvalidInput, match="decision"):
            read_decision(wrong)
    fields = DECISION.model_dump() | {"expires_at": AT}
    with pytest.raises(ValueError, match="ends before it is made"):
        Decision.model_validate(fields)


def test_what_is_signed_is_as_the_protocol_says() -> None:
    assert _message("file", "sha256", b"").hex() == (
        "5353485349470000000466696c6500000000000000067368613235360000002"
        "0e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    )


def test_the_command_that_the_documents_give_an_auditor(
    keys: dict[str, Path], good: dict[str, str], tmp_path: Path
) -> None:
    *_, command = commands(ROOT / "docs/authority.md")
    needs("ssh-keygen", "openssh-client")
    (tmp_path / "decision.sig").write_text(good["ed25519"])
    (tmp_path / "allowed_signers").write_text(allow(public(keys["ed25519"])))
    for content, code in ((CONTENT, 0), (CONTENT.replace(b"approve", b"Approve"), 255)):
        (tmp_path / "decision").write_bytes(content)
        done = subprocess.run(
            ["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
