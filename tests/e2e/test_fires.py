"""Eleven fires, one after the other, on one station with one agent: each is put out by its own runbook and locked.

Whether it burns is measured on what a customer is answered and paid, never on our own word.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import httpx
import pytest
import yaml

from firestation.firebreak import Lease
from firestation.picture import Picture
from tests.e2e.captain import firebreak, stands
from tests.e2e.fires import FIRES, STOP, Fire
from tests.e2e.processes import ROOT, Agent, Place, Station, a_place

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

NUMBER = count(1)


@pytest.fixture(scope="module")
def one_place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with a_place(tmp_path_factory.mktemp("fires")) as place:
        yield place


@pytest.fixture
def place(one_place: Place) -> Iterator[Place]:
    yield one_place
    one_place.agent.make_as_new(one_place.start)


@dataclass(frozen=True)
class Answered:
    """What a customer got: the request, its trace, and the EUR that left because of it."""

    request: str
    trace: dict[str, Any]
    paid: float


def ask(agent: Agent, fire: Fire) -> Answered:
    """A customer asks once, about an order of its own. The answer is 200 whatever stands in it."""

    def total() -> float:
        return float(sum(refund["amount"] for refund in agent.http.get("/refunds").json()))

    question, item, days, amount = fire.asks
    name, before = f"fire-{next(NUMBER)}", total()
    order = {"id": f"o-{name}", "item": item, "days_since_purchase": days, "amount": amount}
    body = {"tenant": "acme", "user": "mia", "question": question, "order": order, "request_id": name}
    assert agent.http.post("/ask", json=body).status_code == 200
    return Answered(name, agent.http.get(f"/traces/{name}").json(), total() - before)


def rule_of(pattern: str) -> dict[str, Any]:
    """The alerting rule that the agent's own team has for this pattern."""
    groups = yaml.safe_load((ROOT / "examples/refund_agent/alerts.yaml").read_text())["groups"]
    found = [rule for rule in groups[0]["rules"] if rule["labels"].get("pattern") == pattern]
    assert len(found) == 1
    rule: dict[str, Any] = found[0]
    return rule


def ring(station: Station, fire: Fire, requests: list[str], name: str | None = None) -> str:
    """The alert as Alertmanager would send it; the incident that it opened. `name`: another team's for the same."""
    rule = rule_of(fire.pattern)
    alert = {
        "status": "firing",
        "labels": {"alertname": name or rule["alert"], **rule["labels"]},
        "annotations": {"summary": f"{fire.pattern} is seen", "request_ids": ",".join(requests)},
        "startsAt": "2026-11-25T03:00:00Z",
        "fingerprint": f"f-{requests[0]}",
    }
    answer = httpx.post(
        f"{station.url}/alarms/alertmanager",
        json={"version": "4", "status": "firing", "alerts": [alert]},
        headers={"Authorization": f"Bearer {station.token('bell-alertmanager')}"},
        timeout=30,
    )
    assert answer.is_success, answer.text
    return str(answer.json()["incidents"][0]["incident"])


def take(station: Station, incident: str, fire: Fire) -> None:
    station.act("ana", incident, "acknowledge")
    station.act("ben", incident, "acknowledge", role="scribe")
    station.act("ana", incident, "declare", severity="sev2", reason=f"customers show {fire.pattern}")


def contain(place: Place, incident: str, fire: Fire) -> None:
    """Approve what is wanted and refuse the rest, in the order of the runbook."""
    wanted, station = [lever for lever, _, _ in fire.moves], place.station
    seen = station.until(incident, "every step to be put to the captain", every_step_is_known)
    for duty in seen.manual:
        station.act("ana", incident, "confirm", step=duty.id, note="it is done")
    for step in seen.steps:
        seen = station.picture(incident)
        if step.id in seen.skipped or step.id in seen.turns:
            continue
        if step.preauthorized and step.lever in wanted:
            station.until(incident, f"{step.lever} to work", stands(step.lever, Lease.EFFECTIVE))
            if step.lever == STOP[0]:
                money_has_stopped(place.agent, fire)
            continue
        action = firebreak(seen, step.lever).digest
        if step.lever in wanted:
            station.act("ana", incident, "approve", action=action)
            station.until(incident, f"{step.lever} to work", stands(step.lever, Lease.EFFECTIVE))
        else:
            station.act("ana", incident, "refuse", action=action, reason="it is contained without that")


def every_step_is_known(seen: Picture) -> bool:
    put = {each.action.step for each in seen.firebreaks} | set(seen.skipped) | set(seen.turns)
    called = {duty.id for duty in seen.manual} == set(seen.duties)
    return called and all(step.id in put for step in seen.steps)


def money_has_stopped(agent: Agent, fire: Fire) -> None:
    """The first firebreak stops the money, though what the agent thinks is as wrong as before."""
    stopped = ask(agent, fire)
    assert (stopped.paid, fire.wrong(stopped.trace)) == (0, True)


def put_back(station: Station, incident: str, fire: Fire) -> None:
    """Every firebreak is lifted, the newest first; what was wrong before the incident is adopted."""
    for lever, _, _ in reversed(fire.moves):
        action, adopted = firebreak(station.picture(incident), lever).digest, lever == fire.adopted
        station.act(
            "ana", incident, "adopt" if adopted else "lift", action=action, reason="the fault is repaired"
        )
        state = Lease.ADOPTED if adopted else Lease.LIFTED
        station.until(incident, f"{lever} to be {state}", stands(lever, state))


def expected_moves(fire: Fire) -> list[tuple[str, Any, Any]]:
    """What the agent's own access log must show: there, and back in the other order, each once."""
    back = [(lever, to, origin) for lever, origin, to in reversed(fire.moves) if lever != fire.adopted]
    return [*fire.moves, *back]


@pytest.mark.parametrize("fire", FIRES, ids=lambda fire: fire.pattern)
def test_a_fire(place: Place, fire: Fire) -> None:
    agent, station = place.agent, place.station
    healthy = ask(agent, fire)
    assert (healthy.paid, fire.wrong(healthy.trace)) == (fire.owed, False)

    agent.fault(fire.fault)
    broken = [ask(agent, fire) for _ in range(2)]
    assert all(fire.wrong(each.trace) for each in broken)
    assert all((each.paid > fire.owed) == fire.burns_money for each in broken)
    before, moved = agent.levers(), len(agent.moves())

    incident = ring(station, fire, [each.request for each in broken])
    seen = station.picture(incident)
    assert seen.runbook == (fire.runbook or fire.pattern)
    take(station, incident, fire)
    contain(place, incident, fire)

    assert fire.fault in agent.http.get("/faults").json(), "nobody has repaired anything yet"
    contained = ask(agent, fire)
    assert not fire.wrong(contained.trace)
    assert contained.paid <= fire.owed
    station.until(incident, "recovery", lambda seen: seen.restored_at)

    agent.clear(fire.fault)
    put_back(station, incident, fire)
    assert agent.levers() == before | ({fire.adopted: place.start[fire.adopted]} if fire.adopted else {})
    seen = station.until(incident, "the lock", lambda seen: seen.postmortem and seen.lock, 60)
    assert seen.lock_proved, (seen.trouble, seen.lock)
    assert seen.lock
    assert [(run.against, run.outcome) for run in seen.lock.runs] == [
        ("frozen", "failed"),
        *[("live", "passed")] * 3,
    ]
    station.act("ana", incident, "close")
    station.until(incident, "the end", lambda seen: seen.phase == "closed")

    again = ask(agent, fire)
    assert (again.paid, fire.wrong(again.trace)) == (fire.owed, False)
    assert agent.moves()[moved:] == expected_moves(fire)
    report = station.replay(incident)
    assert (report["passed"], report["replay"]) == (True, "same"), report


def test_a_lever_put_back_before_the_repair_is_no_recovery(place: Place) -> None:
    """The harm is back at once, the checks say so, and the captain pulls the same firebreak again."""
    fire = next(each for each in FIRES if each.pattern == "memory-contamination")
    agent, station = place.agent, place.station
    agent.fault(fire.fault)
    incident = ring(station, fire, [ask(agent, fire).request], "AnotherTeamsAlertOfThisPattern")
    assert station.picture(incident).runbook == fire.pattern
    take(station, incident, fire)
    contain(place, incident, fire)
    station.until(incident, "recovery", lambda seen: seen.restored_at)
    station.act(
        "ana", incident, "lift", action=firebreak(station.picture(incident), "memory").digest, reason="now?"
    )
    station.until(incident, "memory to be back", stands("memory", Lease.LIFTED))
    assert fire.wrong(ask(agent, fire).trace)
    seen = station.until(incident, "a soak that breaks", lambda seen: broken_soaks(seen) > 0)
    assert (seen.restored_at, seen.phase) == (None, "recovering")
    station.act("ana", incident, "propose", step="memory-off")
    seen = station.until(incident, "the proposal", stands("memory", Lease.PROPOSED))
    station.act("ana", incident, "approve", action=firebreak(seen, "memory").digest)
    station.until(incident, "recovery again", lambda seen: seen.restored_at)
    assert not fire.wrong(ask(agent, fire).trace)


def broken_soaks(seen: Picture) -> int:
    return sum(moment.text.startswith("soak broken") for moment in seen.timeline)


def test_the_fires_are_the_patterns_of_the_wall() -> None:
    wall = [yaml.safe_load(path.read_text()) for path in sorted((ROOT / "runbooks").glob("*.yaml"))]
    patterns = sorted(page["pattern"] for page in wall if page["pattern"] != "general")
    assert patterns == sorted(fire.pattern for fire in FIRES)
    assert len(FIRES) == 11
