"""What the games tell each other, over the cache's topics: one topic a track, named `track/<track>`.

The words are those of the public watch, so nothing secret travels: a TRANSITION with its round, an UPDATE with
the round whose prices have moved, or one with nothing but a round's id and totals.
"""

from collections.abc import AsyncGenerator
from typing import Final

import grpc
import structlog
from furlong.cache.v1.topic_service_pb2 import PublishRequest, SubscribeRequest, SubscribeResponse
from furlong.cache.v1.topic_service_pb2_grpc import TopicServiceStub
from furlong.client.errors import FurlongError, answer_of, from_rpc
from furlong.client.identity import uuid7
from furlong.common.v1 import round_pb2
from furlong.game.v1.round_service_pb2 import WatchRoundsResponse
from google.protobuf.message import DecodeError

from services.chassis.clock import Clock
from services.game.domain.round import Round
from services.game.engine.backoff import backoff_ms
from services.game.ports import Repriced, Signal, Standing
from services.game.wire import round_of, round_to, totals_of

TOPIC: Final = "track/{track}"

_log = structlog.get_logger(__name__)


class CacheTopics:
    """The port `Topics` over a channel to the cache."""

    def __init__(self, channel: grpc.aio.Channel, clock: Clock) -> None:
        self._topics = TopicServiceStub(channel)
        self._clock = clock
        self._is_down = False

    async def publish(self, track: str, news: Round | Repriced | Standing) -> None:
        """Tell every game; where that fails nobody is told."""
        request = PublishRequest(
            request_id=uuid7(), topic=TOPIC.format(track=track), payload=frame_to(news).SerializeToString()
        )
        try:
            await answer_of(self._topics.Publish(request))
        except FurlongError as error:
            if not self._is_down:
                _log.warning("topics are down, the other games are not told", error=str(error))
            self._is_down = True
        else:
            if self._is_down:
                _log.info("topics are back")
            self._is_down = False

    async def follow(self, track: str) -> AsyncGenerator[Round | Repriced | Standing | Signal, None]:
        """Hear what the games tell, resuming after every break behind what was heard."""
        after, epoch, attempt = 0, "", 0
        while True:
            is_joining = after == 0
            call = self._topics.Subscribe(SubscribeRequest(topic=TOPIC.format(track=track), after=after, epoch=epoch))
            try:
                async for event in call:
                    attempt = 0
                    if is_joining:  # what was told until now was told without us
                        yield Signal.MISSED
                    is_joining = False
                    if event.sequence:
                        after, epoch = event.sequence, event.epoch
                    yield heard_of(event)
            except grpc.aio.AioRpcError as error:
                if attempt == 0:
                    _log.warning("topic not heard", track=track, error=str(from_rpc(error)))
            finally:
                call.cancel()
            yield Signal.BROKEN
            await self._clock.sleep_until_ms(self._clock.now_ms() + backoff_ms(attempt))
            attempt += 1


def frame_to(news: Round | Repriced | Standing) -> WatchRoundsResponse:
    """Write what happened."""
    match news:
        case Round():
            return WatchRoundsResponse(
                kind=WatchRoundsResponse.TRANSITION, round=round_to(news), transition_seq=news.transition_seq
            )
        case Repriced():
            return WatchRoundsResponse(kind=WatchRoundsResponse.UPDATE, round=round_to(news.round))
        case Standing():
            totals = round_pb2.Totals(tickets=news.totals.tickets, stake_minor=news.totals.stake_minor)
            round_ = round_pb2.Round(round_id=news.round_id, track=news.track, totals=totals)
            return WatchRoundsResponse(kind=WatchRoundsResponse.UPDATE, round=round_)


def heard_of(event: SubscribeResponse) -> Round | Repriced | Standing | Signal:
    """Read an event. What a game of another version told in words that this one cannot read was missed."""
    match event.kind:
        case SubscribeResponse.HEARTBEAT:
            return Signal.ALIVE
        case SubscribeResponse.MESSAGE:
            try:
                return _news_of(WatchRoundsResponse.FromString(event.payload))
            except (DecodeError, ValueError, AssertionError) as error:
                _log.warning("message not understood", error=str(error))
                return Signal.MISSED
        case _:
            return Signal.MISSED


def _news_of(frame: WatchRoundsResponse) -> Round | Repriced | Standing | Signal:
    match frame.kind:
        case WatchRoundsResponse.TRANSITION:
            return round_of(frame.round)
        case WatchRoundsResponse.UPDATE if frame.round.runners:
            return Repriced(round=round_of(frame.round))
        case WatchRoundsResponse.UPDATE:
            return Standing(
                track=frame.round.track, round_id=frame.round.round_id, totals=totals_of(frame.round.totals)
            )
        case _:
            return Signal.MISSED
