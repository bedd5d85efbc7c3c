"""What the documents hold that can be checked: links, commands, YAML."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")])
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def blocks(document: Path, language: str) -> list[str]:
    """The fenced blocks of this language."""
    return [text for kind, text in FENCE.findall(document.read_text()) if kind == language]


def commands(document: Path) -> list[str]:
    """What a reader is told to type: the lines of `console` blocks that begin with a dollar."""
    return [
        line.removeprefix("$ ")
        for block in blocks(document, "console")
        for line in block.splitlines()
        if line.startswith("$ ")
    ]


def links(document: Path) -> list[str]:
    """The links to files of ours."""
    return [link for link in LINK.findall(document.read_text()) if not link.startswith(("http", "#"))]
