"""The record of an incident with numbers: which event of which run each entry was made of.

The numbers count from 1. They are what people cite: the postmortem links to them, and a bundle holds them.
"""

import json
from itertools import zip_longest
from typing import Any, NamedTuple

from firestation.audit import Auditor, Report, whole
from firestation.history import Run, Step, read_run
from firestation.record import EVENT, Event, Opened
from firestation.state import Incident


class Numbered(NamedTuple):
    """One entry: its number, and the run and the Temporal event by which it came onto the record."""

    number: int
    run: str
    event_id: int
    event: Event

    def data(self) -> dict[str, Any]:
        """As `record.json` has it."""
        said = self.event.model_dump(mode="json")
        return {"number": self.number, "run": self.run, "event_id": self.event_id, "event": said}


class Judged(NamedTuple):
    """One incident: the audit's report, its record with numbers, and where it stands after all of it."""

    report: Report
    record: tuple[Numbered, ...]
    incident: Incident

    @property
    def opened(self) -> Opened:
        """The first entry: what the incident was opened with."""
        first = self.record[0].event
        assert isinstance(first, Opened)
        return first


class _Recorder(Auditor):
    """An auditor that remembers where each entry of its record is from."""

    def __init__(self, runs: list[Run]) -> None:
        super().__init__(runs)
        self.places: list[tuple[str, int]] = [(runs[0].run_id, 1)]

    def _follow(self, step: Step) -> None:
        del self.places[len(self.record) :]  # the auditor may go back, and follow a run once more
        try:
            super()._follow(step)
        finally:
            self.places += [(self.run, step.event_id)] * (len(self.record) - len(self.places))


def judge(histories: list[dict[str, Any]]) -> Judged:
    """Judge an incident by all its runs, the oldest first. Raises as `audit` does."""
    runs = [read_run(history) for history in histories]
    whole(runs)
    recorder = _Recorder(runs)
    recorder.read_all(runs)
    report = recorder.report()
    entries = zip(recorder.places, recorder.record, strict=True)
    record = tuple(Numbered(number, *place, event) for number, (place, event) in enumerate(entries, start=1))
    return Judged(report, record, recorder.incident)


def write_record(incident: str, record: tuple[Numbered, ...]) -> bytes:
    """`record.json`: one entry a line, so that two of them can be compared by eye."""
    return _written(incident, [each.data() for each in record])


def _written(incident: str, entries: list[dict[str, Any]]) -> bytes:
    lines = ",\n".join(json.dumps(each, sort_keys=True, ensure_ascii=False) for each in entries)
    return f'{{"incident": {json.dumps(incident)}, "record": [\n{lines}\n]}}\n'.encode()


def first_difference(
    written: bytes, incident: str, record: tuple[Numbered, ...]
) -> tuple[str, Numbered | None] | None:
    """Where a `record.json` says something else than this record: in words, and our entry; None when nowhere.

    Its entries are read by today's model, so that a field which is new since it was written says nothing. Its bytes are
    in one form, in which a member that is there twice, for one, cannot say something else to another reader.
    """
    try:
        read = json.loads(written)
        said, whose = read["record"], str(read["incident"])
        if _written(whose, said) != written:
            return "its bytes are not in the one form of a record in a bundle", None
        if whose != incident:
            return f"it is that of {whose[:80]!r}, and the bundle of {incident!r}", None
        theirs = [{**each, "event": _todays(each["event"])} for each in said]
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        return f"it cannot be read: {type(error).__name__} {error}"[:300], None
    for their, our in zip_longest(theirs, record):
        if our is None:
            return f"it has {len(theirs)} entries, and the history makes {len(record)}", None
        if json.dumps(their, sort_keys=True) != json.dumps(our.data(), sort_keys=True):  # True is no 1 here
            shown = "nothing" if their is None else json.dumps(their, sort_keys=True)[:300]
            wanted = json.dumps(our.data(), sort_keys=True)[:300]
            return f"entry {our.number} is {shown}, and the history makes {wanted}", our
    return None


def _todays(event: dict[str, Any]) -> Any:
    return EVENT.validate_python(event).model_dump(mode="json")
