"""Drills on a terminal: what a station tells of them draws nothing."""

import json
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from typer.testing import Result

from cli.drill_page import Shown
from firestation.drill_report import Readiness


def test_a_hostile_station_draws_nothing_with_its_readiness(run: Callable[..., Result], station: Any) -> None:
    ready = Readiness(
        system="refund-agent",
        runbook="stale-policy",
        title="Stale policy \x1b[31m",
        standing="ready",
        last=date(2026, 11, 26),
        went="in time \x1b[2J\u202e",
        age=timedelta(days=90),
        levers=(),
    )
    changed = ready.changed(runbook="cost", standing="changed", levers=("cap",), kinds=("cost-spike",))
    shown = Shown(running=(), results=(), readiness=(ready, changed), doubts=())
    station.override = (200, json.dumps(shown.model_dump(mode="json")).encode())
    result = run("drill", "report")
    assert result.exit_code == 0, result.output
    assert "last drilled on 2026-11-26, in time" in " ".join(result.output.split())
    assert "it was changed since; drilled by cost-spike" in " ".join(result.output.split())
    assert "$ firestation drill run cost-spike --system refund-agent" in result.output, (
        "it is what to do next"
    )
    assert not {"\x1b", "\u202e"} & set(result.output)
