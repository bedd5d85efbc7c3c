"""A graph as a Mermaid flowchart, as many tools and code hosts draw it."""

import string

from firestation.graph.shape import Graph, Kind, Node

PLAIN = frozenset(string.ascii_letters + string.digits + " .,:-_/()")
SHAPES: dict[Kind, tuple[str, str]] = {
    "alarm": ("([", "])"),
    "evidence": ("[(", ")]"),
    "firebreak": ("[", "]"),
    "manual": ("[/", "/]"),
    "recovery": ("([", "])"),
    "lock": ("[[", "]]"),
}
STYLES: dict[Kind, str] = {
    "alarm": "fill:#fde2e1,stroke:#b42318,color:#111",
    "evidence": "fill:#eef2f6,stroke:#475467,color:#111",
    "firebreak": "fill:#fff4e5,stroke:#b54708,color:#111",
    "manual": "fill:#f4ebff,stroke:#6941c6,color:#111",
    "recovery": "fill:#e7f6ec,stroke:#067647,color:#111",
    "lock": "fill:#e0f2fe,stroke:#026aa2,color:#111",
}


def mermaid(graph: Graph) -> str:
    """The flowchart's text, ending with a newline. Whatever stands in the runbook is shown and never obeyed."""
    names = {node.id: f"n{number}" for number, node in enumerate(graph.nodes)}
    lines = ["flowchart TD"]
    groups = dict.fromkeys(node.group for node in graph.nodes if node.group)
    lines += [f"  {_box(node, names[node.id])}" for node in graph.nodes if not node.group]
    for number, group in enumerate(groups):
        lines.append(f'  subgraph g{number}["{_text(f"together: {group}")}"]')
        lines += [f"    {_box(node, names[node.id])}" for node in graph.nodes if node.group == group]
        lines.append("  end")
    for edge in graph.edges:
        arrow = "-->" if edge.way == "then" else '-. "if it fails" .->'
        lines.append(f"  {names[edge.start]} {arrow} {names[edge.end]}")
    lines += [f"  classDef {kind} {style}" for kind, style in STYLES.items()]
    return "\n".join(lines) + "\n"


def _box(node: Node, name: str) -> str:
    opened, closed = SHAPES[node.kind]
    return f'{name}{opened}"{"<br/>".join(_text(line) for line in node.lines)}"{closed}:::{node.kind}'


def _text(text: str) -> str:
    """Text in Mermaid's own escapes: what is not plainly a letter is written by its number."""
    return "".join(
        letter if letter in PLAIN or (letter.isalnum() and letter.isprintable()) else f"#{ord(letter)};"
        for letter in " ".join(text.split())
    )
