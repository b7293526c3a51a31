"""The desk sends what arrives together in one call, bounds what waits, and gives everybody the right answer."""

import asyncio
import time
from collections.abc import Sequence, Set
from dataclasses import replace

import pytest
from furlong.client import deadline
from furlong.common.v1.error_pb2 import Reason
from furlong.common.v1.ticket_pb2 import TicketResult

from services.chassis.refusal import Refusal
from services.game.adapters.persist.wire import verdict_to
from services.game.domain.order import NO_REVISION, Judgement, Line, Order, Verdict
from services.game.domain.phase import Phase
from services.game.domain.round import StoredRound, Terms, Totals
from services.game.domain.track import Source
from services.game.engine import pace
from services.game.engine.desk import JUDGED_MAX, Desk
from services.game.engine.offers import Offers
from services.game.engine.parcel import BYTES_MAX, bytes_at_most
from services.game.engine.quotes import Quotes
from services.game.ports import Appended, Placing
from tests.clocks import ManualClock
from tests.rounds import TRACK, stored_round

ACCOUNT = "0190d3c5-0000-7000-8000-000000000001"
QUEUE_MAX = 2_000


def order(number: int, *, runner: int = 1, lines: int = 1) -> Order:
    return Order(
        request_id=f"0190d3c5-0000-7000-8000-{number:012d}",
        account_id=ACCOUNT,
        lines=(Line(market=1, runners=(runner,), stake_minor=10, price_hundredths=0),) * lines,
    )


class Counter:
    """The store at the other end: answers when it is let, and remembers what came in which call."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.deadlines: list[float | None] = []
        self.reads: list[int] = []
        self.cancelled = 0
        self.failure: Exception | None = None
        self.failing_calls = range(1, 1_000)
        self.open = asyncio.Event()
        self.open.set()
        self.totals: list[tuple[str, int, Totals]] = []
        self.changed: list[tuple[str, Set[str]]] = []

    async def append(self, round_id: int, placings: Sequence[Placing]) -> Appended:
        self.calls.append([placing.order.request_id for placing in placings])
        self.deadlines.append(deadline.inbound())
        try:
            await self.open.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.failure is not None and len(self.calls) in self.failing_calls:
            raise self.failure
        answers = [
            TicketResult(
                request_id=placing.order.request_id,
                verdict=verdict_to(placing.judgement.verdict or Verdict.ACCEPTED),
            )
            for placing in placings
        ]
        return Appended(answers=answers, totals=Totals(tickets=len(self.calls), stake_minor=0))

    async def round(self, round_id: int) -> StoredRound:
        self.reads.append(round_id)
        await asyncio.sleep(0)
        if round_id == 404:
            raise Refusal(Reason.ROUND_UNKNOWN, "none")
        if round_id == 503:
            raise Refusal(Reason.DEPENDENCY_DOWN, "down")
        return stored_round(Phase.OPEN, round_id=round_id)


@pytest.fixture
async def store() -> Counter:
    return Counter()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(stored_round(Phase.OPEN).round.schedule.opens_at_ms)


@pytest.fixture
async def desk(store: Counter, clock: ManualClock) -> Desk:
    return desk_of(store, clock)[0]


def desk_of(store: Counter, clock: ManualClock) -> tuple[Desk, Quotes]:
    class Hub:
        def totals(self, track: str, round_id: int, totals: Totals) -> None:
            store.totals.append((track, round_id, totals))

        def changed(self, track: str, accounts: Set[str]) -> None:
            store.changed.append((track, accounts))

    offers = Offers(store)  # type: ignore[arg-type] # only rounds are asked for
    quotes = Quotes(offers=offers, clock=clock, keys=[b"quotes"], hold_ms=500)
    desk = Desk(
        store=store,  # type: ignore[arg-type] # only appends are asked for
        offers=offers,
        quotes=quotes,
        hub=Hub(),  # type: ignore[arg-type] # only totals are told
        clock=clock,
        queue_tickets_max=QUEUE_MAX,
    )
    return desk, quotes


async def turns() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_ticket_alone_goes_at_once(desk: Desk, store: Counter) -> None:
    answers = await desk.place(17, [order(1)])

    assert [answer.verdict for answer in answers] == [TicketResult.ACCEPTED]
    assert len(store.calls) == 1


async def test_what_arrives_while_a_call_is_under_way_goes_in_the_next(desk: Desk, store: Counter) -> None:
    await desk.place(17, [order(0)])
    store.open.clear()
    placing = [asyncio.ensure_future(desk.place(17, [order(n)])) for n in range(1, 101)]
    await turns()
    store.open.set()
    answers = await asyncio.gather(*placing)

    assert [len(call) for call in store.calls] == [1, 1, 99]
    assert [answer.request_id for [answer] in answers] == [order(n).request_id for n in range(1, 101)]


async def test_answers_come_in_the_order_of_the_orders(desk: Desk) -> None:
    numbers = [5, 3, 9, 1]
    answers = await desk.place(17, [order(number) for number in numbers])

    assert [answer.request_id for answer in answers] == [order(number).request_id for number in numbers]


async def test_a_call_to_the_store_has_200_tickets_at_most(desk: Desk, store: Counter) -> None:
    store.open.clear()
    placing = [asyncio.ensure_future(desk.place(17, [order(n * 100 + i) for i in range(100)])) for n in range(12)]
    await turns()
    store.open.set()
    await asyncio.gather(*placing)

    assert max(len(call) for call in store.calls) == 200
    assert sum(len(call) for call in store.calls) == 1_200


async def test_tickets_too_long_for_one_call_go_in_several(desk: Desk, store: Counter) -> None:
    orders = [order(number, lines=20) for number in range(500)]
    answers = await desk.place(17, orders)

    assert len(store.calls) > 1
    assert [answer.request_id for answer in answers] == [each.request_id for each in orders]
    assert max(len(call) for call in store.calls) * bytes_at_most(orders[0]) <= BYTES_MAX


async def test_a_full_call_does_not_wait_for_the_one_before_it(desk: Desk, store: Counter) -> None:
    store.open.clear()
    placing = [asyncio.ensure_future(desk.place(17, [order(0)]))]
    await turns()
    placing += [asyncio.ensure_future(desk.place(17, [order(n * 50 + i) for i in range(50)])) for n in range(1, 12)]
    await turns()

    assert [len(call) for call in store.calls] == [1, 200], "the rest waits, full or not: two are under way"
    store.open.set()
    await asyncio.gather(*placing)
    assert [len(call) for call in store.calls] == [1, 200, 200, 150]


async def test_the_parts_of_a_call_are_sent_one_after_the_other(desk: Desk, store: Counter) -> None:
    store.open.clear()
    whole = asyncio.ensure_future(desk.place(17, [order(n) for n in range(500)]))
    await turns()

    assert [len(call) for call in store.calls] == [200]
    store.open.set()
    answers = await whole
    assert [answer.request_id for answer in answers] == [order(n).request_id for n in range(500)]


async def test_rounds_do_not_wait_for_one_another(desk: Desk, store: Counter) -> None:
    store.open.clear()
    placing = [asyncio.ensure_future(desk.place(round_id, [order(round_id)])) for round_id in (1, 2, 3)]
    await turns()

    assert len(store.calls) == 3
    store.open.set()
    await asyncio.gather(*placing)


async def test_a_full_desk_refuses_and_says_when_to_come_back(desk: Desk, store: Counter) -> None:
    store.open.clear()
    waiting = [asyncio.ensure_future(desk.place(17, [order(n * 200 + i) for i in range(200)])) for n in range(12)]
    await turns()

    with pytest.raises(Refusal) as refused:
        await desk.place(17, [order(9_999)])
    assert refused.value.reason == Reason.OVERLOADED
    assert refused.value.retry_in_ms
    store.open.set()
    assert sum(len(answers) for answers in await asyncio.gather(*waiting)) == 2_400
    assert len(await desk.place(17, [order(9_999)])) == 1


async def test_an_order_whose_time_is_over_is_not_sent(desk: Desk, store: Counter) -> None:
    store.open.clear()
    first = asyncio.ensure_future(desk.place(17, [order(1)]))
    await turns()
    deadline.set_inbound(time.monotonic() - 1)
    late = asyncio.ensure_future(desk.place(17, [order(2)]))
    await turns()
    store.open.set()
    await first

    with pytest.raises(Refusal) as refused:
        await late
    assert refused.value.reason == Reason.OUT_OF_TIME
    assert store.calls == [[order(1).request_id]]


async def test_an_order_whose_caller_has_gone_is_not_sent(desk: Desk, store: Counter) -> None:
    store.open.clear()
    first = asyncio.ensure_future(desk.place(17, [order(1)]))
    await turns()
    gone = asyncio.ensure_future(desk.place(17, [order(2)]))
    await turns()
    gone.cancel()
    store.open.set()
    await first
    await turns()

    assert store.calls == [[order(1).request_id]]
    assert len(await desk.place(17, [order(3)])) == 1


async def test_a_call_is_cancelled_when_all_its_callers_have_gone(desk: Desk, store: Counter) -> None:
    store.open.clear()
    alone = asyncio.ensure_future(desk.place(17, [order(1)]))
    await turns()
    alone.cancel()
    await turns()

    assert store.cancelled == 1
    store.open.set()
    assert len(await desk.place(17, [order(2)])) == 1


async def test_a_call_goes_on_for_those_who_still_wait(desk: Desk, store: Counter) -> None:
    store.open.clear()
    first = asyncio.ensure_future(desk.place(17, [order(0)]))
    await turns()
    together = [asyncio.ensure_future(desk.place(17, [order(n)])) for n in (1, 2)]
    await turns()
    store.open.set()
    store.open.clear()
    await turns()
    together[0].cancel()
    await turns()
    store.open.set()

    assert store.cancelled == 0
    assert [answer.request_id for answer in await together[1]] == [order(2).request_id]
    await first


async def test_a_call_has_the_deadline_of_the_caller_who_waits_longest(desk: Desk, store: Counter) -> None:
    now_s = time.monotonic()
    store.open.clear()
    deadline.set_inbound(now_s + 1)
    placing = [asyncio.ensure_future(desk.place(17, [order(1)]))]
    await turns()
    for number, left_s in ((2, 5), (3, 9), (4, 7)):
        deadline.set_inbound(now_s + left_s)
        placing.append(asyncio.ensure_future(desk.place(17, [order(number)])))
        await turns()
    store.open.set()
    await asyncio.gather(*placing)

    assert store.deadlines == [now_s + 1, now_s + 9]


async def test_a_failure_is_told_to_everybody_whose_ticket_was_in_the_call(desk: Desk, store: Counter) -> None:
    store.failure = Refusal(Reason.OUTCOME_UNKNOWN, "lost")
    store.open.clear()
    placing = [asyncio.ensure_future(desk.place(17, [order(n)])) for n in range(10)]
    await turns()
    store.open.set()
    ends = await asyncio.gather(*placing, return_exceptions=True)

    assert {end.reason for end in ends if isinstance(end, Refusal)} == {Reason.OUTCOME_UNKNOWN}
    assert len(ends) == 10
    store.failure = None
    assert len(await desk.place(17, [order(99)])) == 1


@pytest.mark.parametrize(
    ("failing_calls", "told"),
    [
        (range(1, 9), Reason.DEPENDENCY_DOWN),
        (range(1, 2), Reason.OUTCOME_UNKNOWN),
        (range(2, 9), Reason.OUTCOME_UNKNOWN),
    ],
    ids=["all parts fail", "the first fails", "the others fail"],
)
async def test_a_call_in_parts_is_undone_only_if_every_part_is(
    desk: Desk, store: Counter, failing_calls: range, told: Reason.ValueType
) -> None:
    store.failure = Refusal(Reason.DEPENDENCY_DOWN, "nothing was done")
    store.failing_calls = failing_calls
    with pytest.raises(Refusal) as refused:
        await desk.place(1, [order(number, lines=20) for number in range(400)])
    assert len(store.calls) > 1
    assert refused.value.reason == told


async def test_the_rules_of_racing_are_asked_before_the_store(desk: Desk) -> None:
    answers = await desk.place(17, [order(1, runner=1), order(2, runner=3), order(3, runner=4)])

    assert [Verdict(answer.verdict).name for answer in answers] == ["ACCEPTED", "INVALID_SELECTION", "ACCEPTED"]


async def test_a_round_that_does_not_exist_is_the_verdict_on_its_orders(desk: Desk, store: Counter) -> None:
    answers = await desk.place(404, [order(1)])

    assert [Verdict(answer.verdict).name for answer in answers] == ["ROUND_NOT_FOUND"]
    await desk.place(404, [order(2)])
    assert store.reads == [404, 404], "a round that is not there may come to be"


async def test_a_store_that_is_down_refuses_the_call_and_is_asked_again_next_time(desk: Desk, store: Counter) -> None:
    for _ in range(2):
        with pytest.raises(Refusal) as refused:
            await desk.place(503, [order(1)])
        assert refused.value.reason == Reason.DEPENDENCY_DOWN

    assert store.reads == [503, 503]


async def test_an_offer_is_read_once_however_many_ask_for_it(desk: Desk, store: Counter) -> None:
    await asyncio.gather(*(desk.place(17, [order(n)]) for n in range(50)))

    assert store.reads == [17]


async def test_totals_are_told_to_the_watchers(desk: Desk, store: Counter) -> None:
    await desk.place(17, [order(1)])

    assert store.totals == [(TRACK.track, 17, Totals(tickets=1, stake_minor=0))]


async def test_nothing_is_kept_of_a_round_whose_tickets_are_answered(desk: Desk) -> None:
    for round_id in range(1, 50):
        await desk.place(round_id, [order(round_id)])
    await turns()

    assert desk._lanes == {}
    assert desk._queued_tickets == 0


async def test_tickets_wait_a_little_after_the_off_and_are_sent_then(
    desk: Desk, store: Counter, clock: ManualClock
) -> None:
    clock.advance_ms(TRACK.timetable.betting_window_ms)
    placing = asyncio.ensure_future(desk.place(17, [order(1)]))
    await turns()
    sent_at_the_off = len(store.calls)
    [answer] = await placing

    assert sent_at_the_off == 0
    assert answer.request_id == order(1).request_id
    assert len(store.calls) == 1


async def test_calls_are_small_shortly_before_the_off(desk: Desk, store: Counter, clock: ManualClock) -> None:
    clock.advance_ms(TRACK.timetable.betting_window_ms - 10)
    store.open.clear()
    placing = [asyncio.ensure_future(desk.place(17, [order(n * 20 + i) for i in range(20)])) for n in range(20)]
    await turns()
    store.open.set()
    await asyncio.gather(*placing)

    assert max(len(call) for call in store.calls) == 40
    assert sum(len(call) for call in store.calls) == 400


async def test_after_a_call_of_several_callers_the_next_one_waits_for_more(
    desk: Desk, store: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "GATHER_MS", 500)  # the ten below take longer than 10 ms to come, on a busy machine
    store.open.clear()
    first = [asyncio.ensure_future(desk.place(17, [order(n)])) for n in range(10)]
    await turns()
    store.open.set()
    await asyncio.gather(*first)
    late = []
    for n in range(10, 20):
        late.append(asyncio.ensure_future(desk.place(17, [order(n)])))
        await turns()
    await asyncio.gather(*late)

    assert [len(call) for call in store.calls] == [1, 9, 10]


# Prices that move


def entered(round_id: int, revision: int) -> StoredRound:
    """A round whose result will be entered; the price of runner 1 is 300 and as much more as its revision."""
    stored = stored_round(Phase.OPEN, round_id=round_id)
    runners = tuple(
        replace(runner, win_price_hundredths=300 + revision) if runner.runner == 1 else runner
        for runner in stored.round.runners
    )
    terms = Terms(source=Source.ENTERED)
    return replace(stored, round=replace(stored.round, runners=runners, price_revision=revision, terms=terms))


class Mover(Counter):
    """A store whose prices move `moves` times, each time just before tickets arrive."""

    def __init__(self, moves: int) -> None:
        super().__init__()
        self.moves = moves
        self.revision = 0
        self.sent: list[list[Judgement]] = []
        self.failing: Exception | None = None

    async def append(self, round_id: int, placings: Sequence[Placing]) -> Appended:
        if self.moves:
            self.moves -= 1
            self.revision += 1
        if self.sent and self.failing:
            raise self.failing
        self.sent.append([placing.judgement for placing in placings])
        appended = await super().append(round_id, placings)
        stale = [
            placing.judgement.price_revision not in (NO_REVISION, self.revision) and placing.order.request_id
            for placing in placings
        ]
        answers = [
            TicketResult(request_id=each) if each else answer
            for each, answer in zip(stale, appended.answers, strict=True)
        ]
        return replace(appended, answers=answers, undecided=any(stale))

    async def round(self, round_id: int) -> StoredRound:
        self.reads.append(round_id)
        return entered(round_id, self.revision)


def names_of(answers: Sequence[TicketResult]) -> list[str]:
    return [Verdict(answer.verdict).name for answer in answers]


async def test_an_order_judged_by_a_price_that_moved_is_judged_again_by_the_new_one(clock: ManualClock) -> None:
    store = Mover(moves=0)
    desk, _ = desk_of(store, clock)
    await desk.place(17, [order(0)])
    store.moves = 1
    exact = order(2)._replace(lines=(Line(1, (1,), 10, 300),))
    answers = await desk.place(17, [order(1), exact, order(3, runner=3), order(4)])

    assert [answer.request_id for answer in answers] == [order(n).request_id for n in (1, 2, 3, 4)]
    assert names_of(answers) == ["ACCEPTED", "PRICE_CHANGED", "INVALID_SELECTION", "ACCEPTED"]
    assert store.reads == [17, 17]
    assert [line.price_hundredths for judged in store.sent[-1] for line in judged.lines] == [301, 300, 301]
    await desk.place(17, [order(5)])
    assert store.reads == [17, 17], "the new offer is remembered"


@pytest.mark.parametrize(("moves", "verdict"), [(JUDGED_MAX - 1, "ACCEPTED"), (99, "PRICE_CHANGED")])
async def test_an_order_is_judged_only_so_often(clock: ManualClock, moves: int, verdict: str) -> None:
    store = Mover(moves)
    desk, _ = desk_of(store, clock)
    answers = await desk.place(17, [order(1)])

    assert names_of(answers) == [verdict]
    assert len(store.sent) == min(moves, JUDGED_MAX) + 1


@pytest.mark.parametrize(
    ("orders", "told"),
    [([order(1)], Reason.DEPENDENCY_DOWN), ([order(1), order(2, runner=3)], Reason.OUTCOME_UNKNOWN)],
    ids=["nothing was decided", "another order was"],
)
async def test_a_store_that_goes_down_between_two_judgements_leaves_in_doubt_what_it_decided_on(
    clock: ManualClock, orders: Sequence[Order], told: Reason.ValueType
) -> None:
    store = Mover(moves=1)
    desk, _ = desk_of(store, clock)
    store.failing = Refusal(Reason.DEPENDENCY_DOWN, "down")
    with pytest.raises(Refusal) as refused:
        await desk.place(17, orders)

    assert refused.value.reason == told
    store.failing = None
    assert names_of(await desk.place(17, [order(9)])) == ["ACCEPTED"], "nothing waits that is not there"


async def test_a_quote_is_of_the_prices_as_they_are_and_its_order_is_judged_once(clock: ManualClock) -> None:
    store = Mover(moves=0)
    desk, quotes = desk_of(store, clock)
    await desk.place(17, [order(0)])
    store.revision = 5  # nobody told this game
    quoted = await quotes.quote(17, order(1).lines)
    store.moves = 1
    sent = len(store.sent)
    answers = await desk.place(17, [order(1)._replace(quote=quoted.quote)])

    assert [line.price_hundredths for line in quoted.lines] == [305]
    assert quoted.expires_at_ms == clock.now_ms() + 500
    assert names_of(answers) == ["ACCEPTED"]
    [[judged]] = store.sent[sent:]
    assert [line.price_hundredths for line in judged.lines] == [305]
    assert judged.held_until_ms == quoted.expires_at_ms


async def test_a_quote_of_a_drawn_round_needs_no_read(clock: ManualClock) -> None:
    store = Counter()
    _, quotes = desk_of(store, clock)
    for _ in range(3):
        await quotes.quote(17, order(1).lines)
    assert store.reads == [17]


async def test_a_quote_ends_with_the_betting_and_none_is_given_after(clock: ManualClock) -> None:
    store = Counter()
    _, quotes = desk_of(store, clock)
    locks_at_ms = stored_round(Phase.OPEN).round.schedule.locks_at_ms
    clock.advance_ms(locks_at_ms - 1 - clock.now_ms())
    assert (await quotes.quote(17, order(1).lines)).expires_at_ms == locks_at_ms
    clock.advance_ms(1)
    with pytest.raises(Refusal) as late:
        await quotes.quote(17, order(1).lines)
    with pytest.raises(Refusal) as nowhere:
        await quotes.quote(404, order(1).lines)

    assert (late.value.reason, nowhere.value.reason) == (Reason.ROUND_PHASE, Reason.ROUND_UNKNOWN)
