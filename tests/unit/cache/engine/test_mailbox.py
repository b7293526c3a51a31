import asyncio

import pytest
from furlong.common.v1.error_pb2 import Reason

from services.cache.domain.position import Position
from services.cache.engine.mailbox import BYTES_MAX, EVENTS_MAX, Event, Kind, Mailbox
from services.chassis.refusal import Refusal


def message(sequence: int, size: int = 0) -> Event:
    return Event(Kind.MESSAGE, Position(1, sequence), b"." * size, f"id {sequence}")


async def test_events_are_taken_in_the_order_in_which_they_came() -> None:
    mailbox = Mailbox()
    taking = asyncio.ensure_future(mailbox.take())
    await asyncio.sleep(0)
    for sequence in (1, 2, 3):
        mailbox.put(message(sequence))
    assert [await taking, await mailbox.take(), await mailbox.take()] == [message(1), message(2), message(3)]


@pytest.mark.parametrize(("size", "fit"), [(0, EVENTS_MAX), (BYTES_MAX // 4, 4)], ids=["events", "bytes"])
async def test_what_does_not_fit_becomes_a_gap_with_all_that_waits_and_then_it_goes_on(size: int, fit: int) -> None:
    mailbox = Mailbox()
    for sequence in range(1, fit + 2):
        mailbox.put(message(sequence, size))
    mailbox.put(message(fit + 2, size))
    assert await mailbox.take() == Event(Kind.GAP, Position(1, fit + 1))
    assert await mailbox.take() == message(fit + 2, size)
    for sequence in range(fit):
        mailbox.put(message(sequence, size))
    assert (await mailbox.take()).kind is Kind.MESSAGE, "what was taken makes room again"


async def test_a_heartbeat_is_only_for_those_who_have_nothing_else_to_read() -> None:
    mailbox = Mailbox()
    mailbox.beat(Position(1, 7))
    mailbox.beat(Position(1, 7))
    mailbox.put(message(8))
    mailbox.beat(Position(1, 8))
    assert await mailbox.take() == Event(Kind.HEARTBEAT, Position(1, 7))
    assert await mailbox.take() == message(8)
    mailbox.beat(Position(1, 8))
    assert (await mailbox.take()).kind is Kind.HEARTBEAT


async def test_a_mailbox_that_ends_gives_what_waits_first() -> None:
    mailbox = Mailbox()
    mailbox.put(message(1))
    mailbox.end(Refusal(Reason.DRAINING, "over"))
    assert await mailbox.take() == message(1)
    with pytest.raises(Refusal):
        await mailbox.take()


async def test_ending_wakes_whoever_waits() -> None:
    mailbox = Mailbox()
    taking = asyncio.ensure_future(mailbox.take())
    await asyncio.sleep(0)
    mailbox.end(Refusal(Reason.DRAINING, "over"))
    with pytest.raises(Refusal):
        await taking
