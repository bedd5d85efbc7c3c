"""Claims in a folder, and what they are for: an e-mail that no kill -9 sends twice."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from firestation.board import Receipt
from firestation.drivers.claims import ObstoreClaims, at_most_once, open_claims
from firestation.errors import Doubtful, NotConfigured, Unreachable
from firestation.ports import Claims
from firestation.testing import ClaimsConformance
from tests.drivers.mailing import Mailbox, Moment, mail_server
from tests.e2e.processes import ROOT, wait_for

RECEIPT = Receipt(channel="mail", reference="taken")


class TestFolderClaims(ClaimsConformance):
    @pytest.fixture
    def claims(self, tmp_path: Path) -> Claims:
        return open_claims(tmp_path / "evidence")


async def test_a_claim_outlives_the_process(tmp_path: Path) -> None:
    assert await open_claims(tmp_path).take("k") is None
    with pytest.raises(Doubtful):
        await open_claims(tmp_path).take("k")
    await open_claims(tmp_path).finish("k", RECEIPT)
    assert await open_claims(tmp_path).take("k") == RECEIPT


async def test_a_receipt_that_cannot_be_read_is_a_doubt(tmp_path: Path) -> None:
    claims = open_claims(tmp_path)
    await claims.take("k")
    await claims.finish("k", RECEIPT)
    (file,) = tmp_path.rglob("*.sent")
    file.write_text("{")
    with pytest.raises(Doubtful, match="cannot be read"):
        await claims.take("k")


async def test_a_message_that_was_sent_counts_as_sent_though_nobody_could_note_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Half(ObstoreClaims):
        async def finish(self, key: str, receipt: Receipt) -> None:
            raise Unreachable(f"the disk is full: {key} {receipt}")

    claims = Half(open_claims(tmp_path)._shelf)

    async def send() -> Receipt:
        return RECEIPT

    assert await at_most_once(claims, "k", send) == RECEIPT
    with pytest.raises(Doubtful):
        await at_most_once(claims, "k", send)


async def test_a_place_that_cannot_be_written_sends_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NotConfigured, match="name a writable folder"):
        open_claims(tmp_path / "file")


# What a worker does, in a process of its own: the activity `send`, with the drivers and claims of a station. ---------

SENDER = """
import asyncio, json, sys
from pathlib import Path
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment
from activities.words import WordActivities
from firestation.drivers import Drivers
from firestation.drivers.claims import open_claims
from firestation.orders import SendOrder
from firestation.secrets import ReferenceSecrets

async def main():
    folder, order = Path(sys.argv[1]), SendOrder.model_validate_json(sys.argv[2])
    async with Drivers(ReferenceSecrets(folder), folder=folder, claims=open_claims(folder / "evidence")) as bench:
        try:
            receipt = await ActivityEnvironment().run(WordActivities(bench).send, order)
            print("sent", receipt.reference, flush=True)
        except ApplicationError as error:
            print("failed", error.non_retryable, error.message, flush=True)
    if "--stay" in sys.argv:  # as a worker that has the answer, and could not give it to Temporal yet
        sys.stdin.read()

asyncio.run(main())
"""


@contextmanager
def sender(folder: Path, box: Mailbox, *options: str) -> Iterator["subprocess.Popen[str]"]:
    config = {"host": "127.0.0.1", "port": box.port, "tls": "none", "sender": "firestation@example.org"}
    channel = {"id": "mail", "title": "M", "driver": "email", "audience": "pager", "with": config}
    message = {
        "incident": "i",
        "purpose": "page",
        "title": "Fire",
        "text": "Take it",
        "to": "ana@example.org",
    }
    order = json.dumps({"channel": channel, "message": message, "key": "i/1/page-1/mail"})
    with subprocess.Popen(
        [sys.executable, "-c", SENDER, str(folder), order, *options],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def said(process: "subprocess.Popen[str]") -> str:
    assert process.stdout
    return process.stdout.readline().strip()


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with mail_server(Mailbox()) as box:
        yield box


KILLED: list[tuple[str, Moment, int]] = [
    ("between claim and send", "RCPT", 0),
    ("while the server has it", "TAKEN", 1),
]


@pytest.mark.kill
@pytest.mark.parametrize(("when", "moment", "mails"), KILLED, ids=[row[0] for row in KILLED])
def test_a_worker_killed_in_between_leaves_a_doubt_and_never_two_mails(
    tmp_path: Path, box: Mailbox, when: str, moment: Moment, mails: int
) -> None:
    box.holds = moment
    with sender(tmp_path, box) as first:
        assert box.holding.wait(60), when
        first.send_signal(signal.SIGKILL)
        first.wait(30)
    box.holds = None
    box.go_on.set()
    for _ in range(2):
        with sender(tmp_path, box) as again:
            assert said(again).startswith("failed True it may have been sent; not sent again")
    assert len(box.mails) == mails


@pytest.mark.kill
def test_a_worker_killed_before_it_could_say_so_is_followed_by_one_that_knows(
    tmp_path: Path, box: Mailbox
) -> None:
    with sender(tmp_path, box, "--stay") as first:
        assert said(first) == "sent queued as 1"
        first.send_signal(signal.SIGKILL)
        first.wait(30)
    with sender(tmp_path, box) as again:
        assert said(again) == "sent queued as 1"
    assert len(box.mails) == 1


@pytest.mark.kill
def test_a_worker_killed_before_the_claim_is_followed_by_one_that_sends(tmp_path: Path, box: Mailbox) -> None:
    with sender(tmp_path, box) as first:
        first.send_signal(signal.SIGKILL)
        first.wait(30)
    with sender(tmp_path, box) as again:
        assert said(again) == "sent queued as 1"
    wait_for("the mail", lambda: len(box.mails) == 1)
