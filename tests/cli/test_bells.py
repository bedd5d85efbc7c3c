"""The bells on a terminal: which work, why one does not, and what to do next."""

import json
import shlex
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from typer.testing import Result

from firestation.bell.view import Bells, Known, Refusal, view
from tests.docs.documents import ROOT, commands

Run = Callable[..., Result]
NOW = datetime.now(UTC)
WHY = Refusal(at=NOW, status=422, title="this cannot be used", field="labels.\x1b[31m", fix="Write a system")
BELLS = (
    ("grafana", Known(since=NOW - timedelta(days=2), heard=NOW, deliveries=12, alarms=40)),
    (
        "pager",
        Known(since=NOW, heard=NOW - timedelta(hours=1), deliveries=1, alarms=1, refusals=3, refused=WHY),
    ),
    ("sentry", None),
)


def told(station: Any) -> None:
    seen = tuple(
        view(name, "generic", "bearer", secret=True, origin="http://gw", known=known) for name, known in BELLS
    )
    found = Bells(bells=seen, strangers=Known(since=NOW, refusals=7, refused=WHY))
    station.override = (200, json.dumps(found.model_dump(mode="json")).encode())


def test_the_command_that_the_document_teaches(run: Run, station: Any) -> None:
    told(station)
    (line,) = (each for each in commands(ROOT / "docs/bells.md") if "--attach" not in each)
    assert run(*shlex.split(line)[1:]).exit_code == 0


def test_each_bell_says_whether_it_works_and_what_to_do(run: Run, station: Any) -> None:
    told(station)
    result = run("bells")
    text = " ".join(result.output.split())
    assert result.exit_code == 0, result.output
    assert "12 deliveries with 40 alarms since" in text
    assert "3 in all: this cannot be used (at labels.\\x1b[31m): Write a system" in text
    assert "next: Write a system. Then send a test from it" in text
    assert "never heard sentry generic, shows itself by bearer" in text
    assert "next: Have it send to http://gw/bells/sentry, as docs/bells.md says" in text
    assert "7 deliveries came to no bell of the station file" in text
    assert "as this gateway heard them" in text
    assert "times in " in text
    assert "\x1b" not in result.output
    as_data = json.loads(run("bells", "--json").output)
    assert [each["standing"] for each in as_data["bells"]] == ["heard", "refused", "never heard"]


def test_an_answer_that_is_none_is_refused(run: Run, station: Any) -> None:
    station.override = (200, b'{"bells": [{"bell": "x"}]}')
    result = run("bells")
    assert (result.exit_code != 0, "cannot be read" in result.output) == (True, True)
    assert "Traceback" not in result.output
