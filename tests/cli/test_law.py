"""Legal clocks as people meet them: what to type, what is shown, what is refused."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from typer.testing import Result

from cli.perform import happened
from firestation.errors import InvalidInput
from firestation.legal import Legal

Run = Callable[..., Result]
NAME = "refund-agent-1a2b3c4d"


def said(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


def test_a_category_starts_its_clock_and_the_next_command_is_to_inform(run: Run, station: Any) -> None:
    station.act("acknowledge", "ana")
    told = said(run("categorize", NAME, "personal-data-breach", "--reason", "names", "--aware", "3h"))
    assert "the supervisory authority competent under Art. 55 to be informed of personal-data-breach" in told
    assert f"$ firestation inform {NAME} gdpr-33 --reference '...'" in told
    shown = said(run("show", NAME))
    assert "Legal clocks runs gdpr-33, for personal-data-breach: due " in shown
    assert "(in 2d 20h), known since" in shown or "(in 2d 21h), known since" in shown
    assert "Regulation (EU) 2016/679 (GDPR), Art. 33(1)" in shown


def test_what_is_overdue_is_said_in_words(run: Run, station: Any) -> None:
    station.act("acknowledge", "ana")
    assert run("categorize", NAME, "personal-data-breach", "--reason", "x", "--aware", "80h").exit_code == 0
    shown = said(run("show", NAME))
    assert "OVERDUE gdpr-33, for personal-data-breach" in shown
    assert "OVERDUE by 8h" in shown


def test_informed_and_withdrawn_are_shown_with_who_said_it(run: Run, station: Any) -> None:
    station.act("acknowledge", "ana")
    for category in ("personal-data-breach", "serious-incident"):
        assert run("categorize", NAME, category, "--reason", "x", "--aware", "80h").exit_code == 0
    words = ("--reference", "BlnBDI 4711", "--at", "20m", "--authority", "the DPA of Berlin")
    assert run("inform", NAME, "gdpr-33", *words).exit_code == 0
    assert run("withdraw", NAME, "serious-incident", "--reason", "nobody was harmed").exit_code == 0
    shown = said(run("show", NAME))
    assert "LATE gdpr-33, for personal-data-breach: the DPA of Berlin informed" in shown
    assert "by the word of ana: BlnBDI 4711" in shown
    stopped = "stopped eu-ai-act-73-2, for serious-incident, withdrawn by ana: nobody was harmed"
    assert stopped in shown


def test_a_refusal_lists_what_there_is(run: Run, station: Any) -> None:
    station.act("acknowledge", "ana")
    refused = run("categorize", NAME, "bad-weather", "--reason", "x")
    assert refused.exit_code != 0
    assert "there are clocks for serious-incident" in " ".join(refused.output.split())


def test_the_plan_says_in_red_and_in_words_that_nothing_is_to_be_altered(run: Run, station: Any) -> None:
    brief = station.incident.brief
    legal = brief.system.changed(legal=Legal(do_not_alter=True))
    station.incident = station.incident.changed(brief=brief.changed(system=legal))
    station.act("acknowledge", "ana")
    station.act("categorize", "ana", category="serious-incident", reason="harm")
    station.seal()
    wanted = station.incident.pending[0]
    told = said(run("approve", NAME, wanted.digest[:12], "--plan"))
    assert (
        "THE LAW do not alter before informing applies (Regulation (EU) 2024/1689 (EU AI Act), Art." in told
    )
    assert "what was frozen: manifest bbbbbbbbbbbb" in told
    assert "! do not alter before informing applies" in said(run("show", NAME))
    assert run("approve", NAME, wanted.digest[:12]).exit_code == 0, "the captain is told, and not stopped"
    assert "(in sight: do not alter before informing, eu-ai-act-73-2 not informed)" in said(run("show", NAME))


@pytest.mark.parametrize(("text", "span"), [("3h", timedelta(hours=3)), ("1d 2h", timedelta(hours=26))])
def test_how_long_ago(text: str, span: timedelta) -> None:
    found = happened(text)
    assert found is not None
    assert abs(datetime.now().astimezone() - span - datetime.fromisoformat(found)) < timedelta(minutes=1)


def test_a_time_of_the_reader_is_read_in_the_readers_zone() -> None:
    assert happened(None) is None
    assert happened("2026-01-31T14:00") == datetime(2026, 1, 31, 14).astimezone().isoformat()


@pytest.mark.parametrize("text", ["soon", "31.1.2026", "", "9" * 40 + "d"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(InvalidInput, match="--aware"):
        happened(text, "--aware")
