"""The board's pages: the list, one incident with its forms, hostile words, roles, and refusals in their place."""

import asyncio
import re
from datetime import timedelta
from html import unescape
from typing import Any

import httpx
import pytest

from firestation import acts, record, release
from firestation.authority import Member, Role, Station
from firestation.errors import Unreachable
from firestation.picture import Picture, picture
from firestation.severity import Severity
from firestation.testing import MemoryEvidence, MemoryShelf
from firestation.tokens import Scope
from firestation.wording import Wording
from gateway.app import create_app
from gateway.auth import Doorkeeper
from gateway.desk import Row
from gateway.forms import draw
from gateway.front import Front
from gateway.may import Reader, could
from tests.gateway.conftest import INCIDENT, NOW, TOKENS
from tests.gateway.test_ack import Burning
from tests.gateway.test_sessions import ORIGIN, csrf, log_in
from tests.gateway.test_tokens import with_scopes
from tests.property.worlds import World, alarm

PAGE = f"/board/{INCIDENT}"
KEY = "0123456789abcdef01234567"


class Counting(Burning):
    """A desk with one real incident, which counts what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.pictures = self.lists = 0
        self.rows: list[Row] = []

    async def picture(self, incident: str) -> Picture:
        self.pictures += 1
        await asyncio.sleep(0)
        return await super().picture(incident)

    async def version(self, incident: str) -> str:
        self._known(incident)
        if self.away:
            raise self.away
        return str(len(self.world.record))

    async def listing(self, *, open_only: bool) -> list[Row]:
        self.lists += 1
        await asyncio.sleep(0)
        if self.away:
            raise self.away
        return [each for each in self.rows if each.open or not open_only]


@pytest.fixture
def desk() -> Counting:
    return Counting()


@pytest.fixture
def station(station: Station) -> Station:
    """Ana may be captain; ben too; cara does the words, noname only reads."""
    everyone = (Role.CAPTAIN, Role.SCRIBE, Role.APPROVER)
    ana = station.people[0].changed(roles=everyone)
    ben = Member(id="ben", name="Ben", roles=everyone, address="ben@example.org")
    return station.changed(people=(ana, ben, *station.people[1:]))


def row(name: str, severity: str = "sev2", *, minutes: int = 0, **more: Any) -> Row:
    given = {
        "run": "r",
        "system": "refund-agent",
        "title": f"Title of {name}",
        "phase": "declared",
        "captain": "ana",
        "waiting": "a decision: move tool",
        "opened_at": NOW - timedelta(minutes=minutes),
        "ended_at": None,
        "open": True,
        **more,
    }
    return Row(incident=name, severity=severity, **given)


@pytest.fixture
async def ana(http: httpx.AsyncClient) -> httpx.AsyncClient:
    assert (await log_in(http)).status_code == 303
    return http


async def send(
    http: httpx.AsyncClient, act: str, on: httpx.Response | None = None, **fields: str
) -> httpx.Response:
    """Send the form of this act, as the page has it."""
    on = on or await http.get(PAGE)
    data = {"csrf": csrf(on), "key": KEY, **fields}
    return await http.post(f"{PAGE}/{act}", data=data, headers=ORIGIN)


def text_of(page: httpx.Response) -> str:
    """What a reader sees."""
    return " ".join(unescape(re.sub(r"<[^>]+>", "", page.text)).split())


def forms_of(page: httpx.Response) -> set[str]:
    """The acts that the page offers."""
    return set(re.findall(rf'action="{PAGE}/([a-z]+)"', page.text))


# The list ----------------------------------------------------------------------------------------------------


async def test_the_list_has_the_gravest_first_and_what_is_waited_for(
    ana: httpx.AsyncClient, desk: Counting
) -> None:
    desk.rows = [
        row("mild", "sev3", minutes=90),
        row("ended", "sev1", open=False, ended_at=NOW, phase="closed"),
        row("grave", "sev1", waiting_since=NOW - timedelta(minutes=7), captain="nobody"),
        row("older", "sev2", minutes=50),
        row("newer", "sev2", minutes=5),
    ]
    page = await ana.get("/board")
    assert page.status_code == 200
    assert re.findall(r'<h2><a href="/board/([a-z]+)"', page.text) == ["grave", "older", "newer", "mild"]
    assert "Waits for a decision: move tool since 7m" in text_of(page)
    assert "no captain" in text_of(page)
    assert "4 open incidents" in text_of(page)
    whole = await ana.get("/board?all=1")
    assert re.findall(r'href="/board/([a-z]+)"', whole.text)[-1] == "ended"
    assert desk.pictures == 0, "no workflow is woken for a list"


async def test_two_hundred_viewers_of_the_list_and_of_an_incident_are_one_question_each(
    ana: httpx.AsyncClient, desk: Counting
) -> None:
    desk.rows = [row("grave", "sev1")]
    pages = await asyncio.gather(*(ana.get("/board") for _ in range(200)))
    assert {page.status_code for page in pages} == {200}
    assert desk.lists == 1
    pages = await asyncio.gather(*(ana.get(PAGE) for _ in range(50)))
    assert {page.status_code for page in pages} == {200}
    assert desk.pictures == 1


async def test_what_cannot_be_listed_or_shown_is_said(ana: httpx.AsyncClient, desk: Counting) -> None:
    desk.away = Unreachable("Temporal does not answer")
    for where in ("/board", PAGE):
        page = await ana.get(where)
        assert (page.status_code, "Temporal does not answer" in text_of(page)) == (503, True)
    desk.away = None
    assert (await ana.get(PAGE)).status_code == 200, "a trouble is not kept"


async def test_what_was_seen_before_is_shown_with_its_age_while_nobody_answers(
    ana: httpx.AsyncClient, desk: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.rows = [row("grave", "sev1")]
    for where in ("/board", PAGE):
        assert (await ana.get(where)).status_code == 200
    monkeypatch.setattr("gateway.shared.Shared.get", _nobody)
    for where, told in (("/board", "This is the list as it was 0s ago"), (PAGE, "This is how it was 0s ago")):
        page = await ana.get(where)
        assert (page.status_code, told in text_of(page), "Look again" in page.text) == (503, True, True)
    assert 'data-version=""' in (await ana.get(PAGE)).text, "whatever comes is news to it"
    assert "/board/grave" in (await ana.get("/board")).text


async def _nobody(*_: object) -> None:
    raise Unreachable("Temporal, or a worker behind it, has not answered within 4 s")


@pytest.mark.parametrize("where", ["/board/none-1", "/board/NO%20SUCH", "/board/a'b", "/board/%3Cscript%3E"])
async def test_what_is_not_there_is_a_page_that_says_so(ana: httpx.AsyncClient, where: str) -> None:
    page = await ana.get(where)
    assert (page.status_code, page.headers["content-type"].startswith("text/html")) == (404, True)
    assert "<script>" not in page.text


@pytest.mark.parametrize("where", ["/board", PAGE])
async def test_who_is_nobody_is_led_to_the_login(http: httpx.AsyncClient, where: str) -> None:
    answer = await http.get(where)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/login?next={where}")


async def test_who_is_nobody_gets_no_events(http: httpx.AsyncClient) -> None:
    assert (await http.get(f"{PAGE}/events")).status_code == 204


# One incident ------------------------------------------------------------------------------------------------


async def test_the_first_look_says_what_is_known_what_is_waited_for_and_what_to_do(
    ana: httpx.AsyncClient, desk: Counting
) -> None:
    page = await ana.get(PAGE)
    told = text_of(page)
    top = told[: told.index("First fifteen minutes")]
    for words in (
        "Your turn",
        "no captain",
        "RefundGoldenEvalFailing: 2 of 8 golden cases fail",
        "Nobody knows the cause",
    ):
        assert words in top, words
    assert "Take it: I am the captain" in top
    done = await send(ana, "acknowledge", page, subject="captain")
    assert (done.status_code, done.headers["location"]) == (303, f"{PAGE}?done=acknowledge#now"), done.text
    assert desk.world.incident.captain == "ana"
    page = await ana.get(f"{PAGE}?done=acknowledge")
    assert "Done: acknowledge" in text_of(page)
    assert "you are the captain" in text_of(page), "the page after an act is not the one from before it"


def captain(desk: Counting) -> World:
    """An incident in which a plan waits for ana, its captain."""
    world = desk.world
    assert world.attempt(acts.Acknowledge(by="ana")) is None
    assert world.attempt(acts.Declare(by="ana", severity=Severity.SEV3, reason="so it looks")) is None
    world.seal()
    assert world.incident.pending
    return world


async def test_a_plan_is_shown_whole_and_its_digest_is_what_is_approved(
    ana: httpx.AsyncClient, desk: Counting
) -> None:
    world = captain(desk)
    plan = (await desk.picture(INCIDENT)).plans[0]
    page = await ana.get(PAGE)
    told = text_of(page)
    for words in (
        plan.why,
        plan.cost,
        plan.affects,
        plan.way_back,
        plan.effective,
        plan.expiry,
        plan.undecided,
    ):
        assert words in told, words
    assert plan.digest in "".join(re.findall(r"<span>([0-9a-f]{8})</span>", page.text)), "the whole of it"
    assert f"Approve {plan.digest[:12]}" in told
    done = await send(ana, "approve", page, subject=plan.digest)
    assert done.status_code == 303, done.text
    (act, key), *_ = desk.acted
    assert act == acts.Approve(by="ana", action=plan.digest)
    assert key is not None
    assert key.startswith(f"approve/ana/{KEY}-")
    assert world.incident.firebreak(plan.digest).state == "authorized"  # type: ignore[union-attr]


async def test_sent_twice_it_is_one_key_and_typed_anew_it_is_another(
    ana: httpx.AsyncClient, desk: Counting
) -> None:
    page = await ana.get(PAGE)
    for words in ("seen", "seen", "seen otherwise"):
        assert (await send(ana, "note", page, text=words, standing="fact")).status_code == 303
    first, second, third = (key for _, key in desk.acted)
    assert first == second != third
    assert [each.text for each in desk.world.incident.entries] == ["seen", "seen otherwise"]


async def test_a_refusal_is_told_in_its_place_with_its_rule_and_nothing_typed_is_lost(
    ana: httpx.AsyncClient, desk: Counting
) -> None:
    captain(desk)
    typed = "It failed because of <b>the new model</b>,\r\nwe think"
    answer = await send(ana, "update", audience="public", known=typed, unknown="how long", doing="looking")
    assert answer.status_code == 409
    assert "Refused by rule 7: communicate before certainty" in text_of(answer)
    form = answer.text[answer.text.index('id="update"') :]
    form = form[: form.index("</form>")]
    assert 'role="alert"' in form
    assert "because of &lt;b&gt;the new model&lt;/b&gt;,\nwe think</textarea>" in form
    assert "how long</textarea>" in form
    assert re.search(r'<option value="public" selected>', form)
    assert KEY not in answer.text, "what was refused is over; what is sent next is something else"
    assert re.search(r'<details class="fold" id="fold-update" open>', answer.text)
    (act, _) = desk.acted[-1]
    assert act.kind == "update"


async def test_a_wrong_field_is_named_and_nothing_is_sent(ana: httpx.AsyncClient, desk: Counting) -> None:
    captain(desk)
    answer = await send(ana, "note", text="   ", standing="hypothesis")
    assert answer.status_code == 422
    assert "text:" in text_of(answer)
    answer = await send(ana, "note", text="seen", standing="fact", at="never")
    assert answer.status_code == 422
    assert (
        'id="note-at" name="at" type="datetime-local" maxlength="300" value="never" aria-invalid="true"'
        in answer.text
    )
    for name, value in {"by": "ben", "kind": "close", "signed": "x", "page": "1", "nonsense": "x"}.items():
        assert (
            await send(ana, "note", None, text="seen", standing="fact", **{name: value})
        ).status_code == 422
    assert desk.acted == []


async def test_what_nobody_answered_is_sent_again_under_its_own_key(
    ana: httpx.AsyncClient, desk: Counting
) -> None:
    page = await ana.get(PAGE)
    desk.refuses = Unreachable("no worker has answered in time")
    answer = await send(ana, "note", page, text="seen at three", standing="fact")
    assert answer.status_code == 503
    assert "seen at three</textarea>" in answer.text
    assert f'name="key" value="{KEY}"' in answer.text
    desk.away = Unreachable("Temporal does not answer")
    answer = await send(ana, "note", page, text="seen at three", standing="fact")
    assert (answer.status_code, "This is how it was" in text_of(answer)) == (503, True)
    assert "It may have been done all the same; sent again from here, unchanged, it is done once" in text_of(
        answer
    )
    assert "seen at three</textarea>" in answer.text
    assert f'name="key" value="{KEY}"' in answer.text


async def test_an_act_whose_place_is_gone_keeps_what_was_typed(
    ana: httpx.AsyncClient, desk: Counting
) -> None:
    world = captain(desk)
    page = await ana.get(PAGE)
    plan = (await desk.picture(INCIDENT)).plans[0]
    assert world.attempt(acts.Refuse(by="ana", action=plan.digest, reason="no")) is None
    answer = await send(ana, "refuse", page, subject=plan.digest, reason="I would rather wait")
    assert answer.status_code == 409
    assert "Refused by rule 4" in text_of(answer)
    assert "I would rather wait</textarea>" in answer.text


async def test_a_form_of_an_old_session_is_shown_again_with_a_new_token(
    ana: httpx.AsyncClient, desk: Counting
) -> None:
    old = {"csrf": "0" * 64, "key": KEY, "text": "seen", "standing": "fact"}
    answer = await ana.post(f"{PAGE}/note", data=old, headers=ORIGIN)
    assert answer.status_code == 403
    assert "seen</textarea>" in answer.text
    ana.cookies.clear()
    answer = await ana.post(f"{PAGE}/note", data=old, headers=ORIGIN)
    assert (answer.status_code, "your session is over" in text_of(answer).lower()) == (401, True)
    assert "seen</textarea>" in answer.text
    assert desk.acted == []


@pytest.mark.parametrize(
    "headers",
    [{}, {"Origin": "http://evil.example"}, {"Origin": "http://gateway", "Sec-Fetch-Site": "cross-site"}],
)
async def test_another_sites_form_does_nothing_and_shows_nothing(
    ana: httpx.AsyncClient, desk: Counting, headers: dict[str, str]
) -> None:
    token = csrf(await ana.get(PAGE))
    data = {"csrf": token, "key": KEY, "text": "planted", "standing": "fact"}
    answer = await ana.post(f"{PAGE}/note", data=data, headers=headers)
    assert (answer.status_code, "planted" in answer.text) == (403, False)
    assert desk.acted == []


# Roles -------------------------------------------------------------------------------------------------------


async def as_somebody(http: httpx.AsyncClient, door: Doorkeeper, name: str) -> None:
    http.cookies.set("firestation", await door.open_session(name))


async def test_each_sees_the_forms_that_are_theirs(
    http: httpx.AsyncClient, door: Doorkeeper, desk: Counting
) -> None:
    captain(desk)
    seen = {}
    for name in ("ana", "ben", "cara", "noname"):
        http.cookies.clear()
        await as_somebody(http, door, name)
        page = await http.get(PAGE)
        assert page.status_code == 200, name
        seen[name] = forms_of(page)
    assert seen["noname"] == set(), "an auditor reads"
    assert {"approve", "refuse", "declare", "stop", "handover", "dismiss", "note", "update"} <= seen["ana"]
    assert seen["ben"] & {"refuse", "declare", "stop", "handover", "dismiss", "close", "update"} == set()
    assert {"note", "acknowledge", "approve"} <= seen["ben"], "a second person is needed, and ben may be it"
    assert {"note", "update"} <= seen["cara"]
    assert "declare" not in seen["cara"]


async def test_who_sees_no_form_is_refused_all_the_same(
    http: httpx.AsyncClient, door: Doorkeeper, desk: Counting
) -> None:
    world = captain(desk)
    plan = (await desk.picture(INCIDENT)).plans[0]
    await as_somebody(http, door, "cara")
    answer = await send(http, "approve", subject=plan.digest)
    assert answer.status_code == 409
    assert "captain" in text_of(answer)
    assert world.incident.firebreak(plan.digest).state == "proposed"  # type: ignore[union-attr]


async def test_a_token_that_only_looks_opens_a_page_without_forms(
    http: httpx.AsyncClient, door: Doorkeeper, desk: Counting, register: Any
) -> None:
    text = await with_scopes(register, Scope.LOOK)
    await log_in(http, text)
    page = await http.get(PAGE)
    assert (page.status_code, forms_of(page)) == (200, set())
    answer = await send(http, "note", page, text="seen", standing="fact")
    assert (answer.status_code, "scope act" in text_of(answer)) == (403, True)
    assert desk.acted == []


async def test_when_it_is_over_nothing_can_be_done(ana: httpx.AsyncClient, desk: Counting) -> None:
    captain(desk)
    assert desk.world.attempt(acts.Dismiss(by="ana", reason="no fire")) is None
    page = await ana.get(PAGE)
    assert forms_of(page) == set()
    assert "It is over: dismissed" in text_of(page)
    assert (await send(ana, "note", page, text="late", standing="fact")).status_code == 409


async def test_the_tasks_that_it_left_are_finished_from_the_page(
    ana: httpx.AsyncClient, desk: Counting
) -> None:
    captain(desk)
    assert desk.world.attempt(acts.Dismiss(by="ana", reason="no fire")) is None
    page = await ana.get(PAGE)
    task = desk.course.tasks[0].name
    where = f"{PAGE}/tasks/{task}/finish"
    assert f'action="{where}"' in page.text
    data = {"csrf": csrf(page), "key": KEY, "fire": desk.course.mark}
    empty = await ana.post(where, data={**data, "reason": " "}, headers=ORIGIN)
    assert (empty.status_code, "reason:" in text_of(empty)) == (422, True)
    done = await ana.post(where, data={**data, "reason": "it is written"}, headers=ORIGIN)
    assert (done.status_code, done.headers["location"]) == (303, f"{PAGE}?done=finish#after"), done.text
    ((word, fire, key),) = desk.finished
    assert (word.by, word.task, word.reason, fire) == ("ana", task, "it is written", desk.course.mark)
    assert key is not None
    assert key.startswith(f"finish/{task}/ana/{KEY}-")


async def test_the_address_of_an_act_leads_back_to_its_page(ana: httpx.AsyncClient) -> None:
    answer = await ana.get(f"{PAGE}/update")
    assert (answer.status_code, answer.headers["location"]) == (303, PAGE)


# Hostile words -----------------------------------------------------------------------------------------------

HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(1)> [click](javascript:alert(1)) https://evil.example "
    "\x1b[31mred\x07 \u202egnp.exe \u200bhidden\u2066 {{ 7*7 }} a" + "\u0301" * 300
)


async def test_nothing_that_people_or_machines_wrote_does_anything(
    ana: httpx.AsyncClient, desk: Counting
) -> None:
    world = captain(desk)
    for standing in ("fact", "hypothesis"):
        assert world.attempt(acts.Note(by="ben", text=HOSTILE, standing=standing)) is None
    assert world.attempt(acts.Update(by="ana", known=HOSTILE, unknown=HOSTILE, doing=HOSTILE)) is None
    rung = alarm("k2").changed(summary=HOSTILE[:290], name="<b>bold</b>")
    world.happen(record.Rang(at=world.now, alarm=rung))
    page = await ana.get(
        f"{PAGE}?show=%3Cscript%3E&words={'%3Cscript%3E'}&unfold=%22%3E%3Cscript%3E&done=%3Cscript%3E"
    )
    assert page.status_code == 200
    assert re.findall(r"<script[^>]*>", page.text) == ['<script src="/static/board.js" defer>']
    assert "<img" not in page.text
    assert not re.search(r'href=(?!"[/#?])', page.text), "links lead to our own pages only"
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2066-\u2069]", page.text)
    assert "␛[31m" in page.text
    assert "[U+202E]" in page.text
    assert "\u0301" * 6 not in page.text
    assert "{{ 7*7 }}" in page.text
    policy = page.headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert not re.search(r"<[^>]*\s(on\w+|style)=", page.text), (
        "nothing within the page that the policy forbids"
    )


async def test_a_line_of_a_megabyte_is_cut(ana: httpx.AsyncClient, desk: Counting) -> None:
    world = captain(desk)
    sealed = world.incident.sealed
    assert sealed is not None
    huge = sealed.artifacts[0].model_copy(update={"name": "A" * 1_000_000})
    world.incident = world.incident.changed(sealed=sealed.changed(artifacts=(huge,)))
    page = await ana.get(PAGE)
    assert len(page.content) < 200_000
    assert "999800 characters more" in page.text


async def test_what_is_typed_comes_back_letter_by_letter(ana: httpx.AsyncClient, desk: Counting) -> None:
    captain(desk)
    typed = "</textarea><script>alert(1)</script>\u202e caused by"
    answer = await send(ana, "update", audience="public", known=typed)
    assert answer.status_code == 409
    assert "&lt;/textarea&gt;&lt;script&gt;alert(1)&lt;/script&gt;\u202e caused by</textarea>" in answer.text
    assert answer.text.count("<script") == 1


# The timeline ------------------------------------------------------------------------------------------------


def kinds(page: str) -> list[str]:
    return re.findall(r'<span class="kind">([^<]+)', page)


async def test_the_timeline_can_be_filtered(ana: httpx.AsyncClient, desk: Counting) -> None:
    world = captain(desk)
    assert world.attempt(acts.Note(by="ben", text="the index was rebuilt", standing="fact")) is None
    everything = (await ana.get(PAGE)).text
    assert len(kinds(everything)) == len((await desk.picture(INCIDENT)).timeline)
    assert set(kinds((await ana.get(f"{PAGE}?show=people")).text)) == {"acted", "called"}
    found = (await ana.get(f"{PAGE}?words=INDEX+was")).text
    assert kinds(found) == ["acted"]
    assert 'value="INDEX was"' in found


async def test_the_temporal_ui_is_linked_where_the_station_has_one(
    desk: Counting, door: Doorkeeper, store: MemoryEvidence, front: Front
) -> None:
    app = create_app(
        desk, door, store, front, shelf=MemoryShelf(), console="http://ui.example/namespaces/n/workflows"
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway") as http:
        await log_in(http, TOKENS["ana"])
        page = await http.get(PAGE)
        assert f'href="http://ui.example/namespaces/n/workflows/{INCIDENT}" rel="noreferrer"' in page.text


async def test_every_form_that_somebody_may_send_is_on_the_page(
    ana: httpx.AsyncClient, desk: Counting
) -> None:
    world = captain(desk)
    steps: list[Any] = [
        lambda: None,
        lambda: [
            world.attempt(acts.Approve(by="ana", action=each.digest)) for each in world.incident.pending
        ],
        lambda: [world.work(lever) for lever in ("tool", "reranker") for _ in range(4)],
        lambda: world.attempt(acts.Note(by="ana", text="so it is", standing="fact", cause=True)),
        lambda: world.attempt(acts.Categorize(by="ana", category="serious-incident", reason="it is")),
        lambda: world.attempt(acts.Handover(by="ana", to="ben")),
    ]
    roles = frozenset({Role.CAPTAIN, Role.SCRIBE, Role.APPROVER})
    shown = set[str]()
    for step in steps:
        step()
        seen = picture(world.incident, tuple(world.record))
        wanted = set(draw(seen, could(seen, Reader("ana", roles)), "ana", {"ana": "Ana", "ben": "Ben"}))
        await asyncio.sleep(0)
        page = await ana.get(PAGE)
        await send(ana, "prove", page)  # refused; the next page is drawn anew
        page = await ana.get(PAGE)
        missing = {each for each in wanted if f'id="{each}"' not in page.text}
        assert not missing
        shown |= {each.partition("-")[0] for each in wanted}
    assert {
        "approve",
        "refuse",
        "lift",
        "adopt",
        "extend",
        "establish",
        "confirm",
        "inform",
        "withdraw",
    } <= shown


# Words -------------------------------------------------------------------------------------------------------


async def test_the_form_has_the_draft_of_the_engine(ana: httpx.AsyncClient, desk: Counting) -> None:
    world = captain(desk)
    world.attempt(acts.Update(by="ana", known="we look", audience="public"))
    world.wait(timedelta(minutes=25))
    drafts = {each.audience: each for each in world.incident.drafts}
    page = await ana.get(PAGE)
    form = page.text[page.text.index('id="update"') :]
    form = form[: form.index("</form>")]
    assert f"{drafts['internal'].known}</textarea>" in unescape(form)
    assert "The cause. Whom else it reached.</textarea>" in form
    assert text_of(page).count("the engine's draft") == 2


async def test_a_word_that_is_overdue_says_for_how_long(ana: httpx.AsyncClient, desk: Counting) -> None:
    world = captain(desk)
    world.attempt(acts.Update(by="ana", known="we look", audience="public"))
    world.wait(timedelta(minutes=30))
    told = text_of(await ana.get(PAGE))
    for who in ("the team", "customers"):
        assert f"! The word to {who} is overdue for 2d 8h" in told
    assert "! Overdue: the next word to customers was promised for 2d 8h ago" in told
    assert "for a person's word, overdue since" in told


async def test_a_public_word_that_waits_is_shown_whole_and_released_or_withheld(
    http: httpx.AsyncClient, door: Doorkeeper, desk: Counting
) -> None:
    brief = desk.world.incident.brief
    runbook = brief.runbook.changed(updates=Wording(public_approval="comms"))
    desk.world.incident = desk.world.incident.changed(brief=brief.changed(runbook=runbook))
    world = captain(desk)
    known = "Refunds are <b>slower</b>."
    world.attempt(acts.Update(by="cara", audience="public", known=known))
    (waits,) = release.waiting(world.incident)
    await as_somebody(http, door, "cara")
    page = await http.get(PAGE)
    assert forms_of(page) & {"release", "withhold"} == {"withhold"}, (
        "cara wrote it, and may only take it back"
    )
    http.cookies.clear()
    await as_somebody(http, door, "ana")
    page = await http.get(PAGE)
    told = text_of(page)
    assert known in told
    assert "<b>slower" not in page.text
    assert waits.digest in "".join(re.findall(r"<span>([0-9a-f]{8})</span>", page.text))
    assert {"release", "withhold"} <= forms_of(page)
    warning = (
        f"Never published then: the public word {waits.digest[:12]} of cara. Release or withhold it first."
    )
    assert warning in told
    wrong = await send(http, "release", page, subject="f" * 64)
    assert wrong.status_code == 409
    assert "Refused by rule 7" in text_of(wrong)
    assert (await send(http, "release", page, subject=waits.digest)).status_code == 303
    assert world.incident.words[-1].released_by == "ana"
    assert world.attempt(acts.Update(by="cara", audience="public", known=known)) is None
    world.incident = world.incident.changed(ended="closed")
    told = text_of(await http.get(PAGE))
    assert "released by ana" in told
    assert "Never published: a public word of cara" in told
