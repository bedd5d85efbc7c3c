"""Any process may die at any moment, and the incident ends the same: each lever is moved exactly once."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx
import pytest

from firestation.firebreak import Lease
from firestation.loader import load_system
from tests.e2e.captain import approve, finish, stands, take
from tests.e2e.processes import Agent, Station, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.kill, pytest.mark.timeout(240)]


def contained(station: Station, incident: str) -> None:
    station.until(incident, "the refund tool to be off", stands("refund_tool", Lease.EFFECTIVE))


def test_nothing_dies_and_what_comes_back_says_that_its_lock_broke(agent: Agent, station: Station) -> None:
    agent.fault("stale_policy")
    incident = agent.ring(station)
    first = station.picture(incident)
    take(station, incident)
    contained(station, incident)
    approve(station, incident)
    closed = finish(station, incident, agent)
    assert first.recalled == ()
    assert closed.lock
    wall = wait_for("the lock on the wall", lambda: station.as_person("ana").locks("refund-agent")["locks"])
    assert [(each["lock"]["how"], each["lock"]["artifact"]) for each in wall] == [
        ("proved", closed.lock.lock.digest)
    ]
    assert wall[0]["broken"] == []

    agent.fault("stale_policy")
    again = agent.ring(station)
    seen = station.until(again, "the wall to answer", lambda seen: seen.recalled)
    assert seen.run != closed.run
    assert seen.recalled[0].startswith("lock broken: ")
    assert seen.recalled[0].endswith(f" after {incident}")
    assert seen.proposal.severity.graver_than(first.proposal.severity)
    assert any("lock broken: " in reason for reason in seen.proposal.reasons)
    take(station, again)

    def broken() -> list[str]:
        (lock,) = station.as_person("ana").locks("refund-agent")["locks"]
        return [each["incident"] for each in lock["broken"]]

    assert wait_for("the wall to say so", broken) == [again]


def test_the_worker_dies_during_the_snapshot(agent: Agent, station: Station) -> None:
    agent.fault("stale_policy")
    agent.fault("hang_reads", lever="memory")
    incident = agent.ring(station)
    station.until(incident, "the baseline", lambda seen: seen.baseline)
    sources = len(load_system(station.state / "config" / "system.yaml").sources)
    wait_for("every source to be read", lambda: station.done(incident, "collect") == sources)
    assert station.picture(incident).sealed is None
    station.kill("worker")
    agent.clear("hang_reads")
    station.until(incident, "the seal", lambda seen: seen.sealed)
    assert (agent.reads("/prompt"), agent.reads("/evals/latest")) == (1, 1), "nothing is collected twice"
    take(station, incident)
    contained(station, incident)
    approve(station, incident)
    finish(station, incident, agent)


def test_the_worker_dies_while_it_waits_for_the_captain(agent: Agent, station: Station) -> None:
    agent.fault("stale_policy")
    incident = agent.ring(station)
    take(station, incident)
    contained(station, incident)
    station.kill("worker")
    approve(station, incident)
    finish(station, incident, agent)


def test_the_worker_dies_between_the_move_and_the_read_back(agent: Agent, station: Station) -> None:
    agent.fault("stale_policy")
    incident = agent.ring(station)
    take(station, incident)
    contained(station, incident)
    agent.fault("hang_after_move", lever="reranker")
    approve(station, incident)
    wait_for("the move to arrive", lambda: ("reranker", "off", "on") in agent.moves())
    station.kill("worker")
    agent.clear("hang_after_move")
    finish(station, incident, agent)


def test_the_worker_dies_before_the_move_arrives(agent: Agent, station: Station) -> None:
    agent.fault("stale_policy")
    incident = agent.ring(station)
    take(station, incident)
    contained(station, incident)
    agent.fault("hang_moves", lever="reranker")
    approve(station, incident)
    station.until(incident, "the move to be ordered", stands("reranker", Lease.MOVING))
    station.kill("worker")
    agent.clear("hang_moves")
    finish(station, incident, agent)


def test_the_worker_dies_during_the_soak(agent: Agent, station: Station) -> None:
    agent.fault("stale_policy")
    incident = agent.ring(station)
    take(station, incident)
    contained(station, incident)
    approve(station, incident)
    station.until(incident, "the soak", lambda seen: seen.phase == "recovering")
    station.kill("worker")
    finish(station, incident, agent)


def test_temporal_dies_while_the_captain_is_waited_for(agent: Agent, station: Station) -> None:
    agent.fault("stale_policy")
    incident = agent.ring(station)
    take(station, incident)
    contained(station, incident)
    station.kill("temporal")
    approve(station, incident)
    finish(station, incident, agent)


def test_a_storm_is_counted_whatever_dies(agent: Agent, station: Station) -> None:
    """Both die while it rings. Each delivery has an id and is sent until it is answered, as alert systems do."""
    agent.fault("stale_policy")
    incident = agent.ring(station)
    before = len(station.picture(incident).alarms)
    headers = {"Authorization": f"Bearer {station.token('bell-alertmanager')}"}

    def ring(number: int) -> str:
        alarm = {
            "system": "refund-agent",
            "id": f"kind-{number % 3}",
            "name": "StormFire",
            "summary": f"the {number}th",
            "started_at": "2026-11-26T02:14:03Z",
        }

        def answered() -> str | None:
            with suppress(httpx.HTTPError):
                key = {"Idempotency-Key": f"storm-{number:04}"}
                answer = httpx.post(
                    f"{station.url}/alarms/generic", json=alarm, headers=headers | key, timeout=30
                )
                if answer.status_code == 202:
                    return str(answer.json()["incidents"][0]["incident"])
            return None

        return wait_for(f"alarm {number} to be answered", answered, 120)

    with ThreadPoolExecutor(8) as pool:
        first = [pool.submit(ring, number) for number in range(60)]
        wait_for("some answers", lambda: sum(each.done() for each in first) > 20)
        station.kill("temporal")
        second = [pool.submit(ring, number) for number in range(60, 120)]
        wait_for("some more", lambda: sum(each.done() for each in second) > 10)
        station.kill("gateway")
        third = [pool.submit(ring, number) for number in range(110, 150)]
        fires = {each.result() for each in (*first, *second, *third)}
    (storm,) = fires
    assert storm != incident
    station.act("ana", storm, "acknowledge")

    def told() -> bool:
        station.act("ana", storm, "dismiss", reason="it was a storm")
        return True

    seen = station.until(storm, "the evidence", lambda seen: seen.sealed)
    wait_for("it to be dismissed, which has all of it told", told)
    seen = station.until(storm, "the end", lambda seen: seen.phase == "dismissed")
    assert {each.alarm.key: each.times for each in seen.alarms} == {f"kind-{kind}": 50 for kind in range(3)}
    assert len(station.picture(incident).alarms) == before


def test_the_gateway_dies_and_nobody_has_to_say_anything_twice(agent: Agent, station: Station) -> None:
    agent.fault("stale_policy")
    incident = agent.ring(station)
    take(station, incident)
    station.kill("gateway")
    contained(station, incident)
    approve(station, incident)
    finish(station, incident, agent)
