"""Topics: in order, nothing twice, and whatever is lost is said."""

import asyncio
import time
from itertools import pairwise

import grpc
import pytest
import redis as client_of_redis

from deploy.local.redis import RedisServer
from services.cache.adapters.redis.topics import MESSAGES_KEPT
from services.cache.engine import topics
from tests.caches import Event, Replica, Subscription, be_patient, eventually, replica
from tests.redis import freeze, resume
from tests.served import refused

TOPIC = "track/harbour-mile"
HEARTBEAT_S = 3.0
"""A quarter of a second is promised; a busy machine is given more."""


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    be_patient(monkeypatch)


async def begun(subscription: Subscription) -> Event:
    """The first event of a subscription that begins with what comes next."""
    first = await subscription.event()
    assert first.kind == Event.HEARTBEAT
    return first


async def test_every_subscriber_of_every_replica_gets_every_message_in_order(one: Replica, other: Replica) -> None:
    with one.subscribed(TOPIC) as here, one.subscribed(TOPIC) as beside, other.subscribed(TOPIC) as there:
        for subscription in (here, beside, there):
            first = await begun(subscription)
            assert (first.sequence, first.epoch) == (0, "")
        told = [
            await (one, other)[n % 2].publish(TOPIC, b"%d" % n, f"{n:08}-0000-4000-8000-000000000000")
            for n in range(100)
        ]
        assert [each.sequence for each in told] == list(range(1, 101))
        for subscription in (here, beside, there):
            events = [await subscription.news() for _ in told]
            assert {event.kind for event in events} == {Event.MESSAGE}
            assert [(event.sequence, event.epoch) for event in events] == [(each.sequence, each.epoch) for each in told]
            assert [event.payload for event in events] == [b"%d" % n for n in range(100)]
            assert [event.request_id[:8] for event in events] == [f"{n:08}" for n in range(100)]


async def test_a_topic_knows_nothing_of_another(one: Replica) -> None:
    with one.subscribed("track/harbour-mile") as mile, one.subscribed("track/city-sprint") as sprint:
        await begun(mile)
        await begun(sprint)
        await one.publish("track/city-sprint", b"sprint")
        await one.publish("track/harbour-mile", b"mile")
        assert (await mile.news()).payload == b"mile"
        assert (await sprint.news()).payload == b"sprint"


async def test_a_subscriber_begins_with_what_comes_next(one: Replica) -> None:
    told = await one.publish(TOPIC, b"before")
    with one.subscribed(TOPIC) as subscription:
        first = await begun(subscription)
        assert (first.sequence, first.epoch) == (told.sequence, told.epoch)
        await one.publish(TOPIC, b"after")
        assert (await subscription.news()).payload == b"after"


async def test_a_subscriber_resumes_after_the_message_that_it_saw_at_any_replica(one: Replica, other: Replica) -> None:
    told = [await one.publish(TOPIC, b"%d" % n) for n in range(10)]
    with other.subscribed(TOPIC, after=told[3].sequence, epoch=told[3].epoch) as subscription:
        events = [await subscription.event() for _ in range(6)]
        assert [event.payload for event in events] == [b"4", b"5", b"6", b"7", b"8", b"9"]
        await one.publish(TOPIC, b"10")
        assert (await subscription.news()).payload == b"10"


async def test_a_subscriber_that_missed_nothing_is_told_so(one: Replica) -> None:
    told = await one.publish(TOPIC, b"seen")
    with one.subscribed(TOPIC, after=told.sequence, epoch=told.epoch) as subscription:
        assert (await begun(subscription)).sequence == told.sequence


@pytest.mark.parametrize(("after", "epoch"), [(7, "1"), (7, ""), (10**9, "")], ids=["gone", "known", "future"])
async def test_a_subscriber_from_an_epoch_or_a_place_that_is_unknown_gets_a_gap(
    one: Replica, after: int, epoch: str
) -> None:
    told = await one.publish(TOPIC, b"1")
    with one.subscribed(TOPIC, after=after, epoch=epoch or told.epoch) as subscription:
        event = await subscription.event()
        assert (event.kind, event.sequence, event.epoch) == (Event.GAP, told.sequence, told.epoch)


async def test_messages_that_are_kept_no_more_are_a_gap_before_the_first_one_that_is(one: Replica) -> None:
    first = await one.publish(TOPIC, b"first")
    for _ in range(MESSAGES_KEPT // 50 + 6):
        await asyncio.gather(*(one.publish(TOPIC, b"more") for _ in range(50)))
    last = await one.publish(TOPIC, b"last")
    with one.subscribed(TOPIC, after=first.sequence, epoch=first.epoch) as subscription:
        gap = await subscription.event()
        assert gap.kind == Event.GAP
        assert first.sequence < gap.sequence < last.sequence
        expected = gap.sequence
        while (event := await subscription.news()).payload != b"last":
            expected += 1
            assert (event.kind, event.sequence) == (Event.MESSAGE, expected)


async def test_a_slow_subscriber_gets_a_gap_and_then_goes_on_in_order(one: Replica) -> None:
    with one.subscribed(TOPIC) as slow, one.subscribed(TOPIC) as quick:
        await begun(slow)
        await begun(quick)
        seen = 0
        for n in range(200):  # some 13 MB, which neither a mailbox nor a connection holds
            await one.publish(TOPIC, b"%d" % n + b"." * 65_000)
            while seen < n - 10:
                seen = (await quick.news()).sequence
        last = await one.publish(TOPIC, b"last")
        events = [await slow.news()]
        while events[-1].sequence < last.sequence:
            events.append(await slow.news())
        assert any(event.kind == Event.GAP for event in events)
        for before, event in pairwise(events):
            follows = event.sequence == before.sequence + 1
            assert follows if event.kind == Event.MESSAGE else event.sequence > before.sequence


async def test_a_heartbeat_comes_while_nothing_else_does_and_tells_the_last_message(one: Replica) -> None:
    with one.subscribed(TOPIC) as subscription:
        await begun(subscription)
        told = await one.publish(TOPIC, b"1")
        await subscription.news()
        begun_s = time.monotonic()
        for _ in range(4):
            event = await subscription.event(within_s=HEARTBEAT_S)
            assert (event.kind, event.sequence, event.epoch) == (Event.HEARTBEAT, told.sequence, told.epoch)
        assert time.monotonic() - begun_s < 4 * HEARTBEAT_S


@pytest.mark.parametrize("outage", ["killed", "frozen"])
async def test_heartbeats_stop_when_redis_is_gone_and_come_again_on_the_same_stream(
    redis: RedisServer, one: Replica, outage: str
) -> None:
    with one.subscribed(TOPIC) as subscription:
        await begun(subscription)
        if outage == "killed":
            redis.kill()
        else:
            freeze(redis)
        await silence(subscription)
        redis.start()
        resume(redis)
        assert (await subscription.event()).kind in (Event.GAP, Event.HEARTBEAT)
        await publish_when_up(one, b"again")
        assert (await subscription.news()).payload == b"again"


async def silence(subscription: Subscription) -> None:
    """Return when nothing has come for a second."""
    quiet_since_s = time.monotonic()
    reading = asyncio.ensure_future(subscription.event(within_s=60))
    while time.monotonic() - quiet_since_s < 1.0:
        done, _ = await asyncio.wait({reading}, timeout=0.05)
        if done:
            assert reading.result().kind == Event.HEARTBEAT
            quiet_since_s = time.monotonic()
            reading = asyncio.ensure_future(subscription.event(within_s=60))
    subscription.hold(reading)


async def all_events(subscription: Subscription) -> None:
    """Read until the stream ends, which it does by an error."""
    while True:
        await subscription.event()


async def publish_when_up(under_test: Replica, payload: bytes) -> None:
    async def published() -> bool:
        try:
            await under_test.publish(TOPIC, payload)
        except grpc.aio.AioRpcError:
            return False
        return True

    await eventually(published)


@pytest.mark.parametrize("how", ["killed", "flushed"])
async def test_a_redis_that_lost_its_memory_is_a_gap_and_then_a_new_epoch(
    redis: RedisServer, one: Replica, how: str
) -> None:
    with one.subscribed(TOPIC) as subscription:
        await begun(subscription)
        for n in range(5):
            told = await one.publish(TOPIC, b"%d" % n)
            await subscription.news()
        if how == "killed":
            redis.kill()
            redis.start()
        else:
            with client_of_redis.Redis.from_url(redis.url) as client:
                client.flushall()
        await publish_when_up(one, b"new")
        gaps = 0
        while (event := await subscription.news()).kind == Event.GAP:
            gaps += 1
        assert 1 <= gaps <= 2, "memory was lost once, and perhaps once more the place in the new epoch"
        assert (event.payload, event.sequence) == (b"new", 1)
        assert int(event.epoch) > int(told.epoch)


async def test_messages_of_others_while_a_replica_was_cut_off_reach_its_subscribers(
    redis: RedisServer, one: Replica, other: Replica
) -> None:
    with one.subscribed(TOPIC) as subscription:
        await begun(subscription)
        await other.publish(TOPIC, b"1")
        await subscription.news()
        with client_of_redis.Redis.from_url(redis.url) as client:
            client.client_kill_filter(_type="normal")
        await publish_when_up(other, b"2")
        event = await subscription.news()
        assert (event.kind, event.payload, event.sequence) == (Event.MESSAGE, b"2", 2)


async def test_a_subscription_that_begins_during_an_outage_begins_when_it_is_over(
    redis: RedisServer, one: Replica
) -> None:
    redis.kill()
    with one.subscribed(TOPIC) as subscription:
        await silence(subscription)
        redis.start()
        assert (await subscription.event()).kind == Event.HEARTBEAT
        await publish_when_up(one, b"1")
        assert (await subscription.news()).payload == b"1"


async def test_a_replica_that_goes_away_ends_its_subscriptions_with_a_hint(redis: RedisServer) -> None:
    async with replica(redis.url) as leaving:
        with leaving.subscribed(TOPIC) as subscription:
            await begun(subscription)
            draining = asyncio.create_task(leaving.server.drain())
            refusal = await refused(all_events(subscription))
            assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "DRAINING")
            assert refusal.retry_in_ms
            await draining


async def test_subscriptions_beyond_the_bound_are_refused(one: Replica, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics, "SUBSCRIBERS_MAX", 2)
    with one.subscribed(TOPIC) as first, one.subscribed(TOPIC) as second:
        await begun(first)
        await begun(second)
        with one.subscribed(TOPIC) as third:
            refusal = await refused(third.event())
            assert (refusal.code, refusal.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")


async def test_without_redis_topics_are_down_and_say_so() -> None:
    async with replica() as alone:
        assert (await refused(alone.publish(TOPIC, b"1"))).reason == "DEPENDENCY_DOWN"
        with alone.subscribed(TOPIC) as subscription:
            await silence(subscription)
