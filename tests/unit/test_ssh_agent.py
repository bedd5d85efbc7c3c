"""Signing by an agent: the real ssh-agent, and one that answers rubbish."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from firestation.errors import Denied, DriverError, Gone, InvalidInput, Nonsense, NotConfigured, Unreachable
from firestation.settings import agent_socket
from firestation.ssh_keys import read_key_line
from firestation.ssh_wire import string
from firestation.sshsig import sign_by_agent, verify
from tests.unit.ssh import (
    AT,
    DECISION,
    KINDS,
    add,
    agent,
    allow,
    allowed,
    keygen_accepts,
    make_key,
    public,
    security_keys,
)

CONTENT = DECISION.canonical()
KEY = next(iter(security_keys().values())).public


@pytest.mark.parametrize("kind", KINDS)
def test_the_agent_signs(tmp_path: Path, kind: str) -> None:
    key = make_key(tmp_path, kind)
    with agent(tmp_path) as place:
        assert add(place, key).returncode == 0
        key.unlink()  # the agent alone has it now
        signature = sign_by_agent(DECISION, public(key), place)
    assert keygen_accepts(tmp_path, signature, CONTENT, allow(public(key)))
    assert verify(signature, CONTENT, allowed(public(key)), at=AT).person == "ana"


def test_an_agent_without_the_key_or_without_consent_does_not_sign(tmp_path: Path) -> None:
    key, other = make_key(tmp_path, "ed25519"), make_key(tmp_path, "ecdsa-256")
    with agent(tmp_path) as place:
        with pytest.raises(Gone, match=r"does not hold SHA256:.*ssh-add"):
            sign_by_agent(DECISION, public(key), place)
        assert add(place, other).returncode == 0
        with pytest.raises(Gone):
            sign_by_agent(DECISION, public(key), place)
        # -c: the agent asks before each signature.
        assert add(place, "-c", key).returncode == 0
        with pytest.raises(Denied, match="does not sign with SHA256:"):
            sign_by_agent(DECISION, public(key), place)
    with pytest.raises(Unreachable, match="is SSH_AUTH_SOCK right"):
        sign_by_agent(DECISION, public(key), place)
    with pytest.raises(InvalidInput, match="not a public key"):
        sign_by_agent(DECISION, "no key", place)


@contextmanager
def answering(place: Path, *answers: bytes) -> Iterator[None]:
    """An agent that gives these answers, one a request, and hangs up after the last, which is empty when it waits."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(place))
        listening.listen()
        done = threading.Event()

        def serve() -> None:
            with listening.accept()[0] as peer:
                for answer in answers:
                    peer.recv(4096)
                    peer.sendall(answer)
                if not answers[-1]:
                    done.wait(30)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


HOLDS = string(b"\x0c" + (1).to_bytes(4) + string(KEY.blob) + string(b"comment"))
NO_SIGNATURE = string(KEY.kind.encode()) + string(bytes(64)) + b"\1" + bytes(4)


@pytest.mark.parametrize(
    ("answers", "error", "says"),
    [
        ([b""], Unreachable, "not signed within 0.5 s"),
        ([b"\0"], Unreachable, "hung up"),
        ([string(b"\x0c")[:-1]], Unreachable, "hung up"),
        ([b"\xff\xff\xff\xff"], Nonsense, "announces 4294967295 bytes"),
        ([bytes(4)], Nonsense, "announces 0 bytes"),
        ([string(b"\x05")], Denied, "does not tell its keys"),
        ([string(b"\x06")], Nonsense, "a message of the type 6"),
        ([string(b"\x0c\0\0")], Nonsense, "cut off"),
        ([string(b"\x0c" + bytes(4) + b"x")], Nonsense, "follow its end"),
        ([string(b"\x0c\xff\xff\xff\xff" + bytes(4))], Nonsense, "cut off"),
        ([HOLDS, string(b"\x05")], Denied, "does not sign with"),
        ([HOLDS, string(b"\x0e" + string(NO_SIGNATURE))], Nonsense, "of no use: it does not fit"),
        ([HOLDS, string(b"\x0e" + string(b""))], Nonsense, "of no use"),
        ([HOLDS, b""], Unreachable, "not signed within"),
    ],
)
def test_an_agent_that_answers_rubbish_is_named(
    tmp_path: Path, answers: list[bytes], error: type[DriverError], says: str
) -> None:
    place = tmp_path / "agent"
    seconds = 20.0 if answers[-1] else 0.5
    with answering(place, *answers), pytest.raises(error, match=says):
        sign_by_agent(DECISION, read_key_line(KEY.line).line, place, seconds=seconds)


def test_the_agent_is_found_by_the_environment() -> None:
    assert agent_socket({"SSH_AUTH_SOCK": "/run/agent"}) == Path("/run/agent")
    with pytest.raises(NotConfigured, match="no ssh-agent"):
        agent_socket({})
