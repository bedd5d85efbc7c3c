"""The proof of a lock, from frozen evidence to signed statements; and every way in which it proves nothing."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.lock import LockActivities
from activities.toolbox import Toolbox
from firestation.after_action import Confidence, LockProof, Run
from firestation.evidence import ArtifactRef
from firestation.expect import Expectation
from firestation.lock_plan import Judge, LockPlan
from firestation.orders import LockOrder
from firestation.ports import LockCase
from firestation.privacy import Encryption, Redaction
from firestation.secrets import ReferenceSecrets
from firestation.signing import KeySigner, ensure_key, load_public_key, verify
from firestation.system import CheckFitting
from firestation.testing import MemoryBench, MemoryCheck, MemoryEvidence
from worker.wiring import BESIDE_US

TOKEN = "token-of-the-live-system"
DENY = Expectation(path="$.ruling", op="equals", value="deny")
PLAN = LockPlan(
    title="A late refund is denied",
    check="golden",
    source="traces",
    where=(Expectation(path="$.late", op="equals", value=True),),
    answer="$.answer",
    ask={"question": "$.question"},
    runs=2,
)
TRACE = {"question": 'I am late "{{ 7*7 }}"', "late": True, "answer": {"ruling": "allow"}, "user": "p-1"}
Answers = Callable[[Any, str], tuple[int, Any]]


@contextmanager
def serving(answers: Answers) -> Iterator[str]:
    """A system, or a judge: body and credential in, status and body out."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, answer = answers(body, self.headers.get("Authorization", ""))
            said = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/ask"
        finally:
            server.shutdown()
            thread.join()


class Desk:
    """One lock activity with everything in memory; its tool is the pytest beside our Python."""

    def __init__(self, folder: Path) -> None:
        self.store, self.check = MemoryEvidence(), MemoryCheck("golden", lambda: "passed")
        self.key = folder / "key"
        ensure_key(self.key)
        (folder / "agent").write_text(TOKEN)
        (folder / "agent").chmod(0o600)
        bench = MemoryBench(checks={"golden": self.check})
        secrets = ReferenceSecrets(folder)
        self.locks = LockActivities(bench, self.store, secrets, KeySigner(self.key), Toolbox(BESIDE_US))

    def case(self, url: str, *expect: Expectation, body: Any = None) -> None:
        asked = {"tenant": "eval", "question": "as the check asks"} if body is None else body
        self.check.case = LockCase(
            method="POST", url=url, body=asked, expect=expect or (DENY,), token="file:agent"
        )

    async def frozen(self, trace: Any = TRACE, **more: Any) -> ArtifactRef:
        content = trace if isinstance(trace, bytes) else json.dumps(trace).encode()
        stored = await self.store.put(content)
        return ArtifactRef(
            digest=stored.digest,
            size=stored.size,
            media_type="application/json",
            name="trace r-1",
            source="traces",
            collected_at=datetime(2026, 11, 26, tzinfo=UTC),
            **more,
        )

    async def prove(self, *evidence: ArtifactRef, plan: LockPlan = PLAN) -> LockProof:
        check = CheckFitting.model_validate({"id": "golden", "title": "Golden", "driver": "memory"})
        order = LockOrder(incident="refund-agent-1", plan=plan, check=check, evidence=evidence)
        return await ActivityEnvironment().run(self.locks.prove_lock, order)

    async def refused(self, *evidence: ArtifactRef, plan: LockPlan = PLAN) -> str:
        """Why there is no proof; another try would not help."""
        with pytest.raises(ApplicationError) as caught:
            await self.prove(*evidence, plan=plan)
        assert caught.value.non_retryable
        return str(caught.value)

    async def read(self, artifact: ArtifactRef | None) -> str:
        assert artifact
        return (await self.store.get(artifact.digest)).decode()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def outcomes(proof: LockProof) -> list[tuple[str, str]]:
    return [(run.against, run.outcome) for run in proof.runs]


async def test_it_asks_as_frozen_and_gives_the_credential_to_the_live_system_only(desk: Desk) -> None:
    asked: list[tuple[Any, str]] = []

    def repaired(body: Any, credential: str) -> tuple[int, Any]:
        asked.append((body, credential))
        return 200, {"ruling": "deny", "echo": credential}

    with serving(repaired) as url:
        desk.case(url)
        artifact = await desk.frozen()
        proof = await desk.prove(artifact)
    assert proof.proved
    assert outcomes(proof) == [("frozen", "failed"), ("live", "passed"), ("live", "passed")]
    body = {"tenant": "eval", "question": TRACE["question"]}
    assert asked == [(body, f"Bearer {TOKEN}")] * 2
    replay = json.loads(await desk.read(proof.replay))
    assert replay["evidence"] == artifact.digest == proof.evidence
    assert (json.loads(replay["request"]["body"]), replay["answer"]) == (body, {"ruling": "allow"})
    assert "firestation" not in (await desk.read(proof.lock)).lower()
    public = [load_public_key(desk.key.with_name("key.pub"))]
    for kept, result in ((proof.frozen_statement, "FAILED"), (proof.statement, "PASSED")):
        said = verify((await desk.read(kept)).encode(), public)
        assert said["predicate"]["result"] == result
        assert [each["digest"]["sha256"] for each in said["subject"]] == [proof.lock.digest, artifact.digest]
        tool = said["predicate"]["configuration"][1]
        assert proof.tool
        assert tool["uri"] == f"pkg:pypi/pytest@{proof.tool.version}"
        assert "confidence" not in tool["annotations"]
    assert LockProof.model_validate_json(proof.model_dump_json()) == proof


async def test_a_credential_that_a_system_repeats_is_in_no_report(desk: Desk) -> None:
    with serving(lambda _, credential: (200, {"ruling": credential})) as url:
        desk.case(url)
        proof = await desk.prove(await desk.frozen())
    assert outcomes(proof) == [("frozen", "failed"), ("live", "failed"), ("live", "failed")]
    assert not proof.proved
    assert proof.statement is not None  # it says FAILED
    report = await desk.read(proof.report)
    assert "[token]" in report + proof.runs[1].detail
    assert TOKEN not in report + proof.model_dump_json()


@pytest.mark.parametrize("status", [401, 500])
async def test_a_system_that_cannot_be_asked_is_an_error_and_signed_by_nobody(
    status: int, desk: Desk
) -> None:
    with serving(lambda *_: (status, {"ruling": "deny"})) as url:
        desk.case(url)
        proof = await desk.prove(await desk.frozen())
    assert outcomes(proof) == [("frozen", "failed"), ("live", "error")]
    assert str(status) in proof.runs[1].detail
    assert (proof.proved, proof.statement) == (False, None)
    assert proof.frozen_statement is not None


async def test_a_lock_that_passes_on_what_was_frozen_is_no_proof(desk: Desk) -> None:
    with serving(lambda *_: (200, {"ruling": "deny"})) as url:
        desk.case(url)
        proof = await desk.prove(await desk.frozen({**TRACE, "answer": {"ruling": "deny"}}))
    assert outcomes(proof)[0] == ("frozen", "passed")
    assert not proof.proved


@pytest.mark.parametrize(
    ("asks", "why"),
    [
        ("", "the lock never asked for the recorded answer"),
        (
            "lock['BODY'] += ' '; lock['httpx'].post(lock['URL'], content=lock['BODY'])",
            "the lock asked for something that was not recorded: its body of 58 bytes is not the recorded one of 57",
        ),
        ("lock['ask']()", "pytest says passed, and of this very answer the check says failed"),
    ],
)
async def test_a_tool_that_lies_is_not_believed(asks: str, why: str, desk: Desk, tmp_path: Path) -> None:
    liar = tmp_path / "bin" / "pytest"
    liar.parent.mkdir()
    liar.write_text(
        f"#!{sys.executable}\nimport runpy, sys\nlock = {{}}\n"
        "if not sys.argv[-1].startswith('--'):\n    lock = runpy.run_path(sys.argv[-1])\n"
        f"    {asks or 'pass'}\n"
        "    open('report.xml', 'w').write('<all><testcase name=\"test_lock\"/></all>')\n"
    )
    liar.chmod(0o755)
    desk.locks.toolbox = Toolbox(str(liar.parent))
    desk.case("http://127.0.0.1:1/ask")
    proof = await desk.prove(await desk.frozen())
    assert [(run.outcome, run.detail) for run in proof.runs] == [("error", why)]
    assert proof.verdict.endswith("on the live system: not run")


AGE = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (
            {"encryption": Encryption(recipients=(AGE,), digest="b" * 64, size=3)},
            "trace r-1 is encrypted to age1ql3z7hjy…, so no lock can be made from it here",
        ),
        (
            {"redactions": (Redaction(how="pseudonymised", what="$.question", times=1),)},
            "$.question of trace r-1 was pseudonymised, and the lock needs what stood at $.question",
        ),
        (
            {"redactions": (Redaction(how="masked", what="$..ruling", times=1),)},
            "$..ruling of trace r-1 was masked, and the lock needs what stood at $.answer.ruling",
        ),
        (
            {"redactions": (Redaction(how="dropped", what="$.answer.refund", times=1),)},
            "$.answer.refund of trace r-1 was dropped, and the lock needs what stood at $.answer.refund",
        ),
    ],
)
async def test_what_privacy_took_makes_no_verdict(more: dict[str, Any], why: str, desk: Desk) -> None:
    desk.case("http://127.0.0.1:1/ask", DENY, Expectation(path="$.refund", op="absent"))
    assert why in await desk.refused(await desk.frozen(**more))


async def test_what_privacy_took_elsewhere_does_not_matter(desk: Desk) -> None:
    redactions = (
        Redaction(how="pseudonymised", what="$.user", times=1),
        Redaction(how="credential", what="AWS Access Key", times=1),
    )
    with serving(lambda *_: (200, {"ruling": "deny"})) as url:
        desk.case(url)
        assert (await desk.prove(await desk.frozen(redactions=redactions))).proved
    leaked = {**TRACE, "question": "my key is [credential]"}
    assert "was taken out as a credential" in await desk.refused(
        await desk.frozen(leaked, redactions=redactions)
    )


@pytest.mark.parametrize(
    ("trace", "why"),
    [
        (b"half a {", "no frozen artifact of traces answers the lock's question"),
        ({**TRACE, "late": False}, "no frozen artifact of traces answers the lock's question"),
        ({"late": True, "question": "?"}, "trace r-1 has no answer at $.answer; correct lock.answer"),
        (
            {"late": True, "answer": {"ruling": "allow"}},
            "trace r-1 has nothing at $.question; correct lock.ask",
        ),
        (
            {**TRACE, "answer": {"text": "cut"}},
            "what trace r-1 has frozen cannot be judged: $.ruling is not in the answer",
        ),
        (
            b'{"late": true, "question": NaN, "answer": {"ruling": "allow"}}',
            "this cannot be written down as JSON",
        ),
    ],
)
async def test_evidence_that_is_half_there_makes_no_verdict(trace: Any, why: str, desk: Desk) -> None:
    desk.case("http://127.0.0.1:1/ask")
    assert why in await desk.refused(await desk.frozen(trace))


async def test_a_plan_that_does_not_fit_is_told_what_to_write(desk: Desk) -> None:
    artifact = await desk.frozen()
    desk.case("http://127.0.0.1:1/ask", body="just text")
    assert "lock.ask names members of the body, and the check golden sends none" in await desk.refused(
        artifact
    )
    desk.case("http://127.0.0.1:1/ask")
    desk.locks.toolbox = Toolbox("/nowhere")
    assert "FIRESTATION_LOCK_TOOLS" in await desk.refused(artifact, plan=PLAN.changed(tool="promptfoo"))


# ------------------------------------------------------------------------------------------ a judge


GOOD = (Expectation(path="$.verdict", op="equals", value="polite"),)


async def test_a_judge_is_asked_again_and_again_and_the_confidence_is_stated(desk: Desk) -> None:
    asked: list[Any] = []

    def judge(body: Any, credential: str) -> tuple[int, Any]:
        assert not credential
        asked.append(body)
        polite = body["answer"]["text"] != "No." and len(asked) != 6  # errs once, on the live side
        return 200, {"verdict": "polite" if polite else "rude"}

    text = Expectation(path="$.text", op="present")
    trace = {**TRACE, "answer": {"text": "No."}}
    with serving(judge) as judge_url, serving(lambda *_: (200, {"text": "I am sorry, no."})) as url:
        desk.case(url, text)
        plan = PLAN.changed(
            judge=Judge(
                rubric="Is it polite?",
                url=judge_url,
                passes=GOOD,
                repetitions=4,
                confidence=0.9,
                at_least=0.3,
            )
        )
        proof = await desk.prove(await desk.frozen(trace), plan=plan)
    assert [each for _, each in outcomes(proof)] == ["failed"] * 4 + ["passed", "failed", "passed", "passed"]
    assert asked[0] == {
        "rubric": "Is it polite?",
        "asked": {"tenant": "eval", "question": TRACE["question"]},
        "answer": {"text": "No."},
    }
    sure = proof.confidence
    assert sure
    assert sure.frozen == pytest.approx(0.1**0.25)
    assert sure.live == pytest.approx(0.3205, abs=1e-4)
    assert proof.proved
    assert "with 90% confidence it fails at least 56% of the time" in proof.verdict
    said = json.loads(await desk.read(proof.statement))
    public = [load_public_key(desk.key.with_name("key.pub"))]
    predicate = verify(json.dumps(said, sort_keys=True, separators=(",", ":")).encode(), public)["predicate"]
    assert predicate["result"] == "WARNED"
    assert predicate["failedTests"] == ["test_lock_refund-agent-1.py, run 2"]
    assert predicate["configuration"][1]["annotations"]["confidence"] == 0.9


async def test_a_judge_who_is_away_is_an_error(desk: Desk) -> None:
    with serving(lambda *_: (503, {})) as judge_url, serving(lambda *_: (200, {"text": "no"})) as url:
        desk.case(url, Expectation(path="$.text", op="present"))
        judge = Judge(rubric="?", url=judge_url, passes=GOOD, repetitions=4, confidence=0.9, at_least=0.3)
        proof = await desk.prove(
            await desk.frozen({**TRACE, "answer": {"text": "No."}}), plan=PLAN.changed(judge=judge)
        )
    assert outcomes(proof) == [("frozen", "error")]
    assert "503" in proof.runs[0].detail


async def test_what_can_be_computed_comes_first(desk: Desk) -> None:
    def never(*_: Any) -> tuple[int, Any]:
        raise AssertionError

    with serving(never) as judge_url:
        desk.case("http://127.0.0.1:1/ask")
        judge = Judge(rubric="?", url=judge_url, passes=GOOD, repetitions=2, confidence=0.9, at_least=0.3)
        proof = await desk.prove(await desk.frozen(), plan=PLAN.changed(judge=judge))
    assert outcomes(proof) == [("frozen", "failed"), ("frozen", "failed"), ("live", "error")]


def test_a_proof_by_a_judge_needs_the_share_that_is_wanted() -> None:
    def proof(frozen: int, live: int, error: int = 0) -> LockProof:
        runs = [("frozen", "failed")] * frozen + [("frozen", "passed")] * (20 - frozen)
        runs += [("live", "passed")] * live + [("live", "failed")] * (20 - live) + [("live", "error")] * error
        artifact = ArtifactRef(
            digest="a" * 64,
            size=1,
            media_type="text/plain",
            name="x",
            source="s",
            collected_at=datetime.now(UTC),
        )
        return LockProof(
            lock=artifact,
            evidence="a" * 64,
            report=artifact,
            runs=tuple(Run.model_validate({"against": a, "outcome": o, "detail": "ran"}) for a, o in runs),
            at=datetime.now(UTC),
            confidence=Confidence(
                level=0.95, wanted=0.8, frozen=1, live=1
            ),  # what it claims is computed anew
        )

    assert proof(20, 20).proved
    assert not proof(20, 18).proved
    assert not proof(18, 20).proved
    assert not proof(20, 20, 1).proved
