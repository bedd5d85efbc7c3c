"""What the audit of many incidents counts as the lock of each: the word of two people, and never that of one."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from firestation.after_action import Attestation
from firestation.lock_plan import LockPlan
from firestation.state import Waiver
from firestation.verdicts import Verdict, _lock, summed
from tests.property.worlds import START
from tests.unit.test_aftermath import incident

PROCESS = LockPlan(title="Two people sign", kind="process")
CLOSED = START + timedelta(days=3)
GOOD, OVER = START + timedelta(days=90), START + timedelta(days=2)


def attested(until: datetime, second: str | None) -> dict[str, Any]:
    said = Attestation(
        by="ana", change="two sign", reference="4.2", verify_by=until, at=START, seconded_by=second
    )
    return {"attestations": (said,)}


def waived(until: datetime, second: str | None) -> dict[str, Any]:
    waiver = Waiver(what="lock", by="ana", reason="later", until=until, at=START, seconded_by=second)
    return {"waivers": (waiver,)}


@pytest.mark.parametrize(
    ("word", "until", "second", "counts"),
    [
        (attested, GOOD, "ben", "attested"),
        (attested, GOOD, None, "missing"),
        (attested, OVER, "ben", "missing"),
        (waived, GOOD, "ben", "waived"),
        (waived, GOOD, None, "missing"),
        (waived, OVER, "ben", "missing"),
    ],
)
def test_a_word_counts_when_two_people_stood_for_it_at_the_end(
    word: Any, until: datetime, second: str | None, counts: Any
) -> None:
    found = incident(lock=PROCESS).changed(**word(until, second), ended="closed", ended_at=CLOSED)
    assert _lock(found) == counts
    verdict = Verdict(incident="i-1", run="r", outcome="on the record", lock=counts)
    assert summed([verdict]).locks[counts] == 1


def test_an_incident_that_is_not_that_far_owes_none_and_an_old_one_counts_as_it_did() -> None:
    assert _lock(incident().changed(restored_at=None)) == "not due"
    old = incident(edition=3).changed(**waived(GOOD, None), ended="closed", ended_at=CLOSED)
    assert _lock(old) == "waived"
