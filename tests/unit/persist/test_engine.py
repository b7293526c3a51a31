"""The writer over a store in memory that can lose, forget and refuse."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from furlong.client.identity import uuid7
from furlong.common.v1.error_pb2 import Reason

from services.chassis.clock import SystemClock
from services.chassis.refusal import Refusal
from services.persist.domain.decision import Facts, GateRound, Judged, Payer
from services.persist.domain.round import NOTHING_SOLD, Limits, Phase, Totals
from services.persist.domain.ticket import Line, Order
from services.persist.domain.verdict import Verdict
from services.persist.engine import BATCH_ATTEMPTS_MAX, TicketWriter
from services.persist.ports import BatchLost, BatchUnknown
from tests.fakes.virtual_clock import VirtualClock

NOW = datetime.now(tz=UTC)


def order(stake_minor: int = 1) -> Order:
    line = Line(market=1, selection=b"\x01", stake_minor=stake_minor, price_hundredths=235)
    return Order(
        request_id=uuid7(),
        account_id="A",
        lines=(line,),
        stake_minor=stake_minor,
        content_hash=b"x",
        refusal=None,
        refusal_reason="",
    )


class MemoryStore:
    """Takes batches; `on` says what happens at a step of the nth batch."""

    def __init__(self, on: Callable[[str, int, Sequence[Order]], None] = lambda *_: None) -> None:
        self.batches: list[tuple[int, int]] = []
        self.committed: list[str] = []
        self.abandoned = 0
        self.hold = asyncio.Event()
        self.hold.set()
        self.entered = asyncio.Event()
        self._on = on

    async def begin(self, round_id: int) -> "MemoryBatch":
        self.entered.set()
        await self.hold.wait()
        batch = MemoryBatch(self, round_id, len(self.batches) + 1)
        self.batches.append((round_id, 0))
        self._on("begin", batch.number, ())
        return batch

    async def abandon(self) -> None:
        self.abandoned += 1

    def step(self, name: str, number: int, orders: Sequence[Order] = ()) -> None:
        self._on(name, number, orders)


class MemoryBatch:
    def __init__(self, store: MemoryStore, round_id: int, number: int) -> None:
        self._store = store
        self._round_id = round_id
        self.number = number
        self._orders: Sequence[Order] = ()

    async def read(self, orders: Sequence[Order]) -> Facts:
        self._orders = orders
        self._store.batches[self.number - 1] = (self._round_id, len(orders))
        self._store.step("read", self.number, orders)
        return Facts(
            now=NOW,
            batch_id=self.number,
            round=GateRound(
                round_id=self._round_id,
                track="harbour-mile",
                phase=Phase.OPEN,
                suspended=False,
                locks_at=NOW + timedelta(seconds=1),
                currency="EUR",
                escrow_account_id="escrow",
                totals=NOTHING_SOLD,
                limits=Limits(stake_min_minor=1, stake_max_minor=1_000),
                sold={},
            ),
            keys={},
            payers={"A": Payer(currency="EUR", balance_minor=10**9, floor_minor=0, blocked=False)},
        )

    async def write(self, facts: Facts, judged: Judged) -> Totals:
        self._store.step("write", self.number, self._orders)
        return Totals(tickets=len(judged.accepted), stake_minor=0, payout_minor_max=0)

    async def commit(self) -> None:
        self._store.step("commit", self.number, self._orders)
        self._store.committed += [each.request_id for each in self._orders]


@asynccontextmanager
async def writing(store: MemoryStore, queue_max: int = 1_000, batch_max: int = 5) -> AsyncIterator[TicketWriter]:
    writer = TicketWriter(stores=[store], queue_max=queue_max, batch_max=batch_max, clock=SystemClock())
    writer.start()
    try:
        yield writer
    finally:
        await writer.close()


def at(step: str, batches: Sequence[int], error: Exception) -> Callable[[str, int, Sequence[Order]], None]:
    def on(name: str, number: int, _: Sequence[Order]) -> None:
        if name == step and number in batches:
            raise error

    return on


async def submitted(writer: TicketWriter, sizes: Sequence[int], round_id: int = 1) -> list[asyncio.Task[object]]:
    """Submit calls of these sizes and let them reach the queue."""
    tasks: list[asyncio.Task[object]] = [
        asyncio.create_task(writer.submit(round_id, [order() for _ in range(size)], None)) for size in sizes
    ]
    await asyncio.sleep(0)
    return tasks


async def reason_of(task: "asyncio.Task[object]") -> str:
    with pytest.raises(Refusal) as refused:
        await task
    return Reason.Name(refused.value.reason)


async def test_what_arrives_while_a_commit_is_under_way_is_the_next_batch() -> None:
    store = MemoryStore()
    async with writing(store) as writer:
        store.hold.clear()
        first = await submitted(writer, [1])
        await store.entered.wait()
        rest = await submitted(writer, [1, 1, 1])
        store.hold.set()
        await asyncio.gather(*first, *rest)
    assert [size for _, size in store.batches] == [1, 3]


async def test_a_call_is_never_split_and_a_batch_stays_within_its_bound() -> None:
    store = MemoryStore()
    async with writing(store, batch_max=5) as writer:
        store.hold.clear()
        tasks = await submitted(writer, [1, 3, 3, 7, 2])
        store.hold.set()
        answers = await asyncio.gather(*tasks)
    assert [size for _, size in store.batches] == [4, 3, 7, 2]
    assert [len(answer.decisions) for answer in answers] == [1, 3, 3, 7, 2]  # type: ignore[attr-defined] # an Answer


async def test_rounds_of_one_lane_take_turns() -> None:
    store = MemoryStore()
    async with writing(store, batch_max=2) as writer:
        store.hold.clear()
        tasks = [*(await submitted(writer, [2, 2, 2], 1)), *(await submitted(writer, [2], 2))]
        store.hold.set()
        await asyncio.gather(*tasks)
    assert [round_id for round_id, _ in store.batches] == [1, 2, 1, 1]


async def test_a_full_queue_refuses_and_takes_again_when_it_has_room() -> None:
    store = MemoryStore()
    async with writing(store, queue_max=4) as writer:
        store.hold.clear()
        taken = await submitted(writer, [1])
        await store.entered.wait()
        waiting = await submitted(writer, [4])
        (over,) = await submitted(writer, [1])
        with pytest.raises(Refusal) as refused:
            await over
        assert refused.value.reason == Reason.OVERLOADED
        assert refused.value.retry_in_ms
        store.hold.set()
        await asyncio.gather(*taken, *waiting, *(await submitted(writer, [4])))


async def test_a_call_whose_time_is_over_or_that_was_cancelled_is_dropped_before_it_is_sent() -> None:
    store = MemoryStore()
    clock = SystemClock()
    async with writing(store) as writer:
        store.hold.clear()
        first = await submitted(writer, [1])
        await store.entered.wait()
        late = asyncio.create_task(writer.submit(1, [order()], clock.monotonic_s()))
        (gone,) = await submitted(writer, [1])
        good = await submitted(writer, [1])
        gone.cancel()
        store.hold.set()
        await asyncio.gather(*first, *good)
        with pytest.raises(Refusal) as refused:
            await late
    assert refused.value.reason == Reason.OUT_OF_TIME
    assert [size for _, size in store.batches] == [1, 1]


@pytest.mark.parametrize("step", ["begin", "read", "write"])
async def test_a_batch_lost_before_the_commit_is_tried_again_where_that_makes_sense(step: str) -> None:
    store = MemoryStore(at(step, [1], BatchLost("another was first", retry=True)))
    async with writing(store) as writer:
        (answer,) = await asyncio.gather(*(await submitted(writer, [1])))
    assert answer.decisions[0].verdict is Verdict.ACCEPTED  # type: ignore[attr-defined] # an Answer
    assert len(store.batches) == 2


async def test_a_batch_that_loses_every_attempt_was_not_done() -> None:
    store = MemoryStore(at("write", range(100), BatchLost("always", retry=True)))
    async with writing(store) as writer:
        (task,) = await submitted(writer, [1])
        assert await reason_of(task) == "DEPENDENCY_DOWN"
    assert len(store.batches) == BATCH_ATTEMPTS_MAX


async def test_a_database_that_is_down_is_told_at_once() -> None:
    store = MemoryStore(at("begin", [1], BatchLost("refused", retry=False)))
    async with writing(store) as writer:
        tasks = await submitted(writer, [1, 1])
        assert [await reason_of(task) for task in tasks] == ["DEPENDENCY_DOWN"] * 2
        await asyncio.gather(*(await submitted(writer, [1])))


async def test_only_a_commit_that_was_sent_leaves_the_outcome_unknown() -> None:
    store = MemoryStore(at("commit", [1], BatchUnknown("lost")))
    async with writing(store) as writer:
        (task,) = await submitted(writer, [1])
        assert await reason_of(task) == "OUTCOME_UNKNOWN"
        await asyncio.gather(*(await submitted(writer, [1])))


async def test_one_call_that_breaks_the_batch_fails_alone() -> None:
    poison = 666

    def on(name: str, _: int, orders: Sequence[Order]) -> None:
        if name == "write" and any(each.stake_minor == poison for each in orders):
            raise ValueError("a defect")

    store = MemoryStore(on)
    async with writing(store) as writer:
        store.hold.clear()
        good = await submitted(writer, [1, 1])
        bad = asyncio.create_task(writer.submit(1, [order(poison)], None))
        more = await submitted(writer, [1])
        store.hold.set()
        await asyncio.gather(*good, *more)
        with pytest.raises(ValueError, match="a defect"):
            await bad
    assert len(store.committed) == 3
    assert store.abandoned > 0


async def test_the_writer_lives_through_everything_a_store_can_raise() -> None:
    class Strange(Exception):
        pass

    for step in ("begin", "read", "write", "commit"):
        store = MemoryStore(at(step, [1], Strange("never seen before")))
        async with writing(store) as writer:
            (task,) = await submitted(writer, [1])
            with pytest.raises(Strange):
                await task
            await asyncio.gather(*(await submitted(writer, [1])))
            assert writer.alive()


async def test_a_writer_that_closes_answers_everybody() -> None:
    store = MemoryStore()
    async with writing(store) as writer:
        store.hold.clear()
        under_way = await submitted(writer, [1])
        await store.entered.wait()
        waiting = await submitted(writer, [1])
    assert await reason_of(under_way[0]) == "OUTCOME_UNKNOWN"
    assert await reason_of(waiting[0]) == "DRAINING"
    assert not writer.alive()


async def test_a_writer_places_while_it_carries_batches_and_a_moment_longer() -> None:
    clock = VirtualClock()
    writer = TicketWriter(stores=[MemoryStore()], queue_max=10, batch_max=5, clock=clock)
    writer.start()
    try:
        assert not writer.is_placing()
        await writer.submit(1, [order()], None)
        assert writer.is_placing()
        await clock.run_for_ms(999)
        assert writer.is_placing()
        await clock.run_for_ms(1)
        assert not writer.is_placing()
    finally:
        await writer.close()
