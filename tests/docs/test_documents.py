"""The documents say what is true: links lead somewhere, tables are complete, files in them are good."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

import pytest
import yaml

from cli.errors import ExitCode
from cli.runbooks import runbook
from firestation.after_action import Task
from firestation.alike import Alike
from firestation.authority import Bell, Login, Member, Station
from firestation.bell.datadog import DatadogAlert
from firestation.bell.formats import FORMATS
from firestation.bell.mapping import Mapping
from firestation.bell.signatures import Scheme, Signature
from firestation.clock import FirstFifteen
from firestation.confidence import lower_bound
from firestation.contacts import Contact, ContactKind
from firestation.doubts import doubts
from firestation.drill import KINDS
from firestation.drill_score import What
from firestation.drivers import REGISTRY, Drivers, pager_problems, problems
from firestation.drivers.age import is_recipient
from firestation.drivers.http import SampleAt
from firestation.drivers.public_page.render import files
from firestation.legal import CATALOGUE, Legal, LegalClock
from firestation.lint import dangling, holes
from firestation.loader import load_runbook, load_station, load_system
from firestation.lock_plan import Judge, LockPlan, LockTool
from firestation.model import Model
from firestation.muster import amiss, worth_a_look
from firestation.oncall import on_call
from firestation.pagers import Pager
from firestation.ports import Followed, MovedByHand, ReadByHand
from firestation.privacy import Privacy
from firestation.public_page.page import assemble
from firestation.rehearsal import RehearsalFitting
from firestation.rotation import Hours, Layer, Override, Rotation
from firestation.runbook import FollowUp, Match, PostmortemPlan, Recovery, Runbook
from firestation.secrets import ReferenceSecrets
from firestation.settings import PREFIX, Settings
from firestation.steps import Absence, FirebreakStep, ManualStep, Probe, When
from firestation.system import (
    Component,
    Constraint,
    LeverFitting,
    Place,
    SourceFitting,
    System,
    TrackerFitting,
)
from firestation.tokens import Scope
from firestation.triage_lint import unreachable
from firestation.triage_rules import Class, Inhibition, Maintenance, TriageRule
from firestation.verdict import CHECKS
from firestation.watch.detector import SILENT, Detector, Rings
from firestation.wording import FIELDS, Wording
from tests.audit.forge import base, unpack
from tests.docs.documents import DOCUMENTS, ROOT, blocks, commands, links
from tests.e2e.processes import needs

OPERATIONS, AUTHORING = ROOT / "docs/operations.md", ROOT / "docs/authoring.md"
ACCESS = ROOT / "docs/access.md"
BELLS = ROOT / "docs/bells.md"
LEVERS = ROOT / "docs/levers.md"
PAGING = ROOT / "docs/paging.md"
CHANNELS = ROOT / "docs/channels.md"
SOURCES = ROOT / "docs/sources.md"
TRACKERS = ROOT / "docs/trackers.md"
LOCKS = ROOT / "docs/locks.md"
WATCH = ROOT / "docs/watch.md"
TRIAGE = ROOT / "docs/triage.md"


def name(document: Path) -> str:
    return str(document.relative_to(ROOT))


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_links_lead_somewhere(document: Path) -> None:
    missing = [
        link for link in links(document) if not (document.parent / link.partition("#")[0]).resolve().exists()
    ]
    assert missing == []


def test_the_settings_table_is_the_settings() -> None:
    rows = dict(re.findall(rf"^\| `({PREFIX}\w+)` \| (.+?) \|", OPERATIONS.read_text(), re.MULTILINE))
    assert set(rows) == {PREFIX + field.upper() for field in Settings.model_fields}
    plain = {variable: default.strip("`") for variable, default in rows.items() if default.startswith("`")}
    told = {variable: default for variable, default in plain.items() if " " not in default}
    assert Settings.from_environment(told) == Settings()


def test_the_table_of_exit_codes_is_whole() -> None:
    codes = re.findall(r"^\| (\d+) \| ", OPERATIONS.read_text(), re.MULTILINE)
    assert [int(code) for code in codes] == [int(code) for code in ExitCode]


def test_the_system_and_the_runbook_that_it_teaches_fit_together(tmp_path: Path) -> None:
    for name, block in zip(("system", "runbook"), blocks(AUTHORING, "yaml"), strict=True):
        (tmp_path / f"{name}.yaml").write_text(block)
    read, page = load_system(tmp_path / "system.yaml"), load_runbook(tmp_path / "runbook.yaml")
    assert problems(read) == ()
    assert holes(page) == ()
    assert dangling(page, read) == ()
    assert page.validated
    assert doubts(page, page.validated, [read]) == ()


def test_the_language_is_taught_whole() -> None:
    """Each field that a runbook may have stands in the example, and each that a step may have has its line too."""
    keys = {key for block in blocks(AUTHORING, "yaml") for key in _keys(yaml.safe_load(block))}
    told = set(re.findall(r"`(\w+)`", AUTHORING.read_text()))
    steps: list[type[Model]] = [FirebreakStep, ManualStep, Probe, Absence, When]
    pages: list[type[Model]] = [
        Runbook,
        Match,
        Recovery,
        LockPlan,
        PostmortemPlan,
        FollowUp,
        Wording,
        FirstFifteen,
    ]
    fittings: list[type[Model]] = [LeverFitting, Constraint, Place]
    for part in steps + pages + fittings:
        names = {field.alias or name for name, field in part.model_fields.items()}
        assert names <= keys | told, part.__name__
    assert set(FirebreakStep.model_fields) - {"id", "lever", "to", "why", "cost"} <= told
    assert {f"{{{name}}}" for name in FIELDS} <= set(re.findall(r"`(\{\w+\})`", AUTHORING.read_text()))


def _keys(data: object) -> Iterator[str]:
    if isinstance(data, dict):
        yield from data
    for each in data.values() if isinstance(data, dict) else data if isinstance(data, list) else ():
        yield from _keys(each)


def test_each_command_of_the_wall_is_taught() -> None:
    named = {
        command.split()[2] for command in commands(AUTHORING) if command.startswith("firestation runbook ")
    }
    assert named == {each.name for each in runbook.registered_commands}


def test_alertmanager_takes_the_settings_that_it_teaches(tmp_path: Path) -> None:
    amtool = needs("amtool", "prometheus-alertmanager")
    settings, _ = blocks(OPERATIONS, "yaml")
    path = tmp_path / "alertmanager.yaml"
    path.write_text(settings)
    done = subprocess.run([amtool, "check-config", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    webhook = yaml.safe_load(settings)["receivers"][0]["webhook_configs"][0]
    assert webhook["url"].endswith(f":{Settings().gateway_port}/alarms/alertmanager")


def test_the_station_that_it_teaches_has_no_gap_and_teaches_the_file_whole(tmp_path: Path) -> None:
    _, block = blocks(OPERATIONS, "yaml")
    path = tmp_path / "station.yaml"
    path.write_text(block)
    station, at = load_station(path), datetime(2026, 12, 1, tzinfo=UTC)
    assert amiss(station, at, {}) == ()
    assert worth_a_look(station, at, {}) == ()
    (primary,) = station.rotations
    moments = ("2026-12-07T07:59Z", "2026-12-07T08:00Z", "2026-12-07T17:00Z", "2026-12-25T08:00Z")
    turns = [on_call(primary, datetime.fromisoformat(each))[0] for each in moments]
    assert turns == ["ana", "ben", "cara", "cara"]
    told = set(_keys(yaml.safe_load(block))) | set(re.findall(r"`(\w+)`", OPERATIONS.read_text()))
    parts: list[type[Model]] = [Station, Member, Contact, Pager, Rotation, Layer, Hours, Override]
    for part in parts:
        assert {field.alias or name for name, field in part.model_fields.items()} <= told, part.__name__
    assert {contact.kind for person in station.people for contact in person.contacts} == set(ContactKind)
    assert {pager.reaches for pager in station.pagers} == set(ContactKind)
    assert pager_problems(station) == ()


def test_every_bell_is_taught_with_a_station_that_can_be_read_and_settings_that_its_source_takes(
    tmp_path: Path,
) -> None:
    bells, alertmanager, collector = blocks(BELLS, "yaml")
    people = "station: a\npeople: [{id: ana, name: Ana, roles: [captain], address: a@example.org}]\n"
    path = tmp_path / "station.yaml"
    path.write_text(f"{people}escalation: [ana]\n{bells}")
    station = load_station(path)
    assert [
        hole for hole in worth_a_look(station, datetime(2026, 12, 1, tzinfo=UTC), {}) if "bell" in hole.field
    ] == []
    assert {bell.format for bell in station.bells} == set(FORMATS)
    told = BELLS.read_text()
    assert set(re.findall(r"^\| `([a-z-]+)` \| .* \| .* \| .* \|$", told, re.MULTILINE)) == set(FORMATS)
    assert set(get_args(Scheme)) <= set(re.findall(r"`([a-z-]+)`", told))
    rows = {name for row in re.findall(r"^\| (`.*?`) \|", told, re.MULTILINE) for name in row.split("`")}
    assert set(Bell.model_fields) <= rows
    keys = set(_keys(yaml.safe_load(bells)))
    for part in (Signature, Mapping):
        assert set(part.model_fields) <= keys, part.__name__
    (payload,) = blocks(BELLS, "json")
    assert set(json.loads(payload)) == set(DatadogAlert.model_fields)
    path = tmp_path / "alertmanager.yaml"
    path.write_text(alertmanager)
    amtool = needs("amtool", "prometheus-alertmanager")
    done = subprocess.run([amtool, "check-config", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    exporter = yaml.safe_load(collector)["exporters"]["otlp_http/firestation"]
    door, _, bell = exporter["logs_endpoint"].rpartition("/")
    assert door == "http://127.0.0.1:8420/bells"
    assert [each.format for each in station.bells if each.id == bell] == ["otlp"]
    assert exporter["headers"].keys() == {"Authorization"}


def test_the_login_that_it_teaches_can_be_read_and_is_taught_whole() -> None:
    (block,) = blocks(ACCESS, "yaml")
    login = yaml.safe_load(block)["login"]
    assert Login.model_validate(login).claim == "email"
    assert set(login) == set(Login.model_fields)
    rows = re.findall(r"^\| `(\w+)` \| ", ACCESS.read_text(), re.MULTILINE)
    assert rows == list(Scope)


def test_compose_gives_our_processes_settings_that_they_have() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    told = {
        variable: str(value)
        for variable, value in compose["x-firestation"]["environment"].items()
        if variable.startswith(PREFIX)
    }
    assert set(told) <= {PREFIX + field.upper() for field in Settings.model_fields}
    settings = Settings.from_environment(told)
    for service in ("worker", "gateway"):
        python, *words = compose["services"][service]["command"]
        assert python == "python"
        done = subprocess.run(
            [sys.executable, *words, "--help"], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    assert compose["services"]["gateway"]["ports"][0].endswith(f":{settings.gateway_port}")
    mounted = dict(each.split(":")[:2] for each in compose["x-firestation"]["volumes"] if each[0] != "$")
    (served,) = compose["services"]["status"]["volumes"]
    assert mounted["public"] == settings.public_page
    assert served.split(":")[0] == "public"
    assert served.endswith(":ro")
    reached = {
        network
        for name, each in compose["services"].items()
        if name != "status"
        for network in each.get("networks", ["default"])
    }
    assert not reached & set(compose["services"]["status"].get("networks", ["default"]))


def test_make_has_every_target_that_a_document_names() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {target for each in DOCUMENTS for target in re.findall(r"`?make (\w+)", each.read_text())}
    assert {"demo", "test", "up", "bench", "check"} <= named & targets
    assert {
        target for target in named if target in {"demo", "test", "up", "bench", "check", "lock"}
    } <= targets


def test_the_locks_of_the_document_are_plans() -> None:
    plans = [
        LockPlan.model_validate(yaml.safe_load(block)["lock"])
        for block in blocks(ROOT / "docs/locks.md", "yaml")
        if "lock" in yaml.safe_load(block)
    ]
    assert "guardrail" in {each.kind for each in plans}


def test_every_command_of_a_document_is_run_by_a_test() -> None:
    """README's and the others' are run in tests/e2e/test_documents.py; a document that is new there must be added.

    Those of docs/public-page.md are run in tests/cli/test_subscribers.py, those of docs/authority.md in
    tests/e2e/test_captain.py and tests/unit/test_sshsig.py, those of docs/histories.md in tests/e2e/test_history.py,
    those of docs/postmortem.md in tests/cli/test_postmortem.py, those of docs/audit.md in tests/audit/test_live.py,
    those of docs/watch.md in tests/e2e/test_watch.py, those of docs/drills.md in tests/e2e/test_drills.py, those of
    docs/triage.md in tests/cli/test_triage.py, those of docs/bells.md in tests/cli/test_attach.py and
    tests/cli/test_bells.py, and those of docs/locks.md in tests/e2e/test_locks.py and tests/cli/test_locks.py.
    """
    told = {name(document) for document in DOCUMENTS if commands(document)}
    assert told == {
        "README.md",
        "docs/operations.md",
        "docs/access.md",
        "docs/after-action.md",
        "docs/audit.md",
        "docs/authoring.md",
        "docs/bells.md",
        "docs/locks.md",
        "docs/authority.md",
        "docs/evidence.md",
        "docs/firebreaks.md",
        "docs/histories.md",
        "docs/legal-clocks.md",
        "docs/postmortem.md",
        "docs/public-page.md",
        "docs/triage.md",
        "docs/watch.md",
        "docs/drills.md",
    }


def test_every_source_is_taught_with_a_configuration_that_its_driver_takes() -> None:
    system = System.model_validate(yaml.safe_load(blocks(AUTHORING, "yaml")[0]))
    taught = [source for block in blocks(SOURCES, "yaml") for source in yaml.safe_load(block)["sources"]]
    found = [SourceFitting.model_validate(source) for source in taught]
    numbered = tuple(each.changed(id=f"s{number}") for number, each in enumerate(found))
    system = system.changed(sources=numbered)
    assert problems(system) == ()
    assert {each.driver for each in found} == set(REGISTRY["source"])
    rows = re.findall(r"^\| `(\w+)` \| ", SOURCES.read_text(), re.MULTILINE)
    assert sorted(rows) == sorted(REGISTRY["source"])


def test_triage_is_taught_whole_on_the_system_that_the_example_protects() -> None:
    (block,) = blocks(TRIAGE, "yaml")
    taught = yaml.safe_load(block)
    system = System.model_validate(
        yaml.safe_load((ROOT / "examples/refund_agent/system.yaml").read_text()) | taught
    )
    assert unreachable(system) == ()
    told = set(_keys(taught))
    parts: list[type[Model]] = [TriageRule, Inhibition, Maintenance, Alike]
    for part in parts:
        fields = {field.alias or name for name, field in part.model_fields.items()}
        assert fields <= told, part.__name__
    for each in get_args(Class):
        assert each in TRIAGE.read_text()


def test_the_watch_is_taught_whole_on_the_system_that_it_teaches() -> None:
    watch, sample = blocks(WATCH, "yaml")
    data = yaml.safe_load((ROOT / "examples/refund_agent/system.yaml").read_text())
    system = System.model_validate(data | yaml.safe_load(watch))
    assert problems(system) == ()
    told = set(_keys(data["watch"])) | set(_keys(yaml.safe_load(watch))) | set(_keys(yaml.safe_load(sample)))
    parts: list[type[Model]] = [Detector, Rings, SampleAt]
    for part in parts:
        assert set(part.model_fields) <= told, part.__name__
    assert system.watch[0].silence == timedelta(minutes=15)
    assert SILENT in WATCH.read_text()


def test_every_tracker_is_taught_with_a_configuration_that_its_driver_takes(tmp_path: Path) -> None:
    system = System.model_validate(yaml.safe_load(blocks(AUTHORING, "yaml")[0]))
    taught = [tracker for block in blocks(TRACKERS, "yaml") for tracker in yaml.safe_load(block)["trackers"]]
    found = [TrackerFitting.model_validate(tracker) for tracker in taught]
    numbered = tuple(each.changed(id=f"t{number}") for number, each in enumerate(found))
    assert problems(system.changed(trackers=numbered)) == ()
    assert {each.driver for each in found} == set(REGISTRY["tracker"])
    rows = re.findall(r"^\| `(\w+)` \| ", TRACKERS.read_text(), re.MULTILINE)
    assert sorted(rows) == sorted(REGISTRY["tracker"])
    bench = Drivers(ReferenceSecrets(tmp_path), folder=tmp_path)
    assert all(isinstance(bench.tracker(each), Followed) for each in found)


async def test_the_file_of_a_task_is_as_it_is_shown(tmp_path: Path) -> None:
    (shown,) = blocks(TRACKERS, "markdown")
    fitting = TrackerFitting(id="tasks", title="Tasks", driver="file", config={"folder": "tasks"})
    task = Task(
        incident="refund-agent-1a2b3c4d",
        kind="postmortem",
        title="Write the postmortem",
        text="What happened, and why",
        owner="ana",
        due=datetime(2026, 12, 1, 17, tzinfo=UTC),
    )
    async with Drivers(ReferenceSecrets(tmp_path), folder=tmp_path) as bench:
        ticket = await bench.tracker(fitting).open(task, "k")
    assert Path(ticket.reference).read_text() == shown


def test_every_channel_is_taught_with_a_configuration_that_its_driver_takes(tmp_path: Path) -> None:
    _, known = blocks(OPERATIONS, "yaml")
    (block,) = blocks(PAGING, "yaml")
    people = known.partition("pagers:")[0]
    (tmp_path / "station.yaml").write_text(f"{people}{block}escalation: [ana]\nbells: [{{id: bell}}]\n")
    station = load_station(tmp_path / "station.yaml")
    assert pager_problems(station) == ()
    (words,) = blocks(CHANNELS, "yaml")
    system = System.model_validate(yaml.safe_load(blocks(AUTHORING, "yaml")[0]) | yaml.safe_load(words))
    assert problems(system) == ()
    assert {each.driver for each in (*station.pagers, *system.channels)} == set(REGISTRY["channel"])
    rows = [
        row
        for page in (PAGING, CHANNELS)
        for row in re.findall(r"^\| `(\w+)` \| ", page.read_text(), re.MULTILINE)
    ]
    assert sorted(rows) == sorted(REGISTRY["channel"])


def test_every_lever_is_taught_with_a_configuration_that_its_driver_takes(tmp_path: Path) -> None:
    """And each can be read and moved by hand, by commands in which no credential stands."""
    system = System.model_validate(yaml.safe_load(blocks(AUTHORING, "yaml")[0]))
    found: list[LeverFitting] = []
    for number, block in enumerate(blocks(LEVERS, "yaml")):
        path = tmp_path / f"{number}.yaml"
        rest = {"sources", "checks", "channels", "trackers"}
        plain = system.model_dump(mode="json", by_alias=True, include={"system", "title", *rest})
        path.write_text(yaml.safe_dump(plain, sort_keys=False) + block)
        found += load_system(path).levers
    numbered = tuple(each.changed(id=f"l{number}") for number, each in enumerate(found))
    assert problems(system.changed(levers=numbered)) == ()
    assert {each.driver for each in found} == set(REGISTRY["lever"])
    rows = re.findall(r"^\| `(\w+)` \| ", LEVERS.read_text(), re.MULTILINE)
    assert sorted(rows) == sorted(REGISTRY["lever"])
    bench = Drivers(ReferenceSecrets(tmp_path), folder=tmp_path)
    for each in found:
        lever = bench.lever(each)
        assert isinstance(lever, ReadByHand), each.driver
        assert isinstance(lever, MovedByHand), each.driver
        assert lever.read_by_hand().command
        assert all(lever.by_hand(value) for value in each.positions.values()), each.driver


def test_the_locks_that_it_teaches_can_be_read_and_the_tools_are_those_that_there_are() -> None:
    taught = [yaml.safe_load(block)["lock"] for block in blocks(LOCKS, "yaml")]
    plain, judged, guardrail = (LockPlan.model_validate(lock) for lock in taught)
    assert judged.judge
    assert guardrail.control
    in_authoring = {"owner", "within"}
    assert set(LockPlan.model_fields) - in_authoring == {name for lock in taught for name in lock}
    assert set(Judge.model_fields) == set(taught[1]["judge"])
    assert plain.ask
    tools = LOCKS.read_text().partition("## What is proved")[0]
    rows = re.findall(r"^\| `(\w+)` \| ", tools, re.MULTILINE)
    assert tuple(rows) == get_args(LockTool)
    best = [lower_bound(right, judged.judge.repetitions, judged.judge.confidence) for right in (20, 19)]
    assert [f"{100 * bound:.0f} %" in LOCKS.read_text() for bound in best] == [True, True]


def test_the_privacy_that_it_teaches_can_be_read() -> None:
    (block,) = blocks(ROOT / "docs/evidence.md", "yaml")
    privacy = Privacy.model_validate(yaml.safe_load(block)["privacy"])
    assert all(is_recipient(each) for each in privacy.encrypt_to)


def test_the_rehearsal_that_it_teaches_can_be_read_and_the_kinds_are_those_that_there_are() -> None:
    document = ROOT / "docs/drills.md"
    (block,) = blocks(document, "yaml")
    (taught,) = yaml.safe_load(block)["rehearsal"]
    system = System.model_validate(yaml.safe_load(blocks(AUTHORING, "yaml")[0]))
    plan = RehearsalFitting.model_validate(taught)
    assert problems(system.changed(rehearsal=(plan,))) == ()
    fields = {field.alias or name for name, field in RehearsalFitting.model_fields.items()}
    assert set(taught) == fields
    rows = re.findall(r"^\| `([\w-]+)` \| ([^`|]+) \|$", document.read_text(), re.MULTILINE)
    assert {name: told.strip() for name, told in rows if name in KINDS} == KINDS
    assert set(re.findall(r"`([a-z ]+)`", document.read_text())) >= set(get_args(What))


def test_the_components_that_it_teaches_can_be_read_and_the_variables_are_settings() -> None:
    document = ROOT / "docs/public-page.md"
    (block,) = blocks(document, "yaml")
    taught = yaml.safe_load(block)["components"]
    assert [Component.model_validate(each) for each in taught]
    assert set(taught[0]) == set(Component.model_fields)
    named = set(re.findall(rf"`{PREFIX}(\w+)`", document.read_text()))
    ours = ("public_page", "subscribe")
    assert named == {name.upper() for name in Settings.model_fields if name.startswith(ours)}
    made = {name for name, _ in files(assemble("Status", None, (), (), datetime(2026, 12, 1, tzinfo=UTC)))}
    told = set(re.findall(r"`((?:api/|feed)[\w./]+)`", document.read_text()))
    assert told == {name for name in made if name.startswith(("api/", "feed"))}


def test_the_legal_clocks_that_it_teaches_are_those_that_run() -> None:
    """The table is the catalogue, the example can be read, and it has each field that a clock may have."""
    document = ROOT / "docs/legal-clocks.md"
    rows = re.findall(r"^\| (`[^|]+) \| `([\w-]+)` \| ([^|]+) \|", document.read_text(), re.MULTILINE)
    told = {(tuple(re.findall(r"`([\w-]+)`", names)), clock, span) for names, clock, span in rows}
    spans = {
        timedelta(hours=72): "72 hours",
        **{timedelta(days=days): f"{days} days" for days in (2, 10, 15)},
    }
    assert told == {(each.categories, each.id, spans[each.within]) for each in CATALOGUE}
    (block,) = blocks(document, "yaml")
    data = yaml.safe_load(block)["legal"]
    legal = Legal.model_validate(data)
    assert legal.do_not_alter
    assert set(data) == set(Legal.model_fields)
    assert set(data["clocks"][0]) == set(LegalClock.model_fields)


def test_the_checks_of_a_bundle_are_all_told_and_so_are_its_files() -> None:
    document = (ROOT / "docs/audit.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| ", document, re.MULTILINE)
    assert rows == list(CHECKS)
    for name in unpack(base("captains")):
        assert f"`{name}`" in document or f"`{name.partition('/')[0]}/`" in document, name
