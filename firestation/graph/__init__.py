"""A runbook as a picture: the graph itself, and its two renderings, Mermaid's text and SVG."""

from firestation.graph.mermaid import mermaid
from firestation.graph.shape import Edge, Graph, Node, graph
from firestation.graph.svg import svg

__all__ = ["Edge", "Graph", "Node", "graph", "mermaid", "svg"]
