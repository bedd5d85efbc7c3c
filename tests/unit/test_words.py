"""What is added to a message when it is sent: to a decision where its plan is, to a page its link, to nothing else."""

from typing import Any

import pytest
from temporalio.testing import ActivityEnvironment

from activities.words import WordActivities
from firestation.board import Message
from firestation.orders import SendOrder
from firestation.system import ChannelFitting
from firestation.testing import MemoryBench, MemoryChannel

BOARD = "https://fire.example.org/board"
ROOM = ChannelFitting(id="room", title="R", driver="memory", audience="pager")


async def sent(purpose: Any, board: str | None) -> str:
    channel = MemoryChannel("room")
    message = Message(incident="refund-1", purpose=purpose, title="T", text="Cost: slower answers")
    words = WordActivities(MemoryBench(channels={"room": channel}), None, board)
    await ActivityEnvironment().run(words.send, SendOrder(channel=ROOM, message=message, key="k"))
    return channel.sent["k"].text


async def test_a_decision_says_where_its_plan_is() -> None:
    text = await sent("decision", BOARD)
    assert text == f"Cost: slower answers\nThe plan, for who is logged in: {BOARD}/refund-1#decide"


@pytest.mark.parametrize(
    ("purpose", "board"),
    [("decision", None), *((each, BOARD) for each in ("page", "update", "escalation", "reminder"))],
)
async def test_nothing_else_is_added_to(purpose: str, board: str | None) -> None:
    assert await sent(purpose, board) == "Cost: slower answers"
