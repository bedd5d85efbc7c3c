"""One value in a JSON or YAML file: read, and changed in place, so that everything else keeps its bytes.

Only the text of that value is replaced, comments and layout around it stay. The result is parsed again before it is
used: if more than that value has changed (an alias, a repeated key), the change is refused.
"""

import json
import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import AfterValidator, Field, JsonValue, model_validator
from pydantic_core import from_json

from firestation.errors import Gone, Nonsense
from firestation.expect import JsonPath, steps
from firestation.model import Line, Model

NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?")
CORE = "tag:yaml.org,2002:"
FORMATS = {".json": "json", ".yaml": "yaml", ".yml": "yaml"}

Steps = list[str | int]


def _is_inside(file: str) -> str:
    parts = PurePosixPath(file)
    if parts.is_absolute() or not parts.parts or {"..", ".git"} & set(parts.parts) or not file.isprintable():
        msg = f"{file!r} leaves the folder or is no name; write it relative to it, like agent/settings.yaml"
        raise ValueError(msg)
    return str(parts)


class InFile(Model):
    """A file by its path under a folder. `max_bytes` bounds it: a position is kept in the history of the incident."""

    file: Annotated[Line, AfterValidator(_is_inside)]
    max_bytes: int = Field(default=100_000, ge=1, le=1_000_000)

    def text(self, content: bytes | None) -> str:
        """The content as text. Raises `Gone` when there is no file, `Nonsense` when it cannot be read."""
        if content is None:
            raise Gone(f"there is no file {self.file}")
        if len(content) > self.max_bytes:
            raise Nonsense(f"{self.file} is bigger than {self.max_bytes} bytes; raise max_bytes")
        try:
            return content.decode()
        except UnicodeDecodeError as error:
            raise Nonsense(f"{self.file} is no UTF-8 text: {error}") from error


class Place(InFile):
    """A file, or one value in it.

    With `path` the position is the value there; without, it is the text of the file (UTF-8), and null is no file.
    """

    path: JsonPath | None = None
    format: Literal["json", "yaml"] | None = None

    @model_validator(mode="after")
    def _readable(self) -> Self:
        if self.path and not self.kind:
            msg = f"{self.file} does not say whether it is JSON or YAML; write format: json or yaml"
            raise ValueError(msg)
        return self

    @property
    def kind(self) -> str | None:
        """The format of the file."""
        return self.format or FORMATS.get(PurePosixPath(self.file).suffix)

    def value(self, content: bytes | None) -> JsonValue:
        """The position that this content is. Raises `Gone` where nothing stands, `Nonsense` for what cannot be read."""
        if self.path is None:
            return None if content is None else self.text(content)
        text = self.text(content)
        if self.kind == "json":
            parsed(text, self.file)
            start, end = json_span(text, steps(self.path), self.file)
            value: JsonValue = json.loads(text[start:end])
            return value
        return _plain(_node(_composed(text, self.file), steps(self.path), self.file), self.file)

    def edited(self, content: bytes | None, to: JsonValue) -> bytes | None:
        """The content with the position changed. Raises `Gone` for a position that cannot stand there."""
        if self.path is None:
            if to is None or isinstance(to, str):
                return None if to is None else to.encode()
            raise Gone(
                f"the content of {self.file} is text or null, not {to}; name a path to change one value"
            )
        change = _json_changed if self.kind == "json" else _yaml_changed
        return change(self.text(content), steps(self.path), to, self.file).encode()


def as_text(value: JsonValue) -> str:
    """The value as JSON that YAML reads as the same: there, a number with an exponent needs its point."""
    if isinstance(value, dict):
        return (
            "{"
            + ", ".join(
                f"{json.dumps(key, ensure_ascii=False)}: {as_text(each)}" for key, each in value.items()
            )
            + "}"
        )
    if isinstance(value, list):
        return "[" + ", ".join(as_text(each) for each in value) + "]"
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return re.sub(r"^(-?\d+)e", r"\1.0e", text) if isinstance(value, float) else text


# ------------------------------------------------------------------------------------------------------ JSON


def parsed(text: str, file: str) -> Any:
    """The text as JSON. Raises `Nonsense`."""
    try:
        return from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise Nonsense(f"{file} is not JSON: {error}") from error


def json_span(text: str, path: Steps, file: str) -> tuple[int, int]:
    """Where the value at the path begins and ends in a text that is JSON. Raises `Gone`."""
    at = _skip(text, 0)
    for step in path:
        at = _member(text, at, step, file)
    return at, json.JSONDecoder().raw_decode(text, at)[1]


def _member(text: str, at: int, step: str | int, file: str) -> int:
    """Where the member begins in the object or list that begins at `at`."""
    decoder, is_object = json.JSONDecoder(), text[at] == "{"
    found = []
    if text[at] in "{[":
        at, index = _skip(text, at + 1), 0
        while text[at] not in "]}":
            key: Any = index
            if is_object:
                key, at = decoder.raw_decode(text, at)
                at = _skip(text, _skip(text, at) + 1)
            if key == step:
                found.append(at)
            at = _skip(text, decoder.raw_decode(text, at)[1])
            at, index = (_skip(text, at + 1) if text[at] == "," else at), index + 1
    begins: int = _only(found, step, file)
    return begins


def _skip(text: str, at: int) -> int:
    while text[at : at + 1] in {" ", "\t", "\n", "\r"}:
        at += 1
    return at


def _json_changed(text: str, path: Steps, to: JsonValue, file: str) -> str:
    parsed(text, file)
    start, end = json_span(text, path, file)
    return text[:start] + as_text(to) + text[end:]


def _only(found: list[Any], step: str | int, file: str) -> Any:
    if len(found) > 1:
        raise Nonsense(f"{file} has {step!r} twice in one place; take one out")
    if not found:
        raise Gone(f"{file} has no {step!r} there; write the value that is in force into it")
    return found[0]


# ------------------------------------------------------------------------------------------------------ YAML


def _composed(text: str, file: str) -> yaml.Node:
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        raise Nonsense(f"{file} is no YAML document: {error}"[:4000]) from error
    if node is None:
        raise Gone(f"{file} is empty")
    return node


def _node(node: yaml.Node, path: Steps, file: str) -> yaml.Node:
    for step in path:
        found: list[yaml.Node] = []
        if isinstance(node, yaml.MappingNode):
            found = [value for key, value in node.value if key.value == step]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int):
            found = node.value[step : step + 1]
        node = _only(found, step, file)
    return node


def _plain(node: yaml.Node, file: str) -> JsonValue:
    """The node as JSON has it. Raises `Nonsense` for what one parser takes for a number and another for text."""
    if isinstance(node, yaml.MappingNode):
        return {str(key.value): _plain(value, file) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [_plain(each, file) for each in node.value]
    assert isinstance(node, yaml.ScalarNode)
    text: str = node.value
    value, kind = _scalar(text) if node.style is None else (text, "str")
    if node.tag != CORE + kind:
        line = node.start_mark.line + 1
        msg = f"{file}:{line}: {text!r} is {kind} to some readers and not to others; quote it, or write it plainly"
        raise Nonsense(msg)
    return value


def _scalar(text: str) -> tuple[JsonValue, str]:
    """A plain scalar as YAML 1.2 has it, and its kind."""
    if text in {"", "~", "null"}:
        return None, "null"
    if text in {"true", "false"}:
        return text == "true", "bool"
    if NUMBER.fullmatch(text):
        number = json.loads(text)
        return number, "int" if isinstance(number, int) else "float"
    return text, "str"


def _yaml_changed(text: str, path: Steps, to: JsonValue, file: str) -> str:
    root = _composed(text, file)
    node = _node(root, path, file)
    start, end = node.start_mark.index, _end(node)
    while end > start and text[end - 1] in "\r\n":  # a block of text ends behind its last line
        end -= 1
    wanted = _shape(root, path, to)
    for lead in ("", " ", "  "):  # nothing at all stood there, or a list as far left as its key
        changed = text[:start] + lead + as_text(to) + text[end:]
        try:
            if _shape(_composed(changed, file)) == wanted:
                return changed
        except Nonsense:
            continue
    msg = f"{file} cannot be changed at {path} alone; write that value out, without anchors, on lines of its own"
    raise Nonsense(msg)


def _end(node: yaml.Node) -> int:
    """Where the text of a node ends; a block's own mark is where the next thing begins, behind the comments."""
    children = list(_children(node))
    if getattr(node, "flow_style", True) or not children:
        return int(node.end_mark.index)
    return _end(children[-1])


def _children(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        yield from (each for pair in node.value for each in pair)
    elif isinstance(node, yaml.SequenceNode):
        yield from node.value


def _shape(node: yaml.Node, path: Steps | None = None, to: JsonValue = None) -> Any:
    """The document as a comparable value, with another value at the path."""
    if path == []:
        return _shape(_composed(as_text(to), "the position"))

    def below(step: str | int, value: yaml.Node) -> Any:
        ours = path is not None and path[0] == step
        return _shape(value, path[1:] if ours and path else None, to)

    if isinstance(node, yaml.MappingNode):
        return [(_shape(key), below(key.value, value)) for key, value in node.value]
    if isinstance(node, yaml.SequenceNode):
        return [below(index, value) for index, value in enumerate(node.value)]
    return (node.tag, node.value)
