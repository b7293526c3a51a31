"""What a benchmark needs before it can bet: a track of its own with an open round, and accounts with money.

Everything is made through game's public gRPC, as any operator would make it.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import grpc
from furlong.client.identity import uuid7
from furlong.common.v1.account_pb2 import Account
from furlong.common.v1.round_pb2 import RaceCard, Round, Runner, Timetable, Track
from furlong.game.v1.account_service_pb2 import CreateAccountRequest, CreditAccountRequest
from furlong.game.v1.account_service_pb2_grpc import AccountServiceStub
from furlong.game.v1.round_service_pb2 import GetCurrentRoundRequest, WatchRoundsRequest
from furlong.game.v1.round_service_pb2_grpc import RoundServiceStub
from furlong.game.v1.track_service_pb2 import CreateTrackRequest, ImportRaceCardsRequest
from furlong.game.v1.track_service_pb2_grpc import TrackServiceStub

CURRENCY = "EUR"
RUNNERS = 8
CREDIT_MINOR = 1_000_000_000
CALLS_AT_ONCE = 16
FIRST_ROUND_TIMEOUT_S = 30.0
CALL_TIMEOUT_S = 10.0
POLL_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A way to game with the rights of an operator and of a till that may bet for every account."""

    channel: grpc.aio.Channel
    operator_token: str
    till_token: str

    async def open_track(self, name: str, timetable: Timetable) -> Round:
        """Make a track with one race card and wait for its first round to be OPEN.

        Raises `TimeoutError` when none opens within `FIRST_ROUND_TIMEOUT_S`.
        """
        tracks = TrackServiceStub(self.channel)
        track = Track(track=name, display_name=name, currency=CURRENCY, timetable=timetable)
        runners = [Runner(runner=n, name=f"Runner {n}", weight=100 + 10 * n) for n in range(1, RUNNERS + 1)]
        card = RaceCard(name="Benchmark Stakes", distance_m=1_600, runners=runners)
        credentials = bearer(self.operator_token)
        await tracks.CreateTrack(
            CreateTrackRequest(request_id=uuid7(), track=track), metadata=credentials, timeout=CALL_TIMEOUT_S
        )
        await tracks.ImportRaceCards(
            ImportRaceCardsRequest(request_id=uuid7(), track=name, cards=[card]),
            metadata=credentials,
            timeout=CALL_TIMEOUT_S,
        )
        async with asyncio.timeout(FIRST_ROUND_TIMEOUT_S):
            return await self._first_round(name)

    async def _first_round(self, track: str) -> Round:
        rounds = RoundServiceStub(self.channel)
        while True:
            try:
                answer = await rounds.GetCurrentRound(GetCurrentRoundRequest(track=track), timeout=CALL_TIMEOUT_S)
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.NOT_FOUND:
                    raise
            else:
                if answer.round.phase == Round.OPEN:
                    return answer.round
            await asyncio.sleep(POLL_S)

    async def open_accounts(self, count: int) -> tuple[str, ...]:
        """Open players' accounts and credit each with `CREDIT_MINOR`."""
        turn = asyncio.Semaphore(CALLS_AT_ONCE)

        async def open_one(number: int) -> str:
            async with turn:
                return await self._open_account(f"Player {number}")

        return tuple(await asyncio.gather(*(open_one(number) for number in range(count))))

    async def _open_account(self, display_name: str) -> str:
        accounts = AccountServiceStub(self.channel)
        credentials = bearer(self.till_token)
        opened = await accounts.CreateAccount(
            CreateAccountRequest(request_id=uuid7(), kind=Account.PLAYER, currency=CURRENCY, display_name=display_name),
            metadata=credentials,
            timeout=CALL_TIMEOUT_S,
        )
        account_id = opened.account.account_id
        await accounts.CreditAccount(
            CreditAccountRequest(
                request_id=uuid7(), account_id=account_id, amount_minor=CREDIT_MINOR, reason="benchmark"
            ),
            metadata=credentials,
            timeout=CALL_TIMEOUT_S,
        )
        return account_id

    async def watch_until(self, track: str, wanted: Callable[[Round], bool]) -> Round:
        """Follow a track and return the first round shown that is `wanted`."""
        frames = RoundServiceStub(self.channel).WatchRounds(WatchRoundsRequest(track=track))
        try:
            async for frame in frames:
                if wanted(frame.round):
                    return frame.round
        finally:
            frames.cancel()
        raise AssertionError("a watch ends by an error only")


def bearer(token: str) -> Sequence[tuple[str, str]]:
    """The metadata that carries a token."""
    return (("authorization", f"Bearer {token}"),)


def runner_numbers(race: Round) -> tuple[int, ...]:
    """The saddle-cloth numbers of a round's runners."""
    return tuple(runner.runner for runner in race.runners)
