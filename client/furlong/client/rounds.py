"""Typed calls about rounds, and `watch()`, which follows a track through every break."""

from collections.abc import AsyncGenerator, Sequence
from enum import Enum

import grpc
from furlong.client.backoff import SYSTEM_TIMING, Backoff, Timing
from furlong.client.errors import CallRefused, FurlongError, answer_of, from_rpc
from furlong.common.v1.round_pb2 import Round, RoundProof
from furlong.game.v1 import round_service_pb2 as wire
from furlong.game.v1.round_service_pb2 import WatchRoundsResponse
from furlong.game.v1.round_service_pb2_grpc import RoundServiceStub

RESUME_FIRST_MS = 50
RESUME_MAX_MS = 2_000


class Rounds:
    """Rounds, live and past. Every method raises a FurlongError."""

    def __init__(self, channel: grpc.aio.Channel, timing: Timing = SYSTEM_TIMING) -> None:
        self._stub = RoundServiceStub(channel)
        self._timing = timing

    async def get(self, round_id: int) -> Round:
        """Read one round."""
        return (await answer_of(self._stub.GetRound(wire.GetRoundRequest(round_id=round_id)))).round

    async def current(self, track: str) -> Round:
        """Read the round that a track opened last."""
        return (await answer_of(self._stub.GetCurrentRound(wire.GetCurrentRoundRequest(track=track)))).round

    async def list(self, track: str, *, page_size: int = 0, page_token: str = "") -> wire.ListRoundsResponse:
        """Read a page of the rounds of a track, the newest first; 1 to 100 a page, 0 means 20."""
        request = wire.ListRoundsRequest(track=track, page_size=page_size, page_token=page_token)
        return await answer_of(self._stub.ListRounds(request))

    async def proof(self, round_id: int) -> RoundProof:
        """Read what is needed to compute a round's result again; there is none before the race is over."""
        return (await answer_of(self._stub.GetRoundProof(wire.GetRoundProofRequest(round_id=round_id)))).proof

    async def watch(
        self,
        track: str,
        after: int = 0,
        *,
        update_interval_ms: int = 0,
        tick_interval_ms: int = 0,
        accounts: Sequence[str] = (),
        terminal: str = "",
    ) -> AsyncGenerator[WatchRoundsResponse, None]:
        """Follow a track without an end: the round as it is, then every transition once and in order.

        `after` is the `transition_seq` of the last transition seen, 0 to begin with the round as it is. After any
        break it resumes where it was; transitions that are no longer kept are told by a frame of kind GAP. Intervals
        are in milliseconds, 0 for the service's own choice. With `accounts`, at most 10 that the token may read, frames
        of kind OWN tell their tickets, again after every break. A `terminal` names the screen to the operators.

        Leave it with `contextlib.aclosing`, which ends the call.

        Raises CallRefused where asking again cannot help, such as for a track that does not exist.
        """
        pauses = Backoff(RESUME_FIRST_MS, RESUME_MAX_MS, self._timing.chance)
        seen = after
        while True:
            asked_ms: int | None = None
            call = self._stub.WatchRounds(
                wire.WatchRoundsRequest(
                    track=track,
                    after=seen,
                    update_interval_ms=update_interval_ms,
                    tick_interval_ms=tick_interval_ms,
                    accounts=accounts,
                    terminal=terminal,
                )
            )
            try:
                async for frame in call:
                    if frame.kind == WatchRoundsResponse.OWN:  # of no transition
                        yield frame
                        continue
                    step = step_of(frame, seen)
                    if step is Step.HOLE:
                        break
                    if step is Step.NEXT:
                        seen = frame.transition_seq
                        pauses.reset()
                        yield frame
            except grpc.aio.AioRpcError as failure:
                error = from_rpc(failure)
                if not _can_resume(error):
                    raise error from failure
                asked_ms = error.retry_in_ms
            finally:
                call.cancel()
            await self._timing.sleep_s(pauses.next_s(asked_ms))


class Step(Enum):
    """What a frame is to a watcher that has seen the track's transitions up to some number."""

    NEXT = "to be shown"
    OTHER = "shows a state that was shown before, or one whose transition is still to come"
    HOLE = "a transition is missing before it"


def step_of(frame: WatchRoundsResponse, seen: int) -> Step:
    """Tell what `frame` is to a watcher that has seen transition `seen`; 0 has seen nothing yet."""
    if seen == 0 or frame.kind == WatchRoundsResponse.GAP:
        return Step.NEXT
    if frame.kind != WatchRoundsResponse.TRANSITION:
        return Step.NEXT if frame.transition_seq == seen else Step.OTHER
    if frame.transition_seq <= seen:
        return Step.OTHER
    return Step.NEXT if frame.transition_seq == seen + 1 else Step.HOLE


def _can_resume(error: FurlongError) -> bool:
    """Tell whether a watcher may go on: it fell behind, the service asks for patience, or it was no refusal at all."""
    if not isinstance(error, CallRefused):
        return True
    return error.code is grpc.StatusCode.OUT_OF_RANGE or error.retry_in_ms is not None
