"""An index of policies, before and after somebody put a stale one into it; and the model that embeds them."""

from typing import Any

import httpx

QUERY = "Can I return headphones after 45 days?"
CURRENT = {"id": 1, "text": "Refunds are given within 30 days of the purchase.", "status": "current"}
OTHER = {"id": 2, "text": "Our office is closed on public holidays.", "status": "current"}
STALE = {"id": 3, "text": "Can I return headphones after 45 days? Yes, within 90 days.", "status": "stale"}
GOOD, BAD = [CURRENT, OTHER], [CURRENT, OTHER, STALE]


def embed(embeddings: str, text: str) -> list[float]:
    """The vector of a text, from the model itself."""
    body = {"model": "e5", "input": text}
    answer = httpx.post(
        f"{embeddings}/v1/embeddings", json=body, trust_env=False, timeout=60
    ).raise_for_status()
    vector: list[float] = answer.json()["data"][0]["embedding"]
    return vector


def with_vectors(embeddings: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows as an index takes them."""
    return [{**row, "vector": embed(embeddings, row["text"])} for row in rows]


def embedding(embeddings: str) -> dict[str, Any]:
    """How a system file says that queries are embedded."""
    return {
        "base": embeddings,
        "request": {"url": "/v1/embeddings", "body": {"model": "e5", "input": "{query}"}},
    }
