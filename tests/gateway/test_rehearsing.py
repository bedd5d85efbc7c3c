"""The pages of drills: for everybody who may look, and hostile words are only words."""

from collections.abc import AsyncIterator
from datetime import timedelta
from html import unescape

import httpx
import pytest

from firestation.drill_report import DrillResult, Readiness
from firestation.errors import Unreachable
from firestation.testing import MemoryEvidence, MemoryShelf
from firestation.wall import Doubt
from gateway.app import create_app
from gateway.auth import Doorkeeper
from gateway.drills import DrillDesk, Drills
from gateway.front import Front
from tests.gateway.conftest import NOW, Remembering, client_of
from tests.gateway.test_sessions import log_in
from tests.property.test_drill import ended, result
from tests.property.worlds import DRILL

HOSTILE = "<script>alert(1)</script>\x1b[31m"


class Told(DrillDesk):
    """Says what it is told to."""

    def __init__(self) -> None:
        done = result(ended([])).changed(runbook="stale-policy")
        failed = DrillResult(
            mark=DRILL.changed(drill="drill-stale-policy-00000001"),
            system="refund-agent",
            runbook=None,
            incident_run=None,
            kept_at=NOW,
            score=None,
            trouble=f"Unreachable: {HOSTILE}",
        )
        ready = Readiness(
            system="refund-agent",
            runbook="stale-policy",
            title=HOSTILE,
            standing="ready",
            last=NOW.date(),
            went="in time",
            age=timedelta(days=90),
            levers=("reranker-on",),
        )
        never = ready.changed(runbook="other", standing="never drilled", last=None, kinds=("judge-drift",))
        changed = ready.changed(runbook="another", standing="changed", kinds=("cost-spike",))
        self.drills = Drills(
            running=(),
            results=(done, failed),
            readiness=(ready, changed, never),
            doubts=(Doubt(name=HOSTILE, why="it is signed by nobody"),),
        )
        self.away = False

    async def look(self, system: str | None) -> Drills:
        assert system is None
        if self.away:
            raise Unreachable("Temporal does not answer (UNAVAILABLE)")
        return self.drills


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
async def http(
    desk: Remembering, door: Doorkeeper, front: Front, told: Told
) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(desk, door, MemoryEvidence(), front, shelf=MemoryShelf(), drill_desk=told)
    async with client_of(app) as client:
        yield client


def text(answer: httpx.Response) -> str:
    assert "<script" not in answer.text
    assert "\x1b" not in answer.text
    return " ".join(unescape(answer.text).split())


async def test_whoever_may_look_reads_how_drills_went_and_what_is_ready(
    http: httpx.AsyncClient,
) -> None:
    assert (await http.get("/board/drills")).status_code == 303, "nobody is led to the login"
    await log_in(http)
    assert "/board/drills" in (await http.get("/board")).text
    page = text(await http.get("/board/drills"))
    assert "refund-agent: 1 of 3 runbooks ready" in page
    assert page.index("never drilled") < page.index("good until"), "what is not ready comes first"
    assert "Drilled by judge-drift." in page
    assert page.index("never drilled") < page.index("it was changed since. Drilled by cost-spike.")
    assert page.count("Not drilled in that time, as it is now: reranker-on.") == 1, (
        "of a changed one it is plain"
    )
    assert "Unreachable" not in page
    assert "Not believed" in page


async def test_one_drill_is_a_page_that_a_manager_reads(http: httpx.AsyncClient, told: Told) -> None:
    await log_in(http)
    done = told.drills.results[0]
    assert done.score
    page = text(await http.get(f"/board/drills/{done.mark.drill}"))
    assert done.score.sentence() in page
    for line in done.score.lines:
        assert line.taken in page
    for each in done.score.improve():
        assert each in page
    failed = text(await http.get("/board/drills/drill-stale-policy-00000001"))
    assert "not held" in failed
    assert (await http.get("/board/drills/drill-stale-policy-00000002")).status_code == 404
    assert (await http.get("/board/drills/nonsense")).status_code in {404, 422}


async def test_while_it_cannot_be_read_the_page_says_so(http: httpx.AsyncClient, told: Told) -> None:
    await log_in(http)
    told.away = True
    answer = await http.get("/board/drills")
    assert answer.status_code == 503
    assert "Temporal does not answer" in answer.text
