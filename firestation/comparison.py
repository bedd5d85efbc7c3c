"""Comparison: what differs between a request that went wrong and a healthy one. The captain's first question.

Pure: JSON in, differences out, those that say something before those that always differ (ids and times).
"""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import JsonValue

from firestation.model import Model

IDENTITIES = (("id",), ("id", "version"), ("key",), ("name",), ("name", "version"), ("title",))
"""What may tell the elements of a list apart, tried in this order."""

INCIDENTAL = re.compile(
    r"(^|_)(id|ids|at|time|timestamp|ts|date|duration|latency|elapsed)(_ms|_s)?$", re.IGNORECASE
)
MOST_DEPTH = 40
"""What is nested deeper is one value: evidence is written by strangers, and recursion has an end."""

DEEPER = "(nested deeper)"


class Difference(Model):
    """One difference. For `order`, `bad` and `healthy` are the names of the elements, each in its order.

    `incidental` ones, ids and times, differ between any two requests.
    """

    path: str
    kind: Literal["value", "only in the bad one", "only in the healthy one", "order"]
    bad: JsonValue = None
    healthy: JsonValue = None
    incidental: bool = False


class Comparison(Model):
    """Two documents beside each other; `same` counts the values that are equal."""

    differences: tuple[Difference, ...]
    same: int

    @property
    def telling(self) -> tuple[Difference, ...]:
        """The differences that are not incidental."""
        return tuple(each for each in self.differences if not each.incidental)


def compare(bad: JsonValue, healthy: JsonValue) -> Comparison:
    """What differs, in the order of the bad document."""
    found = tuple(_differences("$", bad, healthy, MOST_DEPTH))
    shared = dict(_leaves("$", healthy, MOST_DEPTH))
    leaves = _leaves("$", bad, MOST_DEPTH)
    same = sum(1 for path, value in leaves if path in shared and _equal(shared[path], value))
    telling = [each for each in found if not each.incidental]
    return Comparison(differences=(*telling, *(each for each in found if each.incidental)), same=same)


def then_and_now(document: JsonValue) -> Comparison | None:
    """How a thing that was frozen as it was and as it is has changed: `bad` is now, `healthy` is then.

    None for a document of another form; sources write this one as an object with `then` and `now`.
    """
    if not isinstance(document, dict) or not {"then", "now"} <= document.keys():
        return None
    return compare(document["now"], document["then"])


def closest(bad: JsonValue, healthy: Sequence[JsonValue]) -> int | None:
    """Which of the healthy documents is most like the bad one: the fewest differences that tell something."""
    if not healthy:
        return None
    made = [compare(bad, each) for each in healthy]
    return min(range(len(made)), key=lambda index: (len(made[index].telling), -made[index].same, index))


def _differences(path: str, bad: JsonValue, healthy: JsonValue, depth: int) -> Iterator[Difference]:
    if depth and isinstance(bad, dict) and isinstance(healthy, dict):
        for key in [*bad, *(key for key in healthy if key not in bad)]:
            below = f"{path}.{key}"
            if key not in healthy:
                yield _made(below, "only in the bad one", bad[key], None)
            elif key not in bad:
                yield _made(below, "only in the healthy one", None, healthy[key])
            else:
                yield from _differences(below, bad[key], healthy[key], depth - 1)
    elif depth and isinstance(bad, list) and isinstance(healthy, list):
        yield from _lists(path, bad, healthy, depth - 1)
    elif not _equal(bad, healthy):
        yield _made(path, "value", bad, healthy)


def _lists(path: str, bad: list[JsonValue], healthy: list[JsonValue], depth: int) -> Iterator[Difference]:
    named = _named(bad, healthy)
    if named is None:
        shared = min(len(bad), len(healthy))
        for index in range(shared):
            yield from _differences(f"{path}[{index}]", bad[index], healthy[index], depth)
        for index in range(shared, len(bad)):
            yield _made(f"{path}[{index}]", "only in the bad one", bad[index], None)
        for index in range(shared, len(healthy)):
            yield _made(f"{path}[{index}]", "only in the healthy one", None, healthy[index])
        return
    ours, theirs = named
    if list(ours) != list(theirs):
        yield _made(path, "order", list(ours), list(theirs))
    for name, element in ours.items():
        if name in theirs:
            yield from _differences(f"{path}[{name}]", element, theirs[name], depth)


def _named(
    bad: list[JsonValue], healthy: list[JsonValue]
) -> tuple[dict[str, JsonValue], dict[str, JsonValue]] | None:
    """Both lists by the names of their elements; None when nothing names them."""
    for keys in IDENTITIES:
        both = [_by_name(elements, keys) for elements in (bad, healthy)]
        if both[0] and both[1]:
            return both[0], both[1]
    return None


def _by_name(elements: list[JsonValue], keys: tuple[str, ...]) -> dict[str, JsonValue] | None:
    found: dict[str, JsonValue] = {}
    for element in elements:
        if not isinstance(element, dict) or not all(type(element.get(key)) in {str, int} for key in keys):
            return None
        found[" ".join(str(element[key]) for key in keys)] = element
    return found if len(found) == len(elements) else None


def _leaves(path: str, value: JsonValue, depth: int) -> Iterator[tuple[str, JsonValue]]:
    if depth and isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves(f"{path}.{key}", inner, depth - 1)
    elif depth and isinstance(value, list) and value:
        for index, inner in enumerate(value):
            yield from _leaves(f"{path}[{index}]", inner, depth - 1)
    else:
        yield path, value


def _equal(one: JsonValue, other: JsonValue) -> bool:
    """As JSON: true is not 1, but 1 is 1.0. However deep."""
    pairs = [(one, other)]
    while pairs:
        left, right = pairs.pop()
        if isinstance(left, dict) and isinstance(right, dict):
            if left.keys() != right.keys():
                return False
            pairs += [(left[key], right[key]) for key in left]
        elif isinstance(left, list) and isinstance(right, list):
            if len(left) != len(right):
                return False
            pairs += zip(left, right, strict=True)
        elif isinstance(left, bool) is not isinstance(right, bool) or left != right:
            return False
    return True


def _shallow(value: JsonValue, depth: int) -> JsonValue:
    """The value without what is nested deeper than this."""
    if isinstance(value, dict):
        return {key: _shallow(inner, depth - 1) for key, inner in value.items()} if depth else DEEPER
    if isinstance(value, list):
        return [_shallow(inner, depth - 1) for inner in value] if depth else DEEPER
    return value


def _made(path: str, kind: Any, bad: JsonValue, healthy: JsonValue) -> Difference:
    step = path.rpartition(".")[2].partition("[")[0]
    values = [value for value in (bad, healthy) if value is not None]
    incidental = bool(INCIDENTAL.search(step)) or (bool(values) and all(_is_time(value) for value in values))
    bad, healthy = _shallow(bad, MOST_DEPTH), _shallow(healthy, MOST_DEPTH)
    return Difference(path=path, kind=kind, bad=bad, healthy=healthy, incidental=incidental)


def _is_time(value: JsonValue) -> bool:
    if not isinstance(value, str) or len(value) < len("2026-01-01T00:00"):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True
