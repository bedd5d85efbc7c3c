"""The fire captain, from the page that nobody answers to the move that one signed word makes, with real processes."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from firestation.errors import Refused
from firestation.firebreak import Lease
from tests.docs.documents import ROOT, commands
from tests.drivers.mailing import Mailbox, mail_server
from tests.drivers.products import node
from tests.e2e.captain import finish, firebreak, stands
from tests.e2e.processes import (
    SHORTER,
    Agent,
    Station,
    a_station,
    an_agent,
    free_port,
    needs,
    running,
    wait_for,
)
from tests.e2e.test_documents import run

pytestmark = [pytest.mark.e2e, pytest.mark.kill, pytest.mark.timeout(600)]

LINK = re.compile(r"^Or open: (http://\S+/ack/\S+)$", re.MULTILINE)
MODULES = ROOT / ".venv" / "unleash" / "login"
SIGNED = {**SHORTER, '    to: "on"\n': '    to: "on"\n    signed: true\n'}


class Night:
    """The station of one night: its people's mail, their keys, and the incident that rings."""

    def __init__(
        self, station: Station, agent: Agent, box: Mailbox, keys: dict[str, Path], folder: Path
    ) -> None:
        self.station, self.agent, self.box, self.keys, self.folder = station, agent, box, keys, folder

    def type(self, person: str, *words: str, **more: str) -> str:
        """What a command of this person prints."""
        surroundings = {"FIRESTATION_STATE": str(self.station.state), "FIRESTATION_AS": person, **more}
        return run(" ".join(["firestation", *words]), **surroundings)

    def mail(self, person: str, title: str) -> str:
        """The text of the first mail to this person whose subject has these words."""

        def look() -> str | None:
            for mail, text in zip(list(self.box.mails), list(self.box.texts), strict=False):
                if f"{person}@example.org" in str(mail["To"]) and title in str(mail["Subject"]):
                    return str(text)
            return None

        return wait_for(f"a mail to {person}: {title}", look)


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    """Two captains with keys and mail; whoever is paged has four seconds."""
    folder = tmp_path_factory.mktemp("night")
    keys = {name: folder / f"{name}.key" for name in ("ana", "ben")}
    for path in keys.values():
        make = [needs("ssh-keygen", "openssh-client"), "-q", "-t", "ed25519", "-N", "", "-f", str(path)]
        subprocess.run(make, check=True)
    with mail_server(Mailbox()) as box, an_agent(folder / "agent") as agent:
        changes = {
            "page_every: 2m\n": f"""page_every: 4s
pagers:
  - id: mail
    driver: email
    reaches: email
    with: {{host: 127.0.0.1, port: {box.port}, tls: none, sender: firestation@example.org}}
"""
        }
        for name, path in keys.items():
            line = path.with_name(f"{path.name}.pub").read_text().strip()
            known = f"    address: {name}@example.org\n"
            contact = f"    contacts: [{{kind: email, to: {name}@example.org}}]\n    keys: ['{line}']\n"
            changes[known] = known + contact
        public = f"http://127.0.0.1:{free_port()}"
        with a_station(
            folder / "station", agent, changes=SIGNED, station_changes=changes, public_url=public
        ) as station:
            yield Night(station, agent, box, keys, folder)


@pytest.fixture(scope="module")
def incident(night: Night) -> str:
    """The bell rings; ana does not answer, so ben is paged, and takes it on his telephone."""
    night.agent.fault("stale_policy")
    name = night.agent.ring(night.station)
    night.mail("ana", "RefundGoldenEvalFailing")
    assert night.station.picture(name).captain is None
    assert "no captain" in night.type("cara", "show", name).lower()
    (link,) = LINK.findall(night.mail("ben", "RefundGoldenEvalFailing"))
    facts = tap(night, link)
    assert facts["buttons"] == 1
    assert facts["place"]["height"] >= 44, "a thumb finds it"
    assert "Nobody yet" in facts["opened"]["text"]
    assert f"You are the captain of {name}" in facts["pressed"]["text"]
    assert facts["left"] == 0, "it works once"
    assert {facts[each]["width"] for each in ("opened", "pressed", "again")} == {360}
    assert night.station.picture(name).captain == "ben"
    return name


def tap(night: Night, link: str) -> dict[str, Any]:
    """What a telephone shows before and after its one button is pressed."""
    if not (MODULES / "node_modules").exists():
        message = f"{MODULES} has no playwright-core; run: make test"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    script = Path(__file__).parent / "login" / "tap.mjs"
    chromium = needs("chromium", "chromium")
    command = [node(), str(script), str(MODULES), chromium, link, str(night.folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def refused(night: Night, person: str, incident: str, act: str, **fields: Any) -> str:
    with pytest.raises(Refused) as caught:
        night.station.as_person(person).act(incident, act, fields)
    return str(caught.value)


def test_one_captain_after_the_other_and_one_signed_word_moves_it_once(night: Night, incident: str) -> None:
    station, agent = night.station, night.agent
    station.act("ben", incident, "declare", severity="sev2", reason="refunds are paid that should be denied")
    seen = station.until(incident, "the proposal", stands("reranker", Lease.PROPOSED))
    digest = firebreak(seen, "reranker").digest
    station.until(incident, "the refund tool to be off", stands("refund_tool", Lease.EFFECTIVE))

    night.type("ben", "handover", incident, "ana")
    briefing = night.mail("ana", "offers you the captaincy")
    for part in ("What happened:", "What holds now, and until when:", "What is waited for:", "the cause"):
        assert part in briefing
    assert station.picture(incident).captain == "ben", "an offer is not yet a handover"
    night.type("ana", "accept", incident)
    assert station.picture(incident).captain == "ana"
    night.mail("ana", "move reranker from off to on?")

    before = refused(night, "ben", incident, "approve", action=digest)
    assert "the captain is ana; ben handed it over at" in before
    assert "demands a signature" in refused(night, "ana", incident, "approve", action=digest)
    assert ("reranker", "off", "on") not in agent.moves()

    agent.fault("hang_after_move", lever="reranker")
    night.type("ana", "approve", incident, digest[:12], "--sign", str(night.keys["ana"]))
    wait_for("the move to arrive", lambda: ("reranker", "off", "on") in agent.moves())
    station.kill("worker")
    agent.clear("hang_after_move")
    closed = finish(station, incident, agent)  # each move exactly once, the replay the same, the audit passed
    assert [(each.person, each.left) for each in closed.tenures] == [("ben", "handed it over"), ("ana", None)]
    texts = [moment.text for moment in closed.timeline]
    assert any(text.startswith("ben was refused approve: rule 3") for text in texts)
    assert any(text.startswith("page 2 to ben") for text in texts)


def test_a_decision_holds_for_ssh_keygen_and_not_after_one_changed_byte(night: Night, incident: str) -> None:
    digest = firebreak(night.station.picture(incident), "reranker").digest
    out = night.folder / "decisions"
    told = night.type("cara", "decision", "export", incident, digest[:12], "--out", str(out), "--json")
    (exported,) = json.loads(told)["decisions"]
    decision = Path(exported["decision"])

    def verified() -> int:
        done = subprocess.run(["sh", "-c", exported["verify"]], capture_output=True, check=False)
        return done.returncode

    assert exported["by"] == "ana"
    assert verified() == 0
    content = decision.read_bytes()
    assert digest.encode() in content
    for place in (0, len(content) // 2, len(content) - 1):
        changed = bytearray(content)
        changed[place] ^= 1
        decision.write_bytes(changed)
        assert verified() != 0, place
    decision.write_bytes(content)
    assert verified() == 0


def test_the_commands_of_the_document(night: Night, tmp_path: Path) -> None:
    """Those of docs/authority.md, on an incident of its own, with a key in a file and one in an ssh-agent."""
    station, agent = night.station, night.agent
    agent.make_as_new({**agent.levers(), "reranker": "off"})
    agent.fault("stale_policy")

    def rung() -> str | None:
        """The gateway answers a repeat from memory for half a minute, whatever became of the first incident."""
        name = agent.ring(station)
        return name if station.picture(name).ended_at is None else None

    incident = wait_for("another incident", rung, 90)
    place = tmp_path / "agent"
    with running([needs("ssh-agent", "openssh-client"), "-D", "-a", str(place)], tmp_path, "ssh-agent"):
        wait_for("the ssh-agent", place.is_socket)
        surroundings = {**os.environ, "SSH_AUTH_SOCK": str(place)}
        add = [needs("ssh-add", "openssh-client"), "-q", str(night.keys["ana"])]
        subprocess.run(add, env=surroundings, check=True)
        station.act("ana", incident, "acknowledge")
        station.act("ana", incident, "declare", severity="sev2", reason="refunds are paid again")
        digest = firebreak(
            station.until(incident, "the proposal", stands("reranker", Lease.PROPOSED)), "reranker"
        ).digest
        by_file, by_agent, export, verify, keygen = commands(ROOT / "docs/authority.md")
        arrived = ""
        assert keygen.startswith("ssh-keygen")  # tests/unit/test_sshsig.py runs it
        out = tmp_path / "decisions"
        words = {
            "INCIDENT": incident,
            "DIGEST": digest[:12],
            "decisions/DECISION": f"{out}/{digest[:12]}-approve-ana",
            "--out decisions": f"--out {out}",
            "--signers decisions": f"--signers {out}",
            "~/.ssh/id_ed25519_sk.pub": f"{night.keys['ana']}.pub",
            "~/.ssh/id_ed25519": str(night.keys["ana"]),
        }

        def typed(command: str) -> str:
            for old, new in {**words, "TIME": arrived}.items():
                command = command.replace(old, new)
            state = str(station.state)
            return run(command, FIRESTATION_STATE=state, FIRESTATION_AS="ana", SSH_AUTH_SOCK=str(place))

        typed(by_agent)
        station.until(incident, "the move", stands("reranker", Lease.EFFECTIVE))
        (exported,) = json.loads(typed(f"{export} --json"))["decisions"]
        arrived = exported["at"]
        assert "holds" in typed(verify)
        station.act("ana", incident, "stop", reason="again, with the key in a file")
        station.until(incident, "the way back", stands("reranker", Lease.LIFTED))
        station.act("ana", incident, "propose", step="reranker-on")
        seen = station.until(incident, "the proposal", stands("reranker", Lease.PROPOSED))
        words["DIGEST"] = firebreak(seen, "reranker").digest[:12]
        typed(by_file)
        station.until(incident, "the move", stands("reranker", Lease.EFFECTIVE))
