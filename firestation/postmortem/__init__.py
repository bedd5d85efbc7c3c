"""The postmortem, drafted from the record in Markdown: what happened, what it cost, what is still unknown.

Every line is linked to the events that it stands on and to the evidence by its digest. `merge` keeps what people wrote
when it is drafted again, `documents` keeps all of it on the shelf.
"""

import base64
import zlib
from collections.abc import Callable, Iterator

from pydantic import TypeAdapter

from firestation.model import count
from firestation.postmortem import causes, machine, measures, proof, story
from firestation.postmortem.trail import Trail, clock, plain, see
from firestation.record import Record
from firestation.state import Incident

RECORD: TypeAdapter[Record] = TypeAdapter(Record)

MOST_PLAIN = 1_500_000
"""Bytes; Temporal takes two megabytes, of JSON."""

Section = Callable[[Incident, Trail], Iterator[str]]

SECTIONS: tuple[tuple[str, Section, str], ...] = (
    ("Summary", story.summary, "Nothing has rung."),
    ("Impact", story.impact, "Nothing is known of it."),
    ("Measures", measures.told, "Nothing was measured."),
    ("Detection", story.detection, "Nothing has rung."),
    ("Response", story.response, "Nobody has answered."),
    ("Contributing factors", causes.factors, "Nobody has said anything yet."),
    ("What went well", causes.went_well, "The record shows nothing."),
    ("What went badly", causes.went_badly, "The record shows nothing."),
    ("Product contract broken", machine.contract, "No check was measured."),
    ("Evidence path", machine.path, "Nothing was frozen."),
    ("Eval gap", machine.evals, "Nobody has said yet."),
    ("Firebreaks", machine.firebreaks, "None."),
    ("Human review", machine.people, "Nothing is known of it."),
    ("The lock", machine.lock, "There is no lock yet."),
    ("Legal clocks", proof.legal, "None has run."),
    (
        "What did not go as it should",
        causes.breaches,
        "Nothing on the record: no deadline missed, nothing waived.",
    ),
    ("Timeline", story.timeline, "Nothing has happened."),
    ("Evidence", proof.evidence, "Nothing is kept."),
    ("Events", proof.events, "None."),
)
"""Each section, what writes it, and what it says when there is nothing to write."""


def draft(incident: Incident, events: Record) -> str:
    """The whole document. People edit it afterwards; everything in it comes from the record."""
    trail = Trail(events)
    parts = [
        f"# Postmortem of {incident.id}: {plain(incident.brief.title)}",
        _preface(incident, trail),
    ]
    for name, write, empty in SECTIONS:
        lines = "\n".join(write(incident, trail)).strip("\n")
        anchor = '<a id="events"></a>\n\n' if write is proof.events else ""
        parts.append(f"{anchor}## {name}\n\n{lines or empty}")
    return "\n\n".join(parts) + "\n"


def shortened(text: str) -> str:
    """A document as it may go through a history as it is: whole lines of it, and a word about the rest."""
    if len(text.encode()) <= MOST_PLAIN:
        return text
    kept = text.encode()[:MOST_PLAIN].decode(errors="ignore").rpartition("\n")[0]
    left = text.count("\n", len(kept))
    return f"{kept}\n\nThis document is longer than a history holds: {left} lines more are left out here.\n"


def packed(events: Record) -> str:
    """A record as it goes through the history of a workflow: a payload there has a limit, and events are much alike."""
    return base64.b64encode(zlib.compress(RECORD.dump_json(events))).decode()


def unpacked(text: str) -> Record:
    """The record again."""
    return RECORD.validate_json(zlib.decompress(base64.b64decode(text)))


def _preface(incident: Incident, trail: Trail) -> str:
    refused = len(trail.find("turned-away"))
    return (
        f"Drafted from the record of {count(trail.last, 'event')} ({refused} refused), as of {clock(incident.now)}. "
        f"A number such as {see((1,))} is the position of an event in the record, from 1; all of them stand at the "
        f"end, and what none of them shows is linked to the [record](#events) as a whole. "
        f"What people change here is kept when it is drafted again."
    )
