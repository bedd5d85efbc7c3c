"""A manifest that is sealed by a key which never leaves its token: a real PKCS#11 token, by URI."""

import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from firestation.errors import InvalidInput, NotConfigured, Unreachable
from firestation.secrets import ReferenceSecrets
from firestation.settings import Settings
from firestation.signers import open_signer
from firestation.signing import UriSigner, load_public_key, verify
from tests.e2e.processes import needs

LIBRARY = "/usr/lib/softhsm/libsofthsm2.so"
PIN, LABEL = "1234", "station"
URI = f"hsm:2?label={LABEL}"

# In a process of its own, for a PKCS#11 library reads its settings once.
MAKE_KEY = """
import sys
import pkcs11
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from pkcs11.util.ec import encode_ec_public_key, encode_named_curve_parameters

library, label, pin, file = sys.argv[1:]
with pkcs11.lib(library).get_token(token_label=label).open(rw=True, user_pin=pin) as session:
    curve = {pkcs11.Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")}
    parameters = session.create_domain_parameters(pkcs11.KeyType.EC, curve, local=True)
    public, _ = parameters.generate_keypair(id=bytes([2]), label=label, store=True)
    key = load_der_public_key(encode_ec_public_key(public))
with open(file, "wb") as pem:
    pem.write(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
"""


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A token with a key in it; the file of its public key."""
    softhsm = needs("softhsm2-util", "softhsm2")
    folder = tmp_path_factory.mktemp("token")
    (folder / "tokens").mkdir()
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder / 'tokens'}\nlog.level = ERROR\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(folder / "softhsm2.conf"))
        init = [softhsm, "--init-token", "--free", "--label", LABEL, "--pin", PIN, "--so-pin", "4321"]
        subprocess.run(init, check=True, capture_output=True)
        make = [sys.executable, "-c", MAKE_KEY, LIBRARY, LABEL, PIN, str(folder / "station.pub")]
        subprocess.run(make, check=True)
    return folder / "station.pub"


@pytest.fixture
def settings(public: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("SOFTHSM2_CONF", str(public.parent / "softhsm2.conf"))
    monkeypatch.setenv("PYKCS11LIB", LIBRARY)
    monkeypatch.setenv("STATION_PIN", PIN)
    return Settings(state=tmp_path, key_uri=URI, key_public=public, key_pin="env:STATION_PIN")


def signer_of(settings: Settings) -> UriSigner:
    made = open_signer(settings, ReferenceSecrets(settings.state))
    assert isinstance(made, UriSigner)
    return made


def test_the_token_seals_and_anybody_verifies(settings: Settings, public: Path) -> None:
    envelope = signer_of(settings).seal({"subject": []})
    assert verify(envelope, [load_public_key(public)]) == {"subject": []}
    for index in range(0, len(envelope), 7):
        altered = envelope[:index] + bytes([envelope[index] ^ 1]) + envelope[index + 1 :]
        with pytest.raises(InvalidInput):
            verify(altered, [load_public_key(public)])


def test_a_public_key_of_another_token_is_found_at_once(settings: Settings, tmp_path: Path) -> None:
    other = generate_private_key(SECP256R1()).public_key()
    (tmp_path / "other.pub").write_bytes(other.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(NotConfigured, match="is not the public key of hsm:2"):
        signer_of(settings.changed(key_public=tmp_path / "other.pub"))


def test_a_wrong_pin_is_our_error_and_never_shown(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATION_PIN", "9999")
    with pytest.raises(Unreachable, match="does not sign") as caught:
        signer_of(settings)
    assert "9999" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"key_public": None}, "FIRESTATION_KEY_PUBLIC"),
        ({"key_pin": None}, "FIRESTATION_KEY_PIN"),
        ({"key_uri": "nokms:x"}, "write one of .*awskms"),
        ({"key_uri": "gcpkms:projects/x"}, r"firestation\[awskms\]"),
    ],
)
def test_what_is_not_right_says_what_to_write(
    settings: Settings, changes: dict[str, None], said: str
) -> None:
    with pytest.raises((NotConfigured, Unreachable), match=said):
        signer_of(settings.changed(**changes))
