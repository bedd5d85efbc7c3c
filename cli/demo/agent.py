"""The refund agent, as its customers and its own eval see it."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from cli.demo.voice import fail
from firestation.errors import NotConfigured

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
PYTHON = ROOT / ".venv" / "agent" / "bin" / "python"
EVAL_SECONDS = 60
FAILING = 1
QUESTION = "I bought headphones 45 days ago and want a refund."
ORDER = {"item": "headphones", "days_since_purchase": 45, "amount": 79.0}


class RefundAgent:
    """A client of the running agent."""

    def __init__(self, port: int, token: str) -> None:
        self.url = f"http://127.0.0.1:{port}"
        # Its embeddings are small: OpenBLAS's threads would only wait for one another, on a busy machine for a minute.
        self.environment = {"REFUND_AGENT_TOKEN": token, "OPENBLAS_NUM_THREADS": "1"}
        self.http = httpx.Client(
            base_url=self.url, timeout=10, trust_env=False, headers={"Authorization": f"Bearer {token}"}
        )

    def answers(self) -> bool:
        """Whether it runs."""
        try:
            return self.http.get("/healthz").is_success
        except httpx.HTTPError:
            return False

    def ask(self, order: str) -> dict[str, Any]:
        """A customer wants money back for headphones of 45 days ago; the policy in force says 30."""
        body = {"tenant": "acme", "user": "mia", "question": QUESTION, "order": {"id": order, **ORDER}}
        return self._json("POST", "/ask", json=body)

    def break_it(self) -> dict[str, Any]:
        """Set the fault of the demo; what it moved."""
        moved: dict[str, Any] = self._json("POST", "/faults/stale_policy")["moved"]
        return moved

    def lever(self, name: str) -> Any:
        """Where a lever stands, by the agent's own word."""
        return self._json("GET", f"/levers/{name}")["value"]

    def dashboard(self) -> dict[str, float]:
        """What an ordinary dashboard would look at: answers that were errors, and the mean latency."""
        answer = self.http.get("/metrics")
        answer.raise_for_status()
        numbers = {}
        for line in answer.text.splitlines():
            name, _, value = line.rpartition(" ")
            if name and not line.startswith("#"):
                numbers[name] = float(value)
        errors = sum(
            value for name, value in numbers.items() if name.startswith('http_requests_total{status="5')
        )
        count = numbers.get("ask_latency_seconds_count", 0.0)
        return {
            "errors": errors,
            "latency": numbers.get("ask_latency_seconds_sum", 0.0) / count if count else 0.0,
        }

    def run_eval(self, bell: str, token: str) -> str:
        """The agent's own golden eval, which rings the bell when it fails. Fails the demo when it does not fail."""
        command = [str(PYTHON), "-m", "refund_agent.eval", "--url", self.url, "--ring", bell]
        done = subprocess.run(  # noqa: S603 - our own program, no shell
            [*command, "--ring-token-env", "BELL_TOKEN"],
            cwd=EXAMPLES, env={**self.environment, "BELL_TOKEN": token}, capture_output=True, text=True,
            timeout=EVAL_SECONDS, check=False,
        )  # fmt: skip
        if done.returncode != FAILING:
            fail(
                f"the golden eval ended with {done.returncode}, and should have failed with {FAILING}\n{done.stderr}"
            )
        return done.stdout

    def _json(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        try:
            answer = self.http.request(method, path, **more)
            answer.raise_for_status()
        except httpx.HTTPError as error:
            fail(f"the refund agent does not answer as it should: {error}")
        found: dict[str, Any] = answer.json()
        return found


def agent_command(port: int, state: Path) -> list[str]:
    """How the agent is started. Raises `NotConfigured` when its environment is not there."""
    if not PYTHON.exists():
        raise NotConfigured(f"the refund agent's environment {PYTHON} is missing; run: make demo")
    return [str(PYTHON), "-m", "refund_agent", "--port", str(port), "--state", str(state), "--faults"]


def system_file(url: str) -> str:
    """The agent's system file, at this address."""
    text = (EXAMPLES / "refund_agent" / "system.yaml").read_text(encoding="utf-8")
    return replaced(text, {"http://127.0.0.1:8500": url})


def replaced(text: str, changes: Mapping[str, str]) -> str:
    """The text with these changes; each must have something to change, or the demo would not be what it says."""
    for old, new in changes.items():
        if old not in text:
            fail(f"the example files have no {old!r} to replace")
        text = text.replace(old, new)
    return text
