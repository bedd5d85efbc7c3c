"""Any value of any of our types, made from the type itself: its fields, its limits, its validators."""

import types
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from hypothesis import assume
from hypothesis import strategies as st
from pydantic import AwareDatetime, BaseModel, JsonValue, StringConstraints, ValidationError
from pydantic.fields import FieldInfo
from typing_extensions import TypeAliasType

from firestation.expect import JsonPath
from firestation.wording import Template

M = TypeVar("M", bound=BaseModel)
ODDITIES = "aZ09 _.-:/äß€漢🔥\"'\\<>&{}\n"
TEXT = st.text(st.sampled_from(ODDITIES), max_size=24)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)
TIMES = st.datetimes(datetime(2000, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
SPANS = st.timedeltas(timedelta(milliseconds=1), timedelta(days=60))
PATHS = st.from_regex(r"\$(\.[a-z_][a-z0-9_]{0,5}|\[[0-9]{1,2}\]){0,3}", fullmatch=True)
REGISTERED: dict[Any, st.SearchStrategy[Any]] = {
    JsonPath: PATHS,
    JsonValue: JSON,
    Any: JSON,
    AwareDatetime: TIMES,
    Template: st.lists(st.sampled_from(["{severity}", "word", "<b>", "{next_word}"]), min_size=1).map(
        " ".join
    ),
}


def of(model: type[M]) -> st.SearchStrategy[M]:
    """Values of this model: its own validators have the last word."""
    strategy: st.SearchStrategy[M] = REGISTERED[model] if model in REGISTERED else _built(model)
    return strategy


@cache
def _built(model: type[M]) -> st.SearchStrategy[M]:
    hints = get_type_hints(model, include_extras=True)
    fields = {
        name: _of(hints[name], tuple(info.metadata)) | _default(info)
        for name, info in model.model_fields.items()
        if not info.exclude  # what is never written is not read again
    }

    @st.composite
    def build(draw: st.DrawFn) -> M:
        given = {name: draw(strategy) for name, strategy in fields.items()}
        try:
            return model.model_validate(given)
        except ValidationError:
            assume(False)
            raise

    return build()


def _default(info: FieldInfo) -> st.SearchStrategy[Any]:
    return st.nothing() if info.is_required() else st.just(info.get_default(call_default_factory=True))


def _of(kind: Any, limits: tuple[Any, ...]) -> st.SearchStrategy[Any]:  # noqa: C901 - one case a kind of type
    if kind in REGISTERED:
        return REGISTERED[kind]
    origin, inside = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _of(inside[0], (*_flat(inside[1:]), *limits))
    if isinstance(kind, TypeAliasType):
        return _of(kind.__value__, limits)
    if origin is Literal:
        return st.sampled_from(inside)
    if origin in {Union, types.UnionType}:
        return st.one_of(*(_of(each, limits) for each in inside))
    if origin is tuple and inside[-1] is Ellipsis:
        return st.lists(_of(inside[0], ()), min_size=_size(limits, MinLen, 0), max_size=2).map(tuple)
    if origin is tuple:
        return st.tuples(*(_of(each, ()) for each in inside))
    if origin in {list, frozenset}:
        return st.lists(_of(inside[0], ()), max_size=2).map(origin)
    if origin is dict:
        return st.dictionaries(
            _of(inside[0], ()), _of(inside[1], ()), min_size=_size(limits, MinLen, 0), max_size=2
        )
    if kind is str:
        return _text(limits)
    return _plain(kind, limits)


def _plain(kind: Any, limits: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    if isinstance(kind, type):
        if issubclass(kind, BaseModel):
            return st.deferred(lambda: of(kind))
        if issubclass(kind, Enum):
            return st.sampled_from(kind)
    if kind is int:
        return st.integers(_bound(limits, Ge, Gt, 0), _bound(limits, Le, Lt, 10_000))
    if kind is float:
        return _floats(limits)
    table: dict[Any, st.SearchStrategy[Any]] = {
        type(None): st.none(),
        bool: st.booleans(),
        bytes: st.binary(max_size=20),
        datetime: TIMES,
        date: TIMES.map(datetime.date),
        timedelta: SPANS,
    }
    return table[kind]  # a KeyError names a type that nobody has thought of: add it


def _floats(limits: tuple[Any, ...]) -> st.SearchStrategy[float]:
    low, high = 0.0, 1e9
    for each in limits:
        low = getattr(each, "ge", getattr(each, "gt", low))
        high = getattr(each, "le", getattr(each, "lt", high))
    opened = {kind for each in limits for kind in (Gt, Lt) if isinstance(each, kind)}
    return st.floats(low, high, exclude_min=Gt in opened, exclude_max=Lt in opened)


def _text(limits: tuple[Any, ...]) -> st.SearchStrategy[str]:
    least, pattern = _size(limits, MinLen, 0), None
    for each in limits:
        pattern = getattr(each, "pattern", None) or pattern
        if isinstance(each, StringConstraints):
            least = each.min_length or least
    if pattern:
        return st.from_regex(pattern, fullmatch=True).filter(lambda text: not text.endswith("\n"))
    plain = TEXT.map(str.strip) if least else TEXT
    return plain.filter(lambda text: len(text) >= least)


def _flat(metadata: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(
        deep for each in metadata for deep in (each.metadata if isinstance(each, FieldInfo) else (each,))
    )


def _size(limits: tuple[Any, ...], kind: type[MinLen | MaxLen], otherwise: int) -> int:
    found = [getattr(each, "min_length", None) for each in limits if isinstance(each, kind)]
    return int(found[0]) if found and found[0] is not None else otherwise


def _bound(limits: tuple[Any, ...], closed: type[Any], opened: type[Any], otherwise: int) -> int:
    for each in limits:
        if isinstance(each, closed):
            return int(each.ge if closed is Ge else each.le)
        if isinstance(each, opened):
            return int(each.gt + 1 if opened is Gt else each.lt - 1)
    return otherwise
