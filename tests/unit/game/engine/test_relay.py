"""The relay tells what happened in order, totals now and then, and rooms whether they can hear the others."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import replace

from services.game.domain.phase import Phase
from services.game.domain.round import Round, Totals
from services.game.engine.broadcast.presence import BEAT_MS
from services.game.engine.broadcast.relay import (
    ACCOUNTS_TOLD_MAX,
    CHANGES_INTERVAL_MS,
    SILENCE_MS,
    TOTALS_INTERVAL_MS,
    TRANSITIONS_WAITING_MAX,
    Relay,
)
from services.game.ports import Attendance, Changed, News, Repriced, Signal, Standing, Vacancy
from tests.fakes.virtual_clock import VirtualClock
from tests.rounds import TRACK, stored_round

ROUND = stored_round(Phase.OPEN).round


class Line:
    """A topic of which a test hears what is published and says what is heard."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self.told: list[tuple[int, News]] = []
        self.says: asyncio.Queue[News | Signal] = asyncio.Queue()
        self.is_open = asyncio.Event()
        self.is_open.set()

    async def publish(self, track: str, news: News) -> None:
        await self.is_open.wait()
        self.told.append((self._clock.now_ms(), news))

    async def follow(self, track: str) -> AsyncGenerator[News | Signal, None]:
        while True:
            yield await self.says.get()

    @property
    def transitions(self) -> list[int]:
        return [news.transition_seq for _, news in self.told if isinstance(news, Round)]

    @property
    def tickets(self) -> list[int]:
        return [news.totals.tickets for _, news in self.told if isinstance(news, Standing)]


class Listener:
    """A room that writes down what it is brought."""

    def __init__(self) -> None:
        self.heard: list[object] = []
        self.watchers = 0

    def hint(self, round_: Round) -> None:
        self.heard.append(round_.transition_seq)

    def prices(self, round_: Round) -> None:
        self.heard.append(("prices", round_.price_revision))

    def totals(self, round_id: int, totals: Totals) -> None:
        self.heard.append((round_id, totals.tickets))

    def changed(self, accounts: Collection[str], *, any_account: bool = False) -> None:
        self.heard.append("any account" if any_account else sorted(accounts))

    def attendance(self) -> Attendance:
        return Attendance(track=TRACK.track, game="here", watchers=self.watchers)

    def attended(self, told: Attendance) -> None:
        self.heard.append(told)

    def look(self) -> None:
        self.heard.append("look")

    def deafen(self, is_deaf: bool) -> None:
        self.heard.append("deaf" if is_deaf else "hears")


class Talk:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.line = Line(self.clock)
        self.room = Listener()
        self.relay = Relay(topics=self.line, clock=self.clock, game="here")

    @asynccontextmanager
    async def on(self) -> AsyncIterator[None]:
        self.relay.start()
        self.relay.follow(TRACK.track, self.room)
        await self.clock.settle()
        try:
            yield
        finally:
            await self.relay.close()

    async def hear(self, *news: News | Signal) -> None:
        for each in news:
            self.line.says.put_nowait(each)
        await self.clock.settle()


def transition(number: int) -> Round:
    return replace(ROUND, transition_seq=number)


async def test_transitions_are_told_in_order_and_at_once() -> None:
    talk = Talk()
    async with talk.on():
        for number in (1, 2, 3):
            talk.relay.transition(transition(number))
        await talk.clock.settle()

        assert talk.line.transitions == [1, 2, 3]


async def test_nobody_waits_for_a_topic_that_hangs_and_what_waits_for_it_is_bounded() -> None:
    talk = Talk()
    async with talk.on():
        talk.line.is_open.clear()
        talk.relay.transition(transition(1))
        await talk.clock.settle()
        for number in range(2, TRANSITIONS_WAITING_MAX + 12):
            talk.relay.transition(transition(number))
        talk.line.is_open.set()
        for _ in range(20):
            await talk.clock.settle()

        assert talk.line.transitions == [1, *range(12, TRANSITIONS_WAITING_MAX + 12)]


async def test_totals_of_a_round_are_told_at_once_and_then_the_latest_of_each_interval() -> None:
    talk = Talk()
    async with talk.on():
        began_ms = talk.clock.now_ms()
        for tickets in range(1, 101):
            talk.relay.totals(TRACK.track, 17, Totals(tickets=tickets, stake_minor=tickets))
            await talk.clock.run_for_ms(10)
        await talk.clock.run_for_ms(TOTALS_INTERVAL_MS)

        assert talk.line.tickets == [1, 50, 100]
        assert [at_ms - began_ms for at_ms, _ in talk.line.told] == [0, TOTALS_INTERVAL_MS, 2 * TOTALS_INTERVAL_MS]


async def test_a_transition_does_not_wait_for_totals() -> None:
    talk = Talk()
    async with talk.on():
        for tickets in (1, 2):
            talk.relay.totals(TRACK.track, 17, Totals(tickets=tickets))
            await talk.clock.settle()
        talk.relay.transition(transition(1))
        await talk.clock.settle()

        assert talk.line.transitions == [1]
        assert talk.line.tickets == [1]


async def test_totals_after_a_cancelled_ticket_take_the_place_of_those_that_wait() -> None:
    talk = Talk()
    async with talk.on():
        for tickets in (1, 2, 3):
            talk.relay.totals(TRACK.track, 17, Totals(tickets=tickets))
            await talk.clock.settle()
        talk.relay.cancelled(TRACK.track, 17, Totals(tickets=2))
        await talk.clock.run_for_ms(TOTALS_INTERVAL_MS)
        talk.relay.cancelled(TRACK.track, 17, Totals(tickets=1))
        await talk.clock.run_for_ms(TOTALS_INTERVAL_MS)

        assert talk.line.tickets == [1, 2]


async def test_a_late_answer_takes_no_totals_back() -> None:
    talk = Talk()
    async with talk.on():
        for tickets in (1, 9, 3):
            talk.relay.totals(TRACK.track, 17, Totals(tickets=tickets))
            await talk.clock.settle()
        await talk.clock.run_for_ms(TOTALS_INTERVAL_MS)

        assert talk.line.tickets == [1, 9]


async def test_a_room_is_brought_what_the_others_tell() -> None:
    talk = Talk()
    async with talk.on():
        await talk.hear(
            transition(4),
            Standing(track=TRACK.track, round_id=17, totals=Totals(tickets=8)),
            Signal.ALIVE,
            Signal.MISSED,
            Signal.BROKEN,
        )

        assert talk.room.heard == [4, (17, 8), "look", "look"]


async def test_a_room_knows_that_the_topic_is_silent_until_it_is_heard_again() -> None:
    talk = Talk()
    async with talk.on():
        await talk.clock.run_for_ms(SILENCE_MS - 1)
        assert talk.room.heard == []
        await talk.clock.run_for_ms(1)
        assert talk.room.heard == ["deaf"]
        await talk.clock.run_for_ms(10 * SILENCE_MS)
        assert talk.room.heard == ["deaf"]
        await talk.hear(Signal.ALIVE)

        assert talk.room.heard == ["deaf", "hears"]


async def test_heartbeats_keep_a_room_hearing() -> None:
    talk = Talk()
    async with talk.on():
        for _ in range(20):
            await talk.clock.run_for_ms(250)
            await talk.hear(Signal.ALIVE)

        assert talk.room.heard == []


async def test_a_line_that_breaks_again_and_again_is_silent() -> None:
    talk = Talk()
    async with talk.on():
        for _ in range(5):
            await talk.clock.run_for_ms(250)
            await talk.hear(Signal.BROKEN)

        assert talk.room.heard.count("deaf") == 1


async def test_a_vacancy_is_told_at_once_and_reaches_who_seeks_the_lease_and_not_the_room() -> None:
    talk = Talk()
    sought: list[str] = []
    talk.relay.on_vacancy(sought.append)
    async with talk.on():
        await talk.relay.vacated(TRACK.track)
        await talk.hear(Vacancy(track=TRACK.track))

        assert [news for _, news in talk.line.told] == [Vacancy(track=TRACK.track)]
        assert sought == [TRACK.track]
        assert talk.room.heard == []


async def test_accounts_whose_tickets_changed_are_told_together() -> None:
    talk = Talk()
    async with talk.on():
        talk.relay.changed(TRACK.track, {"a"})
        await talk.clock.settle()
        talk.relay.changed(TRACK.track, {"b"})
        talk.relay.changed(TRACK.track, {"c", "b"})
        await talk.clock.run_for_ms(CHANGES_INTERVAL_MS)

    told = [news for _, news in talk.line.told]
    assert told == [
        Changed(track=TRACK.track, game="here", account_ids=("a",)),
        Changed(track=TRACK.track, game="here", account_ids=("b", "c")),
    ]


async def test_of_too_many_accounts_any_may_have_changed() -> None:
    talk = Talk()
    async with talk.on():
        for n in range(ACCOUNTS_TOLD_MAX + 1):
            talk.relay.changed(TRACK.track, {str(n)})
        await talk.clock.settle()

    assert [news for _, news in talk.line.told] == [
        Changed(track=TRACK.track, game="here", account_ids=(), any_account=True)
    ]


async def test_what_changed_elsewhere_is_brought_to_the_room_and_what_changed_here_is_not() -> None:
    talk = Talk()
    async with talk.on():
        talk.line.says.put_nowait(Changed(track=TRACK.track, game="there", account_ids=("a",)))
        talk.line.says.put_nowait(Changed(track=TRACK.track, game="there", account_ids=(), any_account=True))
        talk.line.says.put_nowait(Changed(track=TRACK.track, game="here", account_ids=("b",)))
        await talk.clock.settle()

    assert talk.room.heard == [["a"], "any account"]


async def test_who_watches_here_is_told_at_every_beat_and_once_more_when_nobody_does() -> None:
    talk = Talk()
    async with talk.on():
        await talk.clock.run_for_ms(BEAT_MS)
        assert talk.line.told == []
        talk.room.watchers = 3
        await talk.clock.run_for_ms(2 * BEAT_MS)
        talk.room.watchers = 0
        await talk.clock.run_for_ms(3 * BEAT_MS)

    assert [news.watchers for _, news in talk.line.told if isinstance(news, Attendance)] == [3, 3, 0]


async def test_who_watches_elsewhere_is_brought_to_the_room() -> None:
    talk = Talk()
    there = Attendance(track=TRACK.track, game="there", watchers=2)
    async with talk.on():
        talk.line.says.put_nowait(there)
        await talk.clock.settle()

    assert talk.room.heard == [there]


async def test_prices_are_told_in_order_with_the_transitions_and_brought_to_the_room() -> None:
    talk = Talk()
    moved = replace(ROUND, price_revision=3)
    async with talk.on():
        talk.relay.transition(transition(1))
        talk.relay.prices(moved)
        talk.relay.transition(transition(2))
        talk.line.says.put_nowait(Repriced(round=moved))
        await talk.clock.settle()

        told = [news for _, news in talk.line.told]
        assert told == [transition(1), Repriced(round=moved), transition(2)]
        assert talk.room.heard == [("prices", 3)]
