"""Public words that wait for a yes: whose it is, that exactly these words are said, and rule 7 a second time."""

import hashlib
import json
from typing import Any

from firestation import acts, record, release
from firestation.authority import Role
from firestation.board import Held
from firestation.errors import Refused
from firestation.picture import picture, waiting_for
from firestation.public_page.part import public_part
from firestation.quorum import still_missing
from firestation.severity import Severity
from firestation.wording import Wording
from tests.property.worlds import World

ASKED: dict[str, Any] = {
    "updates": Wording(public_approval="comms"),
    "firebreaks": (),
    "manual": (),
}


def world(*, comms: str | None = None, **changes: Any) -> World:
    made = World(**{**ASKED, **changes})
    made.attempt(acts.Acknowledge(by="ana"))
    made.attempt(acts.Declare(by="ana", severity=Severity.SEV2, reason="wrong refunds leave"))
    if comms:
        made.attempt(acts.Acknowledge(by=comms, role=Role.COMMS))
    return made


def said(made: World) -> list[tuple[str, str | None, str | None]]:
    return [(word.known, word.by, word.released_by) for word in made.incident.words if word.by]


def post(made: World, by: str = "ana", known: str = "Refunds are slower.") -> Held:
    act = acts.Update(by=by, audience="public", known=known, doing="We look.")
    assert made.attempt(act) is None
    (held,) = [each for each in made.incident.held_words if each.state == "waits" and each.word.by == by]
    assert held.digest[:12] in (still_missing(made.incident, act) or "")
    return held


def refused(found: Refused | None, rule: int = 7) -> str:
    assert found
    assert found.rule == rule
    return found.missing


def test_a_word_of_anybody_else_waits_and_is_said_exactly_as_it_was_written() -> None:
    made = world(comms="cara")
    held = post(made)
    assert said(made) == []
    assert public_part(made.incident, 1) is None, "nothing is public yet"
    plain = {**held.word.model_dump(mode="json")}
    assert set(plain) == {"incident", "run", "number", "by", "known", "unknown", "doing"}
    canonical = json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()
    assert held.digest == hashlib.sha256(canonical).hexdigest()
    (asked,) = [each for each in made.incident.outbox if "/release-" in each.key]
    assert asked.message.to == "cara@example.org"
    assert all(part in asked.message.text for part in (held.digest, "Refunds are slower.", "We look."))
    (waits,) = [each for each in waiting_for(made.incident) if "yes" in each.what]
    command = f"firestation release {made.incident.id} {held.digest[:12]}"
    assert waits.what.startswith("a yes to the public word of ana, which is never published once")
    assert (waits.who, waits.command) == ("cara", command)
    assert made.attempt(acts.Release(by="cara", word=held.digest)) is None
    assert said(made) == [("Refunds are slower.", "ana", "cara")]
    assert [each.key for each in made.incident.outbox if each.channel == "page"], "it goes out, once"
    assert not picture(made.incident, ()).held
    assert made.incident.due("public") == made.now + made.incident.cadence
    again = refused(made.attempt(acts.Release(by="cara", word=held.digest)))
    assert "is released and waits for nobody" in again


def test_the_comms_owner_speaks_at_once_and_without_one_the_captain_does() -> None:
    made = world(comms="cara")
    made.attempt(acts.Update(by="cara", audience="public", known="We look."))
    assert said(made) == [("We look.", "cara", None)]
    alone = world()
    alone.attempt(acts.Update(by="ana", audience="public", known="We look."))
    assert said(alone) == [("We look.", "ana", None)]
    held = post(alone, by="cara")
    assert release.releasers(alone.incident, "cara") == ("ana",)
    assert alone.attempt(acts.Release(by="ana", word=held.digest)) is None


def test_without_the_field_and_before_edition_5_nothing_waits() -> None:
    for made in (world(updates=Wording()), World(edition=4, **ASKED)):
        made.attempt(acts.Acknowledge(by="ana"))
        made.attempt(acts.Update(by="cara", audience="public", known="We look."))
        assert said(made) == [("We look.", "cara", None)]
    made = world()
    made.attempt(acts.Update(by="cara", known="to the team"))
    assert said(made) == [("to the team", "cara", None)], "only public words wait"


def test_nobody_lets_out_their_own_word_while_somebody_else_can() -> None:
    made = world()
    held = post(made, by="cara")
    made.attempt(acts.Acknowledge(by="cara", role=Role.COMMS))  # now the post is hers, and the word too
    assert "waits for ana, not for cara" in refused(made.attempt(acts.Release(by="cara", word=held.digest)))
    assert "not for ben" in refused(made.attempt(acts.Release(by="ben", word=held.digest)))
    made.attempt(acts.Renounce(by="ana", reason="I must leave"))
    assert release.releasers(made.incident, "cara") == ("cara",), "nobody else has a post here"
    assert made.attempt(acts.Release(by="cara", word=held.digest)) is None


def test_while_there_is_nobody_it_waits_and_is_put_to_whoever_takes_a_post() -> None:
    made = World(**ASKED)
    held = post(made, by="cara")
    assert release.releasers(made.incident, "cara") == ()
    assert "there is neither yet" in refused(made.attempt(acts.Release(by="ben", word=held.digest)))
    made.attempt(acts.Acknowledge(by="ben"))
    last = [each.message.to for each in made.incident.outbox if "/release-" in each.key][-1]
    assert last == "ben@example.org"
    assert made.attempt(acts.Release(by="ben", word=held.digest)) is None


def test_a_newer_word_of_the_same_author_takes_the_place_of_the_older_one() -> None:
    made = world(comms="cara")
    first, second = post(made), post(made)
    assert first.digest != second.digest, "the same words, and another digest"
    assert "is replaced and waits for nobody" in refused(
        made.attempt(acts.Release(by="cara", word=first.digest))
    )
    assert made.attempt(acts.Release(by="cara", word=second.digest)) is None
    assert len(said(made)) == 1


def test_it_is_withheld_with_a_reason_or_taken_back() -> None:
    made = world(comms="cara")
    held = post(made)
    assert "not for ben" in refused(made.attempt(acts.Withhold(by="ben", word=held.digest, reason="no")))
    assert made.attempt(acts.Withhold(by="cara", word=held.digest, reason="it promises too much")) is None
    (told,) = [each.message for each in made.incident.outbox if "/withheld-" in each.key]
    assert told.to == "ana@example.org"
    assert "it promises too much" in told.text
    held = post(made)
    assert made.attempt(acts.Withhold(by="ana", word=held.digest, reason="I saw it myself")) is None
    assert said(made) == []
    assert "no public word of this incident has the digest" in refused(
        made.attempt(acts.Withhold(by="cara", word="f" * 64, reason="x"))
    )


def test_one_that_still_waits_at_the_end_is_told_as_never_published() -> None:
    made = world(comms="cara")
    answered = post(made, known="We look.")
    made.attempt(acts.Release(by="cara", word=answered.digest))
    held = post(made)
    assert picture(made.incident, tuple(made.record)).unpublished == ()
    assert made.attempt(acts.Dismiss(by="ana", reason="no fire")) is None
    seen = picture(made.incident, tuple(made.record))
    assert (seen.held, [each.digest for each in seen.unpublished]) == ((), [held.digest])
    short = held.digest[:12]
    assert (
        f"never published, for nobody had said yes: the public word {short} of ana" in seen.timeline[-1].text
    )


def test_no_cause_goes_out_that_is_no_fact_any_more() -> None:
    """Rule 7 is asked when the word is written, and again when it is released: a cause may be refuted meanwhile."""
    made = world(comms="cara")
    early = acts.Update(by="ana", audience="public", known="It was because of the reranker.")
    assert "names a cause ('because')" in refused(made.attempt(early))
    assert not made.incident.held_words
    made.attempt(acts.Note(by="ana", text="the reranker", standing="fact", cause=True))
    held = post(made, known="It was because of the reranker.")
    made.attempt(acts.Establish(by="ana", entry=1, holds=False, reason="it was the index"))
    assert "or not any more" in refused(made.attempt(acts.Release(by="cara", word=held.digest)))
    assert said(made) == []
    assert made.attempt(acts.Withhold(by="cara", word=held.digest, reason="it is wrong")) is None


def test_a_word_that_waits_keeps_no_promise() -> None:
    made = world(comms="cara")
    made.attempt(acts.Update(by="cara", audience="public", known="We look."))
    made.now += made.incident.cadence - made.incident.cadence / 10
    made.settle()
    held = post(made)
    made.wait(made.incident.cadence / 5)
    assert [each.audience for each in made.incident.late_words][-1] == "public"
    assert made.attempt(acts.Release(by="cara", word=held.digest)) is None
    assert all(each.said_at for each in made.incident.late_words if each.audience == "public")


def test_the_timeline_says_that_it_waited_and_the_end_of_the_incident_ends_it() -> None:
    made = world(comms="cara")
    held = post(made)
    told = [each.text for each in picture(made.incident, tuple(made.record)).timeline]
    waited = f"(not said before a yes: {held.digest[:12]})"
    assert f"ana tells the public: Refunds are slower. Being done: We look. {waited}" in told
    made.attempt(acts.Dismiss(by="ana", reason="no fire"))
    assert release.waiting(made.incident) == ()
    late = record.Acted(at=made.now, act=acts.Release(by="cara", word=held.digest))
    assert refused(made.attempt(late.act), rule=0) == "the incident is dismissed"
