"""The only reader of YAML: system, runbook and station files, with the line of everything that is wrong in them.

The YAML read here is the plain part of version 1.2: `on`, `no` and `12:30` are text, true and false are the only
booleans, and aliases, tags and repeated keys are refused, because what a person reads must be what is loaded.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from firestation.authority import Station
from firestation.complaints import Location, complaints, field_path
from firestation.errors import InvalidFile, InvalidInput, NotConfigured
from firestation.runbook import Runbook
from firestation.system import System

LARGEST_BYTES = 1_000_000
FIELD_STEP = re.compile(r"\[(\d+)\]|([^.\[\]]+)")
CORE = "tag:yaml.org,2002:"
M = TypeVar("M", bound=BaseModel)


class _Trouble(Exception):
    def __init__(self, line: int, location: Location, problem: str, fix: str) -> None:
        super().__init__(problem)
        self.line, self.location, self.problem, self.fix = line, location, problem, fix


class _PlainLoader(yaml.SafeLoader):
    """The parser, with the few scalar types of JSON and no aliases."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call] # types-PyYAML leaves it out
            fix = "Write the value out where it is needed"
            raise _Trouble(event.start_mark.line + 1, (), f"the alias *{event.anchor} is not read here", fix)
        return super().compose_node(parent, index)


for _tag, _pattern, _first in (
    ("null", r"^(?:~|null|)$", ["~", "n", ""]),
    ("bool", r"^(?:true|false)$", list("tf")),
    ("int", r"^-?(?:0|[1-9][0-9]{0,17})$", list("-0123456789")),
    ("float", r"^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]{1,3})?$", list("-0123456789")),
):
    _PlainLoader.add_implicit_resolver(CORE + _tag, re.compile(_pattern), _first)

SCALARS: dict[str, Any] = {
    f"{CORE}null": lambda _: None,
    f"{CORE}bool": lambda text: text == "true",
    f"{CORE}int": int,
    f"{CORE}float": float,
    f"{CORE}str": str,
}


class _Document:
    """A file as plain data, the line of each place in it, and what was wrong already."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: dict[Location, int] = {(): 1}
        self.problems: list[InvalidFile] = []
        self.data: Any = None
        try:
            node = _compose(_text(path))
            self.data = None if node is None else self._plain(node, ())
        except _Trouble as error:
            self._note(error)

    def _note(self, error: _Trouble) -> None:
        where = field_path(error.location)
        self.problems.append(InvalidFile(str(self.path), error.line, where, error.problem, error.fix))

    def line(self, location: Location) -> int:
        """The line of a place, or of the nearest place around it that is in the file."""
        while location not in self.lines:
            location = location[:-1]
        return self.lines[location]

    def _plain(self, node: yaml.Node, location: Location) -> Any:
        line = node.start_mark.line + 1
        if not location:
            self.lines[()] = line  # where the document begins, below what is said of it in comments
        self.lines.setdefault(location, line)
        if isinstance(node, yaml.MappingNode) and node.tag == f"{CORE}map":
            return self._mapping(node, location)
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{CORE}seq":
            return [self._plain(each, (*location, index)) for index, each in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode) and node.tag in SCALARS:
            try:
                return SCALARS[node.tag](node.value)
            except ValueError:
                pass
        fix = "Write the plain value, in quotes if it is text"
        self._note(_Trouble(line, location, f"the tag {node.tag.removeprefix(CORE)!r} is not read here", fix))
        return None

    def _mapping(self, node: yaml.MappingNode, location: Location) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self._note(
                    _Trouble(line, location, "a key is not text", "Write a plain name before the colon")
                )
                continue
            key = str(key_node.value)
            here = (*location, key)
            if key in found:
                fix = f"Keep one of them; the first is on line {self.lines[here]}"
                self._note(_Trouble(line, here, "this key is written twice", fix))
                continue
            self.lines[here] = line
            found[key] = self._plain(value_node, here)
        return found


def problems_in(path: Path, model: type[BaseModel]) -> list[InvalidFile]:
    """Everything wrong in a file, in the order of its lines; empty when it is right."""
    return _read(path, model)[1]


def at_lines(path: Path, problems: Iterable[InvalidInput]) -> list[InvalidFile]:
    """Problems that others found in a loaded file, such as `firestation.drivers.problems`, with their lines."""
    document = _Document(path)
    return [
        InvalidFile(str(path), document.line(_location(each.field)), each.field, each.problem, each.fix)
        for each in problems
    ]


def load_system(path: Path) -> System:
    """The system file. Raises `NotConfigured` when there is none, `InvalidFile` for the first thing wrong."""
    return _load(path, System)


def load_runbook(path: Path) -> Runbook:
    """A runbook. Raises as `load_system`."""
    return _load(path, Runbook)


def load_station(path: Path) -> Station:
    """The station file. Raises as `load_system`."""
    return _load(path, Station)


def load_wall(folder: Path) -> tuple[Runbook, ...]:
    """All runbooks (*.yaml, *.yml) of a folder, by file name.

    Raises `NotConfigured` when there is none, `InvalidFile` also when two have the same id.
    """
    paths = yaml_files(folder)
    if not paths:
        msg = f"the runbook wall {folder} has no .yaml file; write one, or name another folder"
        raise NotConfigured(msg)
    found: dict[str, Path] = {}
    wall = []
    for path in paths:
        runbook = load_runbook(path)
        if runbook.runbook in found:
            problem = f"{runbook.runbook!r} is already the id of {found[runbook.runbook].name}"
            line = _Document(path).line(("runbook",))
            raise InvalidFile(str(path), line, "runbook", problem, "Give each runbook its own id")
        found[runbook.runbook] = path
        wall.append(runbook)
    return tuple(wall)


def system_files(place: Path) -> list[Path]:
    """The system files that a setting names: one file, or those of a folder (*.yaml), by name."""
    return yaml_files(place, ".yaml") if place.is_dir() else [place]


def yaml_files(folder: Path, *suffixes: str) -> list[Path]:
    """The YAML files of a folder, by name; none that is hidden, such as an editor keeps beside the one it changes."""
    wanted = suffixes or (".yaml", ".yml")
    return sorted(
        path for path in folder.glob("*.y*ml") if path.suffix in wanted and not path.name.startswith(".")
    )


def _load(path: Path, model: type[M]) -> M:
    if not path.is_file():
        msg = f"there is no {model.__name__.lower()} file {path}; write it, or name the right path"
        raise NotConfigured(msg)
    loaded, problems = _read(path, model)
    if loaded is None:
        first = problems[0]
        for other in problems[1:]:
            first.add_note(str(other))
        raise first
    return loaded


def _read(path: Path, model: type[M]) -> tuple[M | None, list[InvalidFile]]:
    """The value, or else what is wrong."""
    document = _Document(path)
    problems = document.problems
    if document.data is None and not problems:
        fix = f"Write a {model.__name__.lower()} into it"
        problems = [InvalidFile(str(path), 0, field_path(()), "the file says nothing", fix)]
    if document.data is None:
        return None, problems
    try:
        loaded = model.model_validate(document.data)
    except ValidationError as error:
        problems = problems + [
            InvalidFile(str(path), document.line(location), field_path(location), problem, fix)
            for location, problem, fix in complaints(error, model)
        ]
        return None, sorted(problems, key=lambda each: each.line)
    return (None, problems) if problems else (loaded, [])


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise _Trouble(
            0, (), f"the file cannot be read: {error.strerror}", "Name a file that can be read"
        ) from error
    if len(content) > LARGEST_BYTES:
        raise _Trouble(0, (), f"the file is bigger than {LARGEST_BYTES} bytes", "Split it or shorten it")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _Trouble(line, (), "the file is not UTF-8 text", "Save it as UTF-8") from error


def _compose(text: str) -> yaml.Node | None:
    try:
        node: yaml.Node | None = yaml.compose(text, Loader=_PlainLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        fix = "Check the indentation, the quotes and the brackets around this line"
        if mark and mark.buffer and mark.buffer[mark.pointer : mark.pointer + 1] == "\t":
            fix = "Indent with spaces; YAML allows no tab here"
        said = ", ".join(filter(None, [error.context, error.problem]))
        raise _Trouble(mark.line + 1 if mark else 0, (), f"this is not YAML: {said}", fix) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise _Trouble(line, (), "a control character is in the file", "Remove it") from error
    except RecursionError as error:
        raise _Trouble(0, (), "it is nested too deep", "Write it flatter") from error
    return node


def _location(field: str) -> Location:
    return tuple(int(index) if index else name for index, name in FIELD_STEP.findall(field))
