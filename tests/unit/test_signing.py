"""Signed statements."""

import base64
import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.dsa import generate_private_key as generate_dsa_key
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from firestation.errors import InvalidInput, NotConfigured
from firestation.model import canonical_json
from firestation.signing import PAYLOAD_TYPE, KeySigner, ensure_key, load_public_key, seal, verify

STATEMENT = {
    "_type": "https://in-toto.io/Statement/v1",
    "subject": [],
    "predicate": {"levers": ["ü", 1, None]},
}
VALUES = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=10)


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> KeySigner:
    path = tmp_path_factory.mktemp("keys") / "station.key"
    ensure_key(path)
    return KeySigner(path)


@given(statement=st.dictionaries(st.text(), VALUES))
def test_what_is_sealed_is_what_is_verified(signer: KeySigner, statement: dict[str, Any]) -> None:
    envelope = signer.seal(statement)
    assert verify(envelope, [signer.public_key]) == statement
    assert signer.seal(statement) == envelope


def test_it_is_a_dsse_envelope_that_anyone_can_read(signer: KeySigner) -> None:
    envelope = json.loads(seal(STATEMENT, signer))
    assert envelope["payloadType"] == PAYLOAD_TYPE == "application/vnd.in-toto+json"
    assert base64.b64decode(envelope["payload"]) == canonical_json(STATEMENT)
    assert envelope["signatures"][0]["keyid"] == signer.public_key.keyid


@given(data=st.data())
def test_any_changed_byte_is_refused(signer: KeySigner, data: st.DataObject) -> None:
    envelope = bytearray(signer.seal(STATEMENT))
    index = data.draw(st.integers(0, len(envelope) - 1))
    envelope[index] ^= data.draw(st.integers(1, 255))
    with pytest.raises(InvalidInput):
        verify(bytes(envelope), [signer.public_key])


def test_every_flipped_bit_is_refused(signer: KeySigner) -> None:
    envelope = signer.seal({"a": 1})
    for index in range(len(envelope)):
        for bit in range(8):
            changed = bytearray(envelope)
            changed[index] ^= 1 << bit
            with pytest.raises(InvalidInput):
                verify(bytes(changed), [signer.public_key])


@given(st.binary(max_size=200) | VALUES.map(lambda value: json.dumps(value).encode()))
def test_anything_else_is_refused(signer: KeySigner, content: bytes) -> None:
    with pytest.raises(InvalidInput):
        verify(content, [signer.public_key])


def test_it_stays_one_byte_form(signer: KeySigner) -> None:
    envelope = signer.seal(STATEMENT)
    for other in (
        envelope + b"\n",
        b" " + envelope,
        json.dumps(json.loads(envelope)).encode(),
        envelope[:-1],
    ):
        with pytest.raises(InvalidInput):
            verify(other, [signer.public_key])


def test_another_key_and_no_key_do_not_verify(signer: KeySigner, tmp_path: Path) -> None:
    other = load_public_key(ensure_key(tmp_path / "other"))
    envelope = signer.seal(STATEMENT)
    with pytest.raises(InvalidInput, match="another key sealed it"):
        verify(envelope, [other])
    with pytest.raises(InvalidInput, match="no key to verify with"):
        verify(envelope, [])
    assert verify(envelope, [other, signer.public_key]) == STATEMENT


def test_another_payload_is_refused(signer: KeySigner) -> None:
    from securesystemslib.dsse import Envelope  # noqa: PLC0415 - only here, to forge

    for payload, kind in ((b"{}", "text/plain"), (b"not json", PAYLOAD_TYPE), (b"[]", PAYLOAD_TYPE)):
        forged = Envelope(payload, kind, {})
        forged.sign(signer.signer)
        with pytest.raises(InvalidInput):
            verify(canonical_json(forged.to_dict()), [signer.public_key])


def test_the_key_is_made_once_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "state" / "station.key"
    public = ensure_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert b"PUBLIC KEY" in public.read_bytes()
    before = path.read_bytes()
    assert ensure_key(path) == public
    assert path.read_bytes() == before
    public.write_text("somebody else's")
    ensure_key(path)
    assert load_public_key(public).keyid == KeySigner(path).public_key.keyid
    assert sorted(each.name for each in path.parent.iterdir()) == ["station.key", "station.key.pub"]


def test_several_makers_agree_on_one_key(tmp_path: Path) -> None:
    path = tmp_path / "station.key"
    (tmp_path / "station.key.pub").write_text("of another key\n")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: ensure_key(path), range(64)))
    assert load_public_key(tmp_path / "station.key.pub").keyid == KeySigner(path).public_key.keyid


def test_what_is_no_key_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotConfigured, match="cannot be read"):
        KeySigner(tmp_path / "none")
    with pytest.raises(NotConfigured, match="cannot be read"):
        load_public_key(tmp_path / "none")
    rsa = generate_private_key(65537, 2048)
    private, public = tmp_path / "rsa", tmp_path / "rsa.pub"
    private.write_bytes(rsa.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(rsa.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(NotConfigured, match="not an ed25519 key"):
        KeySigner(private)
    assert load_public_key(public).scheme.startswith("rsa"), "a key service may sign with RSA"
    dsa = generate_dsa_key(2048).public_key()
    public.write_bytes(dsa.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(InvalidInput, match="not signed by such a key"):
        load_public_key(public)
    private.write_text("hello")
    public.write_text("hello")
    with pytest.raises(NotConfigured, match="not a private key"):
        ensure_key(private)
    with pytest.raises(InvalidInput, match="not a public key"):
        load_public_key(public)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    with pytest.raises(NotConfigured, match="make its folder writable"):
        ensure_key(tmp_path / "state" / "station.key")
