"""Subscribers: the workflows that tell them, and the herald of a station."""

from temporalio.client import Client
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from firestation.drivers.subscribers import mailer_of
from firestation.drivers.subscribers.book import open_book
from firestation.drivers.subscribers.herald import Herald
from firestation.drivers.subscribers.hook import Hooks
from firestation.errors import Unreachable
from firestation.orders import TellOrder
from firestation.public_page.notice import notices
from firestation.public_page.part import PublicIncident
from firestation.secrets import ReferenceSecrets, subscriber_key
from firestation.settings import Settings
from workflows.client import TASK_QUEUE
from workflows.subscribers import TELLER, teller_id


def herald_of(settings: Settings, secrets: ReferenceSecrets) -> Herald | None:
    """Who tells the subscribers of this station; None where nobody can subscribe. Raises `NotConfigured`."""
    if settings.subscribe_url is None:
        return None
    return Herald(
        open_book(settings.subscriber_store, subscriber_key(settings, secrets)),
        mailer_of(settings.subscriber_mail, secrets),
        Hooks(inside=settings.subscriber_webhooks_inside),
        settings.subscribe_url,
    )


def criers_of(client: Client, settings: Settings) -> "TemporalCriers | None":
    """Who sees to it that subscribers are told; None where nobody can subscribe."""
    if settings.subscribe_url is None:
        return None
    return TemporalCriers(client, TASK_QUEUE, settings.public_page_title, settings.public_page_url)


class TemporalCriers:
    """Each word has a workflow of its own, by whose name it is told once.

    What Temporal has forgotten, after its retention, the book of subscribers still knows.
    """

    def __init__(self, client: Client, task_queue: str, title: str, address: str | None) -> None:
        self.client, self.task_queue = client, task_queue
        self.title, self.address = title, address
        self._cried = set[str]()

    async def cry(self, part: PublicIncident) -> None:
        """Start what is not started. Raises `Unreachable`."""
        for notice in notices(part, self.title, self.address):
            if notice.id in self._cried:
                continue
            try:
                await self.client.start_workflow(
                    TELLER,
                    TellOrder(notice=notice),
                    id=teller_id(notice.id),
                    task_queue=self.task_queue,
                    id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                    static_summary=f"tell subscribers word {notice.number} of {notice.reference}",
                )
            except WorkflowAlreadyStartedError:
                pass
            except RPCError as error:
                raise Unreachable(f"subscribers cannot be told yet: {error.message}") from error
            self._cried.add(notice.id)
