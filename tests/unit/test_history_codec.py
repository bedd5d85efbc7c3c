"""Payloads encrypted and decrypted; and refused, with the key named and nothing else, when anything was altered."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from temporalio.api.common.v1 import Payload
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter

from firestation import history_keys
from firestation.errors import FirestationError, InvalidInput, NotConfigured
from firestation.history_keys import KEY_BYTES, HistoryKeys
from workflows.codec import ENCRYPTED, HistoryCodec, converter
from workflows.reading import decoded, keys_of

FIXED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
SECRET = b"what the customer said"
PAYLOADS = st.builds(
    lambda encoding, data: Payload(metadata={"encoding": encoding}, data=data),
    st.sampled_from([b"json/plain", b"binary/plain", b"binary/null", b"json/protobuf"]),
    st.binary(max_size=200),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "keys"
    history_keys.add(place, "first", os.urandom(KEY_BYTES), current=True)
    return place


@pytest.fixture
def codec(folder: Path) -> HistoryCodec:
    return HistoryCodec(HistoryKeys(folder))


def plain(data: bytes = SECRET) -> Payload:
    return Payload(metadata={"encoding": b"json/plain"}, data=data)


async def sealed(codec: HistoryCodec, data: bytes = SECRET) -> Payload:
    (found,) = await codec.encode([plain(data)])
    return found


@FIXED
@given(payloads=st.lists(PAYLOADS, max_size=5))
async def test_what_was_encrypted_is_decrypted_whole(codec: HistoryCodec, payloads: list[Payload]) -> None:
    encrypted = await codec.encode(payloads)
    assert await codec.decode(encrypted) == payloads
    assert all(each.metadata["encoding"] == ENCRYPTED for each in encrypted)
    assert all(each.metadata["encryption-key-id"] == b"first" for each in encrypted)


async def test_nothing_of_it_stands_in_the_clear_and_no_two_are_the_same(codec: HistoryCodec) -> None:
    one, other = await sealed(codec), await sealed(codec)
    assert SECRET not in one.SerializeToString()
    assert b"json/plain" not in one.SerializeToString()
    assert one.data != other.data


@FIXED
@given(data=st.data())
async def test_a_changed_bit_anywhere_is_refused(codec: HistoryCodec, data: st.DataObject) -> None:
    payload = await sealed(codec)
    where = data.draw(st.sampled_from(["data", "encoding", "encryption-key-id"]))
    content = payload.data if where == "data" else payload.metadata[where]
    bit = data.draw(st.integers(0, len(content) * 8 - 1))
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    if where == "data":
        payload.data = bytes(changed)
    else:
        payload.metadata[where] = bytes(changed)
    with pytest.raises(FirestationError) as refused:
        await codec.decode([payload])
    assert SECRET.decode() not in str(refused.value)


@FIXED
@given(cut=st.integers(0, 60))
async def test_what_was_cut_is_refused(codec: HistoryCodec, cut: int) -> None:
    payload = await sealed(codec)
    payload.data = payload.data[:cut]
    with pytest.raises(InvalidInput, match="by the history key first was altered"):
        await codec.decode([payload])


def no_key(payload: Payload) -> None:
    del payload.metadata["encryption-key-id"]


def no_encoding(payload: Payload) -> None:
    del payload.metadata["encoding"]


def called_plain(payload: Payload) -> None:
    payload.metadata["encoding"] = b"json/plain"


def another_key(payload: Payload) -> None:
    payload.metadata["encryption-key-id"] = b"second"


def one_more(payload: Payload) -> None:
    payload.metadata["messageType"] = b"x"


@pytest.mark.parametrize("swap", [no_key, no_encoding, called_plain, another_key, one_more])
async def test_swapped_metadata_is_refused(
    codec: HistoryCodec, folder: Path, swap: Callable[[Payload], None]
) -> None:
    history_keys.add(folder, "second", os.urandom(KEY_BYTES), current=False)
    payload = await sealed(codec)
    swap(payload)
    with pytest.raises(InvalidInput, match="altered") as refused:
        await codec.decode([payload])
    assert SECRET.decode() not in str(refused.value)


async def test_the_same_bytes_under_another_id_are_refused(folder: Path, codec: HistoryCodec) -> None:
    """A key that is copied to another name does not decrypt: the id is authenticated, too."""
    secret = bytes.fromhex((folder / "first").read_text())
    history_keys.add(folder, "copy", secret, current=False)
    payload = await sealed(codec)
    payload.metadata["encryption-key-id"] = b"copy"
    with pytest.raises(InvalidInput, match="by the history key copy was altered"):
        await codec.decode([payload])


async def test_what_was_never_encrypted_is_read_as_it_is(codec: HistoryCodec) -> None:
    assert await codec.decode([plain()]) == [plain()]
    assert await HistoryCodec().decode([plain()]) == [plain()]
    assert await HistoryCodec().encode([plain()]) == [plain()]


async def test_without_keys_it_says_so_and_names_the_key(codec: HistoryCodec) -> None:
    payload = await sealed(codec)
    with pytest.raises(NotConfigured, match=r"by the key 'first'.*FIRESTATION_HISTORY_KEYS"):
        await HistoryCodec().decode([payload])


async def test_a_key_that_is_missing_is_named_and_read_as_soon_as_it_is_there(
    codec: HistoryCodec, folder: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    history_keys.add(elsewhere, "other", os.urandom(KEY_BYTES), current=True)
    payload = await sealed(HistoryCodec(HistoryKeys(elsewhere)))
    with pytest.raises(
        NotConfigured, match=r"the history key other is not here.*put its file into the folder"
    ):
        await codec.decode([payload])
    history_keys.add(folder, "other", bytes.fromhex((elsewhere / "other").read_text()), current=False)
    assert await codec.decode([payload]) == [plain()]
    assert (await sealed(codec)).metadata["encryption-key-id"] == b"first"


async def test_an_id_that_cannot_be_one_is_not_repeated_and_opens_no_file(codec: HistoryCodec) -> None:
    for key in (b"../current", b"current", b"\xff<script>", b"", b"x" * 65):
        payload = Payload(metadata={"encoding": ENCRYPTED, "encryption-key-id": key}, data=b"0" * 40)
        with pytest.raises(FirestationError) as refused:
            await codec.decode([payload])
        assert "<script>" not in str(refused.value)
        assert "../" not in str(refused.value)


async def test_the_next_key_counts_at_once_and_the_one_before_goes_on_decrypting(
    codec: HistoryCodec, folder: Path
) -> None:
    before = await sealed(codec)
    history_keys.add(folder, "second", os.urandom(KEY_BYTES), current=False)
    assert (await sealed(codec)).metadata["encryption-key-id"] == b"first"
    history_keys.use(folder, "second")
    after = await sealed(codec)
    assert after.metadata["encryption-key-id"] == b"second"
    assert await codec.decode([before, after]) == [plain(), plain()]


async def test_a_folder_that_has_become_wrong_leaves_the_keys_of_before_in_force(
    codec: HistoryCodec, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "current").write_text("never-made\n")
    assert await codec.decode([await sealed(codec)]) == [plain()]
    assert [each for each in caplog.records if "stay in force" in each.getMessage()]
    said = len(caplog.records)
    await sealed(codec)
    assert len(caplog.records) == said, "once is enough"
    (folder / "current").unlink()
    assert await codec.decode([await sealed(codec)]) == [plain()]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda place: (place / "first").chmod(0o640), r"others may read the key .*first; type: chmod 600"),
        (lambda place: (place / "first").write_text("00\n"), "first is no key"),
        (lambda place: (place / "first").write_text("zz" * 32), "first is no key"),
        (lambda place: (place / "current").write_text("second"), "names no key of its folder"),
        (lambda place: (place / "current").unlink(), "there is no key in .*history-key new"),
        (lambda place: (place / "Key.txt").write_text("x"), "has a name that no key has"),
    ],
)
def test_a_folder_that_cannot_be_used_is_refused_with_the_fix(
    folder: Path, wrong: Callable[[Path], None], says: str
) -> None:
    secret = (folder / "first").read_text().strip()
    wrong(folder)
    with pytest.raises(NotConfigured, match=says) as refused:
        HistoryKeys(folder)
    assert secret not in str(refused.value)


def test_no_folder_is_no_key(tmp_path: Path) -> None:
    with pytest.raises(NotConfigured, match="history-key new"):
        converter(tmp_path / "none")


def test_a_key_is_for_its_owner_and_never_overwritten(folder: Path) -> None:
    for name in ("first", "current"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    before = (folder / "first").read_bytes()
    with pytest.raises(InvalidInput, match="there is a key first already"):
        history_keys.add(folder, "first", os.urandom(KEY_BYTES), current=True)
    for name in ("current", "../first", "", "Upper"):
        with pytest.raises(InvalidInput, match="cannot be the id of a key"):
            history_keys.add(folder, name, os.urandom(KEY_BYTES), current=True)
    assert (folder / "first").read_bytes() == before


def test_the_current_key_is_not_destroyed(folder: Path) -> None:
    with pytest.raises(InvalidInput, match="first is the current key"):
        history_keys.remove(folder, "first")
    history_keys.add(folder, "second", os.urandom(KEY_BYTES), current=True)
    history_keys.remove(folder, "first")
    assert [each.id for each in history_keys.listed(folder)] == ["second"]
    with pytest.raises(NotConfigured, match="first is not here"):
        history_keys.remove(folder, "first")


def _fail(words: str) -> None:
    raise ValueError(words) from KeyError(words)


async def test_failures_are_encrypted_with_their_words(folder: Path) -> None:
    reader, failure = converter(folder), HistoryEvent().activity_task_failed_event_attributes.failure
    with pytest.raises(ValueError, match=SECRET.decode()) as caught:
        _fail(SECRET.decode())
    await reader.encode_failure(caught.value, failure)
    assert SECRET not in failure.SerializeToString()
    assert __file__.encode() not in failure.SerializeToString()
    event = HistoryEvent(event_id=1)
    event.activity_task_failed_event_attributes.failure.CopyFrom(failure)
    (read,) = (await decoded(WorkflowHistory("x", [event]), reader)).events
    found = read.activity_task_failed_event_attributes.failure
    assert found.message == SECRET.decode()
    assert SECRET.decode() in found.cause.message
    assert "test_history_codec" in found.stack_trace
    assert not found.HasField("encoded_attributes")


async def test_a_history_is_decrypted_wherever_something_stands_in_it(folder: Path) -> None:
    codec = HistoryCodec(HistoryKeys(folder))
    one = await sealed(codec)
    start = HistoryEvent(event_id=1)
    attributes = start.workflow_execution_started_event_attributes
    attributes.input.payloads.extend([one, plain(b"never encrypted"), one])
    attributes.memo.fields["title"].CopyFrom(one)
    attributes.header.fields["trace"].CopyFrom(one)
    attributes.search_attributes.indexed_fields["Phase"].CopyFrom(plain(b"open"))
    attributes.continued_failure.cause.application_failure_info.details.payloads.append(one)
    start.user_metadata.summary.CopyFrom(one)
    start.user_metadata.details.CopyFrom(one)
    ended = HistoryEvent(event_id=2)
    ended.workflow_execution_update_completed_event_attributes.outcome.success.payloads.append(one)
    whole = WorkflowHistory("x", [start, ended])
    before = [event.SerializeToString() for event in whole.events]
    assert {key for event in whole.events for key in keys_of(event)} == {"first"}

    read = (await decoded(whole, converter(folder))).events
    assert [event.SerializeToString() for event in whole.events] == before, "it is a copy"
    assert not {key for event in read for key in keys_of(event)}
    assert sum(event.SerializeToString().count(SECRET) for event in read) == 8
    found = read[0].workflow_execution_started_event_attributes
    assert [each.data for each in found.input.payloads] == [SECRET, b"never encrypted", SECRET]
    assert found.search_attributes == attributes.search_attributes
    with pytest.raises(NotConfigured, match="FIRESTATION_HISTORY_KEYS"):
        await decoded(whole, pydantic_data_converter)
