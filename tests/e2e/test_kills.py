"""Any process may die at any moment, and the incident ends the same: each lever is moved exactly once."""

import pytest

from firestation.firebreak import Lease
from firestation.loader import load_system
from tests.e2e.captain import approve, finish, stands, take
from tests.e2e.processes import Agent, Station, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.kill, pytest.mark.timeout(240)]


def contained(station: Station, incident: str) -> None:
    station.until(incident, "the refund tool to be off", stands("refund_tool", Lease.EFFECTIVE))


def test_nothing_dies(agent: Agent, station: Station) -> None:
    agent.fault("stale_policy")
    incident = agent.ring(station)
    take(station, incident)
    contained(station, incident)
    approve(station, incident)
    finish(station, incident, agent)


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


def test_the_gateway_dies_and_nobody_has_to_say_anything_twice(agent: Agent, station: Station) -> None:
    agent.fault("stale_policy")
    incident = agent.ring(station)
    take(station, incident)
    station.kill("gateway")
    contained(station, incident)
    approve(station, incident)
    finish(station, incident, agent)
