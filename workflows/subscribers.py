"""The telling of one public word to all subscribers: one activity, however many they are, and again for who was away.

Who was told stands in the book of subscribers and not here: no name of anybody comes into a history, and a history does
not grow with their number.
"""

from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError

from firestation.orders import TellOrder, Told
from workflows.house import why
from workflows.options import OPTIONS
from workflows.perseverance import longer

TELLER = "SubscriberTeller"
FIRST_PAUSE = timedelta(minutes=1)
PATIENCE = timedelta(days=1)
"""After that a word is old, and the page has newer ones."""


def teller_id(notice_id: str) -> str:
    """The workflow's id: one for each word."""
    return f"tell/{notice_id}"


@workflow.defn(name=TELLER)
class SubscriberTeller:
    """Tells one word, and for a day tries those again who could not be told."""

    @workflow.run
    async def run(self, order: TellOrder) -> Told:
        """How many were told, and what became of the others."""
        deadline, pause, told, gone = workflow.now() + PATIENCE, FIRST_PAUSE, 0, 0
        while True:
            last = workflow.now() >= deadline
            try:
                answer: Told = await workflow.execute_activity(
                    "tell_subscribers",
                    order.changed(last=last),
                    result_type=Told,
                    **OPTIONS["tell_subscribers"],
                )
            except ActivityError as error:
                workflow.logger.warning("word %s: not told yet: %s", order.notice.id, why(error))
                if last:
                    return Told(told=told, gone=gone)
            else:
                told, gone = told + answer.told, gone + answer.gone
                if last or not answer.left:
                    return answer.changed(told=told, gone=gone)
            await workflow.sleep(pause)
            pause = longer(pause)
