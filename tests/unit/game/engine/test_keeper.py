"""The keeper moves rounds on in order and in time, and picks them up wherever an outage left them."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from hashlib import sha256

import pytest
from furlong.common.v1.error_pb2 import Reason

from services.chassis.refusal import Refusal
from services.game.domain.card import RaceCard, Runner
from services.game.domain.chances import Chances, chances
from services.game.domain.draw import commitment
from services.game.domain.order import Line, Market, Order, judge, offer_of
from services.game.domain.race_result import RaceResult
from services.game.domain.round import Round
from services.game.domain.track import Program, Source, Track, TrackChange, TrackState
from services.game.domain.winners import winners
from services.game.engine.beacons import NO_BEACONS, Beacons
from services.game.engine.keeper import BEACON_PAUSE_MS, REFUSED_PAUSE_MS, STANDSTILL_LOOK_MS, Keeper
from services.game.engine.seeds import Seeds
from services.game.ports import BeaconSilent, Placing
from tests.beacon import chain_of_tests, signed
from tests.fakes.persist_store import FakePersist
from tests.fakes.plain_seal import PlainSeal
from tests.fakes.seeded_chance import SeededChance
from tests.fakes.virtual_clock import VirtualClock
from tests.loopback import until
from tests.model import draw as model
from tests.rounds import CARD, TRACK

LOCK_MS, START_MS, FINISH_MS, END_MS = 1_000, 1_100, 2_000, 2_500
"""When the parts of a round of TRACK begin, counted from its opening."""

CHAIN_LENGTH = 50

UNAVAILABLE = Refusal(Reason.DEPENDENCY_DOWN, "down")
UNKNOWN = Refusal(Reason.OUTCOME_UNKNOWN, "lost")


class Stable:
    """A store with one track, and keepers of it that can be killed."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.store = FakePersist(self.clock)
        self.seal = PlainSeal()
        self.chance = SeededChance()
        self.beacons = NO_BEACONS
        self.published: list[Round] = []
        self.began_ms = self.clock.now_ms()
        self._leaders = 0

    async def prepare(self, cards: int = 1, track: Track = TRACK) -> None:
        await self.store.create_track(request_id="", track=track)
        if cards:
            named = [replace(CARD, card_id=0, name=f"Race {n}") for n in range(cards)]
            await self.store.put_cards(request_id="", track=TRACK.track, cards=named)

    async def keeper(self) -> Keeper:
        """A keeper under a new epoch, as if the lease of the one before had ended."""
        self._leaders += 1
        self.store._leases.pop(TRACK.track, None) if self._leaders == 1 else None
        lease = self.store._leases.get(TRACK.track)
        if lease is not None:
            lease.ends_at_ms = 0
        epoch = await self.store.acquire(request_id="", track=TRACK.track, holder=f"game {self._leaders}", ttl_ms=10**9)
        return Keeper(
            track=TRACK.track,
            epoch=epoch,
            store=self.store,
            seal=self.seal,
            seeds=Seeds(store=self.store, seal=self.seal, clock=self.clock, chance=self.chance, length=CHAIN_LENGTH),
            beacons=self.beacons,
            clock=self.clock,
            chance=self.chance,
            published=self.published.append,
        )

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[Keeper]:
        """A keeper at work; it is killed at the end without a word, as by SIGKILL."""
        keeper = await self.keeper()
        task = asyncio.create_task(keeper.run())
        try:
            yield keeper
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def run_to(self, ms: int) -> None:
        await self.clock.run_until_ms(self.began_ms + ms)

    async def history(self) -> list[tuple[int, str]]:
        """All transitions: round and phase."""
        transitions = await self.store.transitions(TRACK.track, 0, 1_000)
        return [(stored.round.round_id, stored.round.phase.name) for stored in transitions.items]

    async def set_state(self, state: TrackState) -> None:
        """What an operator does to the track, at whichever game."""
        await self.store.set_state(request_id="", track=TRACK.track, state=state, reason="rain", actor="operator")

    async def sell(self, round_id: int = 1) -> None:
        """Somebody buys a ticket."""
        round_ = (await self.store.round(round_id)).round
        line = Line(market=Market.WIN, runners=(1,), stake_minor=10, price_hundredths=0)
        order = Order(request_id=f"ticket on {round_id}", account_id="somebody", lines=(line,))
        placing = Placing(order=order, judgement=judge(order, offer_of(round_)), content_hash=b"")
        assert (await self.store.append(round_id, [placing])).answers[0].ticket is not None

    def writes(self, method: str) -> list[str]:
        return [request_id for name, request_id in self.store.writes if name == method]


@pytest.fixture
async def stable() -> Stable:
    stable = Stable()
    await stable.prepare()
    return stable


def phases(history: Sequence[tuple[int, str]], round_id: int) -> list[str]:
    return [phase for number, phase in history if number == round_id]


WHOLE = ["OPEN", "LOCKED", "RUNNING", "FINISHED", "SETTLED"]


@pytest.mark.parametrize(
    ("at_ms", "expected"),
    [
        (0, ["OPEN"]),
        (LOCK_MS - 1, ["OPEN"]),
        (LOCK_MS, ["OPEN", "LOCKED"]),
        (START_MS - 1, ["OPEN", "LOCKED"]),
        (START_MS, ["OPEN", "LOCKED", "RUNNING"]),
        (FINISH_MS - 1, ["OPEN", "LOCKED", "RUNNING"]),
        (FINISH_MS, WHOLE),
        (END_MS - 1, WHOLE),
    ],
)
async def test_a_round_moves_on_at_its_times(stable: Stable, at_ms: int, expected: list[str]) -> None:
    async with stable.kept():
        await stable.run_to(at_ms)

        assert await stable.history() == [(1, phase) for phase in expected]


async def test_the_next_round_opens_when_the_finish_screen_ends(stable: Stable) -> None:
    async with stable.kept():
        await stable.run_to(END_MS)

        assert await stable.history() == [*((1, phase) for phase in WHOLE), (2, "OPEN")]


@pytest.mark.parametrize(
    ("runners", "program", "places", "place_return_bps"),
    [
        (4, Program(), 0, 9_100),
        (5, Program(), 2, 9_100),
        (8, Program(place_return_bps=8_500), 3, 8_500),
    ],
)
async def test_a_round_is_opened_with_the_places_of_its_field_and_their_prices(
    runners: int, program: Program, places: int, place_return_bps: int
) -> None:
    stable = Stable()
    field = tuple(Runner(runner=number, name="", weight=10) for number in range(1, runners + 1))
    await stable.store.create_track(request_id="", track=replace(TRACK, program=program))
    await stable.store.put_cards(request_id="", track=TRACK.track, cards=[replace(CARD, card_id=0, runners=field)])
    async with stable.kept():
        await stable.run_to(0)
        opened = (await stable.store.round(1)).round

    assert (opened.terms.places, opened.terms.place_return_bps) == (places, place_return_bps)
    price_hundredths = place_return_bps * runners // (100 * places) if places else 0
    assert {runner.place_price_hundredths for runner in opened.runners} == {price_hundredths}


async def test_every_transition_is_published_once_in_order(stable: Stable) -> None:
    async with stable.kept():
        await stable.run_to(3 * END_MS)

    assert [round_.transition_seq for round_ in stable.published] == list(range(1, len(stable.published) + 1))


async def test_the_result_is_what_the_seed_and_the_locked_tickets_say(stable: Stable) -> None:
    async with stable.kept():
        await stable.run_to(START_MS)

    stored = await stable.store.round(1)
    round_ = stored.round
    assert commitment(stored.server_seed).hex() == round_.commitment
    key = model.key(stored.server_seed, round_.track, 1, "", round_.tickets_root)
    field = [(runner.runner, runner.weight) for runner in round_.runners]
    assert list(round_.result) == model.finishing_order(field, model.words(key))
    order = [method for method, _ in stable.store.writes if method in ("lock_round", "start_race")]
    assert order == ["lock_round", "start_race"]


async def test_no_two_rounds_have_the_same_seed(stable: Stable) -> None:
    async with stable.kept():
        await stable.run_to(10 * END_MS)

    commitments = [stored.round.commitment for stored in (await stable.store.rounds(TRACK.track, 100, "")).items]
    assert len(set(commitments)) == len(commitments) == 11


@pytest.mark.parametrize("killed_ms", [0, 500, LOCK_MS, 1_050, START_MS, 1_500, FINISH_MS, 2_200, END_MS])
@pytest.mark.parametrize("away_ms", [0, 100, 1_000, 3_000, 3_600_000])
async def test_a_round_is_picked_up_wherever_the_keeper_was_killed(
    stable: Stable, killed_ms: int, away_ms: int
) -> None:
    async with stable.kept():
        await stable.run_to(killed_ms)
    before = await stable.history()
    await stable.run_to(killed_ms + away_ms)
    async with stable.kept():
        await stable.run_to(killed_ms + away_ms + 3 * END_MS)
    history = await stable.history()

    assert history[: len(before)] == before
    done = sorted({round_id for round_id, _ in history})
    assert len(done) >= 2, "the next rounds opened"
    for round_id in done[:-1]:
        assert phases(history, round_id) == WHOLE
    assert phases(history, done[-1]) == WHOLE[: len(phases(history, done[-1]))]


@pytest.mark.parametrize("method", ["open_round", "lock_round", "start_race", "finish_round", "settle_round"])
async def test_a_keeper_killed_while_a_write_was_under_way_leaves_nothing_done_twice(
    stable: Stable, method: str
) -> None:
    stable.store.fail(method, asyncio.CancelledError(), done=True)  # type: ignore[arg-type] # killed before the answer
    async with stable.kept():
        await stable.run_to(FINISH_MS)
    async with stable.kept():
        await stable.run_to(END_MS - 1)

    assert await stable.history() == [(1, phase) for phase in WHOLE]


@pytest.mark.parametrize(
    "method", ["open_round", "lock_round", "start_race", "finish_round", "settle_round", "next_card", "track"]
)
@pytest.mark.parametrize("failure", [UNAVAILABLE, Refusal(Reason.OVERLOADED, "full"), RuntimeError("a defect")])
async def test_a_round_goes_on_when_the_store_is_back(stable: Stable, method: str, failure: Exception) -> None:
    stable.store.fail(method, failure, failure)
    async with stable.kept():
        await stable.run_to(2 * END_MS)

    history = await stable.history()
    assert phases(history, 1) == WHOLE
    assert len(history) == len(set(history))


@pytest.mark.parametrize("method", ["open_round", "lock_round", "start_race", "finish_round"])
async def test_a_write_whose_answer_was_lost_is_asked_again_under_the_same_id(stable: Stable, method: str) -> None:
    stable.store.fail(method, UNKNOWN, done=True)
    async with stable.kept():
        await stable.run_to(FINISH_MS + 500)

    first, second, *_ = stable.writes(method)
    assert first == second
    history = await stable.history()
    assert len(history) == len(set(history))
    assert phases(history, 1) == WHOLE


async def test_a_lock_that_comes_too_early_for_the_store_waits_for_its_clock() -> None:
    stable = Stable()

    class Slow(VirtualClock):
        def now_ms(self) -> int:
            return stable.clock.now_ms() - 300

    stable.store.clock = Slow()
    await stable.prepare()
    early_ms = 300  # the schedule is the store's, whose clock is behind ours
    async with stable.kept():
        await stable.run_to(LOCK_MS - early_ms)
        assert stable.writes("lock_round")
        assert await stable.history() == [(1, "OPEN")]
        await stable.run_to(LOCK_MS - 1)
        assert await stable.history() == [(1, "OPEN")]
        await stable.run_to(LOCK_MS)
        assert await stable.history() == [(1, "OPEN"), (1, "LOCKED")]


async def test_a_stale_epoch_ends_the_keeper_and_changes_nothing(stable: Stable) -> None:
    old = await stable.keeper()
    task = asyncio.create_task(old.run())
    await stable.run_to(LOCK_MS - 1)
    await stable.keeper()  # another game takes the track, and does nothing yet
    await stable.run_to(END_MS)

    assert task.done()
    error = task.exception()
    assert isinstance(error, Refusal)
    assert error.reason == Reason.EPOCH_STALE
    assert await stable.history() == [(1, "OPEN")]


async def test_a_stale_epoch_at_the_settlement_ends_the_keeper_too(stable: Stable) -> None:
    stable.store.fail("settle_round", Refusal(Reason.EPOCH_STALE, "over"))
    keeper = await stable.keeper()
    task = asyncio.create_task(keeper.run())
    await stable.run_to(FINISH_MS)

    assert isinstance(task.exception(), Refusal)


async def test_a_round_whose_seed_is_lost_is_void_and_the_next_one_opens(stable: Stable) -> None:
    async with stable.kept():
        await stable.run_to(LOCK_MS)
        stable.seal.is_lost = True
        await stable.run_to(START_MS)
        stable.seal.is_lost = False
        await stable.run_to(START_MS + 1)

    assert await stable.history() == [(1, "OPEN"), (1, "LOCKED"), (1, "VOID"), (2, "OPEN")]
    assert (await stable.store.round(1)).server_seed == b""


@pytest.mark.parametrize("void_ms", [500, 1_050])
async def test_the_next_round_opens_as_soon_as_a_void_is_told(stable: Stable, void_ms: int) -> None:
    async with stable.kept() as keeper:
        await stable.run_to(void_ms)
        await stable.store.void_round(request_id="", round_id=1, epoch=0, reason="rain", actor="operator")
        keeper.wake()
        await stable.run_to(void_ms)

        assert (await stable.history())[-2:] == [(1, "VOID"), (2, "OPEN")]


async def test_a_void_that_nobody_told_is_seen_at_the_next_transition(stable: Stable) -> None:
    async with stable.kept():
        await stable.run_to(500)
        await stable.store.void_round(request_id="", round_id=1, epoch=0, reason="rain", actor="operator")
        await stable.run_to(LOCK_MS)

        assert await stable.history() == [(1, "OPEN"), (1, "VOID"), (2, "OPEN")]


async def test_a_track_without_a_card_opens_when_one_is_imported() -> None:
    stable = Stable()
    await stable.prepare(cards=0)
    async with stable.kept() as keeper:
        await stable.run_to(1_000)
        assert await stable.history() == []
        await stable.store.put_cards(request_id="", track=TRACK.track, cards=[CARD])
        keeper.wake()
        await stable.run_to(1_000)

        assert await stable.history() == [(1, "OPEN")]


@pytest.mark.parametrize("state", [TrackState.PAUSED, TrackState.SUSPENDED])
@pytest.mark.parametrize("stopped_ms", [0, LOCK_MS, START_MS, FINISH_MS, END_MS - 1])
async def test_a_track_that_is_stopped_ends_its_round_and_opens_no_other(
    stable: Stable, state: TrackState, stopped_ms: int
) -> None:
    async with stable.kept() as keeper:
        await stable.run_to(stopped_ms)
        await stable.set_state(state)
        keeper.wake()
        await stable.run_to(60_000)

        assert await stable.history() == [(1, phase) for phase in WHOLE]


async def test_a_track_that_is_resumed_opens_at_once_when_told(stable: Stable) -> None:
    async with stable.kept() as keeper:
        await stable.run_to(0)
        await stable.set_state(TrackState.PAUSED)
        await stable.run_to(60_000)
        await stable.set_state(TrackState.RUNNING)
        keeper.wake()
        await stable.run_to(60_000)

        assert await stable.history() == [*((1, phase) for phase in WHOLE), (2, "OPEN")]


async def test_a_resumption_that_nobody_told_is_seen_within_a_look(stable: Stable) -> None:
    async with stable.kept():
        await stable.run_to(0)
        await stable.set_state(TrackState.PAUSED)
        await stable.run_to(60_000)
        await stable.set_state(TrackState.RUNNING)
        await stable.run_to(60_000 + STANDSTILL_LOOK_MS)

        assert (2, "OPEN") in await stable.history()


async def test_a_track_that_is_resumed_before_its_round_ends_misses_nothing(stable: Stable) -> None:
    async with stable.kept():
        await stable.run_to(0)
        await stable.set_state(TrackState.SUSPENDED)
        await stable.run_to(FINISH_MS)
        await stable.set_state(TrackState.RUNNING)
        await stable.run_to(END_MS)

        assert (await stable.history())[-1] == (2, "OPEN")


async def test_a_void_on_a_track_that_is_stopped_opens_nothing(stable: Stable) -> None:
    async with stable.kept() as keeper:
        await stable.run_to(0)
        await stable.set_state(TrackState.PAUSED)
        await stable.store.void_round(request_id="", round_id=1, epoch=0, reason="rain", actor="operator")
        keeper.wake()
        await stable.run_to(60_000)

        assert await stable.history() == [(1, "OPEN"), (1, "VOID")]


async def test_a_track_that_was_stopped_before_its_first_round_opens_when_it_is_resumed(stable: Stable) -> None:
    await stable.set_state(TrackState.PAUSED)
    async with stable.kept() as keeper:
        await stable.run_to(1_000)
        assert await stable.history() == []
        await stable.set_state(TrackState.RUNNING)
        keeper.wake()
        await stable.run_to(1_000)

        assert await stable.history() == [(1, "OPEN")]


async def test_a_keeper_that_takes_over_a_stopped_track_leaves_it_so(stable: Stable) -> None:
    async with stable.kept():
        await stable.run_to(0)
        await stable.set_state(TrackState.PAUSED)
        await stable.run_to(START_MS)
    async with stable.kept():
        await stable.run_to(60_000)

        assert await stable.history() == [(1, phase) for phase in WHOLE]


async def test_a_stop_in_the_moment_of_the_opening_opens_nothing(stable: Stable) -> None:
    next_card = stable.store.next_card

    async def stopped_meanwhile(track: str) -> RaceCard:
        await stable.set_state(TrackState.PAUSED)
        return await next_card(track)

    stable.store.next_card = stopped_meanwhile  # type: ignore[method-assign] # an operator is quick
    async with stable.kept():
        await stable.run_to(60_000)

        assert await stable.history() == []


async def test_a_track_that_is_read_as_running_after_it_was_stopped_is_not_asked_without_a_pause(
    stable: Stable,
) -> None:
    async def stale(track: str) -> Track:
        return TRACK

    async with stable.kept():
        await stable.run_to(END_MS - 1)
        await stable.set_state(TrackState.PAUSED)
        stable.store.track = stale  # type: ignore[method-assign] # as a cache does that was not told
        asked = len(stable.store.calls)
        await stable.run_to(END_MS + 2 * REFUSED_PAUSE_MS - 1)

        # Once more than there are pauses: the first refusal shows that the round was settled, and is tried again.
        assert stable.store.calls[asked:].count("open_round") == 3


async def test_cards_take_turns() -> None:
    stable = Stable()
    await stable.prepare(cards=3)
    async with stable.kept():
        await stable.run_to(4 * END_MS)

    names = [stored.round.race_name for stored in reversed((await stable.store.rounds(TRACK.track, 10, "")).items)]
    assert names == ["Race 0", "Race 1", "Race 2", "Race 0", "Race 1"]


async def test_a_settlement_that_fails_holds_up_nothing_and_is_tried_again(stable: Stable) -> None:
    stable.store.fail("settle_round", *[UNAVAILABLE] * 4)
    async with stable.kept():
        await stable.run_to(END_MS)
        assert (await stable.history())[-1] == (2, "OPEN")
        await stable.run_to(3 * END_MS - 1)

    history = await stable.history()
    assert phases(history, 1) == WHOLE
    assert phases(history, 2) == WHOLE


async def test_a_settlement_that_can_never_be_made_does_not_stop_the_others(stable: Stable) -> None:
    async with stable.kept():
        await stable.run_to(FINISH_MS - 1)
        settle = stable.store.settle_round

        async def never_the_first(**asked: object) -> object:
            if asked["round_id"] == 1:
                raise RuntimeError("poison")
            return await settle(**asked)  # type: ignore[arg-type] # passed on as it came

        stable.store.settle_round = never_the_first  # type: ignore[method-assign, assignment] # one round is poison
        await stable.run_to(3 * END_MS - 1)

    history = await stable.history()
    assert phases(history, 1) == WHOLE[:-1]
    assert phases(history, 2) == WHOLE


async def test_a_decided_settlement_is_posted_turn_by_turn_until_the_round_is_settled(stable: Stable) -> None:
    stable.store.posting_turns = 3
    async with stable.kept():
        await stable.run_to(0)
        await stable.sell()
        await stable.run_to(END_MS - 1)

    assert phases(await stable.history(), 1) == WHOLE
    assert stable.store.calls.count("post_settlement") == 3
    assert len(stable.writes("settle_round")) == 1
    assert [round_.phase.name for round_ in stable.published][-2:] == ["FINISHED", "SETTLED"]


async def test_a_posting_that_fails_is_taken_up_where_it_stopped_by_whoever_leads(stable: Stable) -> None:
    stable.store.posting_turns = 2
    stable.store.fail("post_settlement", UNAVAILABLE)
    async with stable.kept():
        await stable.run_to(0)
        await stable.sell()
        await stable.run_to(FINISH_MS)
    assert phases(await stable.history(), 1) == WHOLE[:-1]
    async with stable.kept():
        await stable.run_to(FINISH_MS + 1)

    assert phases(await stable.history(), 1) == WHOLE
    assert len(stable.writes("settle_round")) == 1, "what is decided is not decided again"


async def test_what_an_operator_decided_is_posted_by_the_keeper_when_it_is_woken(stable: Stable) -> None:
    async with stable.kept() as keeper:
        await stable.run_to(0)
        await stable.sell()
        await stable.run_to(FINISH_MS)
        settled = (await stable.store.round(1)).round
        right = RaceResult(order=settled.result[::-1])
        paid = winners(replace(settled, result=right.order))
        await stable.store.correct_result(
            request_id="", round_id=1, result=right, winners=paid, reason="photo", actor="operator"
        )
        await stable.run_to(END_MS)
        await stable.sell(2)
        await stable.store.void_round(request_id="", round_id=2, epoch=0, reason="rain", actor="operator")
        assert [(await stable.store.round(each)).posting for each in (1, 2)] == [True, True]
        keeper.wake()
        await stable.run_to(END_MS + 1)

        assert [(await stable.store.round(each)).posting for each in (1, 2)] == [False, False]
    assert (await stable.history())[-1] == (3, "OPEN")


async def test_the_keeper_waits_for_the_clock_and_never_polls(stable: Stable) -> None:
    async with stable.kept():
        await stable.run_to(0)
        asked = len(stable.store.calls)
        await stable.run_to(LOCK_MS - 1)

        assert len(stable.store.calls) == asked


async def test_a_track_with_times_of_its_own_waits_for_them() -> None:
    stable = Stable()
    await stable.prepare()
    every_ms = 10_000
    stable.store._tracks[TRACK.track] = replace(TRACK, program=Program(every_ms=every_ms))
    async with stable.kept():
        await stable.run_to(6_999)
        assert await stable.history() == []
        await stable.run_to(7_000)  # three seconds, a betting window of one is too short
        assert await stable.history() == [(1, "OPEN")]
        await stable.run_to(9_999)
        assert phases(await stable.history(), 1) == ["OPEN"]
        await stable.run_to(10_000)
        assert phases(await stable.history(), 1) == ["OPEN", "LOCKED"]
        await stable.run_to(40_000)
        assert [
            round_.schedule.locks_at_ms - stable.began_ms for round_ in stable.published if round_.revision == 1
        ] == [every_ms * n for n in range(1, 5)]


async def test_an_off_that_is_missed_is_skipped_and_not_made_up_for() -> None:
    stable = Stable()
    await stable.prepare()
    stable.store._tracks[TRACK.track] = replace(TRACK, program=Program(every_ms=10_000))
    async with stable.kept():
        await stable.run_to(7_500)
    await stable.run_to(38_600)  # the round lies open all the while; the next off is 1,400 ms away
    async with stable.kept():
        await stable.run_to(51_000)
    opened = [round_ for round_ in stable.published if round_.revision == 1]
    assert [round_.schedule.locks_at_ms - stable.began_ms for round_ in opened] == [10_000, 10_000, 50_000]


async def test_an_off_that_the_store_finds_missed_is_given_up_for_the_next() -> None:
    stable = Stable()
    await stable.prepare()
    stable.store._tracks[TRACK.track] = replace(TRACK, program=Program(every_ms=10_000))
    stable.store.fail("open_round", *[Refusal(Reason.DEPENDENCY_DOWN, "down", retry_in_ms=1_000)] * 8)
    async with stable.kept():
        await stable.run_to(30_000)  # asked from 7,000 on for the off at 10,000, for as long as the store is down
    rounds = (await stable.store.rounds(TRACK.track, 9, "")).items
    assert [stored.round.schedule.locks_at_ms - stable.began_ms for stored in rounds] == [30_000, 20_000]
    assert len(set(stable.writes("open_round"))) == 3, "one that was given up, and one for each round"


async def test_new_times_hold_from_the_next_round_on() -> None:
    stable = Stable()
    await stable.prepare()
    stable.store._tracks[TRACK.track] = replace(TRACK, program=Program(every_ms=3_600_000))
    async with stable.kept():
        await stable.run_to(100_000)
        assert await stable.history() == []
        stable.store._tracks[TRACK.track] = TRACK
        await stable.run_to(100_000 + STANDSTILL_LOOK_MS)  # nobody said so
        assert (await stable.history())[0] == (1, "OPEN")


async def test_a_card_that_a_lower_return_has_made_unpriceable_waits_for_a_higher_one() -> None:
    stable = Stable()
    strong = replace(CARD, runners=(replace(CARD.runners[0], weight=85), replace(CARD.runners[1], weight=15)))
    await stable.prepare(cards=0)
    await stable.store.put_cards(request_id="", track=TRACK.track, cards=[strong])
    by = {"reason": "test", "actor": "operator"}
    await stable.store.update_track(request_id="", track=TRACK.track, change=TrackChange(return_bps=5_000), **by)
    async with stable.kept() as keeper:
        await stable.run_to(20_000)
        assert await stable.history() == []
        await stable.store.update_track(request_id="", track=TRACK.track, change=TrackChange(return_bps=9_000), **by)
        keeper.wake()
        await stable.run_to(20_000)
        assert await stable.history() == [(1, "OPEN")]


@pytest.fixture
async def entered() -> Stable:
    """A stable on whose track an operator enters the results."""
    stable = Stable()
    await stable.prepare(track=replace(TRACK, program=Program(source=Source.ENTERED)))
    return stable


async def enter(stable: Stable, *order: int, round_id: int = 1) -> None:
    result = RaceResult(order=order)
    await stable.store.enter_result(request_id="", round_id=round_id, result=result, reason="seen", actor="operator")


HOURS_MS = 20 * 3_600_000


async def test_a_round_whose_result_is_entered_waits_for_it_and_is_not_void_by_time(entered: Stable) -> None:
    async with entered.kept() as keeper:
        await entered.run_to(LOCK_MS)
        await entered.run_to(HOURS_MS)
        assert phases(await entered.history(), 1) == ["OPEN", "LOCKED"]
        await enter(entered, 2, 1, 4)
        keeper.wake()
        await entered.run_to(HOURS_MS + FINISH_MS - START_MS - 1)
        assert phases(await entered.history(), 1) == ["OPEN", "LOCKED", "RUNNING"]
        await entered.run_to(HOURS_MS + FINISH_MS - START_MS)
        assert phases(await entered.history(), 1) == WHOLE
        await entered.run_to(HOURS_MS + END_MS - START_MS)
    assert (await entered.history())[-1] == (2, "OPEN")
    assert entered.writes("start_race") == []
    assert (await entered.store.round(1)).round.result == (2, 1, 4)


async def test_an_entered_result_that_nobody_told_of_is_found(entered: Stable) -> None:
    async with entered.kept():
        await entered.run_to(START_MS)
        await enter(entered, 2, 1, 4)
        await entered.run_to(START_MS + STANDSTILL_LOOK_MS + FINISH_MS)
    assert phases(await entered.history(), 1) == WHOLE


async def test_a_keeper_that_comes_later_goes_on_waiting_for_the_result(entered: Stable) -> None:
    async with entered.kept():
        await entered.run_to(LOCK_MS - 1)
    async with entered.kept() as keeper:
        await entered.run_to(HOURS_MS)
        assert phases(await entered.history(), 1) == ["OPEN", "LOCKED"]
        await enter(entered, 2, 1, 4)
        keeper.wake()
        await entered.run_to(HOURS_MS + FINISH_MS)
    assert phases(await entered.history(), 1) == WHOLE


async def test_an_abandoned_race_is_voided_and_the_next_round_opens(entered: Stable) -> None:
    async with entered.kept() as keeper:
        await entered.run_to(HOURS_MS)
        await entered.store.void_round(request_id="", round_id=1, epoch=0, reason="fog", actor="operator")
        keeper.wake()
        await entered.run_to(HOURS_MS + 1)
    assert await entered.history() == [(1, "OPEN"), (1, "LOCKED"), (1, "VOID"), (2, "OPEN")]


# Beacons

CHAIN = chain_of_tests(genesis_s=0, period_s=2)
WAIT_MS = 5_000


class SpokenBeacon:
    """A beacon that speaks at its times, as a test has it, and knows how often it was asked."""

    def __init__(self, stable: Stable, delay_ms: int | None = 0) -> None:
        self.chain = CHAIN
        self.stable = stable
        self.delay_ms = delay_ms
        self.asked: list[int] = []

    async def signature(self, beacon_round: int) -> bytes:
        self.asked.append(beacon_round)
        speaks_at_ms = CHAIN.time_ms(beacon_round) + (self.delay_ms or 0)
        if self.delay_ms is None or self.stable.clock.now_ms() < speaks_at_ms:
            raise BeaconSilent("not yet")
        return signed(beacon_round)


async def by_beacon(delay_ms: int | None = 0) -> tuple[Stable, SpokenBeacon]:
    """A track whose rounds take a beacon in."""
    stable = Stable()
    beacon = SpokenBeacon(stable, delay_ms)
    stable.beacons = Beacons(by_name={CHAIN.name: beacon}, wait_ms=WAIT_MS)
    track = replace(TRACK, program=replace(TRACK.program, beacon=CHAIN.name))
    await stable.store.create_track(request_id="", track=track)
    await stable.store.put_cards(request_id="", track=TRACK.track, cards=[replace(CARD, card_id=0)])
    return stable, beacon


async def test_the_beacon_s_round_is_named_when_the_round_opens_and_comes_after_the_lock() -> None:
    stable, beacon = await by_beacon()
    async with stable.kept():
        await stable.run_to(0)
    round_ = (await stable.store.round(1)).round

    assert (round_.terms.beacon, round_.terms.beacon_wait_ms) == (CHAIN.name, WAIT_MS)
    assert round_.terms.beacon_round == CHAIN.round_for(round_.schedule.locks_at_ms)
    assert CHAIN.time_ms(round_.terms.beacon_round) > round_.schedule.locks_at_ms
    assert beacon.asked == []


@pytest.mark.parametrize("delay_ms", [0, 700, WAIT_MS - 3_000])
async def test_a_round_starts_when_its_beacon_has_spoken_and_takes_it_in(delay_ms: int) -> None:
    stable, beacon = await by_beacon(delay_ms)
    async with stable.kept():
        await stable.run_to(20_000)
    stored = await stable.store.round(1)
    round_ = stored.round
    speaks_at_ms = CHAIN.time_ms(round_.terms.beacon_round) + delay_ms

    assert phases(await stable.history(), 1) == WHOLE
    assert set(beacon.asked[: beacon.asked.count(round_.terms.beacon_round)]) == {round_.terms.beacon_round}
    assert stored.beacon_signature == signed(round_.terms.beacon_round)
    key = model.key(
        stored.server_seed, round_.track, 1, sha256(stored.beacon_signature).hexdigest(), round_.tickets_root
    )
    field = [(runner.runner, runner.weight) for runner in round_.runners]
    assert list(round_.result) == model.finishing_order(field, model.words(key))
    assert 0 <= round_.schedule.starts_at_ms - speaks_at_ms <= BEACON_PAUSE_MS
    assert round_.schedule.finishes_at_ms - round_.schedule.starts_at_ms == TRACK.timetable.race_ms


async def test_a_beacon_that_stays_silent_voids_the_round_when_its_time_is_up_and_says_so() -> None:
    stable, beacon = await by_beacon(delay_ms=None)
    async with stable.kept():
        await stable.run_to(START_MS + WAIT_MS - 1)
        assert phases(await stable.history(), 1) == ["OPEN", "LOCKED"]
        await stable.run_to(START_MS + WAIT_MS + BEACON_PAUSE_MS)
    stored = await stable.store.round(1)

    assert phases(await stable.history(), 1) == ["OPEN", "LOCKED", "VOID"]
    assert stored.round.void_reason == f"the beacon tests did not give its round {beacon.asked[0]} in time"
    assert stored.server_seed == b""
    assert (await stable.store.round(2)).round.terms.seed_index == 2, "a void burns the seed"


async def test_a_game_that_was_away_for_longer_asks_the_beacon_before_it_voids() -> None:
    stable, _ = await by_beacon()
    async with stable.kept():
        await stable.run_to(LOCK_MS)
    await stable.run_to(START_MS + 100 * WAIT_MS)
    async with stable.kept():
        await stable.run_to(START_MS + 100 * WAIT_MS + 2_000)

    assert phases(await stable.history(), 1)[:3] == ["OPEN", "LOCKED", "RUNNING"]
    assert (await stable.store.round(1)).round.schedule.starts_at_ms >= stable.began_ms + START_MS + 100 * WAIT_MS


async def test_an_operator_may_void_while_the_beacon_is_waited_for() -> None:
    stable, _ = await by_beacon(delay_ms=None)
    async with stable.kept() as keeper:
        await stable.run_to(START_MS + 2_000)
        await stable.store.void_round(request_id="", round_id=1, epoch=0, reason="rain", actor="operator")
        keeper.wake()
        await stable.run_to(START_MS + 2_000)

        assert (await stable.history())[-2:] == [(1, "VOID"), (2, "OPEN")]


async def test_a_track_whose_beacon_is_not_known_here_opens_no_round_and_a_locked_one_is_void_by_the_rule() -> None:
    stable, _ = await by_beacon()
    async with stable.kept():
        await stable.run_to(LOCK_MS)
    stable.beacons = NO_BEACONS
    async with stable.kept():
        await stable.run_to(START_MS + 2 * WAIT_MS)

    assert await stable.history() == [(1, "OPEN"), (1, "LOCKED"), (1, "VOID")]


async def test_the_chances_of_a_large_field_are_worked_out_where_they_hold_nobody_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    worked_in: list[threading.Thread] = []

    def noting(weights: tuple[int, ...], places: int) -> Chances:
        worked_in.append(threading.current_thread())
        return chances(weights, places)

    monkeypatch.setattr("services.game.engine.keeper.chances", noting)
    field = tuple(
        Runner(runner=number, name=f"Runner {number}", weight=1_000 + number**3, win_price_hundredths=0)
        for number in range(1, 41)
    )
    stable = Stable()
    await stable.prepare(cards=0)
    await stable.store.put_cards(request_id="", track=TRACK.track, cards=[replace(CARD, card_id=0, runners=field)])
    before = chances.cache_info().misses
    async with stable.kept():
        await until(lambda: bool(stable.published))

    assert chances.cache_info().misses == before + 1, "who prices the round finds them"
    assert [thread is threading.main_thread() for thread in worked_in] == [False]
    assert all(runner.place_price_hundredths for runner in stable.published[0].runners)
