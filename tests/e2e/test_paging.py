"""A page from a real station: by e-mail and by webhook, and taken by the link in it, with nothing but the link."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.drivers.contracts import published
from tests.drivers.mailing import Mailbox, mail_server
from tests.e2e.processes import Agent, a_station, free_port, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(240)]
LINK = re.compile(r"^Or open: (http://\S+/ack/\S+)$", re.MULTILINE)
ALARM = {
    "system": "refund-agent",
    "id": "golden-eval",
    "name": "RefundGoldenEvalFailing",
    "summary": "2 of 6 golden cases fail",
    "started_at": "2026-11-23T03:00:00Z",
}


@contextmanager
def a_hook() -> Iterator[tuple[str, list[Any]]]:
    """A receiver of webhooks; its address, and what it has taken."""
    taken: list[Any] = []

    def take(method: str, path: str, headers: Any, body: Any) -> tuple[int, Any]:
        if headers["idempotency-key"] not in {each["key"] for each in taken}:
            taken.append(body)
        return 200, {}

    with published(take) as url:
        yield url, taken


def test_a_page_is_taken_by_its_link_alone(tmp_path: Path, agent: Agent) -> None:
    with mail_server(Mailbox()) as box, a_hook() as (hook, hooked):
        contacts = f"[{{kind: email, to: ana@example.org}}, {{kind: webhook, to: '{hook}/ana'}}]"
        pagers = f"""
pagers:
  - id: mail
    driver: email
    reaches: email
    with: {{host: 127.0.0.1, port: {box.port}, tls: none, sender: firestation@example.org}}
  - id: hook
    driver: webhook
    reaches: webhook
    with: {{secret: "file:hook-secret"}}
"""
        changes = {
            "    address: ana@example.org\n": f"    address: ana@example.org\n    contacts: {contacts}\n",
            "page_every: 2m\n": f"page_every: 2m\n{pagers}",
        }
        state = tmp_path / "station"
        public = f"http://127.0.0.1:{free_port()}"
        with a_station(state, agent, station_changes=changes, public_url=public) as station:
            (state / "hook-secret").write_text("a secret of the test")
            bell = {"Authorization": f"Bearer {station.token('bell-refund-eval')}"}
            rung = httpx.post(f"{station.url}/alarms/generic", json=ALARM, headers=bell, timeout=30)
            (incident,) = (each["incident"] for each in rung.raise_for_status().json()["incidents"])
            wait_for("the page by e-mail", lambda: box.mails)
            wait_for("the page by webhook", lambda: hooked)
            (address,) = LINK.findall(box.texts[0])
            assert address.startswith(f"{public}/ack/")
            assert LINK.findall(hooked[0]["text"]) == [address], "one page, one link"

            looked = httpx.get(address, timeout=30)
            assert looked.status_code == 200
            assert "2 of 6 golden cases fail" in looked.text
            assert station.picture(incident).captain is None
            taken = httpx.post(address, timeout=30)
            assert taken.status_code == 200
            assert f"You are the captain of {incident}" in taken.text
            seen = station.until(incident, "both ways to be on record", lambda seen: seen.paging[0].sent == 2)
            assert (seen.captain, seen.paging[0].answered) == ("ana", True)
            report = station.replay(incident)
            assert report["passed"], report
        kept = b"".join(
            file.read_bytes() for file in state.rglob("*") if file.is_file() and "keys" not in file.parts
        )
        assert b"2 of 6 golden cases fail" in kept
        assert address.rpartition("/")[2].encode() not in kept, "no history, log or store holds the link"
