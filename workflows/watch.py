"""One look of a detector. A Temporal Schedule starts it, and hands it what the last one returned: all that is known.

So there is no workflow that lives for years, and no store: the course of a detector is the result of its last look.
A look that fails leaves the course as it was, and the next one looks at the longer window.
"""

from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError
from temporalio import workflow
from temporalio.common import SearchAttributeKey
from temporalio.exceptions import ActivityError, ApplicationError

from firestation.firebreak import Reading
from firestation.model import Id, Model
from firestation.orders import MeasureOrder, RingOrder, Rung
from firestation.system import CheckFitting
from firestation.watch import course
from firestation.watch.course import Course, Heard
from firestation.watch.detector import Detector, Rings
from firestation.watch.sample import Sample
from workflows.house import why
from workflows.options import OPTIONS

WATCH = "Watch"
SCHEDULED = SearchAttributeKey.for_datetime("TemporalScheduledStartTime")
"""When the schedule wanted it, which is later than that where the worker was away: windows follow one another by it."""

PREFIX = "watch/"
UNNAMED = "-"


class WatchStart(Model):
    """What is watched: the detector and its check."""

    system: Id
    detector: Detector
    check: CheckFitting

    def definition(self) -> str:
        """The digest of what is counted, and against what: with another one the course begins anew.

        What it is called, what it rings and when may be changed meanwhile: what was counted stays what it is.
        """
        plain = self.detector.changed(
            title=UNNAMED,
            rings=Rings(name=UNNAMED),
            false_alarms=timedelta(),
            minimum=1,
            talks_every=None,
            again=timedelta(),
        )
        return self.changed(detector=plain, check=self.check.changed(title=UNNAMED)).sha256()


def schedule_id(system: str, detector: str) -> str:
    """The id of a detector's schedule; its looks are workflows whose ids begin so."""
    return f"{PREFIX}{system}/{detector}"


@workflow.defn(name=WATCH)
class Watch:
    """Looks once, rings what it owes, and returns the course."""

    @workflow.run
    async def run(self, start: WatchStart) -> Course:
        """The course after this look."""
        now = workflow.info().typed_search_attributes.get(SCHEDULED) or workflow.now()
        known = _known(start, now)
        if now > known.until:
            known = course.look(known, start.detector, await _heard(start, known, now), now)
        for alarm in known.owed:
            try:
                rung = await _activity("ring_bell", RingOrder(alarm=alarm), Rung, alarm.name)
            except ActivityError as error:
                workflow.logger.warning("the bell does not have it yet, the next look rings: %s", why(error))
                if _is_refused(error):  # this one alone, and the others need not wait for it
                    continue
                break
            known = known.rung(alarm, rung.incident)
        return known


def _known(start: WatchStart, now: datetime) -> Course:
    """The course until now; a new one at the first look, and when something else was watched then.

    What is owed to the bell is owed still. A course of before `definition` has the digest of all that it started with.
    """
    new = course.fresh(start.detector, start.definition(), start.system, now)
    if not workflow.has_last_completion_result():
        return new
    last = workflow.get_last_completion_result()
    try:
        found = Course.model_validate(last)
    except ValidationError as error:
        workflow.logger.warning("the course until now cannot be read, it begins anew: %s", error)
        return new.changed(owed=course.owed_in(last))
    if found.definition not in {new.definition, start.sha256()}:
        return new.changed(owed=found.owed)
    return course.put_back(found.changed(definition=new.definition), start.detector, workflow.now())


async def _heard(start: WatchStart, known: Course, now: datetime) -> Heard:
    order = MeasureOrder(check=start.check, since=known.until, until=now)
    try:
        reading = await _activity("measure", order, Reading, f"look at {start.check.id}")
    except ActivityError as error:
        return Heard(said=f"it could not be measured: {why(error)}"[:4000])
    return Heard(sample=counted(reading), said=f"{reading.verdict}: {reading.detail}"[:4000])


def counted(reading: Reading) -> Sample | None:
    """What a reading counted. A check that does not count is one outcome, good or not; inconclusive is none."""
    if reading.sample is not None:
        return reading.sample
    if reading.verdict == "inconclusive":
        return None
    return Sample(n=1, good=1 if reading.verdict == "passed" else 0)


def _is_refused(error: ActivityError) -> bool:
    return isinstance(error.cause, ApplicationError) and error.cause.non_retryable


async def _activity(name: str, order: Any, answer: type[Any], summary: str) -> Any:
    return await workflow.execute_activity(
        name, order, result_type=answer, summary=summary[:200], **OPTIONS[name]
    )
