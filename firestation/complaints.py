"""What Pydantic found wrong, said so that a person can put it right: the field, the problem and the fix."""

import difflib
import types
from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from firestation.errors import InvalidInput
from firestation.model import show_duration

Location = tuple[str | int, ...]

FIXES = {
    "missing": "Add it",
    "extra_forbidden": "Remove it",
    "string_type": "Write text; put it in quotes if it looks like a number or true/false",
    "bool_type": "Write true or false",
    "bool_parsing": "Write true or false",
    "int_type": "Write a whole number",
    "int_parsing": "Write a whole number",
    "int_from_float": "Write a whole number",
    "float_parsing": "Write a number",
    "tuple_type": "Write a list: one `- ` a line, or [a, b]",
    "list_type": "Write a list: one `- ` a line, or [a, b]",
    "dict_type": "Write `name: value` pairs",
    "model_type": "Write `name: value` pairs",
    "too_short": "Give at least one",
    "string_unicode": "Send all of it, or leave it out",
    "string_too_short": "Write something here",
    "string_too_long": "Shorten it",
    "time_delta_type": "Write a duration like 90s, 15m, 1h 30m or 2d",
    "time_delta_parsing": "Write a duration like 90s, 15m, 1h 30m or 2d",
    "date_type": "Write a day like 2026-01-31",
    "date_parsing": "Write a day like 2026-01-31",
    "date_from_datetime_parsing": "Write a day like 2026-01-31",
    "date_from_datetime_inexact": "Write a day like 2026-01-31",
}
CORRECT_IT = "Correct it"
PAIRS, DAY, WHOLE = "these are no `name: value` pairs", "is not a day", "is not a whole number"
PROBLEMS = {
    "missing": "this field is missing",
    "extra_forbidden": "there is no such field",
    "string_type": "this is not text",
    "string_unicode": "this is not text in Unicode, it has half of a character",
    "string_too_short": "nothing is written here",
    "string_too_long": "this is too long",
    "tuple_type": "this is not a list",
    "list_type": "this is not a list",
    "dict_type": PAIRS,
    "model_type": PAIRS,
    "too_short": "nothing is named here",
}
QUOTED = {
    "int_type": WHOLE,
    "int_parsing": WHOLE,
    "int_from_float": WHOLE,
    "date_type": DAY,
    "date_parsing": DAY,
    "date_from_datetime_parsing": DAY,
    "date_from_datetime_inexact": DAY,
    "enum": "is not known here",
    "literal_error": "is not known here",
}
"""Problems that quote what was written; never that of a text which might be a credential."""
BOUNDS = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}
ID_PATTERN = "[a-z0-9][a-z0-9_.-]"
REFERENCE_PATTERN = "^(env:"


def complaints(error: ValidationError, model: type[BaseModel]) -> Iterator[tuple[Location, str, str]]:
    """For each error its location in the input, the problem and the fix. `model` is what was validated against."""
    errors = error.errors(include_url=False)
    for each in errors:
        if each["type"] == "too_short" and any(_lies_in(other["loc"], each["loc"]) for other in errors):
            continue  # Pydantic counts only the elements that are right; the wrong ones are named themselves
        location = tuple(step for step in each["loc"] if step != "[key]")
        if each["type"] == "extra_forbidden":
            yield location, "there is no such field", _meant(str(location[-1]), model, location[:-1])
            continue
        if each["type"] == "missing":
            yield location, PROBLEMS["missing"], _add(model, location)
            continue
        yield location + tuple(each.get("ctx", {}).get("at", ())), *worded(each)


def worded(error: ErrorDetails) -> tuple[str, str]:
    """The problem and the fix in words. Where nothing more is known of the fix, it is `CORRECT_IT`."""
    context = error.get("ctx", {})
    said, _, fix = error["msg"].removeprefix("Value error, ").rstrip(".").partition("; ")
    problem, own_fix = _known(error, context)
    return problem or said, _sentence(fix) or own_fix or _fix(error["type"], context)


def _known(error: ErrorDetails, context: dict[str, Any]) -> tuple[str | None, str | None]:
    """The problem and the fix in our words, where we have them."""
    kind, given = error["type"], error["input"]
    if kind in BOUNDS:
        name, words = BOUNDS[kind]
        shown = f"{given!s:.80}"
        if isinstance(given, timedelta):
            seconds = given.total_seconds()
            shown = show_duration(given) if seconds >= 1 else f"{seconds:g}s"
        return f"{shown} is out of bounds", f"Write {words} {context[name]}"
    if kind in QUOTED:
        return f"{given!r:.80} {QUOTED[kind]}", None
    if kind == "string_pattern_mismatch" and ID_PATTERN in str(context.get("pattern")):
        return f"{given!r:.80} cannot be an id", None
    return PROBLEMS.get(kind), None


def invalid_inputs(
    error: ValidationError, model: type[BaseModel], prefix: Location = ()
) -> list[InvalidInput]:
    """The same as our errors; `prefix` is where the validated value stands in what the person wrote."""
    return [
        InvalidInput(field_path(prefix + location), problem, fix)
        for location, problem, fix in complaints(error, model)
    ]


def first_invalid(error: ValidationError, model: type[BaseModel], prefix: Location = ()) -> InvalidInput:
    """The first of them; the others, of which there may be many, are not even put into words."""
    location, problem, fix = next(complaints(error, model))
    return InvalidInput(field_path(prefix + location), problem, fix)


def field_path(location: Location) -> str:
    """A location as people write it: `levers[0].with.read.path`; the whole is `(whole)`. It can always be encoded."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in location)
    return text.removeprefix(".").encode(errors="backslashreplace").decode() or "(whole)"


def _fix(kind: str, context: dict[str, Any]) -> str:
    if "expected" in context:
        return f"Choose from {context['expected']}"
    pattern = str(context.get("pattern", ""))
    if ID_PATTERN in pattern:
        return "Use lower-case letters, digits, dot, dash and underscore, at most 63 characters"
    if pattern.startswith(REFERENCE_PATTERN):
        return "Write a reference, env:NAME or file:PATH, never the secret itself"
    return FIXES.get(kind, CORRECT_IT)


def _add(model: type[BaseModel], location: Location) -> str:
    """What to say of a field that is missing: what it is for, where its model says so."""
    for field in _fields_at(model, location[:-1]).get(str(location[-1]), ()):
        if field.description:
            return f"Add it: {field.description}"
    return FIXES["missing"]


def _lies_in(inner: Location, outer: Location) -> bool:
    return len(inner) > len(outer) and inner[: len(outer)] == outer


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _meant(name: str, model: type[BaseModel], location: Location) -> str:
    known = sorted(_fields_at(model, location))
    if not known:
        return "Remove it"
    close = difflib.get_close_matches(name, known, n=1)
    return f"Did you mean {close[0]!r}?" if close else f"Remove it; known here: {', '.join(known)}"


def _fields_at(model: type[BaseModel], location: Location) -> dict[str, list[FieldInfo]]:
    """The fields that may be written at this place of the model, by the names that people write."""
    here: list[Any] = [model]
    for step in location:
        here = [inner for kind in here for inner in _inside(kind, step)]
    found: dict[str, list[FieldInfo]] = {}
    for kind in here:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            for name, field in kind.model_fields.items():
                found.setdefault(field.alias or name, []).append(field)
    return found


def _inside(kind: Any, step: str | int) -> list[Any]:
    """The types that may stand one step further in."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        fields = kind.model_fields
        found = [field.annotation for name, field in fields.items() if step in {name, field.alias}]
    elif get_origin(kind) is dict:
        found = [get_args(kind)[1]]
    else:
        found = list(get_args(kind))
    return [each for outer in found for each in _unwrapped(outer)]


def _unwrapped(kind: Any) -> list[Any]:
    """A type without its Annotated, and each arm of a union."""
    if get_origin(kind) is Annotated:
        return _unwrapped(get_args(kind)[0])
    if get_origin(kind) in {Union, types.UnionType}:
        return [each for arm in get_args(kind) for each in _unwrapped(arm)]
    return [kind]
