"""Bundles of incidents that really happened: what they hold, that they verify, that they are always the same bytes."""

import asyncio
import hashlib
import inspect
import io
import json
import subprocess
import sys
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from securesystemslib.signer import (  # type: ignore[attr-defined] # exported, but not by __all__
    CryptoSigner,
)

from activities.checks import CheckActivities
from activities.leases import LeaseActivities
from activities.levers import LeverActivities
from activities.lock import LockActivities
from activities.postmortem import PostmortemActivities
from activities.snapshot import SnapshotActivities
from activities.words import WordActivities
from firestation import archive
from firestation.bundle import README, STATEMENT, peek
from firestation.bundle_files import ANSWERS, derive
from firestation.bundle_make import prepare, write
from firestation.bundle_verify import Difference, Examined, Replayed, conclude, examine
from firestation.errors import InvalidInput, Nonsense
from firestation.evidence import ArtifactRef
from firestation.model import Model
from firestation.signing import PublicKey, seal
from firestation.testing import MemoryEvidence, MemoryShelf
from firestation.verdict import CHECKS, sarif
from firestation.verdict_page import page
from tests.audit.forge import (
    BUILD,
    RECORDED,
    Case,
    alter,
    base,
    case,
    export,
    former,
    key,
    ordered,
    pack,
    resign,
    results,
    starts,
    told,
    trusted,
    unpack,
    value,
    verify,
)
from worker.replay import only_replay

STORIES = sorted(folder.name for folder in RECORDED.iterdir())
ENDS = {"closed": "kept", "captains": "kept", "waived": "on the record", "burning": "kept"}


def test_every_story_has_an_end() -> None:
    assert sorted(ENDS) == STORIES


@pytest.mark.parametrize("story", STORIES)
def test_what_was_right_verifies(story: str) -> None:
    verdict = verify(base(story))
    assert (verdict.passed, verdict.verdict) == (True, ENDS[story]), verdict.found
    assert {each.check for each in verdict.held} == set(CHECKS) - {"replay"}
    assert verdict.ran
    assert verdict.ran[0].startswith("0.1.0+")


@pytest.mark.parametrize("story", STORIES)
def test_the_same_incident_is_the_same_bytes(story: str) -> None:
    assert export(case(story)) == base(story)


def test_another_process_makes_the_same_bytes(tmp_path: Path) -> None:
    """Whatever order its sets have, and whenever it runs."""
    station = key("trusted")
    program = (
        "import sys, hashlib; from pathlib import Path; from tests.audit import forge;"
        "from firestation.signing import KeySigner; s = KeySigner(Path(sys.argv[1]));"
        "print(hashlib.sha256(forge.export(forge.case('captains'), signer=s)).hexdigest())"
    )
    private = tmp_path / "station"
    private.write_bytes(station.signer.private_bytes)  # type: ignore[attr-defined] # a CryptoSigner has them
    private.chmod(0o600)
    found = {
        subprocess.run(
            [sys.executable, "-c", program, str(private)],
            env={
                "PYTHONHASHSEED": seed,
                "PYTHONPATH": str(Path(__file__).parents[2]),
                "TZ": zone,
                "PATH": "",
            },
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed, zone in (("1", "UTC"), ("2", "Asia/Tokyo"))
    }
    assert found == {hashlib.sha256(base("captains")).hexdigest()}


def test_an_open_incident_says_so() -> None:
    verdict = verify(base("burning"))
    events = len(case("burning").events)
    assert verdict.standing is not None
    assert verdict.standing.startswith(f"still open at event {events} of run ")
    assert "What comes after" in verdict.unchecked[0]


def test_the_record_is_numbered_and_leads_to_its_events() -> None:
    files = unpack(base("captains"))
    record = json.loads(files["record.json"])["record"]
    assert [each["number"] for each in record] == list(range(1, len(record) + 1))
    runs = {run["events"][0]["workflowExecutionStartedEventAttributes"]["originalExecutionRunId"]: run["events"]
            for run in case("captains").runs}  # fmt: skip
    acted = [each for each in record if each["event"]["kind"] == "acted"]
    declared = [each for each in acted if each["event"]["act"]["kind"] == "declare"]
    assert len(declared) == 2
    for each in declared:
        event = runs[each["run"]][each["event_id"] - 1]
        accepted = event["workflowExecutionUpdateAcceptedEventAttributes"]
        assert accepted["acceptedRequest"]["input"]["name"] == "declare"


def test_what_is_pinned_is_what_the_manifest_was_sealed_for() -> None:
    files = unpack(base("captains"))
    sealed = json.loads(files["evidence/manifest.json"])["predicate"]
    for part in ("runbook", "system"):
        assert hashlib.sha256(files[f"pinned/{part}.json"]).hexdigest() == sealed[f"{part}_digest"]


def test_with_digests_only_the_evidence_is_named_and_not_enclosed() -> None:
    content = export(case("closed"), digests_only=True)
    files = unpack(content)
    assert not [name for name in files if name.startswith("evidence/sha256/")]
    verdict = verify(content)
    assert verdict.passed
    assert any("artifacts: they are named by their digests" in each for each in verdict.unchecked)
    assert {each["digest"] for each in json.loads(files["evidence/artifacts.json"])} == {
        name.rpartition("/")[2] for name in unpack(base("closed")) if name.startswith("evidence/sha256/")
    }


def test_what_somebody_outside_says_names_no_artifact() -> None:
    """Only answers of our own activities are believed: an alarm could name the evidence of another incident."""
    given = case("closed")
    before = derive(given.family).artifacts
    other = value(results(case("waived"), "keep")[0][1])
    alter(starts(given)[0], alarms=[other])
    assert derive(given.family).artifacts == before


def test_every_activity_whose_answer_names_artifacts_is_known() -> None:
    groups = (
        CheckActivities,
        LeaseActivities,
        LeverActivities,
        LockActivities,
        PostmortemActivities,
        SnapshotActivities,
        WordActivities,
    )
    naming = {
        name
        for group in groups
        for name, each in inspect.getmembers(group, inspect.isfunction)
        if hasattr(each, "__temporal_activity_definition")
        and _names_artifacts(get_type_hints(each)["return"])
    }
    assert naming == set(ANSWERS)


def _names_artifacts(kind: Any) -> bool:
    if kind is ArtifactRef:
        return True
    if isinstance(kind, type) and issubclass(kind, Model):
        return any(_names_artifacts(field.annotation) for field in kind.model_fields.values())
    return any(_names_artifacts(each) for each in getattr(kind, "__args__", ()))


# Signatures that differ every time ---------------------------------------------------------------------------


class Wavering:
    """A signer like those of key services: ECDSA, which signs the same statement differently every time."""

    repeatable = False

    def __init__(self) -> None:
        self.signer, self.times = CryptoSigner.generate_ecdsa(), 0

    @property
    def public_key(self) -> PublicKey:
        return self.signer.public_key

    def seal(self, statement: dict[str, Any]) -> bytes:
        self.times += 1
        return seal(statement, self)


async def test_what_a_key_service_has_signed_is_kept_on_the_shelf_and_used_again() -> None:
    signer, shelf = Wavering(), MemoryShelf()
    assert signer.seal({"a": 1}) != signer.seal({"a": 1})
    before, made = signer.times, list[bytes]()
    for _ in range(2):
        given = case("closed")
        prepared = await prepare(given.family, given.store, signer, shelf, BUILD)
        made.append(b"".join([piece async for piece in write(prepared, given.store)]))
    assert made[0] == made[1]
    assert signer.times == before + 1
    assert len(shelf.kept) == 1
    assert verify(made[0], [*trusted(), signer.public_key]).passed


async def test_what_somebody_put_on_the_shelf_is_not_sent_out() -> None:
    signer, shelf, given = Wavering(), MemoryShelf(), case("closed")
    await prepare(given.family, given.store, signer, shelf, BUILD)
    ((name, (_, at)),) = shelf.kept.items()
    shelf.kept[name] = key("stranger").seal({"made": "up"}), at
    with pytest.raises(Nonsense, match="not what this station has signed"):
        await prepare(given.family, given.store, signer, shelf, BUILD)


# Big evidence ------------------------------------------------------------------------------------------------


class Endless(MemoryEvidence):
    """A store that makes one big artifact up as it is read, so that nothing holds it whole but who keeps it."""

    size = 300_000_000
    piece = bytes(1_000_000)

    async def stream(self, digest: str) -> AsyncIterator[bytes]:
        if digest in self.kept:
            yield await self.get(digest)
            return
        for _ in range(self.size // len(self.piece)):
            yield self.piece
            await asyncio.sleep(0)


async def test_a_big_artifact_is_never_in_memory_whole(tmp_path: Path) -> None:
    given, store = case("closed"), Endless()
    store.kept.update(given.store.kept)
    weighed = hashlib.sha256()
    for _ in range(store.size // len(store.piece)):
        weighed.update(store.piece)
    ((_, result),) = results(given, "prove_lock")
    proof = value(result)
    alter(result, report={**proof["report"], "digest": weighed.hexdigest(), "size": store.size})
    path = tmp_path / "big.tar"
    tracemalloc.start()
    try:
        prepared = await prepare(given.family, store, key("trusted"), None, BUILD)
        with path.open("wb") as file:
            async for piece in write(prepared, store):
                file.write(piece)
        with path.open("rb") as file:
            verdict = examine("big.tar", file, trusted(), BUILD, former=former()).verdict
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert path.stat().st_size == prepared.size > store.size
    assert peak < 60_000_000
    assert not [each for each in verdict.broken if each.check == "evidence"]


async def test_an_artifact_that_changes_while_it_is_exported_breaks_it_off() -> None:
    given = case("closed")
    prepared = await prepare(given.family, given.store, key("trusted"), None, BUILD)
    digest = next(iter(prepared.big.values())).digest
    given.store.kept[digest] = b"something else"
    with pytest.raises(Nonsense):
        async for _ in write(prepared, given.store):
            pass


async def test_an_artifact_that_no_archive_can_hold_says_what_to_do() -> None:
    given = case("closed")
    ((_, result),) = results(given, "prove_lock")
    proof = value(result)
    alter(result, report={**proof["report"], "size": 9 * 1024**3})
    with pytest.raises(InvalidInput, match="--digests-only"):
        await prepare(given.family, given.store, key("trusted"), None, BUILD)
    assert await prepare(given.family, given.store, key("trusted"), None, BUILD, digests_only=True)


# The replay ----------------------------------------------------------------------------------------------------


async def _replayed(content: bytes, folder: Path) -> tuple[Examined, Replayed]:
    examined = examine("b.tar", io.BytesIO(content), trusted(), BUILD, former=former())
    files = []
    for name, text in unpack(content).items():
        if name.startswith("histories/"):
            files.append(folder / name.replace("/", "-"))
            files[-1].write_bytes(text)
    return examined, await only_replay(files)


@pytest.mark.parametrize("story", STORIES)
async def test_the_code_decides_today_as_it_decided_then(story: str, tmp_path: Path) -> None:
    examined, replayed = await _replayed(base(story), tmp_path)
    verdict = conclude(examined, replayed)
    assert verdict.passed
    assert verdict.held[-1].check == "replay"
    assert "it was run by 0.1.0+" in verdict.held[-1].what
    same = conclude(examined, replayed.changed(build=verdict.ran[0]))
    assert "the very code that ran it" in same.held[-1].what


def older_code_asked_for_something_else(given: Case) -> int:
    """The draft was ordered under another name: no rule knows of it, and today's code does not do so."""
    ((_, order),) = ordered(given, "keep")
    order["activityType"]["name"] = "keep_draft"
    return int(order["workflowTaskCompletedEventId"])


def older_code_waited_for_another_activity(given: Case) -> int:
    """The message was sent with another number."""
    (_, order), *_ = ordered(given, "send")
    order["activityId"] = "300"
    return int(order["workflowTaskCompletedEventId"])


@pytest.mark.parametrize(
    "forge", [older_code_asked_for_something_else, older_code_waited_for_another_activity]
)
async def test_older_code_that_replays_differently_is_refused(forge: Any, tmp_path: Path) -> None:
    given = case("closed")
    event = forge(given)
    examined, replayed = await _replayed(export(given), tmp_path)
    verdict = conclude(examined, replayed)
    assert [each.check for each in verdict.broken] == ["replay"]
    assert verdict.broken[0].run == told(unpack(base("closed"))).run
    assert "decides otherwise: [TMPRL1100] Nondeterminism error" in verdict.broken[0].what
    assert verdict.broken[0].event_id == event


def test_without_a_replay_nothing_passes() -> None:
    examined = examine("b.tar", io.BytesIO(base("closed")), trusted(), BUILD, former=former())
    verdict = conclude(examined, Replayed(build=BUILD, why_not="there is no Replayer here"))
    assert not verdict.passed
    assert verdict.broken[0].what == "it could not be replayed: there is no Replayer here"
    assert "replay" not in {each.check for each in verdict.held}


def test_a_forged_bundle_is_not_replayed() -> None:
    files = unpack(base("closed"))
    files["record.json"] += b" "
    examined = examine("b.tar", io.BytesIO(pack(files)), trusted(), BUILD, former=former())
    assert examined.contents is None
    difference = Difference(run="r", file="f", what="x")
    assert conclude(examined, Replayed(build=BUILD, difference=difference)) == examined.verdict


# The report ----------------------------------------------------------------------------------------------------


def test_the_page_is_escaped_and_runs_nothing() -> None:
    given = case("waived")
    for event in given.events:
        accepted = event.get("workflowExecutionUpdateAcceptedEventAttributes")
        if accepted and accepted["acceptedRequest"]["input"]["name"] == "waive":
            alter(
                accepted["acceptedRequest"]["input"]["args"], reason="<script>alert(1)</script>\u202egnp.exe"
            )
    text = page(verify(export(given)))
    assert "&lt;script&gt;alert(1)" in text
    assert "<script" not in text
    assert "\u202e" not in text
    assert "default-src 'none'" in text
    assert "http" not in text.replace("http-equiv", "")


def test_the_page_says_the_verdict_first() -> None:
    text = page(verify(base("waived")))
    order = ("PASSED: a rule was broken, and it stands on the record", "What was verified",
             "stands on the record (1)", "lock waived by ana", "What was kept", "could not be checked")  # fmt: skip
    places = [text.index(each) for each in order]
    assert places == sorted(places)


def test_machines_get_each_finding_with_its_rule_and_event() -> None:
    verdict = verify(base("waived"))
    log = sarif(verdict)
    assert (log["version"], len(log["runs"])) == ("2.1.0", 1)
    (result,) = log["runs"][0]["results"]
    ids = {each["id"] for each in log["runs"][0]["tool"]["driver"]["rules"]}
    assert (result["ruleId"], result["level"]) == ("rule-9", "note")
    assert result["ruleId"] in ids
    (found,) = verdict.found
    name = result["locations"][0]["logicalLocations"][0]["fullyQualifiedName"]
    assert name == f"{found.run}/{found.event_id}"
    assert {"verdict", "passed", "found", "held", "unchecked"} <= verdict.data().keys()


def test_a_record_that_differs_may_be_that_of_another_version_and_it_is_said() -> None:
    files = unpack(base("closed"))
    files["record.json"] = files["record.json"].replace(b"wrong refunds leave", b"fewer refunds leave", 1)
    content = pack(resign(files, contents=told(files).changed(made_by="0.0.9+other")))
    assert any("0.0.9+other too" in each for each in verify(content).unchecked)
    assert not any("too, which wrote it" in each for each in verify(pack(resign(files))).unchecked)


def test_the_words_of_another_versions_readme_are_nobodys_here_and_it_is_said() -> None:
    files = unpack(base("closed"))
    files[README] = b"In other words."
    verdict = verify(pack(resign(files, contents=told(files).changed(made_by="0.0.9+other"))))
    assert verdict.passed
    assert any("0.0.9+other wrote it" in each for each in verdict.unchecked)


def test_the_statement_can_be_shown_without_being_believed() -> None:
    assert peek(unpack(base("closed"))[STATEMENT]) == told(unpack(base("closed")))
    with pytest.raises(InvalidInput, match=STATEMENT):
        peek(b"[]")


@pytest.mark.parametrize("name", ["../x", "/x", "x/../y", "x//y", ".x", "x\ny", "x y", "", "ä", "x" * 101])
def test_no_archive_is_written_with_a_name_that_is_not_safe(name: str) -> None:
    with pytest.raises(InvalidInput, match="no name"):
        archive.header(name, 1)


def test_a_verdict_says_in_its_first_sentence_what_it_is_about() -> None:
    assert verify(base("closed")).headline.startswith("PASSED: every rule was kept")
    assert verify(base("burning")).headline.endswith(", so far: the incident is open.")
    named = export(case("closed"), digests_only=True)
    assert verify(named).headline.endswith(", the evidence itself is not enclosed.")
