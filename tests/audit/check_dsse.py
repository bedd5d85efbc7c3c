"""Check the statement of a bundle with `cryptography` alone and no code of Firestation's: check_dsse.py DIR PUBLIC_KEY.

DIR is the bundle, unpacked with tar. The signature is that of DSSE v1, the statement that of in-toto v1, and every file
is the one that it names; none is missing and none is there besides. For ed25519 keys.
"""

import base64
import hashlib
import json
import sys
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

PAYLOAD_TYPE = "application/vnd.in-toto+json"


def encoded(payload_type: str, payload: bytes) -> bytes:
    """The pre-authentication encoding of DSSE: what the key signs."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def main(folder: Path, key: Path) -> None:
    """Say what was verified. Ends with what is wrong."""
    public = load_pem_public_key(key.read_bytes())
    if not isinstance(public, Ed25519PublicKey):
        sys.exit(f"{key} is not an ed25519 key")
    envelope = json.loads((folder / "STATEMENT.json").read_bytes())
    payload = base64.b64decode(envelope["payload"])
    for signature in envelope["signatures"]:
        try:
            public.verify(base64.b64decode(signature["sig"]), encoded(envelope["payloadType"], payload))
            break
        except InvalidSignature:
            continue
    else:
        sys.exit("no signature of this key")
    if envelope["payloadType"] != PAYLOAD_TYPE:
        sys.exit(f"this is no in-toto statement: {envelope['payloadType']}")
    statement = json.loads(payload)
    if statement["_type"] != "https://in-toto.io/Statement/v1":
        sys.exit(f"this is no in-toto statement: {statement['_type']}")
    signed = {each["name"]: each["digest"]["sha256"] for each in statement["subject"]}
    there = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    if there.keys() - {"STATEMENT.json"} != signed.keys():
        sys.exit(f"missing or added: {sorted((there.keys() - {'STATEMENT.json'}) ^ signed.keys())}")
    for name, digest in signed.items():
        with there[name].open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                sys.exit(f"{name} was altered")
    print(f"verified: {statement['predicateType']}, its signature, and {len(signed)} files")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
