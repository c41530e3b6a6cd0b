"""The channel between supervisor and worker: answers find who asked, and an end is always noticed."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator

import pytest

from routebook.edge.processes.control import Channel, Gone, Message, to_frame


@pytest.fixture
async def ends() -> AsyncIterator[tuple[Channel, Channel]]:
    """Both ends of a channel."""
    ours, theirs = socket.socketpair()
    one, other = await Channel.over(ours), await Channel.over(theirs)
    yield one, other
    one.close()
    other.close()


async def echo(channel: Channel) -> None:
    """Answer every second question late, so that answers come in another order than questions."""
    late = []
    try:
        while True:
            message = await channel.receive()
            late.append(message)
            if len(late) == 2:
                for each in reversed(late):
                    await channel.answer(each, said=each.fields["say"], size=len(each.payload))
                late.clear()
    except Gone:
        return


async def test_answers_find_who_asked(ends: tuple[Channel, Channel]) -> None:
    """Whatever order they come in; payloads of megabytes travel whole."""
    one, other = ends
    echoing = asyncio.create_task(echo(other))
    listening = asyncio.create_task(one.receive())
    answers = await asyncio.gather(
        *(one.ask(Message("say", {"say": number}, os.urandom(number * 50_000)), 10) for number in range(40))
    )
    assert [(answer.fields["said"], answer.fields["size"]) for answer in answers] == [
        (number, number * 50_000) for number in range(40)
    ]
    listening.cancel()
    other.close()
    await echoing


async def test_a_question_nobody_answers_ends_in_time(ends: tuple[Channel, Channel]) -> None:
    """Its late answer is then nobody's, and does no harm."""
    one, other = ends
    listening = asyncio.create_task(one.receive())
    with pytest.raises(Gone, match="no answer to `say` within"):
        await one.ask(Message("say"), 0.05)
    await other.answer(await other.receive(), said="late")
    await other.send(Message("more"))
    assert (await listening).kind == "more"


async def test_the_end_of_the_other_side_is_noticed_by_all_who_wait(ends: tuple[Channel, Channel]) -> None:
    """Who receives and who waits for an answer hear of it at once; later questions too."""
    one, other = ends
    listening = asyncio.create_task(one.receive())
    asking = asyncio.create_task(one.ask(Message("say"), 30))
    await other.receive()
    other.close()
    for waiting in (listening, asking):
        with pytest.raises(Gone):
            await asyncio.wait_for(waiting, 2)
    with pytest.raises(Gone):
        await one.ask(Message("say"), 30)


@pytest.mark.parametrize(
    "data", [b"\x00", b"\xff" * 12, to_frame(Message("x", {}, b"payload"))[:-1], b"\x00\x00\x00\x02" + bytes(8) + b"{]"]
)
async def test_bytes_that_are_no_frame_end_the_channel(data: bytes) -> None:
    """A torn frame is what a killed process leaves."""
    ours, theirs = socket.socketpair()
    channel = await Channel.over(ours)
    with theirs:
        theirs.sendall(data)
    with pytest.raises(Gone):
        await asyncio.wait_for(channel.receive(), 2)
    channel.close()


async def test_what_may_be_lost_waits_for_nobody(ends: tuple[Channel, Channel]) -> None:
    """It arrives where the other side reads; where it does not, the sender neither waits nor piles it up; where it is
    gone, nothing happens."""
    one, other = ends
    one.mention(Message("news", {"number": 1}))
    assert (await other.receive()).fields == {"number": 1}
    for number in range(2000):
        one.mention(Message("news", {"number": number}, b"x" * 10_000))
    heard = [await asyncio.wait_for(other.receive(), 10)]
    one.close()
    with pytest.raises(Gone):
        while True:
            heard.append(await asyncio.wait_for(other.receive(), 10))
    assert 100 <= len(heard) < 1000 and [each.fields["number"] for each in heard] == list(range(len(heard)))
    one.mention(Message("news"))


async def test_what_is_said_in_one_turn_arrives_in_its_order(ends: tuple[Channel, Channel]) -> None:
    """However it is said; also where the channel is closed right after it."""
    one, other = ends
    one.tell(Message("told"))
    asking = one.question(Message("asked"))
    one.mention(Message("mentioned"))
    await one.send(Message("sent"))
    one.tell(Message("last"))
    one.close()
    heard = [(await other.receive()).kind for _ in range(5)]
    assert heard == ["told", "asked", "mentioned", "sent", "last"]
    asking.cancel()
