"""A captain who has nothing but a chat window and a browser: taken, noted and told in the room, decided on the page."""

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from firestation.firebreak import Lease
from tests.drivers.matrix_people import User
from tests.drivers.products import synapse
from tests.e2e.captain import firebreak, stands
from tests.e2e.processes import Agent, Station, a_station, wait_for
from tests.gateway.test_sessions import csrf

pytestmark = [pytest.mark.e2e, pytest.mark.kill, pytest.mark.timeout(300)]

ROOM = """  - id: chat
    title: A room for each incident
    driver: matrix
    audience: internal
    with: {{homeserver: "{url}", token: "file:{token}", room: per-incident, people: ["{ana}", "{ben}"]}}

trackers:
"""


@contextmanager
def a_browser(station: Station, person: str, asked: str) -> Iterator[tuple[httpx.Client, httpx.Response]]:
    """A browser that opens a link, logs in where it is led, and has what it asked for."""
    with httpx.Client(base_url=station.url, headers={"Origin": station.url}, timeout=30) as browser:
        login = browser.get(asked, follow_redirects=True)
        form = {"csrf": csrf(login), "token": station.token(person), "next": asked.removeprefix(station.url)}
        led = browser.post("/login", data=form)
        assert led.headers["location"] == form["next"]
        yield browser, browser.get(asked)


def said(user: User, room: str, text: str) -> str:
    """Write it; the event's id."""
    content = {"msgtype": "m.text", "body": text}
    return str(user.ask("PUT", f"/rooms/{room}/send/m.room.message/{uuid.uuid4().hex}", content)["event_id"])


def answer(user: User, room: str, event: str) -> str:
    """What the station answered in the thread of this event."""

    def look() -> list[Any]:
        contents = [each["content"] for each in user.messages(room) if each["sender"] != user.id]
        return [each for each in contents if each.get("m.relates_to", {}).get("event_id") == event]

    return str(wait_for(f"the answer to {event}", look)[0]["body"])


def test_an_incident_is_led_from_its_room(tmp_path: Path, agent: Agent) -> None:
    (tmp_path / "synapse").mkdir()
    with synapse(tmp_path / "synapse") as server:
        bot, ana, ben = (User(server, name) for name in ("bot", "ana", "ben"))
        (tmp_path / "token").write_text(bot.token)
        channel = ROOM.format(url=server.url, token=tmp_path / "token", ana=ana.id, ben=ben.id)
        contacts = {
            f"    address: {each.name}@example.org\n": f"    address: {each.name}@example.org\n"
            f"    contacts: [{{kind: matrix, to: '{each.id}'}}]\n"
            for each in (ana, ben)
        }
        state = tmp_path / "station"
        changes = {"trackers:\n": channel}
        with a_station(state, agent, system_changes=changes, station_changes=contacts) as station:
            led_from_its_room(station, agent, ana, ben)


def led_from_its_room(station: Station, agent: Agent, ana: User, ben: User) -> None:
    agent.fault("stale_policy")
    incident = agent.ring(station)
    (room,) = wait_for("the invitation", ana.invited)
    for each in (ana, ben):
        each.enter(room)
    assert answer(ana, room, said(ana, room, "!ack")).startswith("Done: ana is the captain.")
    assert station.picture(incident).captain == "ana"
    station.act("ana", incident, "declare", severity="sev2", reason="refunds are paid that should be denied")
    seen = station.until(incident, "the reranker to be proposed", stands("reranker", Lease.PROPOSED))
    digest = firebreak(seen, "reranker").digest

    # What is written while the gateway is dead is heard by the next one, and what was heard before is not done again.
    station.kill("gateway")
    noted = said(ben, room, "!note the index was rebuilt at 14:02")
    assert "noted" in answer(ben, room, noted)
    entries = [each for each in station.picture(incident).entries if each.by == "ben"]
    assert [each.text for each in entries] == ["the index was rebuilt at 14:02"]

    refused = answer(ben, room, said(ben, room, "!ack"))
    assert refused.startswith("Refused")
    assert f"!approve {digest[:12]}" in refused, "it says what comes next"
    told = answer(ana, room, said(ana, room, f"!approve {digest[:12]}"))
    (link,) = re.findall(r"http://\S+/plan/\S+", told)
    assert firebreak(station.picture(incident), "reranker").state is Lease.PROPOSED
    with a_browser(station, "ben", link) as (_, page):
        assert page.status_code == 403
        assert "It is for ana, and you are ben" in page.text
    with a_browser(station, "ana", link) as (browser, page):
        form = {"csrf": csrf(page), "subject": digest, "key": uuid.uuid4().hex}
        assert browser.post(f"/board/{incident}/approve", data=form).status_code == 303
    station.until(incident, "the move", stands("reranker", Lease.APPLIED, Lease.EFFECTIVE))

    pager = station.words("pager")
    asked = [each["text"] for each in pager if digest in each["text"] and each["purpose"] == "decision"]
    assert asked
    assert all(f"{station.url}/board/{incident}#decide" in each for each in asked)
    report = station.replay(incident)
    assert (report["passed"], report["replay"]) == (True, "same"), report
