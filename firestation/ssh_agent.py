"""The ssh-agent, which signs with keys that it keeps: from files, security keys or smart cards.

The protocol is draft-ietf-sshm-ssh-agent; two of its requests are needed. Nothing secret passes.
"""

import socket
from pathlib import Path

from firestation.errors import Denied, Gone, InvalidInput, Nonsense, Unreachable
from firestation.ssh_keys import RSA, PublicKey
from firestation.ssh_wire import Reader, string

FAILURE, LIST, LISTED, SIGN, SIGNED = 5, 11, 12, 13, 14
RSA_SHA2_512 = 4  # a flag: without it an agent signs with SHA-1
LARGEST_BYTES = 262_144  # of an answer, as OpenSSH limits it


def sign(path: Path, key: PublicKey, message: bytes, seconds: float) -> bytes:
    """The signature in wire format. Raises `Unreachable`, `Gone`, `Denied` or `Nonsense`; waits `seconds` at most."""
    flags = RSA_SHA2_512 if key.kind == RSA else 0
    request = bytes([SIGN]) + string(key.blob) + string(message) + flags.to_bytes(4)
    try:
        with socket.socket(socket.AF_UNIX) as agent:
            agent.settimeout(seconds)
            agent.connect(str(path))
            if key.blob not in _keys(_ask(agent, bytes([LIST]))):
                msg = f"the agent does not hold {key.fingerprint}; add it with ssh-add, or unlock the agent"
                raise Gone(msg)
            return _signature(_ask(agent, request), key)
    except TimeoutError as error:
        raise Unreachable(f"the agent has not signed within {seconds:g} s; touch the key sooner") from error
    except OSError as error:
        msg = f"the agent at {path} does not answer: {error.strerror or error}; is SSH_AUTH_SOCK right?"
        raise Unreachable(msg) from error
    except InvalidInput as error:
        raise Nonsense(f"the agent's answer cannot be read: {error.problem}") from error


def _ask(agent: socket.socket, request: bytes) -> Reader:
    agent.sendall(string(request))
    size = int.from_bytes(_receive(agent, 4))
    if not 0 < size <= LARGEST_BYTES:
        raise Nonsense(f"the agent's answer cannot be one: it announces {size} bytes")
    return Reader(_receive(agent, size), "answer")


def _receive(agent: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        piece = agent.recv(size - len(received))
        if not piece:
            raise Unreachable("the agent hung up in the middle of its answer; try again")
        received += piece
    return received


def _keys(answer: Reader) -> list[bytes]:
    _expect(answer, LISTED, "tell its keys")
    keys = []
    for _ in range(answer.number()):
        keys.append(answer.string())
        answer.string()  # the comment
    answer.end()
    return keys


def _signature(answer: Reader, key: PublicKey) -> bytes:
    _expect(answer, SIGNED, f"sign with {key.fingerprint}")
    signature = answer.string()
    answer.end()
    return signature


def _expect(answer: Reader, kind: int, what: str) -> None:
    said = answer.take(1)[0]
    if said == FAILURE:
        raise Denied(f"the agent does not {what}; perhaps it was not confirmed, or the key not touched")
    if said != kind:
        raise Nonsense(f"the agent was asked to {what} and answers with a message of the type {said}")
