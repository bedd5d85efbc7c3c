"""A graph as an SVG image that needs nothing else: no script, no font, no style sheet from anywhere.

It is built as an XML tree, so that whatever stands in the runbook is text and never markup.
"""

import re
from xml.etree import ElementTree as ET

from firestation.graph.layout import LINE, PADDING, WIDTH, Arrow, Box, layout
from firestation.graph.shape import Graph, Kind

COLOURS: dict[Kind, tuple[str, str]] = {
    "alarm": ("#fde2e1", "#b42318"),
    "evidence": ("#eef2f6", "#475467"),
    "firebreak": ("#fff4e5", "#b54708"),
    "manual": ("#f4ebff", "#6941c6"),
    "recovery": ("#e7f6ec", "#067647"),
    "lock": ("#e0f2fe", "#026aa2"),
}
"""Fill and border. The border's width and dashes tell the kinds apart too, where colours are not seen."""
INK = "#101828"
NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def svg(graph: Graph) -> str:
    """The image as text, ending with a newline."""
    sheet = layout(graph)
    wide, high = f"{sheet.width:.0f}", f"{sheet.height:.0f}"
    root = ET.Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "width": wide,
            "height": high,
            "viewBox": f"0 0 {wide} {high}",
            "role": "img",
            "font-family": "Helvetica, Arial, sans-serif",
            "font-size": "13",
        },
    )
    ET.SubElement(root, "title").text = _shown(graph.title)
    marker = ET.SubElement(
        ET.SubElement(root, "defs"),
        "marker",
        {"id": "tip", "viewBox": "0 0 10 10", "refX": "9", "refY": "5", "markerWidth": "7"}
        | {"markerHeight": "7", "orient": "auto"},
    )
    ET.SubElement(marker, "path", {"d": "M0 0 L10 5 L0 10 z", "fill": INK})
    ET.SubElement(root, "rect", {"width": wide, "height": high, "fill": "#ffffff"})
    for arrow in sorted(sheet.arrows, key=lambda each: each.edge.way == "fallback"):
        _draw_arrow(root, arrow)
    for box in sheet.boxes:
        _draw_box(root, box)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode") + "\n"


def _draw_box(root: ET.Element, box: Box) -> None:
    fill, border = COLOURS[box.node.kind]
    shape = {"x": f"{box.x:.1f}", "y": f"{box.y:.1f}", "width": f"{WIDTH:.0f}", "height": f"{box.height:.1f}"}
    style = {"fill": fill, "stroke": border, "stroke-width": "2.5" if box.node.group else "1.5", "rx": "6"}
    if box.node.kind == "manual":
        style["stroke-dasharray"] = "6 3"
    ET.SubElement(root, "rect", shape | style)
    for number, line in enumerate(box.lines):
        place = {"x": f"{box.x + PADDING:.1f}", "y": f"{box.y + PADDING + LINE * (number + 0.75):.1f}"}
        weight = {"font-weight": "bold"} if number < box.bold else {}
        ET.SubElement(root, "text", place | {"fill": INK} | weight).text = _shown(line)


def _draw_arrow(root: ET.Element, arrow: Arrow) -> None:
    """Straight down through a row, and from row to row in a curve that begins and ends vertically."""
    (x, y), *rest = arrow.points
    path = [f"M{x:.1f} {y:.1f}"]
    for number, (to_x, to_y) in enumerate(rest):
        if number % 2:
            path.append(f"L{to_x:.1f} {to_y:.1f}")
        else:
            half = (y + to_y) / 2
            path.append(f"C{x:.1f} {half:.1f} {to_x:.1f} {half:.1f} {to_x:.1f} {to_y:.1f}")
        x, y = to_x, to_y
    line = {
        "d": " ".join(path),
        "fill": "none",
        "stroke": INK,
        "stroke-width": "1.5",
        "marker-end": "url(#tip)",
    }
    fallback = arrow.edge.way == "fallback"
    ET.SubElement(root, "path", line | ({"stroke-dasharray": "5 4"} if fallback else {}))
    if fallback:
        (first_x, first_y), (second_x, second_y) = arrow.points[:2]
        place = {"x": f"{(first_x + second_x) / 2 + 6:.1f}", "y": f"{(first_y + second_y) / 2 + 4:.1f}"}
        halo = {"stroke": "#ffffff", "stroke-width": "4", "paint-order": "stroke"}
        ET.SubElement(root, "text", place | halo | {"fill": INK, "font-style": "italic"}).text = "if it fails"


def _shown(text: str) -> str:
    """Text without the few characters that XML cannot hold."""
    return NOT_XML.sub("?", text)
