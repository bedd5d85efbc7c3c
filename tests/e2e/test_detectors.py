"""Each detector of the refund agent, by its own check on the real agent: quiet while all is well, and then it rings."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from firestation.drivers import Drivers
from firestation.loader import load_system
from firestation.ports import Window
from firestation.secrets import ReferenceSecrets
from firestation.system import System
from firestation.watch.course import Course, Heard, fresh, look
from firestation.watch.detector import Detector
from tests.e2e.fires import IN_TIME, LARGE, LATE
from tests.e2e.processes import TOKEN, Agent, system_text
from workflows.watch import counted

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

HARM = {
    "golden": ("stale_policy", IN_TIME),
    "golden-late": ("stale_policy", IN_TIME),
    "judge": ("judge_drift", IN_TIME),
    "fresh": ("stale_policy", LATE),
    "grounded": ("index_poisoned", LATE),
    "tool-loops": ("tool_loop", IN_TIME),
    "private": ("filter_lost", LATE),
    "denials": (None, LATE),
    "guardrail-hits": (None, LARGE),
    "user-reports": (None, LATE),
    "cost": ("prompt_bloat", IN_TIME),
}
"""For each detector the fault that it is for, or none, and what customers ask then."""

CUSTOMERS, MOST_LOOKS = 10, 25
BEGAN = datetime(2026, 11, 26, tzinfo=UTC)


class Watched:
    """The agent, its system file, and the checks in it."""

    def __init__(self, agent: Agent, system: System, bench: Drivers) -> None:
        self.agent, self.system, self.bench = agent, system, bench

    async def heard(self, detector: Detector, asked: tuple[str, str, int, float], customers: int) -> Heard:
        """What the detector's check says of what so many customers were answered just now."""
        question, item, days, amount = asked
        order = {"id": "o-1", "item": item, "days_since_purchase": days, "amount": amount}
        since = datetime.now(UTC)
        for _ in range(customers):
            body = {"tenant": "acme", "user": "u-7", "question": question, "order": order}
            answer = self.agent.http.post("/ask", json=body).raise_for_status().json()
            if (
                detector.id == "user-reports" and answer["ruling"] == "deny"
            ):  # and is told so by whom it concerns
                found = {"request_id": answer["request_id"]}
                assert self.agent.http.post("/report", json=found, headers={"Authorization": ""}).is_success
        check = self.system.check(detector.check)
        assert check
        reading = await self.bench.check(check).measure(Window(since=since, until=datetime.now(UTC)))
        return Heard(sample=counted(reading), said=f"{reading.verdict}: {reading.detail}"[:4000])


@pytest.fixture
async def watched(agent: Agent, tmp_path: Path) -> AsyncIterator[Watched]:
    (tmp_path / "tokens").mkdir()
    (tmp_path / "tokens/refund-agent").write_text(TOKEN)
    file = tmp_path / "system.yaml"
    file.write_text(system_text(agent, {}, watch=True))
    async with Drivers(ReferenceSecrets(tmp_path), folder=tmp_path) as bench:
        yield Watched(agent, load_system(file), bench)


def after(course: Course, detector: Detector, heard: Heard, looks: int) -> Course:
    """The course when so many looks have heard the same."""
    for _ in range(looks):
        if course.owed:
            break
        course = look(course, detector, heard, course.until + detector.every)
    return course


async def test_every_kind_of_soft_failure_rings(watched: Watched) -> None:
    levers = watched.agent.levers()
    assert {each.id for each in watched.system.watch} == set(HARM)
    for detector in watched.system.watch:
        fault, asked = HARM[detector.id]
        begun = fresh(detector, "0" * 64, "refund-agent", BEGAN)
        nothing = await watched.heard(detector, IN_TIME, 0)
        quiet = await watched.heard(detector, IN_TIME, CUSTOMERS)
        learned = after(
            begun, detector, quiet, round(timedelta(days=8) / max(detector.every, timedelta(minutes=5)))
        )
        assert (detector.id, learned.owed, learned.learning) == (detector.id, (), False)
        if fault:
            watched.agent.fault(fault)
        harmed = await watched.heard(detector, asked, CUSTOMERS)
        (alarm,) = after(learned, detector, harmed, MOST_LOOKS).owed
        assert (alarm.name, alarm.labels["watch"]) == (detector.rings.name, "fire"), detector.id
        if (
            nothing.sample and nothing.sample.n == 0
        ):  # those of an eval have something to say whoever is asleep
            looks = round(detector.silence / detector.every) + 1
            (alarm,) = after(begun, detector, nothing, looks).owed
            assert (alarm.name, alarm.labels["watch"]) == (detector.rings.silent, "silence"), detector.id
        watched.agent.make_as_new(levers)
