import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from cli.perform import happened, until
from firestation.acts import ACTS
from firestation.authority import Person, Role
from firestation.due import settled
from firestation.errors import InvalidInput
from firestation.release import waiting

Run = Callable[..., Result]
NAME = "refund-agent-1a2b3c4d"


def test_ack_takes_it_and_says_what_comes_next(run: Run, station: Any) -> None:
    result = run("ack", NAME)
    assert result.exit_code == 0
    assert f"done acknowledge of {NAME}; phase open" in result.output
    assert f"$ firestation declare {NAME} sev2 --reason '...'" in result.output
    assert station.incident.captain == "ana"


def test_the_scribe_is_another_role(run: Run, station: Any) -> None:
    assert run("ack", NAME, "--role", "scribe", env={"FIRESTATION_TOKEN": "token-ben"}).exit_code == 0
    assert (station.incident.captain, station.incident.scribe) == (None, "ben")


def test_every_act_of_the_core_has_its_command(run: Run, station: Any) -> None:
    station.seal()
    station.act("acknowledge", "ana")
    digest, word = station.incident.firebreaks[1].digest[:12], "f" * 64
    calls: dict[str, tuple[str, ...]] = {
        "acknowledge": ("ack", NAME),
        "declare": ("declare", NAME, "sev1", "--reason", "money"),
        "assess": ("assess", NAME, "--harm", "3", "--momentum", "0", "--reason", "a customer was hurt"),
        "propose": ("propose", NAME, "reranker-on"),
        "approve": ("approve", NAME, digest),
        "refuse": ("refuse", NAME, digest, "--reason", "no"),
        "note": ("note", NAME, "a thought"),
        "establish": ("establish", NAME, "3", "--reason", "the log shows it"),
        "update": ("update", NAME, "we know", "--unknown", "who", "--doing", "this"),
        "release": ("release", NAME, word),
        "withhold": ("withhold", NAME, word, "--reason", "it promises too much"),
        "handover": ("handover", NAME, "ben"),
        "accept": ("accept", NAME),
        "decline": ("decline", NAME, "--reason", "no"),
        "renounce": ("renounce", NAME, "--reason", "I must leave"),
        "lift": ("lift", NAME, digest, "--reason", "back"),
        "adopt": ("adopt", NAME, digest, "--reason", "for good"),
        "extend": ("extend", NAME, digest, "--reason", "longer"),
        "stop": ("stop", NAME, "--reason", "worse"),
        "switch": ("switch", NAME, "other", "--reason", "another pattern"),
        "confirm": ("confirm", NAME, "call-support", "--note", "they know"),
        "waive": ("waive", NAME, "lock", "--reason", "later", "--until", "14d"),
        "attest": ("attest", NAME, "--change", "two sign", "--reference", "4.2", "--verify-by", "90d"),
        "second": ("second", NAME, "--reason", "I have read it"),
        "categorize": ("categorize", NAME, "serious-incident", "--reason", "harm", "--aware", "3h"),
        "withdraw": ("withdraw", NAME, "serious-incident", "--reason", "nobody was harmed"),
        "inform": ("inform", NAME, "gdpr-33", "--reference", "4711", "--at", "20m", "--authority", "the DPA"),
        "prove": ("prove", NAME),
        "dismiss": ("dismiss", NAME, "--reason", "none"),
        "merge": ("merge", NAME, "refund-agent-5e6f7a8b", "--reason", "same"),
        "close": ("close", NAME),
    }
    assert set(calls) == set(ACTS)
    asked: list[tuple[str, dict[str, Any]]] = []
    station.act = lambda kind, by, **fields: asked.append((kind, {"by": by, **fields}))
    for kind, words in calls.items():
        assert run(*words).exit_code == 0, kind
    for kind, fields in asked:
        ACTS[kind].model_validate(fields)
    assert [kind for kind, _ in asked] == list(calls)
    sent = dict(asked)
    assert sent["update"] == {
        "by": "ana",
        "audience": "internal",
        "known": "we know",
        "unknown": "who",
        "doing": "this",
    }
    assert sent["merge"]["into"] == "refund-agent-5e6f7a8b"
    assert sent["approve"]["action"] == station.incident.firebreaks[1].digest


def test_approve_decides_the_action_of_the_digest(run: Run, station: Any) -> None:
    station.seal()
    station.act("acknowledge", "ana")
    station.act("declare", "ana", severity="sev2", reason="money")
    wanted = station.incident.firebreaks[1]
    assert run("approve", NAME, wanted.digest[:12].upper()).exit_code == 0
    assert station.incident.firebreaks[1].approved_by == ("ana",)


def test_a_cause_is_a_fact(run: Run, station: Any) -> None:
    station.act("acknowledge", "ana")
    run("note", NAME, "the reranker was off", "--cause")
    assert (station.incident.entries[0].standing, station.incident.entries[0].cause) == ("fact", True)


def test_how_bad_it_is_now(run: Run, station: Any) -> None:
    result = run("assess", NAME, "--harm", "3", "--reason", "a customer was hurt")
    assert result.exit_code == 0, result.output
    assert station.incident.proposal.severity == "sev1"
    assert "no axis is given" in run("assess", NAME, "--reason", "a feeling").output
    assert run("assess", NAME, "--harm", "4", "--reason", "x").exit_code != 0


def test_a_note_is_refuted_or_stood_for(run: Run, station: Any) -> None:
    station.act("acknowledge", "ana")
    run("note", NAME, "the prompt")
    run("note", NAME, "the reranker")
    run("establish", NAME, "1", "--refuted", "--reason", "it is of today")
    run("establish", NAME, "2", "--cause", "--reason", "the log shows it")
    assert [(each.standing, each.cause) for each in station.incident.entries] == [
        ("refuted", False),
        ("fact", True),
    ]
    told = run("establish", NAME, "1", "--reason", "but it is")
    assert told.exit_code != 0
    assert "ana has refuted note 1 already" in " ".join(told.output.split())
    both = run("establish", NAME, "2", "--refuted", "--cause", "--reason", "x")
    assert "what is refuted is not the cause" in both.output


def test_a_note_of_what_happened_before(run: Run, station: Any) -> None:
    run("note", NAME, "the lights went out", "--at", "5m")
    (entry,) = station.incident.entries
    assert timedelta(minutes=5) <= entry.written_at - entry.at < timedelta(minutes=6)
    assert "is no time" in run("note", NAME, "x", "--at", "lately").output


@pytest.mark.parametrize("text", ["2026-01-31T03:10", "2026-01-31T03:10:00+01:00", "2h"])
def test_times_that_have_been(text: str) -> None:
    found = happened(text)
    assert found is not None
    assert datetime.fromisoformat(found) <= datetime.now().astimezone()


@pytest.mark.parametrize("text", ["00:00", "12:30", "23:59:59"])
def test_a_time_of_day_is_the_last_one_that_was(text: str) -> None:
    found, now = happened(text), datetime.now().astimezone()
    assert found is not None
    assert now - timedelta(days=1, minutes=1) < datetime.fromisoformat(found) <= now


@pytest.mark.parametrize("text", ["soon", "25:00", "12:60", "31.1.2026", ""])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(InvalidInput, match="--at"):
        happened(text)


def test_a_public_word(run: Run, station: Any) -> None:
    station.act("acknowledge", "ana")
    run("update", NAME, "Refunds are paused.", "--public")
    assert station.incident.words[0].audience == "public"


def test_json_of_an_act_is_the_answer_and_what_is_waited_for(run: Run) -> None:
    result = run("ack", NAME, "--json")
    data = json.loads(result.stdout)
    assert (data["accepted"], data["incident"], data["phase"]) == (True, NAME, "open")
    assert data["waiting"][0]["command"] == f"firestation declare {NAME} sev2 --reason '...'"
    assert result.stderr == ""


def test_an_act_that_was_taken_is_not_called_an_error_when_the_picture_fails(run: Run, station: Any) -> None:
    def fail() -> None:
        raise RuntimeError

    station.before_picture = fail
    result = run("ack", NAME)
    assert result.exit_code == 0
    assert "It was taken, but the incident cannot be shown now" in result.output
    assert station.incident.captain == "ana"


def test_the_beginning_of_an_id_is_enough(run: Run, station: Any) -> None:
    station.names = [NAME, "chat-00000000"]
    assert run("ack", "refund").exit_code == 0
    assert station.incident.captain == "ana"


def test_ring_says_which_incident(run: Run, station: Any) -> None:
    result = run(
        "ring", "refund-agent", "WrongRefund", "a wrong refund", "--label", "tenant=blue", "--as", "ana"
    )
    assert result.exit_code == 0
    assert f"rings {NAME}" in result.output
    assert f"$ firestation show {NAME}" in result.output
    assert (
        json.loads(run("ring", "refund-agent", "W", "x", "--json").stdout)["incidents"][0]["incident"] == NAME
    )


def test_a_token_file_of_the_person_is_used(run: Run, station: Any, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.mkdir()
    (tokens / "ben").write_text("token-ben\n")
    (tokens / "ben").chmod(0o600)
    result = run("--state", str(tmp_path), "ack", NAME, "--as", "ben")
    assert result.exit_code == 0
    assert station.incident.captain == "ben"


@pytest.mark.parametrize("text", ["14d", "2099-01-31", "2099-01-31T12:00:00+01:00"])
def test_dates_and_spans(text: str) -> None:
    found = until(text)
    assert found is not None
    assert datetime.fromisoformat(found) > datetime.now().astimezone() + timedelta(days=13)


@pytest.mark.parametrize("text", ["soon", "31.1.2026", "", "9" * 40 + "d"])
def test_what_is_no_date(text: str) -> None:
    with pytest.raises(InvalidInput, match="--until"):
        until(text)


def test_the_plan_says_what_it_costs_and_how_it_goes_back_and_touches_nothing(run: Run, station: Any) -> None:
    station.seal()
    wanted = station.incident.pending[0]
    before = len(station.record)
    told = run("approve", NAME, wanted.digest[:12], "--plan")
    assert told.exit_code == 0, told.output
    text = " ".join(told.output.split())
    for part in (
        "reranker: off -> on",
        "customers wait",
        "puts reranker back to off",
        "never drilled as it is now",
        wanted.digest,
    ):
        assert part in text
    assert f"firestation approve {NAME} {wanted.digest[:12]}" in text
    assert len(station.record) == before
    shown = json.loads(run("approve", NAME, wanted.digest[:12], "--plan", "--json").output)
    assert shown["action"]["lever"] == "reranker"
    assert run("approve", NAME, "f" * 12, "--plan").exit_code != 0


def test_prepared_words_that_are_not_there_are_named(run: Run) -> None:
    told = run("update", NAME, "--prepared", "--public")
    assert told.exit_code != 0
    assert "has no public words ready" in told.output
    assert "nothing to say" in run("update", NAME).output


def wait_for(station: Any, span: timedelta) -> None:
    """Let this much time pass for the incident."""
    station.incident, more = settled(station.incident, station.incident.now + span)
    station.record.extend(more)


def test_the_engines_draft_is_sent_as_it_is_or_with_other_words(run: Run, station: Any) -> None:
    station.act("acknowledge", "ana")
    early = run("update", NAME, "--draft")
    assert early.exit_code != 0
    assert "there is no draft of a word to the team now" in " ".join(early.output.split())
    station.act("update", "ana", known="we look")
    wait_for(station, timedelta(minutes=25))
    (draft,) = station.incident.drafts
    shown = " ".join(run("show", NAME).output.split())
    assert "Drafts of the engine, not said to the team, due in 5m" in shown
    assert f"$ firestation update {NAME} --draft" in shown
    asked: list[dict[str, Any]] = []
    station.act = lambda _, by, **fields: asked.append({"by": by, **fields})
    assert run("update", NAME, "--draft").exit_code == 0
    assert run("update", NAME, "--draft", "--unknown", "how many").exit_code == 0
    as_it_is = {"by": "ana", "audience": "internal", "known": draft.known, "doing": draft.doing}
    assert asked == [as_it_is | {"unknown": draft.unknown}, as_it_is | {"unknown": "how many"}]
    assert "--draft" in run("update", NAME, "--draft", "--public").output


def test_a_word_that_is_overdue_says_for_how_long(run: Run, station: Any) -> None:
    station.act("acknowledge", "ana")
    station.act("update", "ana", known="we look", audience="public")
    station.act("update", "ana", known="we look")
    wait_for(station, timedelta(minutes=42))
    shown = " ".join(run("show", NAME).output.split())
    assert "> the overdue word to the team" in shown
    assert "> the overdue word to the public" in shown
    assert shown.count("OVERDUE by 12m") >= 3
    assert f"$ firestation update {NAME} --draft --public" in shown


def test_a_public_word_waits_and_is_released_or_withheld_by_its_digest(run: Run, station: Any) -> None:
    brief = station.incident.brief
    runbook = brief.runbook.changed(updates=brief.runbook.updates.changed(public_approval="comms"))
    comms = Person(id="ben", name="Ben", roles=(Role.COMMS,), address="ben")
    roster = brief.roster.changed(people=(brief.roster.people[0], comms))
    station.incident = station.incident.changed(brief=brief.changed(runbook=runbook, roster=roster))
    station.act("acknowledge", "ana")
    station.act("acknowledge", "ben", role="comms")
    assert run("update", NAME, "Refunds are slower.", "--public").exit_code == 0
    (waits,) = waiting(station.incident)
    shown = " ".join(run("show", NAME).output.split())
    assert f"waits for ben: known: Refunds are slower. digest {waits.digest}" in shown
    refused = run("release", NAME, waits.digest[:12])
    assert refused.exit_code != 0
    assert "waits for ben, not for ana" in " ".join(refused.output.split())
    ben = {"FIRESTATION_TOKEN": "token-ben"}
    assert run("release", NAME, waits.digest[:12], env=ben).exit_code == 0
    assert station.incident.words[-1].released_by == "ben"
    assert "released by ben" in run("show", NAME).output
    run("update", NAME, "Refunds are slower today.", "--public")
    (waits,) = waiting(station.incident)
    assert run("withhold", NAME, waits.digest[:8], "--reason", "not yet", env=ben).exit_code == 0
    assert not waiting(station.incident)


def test_the_spool_says_what_waits_and_what_could_not_be_told(run: Run, station: Any) -> None:
    result = run("spool", "--as", "ana")
    assert result.exit_code == 0, result.output
    assert f"waits  {NAME}: 12 alarms since" in result.output
    assert "ALL-CLEAR WITHOUT A FIRE: WrongRefund from bell for" in result.output
    assert "CANNOT BE TOLD NOW: Temporal does not answer" in result.output
    assert json.loads(run("spool", "--json").stdout)["waiting"][0]["alarms"] == 12
    station.spooled = {"waiting": [], "untold": []}
    assert "Temporal has every alarm" in run("spool").output


def test_what_nobody_answers_is_sent_again_as_one_and_that_is_told(
    run: Run, station: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.client.PAUSE_SECONDS", 0)
    station.outages = 2
    result = run("ack", NAME)
    assert (result.exit_code, station.incident.captain) == (0, "ana")
    assert [line[-6:] for line in result.stderr.splitlines()] == ["2 of 5", "3 of 5"]
    station.outages = 5
    result = run("note", NAME, "seen at three")
    said = " ".join(result.stderr.split())
    assert result.exit_code == 5
    assert (
        f"It may have been done all the same. Look before you type it again: firestation show {NAME}" in said
    )
    station.outages = 4
    result = run("incidents", "--json")
    assert (result.exit_code, result.stderr) == (0, ""), "a machine is told nothing on the way"
    station.outages = 5
    result = run("ring", "refund-agent", "WrongRefund", "a refund on day 45", "--id", "w-1")
    assert "It may have rung all the same" in " ".join(result.stderr.split())
    assert "--id w-1" in " ".join(result.stderr.split())
