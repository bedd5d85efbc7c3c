"""What the verification of a bundle found, for people and for machines."""

from typing import Any, Literal

from firestation.bundle import OPEN, Counts
from firestation.model import Line, Model, Text
from firestation.rules import RULES

CheckName = Literal[
    "archive", "signature", "completeness", "chain", "evidence", "decisions", "record", "rules", "replay"
]

CHECKS: dict[CheckName, str] = {
    "archive": "The archive is one that an export writes: plain files, safe names, each once, nothing after its end.",
    "signature": "The statement is signed by a key that the verifier trusts.",
    "completeness": "Every file is the one that was signed, none is missing, none is there besides.",
    "chain": "The histories are whole: every run, every event, in their order, of this incident and its children.",
    "evidence": "The manifests are signed and are this incident's; every artifact is the one that was frozen.",
    "decisions": "Every signed decision verifies again, by a key that was its maker's at that time.",
    "record": "Record, counts, keys, pinned files and code follow from the raw events, and are what the bundle says.",
    "rules": "The eleven rules of the house, judged again over the raw events.",
    "replay": "The workflow's code decides again as it decided then.",
}
"""The checks, in the order in which they are made."""

SARIF = "https://json.schemastore.org/sarif-2.1.0.json"
LEVELS = {"broken": "error", "on the record": "note"}


class Found(Model):
    """Something that is not as it should be. `rule` is 1 to 11 where it is a rule of the house, otherwise 0.

    `file` is the file of the bundle, `run` and `event_id` the Temporal event, as far as one is meant.
    """

    level: Literal["broken", "on the record"]
    check: CheckName
    rule: int = 0
    title: Line
    what: Text
    file: Line | None = None
    run: Line | None = None
    event_id: int | None = None

    @property
    def rule_id(self) -> str:
        """Its name for machines: `rule-3`, or that of the check."""
        return f"rule-{self.rule}" if self.rule else self.check

    @property
    def where(self) -> str:
        """The event or the file that it is about, in words."""
        event = f"event {self.event_id} of run {self.run}" if self.event_id else ""
        return ", ".join(filter(None, (event, self.file)))


class Held(Model):
    """A check that was made and found nothing broken; `what` says what was looked at."""

    check: CheckName
    what: Text


class Verdict(Model):
    """The verdict on one bundle. `unchecked`: what nobody could check here, and why."""

    bundle: Line
    incident: Line | None = None
    standing: Line | None = None
    key: Line | None = None
    made_by: Line | None = None
    verified_by: Line
    ran: tuple[Line, ...] = ()
    counts: Counts | None = None
    digests_only: bool = False
    held: tuple[Held, ...] = ()
    found: tuple[Found, ...] = ()
    unchecked: tuple[Text, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether nothing is broken, but for what stands honestly on the record."""
        return not self.broken

    @property
    def verdict(self) -> Literal["kept", "on the record", "broken"]:
        """In a word: every rule was kept; or broken, and on the record; or broken."""
        if self.broken:
            return "broken"
        return "on the record" if self.found else "kept"

    @property
    def broken(self) -> tuple[Found, ...]:
        """What fails it."""
        return tuple(each for each in self.found if each.level == "broken")

    @property
    def on_the_record(self) -> tuple[Found, ...]:
        """What was broken, and says so itself."""
        return tuple(each for each in self.found if each.level == "on the record")

    def data(self) -> dict[str, Any]:
        """As machines read it."""
        told = {"verdict": self.verdict, "passed": self.passed, "headline": self.headline}
        return {**told, **self.model_dump(mode="json")}

    @property
    def headline(self) -> str:
        """The verdict as one sentence."""
        if self.broken:
            return f"BROKEN: {self.broken[0].check}: {self.broken[0].what}"
        limits = ["so far: the incident is open"] if (self.standing or "").startswith(OPEN) else []
        limits += ["the evidence itself is not enclosed"] if self.digests_only else []
        told = "a rule was broken, and it stands on the record" if self.found else "every rule was kept"
        return f"PASSED: {told}{''.join(f', {each}' for each in limits)}."


def sarif(verdict: Verdict) -> dict[str, Any]:
    """The findings as a SARIF 2.1.0 log; the Temporal event is the logical location, `run/event`."""
    rules: list[dict[str, Any]] = [
        {"id": name, "shortDescription": {"text": text}} for name, text in CHECKS.items()
    ]
    rules += [{"id": f"rule-{rule.number}", "shortDescription": {"text": rule.title}} for rule in RULES]
    return {
        "$schema": SARIF,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "firestation audit verify",
                        "version": verdict.verified_by,
                        "rules": rules,
                    }
                },
                "invocations": [{"executionSuccessful": True}],
                "results": [_result(verdict, each) for each in verdict.found],
                "properties": {
                    "verdict": verdict.verdict,
                    "incident": verdict.incident,
                    "unchecked": list(verdict.unchecked),
                },
            }
        ],
    }


def _result(verdict: Verdict, found: Found) -> dict[str, Any]:
    place: dict[str, Any] = {"physicalLocation": {"artifactLocation": {"uri": found.file or verdict.bundle}}}
    if found.event_id:
        name = f"{found.run}/{found.event_id}"
        place["logicalLocations"] = [{"fullyQualifiedName": name, "kind": "event"}]
    return {
        "ruleId": found.rule_id,
        "level": LEVELS[found.level],
        "message": {"text": f"{found.title}: {found.what}"},
        "locations": [place],
        "properties": {"check": found.check, "run": found.run, "eventId": found.event_id},
    }
