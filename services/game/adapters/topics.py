"""What the games tell each other, over the cache's topics: one topic a track, named `track/<track>`.

The words are those of the public watch: a TRANSITION with its round, an UPDATE with the round whose prices have moved,
one of which only the round's id and totals are read, or a TICK of a track whose leader has given its lease back. What
has no place there is a RelayNews; its numbers are none of a frame's, and it has no kind.
"""

from collections.abc import AsyncGenerator
from typing import Final
from uuid import UUID

import grpc
import structlog
from furlong.cache.v1.topic_service_pb2 import PublishRequest, SubscribeRequest, SubscribeResponse
from furlong.cache.v1.topic_service_pb2_grpc import TopicServiceStub
from furlong.client.errors import FurlongError, answer_of, from_rpc
from furlong.client.identity import uuid7
from furlong.common.v1 import round_pb2
from furlong.game.v1 import relay_pb2
from furlong.game.v1.round_service_pb2 import WatchRoundsResponse
from google.protobuf.message import DecodeError

from services.chassis.clock import Clock
from services.game.domain.round import Round
from services.game.engine.backoff import backoff_ms
from services.game.ports import Attendance, Changed, News, Repriced, Signal, Standing, Terminal, Vacancy
from services.game.wire import ms_of, ms_to, round_of, round_to, totals_of

TOPIC: Final = "track/{track}"

_log = structlog.get_logger(__name__)


class CacheTopics:
    """The port `Topics` over a channel to the cache."""

    def __init__(self, channel: grpc.aio.Channel, clock: Clock) -> None:
        self._topics = TopicServiceStub(channel)
        self._clock = clock
        self._is_down = False

    async def publish(self, track: str, news: News) -> None:
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

    async def follow(self, track: str) -> AsyncGenerator[News | Signal, None]:
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


def frame_to(news: News) -> WatchRoundsResponse | relay_pb2.RelayNews:
    """Write what happened."""
    match news:
        case Round():
            message = WatchRoundsResponse(
                kind=WatchRoundsResponse.TRANSITION, round=round_to(news), transition_seq=news.transition_seq
            )
            if news.race_key:  # whoever hears it runs the race again
                message.round.race.key = news.race_key.hex()
            return message
        case Repriced():
            return WatchRoundsResponse(kind=WatchRoundsResponse.UPDATE, round=round_to(news.round))
        case Standing():
            totals = round_pb2.Totals(tickets=news.totals.tickets, stake_minor=news.totals.stake_minor)
            round_ = round_pb2.Round(round_id=news.round_id, track=news.track, totals=totals)
            return WatchRoundsResponse(kind=WatchRoundsResponse.UPDATE, round=round_)
        case Vacancy():
            return WatchRoundsResponse(kind=WatchRoundsResponse.TICK, round=round_pb2.Round(track=news.track))
        case Changed():
            accounts = relay_pb2.RelayAccounts(
                account_ids=[UUID(account_id).bytes for account_id in news.account_ids], any=news.any_account
            )
            return relay_pb2.RelayNews(track=news.track, game=news.game, accounts=accounts)
        case Attendance():
            presence = relay_pb2.RelayPresence(
                watchers=news.watchers,
                terminals=[
                    relay_pb2.RelayTerminal(terminal=each.terminal, since=ms_to(each.since_ms), streams=each.streams)
                    for each in news.terminals
                ],
            )
            return relay_pb2.RelayNews(track=news.track, game=news.game, presence=presence)


def heard_of(event: SubscribeResponse) -> News | Signal:
    """Read an event. What a game of another version told in words that this one cannot read was missed."""
    match event.kind:
        case SubscribeResponse.HEARTBEAT:
            return Signal.ALIVE
        case SubscribeResponse.MESSAGE:
            try:
                frame = WatchRoundsResponse.FromString(event.payload)
                return _news_of(frame) if frame.kind else _relayed(relay_pb2.RelayNews.FromString(event.payload))
            except (DecodeError, ValueError, AssertionError) as error:
                _log.warning("message not understood", error=str(error))
                return Signal.MISSED
        case _:
            return Signal.MISSED


def _relayed(news: relay_pb2.RelayNews) -> Changed | Attendance | Signal:
    if news.HasField("accounts"):
        return Changed(
            track=news.track,
            game=news.game,
            account_ids=tuple(str(UUID(bytes=account_id)) for account_id in news.accounts.account_ids),
            any_account=news.accounts.any,
        )
    if news.HasField("presence"):
        terminals = tuple(
            Terminal(terminal=each.terminal, since_ms=ms_of(each.since), streams=each.streams)
            for each in news.presence.terminals
        )
        return Attendance(track=news.track, game=news.game, watchers=news.presence.watchers, terminals=terminals)
    return Signal.MISSED


def _news_of(frame: WatchRoundsResponse) -> Round | Repriced | Standing | Vacancy | Signal:
    match frame.kind:
        case WatchRoundsResponse.TRANSITION:
            heard = round_of(frame.round)
            return heard if heard.race_key or not heard.result else Signal.MISSED  # the store has its race
        case WatchRoundsResponse.UPDATE if frame.round.runners:
            return Repriced(round=round_of(frame.round))
        case WatchRoundsResponse.UPDATE:
            return Standing(
                track=frame.round.track, round_id=frame.round.round_id, totals=totals_of(frame.round.totals)
            )
        case WatchRoundsResponse.TICK:
            return Vacancy(track=frame.round.track)
        case _:
            return Signal.MISSED
