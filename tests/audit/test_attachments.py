"""What a person attached to an alarm is in the bundle by its digest in the history; another file is found out."""

from typing import Any

from firestation.attachment import Attachment
from firestation.bundle import BLOBS
from tests.audit.forge import Case, case, export, pack, put, resign, told, unpack, updates, value, verify

CONTENT = b"\x89PNG\r\n\x1a\n what the customer saw"


def with_complaint() -> tuple[Case, str]:
    """An incident that opened with a screenshot; the digest of it."""
    given = case("burning")
    digest = given.keep(CONTENT)
    file = Attachment(digest=digest, name="screen.png", media_type="image/png", size=len(CONTENT), by="ana")
    (_, ring), *_ = updates(given, "ring")
    said: dict[str, Any] = value(ring["args"])
    (alarm,) = said.get("alarms", [said])
    alarm["attachments"] = [file.model_dump(mode="json")]
    put(ring["args"], said)
    return given, digest


def test_a_screenshot_is_in_the_bundle_and_cannot_be_exchanged() -> None:
    given, digest = with_complaint()
    made = export(given)
    files = unpack(made)
    place = f"{BLOBS}{digest}"
    assert files[place] == CONTENT
    assert "complaint: screen.png" in files["evidence/artifacts.json"].decode()
    whole = verify(made)
    assert whole.passed, whole.found
    assert told(files).counts.artifacts == told(unpack(export(case("burning")))).counts.artifacts + 1

    outsider = verify(pack({**files, place: CONTENT + b"!"}))
    assert [each.file for each in outsider.broken] == [place]
    insider = verify(pack(resign({**files, place: CONTENT.replace(b"saw", b"SAW")})))
    assert {each.check for each in insider.broken} == {"evidence"}
    assert digest[:12] in insider.broken[0].what or insider.broken[0].file == place
    without = {name: content for name, content in files.items() if name != place}
    assert not verify(pack(resign(without))).passed


def test_a_screenshot_that_is_gone_is_said_to_be_absent() -> None:
    given, digest = with_complaint()
    del given.store.kept[digest]
    made = export(given)
    assert [each.digest for each in told(unpack(made)).absent] == [digest]
