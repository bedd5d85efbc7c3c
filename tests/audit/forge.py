"""What forgers have: bundles of incidents that really happened, an archive that they may write as they like, and keys.

The base bundles are made of `recorded/`, whose manifests were signed by the key of their station; the statement is
signed by a key that is made here, and both are trusted. A forger is an outsider without a key, or an insider with it.
"""

import asyncio
import base64
import copy
import hashlib
import io
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from firestation import archive
from firestation.bundle import STATEMENT, Contents, statement
from firestation.bundle_make import prepare, write
from firestation.bundle_verify import examine
from firestation.signing import KeySigner, PublicKey, ensure_key, load_public_key
from firestation.testing import MemoryEvidence
from firestation.verdict import Verdict

RECORDED = Path(__file__).parent / "recorded"
BUILD = "0.1.0+the-tests"
History = dict[str, Any]
Files = dict[str, bytes]


@cache
def key(name: str) -> KeySigner:
    """A signing key of this name, made anew in each process."""
    path = Path(tempfile.mkdtemp()) / name
    ensure_key(path)
    return KeySigner(path)


def trusted() -> list[PublicKey]:
    """The key that the verifier has from the station itself: it signs bundles."""
    return [key("trusted").public_key]


def former() -> list[PublicKey]:
    """The keys that sealed the manifests: those of the stations that were recorded."""
    return [load_public_key(each) for each in sorted(RECORDED.glob("*/station.pub"))]


@dataclass
class Case:
    """One incident as it was left: its runs, and what its evidence store holds. A forger may alter both."""

    family: list[list[History]]
    store: MemoryEvidence = field(default_factory=MemoryEvidence)

    @property
    def runs(self) -> list[History]:
        return self.family[0]

    @property
    def events(self) -> list[Any]:
        """Every event of every run."""
        return [event for run in self.runs for event in run["events"]]

    def keep(self, content: bytes) -> str:
        digest = hashlib.sha256(content).hexdigest()
        self.store.kept[digest] = content
        return digest


@cache
def _recorded(story: str) -> tuple[list[History], dict[str, bytes]]:
    folder = RECORDED / story
    runs = [json.loads(file.read_bytes()) for file in sorted(folder.glob("*.json"))]
    return runs, {file.name: file.read_bytes() for file in (folder / "store").iterdir()}


def case(story: str) -> Case:
    """The incident of this story, to be altered."""
    runs, kept = _recorded(story)
    found = Case([copy.deepcopy(runs)])
    found.store.kept.update(kept)
    return found


def export(given: Case, *, signer: KeySigner | None = None, digests_only: bool = False) -> bytes:
    """The bundle that `audit export` writes of it, in whole."""

    async def exported() -> bytes:
        signed_by = signer or key("trusted")
        made = await prepare(given.family, given.store, signed_by, None, BUILD, digests_only=digests_only)
        content = b"".join([piece async for piece in write(made, given.store)])
        assert len(content) == made.size
        return content

    with ThreadPoolExecutor(1) as own:  # a loop of its own, since an async test has one already
        return own.submit(lambda: asyncio.run(exported())).result()


@cache
def base(story: str) -> bytes:
    """The bundle of this story, which verifies."""
    return export(case(story))


def unpack(content: bytes) -> Files:
    """Every file of a bundle."""
    read = archive.Archive(io.BytesIO(content))
    return {name: read.read(name, 1 << 30) for name in read.members}


def pack(files: Files | Iterable[tuple[str, bytes]]) -> bytes:
    """The archive of these files, in the order of their names; of pairs, in their own order."""
    pairs = sorted(files.items()) if isinstance(files, dict) else files
    return b"".join(_members(pairs)) + archive.END


def _members(pairs: Iterable[tuple[str, bytes]]) -> Iterator[bytes]:
    for name, content in pairs:
        yield archive.header(name, len(content)) + content + archive.padding(len(content))


def told(files: Files) -> Contents:
    """The predicate of a bundle's statement."""
    return Contents.model_validate(payload(files[STATEMENT])["predicate"])


def payload(envelope: bytes) -> dict[str, Any]:
    """What an envelope says, whoever signed it."""
    said: dict[str, Any] = json.loads(base64.b64decode(json.loads(envelope)["payload"]))
    return said


def resign(files: Files, *, signer: KeySigner | None = None, contents: Contents | None = None) -> Files:
    """The same files under a new statement over them, signed by the trusted key or another."""
    rest = {name: content for name, content in files.items() if name != STATEMENT}
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in rest.items()}
    said = statement(contents or told(files), digests)
    return {**rest, STATEMENT: (signer or key("trusted")).seal(said)}


def verify(content: bytes, keys: list[PublicKey] | None = None) -> Verdict:
    """Every check but the replay."""
    return examine("forged.tar", io.BytesIO(content), keys or trusted(), BUILD, former=former()).verdict


# Histories -------------------------------------------------------------------------------------------------


def value(payloads: History) -> Any:
    """The argument or result in a payload."""
    return json.loads(base64.b64decode(payloads["payloads"][0]["data"]))


def put(payloads: History, said: Any) -> None:
    """Write another one into it."""
    data = base64.b64encode(json.dumps(said).encode()).decode()
    payloads["payloads"] = [
        {"metadata": {"encoding": base64.b64encode(b"json/plain").decode()}, "data": data}
    ]


def alter(payloads: History, **changes: Any) -> None:
    """Change fields of what is in it."""
    put(payloads, {**value(payloads), **changes})


def updates(given: Case, name: str) -> list[tuple[int, History]]:
    """Each update of this name that was accepted into a history: its event, and its input."""
    found = []
    for event in given.events:
        accepted = event.get("workflowExecutionUpdateAcceptedEventAttributes")
        if accepted and accepted["acceptedRequest"]["input"]["name"] == name:
            found.append((int(event["eventId"]), accepted["acceptedRequest"]["input"]))
    return found


def ordered(given: Case, activity: str) -> list[tuple[int, History]]:
    """Each order of this activity: its event, and its attributes."""
    pairs = ((event, event.get("activityTaskScheduledEventAttributes")) for event in given.events)
    return [
        (int(event["eventId"]), told)
        for event, told in pairs
        if told and told["activityType"]["name"] == activity
    ]


def results(given: Case, activity: str) -> list[tuple[int, History]]:
    """Each result of this activity: its event, and the payloads."""
    found = []
    for run in given.runs:
        scheduled = {
            str(event["eventId"])
            for event in run["events"]
            if event.get("activityTaskScheduledEventAttributes", {}).get("activityType", {}).get("name")
            == activity
        }
        for event in run["events"]:
            done = event.get("activityTaskCompletedEventAttributes")
            if done and str(done["scheduledEventId"]) in scheduled:
                found.append((int(event["eventId"]), done["result"]))
    return found


def starts(given: Case) -> list[History]:
    """What each run was started with."""
    return [run["events"][0]["workflowExecutionStartedEventAttributes"]["input"] for run in given.runs]


def briefly(given: Case, change: Callable[[dict[str, Any]], None]) -> None:
    """Change what every run was opened with."""
    for payloads in starts(given):
        start = value(payloads)
        change(start["brief"])
        put(payloads, start)
