"""What every format makes of what its source sends."""

import difflib
import json
from collections.abc import Callable
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firestation.alarm import Alarm, incident_id
from firestation.bell.formats import FORMATS, FormatName, hear
from firestation.bell.heard import Ear
from firestation.bell.reading import LONGEST_KEY, MOST_DEEP, MOST_ITEMS, MOST_SAID, bounded, identity
from firestation.errors import InvalidInput
from tests.bell.golden import AT, HERE, MAPPING, Sent, every, sent, shown
from tests.property.values import JSON

EVERY = [pytest.param(each, id=f"{each.folder}-{each.name}") for each in every()]
FOLDERS = sorted(path.name for path in HERE.iterdir())
ENDLESS = "langsmith"  # its alerts have no end that is told


def only(found: Sent, **rung: Alarm) -> Alarm:
    (alarm,) = found.heard(**rung).alarms
    return alarm


def test_every_format_has_its_files() -> None:
    assert {name.removesuffix("-mapped") for name in FOLDERS} == set(FORMATS) == set(get_args(FormatName))
    for folder in FOLDERS:
        names = {path.stem for path in (HERE / folder).glob("*.json")}
        assert {"firing", "redelivered"} <= names
        assert "resolved" in names or folder == ENDLESS
        assert {f"{name}.heard" for name in names if not name.endswith(".heard")} <= names


@pytest.mark.parametrize("found", EVERY)
def test_what_is_heard_is_what_stands_beside_it(found: Sent) -> None:
    expected = json.loads((HERE / found.folder / f"{found.name}.heard.json").read_text())
    assert shown(found.heard()) == expected


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_redelivery_is_the_same_alarm(folder: str) -> None:
    first, again = only(sent(folder, "firing")), only(sent(folder, "redelivered"))
    assert again.delivery == first.delivery
    assert incident_id(again, ()) == incident_id(first, ())


@pytest.mark.parametrize("folder", [each for each in FOLDERS if each != ENDLESS])
def test_what_is_over_has_the_key_and_the_fire_of_its_firing(folder: str) -> None:
    first = only(sent(folder, "firing"))
    over = only(sent(folder, "resolved"), rung=first)
    assert (first.status, over.status) == ("firing", "resolved")
    assert (over.key, over.system) == (first.key, first.system)
    assert incident_id(over, ("severity", "priority")) == incident_id(first, ("severity", "priority"))
    assert over.delivery != first.delivery


def test_a_resolve_that_says_only_the_key_is_told_by_what_rang() -> None:
    first = only(sent("pagerduty-events", "firing"))
    assert only(sent("pagerduty-events", "resolved-key-only"), rung=first) == first.changed(status="resolved")
    orphan = only(sent("pagerduty-events", "resolved-key-only"))
    assert (orphan.name, orphan.key, orphan.status) == ("samplekeyhere", first.key, "resolved")


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_system_is_what_the_alarm_says_else_the_bell_s_own(folder: str) -> None:
    found = sent(folder, "firing")
    text = json.dumps(found.body)
    nameless = json.loads(text.replace("system:refund-agent", "team:a").replace('"refund-agent"', "null"))
    if folder in {"alertmanager", "grafana"}:
        del nameless["alerts"][0]["labels"]["system"]
    headers = {name: value for name, value in found.headers.items() if name != "ce-system"}
    heard = hear(found.format, nameless, headers, found.ear()._replace(system="another"))
    assert heard.alarms[0].system == "another"
    with pytest.raises(InvalidInput, match=r"rite `system:` at the bell a-bell") as caught:
        hear(found.format, nameless, headers, found.ear()._replace(system=None))
    assert caught.value.field


HOSTILE: list[tuple[str, str, Callable[[Any], Any], str]] = [
    # what is done to which delivery, and the field that must be named
    (
        "alertmanager",
        "an id of 300",
        lambda b: b["alerts"][0].update(fingerprint="x" * 300),
        "alerts[0].fingerprint",
    ),
    ("alertmanager", "alerts that are no list", lambda b: b.update(alerts={}), "alerts"),
    ("alertmanager", "no alerts", lambda b: b.update(alerts=[]), "alerts"),
    ("grafana", "the version of another", lambda b: b.update(version="4"), "version"),
    ("grafana", "an organization that is none", lambda b: b.update(orgId="main"), "orgId"),
    ("pagerduty-events", "another action", lambda b: b.update(event_action="burn"), "event_action"),
    ("pagerduty-events", "a key of 300", lambda b: b.update(dedup_key="x" * 300), "dedup_key"),
    ("pagerduty-events", "no payload", lambda b: b.pop("payload"), "payload"),
    ("pagerduty-events", "no summary", lambda b: b["payload"].pop("summary"), "payload.summary"),
    ("pagerduty-webhook", "no title", lambda b: b["event"]["data"].pop("title"), "event.data.title"),
    ("pagerduty-webhook", "no event", lambda b: b.pop("event"), "event"),
    ("opsgenie", "an alias of 600", lambda b: b["alert"].update(alias="x" * 600), "alert.alias"),
    ("opsgenie", "no message", lambda b: b["alert"].update(message=" "), "alert.message"),
    (
        "datadog",
        "a variable as it was written",
        lambda b: b.update(alert_cycle_key="$ALERT_CYCLE_KEY"),
        "alert_cycle_key",
    ),
    ("datadog", "a tag that was not filled in", lambda b: b.update(tags="$TAGS[env]"), "tags"),
    ("datadog", "no cycle", lambda b: b.update(alert_cycle_key=""), "alert_cycle_key"),
    ("sentry", "no issue", lambda b: b["data"]["event"].pop("issue_id"), "data.event.issue_id"),
    ("sentry", "no data", lambda b: b.update(data=[]), "data"),
    ("cloudevents", "no id", lambda b: b.pop("id"), "id"),
    ("cloudevents", "another version", lambda b: b.update(specversion="0.3"), "specversion"),
    ("cloudevents", "a system that is no id", lambda b: b.update(system="../etc"), "system"),
    ("langsmith", "no rule", lambda b: b.pop("alert_rule_id"), "alert_rule_id"),
    ("langfuse", "no monitor", lambda b: b["payload"].pop("monitorId"), "payload.monitorId"),
    ("langfuse", "no words", lambda b: b["payload"].update(message="x"), "payload.message"),
    ("otlp", "spans", lambda b: b.update(resourceSpans=b.pop("resourceLogs")), "resourceLogs"),
    ("generic", "an unknown field", lambda b: b.update(sumary="x"), "sumary"),
    ("generic", "an id of 300", lambda b: b.update(id="x" * 300), "id"),
    (
        "generic-mapped",
        "an id that is a list",
        lambda b: b["alarms"][0]["rule"].update(id=[]),
        "$.alarms[0].rule.id",
    ),
    ("generic-mapped", "no list", lambda b: b.pop("alarms"), "$.alarms"),
]


@pytest.mark.parametrize(
    ("folder", "change", "field"),
    [(folder, change, field) for folder, _, change, field in HOSTILE],
    ids=[f"{folder}: {what}" for folder, what, _, _ in HOSTILE],
)
def test_what_cannot_be_used_is_named_as_its_source_names_it(
    folder: str, change: Callable[[Any], Any], field: str
) -> None:
    found = sent(folder, "firing")
    change(found.body)
    with pytest.raises(InvalidInput) as caught:
        found.heard()
    assert caught.value.field == field
    assert caught.value.problem
    assert caught.value.fix


def test_what_is_too_long_to_show_is_cut_and_rings_all_the_same() -> None:
    found = sent("grafana", "firing")
    found.body["alerts"][0]["labels"]["alertname"] = "n" * 5000
    found.body["alerts"][0]["annotations"]["summary"] = "s" * 50_000
    found.body["alerts"][0]["generatorURL"] = "https://" + "u" * 5000
    alarm = only(found)
    assert (len(alarm.name), len(alarm.summary), alarm.url) == (300, 4000, None)
    found = sent("pagerduty-events", "firing")
    found.body["payload"]["custom_details"] |= {f"k{number}": "v" * 9000 for number in range(500)}
    labels = only(found).labels
    assert len(labels) == 64
    assert max(len(value) for value in labels.values()) == 1000
    found = sent("opsgenie", "firing")
    found.body["alert"]["alias"] = "a" * 512
    assert only(found).key.startswith("sha256:")


@given(st.integers(0, 60), st.integers(1, 30_000), st.integers(0, 60), st.integers(1, 30_000))
def test_an_alarm_says_no_more_than_fifty_of_its_kind_can_be_handed_on_with(
    queries: int, long: int, notes: int, wordy: int
) -> None:
    found = sent("alertmanager", "firing")
    alert = found.body["alerts"][0]
    alert["labels"] |= {"team": "t" * wordy}
    alert["annotations"] = {f"note-{number}": "n" * wordy for number in range(notes)}
    alert["annotations"]["queries"] = "\n".join(
        f"{number}{'q' * min(long, 1900)}" for number in range(queries)
    )
    heard = only(found)
    assert len(heard.model_dump_json()) <= MOST_SAID
    assert heard.labels["team"] == "t" * wordy or heard.labels["team"] == "t" * 999 + "…"
    if queries and long < 100:
        assert len(heard.queries) == min(queries, 50)
    assert bounded(heard) == heard, "what is small enough stays as it is"


def test_nesting_without_end_is_refused_before_anything_reads_it() -> None:
    deep: Any = []
    for _ in range(900):
        deep = [deep]
    for name in FORMATS:
        with pytest.raises(InvalidInput, match=f"deeper than {MOST_DEEP}"):
            hear(name, deep, {}, Ear("a-bell", "refund-agent", AT))


WIDE: dict[FormatName, Callable[[list[Any]], Any]] = {
    "alertmanager": lambda items: {"version": "4", "alerts": items},
    "cloudevents": lambda items: items,
    "grafana": lambda items: {"version": "1", "groupKey": "g", "alerts": items},
    "otlp": lambda items: {"resourceLogs": [{"scopeLogs": [{"logRecords": items}]}]},
}


@pytest.mark.parametrize("name", WIDE)
def test_a_megabyte_of_nothing_is_refused_before_each_of_it_is_read(name: FormatName) -> None:
    headers = {"content-type": "application/cloudevents-batch+json"}
    with pytest.raises(InvalidInput, match=f"at most {MOST_ITEMS} are read"):
        hear(name, WIDE[name]([{}] * 100_000), headers, Ear("a-bell", "refund-agent", AT))


def test_of_all_that_is_wrong_with_an_alarm_only_the_first_is_put_into_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = list[str]()
    monkeypatch.setattr(difflib, "get_close_matches", lambda name, *_, **__: asked.append(name))
    with pytest.raises(InvalidInput):
        hear("generic", {f"field-{number}": 1 for number in range(1000)}, {}, Ear("a-bell"))
    assert len(asked) <= 1


def test_no_two_identities_are_one() -> None:
    assert identity("a/b", "c") != identity("a", "b/c")
    assert identity("a%2Fb", "c") != identity("a/b", "c")
    assert len(identity("x" * 400)) <= LONGEST_KEY


SECRET = "R0UT1NGK3Y0000000000000000000001"


@pytest.mark.parametrize("found", [each for each in every() if each.folder == "pagerduty-events"], ids=str)
def test_no_alarm_holds_a_routing_key(found: Sent) -> None:
    assert SECRET in json.dumps(found.body)
    assert SECRET not in repr(found.heard())


def _mutated(draw: st.DrawFn, value: Any) -> Any:
    """The value with something in it replaced, removed, or doubled."""
    if isinstance(value, dict) and value and draw(st.booleans()):
        name = draw(st.sampled_from(sorted(value)))
        return {**value, name: _mutated(draw, value[name])}
    if isinstance(value, list) and value and draw(st.booleans()):
        index = draw(st.integers(0, len(value) - 1))
        return [*value[:index], _mutated(draw, value[index]), *value[index:]]
    return draw(JSON | st.floats() | st.just("\ud83d") | st.integers() | st.text(max_size=400))


@st.composite
def deliveries(draw: st.DrawFn) -> Sent:
    found: Sent = draw(st.sampled_from(every()))
    body = found.body
    for _ in range(draw(st.integers(1, 3))):
        body = _mutated(draw, body)
    headers = dict(found.headers) | draw(
        st.dictionaries(
            st.sampled_from(["ce-id", "ce-specversion", "content-type"]), st.text(max_size=9), max_size=2
        )
    )
    return found._replace(body=body, headers=headers)


def usable(name: FormatName, body: Any, headers: dict[str, str], ear: Ear) -> list[Alarm]:
    """The alarms; what is wrong must be said in words."""
    wrong: tuple[InvalidInput, ...]
    try:
        heard = hear(name, body, headers, ear)
        wrong = heard.errors
    except InvalidInput as error:
        heard, wrong = None, (error,)
    assert all(each.field and each.problem and each.fix for each in wrong)
    return list(heard.alarms) if heard else []


@given(deliveries())
def test_whatever_comes_is_heard_or_refused_in_words(found: Sent) -> None:
    for alarm in usable(found.format, found.body, found.headers, found.ear()):
        assert Alarm.model_validate_json(alarm.model_dump_json()) == alarm


@given(st.sampled_from(sorted(FORMATS)), JSON, st.sampled_from([None, MAPPING]))
def test_whatever_is_no_delivery_at_all_is_refused_in_words(
    name: FormatName, body: Any, mapping: Any
) -> None:
    assert not usable(name, body, {}, Ear("a-bell", "refund-agent", AT, {}, mapping))
