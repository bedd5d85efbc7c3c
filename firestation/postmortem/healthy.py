"""What differs between a request that went wrong and a healthy one, as far as both were frozen and can be read."""

from collections.abc import Sequence
from typing import NamedTuple

from pydantic import JsonValue

from firestation.comparison import Comparison, Difference, closest, compare
from firestation.evidence import ArtifactRef
from firestation.model import canonical_json, count
from firestation.postmortem.trail import digest_link, plain
from firestation.state import Incident
from firestation.system import CONTROL

HERE = "- What differs from a healthy request"
"""How the line begins that the differences stand below."""

MOST_BYTES = 2_000_000
MOST_ARTIFACTS = 20
MOST_SHOWN = 12
SHORT = 120


class Frozen(NamedTuple):
    """One document, and the digest of the artifact that it stands in."""

    digest: str
    document: JsonValue


def comparable(incident: Incident) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The digests of what was frozen of the requests that the alarms name, and of the control sample."""
    names = tuple(name for rung in incident.rung for name in rung.alarm.request_ids)
    readable = [each for each in incident.artifacts if _readable(each)]
    healthy = [each.digest for each in readable if CONTROL in each.provides]
    bad = [
        each.digest
        for each in readable
        if CONTROL not in each.provides and names and each.name.endswith(names)
    ]
    return tuple(bad[:MOST_ARTIFACTS]), tuple(healthy[:MOST_ARTIFACTS])


def _readable(artifact: ArtifactRef) -> bool:
    json = artifact.media_type == "application/json"
    return json and artifact.encryption is None and artifact.size <= MOST_BYTES


def differences(bad: Sequence[Frozen], healthy: Sequence[Frozen]) -> list[str]:
    """The lines that tell them: those of the bad document that is most like a healthy one."""
    best: tuple[Comparison, Frozen, Frozen] | None = None
    for each in bad:
        index = closest(each.document, [other.document for other in healthy])
        if index is not None:
            made = compare(each.document, healthy[index].document)
            if best is None or made.same > best[0].same:
                best = made, each, healthy[index]
    if best is None:
        return []
    made, one, other = best
    links = f"{digest_link(one.digest)} {digest_link(other.digest)}"
    if not made.telling:
        return ["", f"- Compared: nothing differs but ids and times. {links}"]
    lines = ["", "| where | the bad one | the healthy one | evidence |", "|---|---|---|---|"]
    lines += [f"| {_cells(each)} | {links} |" for each in made.telling[:MOST_SHOWN]]
    rest = len(made.telling) - MOST_SHOWN
    return [*lines, *([f"| {count(rest, 'more difference')} | - | - | {links} |"] if rest > 0 else [])]


def _cells(each: Difference) -> str:
    where = f"{each.path}: the order" if each.kind == "order" else each.path
    return " | ".join((plain(where, SHORT), _value(each.bad), _value(each.healthy)))


def _value(value: JsonValue) -> str:
    return "-" if value is None else plain(canonical_json(value).decode(errors="replace"), SHORT)


def fill(text: str, lines: Sequence[str]) -> str:
    """The draft with these lines below the one that speaks of them."""
    made: list[str] = []
    for line in text.split("\n"):
        made.append(line)
        if lines and line.startswith(HERE):
            made += lines
            lines = ()
    return "\n".join(made)
