"""What a benchmark needs before it can bet: a track of its own with an open round, and accounts with money.

Everything is made through the public API, as any operator would make it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import TypeVar

from furlong.client import CallRefused, Furlong, OutcomeUnknown, uuid7
from furlong.common.v1.account_pb2 import Account
from furlong.common.v1.error_pb2 import Reason
from furlong.common.v1.round_pb2 import RaceCard, Round, Runner, Timetable, Track

CURRENCY = "EUR"
RUNNERS = 8
CREDIT_MINOR = 1_000_000_000
CALLS_AT_ONCE = 8
ATTEMPTS_MAX = 5
FIRST_ROUND_TIMEOUT_S = 30.0
POLL_S = 0.05

T = TypeVar("T")


async def open_track(furlong: Furlong, name: str, timetable: Timetable) -> Round:
    """Make a track with one race card and wait for its first round to be OPEN.

    Raises `TimeoutError` when none opens within `FIRST_ROUND_TIMEOUT_S`.
    """
    track = Track(track=name, display_name=name, currency=CURRENCY, timetable=timetable)
    runners = [Runner(runner=n, name=f"Runner {n}", weight=100 + 10 * n) for n in range(1, RUNNERS + 1)]
    card = RaceCard(name="Benchmark Stakes", distance_m=1_600, runners=runners)
    await _until_known(lambda request_id: furlong.tracks.create(track, request_id=request_id))
    await _until_known(lambda request_id: furlong.tracks.import_race_cards(name, [card], request_id=request_id))
    async with asyncio.timeout(FIRST_ROUND_TIMEOUT_S):
        while True:
            try:
                return await furlong.rounds.current(name)
            except CallRefused as refused:
                if refused.reason != Reason.Name(Reason.ROUND_UNKNOWN):
                    raise
            await asyncio.sleep(POLL_S)


async def open_accounts(furlong: Furlong, count: int) -> tuple[str, ...]:
    """Open players' accounts and credit each with `CREDIT_MINOR`."""
    turn = asyncio.Semaphore(CALLS_AT_ONCE)

    async def open_one(number: int) -> str:
        async with turn:
            return await _open_account(furlong, f"Player {number}")

    return tuple(await asyncio.gather(*(open_one(number) for number in range(1, count + 1))))


async def watch_until(furlong: Furlong, track: str, wanted: Callable[[Round], bool]) -> Round:
    """Follow a track and return the first round shown that is `wanted`."""
    async with aclosing(furlong.rounds.watch(track)) as frames:
        async for frame in frames:
            if wanted(frame.round):
                return frame.round
    raise AssertionError("a watch has no end of its own")


def runner_numbers(race: Round) -> tuple[int, ...]:
    """The saddle-cloth numbers of a round's runners."""
    return tuple(runner.runner for runner in race.runners)


async def _open_account(furlong: Furlong, name: str) -> str:
    opened = await _until_known(
        lambda request_id: furlong.accounts.create(
            kind=Account.PLAYER, currency=CURRENCY, display_name=name, request_id=request_id
        )
    )
    await _until_known(
        lambda request_id: furlong.accounts.credit(opened.account_id, CREDIT_MINOR, "benchmark", request_id=request_id)
    )
    return opened.account_id


async def _until_known(ask: Callable[[str], Awaitable[T]]) -> T:
    """Ask with one request id, and again with the same while the outcome is unknown, as it is where time ran out."""
    request_id = uuid7()
    for _ in range(ATTEMPTS_MAX - 1):
        try:
            return await ask(request_id)
        except OutcomeUnknown:
            await asyncio.sleep(POLL_S)
    return await ask(request_id)
