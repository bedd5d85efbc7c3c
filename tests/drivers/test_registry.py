"""The registry: which drivers there are, and what a system file is told about its `with`."""

from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from pyrage import x25519  # type: ignore[import-untyped]  # it has no types

from firestation import drivers
from firestation.authority import Station
from firestation.drivers import REGISTRY, Drivers, Entry, driver_class, known, problems
from firestation.errors import InvalidInput, NotConfigured
from firestation.model import Model
from firestation.pagers import Pager
from firestation.secrets import ReferenceSecrets
from firestation.system import LeverFitting, System

READ = {"url": "/levers/reranker", "path": "$.position"}
MOVE = {"url": "/levers/reranker", "body": {"position": "{position}"}}
LEVER = {"base": "http://agent:8080", "read": READ, "move": MOVE}
CHECK = {"request": {"url": "http://agent/x"}, "expect": [{"path": "$.a", "op": "present"}]}
SOURCE = {"requests": [{"name": "a", "url": "http://agent/a"}]}


def make(**changes: Any) -> System:
    fittings: dict[str, dict[str, Any]] = {
        "sources": {"provides": ["requests"], "with": SOURCE},
        "levers": {"positions": {"on": "on"}, "with": LEVER},
        "checks": {"with": CHECK},
        "channels": {"audience": "internal", "with": {"send": {"url": "http://agent/m"}}},
        "trackers": {"with": {"open": {"url": "http://agent/t"}}},
    }
    made = {
        kind: [{"id": "it", "title": "It", "driver": "http", **fitting, **changes.get(kind, {})}]
        for kind, fitting in fittings.items()
    }
    return System.model_validate({"system": "agent", "title": "Agent", **made})


def found(system: System) -> dict[str, str]:
    return {each.field: f"{each.problem}. {each.fix}" for each in problems(system)}


def test_a_right_file_has_no_problems() -> None:
    assert problems(make()) == ()


@pytest.mark.parametrize("kind", list(REGISTRY))
def test_every_entry_of_the_registry_is_a_driver(kind: Any) -> None:
    for name in REGISTRY[kind]:
        assert issubclass(driver_class(kind, name).config_model, Model)
    assert "http" in known(kind)


def test_an_unknown_driver_names_those_that_there_are() -> None:
    said = found(make(levers={"driver": "htp"}))
    there_are = ", ".join(known("lever"))
    assert said == {
        "levers[0].driver": f"there is no lever driver 'htp'. Choose from {there_are}, or install one that adds it"
    }


@pytest.mark.parametrize(
    ("kind", "config", "field", "said"),
    [
        ("levers", {**LEVER, "read": {"url": "/x"}}, "levers[0].with.read.path", "missing. Add it"),
        ("levers", {**LEVER, "read": {**READ, "pth": 1}}, "levers[0].with.read.pth", "Did you mean 'path'?"),
        (
            "levers",
            {**LEVER, "read": {**READ, "path": "a.b"}},
            "levers[0].with.read.path",
            "Write it like $.a",
        ),
        ("levers", {**LEVER, "move": {"url": "/x"}}, "levers[0].with", "Put {position} into"),
        ("levers", {**LEVER, "move": {**MOVE, "url": "/{postion}"}}, "levers[0].with.move", "{position}"),
        (
            "levers",
            {**LEVER, "move": {**MOVE, "body": {"{key}": "{position}"}}},
            "levers[0].with.move",
            "values",
        ),
        (
            "levers",
            {**LEVER, "move": {**MOVE, "url": "/{position}/{revision}"}},
            "levers[0].with",
            "read.revision",
        ),
        ("levers", {"read": READ, "move": MOVE}, "levers[0].with", "Add base"),
        ("levers", {**LEVER, "base": "agent:80"}, "levers[0].with.base", "http://host/path"),
        ("levers", {**LEVER, "base": "http://a:b@agent"}, "levers[0].with.base", "under `auth`"),
        (
            "levers",
            {**LEVER, "auth": {"bearer": "hunter2"}},
            "levers[0].with.auth.bearer",
            "never the secret",
        ),
        ("levers", {**LEVER, "auth": {}}, "levers[0].with.auth", "bearer: env:NAME"),
        ("levers", {**LEVER, "headers": {"Authorization": "x"}}, "levers[0].with.headers", "under `auth`"),
        ("levers", {**LEVER, "headers": {"X": "a\nb"}}, "levers[0].with.headers", "visible ASCII"),
        ("levers", {**LEVER, "timeout": "0s"}, "levers[0].with.timeout", "write more than"),
        ("checks", {**CHECK, "expect": []}, "checks[0].with.expect", "Give at least one"),
        ("sources", {"requests": []}, "sources[0].with.requests", "Give at least one"),
        (
            "sources",
            {"requests": [{"name": "a", "url": "http://agent/{request_id}"}]},
            "sources[0].with.requests[0]",
            "there is {incident}",
        ),
        (
            "sources",
            {"requests": [{"name": "a", "url": "http://agent/a", "for_each": "request_ids"}]},
            "sources[0].with.requests[0]",
            "put {request_id} into name",
        ),
        (
            "sources",
            {"requests": [{"name": "a", "url": "http://agent/a", "provides": ["memory"]}]},
            "sources[0].with",
            "in both or neither",
        ),
        ("channels", {"send": {"url": "http://{to}/x"}}, "channels[0].with.send.url", "nor a placeholder"),
        ("trackers", {"open": {"url": "ftp://x/y"}}, "trackers[0].with.open.url", "is not a URL"),
    ],
)
def test_each_mistake_names_its_field_and_fix(
    kind: str, config: dict[str, Any], field: str, said: str
) -> None:
    problem = found(make(**{kind: {"with": config}}))
    assert list(problem) == [field]
    assert said.lower() in problem[field].lower()


SLACK = {"token": "env:SLACK_TOKEN", "channel": "C0123456789"}
MATRIX = {
    "homeserver": "https://matrix.example.org",
    "token": "env:MATRIX_TOKEN",
    "room": "#fire:example.org",
}


@pytest.mark.parametrize(
    ("driver", "config"),
    [
        ("slack", SLACK),
        ("matrix", MATRIX),
        ("teams", {"url": "env:TEAMS_URL"}),
        ("webhook", {"secret": "env:S", "url": "env:HOOK"}),
        ("file", {"file": "words.jsonl"}),
        ("http", {"send": {"url": "http://agent/m"}}),
    ],
)
@pytest.mark.parametrize("others", ["internal", "pager"])
def test_public_words_and_our_own_never_end_in_one_place(driver: str, config: Any, others: str) -> None:
    first = {"id": "a", "title": "A", "driver": driver, "audience": others, "with": config}
    system = make().model_dump(mode="json", by_alias=True)
    system["channels"] = [first, {**first, "id": "b", "audience": "public"}]
    said = found(System.model_validate(system))
    assert list(said) == ["channels[1].with"]
    assert f"public words where a sends {others} ones" in said["channels[1].with"]
    system["channels"][1]["audience"] = "internal"
    assert found(System.model_validate(system)) == {}


def test_a_channel_is_held_to_its_audience() -> None:
    page = {"token": "env:T", "page": "kctbh9vrtdwd"}
    said = found(make(channels={"driver": "statuspage", "audience": "internal", "with": page}))
    assert list(said) == ["channels[0].with"]
    assert found(make(channels={"driver": "statuspage", "audience": "public", "with": page})) == {}
    pager = Pager.model_validate({"id": "p", "driver": "statuspage", "reaches": "sms", "with": page})
    ana = {"id": "ana", "name": "Ana", "roles": ["captain"], "address": "ana@example.org"}
    people = {"station": "s", "people": [ana], "escalation": ["ana"], "bells": [{"id": "bell"}]}
    (wrong,) = drivers.pager_problems(Station.model_validate({**people, "pagers": [pager]}))
    assert (wrong.field, "read by everybody" in wrong.problem) == ("pagers[0].with", True)


def test_a_position_where_the_lever_cannot_stand_is_refused() -> None:
    config = {"base": "http://mlflow:5000", "prompt": "refund", "alias": "production"}
    lever = {"driver": "mlflow", "with": config, "positions": {"last": "one", "none": None, "old": 1}}
    assert found(make(levers=lever)) == {
        "levers[0].positions.last": "this is no version. Write its number, like 2, or null for no alias"
    }


async def test_the_bench_refuses_what_the_file_should_not_have_said(tmp_path: Path) -> None:
    lever = make(levers={"with": {**LEVER, "move": {"url": "/x"}}}).levers[0]
    async with Drivers(ReferenceSecrets(tmp_path)) as bench:
        with pytest.raises(InvalidInput, match=r"it\.with: move has no \{position\}"):
            bench.lever(lever)
        with pytest.raises(NotConfigured, match="no lever driver 'none'"):
            bench.lever(lever.changed(driver="none"))


class AcmeConfig(Model):
    flag: str


class AcmeLever:
    config_model = AcmeConfig

    def __init__(self, fitting: LeverFitting, config: AcmeConfig, kit: object) -> None:
        self.said = (fitting.id, config.flag, kit is not None)


class NoConfig:
    pass


@pytest.fixture
def looked_up_anew() -> Iterator[None]:
    drivers.installed.cache_clear()
    yield
    drivers.installed.cache_clear()


@pytest.mark.usefixtures("looked_up_anew")
async def test_a_third_party_adds_a_driver(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    points = [
        EntryPoint("lever.acme", f"{__name__}:AcmeLever", drivers.GROUP),
        EntryPoint("lever.broken", "no_such_package_of_acme:Lever", drivers.GROUP),
        EntryPoint("lever.bare", f"{__name__}:NoConfig", drivers.GROUP),
    ]
    monkeypatch.setattr(drivers, "entry_points", lambda group: points if group == drivers.GROUP else [])
    monkeypatch.setattr(EntryPoint, "load", _load)
    assert set(known("lever")) == {"acme", "bare", "broken", *REGISTRY["lever"]}
    assert found(make(levers={"driver": "acme", "with": {"flg": "x"}})) == {
        "levers[0].with.flag": "this field is missing. Add it",
        "levers[0].with.flg": "there is no such field. Did you mean 'flag'?",
    }
    async with Drivers(ReferenceSecrets(tmp_path)) as bench:
        made: Any = bench.lever(make(levers={"driver": "acme", "with": {"flag": "f"}}).levers[0])
        assert made.said == ("it", "f", True)
        with pytest.raises(NotConfigured, match=r"'broken' cannot be loaded .*no_such_package_of_acme"):
            bench.lever(make(levers={"driver": "broken"}).levers[0])
        with pytest.raises(NotConfigured, match="names no config_model"):
            bench.lever(make(levers={"driver": "bare"}).levers[0])


def _load(point: EntryPoint) -> Any:
    """As the real one, for a test module that has no importable name."""
    if point.value.startswith(__name__):
        return globals()[point.attr]
    raise ModuleNotFoundError(f"No module named {point.module!r}")


def test_a_driver_that_needs_more_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(REGISTRY["lever"], "flags", Entry("no_such_module_here:Lever", "firestation[flags]"))
    with pytest.raises(NotConfigured, match=r"pip install 'firestation\[flags\]'"):
        driver_class("lever", "flags")


def test_a_recipient_with_a_wrong_character_is_named() -> None:
    right = str(x25519.Identity.generate().to_public())
    wrong = right[:-1] + ("q" if right[-1] != "q" else "p")
    assert found(make(sources={"privacy": {"encrypt_to": [right]}})) == {}
    said = found(make(sources={"privacy": {"encrypt_to": [right, wrong]}}))
    assert said["sources[0].privacy.encrypt_to[1]"].startswith(f"{wrong} is no age recipient. Copy")
