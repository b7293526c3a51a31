"""The topics of a cache that goes away, forgets or refuses: what may have been missed is told, and nobody is hurt."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import grpc
import pytest
from furlong.cache.v1 import topic_service_pb2 as pb
from furlong.cache.v1.topic_service_pb2_grpc import TopicServiceServicer, add_TopicServiceServicer_to_server
from furlong.client.channel import open_channel

from services.chassis.clock import SystemClock
from services.game.adapters.topics import CacheTopics, frame_to
from services.game.domain.phase import Phase
from services.game.domain.round import Round, Totals
from services.game.ports import News, Repriced, Signal, Standing
from tests.loopback import Server, serving
from tests.rounds import TRACK, stored_round

ROUND = stored_round(Phase.OPEN).round
STANDING = Standing(track=TRACK.track, round_id=17, totals=Totals(tickets=3))
TOPIC_SERVICE = pb.DESCRIPTOR.services_by_name["TopicService"]
HEARTBEAT, GAP = pb.SubscribeResponse.HEARTBEAT, pb.SubscribeResponse.GAP
WITHIN_S = 10.0


def message(sequence: int, news: Round | Repriced | Standing = ROUND) -> pb.SubscribeResponse:
    return pb.SubscribeResponse(
        kind=pb.SubscribeResponse.MESSAGE,
        sequence=sequence,
        epoch="7",
        payload=frame_to(news).SerializeToString(),
    )


def sign(kind: "pb.SubscribeResponse.Kind.ValueType", sequence: int = 0) -> pb.SubscribeResponse:
    return pb.SubscribeResponse(kind=kind, sequence=sequence, epoch="7" if sequence else "")


class Cache(TopicServiceServicer):
    """Plays a part at each subscription, then breaks the line; the last part does not end."""

    def __init__(self, *parts: Sequence[pb.SubscribeResponse]) -> None:
        self._parts = iter(parts)
        self.asked: list[tuple[str, int, str]] = []
        self.published: list[pb.PublishRequest] = []
        self.is_down = False

    async def Subscribe(self, request: pb.SubscribeRequest, context: Any) -> AsyncIterator[pb.SubscribeResponse]:
        self.asked.append((request.topic, request.after, request.epoch))
        part = next(self._parts, None)
        if part is None:
            await asyncio.Event().wait()
        for event in part or ():
            yield event
        await context.abort(grpc.StatusCode.UNAVAILABLE, "broken on purpose")

    async def Publish(self, request: pb.PublishRequest, context: Any) -> pb.PublishResponse:
        if self.is_down:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "down on purpose")
        self.published.append(request)
        return pb.PublishResponse(sequence=len(self.published), epoch="7")

    def register(self, server: grpc.aio.Server) -> None:
        add_TopicServiceServicer_to_server(self, server)


async def heard(cache: Cache, count: int) -> list[News | Signal]:
    """The first `count` things that a follower hears."""
    async with serving(cache.register) as server, asyncio.timeout(WITHIN_S), channel_to(server) as channel:
        news: list[News | Signal] = []
        async with aclosing(CacheTopics(channel, SystemClock()).follow(TRACK.track)) as follow:
            async for each in follow:
                news.append(each)
                if len(news) == count:
                    break
        return news


def channel_to(server: Server) -> grpc.aio.Channel:
    return open_channel(server.target, services=(TOPIC_SERVICE,))


async def test_joining_a_topic_tells_that_what_was_said_before_was_missed() -> None:
    cache = Cache([sign(HEARTBEAT, 4), message(5)])

    assert await heard(cache, 3) == [Signal.MISSED, Signal.ALIVE, ROUND]
    assert cache.asked == [(f"track/{TRACK.track}", 0, "")]


async def test_a_line_that_broke_is_resumed_behind_the_last_message() -> None:
    cache = Cache([message(5)], [message(6, STANDING)])

    assert await heard(cache, 4) == [Signal.MISSED, ROUND, Signal.BROKEN, STANDING]
    assert [after_epoch for _, *after_epoch in cache.asked] == [[0, ""], [5, "7"]]


async def test_a_gap_is_told() -> None:
    cache = Cache([message(5)], [sign(GAP, 900), message(901)])

    assert (await heard(cache, 5))[3:] == [Signal.MISSED, ROUND]


async def test_a_cache_that_was_never_reached_is_asked_again_and_again() -> None:
    cache = Cache([], [], [sign(HEARTBEAT)])

    assert await heard(cache, 4) == [Signal.BROKEN, Signal.BROKEN, Signal.MISSED, Signal.ALIVE]
    assert len(cache.asked) == 3


@pytest.mark.parametrize("news", [ROUND, STANDING])
async def test_what_is_told_arrives_under_the_topic_of_the_track(news: Round | Repriced | Standing) -> None:
    cache = Cache()
    async with serving(cache.register) as server, channel_to(server) as channel:
        await CacheTopics(channel, SystemClock()).publish(TRACK.track, news)

    [told] = cache.published
    assert told.topic == f"track/{TRACK.track}"
    assert told.payload == frame_to(news).SerializeToString()


async def test_telling_nobody_is_no_error() -> None:
    cache = Cache()
    cache.is_down = True
    async with serving(cache.register) as server, channel_to(server) as channel:
        topics = CacheTopics(channel, SystemClock())
        for _ in range(10):  # enough for the breaker as well
            await topics.publish(TRACK.track, ROUND)

    assert cache.published == []


async def test_prices_that_moved_are_told_with_their_round_and_totals_without() -> None:
    moved = Repriced(round=replace(ROUND, price_revision=3))
    cache = Cache([message(5), message(6, moved), message(7, STANDING)])

    assert await heard(cache, 4) == [Signal.MISSED, ROUND, moved, STANDING]
