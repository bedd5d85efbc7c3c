"""Every type that is ever written is read again as the same value, by everybody, with the same digest."""

import importlib
import pkgutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

import firestation
from firestation.acts import ACTS, Act
from firestation.address import Address
from firestation.alike import Alike
from firestation.allowed_signers import KeyLine
from firestation.authority import Bell, Member, Role, Roster, Station
from firestation.contacts import FORMS, Contact, ContactKind
from firestation.expect import Expectation
from firestation.lock_plan import Control, LockPlan
from firestation.model import Keys, Model
from firestation.ports import Artifact
from firestation.record import Event
from firestation.rotation import Clock, Layer, Rotation, Zone
from firestation.rules import Rule
from firestation.settings import Settings
from firestation.severity import Severity
from firestation.steps import Absence, When
from firestation.system import Constraint
from firestation.triage_rules import Inhibition, Maintenance, TriageRule
from tests.property import values
from workflows import messages

NEVER_WRITTEN = {Artifact, Rule, Settings}
"""Bytes on their way into the store, the rules themselves, and what is read from the environment."""


def subclasses(model: type[Model]) -> Iterator[type[Model]]:
    for each in model.__subclasses__():
        yield each
        yield from subclasses(each)


def written() -> list[type[Model]]:
    """All models of `firestation` and the workflow's messages; a new one is found here by itself."""
    for module in pkgutil.iter_modules(firestation.__path__, "firestation."):
        importlib.import_module(module.name)
    ours = ("firestation.", messages.__name__)
    found = {
        each
        for each in subclasses(Model)
        if each.__module__.startswith(ours) and not each.__module__.startswith("firestation.drivers")
    }
    return sorted(found - NEVER_WRITTEN, key=lambda each: f"{each.__module__}.{each.__qualname__}")


@st.composite
def stations(draw: st.DrawFn) -> Station:
    """Whoever is on the escalation is among the people and may be captain, so these are drawn together."""
    people = draw(st.lists(values.of(Member), min_size=1, max_size=2, unique_by=lambda each: each.id))
    captains = tuple(each.model_copy(update={"roles": (*each.roles, Role.CAPTAIN)}) for each in people)
    return Station(
        station="demo",
        people=captains,
        escalation=tuple(draw(st.permutations([each.id for each in people]))),
        page_every=draw(values.SPANS),
        bells=tuple(draw(st.lists(values.of(Bell), min_size=1, max_size=2))),
    )


ALIKE = st.builds(Alike, names=st.lists(st.sampled_from(["CostUp", "a"]), min_size=1, max_size=2).map(tuple))
SEVERITIES = st.lists(st.sampled_from(Severity), min_size=1, max_size=2).map(tuple)
ED25519 = "AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 43
NAMES = st.sampled_from(["a", "on", "sev-1"])

values.REGISTERED |= {
    Address: st.sampled_from(["https://id.example.org", "http://127.0.0.1:9000/oidc"]),
    Zone: st.sampled_from(["UTC", "Europe/Berlin", "America/New_York"]),
    Clock: st.times().map("{:%H:%M}".format),
    KeyLine: st.just(f"ssh-ed25519 {ED25519} ana@laptop"),
    Contact: st.sampled_from([kind for kind in ContactKind if kind != "webhook"]).map(
        lambda kind: Contact(kind=kind, to=FORMS[kind][1])
    ),
    Absence: st.builds(Absence, undecided=st.sampled_from(["deny", "keep", "escalate"]))
    | st.builds(Absence, undecided=st.just("apply"), severities=SEVERITIES),
    When: st.builds(When, severity=SEVERITIES)
    | st.builds(When, levers=st.dictionaries(NAMES, st.tuples(NAMES), min_size=1)),
    tuple[Constraint, ...]: st.just(()),  # they name levers of the same file
}
values.REGISTERED |= {
    Layer: st.builds(
        Layer,
        name=NAMES,
        people=st.lists(NAMES, min_size=1, max_size=2).map(tuple),
        zone=values.REGISTERED[Zone],
        start=values.TIMES.map(datetime.date),
        handoff=values.REGISTERED[Clock],
        turn=st.integers(1, 30).map(lambda days: timedelta(days=days)),
    ),
}
TOLD: dict[str, Any] = {"id": NAMES, "match": ALIKE, "why": NAMES}
values.REGISTERED |= {
    TriageRule: st.builds(TriageRule, then=st.sampled_from(["incident", "record"]), **TOLD)
    | st.builds(TriageRule, then=st.just("person"), within=st.just(timedelta(hours=1)), **TOLD),
    Inhibition: st.builds(Inhibition, while_=ALIKE, **TOLD),
    Maintenance: st.builds(
        lambda starts, **more: Maintenance(starts=starts, ends=starts + timedelta(hours=1), **more),
        values.TIMES,
        by=NAMES,
        **TOLD,
    ),
}
LOCK = {"title": NAMES, "answer": st.just("$.answer"), "runs": st.integers(1, 100)}
values.REGISTERED |= {
    LockPlan: st.builds(LockPlan, kind=st.just("process"), **LOCK)
    | st.builds(LockPlan, check=NAMES, source=NAMES, **LOCK)
    | st.builds(
        LockPlan,
        kind=st.just("guardrail"),
        check=NAMES,
        source=NAMES,
        where=st.lists(values.of(Expectation), max_size=1).map(tuple),
        input=values.PATHS,
        into=values.PATHS,
        control=values.of(Control),
        **LOCK,
    ),
}
values.REGISTERED |= {Rotation: st.builds(Rotation, id=NAMES, layers=st.tuples(values.of(Layer)))}
values.REGISTERED |= {
    Station: stations(),
    Roster: st.builds(
        lambda made, at: made.roster(made.escalation, dict.fromkeys(at, made.escalation)),
        stations(),
        st.just(()) | SEVERITIES,
    ),
}


@pytest.mark.parametrize("model", written(), ids=lambda each: f"{each.__module__}.{each.__qualname__}")
@settings(
    max_examples=12,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # making so large a value smaller takes minutes
)
@given(data=st.data())
def test_what_is_written_is_read_again(model: type[Model], data: st.DataObject) -> None:
    value = data.draw(values.of(model))
    again = model.model_validate_json(value.model_dump_json())
    assert again == value
    assert again.sha256() == value.sha256()
    with pytest.raises(ValidationError, match="Extra inputs"):
        model.model_validate({**value.model_dump(mode="json"), "surprise": 1})
    if model.model_fields:
        with pytest.raises(ValidationError, match="frozen"):
            setattr(value, next(iter(model.model_fields)), None)


class Sent(Model):
    """What has been done, by key."""

    keys: Keys


def test_equal_sets_have_equal_digests() -> None:
    keys = [f"notify:page:{number}" for number in range(100)]
    forth, back = (
        Sent(keys=frozenset(keys)),
        Sent.model_validate_json(Sent(keys=frozenset(keys[::-1])).model_dump_json()),
    )
    assert forth == back
    assert forth.canonical() == back.canonical()


@pytest.mark.parametrize("kind", sorted(ACTS))
@given(data=st.data())
def test_an_act_is_known_by_its_kind(kind: str, data: st.DataObject) -> None:
    act = data.draw(values.of(ACTS[kind]))
    adapter: TypeAdapter[Act] = TypeAdapter(Act)
    again = adapter.validate_json(act.model_dump_json())
    assert (type(again), again) == (ACTS[kind], act)


def test_every_event_of_the_record_has_a_kind_of_its_own() -> None:
    kinds = [each.model_fields["kind"].default for each in subclasses(Model) if "kind" in each.model_fields]
    events = TypeAdapter(Event).json_schema()["discriminator"]["mapping"]
    assert set(events) <= set(kinds)
    assert len(events) == len(set(events.values()))
