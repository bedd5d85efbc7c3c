"""The scene of the demo: the agent and the station started, the agent broken, and what is left at the end."""

import json
import secrets
import sys
import time
from pathlib import Path
from typing import Any

from cli.client import Gateway
from cli.demo.agent import EXAMPLES, ROOT, RefundAgent, agent_command, replaced, system_file
from cli.demo.audit import bundle_of, evidence_path
from cli.demo.stage import Process, free_ports, fresh_folder
from cli.demo.voice import Voice, demand, fail
from cli.desk import read_secret
from firestation.picture import Picture
from firestation.rules import RULES
from firestation.settings import Settings
from firestation.verdict import Verdict

PEOPLE = ("ana", "ben", "cara")
AUDITOR = "dan"
START_SECONDS = 60.0
OTHERS = ("FIRESTATION_", "TEMPORAL_", "REFUND_AGENT_")
SHORTER = {
    "soak: 10m": "soak: 4s",
    "every: 30s": "every: 1s",
    "deadline: 60s, every: 2s": "deadline: 20s, every: 500ms",
    "deadline: 2m, every: 5s": "deadline: 20s, every: 500ms",
}
"""What the demo shortens in its copy of the runbook, so that it fits into 90 seconds."""


def surroundings(**more: str) -> dict[str, str]:
    """Our environment without any setting of another station: a demo must not write into somebody's store."""
    given = Settings().for_children()
    return {name: value for name, value in given.items() if not name.startswith(OTHERS)} | more


class Scene:
    """Everything around the incident."""

    def __init__(self, voice: Voice, state: Path, processes: list[Process]) -> None:
        self.voice, self.processes = voice, processes
        self.state = fresh_folder(state)
        self.gateway, self.temporal, self.web = "", "", ""
        agent_port, *self.ports = free_ports(4)
        self.agent = RefundAgent(agent_port, secrets.token_urlsafe(24))
        self.agent_port = agent_port

    def open(self) -> None:
        """Write the station's files, and start the agent and the station side by side."""
        voice = self.voice
        voice.chapter("A small AI product, and the station that protects it")
        if voice.auto:
            voice.say(
                "--auto: the demo plays ana (captain), ben (scribe) and cara (comms), and types what they would."
            )
        config = self._write_files()
        logs = self.state / "logs"
        logs.mkdir(exist_ok=True)
        agent = Process(
            "the refund agent", agent_command(self.agent_port, self.state / "agent"), EXAMPLES,
            surroundings(**self.agent.environment), logs / "refund-agent.log",
        )  # fmt: skip
        self.processes.append(agent)
        gateway, temporal, web = (str(port) for port in self.ports)
        command = [sys.executable, "-m", "worker.station", "--state", str(self.state), "--port", gateway]
        command += ["--temporal-port", temporal, "--ui-port", web, "--station", str(config / "station.yaml")]
        command += ["--systems", str(config / "systems"), "--runbooks", str(config / "runbooks")]
        station = Process("the station", command, ROOT, surroundings(), logs / "station.log")
        self.processes.append(station)
        with voice.progress(
            "starting the agent (real embeddings) and the station (Temporal, worker, gateway)"
        ):
            agent.wait_until(self.agent.answers, START_SECONDS)
            station.wait_until((self.state / "station.json").exists, START_SECONDS)
        where = json.loads((self.state / "station.json").read_text())
        self.gateway, self.temporal, self.web = where["gateway"], where["temporal"], where["temporal_ui"]
        voice.path("agent", self.agent.url)
        voice.path("gateway", self.gateway)
        voice.path("Temporal's UI", self.web)
        voice.path("state folder", self.state)

    def _write_files(self) -> Path:
        """The example's files, with the agent's address in them and with shorter times."""
        config = self.state / "config"
        for folder in ("systems", "runbooks"):
            (config / folder).mkdir(parents=True)
        (config / "station.yaml").write_text((EXAMPLES / "station" / "station.yaml").read_text())
        (config / "systems" / "refund-agent.yaml").write_text(system_file(self.agent.url))
        for file in sorted((ROOT / "runbooks").glob("*.yaml")):
            text = file.read_text(encoding="utf-8")
            if file.stem == "stale-policy":
                text = replaced(text, SHORTER)
                for old, new in SHORTER.items():
                    self.voice.fact("shorter", f"{old} -> {new}")
            (config / "runbooks" / file.name).write_text(text)
        token = self.state / "tokens" / "refund-agent"
        token.parent.mkdir(mode=0o700)
        token.touch(mode=0o600)
        token.write_text(self.agent.environment["REFUND_AGENT_TOKEN"])
        return config

    def people(self) -> dict[str, Gateway]:
        """The gateway as each of the people sees it."""
        return {name: Gateway(self.gateway, read_secret(self.state / "tokens" / name)) for name in PEOPLE}

    def show_it_right(self) -> None:
        """A customer who is too late, and is told so."""
        self.voice.chapter("A customer asks, and the answer is right")
        reply = self._ask("order-1")
        demand(
            reply["ruling"] == "deny" and reply["refund"] is None,
            "the healthy agent did not deny a late refund",
        )

    def break_it(self) -> None:
        """The fault: every dashboard stays green, and money leaves."""
        voice = self.voice
        voice.chapter("A cost experiment breaks it, and no dashboard sees it")
        for lever, value in self.agent.break_it().items():
            voice.fact("moved", f"{lever} -> {value}")
        before = self.agent.dashboard()
        reply = self._ask("order-2")
        demand(
            reply["ruling"] == "approve" and reply["refund"], "the broken agent did not approve a late refund"
        )
        after = self.agent.dashboard()
        demand(after["errors"] == before["errors"] == 0, "the agent's dashboard is not green")
        voice.fact(
            "dashboard",
            f"HTTP 200, {after['errors']:.0f} server errors, {after['latency'] * 1000:.0f} ms: GREEN",
        )
        voice.fact(
            "and yet", f"{reply['refund']['amount']:.2f} EUR were paid that the policy in force denies"
        )

    def _ask(self, order: str) -> dict[str, Any]:
        reply = self.agent.ask(order)
        self.voice.fact(
            "customer", "I bought headphones 45 days ago and want a refund. (The policy says 30 days.)"
        )
        self.voice.fact("agent", reply["answer"])
        return reply

    def ring_the_bell(self) -> str:
        """The agent's own eval finds it and rings; the incident that it opened."""
        voice = self.voice
        voice.chapter("Its own golden eval rings the alarm bell")
        bell = read_secret(self.state / "tokens" / "bell-refund-eval")
        said = self.agent.run_eval(f"{self.gateway}/alarms/generic", bell).splitlines()
        for line in said[:-1]:
            voice.say(f"  {line}")
        try:
            opened = json.loads(said[-1])["incidents"][0]
        except (ValueError, LookupError):
            fail(f"the eval rang no bell: {said}")
        voice.fact("incident", opened["incident"])
        return str(opened["incident"])

    def what_is_left(self, closed: Picture) -> dict[str, Any]:
        """The manifest, the postmortem, the lock and the audit, each checked and with its path."""
        voice = self.voice
        voice.chapter("What is left")
        demand(self.agent.lever("reranker") == "on", "the reranker is not on")
        demand(self.agent.lever("refund_tool") == "enabled", "the refund tool is not enabled")
        if closed.sealed is None or closed.postmortem is None or closed.lock is None:
            fail("the incident has no manifest, no postmortem or no lock")
        found = {
            "manifest": evidence_path(self.state, closed.sealed.manifest),
            "signed manifest": evidence_path(self.state, closed.sealed.envelope),
            "postmortem": evidence_path(self.state, closed.postmortem.digest),
            "eval lock": evidence_path(self.state, closed.lock.lock.digest),
            "lock's runs": evidence_path(self.state, closed.lock.report.digest),
        }
        for name, path in found.items():
            voice.path(name, path)
        for run in closed.lock.runs:
            voice.fact(f"lock, {run.against}", f"{run.outcome}: {run.detail}")
        verdict = self._bundle(closed.incident)
        reply = self._ask("order-3")
        demand(
            reply["ruling"] == "deny" and reply["refund"] is None,
            "the repaired agent did not deny a late refund",
        )
        found["bundle"] = self._bundle_file(closed.incident)
        return {**{name: str(path) for name, path in found.items()}, "audit": verdict.data()}

    def _bundle_file(self, incident: str) -> Path:
        return self.state / f"{incident}.tar"

    def _bundle(self, incident: str) -> Verdict:
        """Everything in one file, verified without the station, and what to type to do the same."""
        voice, key, target = self.voice, self.state / "keys" / "station.pub", self._bundle_file(incident)
        auditor = Gateway(self.gateway, read_secret(self.state / "tokens" / AUDITOR))
        voice.typed(f"firestation audit export {incident} --out {target.name}", AUDITOR)
        verdict = bundle_of(voice, auditor, incident, target, key)
        voice.path("bundle", target)
        voice.fact("replay", "the code decides today as it decided then")
        events = verdict.counts.events if verdict.counts else 0
        voice.fact("audit", f"PASSED: {len(RULES)} rules judged again from {events} raw events")
        for each in verdict.on_the_record:
            voice.fact(each.level, f"rule {each.rule}, {each.title}: {each.what}")
        voice.say("Anybody can check it, without the station and without a network:")
        voice.path("type", f"firestation audit verify {target} --key {key}")
        return verdict

    def stay(self) -> None:
        """Leave everything running until Ctrl-C."""
        self.voice.say(f"Everything still runs (--keep): {self.gateway}, {self.web}. Ctrl-C ends it.")
        try:
            while all(process.popen.poll() is None for process in self.processes):
                time.sleep(1)  # the pace of looking whether a process has died
        except KeyboardInterrupt:
            return
        fail("a process of the demo has died; its log is in the state folder")
