"""What privacy promises: what is asked for is gone, what is equal stays linkable, and nothing else is touched."""

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from firestation.drivers.sieve import DetectSecretsSieve
from firestation.errors import Withheld
from firestation.privacy import CREDENTIAL, Privacy, Redactor, redactions
from tests.property.values import JSON

REDACTOR = Redactor(DetectSecretsSieve(), b"a key")
OTHER = Redactor(DetectSecretsSieve(), b"another key")
NOTHING = Privacy()
CREDENTIALS = {
    "openai": "sk-" + "abcdefghijklmnopqrst" + "T3BlbkFJ" + "abcdefghijklmnopqrst",
    "aws": "AKIA" + "ABCDEFGHIJKLMNOP",
    "github": "ghp_" + "a1B2c3D4e5" * 3 + "abcdef",
    "slack": "xoxb-" + "1234567890-1234567890-abcdefghijABCDEFGHIJ1234",
    "bearer": "Bearer " + "abcdefghij.ABCDEFGHIJ.1234567890",
    "basic": "hunter2hunter2",
}


def redact(document: Any, privacy: Privacy = NOTHING) -> tuple[Any, dict[tuple[str, str], int]]:
    kept, found = REDACTOR.redact(json.dumps(document).encode(), "application/json", privacy)
    return json.loads(kept), {(each.how, each.what): each.times for each in found}


@given(JSON, st.booleans())
def test_what_holds_nothing_to_hide_keeps_its_very_bytes(document: Any, pretty: bool) -> None:
    content = json.dumps(document, indent=3 if pretty else None).encode()
    kept, found = REDACTOR.redact(content, "application/json", NOTHING)
    assert (kept == content) is not bool(found)


@given(st.binary(max_size=300))
def test_bytes_of_any_kind_pass_unharmed(content: bytes) -> None:
    kept, found = REDACTOR.redact(content, "application/octet-stream", NOTHING)
    assert kept == content or found


@given(st.text(max_size=20), JSON)
def test_what_is_dropped_or_masked_is_nowhere(secret: str, rest: Any) -> None:
    marked = f"<{secret}>"
    document = {
        "user": {"email": marked, "id": 7},
        "messages": [{"content": marked}, {"content": "x"}],
        "rest": rest,
    }
    privacy = Privacy(drop=("$.user.email",), mask=("$.messages[*].content",))
    kept, found = redact(document, privacy)
    assert kept["user"] == {"id": 7}
    assert [each["content"] for each in kept["messages"]] == ["[masked]", "[masked]"]
    assert found["dropped", "$.user.email"] == 1
    assert found["masked", "$.messages[*].content"] == 2


@given(st.text(), st.text())
def test_pseudonyms_link_equal_values_and_only_those(one: str, other: str) -> None:
    privacy = Privacy(pseudonymise=("$..user",))
    document = {"user": one, "deep": [{"user": other}, {"more": {"user": one}}]}
    kept, found = redact(document, privacy)
    assert kept["user"] == kept["deep"][1]["more"]["user"]
    assert (kept["user"] == kept["deep"][0]["user"]) == (one == other)
    assert kept["user"].startswith("p-")
    assert found == {("pseudonymised", "$..user"): 3}
    content = json.dumps(document).encode()
    with_other_key = json.loads(OTHER.redact(content, "application/json", privacy)[0])
    assert with_other_key["user"] != kept["user"]


@pytest.mark.parametrize("kind", sorted(CREDENTIALS))
@pytest.mark.parametrize(
    "media_type", ["application/json", "application/x-ndjson", "text/plain", "text/html"]
)
def test_credentials_are_found_wherever_they_are(kind: str, media_type: str) -> None:
    secret = CREDENTIALS[kind]
    said = f"https://ana:{secret}@example.org/x" if kind == "basic" else f"called with {secret} and failed"
    document = {"a": [{"log": said}], "plain": "fine"}
    line = json.dumps(document).encode()
    content = line + b"\n" + line if "ndjson" in media_type else line
    if media_type.startswith("text"):
        content = f"line one\n{said}\nline three".encode()
    kept, found = REDACTOR.redact(content, media_type, NOTHING)
    assert secret.encode() not in kept
    assert CREDENTIAL.encode() in kept
    assert {each.how for each in found} == {"credential"}
    assert secret not in str(found)


def test_private_keys_go_whole_and_members_named_like_credentials_too() -> None:
    key = "-----BEGIN RSA PRIVATE KEY-----\nMIIabc\n-----END RSA PRIVATE KEY-----"
    kept, found = redact({"env": f"x {key} y", "Client-Secret": "short", "password": "", "max_tokens": 3})
    assert kept == {"env": f"x {CREDENTIAL} y", "Client-Secret": CREDENTIAL, "password": "", "max_tokens": 3}
    assert found == {("credential", "Private Key"): 1, ("credential", "the member Client-Secret"): 1}


def test_what_cannot_be_read_is_withheld_when_privacy_asks_for_something() -> None:
    with pytest.raises(Withheld):
        REDACTOR.redact(b"<html>ana@example.org</html>", "text/html", Privacy(mask=("$..email",)))


@pytest.mark.parametrize("path", ["user", "$", "$.", "$.a[", "$.a[x]", "$...a", "$.a b"])
def test_a_path_that_is_none_is_refused(path: str) -> None:
    with pytest.raises(ValidationError, match="is not a path"):
        Privacy(drop=(path,))


@given(
    st.lists(
        st.sampled_from([*(f"x {secret} y" for secret in CREDENTIALS.values()), '{"user": "ana"}', "", "ü€"])
    ),
    st.lists(st.integers(0, 400)),
    st.sampled_from(["application/x-ndjson", "text/plain"]),
)
def test_pieces_lose_what_the_whole_loses_however_they_are_cut(
    lines: list[str], cuts: list[int], media_type: str
) -> None:
    content = "\n".join(lines).encode()
    whole, found = REDACTOR.redact(content, media_type, NOTHING)
    pieces = REDACTOR.redact_pieces(media_type, NOTHING)
    edges = [0, *sorted(cut for cut in cuts if cut < len(content)), len(content)]
    kept = b"".join(pieces.feed(content[start:end]) for start, end in itertools.pairwise(edges))
    kept += pieces.feed(b"", last=True)
    assert kept == whole
    assert redactions(pieces.tally) == found


def test_what_is_too_big_is_withheld_when_privacy_asks_for_something() -> None:
    pieces = REDACTOR.redact_pieces("application/json", Privacy(drop=("$.user",)))
    with pytest.raises(Withheld, match="too big"):
        pieces.feed(b"{")
    lines = REDACTOR.redact_pieces("application/x-ndjson", Privacy(drop=("$.user",)))
    assert lines.feed(b'{"user": 1, "b": 2}\n{"us') == b'{"b":2}\n'
    assert lines.feed(b'er": 1}', last=True) == b"{}"
