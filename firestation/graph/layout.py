"""Where the boxes of a graph stand: in rows from top to bottom, so that every arrow points down.

The usual four steps for layered drawings: rows by the longest way, empty places where an arrow passes a row, the order
in each row by the middle of the neighbours, and rows centred on the sheet. Lengths are in pixels.
"""

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from firestation.graph.shape import Edge, Graph, Node

WIDTH, LINE, PADDING = 280.0, 17.0, 10.0
GAP_ACROSS, GAP_DOWN, PASSAGE, MARGIN = 28.0, 46.0, 24.0, 24.0
LETTERS, BOLD_LETTERS = 34, 30
"""So many fit a line even in a wide font."""
SWEEPS = 8
Place = tuple[str, int]
"""What stands in a row: a node (row 0), or the passage of the arrow `start>end` through that row."""


@dataclass(frozen=True)
class Box:
    """A node with its wrapped lines and its place; `x` and `y` are its upper left corner."""

    node: Node
    lines: tuple[str, ...]
    bold: int
    x: float
    y: float
    height: float


@dataclass(frozen=True)
class Arrow:
    """An edge and the points that it runs through, each row entered and left vertically."""

    edge: Edge
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Sheet:
    """The whole drawing."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]


def layout(graph: Graph) -> Sheet:
    """Place everything. An arrow that would point back, in a circle, is left out."""
    index = {node.id: number for number, node in enumerate(graph.nodes)}
    edges = [edge for edge in graph.edges if index[edge.start] < index[edge.end]]
    row = _rows(graph, edges)
    rows, ways = _with_passages(graph, edges, row)
    _untangle(rows, ways)
    text = {node.id: _wrapped(node) for node in graph.nodes}
    tall = {name: len(lines) * LINE + 2 * PADDING for name, (lines, _) in text.items()}
    widths = [sum(_width(each) for each in places) + GAP_ACROSS * (len(places) - 1) for places in rows]
    sheet = max(widths) + 2 * MARGIN
    middle: dict[Place, tuple[float, float, float]] = {}
    boxes, y = [], MARGIN
    for places, wide in zip(rows, widths, strict=True):
        x, height = (sheet - wide) / 2, max(tall.get(name, 0.0) for name, _ in places)
        for place in places:
            name, width = place[0], _width(place)
            middle[place] = (x + width / 2, y, y + (height if place[1] else tall[name]))
            if not place[1]:
                lines, bold = text[name]
                boxes.append(Box(graph.nodes[index[name]], lines, bold, x, y, tall[name]))
            x += width + GAP_ACROSS
        y += height + GAP_DOWN
    arrows = tuple(_arrow(edge, way, middle) for edge, way in zip(edges, ways, strict=True))
    return Sheet(sheet, y - GAP_DOWN + MARGIN, tuple(boxes), arrows)


def _rows(graph: Graph, edges: list[Edge]) -> dict[str, int]:
    row = dict.fromkeys((node.id for node in graph.nodes), 0)
    for node in graph.nodes:
        for edge in edges:
            if edge.end == node.id:
                row[node.id] = max(row[node.id], row[edge.start] + 1)
    return row


def _with_passages(
    graph: Graph, edges: list[Edge], row: Mapping[str, int]
) -> tuple[list[list[Place]], list[list[Place]]]:
    """The rows, with a passage where an arrow runs through; and the way of each arrow, place by place."""
    rows: list[list[Place]] = [[] for _ in range(max(row.values()) + 1)]
    for node in graph.nodes:
        rows[row[node.id]].append((node.id, 0))
    ways = []
    for edge in edges:
        between = [
            (f"{edge.start}>{edge.end}", number) for number in range(row[edge.start] + 1, row[edge.end])
        ]
        for place in between:
            rows[place[1]].append(place)
        ways.append([(edge.start, 0), *between, (edge.end, 0)])
    return rows, ways


def _untangle(rows: list[list[Place]], ways: list[list[Place]]) -> None:
    """Order each row by the middle of what it hangs on, downwards and upwards in turn."""
    above: dict[Place, list[Place]] = {}
    below: dict[Place, list[Place]] = {}
    for way in ways:
        for upper, lower in pairwise(way):
            above.setdefault(lower, []).append(upper)
            below.setdefault(upper, []).append(lower)
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        near, order = (above, rows) if down else (below, rows[::-1])
        at = {place: _spot(number, places) for places in rows for number, place in enumerate(places)}
        for places in order:
            wish = {each: _mean([at[other] for other in near.get(each, ())], at[each]) for each in places}
            places.sort(key=lambda each, wish=wish: wish[each])  # type: ignore[misc] # the sort is done at once
            at.update({place: _spot(number, places) for number, place in enumerate(places)})


def _spot(number: int, places: list[Place]) -> float:
    """Where in its row a place is, from 0 to 1."""
    return (number + 0.5) / len(places)


def _mean(values: list[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _width(place: Place) -> float:
    return PASSAGE if place[1] else WIDTH


def _wrapped(node: Node) -> tuple[tuple[str, ...], int]:
    """Its lines, none too long for the box, and how many of them belong to the title."""
    wrapped = [
        textwrap.wrap(line, LETTERS if number else BOLD_LETTERS, break_on_hyphens=False) or [" "]
        for number, line in enumerate(node.lines)
    ]
    return tuple(line for lines in wrapped for line in lines), len(wrapped[0])


def _arrow(edge: Edge, way: list[Place], middle: Mapping[Place, tuple[float, float, float]]) -> Arrow:
    points: list[tuple[float, float]] = []
    for number, place in enumerate(way):
        x, top, bottom = middle[place]
        points += [(x, top)] if number else []
        points += [(x, bottom)] if number < len(way) - 1 else []
    return Arrow(edge, tuple(points))
