"""What the cache asks of a shared store: of Redis, and of the one in memory that stands for it in unit tests."""

from collections.abc import AsyncIterator, Sequence

import pytest
import redis as client_of_redis

from services.cache.adapters.redis import client
from services.cache.adapters.redis.client import RedisClient
from services.cache.adapters.redis.store import RedisStore
from services.cache.adapters.redis.topics import RedisTopics
from services.cache.domain.bounds import PATTERN_MARKS_MAX, TAG_MARKS_MAX
from services.cache.domain.change import CHANGES_TOPIC, Change, Mode, Scope, decode
from services.cache.domain.entry import Draft, Entry, Key
from services.cache.domain.entry import decode as decode_entry
from services.cache.domain.position import NOWHERE, Position
from services.cache.ports import EntryStore, TopicStore
from tests.fakes.shared_store import SharedStore


class RedisShared(RedisStore, RedisTopics):
    """Redis behind all the ports of a store."""

    def __init__(self, redis: RedisClient) -> None:
        RedisStore.__init__(self, redis)
        RedisTopics.__init__(self, redis)


@pytest.fixture(params=["redis", "memory"])
async def store(
    request: pytest.FixtureRequest, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[RedisShared | SharedStore]:
    if request.param == "memory":
        yield SharedStore()
        return
    monkeypatch.setattr(client, "CALL_S", 5.0)
    redis = RedisClient(redis_url)
    yield RedisShared(redis)
    await redis.close()


def draft(key: str, value: bytes = b"value", *tags: str) -> Draft:
    return Draft(key, value, tags, 1_000, 61_000, 121_000)


async def read(store: EntryStore, *names: str) -> Sequence[Entry | None]:
    stored = await store.read([Key("tracks", name) for name in names])
    return [None if raw is None else decode_entry(raw) for raw in stored]


async def changes(store: TopicStore, after: Position = NOWHERE) -> list[tuple[Change, int]]:
    """What the topic of changes tells."""
    heard = await store.follow({CHANGES_TOPIC: after})
    return [
        (decode(message.payload), message.stamp.version)
        for message in heard.get(CHANGES_TOPIC, ())
        if message.stamp is not None
    ]


async def test_what_was_written_is_read_with_its_stamp(store: RedisShared | SharedStore) -> None:
    written = draft("a", b"\x00value", "tag", "ключ")
    stamp = await store.write("tracks", [written, draft("b")], 0)
    assert await read(store, "a", "unknown", "b") == [written.entry(*stamp), None, draft("b").entry(*stamp)]


async def test_every_stamp_is_higher_than_the_last_and_than_what_is_known(store: RedisShared | SharedStore) -> None:
    first = await store.write("tracks", [draft("a")], 0)
    second = await store.forget(Change("tracks", Scope.TAG, ("tag",)), 0)
    ahead = second.version + 1_000
    third = await store.write("tracks", [draft("a")], ahead)
    fourth = await store.forget(Change("tracks", Scope.KEYS, ("a",)), 0)
    versions = [first.version, second.version, ahead, third.version, fourth.version]
    assert versions == sorted(set(versions))
    assert len({each.incarnation for each in (first, second, third, fourth)}) == 1


async def test_keys_are_removed_and_whatever_else_leaves_a_mark(store: RedisShared | SharedStore) -> None:
    await store.write("tracks", [draft("a"), draft("b")], 0)
    await store.forget(Change("tracks", Scope.KEYS, ("a", "unknown")), 0)
    assert [each is None for each in await read(store, "a", "b")] == [True, False]
    tag = await store.forget(Change("tracks", Scope.TAG, ("x:y",)), 0)
    pattern = await store.forget(Change("tracks", Scope.PATTERN, ("t:*",)), 0)
    everything = await store.forget(Change("cards", Scope.NAMESPACE), 0)
    state = await store.state(0)
    assert dict(state.marks) == {
        Change("tracks", Scope.TAG, ("x:y",)): tag.version,
        Change("tracks", Scope.PATTERN, ("t:*",)): pattern.version,
        Change("cards", Scope.NAMESPACE): everything.version,
    }
    assert (state.incarnation, state.version) == everything


async def test_the_mark_of_a_namespace_takes_the_place_of_its_others(store: RedisShared | SharedStore) -> None:
    await store.forget(Change("tracks", Scope.TAG, ("tag",)), 0)
    await store.forget(Change("tracks", Scope.PATTERN, ("*",)), 0)
    kept = await store.forget(Change("cards", Scope.TAG, ("tag",)), 0)
    everything = await store.forget(Change("tracks", Scope.NAMESPACE), 0)
    assert dict((await store.state(0)).marks) == {
        Change("cards", Scope.TAG, ("tag",)): kept.version,
        Change("tracks", Scope.NAMESPACE): everything.version,
    }


async def test_a_key_that_is_expired_is_stale_from_then_on_and_one_that_says_nothing_is_gone(
    store: RedisShared | SharedStore,
) -> None:
    stale, absent = draft("a", b"value", "tag"), draft("b")._replace(absent=True)
    stamp = await store.write("tracks", [stale, absent], 0)
    change = Change("tracks", Scope.KEYS, ("a", "b", "unknown"), Mode.EXPIRE)
    expired = await store.forget(change, 0)
    assert await read(store, "a", "b", "unknown") == [stale.entry(*stamp).expired(), None, None]
    assert (await changes(store))[-1] == (change, expired.version)


async def test_marks_that_delete_take_the_place_of_those_that_expire_and_not_the_other_way_round(
    store: RedisShared | SharedStore,
) -> None:
    tag = Change("tracks", Scope.TAG, ("tag",))
    deleted = await store.forget(tag, 0)
    await store.forget(tag._replace(mode=Mode.EXPIRE), 0)
    expired = await store.forget(Change("tracks", Scope.NAMESPACE, (), Mode.EXPIRE), 0)
    assert dict((await store.state(0)).marks) == {
        tag: deleted.version,
        Change("tracks", Scope.NAMESPACE, (), Mode.EXPIRE): expired.version,
    }
    everything = await store.forget(Change("tracks", Scope.NAMESPACE), 0)
    assert dict((await store.state(0)).marks) == {Change("tracks", Scope.NAMESPACE): everything.version}


@pytest.mark.parametrize("mode", [Mode.DELETE, Mode.EXPIRE])
@pytest.mark.parametrize(("scope", "most"), [(Scope.TAG, TAG_MARKS_MAX), (Scope.PATTERN, PATTERN_MARKS_MAX)])
async def test_one_mark_too_many_becomes_the_mark_of_the_namespace(
    store: RedisShared | SharedStore, scope: Scope, most: int, mode: Mode
) -> None:
    for n in range(most):
        await store.forget(Change("tracks", scope, (f"{n}",), mode), 0)
        await store.forget(Change("tracks", scope, ("0",), mode), 0)
    assert len((await store.state(0)).marks) == most
    stamp = await store.forget(Change("tracks", scope, ("one more",), mode), 0)
    assert dict((await store.state(0)).marks) == {Change("tracks", Scope.NAMESPACE, (), mode): stamp.version}
    await store.forget(Change("tracks", scope, ("and again",), mode), 0)
    assert len((await store.state(0)).marks) == 2


async def test_every_write_is_told_in_order_with_its_stamp(store: RedisShared | SharedStore) -> None:
    first = await store.write("tracks", [draft("a"), draft("b")], 0)
    second = await store.forget(Change("tracks", Scope.TAG, ("tag",)), 0)
    third = await store.renew(0)
    assert await changes(store) == [
        (Change("tracks", Scope.KEYS, ("a", "b")), first.version),
        (Change("tracks", Scope.TAG, ("tag",)), second.version),
        (Change("", Scope.NAMESPACE), third.version),
    ]


async def test_a_renewed_store_has_a_later_incarnation_and_no_marks(store: RedisShared | SharedStore) -> None:
    await store.forget(Change("tracks", Scope.TAG, ("tag",)), 0)
    before = await store.state(0)
    stamp = await store.renew(0)
    after = await store.state(0)
    assert after.incarnation == stamp.incarnation == await store.incarnation() > before.version
    assert after.marks == []


async def test_a_store_that_forgot_has_no_incarnation_until_it_is_asked_for_its_state_or_written_to(
    store: RedisShared | SharedStore, redis_url: str
) -> None:
    known = (await store.write("tracks", [draft("a")], 0)).version
    for begin in (store.state, store.renew):
        lose_memory(store, redis_url)
        assert await store.incarnation() == 0
        assert await store.heads([CHANGES_TOPIC]) == [NOWHERE]
        begun = await begin(known)
        assert begun.incarnation == await store.incarnation() > known
        known = begun.version


def lose_memory(store: RedisShared | SharedStore, redis_url: str) -> None:
    if isinstance(store, SharedStore):
        store.lose_memory()
        return
    with client_of_redis.Redis.from_url(redis_url) as redis:
        redis.flushall()


async def test_messages_are_numbered_from_one_and_can_be_read_again(store: RedisShared | SharedStore) -> None:
    positions = [await store.publish("t", b"%d" % n, f"id {n}", 0) for n in range(5)]
    epoch = positions[0].epoch
    assert positions == [Position(epoch, n) for n in range(1, 6)]
    assert await store.heads(["t", "unknown"]) == [positions[-1], NOWHERE]
    again = await store.between("t", positions[1], positions[3])
    assert [(each.position, each.payload, each.request_id, each.stamp) for each in again] == [
        (positions[2], b"2", "id 2", None),
        (positions[3], b"3", "id 3", None),
    ]
    heard = await store.follow({"t": positions[3], "unknown": NOWHERE})
    assert {topic: [each.payload for each in messages] for topic, messages in heard.items()} == {"t": [b"4"]}


async def test_a_topic_that_was_forgotten_begins_a_later_epoch(
    store: RedisShared | SharedStore, redis_url: str
) -> None:
    before = await store.publish("t", b"", "", 0)
    lose_memory(store, redis_url)
    after = await store.publish("t", b"", "", before.epoch + 10**9)
    assert after.sequence == 1
    assert after.epoch > before.epoch + 10**9
    heard = await store.follow({"t": before})
    assert [each.position for each in heard["t"]] == [after]


async def test_waiting_for_messages_ends_without_any(store: RedisShared | SharedStore) -> None:
    position = await store.publish("t", b"", "", 0)
    assert await store.follow({"t": position}) == {}


async def slid(store: EntryStore, name: str, until_ms: int = 900_000) -> Entry:
    """The entry under a name, made to live on in the store."""
    (entry,) = await read(store, name)
    assert entry is not None
    await store.slide([(Key("tracks", name), entry.slid(until_ms))], 60_000)
    return entry


async def test_an_entry_that_lives_on_has_other_times_and_nothing_else(
    store: RedisShared | SharedStore, redis_url: str
) -> None:
    await store.write("tracks", [draft("a", b"value", "tag"), draft("b")], 0)
    before = await slid(store, "a")
    after, other = await read(store, "a", "b")
    assert after == before._replace(fresh_until_ms=900_000, stale_until_ms=900_000)
    assert other is not None
    assert other.fresh_until_ms == 61_000
    if isinstance(store, RedisShared):
        with client_of_redis.Redis.from_url(redis_url) as redis:
            left_ms = {redis.pttl(key) for key in redis.scan_iter("*:e:*")}
        assert len([each for each in left_ms if 0 < each <= 60_000]) == 1


async def test_what_was_written_anew_expired_or_removed_does_not_live_on(store: RedisShared | SharedStore) -> None:
    await store.write("tracks", [draft("anew"), draft("expired"), draft("removed")], 0)
    found = {name: (await read(store, name))[0] for name in ("anew", "expired", "removed")}
    await store.write("tracks", [draft("anew", b"new")], 0)
    await store.forget(Change("tracks", Scope.KEYS, ("expired",), Mode.EXPIRE), 0)
    await store.forget(Change("tracks", Scope.KEYS, ("removed",)), 0)
    before = await read(store, *found)
    await store.slide([(Key("tracks", name), entry.slid(900_000)) for name, entry in found.items() if entry], 60_000)
    assert await read(store, *found) == before


async def test_marks_that_were_lost_alone_are_not_missed_unnoticed(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "CALL_S", 5.0)
    connected = RedisClient(redis_url)
    store = RedisStore(connected)
    try:
        before = await store.state(0)
        for lose_and_find in ("by a mark", "by who reads the state"):
            await store.forget(Change("tracks", Scope.TAG, ("lost",)), 0)
            with client_of_redis.Redis.from_url(redis_url) as redis:
                assert redis.delete(*redis.keys("{furlong}:cache:m:tracks:*")) == 1
            if lose_and_find == "by a mark":
                stamp = await store.forget(Change("tracks", Scope.TAG, ("another",)), 0)
                assert dict((await store.state(0)).marks) == {Change("tracks", Scope.NAMESPACE): stamp.version}
            else:
                after = await store.state(0)
                assert after.incarnation > before.version
                assert after.marks == []
    finally:
        await connected.close()


async def test_the_mark_of_a_namespace_costs_the_same_however_many_it_takes_the_place_of(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "CALL_S", 30.0)
    connected = RedisClient(redis_url)
    store = RedisStore(connected)
    try:
        commands = []
        for marks in (1, TAG_MARKS_MAX):
            for n in range(marks):
                await store.forget(Change("tracks", Scope.TAG, (f"{n}",)), 0)
                await store.forget(Change("cards", Scope.TAG, (f"{n}",)), 0)
            with client_of_redis.Redis.from_url(redis_url) as redis:
                redis.config_resetstat()
                await store.forget(Change("tracks", Scope.NAMESPACE), 0)
                stats = redis.info("commandstats")
            commands.append({name: each["calls"] for name, each in stats.items()})
        assert commands[0] == commands[1]
        assert not any("hkeys" in name or "hgetall" in name for name in commands[0])
    finally:
        await connected.close()
