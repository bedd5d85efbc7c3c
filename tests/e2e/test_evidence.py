"""Reading the evidence of a real incident: by our command, and by public tools with none of our code."""

import base64
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from pyrage import x25519  # type: ignore[import-untyped]  # it has no types

from firestation.picture import attached
from tests.docs.documents import ROOT
from tests.e2e.processes import Agent, Station, a_station, reached
from tests.e2e.test_documents import surroundings

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


def firestation(station: Station, *words: str) -> subprocess.CompletedProcess[str]:
    return reached(lambda: once(station, *words))


def once(station: Station, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cli", "--state", str(station.state), *words]
    return subprocess.run(
        command,
        cwd=ROOT,
        env=surroundings({"FIRESTATION_AS": "ana"}),
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_evidence_of_a_night(agent: Agent, station: Station, tmp_path: Path) -> None:
    agent.fault("stale_policy")
    incident = agent.ring(station)
    sealed = station.until(incident, "the seal", lambda seen: seen.sealed).sealed
    assert sealed

    listed = firestation(station, "evidence", "list", incident)
    assert listed.returncode == 0, listed.stderr
    for artifact in sealed.artifacts:
        assert artifact.digest[:12] in listed.stdout
    assert "human-review: not-configured" in listed.stdout
    assert "pseudonymised 1 time: $.user" in listed.stdout

    told = firestation(station, "evidence", "diff", incident)
    assert told.returncode == 0, told.stderr
    print(told.stdout)
    lines = [line.strip() for line in told.stdout.splitlines()]
    order = lines.index("retrieval.candidates: the order differs")
    assert lines[order + 1].startswith("1  refund-policy 2024-03")
    assert "healthy: 1" not in lines[order + 1]
    assert any(line.startswith('model.route: "fallback"') for line in lines)
    assert any(line.startswith("refund_tool: enabled -> disabled") for line in lines)
    again = lines.index("candidates: the order differs")
    assert lines[again - 2].startswith("retrieval of ")
    assert "then: 1" not in lines[again + 1]
    assert lines[again + 1].startswith("1  refund-policy 2024-03")
    assert any(line.startswith('reranker: "off"   then: "on"') for line in lines)
    assert any(line.startswith("now     ") and "politely and briefly" in line for line in lines)

    trace = next(each for each in sealed.artifacts if each.name.startswith("trace "))
    shown = firestation(station, "evidence", "show", incident, trace.digest[:8], "--raw")
    trace_shown = json.loads(shown.stdout)
    assert (trace_shown["ruling"], trace_shown["user"][:2]) == ("approve", "p-")
    assert (trace.driver, trace.how) == ("http", f"GET {agent.url}/traces/{trace_shown['request_id']}")

    _complains(station, incident, tmp_path / "screen.png")
    verified = firestation(station, "evidence", "verify", incident)
    assert verified.returncode == 0, verified.stdout
    assert "complaint: screen.png" in verified.stdout
    assert "Nothing was altered" in verified.stdout

    folder = tmp_path / "export"
    exported = firestation(station, "evidence", "export", incident, str(folder))
    assert exported.returncode == 0, exported.stderr
    public = station.state / "keys" / "station.pub"
    check = [sys.executable, "-I", str(ROOT / "scripts" / "verify_manifest"), str(folder), str(public)]
    by_others = subprocess.run(check, capture_output=True, text=True, check=False)
    assert by_others.returncode == 0, by_others.stderr
    assert f"{len(sealed.artifacts)} artifacts" in by_others.stdout

    kept = station.state / "evidence" / "sha256" / trace.digest[:2] / trace.digest[2:]
    kept.write_bytes(kept.read_bytes().replace(b"approve", b"decline", 1))
    broken = firestation(station, "evidence", "verify", incident, "--json")
    assert broken.returncode == 1
    answer = json.loads(broken.stdout)
    assert not answer["verified"]
    assert trace.name in answer["wrong"]


def _complains(station: Station, incident: str, screen: Path) -> None:
    """A person rings with a screenshot: it joins the incident, and is read back by its digest."""
    screen.write_bytes(b"\x89PNG\r\n\x1a\n what the customer saw")
    words = (
        "refund-agent",
        "RefundGoldenEvalFailing",
        "it refunds what it should not",
        "--attach",
        str(screen),
    )
    rang = firestation(station, "ring", *words)
    assert rang.returncode == 0, rang.stderr
    assert f"rings {incident}" in rang.stdout
    (file,) = attached(station.until(incident, "the screenshot", attached))
    assert (file.name, file.by, file.media_type) == ("screen.png", "ana", "image/png")
    shown = firestation(station, "evidence", "show", incident, file.digest[:8], "--json")
    assert base64.b64decode(json.loads(shown.stdout)["base64"]) == screen.read_bytes()


def test_evidence_is_only_for_people_of_the_station_and_only_this_incidents(
    agent: Agent, station: Station
) -> None:
    agent.fault("stale_policy")
    incident = agent.ring(station)
    station.until(incident, "the seal", lambda seen: seen.sealed)
    stranger = firestation(station, "evidence", "show", incident, "0" * 64)
    assert (stranger.returncode, "0 pieces" in stranger.stderr) == (2, True)
    nobody = subprocess.run(
        [sys.executable, "-m", "cli", "--url", station.url, "evidence", "list", incident],
        cwd=ROOT,
        env=surroundings({}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert nobody.returncode == 3


def test_encrypted_evidence_opens_for_its_recipient_only(agent: Agent, tmp_path: Path) -> None:
    identity, other = x25519.Identity.generate(), x25519.Identity.generate()
    key, wrong = tmp_path / "key.txt", tmp_path / "wrong.txt"
    key.write_text(f"# of the privacy officer\n{identity}\n")
    wrong.write_text(f"{other}\n")
    around = "    provides: [requests, user-visible-io]\n    privacy: {"
    encrypted = f"{around}encrypt_to: [{identity.to_public()}], "
    with a_station(tmp_path / "station", agent, {around: encrypted}) as station:
        agent.fault("stale_policy")
        incident = agent.ring(station)
        sealed = station.until(incident, "the seal", lambda seen: seen.sealed).sealed
        assert sealed
        (artifact,) = (each for each in sealed.artifacts if each.source == "around")
        assert artifact.encryption
        kept = station.state / "evidence" / "sha256" / artifact.digest[:2] / artifact.digest[2:]
        assert kept.read_bytes().startswith(b"age-encryption.org/v1")
        assert not (
            kept.parent.parent / artifact.encryption.digest[:2] / artifact.encryption.digest[2:]
        ).exists()

        listed = firestation(station, "evidence", "list", incident)
        assert f"encrypted to {identity.to_public()}"[:60] in " ".join(listed.stdout.split())
        show = ("evidence", "show", incident, artifact.digest[:12])
        closed = firestation(station, *show)
        assert (closed.returncode, "--identity FILE" in closed.stderr) == (2, True)
        refused = once(station, *show, "--identity", str(wrong))
        assert refused.returncode != 0
        assert "does not open it" in refused.stderr
        opened = firestation(station, *show, "--raw", "--identity", str(key))
        assert hashlib.sha256(opened.stdout.encode()).hexdigest() == artifact.encryption.digest
        assert {trace["user"][:2] for trace in json.loads(opened.stdout)} == {"p-"}
        verified = firestation(station, "evidence", "verify", incident)
        assert verified.returncode == 0, verified.stdout
        told = firestation(station, "evidence", "diff", incident)
        assert told.returncode == 0, told.stderr
        assert "1 piece of evidence encrypted" in told.stdout
        told = firestation(station, "evidence", "diff", incident, "--identity", str(key))
        assert "encrypted" not in told.stdout
