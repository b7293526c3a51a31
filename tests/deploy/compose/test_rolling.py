"""Every service is renewed, and one replica of each is killed, while tickets are sold and watchers watch."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from furlong.client import connect
from furlong.game.v1.round_service_pb2 import WatchRoundsResponse

from deploy.compose.roll import SERVICES, Roller
from tests.deploy.compose.reading import Reads, read
from tests.deploy.compose.selling import (
    LONG,
    SHORT,
    Sales,
    assert_nothing_is_lost_or_doubled,
    new_account,
    new_track,
    open_round,
    sold,
)
from tests.deploy.compose.stacks import RunningStack
from tests.e2e.waiting import until
from tests.e2e.watching import assert_every_transition_once_and_in_order, watched

SOLD_ON = 50
"""Tickets after which a stack counts as one that goes on selling."""
SELL_ON_S = 30.0
WATCHERS = 3
FLUSH = 'REDISCLI_AUTH="$(cat /run/furlong/password)" redis-cli FLUSHALL'


@asynccontextmanager
async def under_load(stack: RunningStack) -> AsyncIterator[tuple[Sales, Reads]]:
    """Sellers, readers and watchers at work while the block runs; what must hold of all is looked at when it ends."""
    async with connect(stack.gateway, token=stack.token) as client:
        sold_track, watched_track = await new_track(client, "sold", LONG), await new_track(client, "watched", SHORT)
        ann = await new_account(client)
        round_id = await open_round(client, sold_track)
        await open_round(client, watched_track)
        async with (
            watched(client, watched_track) as one,
            watched(client, watched_track) as two,
            watched(client, watched_track) as three,
        ):
            async with sold(stack, round_id, ann) as sales, read(stack) as reads:
                yield sales, reads
                before = len(sales.accepted)
                await until(
                    lambda: sold_since(sales, before), within_s=SELL_ON_S, what="the stack sells afterwards too"
                )
            print(f"{sales}\n{reads}")
            last = max(frame.transition_seq for frames in (one, two, three) for frame in frames)
            await until(
                lambda: all_saw(last, one, two, three), within_s=SELL_ON_S, what="every watcher sees what one has seen"
            )
        await client.tracks.pause(watched_track, "its test is over")
    for frames in (one, two, three):
        assert_every_transition_once_and_in_order(frames)
    assert not sales.refused
    await assert_nothing_is_lost_or_doubled(stack, ann, sales)


async def sold_since(sales: Sales, before: int) -> bool:
    return len(sales.accepted) >= before + SOLD_ON


async def all_saw(last: int, *watchers: Sequence[WatchRoundsResponse]) -> bool:
    return all(frames and frames[-1].transition_seq >= last for frames in watchers)


@pytest.mark.timeout(480)
async def test_a_rolling_update_of_every_service_fails_no_call_twice_and_loses_nothing(stack: RunningStack) -> None:
    roller = Roller(stack.compose.aimed)
    async with under_load(stack) as (sales, reads):
        for service in SERVICES:
            before = {each["Id"] for each in stack.compose.containers(service)}
            print(f"{service}: {sales.calls} calls, {reads.answered} reads before it")
            await asyncio.to_thread(roller.roll, service)
            after = {each["Id"] for each in stack.compose.containers(service)}
            assert len(after) == len(before)
            assert not after & before

    assert sales.failed_twice == []
    assert reads.failed_twice == []


@pytest.mark.timeout(180)
async def test_with_one_replica_of_each_service_killed_and_redis_flushed_the_stack_sells(stack: RunningStack) -> None:
    """The last one: what it has killed stays dead."""
    scaled = ("--no-deps", "--no-recreate", "--scale=gateway=2", "gateway")
    stack.compose("up", "--detach", "--wait", *scaled)
    async with under_load(stack):
        for service in SERVICES:
            victim = stack.compose.containers(service)[0]["Id"]
            await asyncio.to_thread(stack.compose.docker, "kill", victim)
        await asyncio.to_thread(stack.compose, "exec", "-T", "redis", "sh", "-c", FLUSH)
