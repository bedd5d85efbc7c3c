"""The public page: what leaves an incident and what never does, and files that programs and people can read."""

import json
import re
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urljoin
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firestation import acts
from firestation.public_page import feeds
from firestation.public_page.page import RECENT, Subscribing, end_of, name_of
from firestation.public_page.part import (
    CONDITIONS,
    IMPACTS,
    WORST,
    PublicIncident,
    public_part,
    public_words,
    reference,
)
from firestation.severity import Severity
from firestation.state import Incident, Phase
from firestation.system import Component
from tests.property.public_pages import (
    ADDRESS,
    HOSTILE,
    component,
    over,
    page,
    part,
    read_html,
    strings,
    word,
    written,
)
from tests.property.worlds import START, World, move_forward, tries

ATOM = "{http://www.w3.org/2005/Atom}"
COMPONENTS = (
    Component(id="refunds", title="Refunds", description="Asks for money back"),
    Component(id="chat", title="Chat"),
)
TOKEN = re.compile(r"[\w.-]*\w")
OWN = "\n".join(
    content
    for shown in (
        page(),
        page(part()),
        page(over()),
        page(part(), over(), minutes=20),
        *(page(part(condition=condition)) for condition in CONDITIONS),
        *(page(over(outcome=outcome)) for outcome in ("withdrawn", "merged")),
        *(
            page(part(status=status, impact=impact))
            for status, impact in zip(
                ("identified", "monitoring", "investigating"), ("critical", "minor", "major"), strict=True
            )
        ),
    )
    for content in written(shown).values()
)
"""The words that the page has of its own, whatever the incident."""

RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def let_out(world: World) -> PublicIncident | None:
    return public_part(with_components(world.incident), len(world.record))


def with_components(incident: Incident) -> Incident:
    system = incident.brief.system.changed(components=COMPONENTS)
    return incident.changed(brief=incident.brief.changed(system=system))


def say(world: World, known: str = "Some refunds are answered wrongly.", by: str = "cara") -> None:
    assert world.attempt(acts.Update(by=by, audience="public", known=known)) is None


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_nothing_internal_ever_leaves(data: st.DataObject) -> None:
    """Whatever is tried: of all that the incident holds, only the public words and the components are on the page."""
    world = World()
    world.attempt(acts.Acknowledge(by="ana"))
    for _ in range(data.draw(st.integers(1, 14))):
        if world.incident.ended:
            break
        if data.draw(st.booleans()):
            move_forward(world)
        else:
            world.attempt(data.draw(tries(world)))
        world.wait(timedelta(minutes=data.draw(st.integers(0, 9))))
    if not world.incident.ended:
        say(world)
    found, incident = let_out(world), with_components(world.incident)
    if not public_words(incident):
        assert found is None
        return
    assert found is not None
    assert re.fullmatch("[0-9a-f]{12}", found.reference)
    assert found.reference not in incident.model_dump_json()
    said = {
        text for each in public_words(incident) for text in (each.known, each.unknown, each.doing) if text
    }
    told = "\n".join(
        content for name, content in written(page(found)).items() if name[-3:] not in {"css", ".js"}
    )
    for text in sorted(said, key=len, reverse=True):  # what people say may name anything
        told = told.replace(text, "")
    public = {each.title for each in COMPONENTS} | {
        each.description for each in COMPONENTS if each.description
    }
    public |= said | {incident.brief.system.title, found.reference}
    tokens = set(TOKEN.findall(told))
    for text in set(strings(incident.model_dump(mode="json"))) - public:
        if len(text) > 2 and not RFC3339.fullmatch(text):
            seen = text in tokens if TOKEN.fullmatch(text) else text in told
            assert not seen or text in OWN, text


@given(st.data())
@settings(max_examples=20, deadline=None)
def test_the_part_follows_the_incident(data: st.DataObject) -> None:
    world, before = World(), 0
    world.attempt(acts.Acknowledge(by="ana"))
    say(world)
    for _ in range(data.draw(st.integers(1, 40))):
        move_forward(world)
        world.wait(timedelta(minutes=data.draw(st.integers(0, 3))))
        found, incident = let_out(world), world.incident
        assert found is not None
        assert found.version >= before
        before = found.version
        assert found.reference == reference(incident.id, incident.run)
        assert [each.known for each in found.words] == [each.known for each in public_words(incident)]
        assert found.is_open == (incident.phase not in {Phase.AFTER_ACTION, Phase.CLOSED})
        assert (found.condition == "operational") == (not found.is_open)
        assert CONDITIONS.index(found.condition) <= CONDITIONS.index(WORST[IMPACTS[incident.weight]])
        assert (found.over_at is not None) == (not found.is_open)
        assert (found.next_due is None) == (not found.is_open)
        assert PublicIncident.model_validate_json(found.canonical()) == found
        assert found.same_as(let_out(world))


def test_an_incident_is_public_from_its_first_public_word_on() -> None:
    world = World()
    move_forward(world)
    world.attempt(acts.Acknowledge(by="ana"))
    world.attempt(acts.Update(by="ana", known="It was the reranker, says ana."))
    assert let_out(world) is None
    say(world)
    assert let_out(world) is not None
    older = World(edition=3)
    older.attempt(acts.Acknowledge(by="ana"))
    say(older)
    assert let_out(older) is None


@pytest.mark.parametrize(
    ("severity", "at_first", "contained"),
    [
        (Severity.SEV1, "major_outage", "partial_outage"),
        (Severity.SEV2, "partial_outage", "degraded_performance"),
        (Severity.SEV3, "degraded_performance", "degraded_performance"),
        (Severity.SEV4, "degraded_performance", "degraded_performance"),
    ],
)
def test_the_state_of_the_components_follows_a_stated_rule(
    severity: Severity, at_first: str, contained: str
) -> None:
    world = World()
    world.seal()
    world.baseline()
    world.attempt(acts.Acknowledge(by="ana"))
    say(world)
    world.attempt(acts.Declare(by="ana", severity=severity, reason="wrong refunds leave"))
    seen: dict[Phase, tuple[str, str]] = {}
    for _ in range(40):
        found = let_out(world)
        assert found is not None
        seen[world.incident.phase] = (found.condition, found.status)
        move_forward(world)
    assert seen[Phase.DECLARED] == (at_first, "investigating")
    assert seen[Phase.CONTAINED] == (contained, "investigating")
    assert seen[Phase.RECOVERING] == (contained, "monitoring")
    assert seen[Phase.RESTORED] == ("degraded_performance", "monitoring")
    assert seen[Phase.AFTER_ACTION] == seen[Phase.CLOSED] == ("operational", "resolved")


def test_identified_is_said_once_the_captain_has_marked_the_cause() -> None:
    world = World()
    world.attempt(acts.Acknowledge(by="ana"))
    say(world)
    world.attempt(acts.Note(by="ana", text="the reranker is off", standing="hypothesis"))
    before = let_out(world)
    world.wait(timedelta(minutes=1))
    assert world.attempt(acts.Note(by="ana", text="the reranker is off", standing="fact", cause=True)) is None
    world.wait(timedelta(minutes=1))
    say(world, "We know why.")
    after = let_out(world)
    assert before is not None
    assert after is not None
    assert (before.status, after.status) == ("investigating", "identified")
    assert [each.status for each in after.words] == ["investigating", "identified"]


@pytest.mark.parametrize(
    ("act", "outcome", "told"),
    [
        (acts.Dismiss(by="ana", reason="zq-secret-reason"), "withdrawn", "turned out to be no incident"),
        (
            acts.Merge(by="ana", into="refund-agent-ffffffff", reason="zq-secret-reason"),
            "merged",
            "part of another incident",
        ),
    ],
)
def test_what_was_dismissed_or_merged_says_so_and_not_why(act: acts.Act, outcome: str, told: str) -> None:
    world = World()
    world.attempt(acts.Acknowledge(by="ana"))
    say(world)
    assert world.attempt(act) is None
    found = let_out(world)
    assert found is not None
    assert (found.outcome, found.status, found.condition) == (outcome, "resolved", "operational")
    assert told in str(end_of(found))
    everything = "\n".join(written(page(found)).values())
    assert told in everything
    assert "zq-secret-reason" not in everything
    assert "refund-agent-ffffffff" not in everything


# The page --------------------------------------------------------------------------------------------------


def test_the_worst_open_incident_decides() -> None:
    refunds = (component("Refunds"),)
    worse = part("0" * 12, condition="major_outage", components=refunds)
    made = page(part(), worse, over())
    shown = {each.component.title: each.condition for each in made.components}
    assert shown == {"Refunds": "major_outage", "Chat": "partial_outage", "Search": "operational"}
    assert made.headline == "Major outage"
    assert [each.reference for each in made.open] == [worse.reference, part().reference]
    assert list(made.groups) == ["Refund agent", "Shop search"]
    assert page(over()).headline == "All systems operational"
    assert page(part(components=(), condition="operational")).headline == "An incident goes on"


def test_what_is_long_over_leaves_the_front_page_and_stays_in_the_history() -> None:
    late = int(RECENT.total_seconds() / 60) + 61
    made = written(page(over(), minutes=late))
    assert over().reference not in made["index.html"]
    assert over().reference in made["history.html"]
    assert f"incidents/{over().reference}.html" in made


def test_a_title_names_what_it_touches_and_no_cause() -> None:
    assert name_of(part()) == "Incident affecting Refunds, Chat"
    many = tuple(component(name) for name in ("A", "B", "C", "D", "E"))
    assert name_of(part(components=many)) == "Incident affecting A, B, C and 2 more"
    assert name_of(part(components=())) == "Incident of 23 November 2026"


def test_an_update_that_was_due_is_overdue_without_javascript_too() -> None:
    soon, late = written(page(part(), minutes=20)), written(page(part(), minutes=90))
    for name in ("index.html", f"incidents/{part().reference}.html"):
        assert "Next update due" in soon[name]
        assert "overdue" not in soon[name]
        assert "Update overdue: it was due" in late[name]
    assert "23 November 2026, 03:37 UTC" in late["index.html"]
    assert 'As of <time datetime="2026-11-23T04:30:00Z">23 November 2026, 04:30 UTC' in late["index.html"]


@pytest.mark.parametrize("address", [ADDRESS, None])
def test_the_pages_are_html_without_anything_inline(address: str | None) -> None:
    made = written(page(part(), over(), address=address))
    for name in (each for each in made if each.endswith(".html")):
        elements, text = read_html(made[name])
        assert "{{" not in text
        assert [tag for tag, _ in elements if tag in {"style", "iframe", "object", "form"}] == []
        for tag, attributes in elements:
            assert not [each for each in attributes if each.startswith("on") or each == "style"]
            if tag == "script":
                assert str(attributes["src"]).endswith("page.js")
            for link in (attributes.get("href"), attributes.get("src")):
                if link and not link.startswith("#"):
                    target = urljoin(f"https://x/{name}", link).removeprefix("https://x/")
                    assert target in made, (name, link)
        metas = [each for tag, each in elements if tag == "meta"]
        csp = [each["content"] for each in metas if each.get("http-equiv") == "Content-Security-Policy"]
        assert csp == [
            "default-src 'none'; style-src 'self'; script-src 'self'; base-uri 'none'; form-action 'none'"
        ]
        assert [each["lang"] for tag, each in elements if tag == "html"] == ["en"]
        assert len([tag for tag, _ in elements if tag == "h1"]) == 1
        assert len([tag for tag, _ in elements if tag == "main"]) == 1


def test_customers_subscribe_by_a_plain_form_to_the_gateway_alone() -> None:
    both = Subscribing(origin="https://fire.example.org", ways=("email", "webhook"))
    made = written(page(part()).changed(subscribing=both))
    elements, _ = read_html(made["index.html"])
    forms = [each for tag, each in elements if tag == "form"]
    assert forms == [{"method": "post", "action": "https://fire.example.org/subscribe"}] * 2
    inputs = [each for tag, each in elements if tag == "input"]
    assert {each["name"] for each in inputs} == {"email", "webhook", "component"}
    chosen = {each["value"] for each in inputs if each["name"] == "component"}
    assert chosen == {each.component.id for each in page(part()).components}
    for name in (each for each in made if each.endswith(".html")):
        assert "form-action https://fire.example.org" in made[name]
        assert "#subscribe" in made[name]
    only = written(page(part()).changed(subscribing=both.changed(ways=("webhook",))))["index.html"]
    assert 'name="email"' not in only


def test_hostile_words_are_words() -> None:
    hostile = word(7, HOSTILE, unknown=HOSTILE, doing=HOSTILE)
    touched = component("Refunds", title="<b>bold</b> & co", description="<img src=x onerror=alert(1)>")
    bad = part(words=(hostile,), components=(touched,))
    made = written(page(bad, part("0" * 12, **_ended(bad))))
    for name, content in made.items():
        if not name.endswith(".json"):  # in JSON they are data, and programs decide
            assert not set(content) & set("\u202e\u202c\x1b\x00"), name
        if name.endswith(".html"):
            elements, text = read_html(content)
            assert {tag for tag, _ in elements} <= _TAGS
            assert len([tag for tag, _ in elements if tag == "script"]) == 1
            if name != "history.html":
                assert '<script>alert(1)</script> & "quotes"' in text
        if name.endswith(".json"):
            json.loads(content)
    entry = ET.fromstring(made["feed.atom"]).find(f"{ATOM}entry/{ATOM}content")
    assert entry is not None
    assert "<script>alert(1)</script>" in str(entry.text)
    assert "\ufffd" in str(entry.text)


def _ended(like: PublicIncident) -> dict[str, Any]:
    ended = over(words=like.words, components=like.components)
    return {
        name: getattr(ended, name)
        for name in PublicIncident.model_fields
        if name not in {"reference", "version"}
    }


_TAGS = {
    *("html", "head", "meta", "title", "link", "script", "body", "a", "header", "nav", "main", "footer", "p"),
    *("section", "h1", "h2", "h3", "span", "time", "strong", "article", "b", "ul", "li", "div", "small"),
}


# For programs ----------------------------------------------------------------------------------------------

INCIDENT_KEYS = {
    *("id", "name", "status", "impact", "created_at", "updated_at", "monitoring_at", "resolved_at"),
    *("shortlink", "started_at", "page_id", "incident_updates", "components"),
}
COMPONENT_KEYS = {
    *("id", "name", "description", "status", "position", "created_at", "updated_at", "page_id", "group_id"),
    *("group", "showcase", "start_date", "only_show_if_degraded"),
}
UPDATE_KEYS = {
    *("id", "incident_id", "status", "body", "created_at", "updated_at", "display_at", "affected_components"),
    *("deliver_notifications", "custom_tweet", "tweet_id"),
}


def test_the_summary_has_the_shape_of_statuspage() -> None:
    """The keys and values of the API page of a Statuspage, api/v2."""
    made = written(page(part(words=(word(7), word(20, status="identified"))), over()))
    summary = json.loads(made["api/v2/summary.json"])
    assert set(summary) == {"page", "status", "components", "incidents", "scheduled_maintenances"}
    assert set(summary["page"]) == {"id", "name", "url", "time_zone", "updated_at"}
    assert summary["status"] == {"indicator": "major", "description": "Partial outage"}
    assert json.loads(made["api/v2/status.json"])["status"] == summary["status"]
    (incident,) = summary["incidents"]
    assert set(incident) == INCIDENT_KEYS
    assert (incident["status"], incident["impact"]) == ("investigating", "major")
    assert incident["shortlink"] == f"{ADDRESS}/incidents/{part().reference}.html"
    assert [each["status"] for each in incident["incident_updates"]] == ["identified", "investigating"]
    assert all(set(each) == UPDATE_KEYS for each in incident["incident_updates"])
    assert all(set(each) == COMPONENT_KEYS for each in (*summary["components"], *incident["components"]))
    assert [each["position"] for each in summary["components"]] == [1, 2, 3]
    listed = json.loads(made["api/v2/incidents.json"])["incidents"]
    assert {each["status"] for each in listed} == {"investigating", "resolved"}
    for name in ("created_at", "updated_at", "started_at"):
        assert RFC3339.fullmatch(incident[name])


def test_the_other_summary_has_the_shape_of_incident_io() -> None:
    """Its three lists, and of each incident what the widget's documentation names."""
    summary = json.loads(written(page(part(condition="major_outage"), over()))["api/v1/summary.json"])
    assert set(summary) == {
        *("page_title", "page_url"),
        *("ongoing_incidents", "in_progress_maintenances", "scheduled_maintenances"),
    }
    (incident,) = summary["ongoing_incidents"]
    assert set(incident) == {
        *("id", "name", "status", "url", "last_update_at", "last_update_message"),
        *("current_worst_impact", "affected_components"),
    }
    assert incident["status"] in {"investigating", "identified", "monitoring", "resolved"}
    assert incident["current_worst_impact"] == "full_outage"
    assert incident["last_update_message"] == feeds.words_of(part().words[-1])
    assert {each["current_status"] for each in incident["affected_components"]} == {"full_outage"}


@pytest.mark.parametrize("address", [ADDRESS, None])
def test_the_feed_is_atom(address: str | None) -> None:
    """RFC 4287: what a feed and an entry must have, once each; ids that stay when words are added."""
    made = page(part(), over(), address=address)
    feed = ET.fromstring(feeds.atom(made))
    assert feed.tag == f"{ATOM}feed"
    assert [len(feed.findall(f"{ATOM}{each}")) for each in ("id", "title", "updated")] == [1, 1, 1]
    assert feed.findtext(f"{ATOM}author/{ATOM}name") == "Example status"
    entries = feed.findall(f"{ATOM}entry")
    assert len(entries) == 2
    for entry in entries:
        assert [len(entry.findall(f"{ATOM}{each}")) for each in ("id", "title", "updated", "content")] == [
            1
        ] * 4
        assert str(entry.findtext(f"{ATOM}id")).startswith("urn:uuid:")
        assert RFC3339.fullmatch(str(entry.findtext(f"{ATOM}updated")))
    ids = [entry.findtext(f"{ATOM}id") for entry in entries]
    assert len(set(ids)) == 2
    (own,) = [each for each in feed.findall(f"{ATOM}link") if each.get("rel") == "self"]
    assert own.get("href") == (f"{ADDRESS}/feed.atom" if address else "feed.atom")
    more = page(part(version=9, words=(word(7), word(30))), over(), address=address)
    again = ET.fromstring(feeds.atom(more))
    assert [each.findtext(f"{ATOM}id") for each in again.findall(f"{ATOM}entry")].count(ids[0]) == 1
    newest = again.find(f"{ATOM}entry")
    assert newest is not None
    assert datetime.fromisoformat(str(newest.findtext(f"{ATOM}updated"))) == START + timedelta(minutes=30)
