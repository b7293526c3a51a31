import asyncio

import pytest
from furlong.common.v1.error_pb2 import Reason

from services.cache.domain.change import Change, Mode, Scope
from services.cache.engine import watchers as module
from services.cache.engine.link import Link
from services.cache.engine.watchers import BYTES_MAX, WATCHERS_MAX, WORDS_MAX, Kind, Watchers
from services.cache.ports import Stamp
from services.chassis.refusal import Refusal

TRACK = Change("tracks", Scope.KEYS, ("harbour-mile",))


@pytest.fixture(autouse=True)
def _impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BEAT_S", 0.001)


@pytest.fixture
def link() -> Link:
    """A link that is up."""
    link = Link(configured=True, known=100)
    link.begin(7, 100)
    link.find(0)
    return link


@pytest.fixture
def watchers(link: Link) -> Watchers:
    return Watchers(link=link)


async def test_the_first_word_is_where_the_stream_stands(watchers: Watchers) -> None:
    with watchers.watch(["tracks"]) as watcher:
        watchers.tell(TRACK, Stamp(7, 101))
        assert await watcher.take() == (Kind.HEARTBEAT, Stamp(7, 100), None)
        assert await watcher.take() == (Kind.CHANGE, Stamp(7, 101), TRACK)


async def test_the_first_word_is_a_gap_where_others_cannot_be_heard(watchers: Watchers, link: Link) -> None:
    link.lose("for the test")
    with watchers.watch(["tracks"]) as watcher:
        assert (await watcher.take()).kind is Kind.GAP
        assert (await watcher.take()).kind is Kind.GAP
        link.find(0)
        assert (await watcher.take()).kind is Kind.HEARTBEAT


async def test_without_redis_a_replica_vouches_for_itself() -> None:
    with Watchers(link=Link(configured=False, known=1)).watch(["tracks"]) as watcher:
        assert (await watcher.take()).kind is Kind.HEARTBEAT
        assert (await watcher.take()).kind is Kind.HEARTBEAT


async def test_a_pause_is_filled_with_heartbeats(watchers: Watchers) -> None:
    with watchers.watch(["tracks"]) as watcher:
        assert [(await watcher.take()).kind for _ in range(3)] == [Kind.HEARTBEAT] * 3


async def test_only_the_namespaces_that_were_asked_for_are_told(watchers: Watchers) -> None:
    with watchers.watch(["tracks"]) as watcher:
        await watcher.take()
        watchers.tell(Change("cards", Scope.NAMESPACE), Stamp(7, 101))
        watchers.tell(TRACK, Stamp(7, 102))
        assert (await watcher.take()).change == TRACK


async def test_a_lease_that_is_given_back_is_no_change(watchers: Watchers) -> None:
    with watchers.watch(["tracks"]) as watcher:
        await watcher.take()
        watchers.tell(TRACK._replace(mode=Mode.RELEASE), Stamp(7, 101))
        watchers.tell(TRACK._replace(mode=Mode.EXPIRE), Stamp(7, 102))
        assert (await watcher.take()).stamp.version == 102


async def test_a_change_of_our_own_that_comes_back_is_told_once(watchers: Watchers) -> None:
    with watchers.watch(["tracks"]) as watcher:
        await watcher.take()
        watchers.tell(TRACK, Stamp(7, 101))
        watchers.tell(TRACK, Stamp(7, 101))
        watchers.tell(TRACK, Stamp(7, 102))
        assert [(await watcher.take()).stamp.version for _ in range(2)] == [101, 102]


async def test_a_stamp_that_this_replica_gave_itself_does_not_hide_the_store_s(watchers: Watchers, link: Link) -> None:
    link.lose("for the test")
    with watchers.watch(["tracks"]) as watcher:
        await watcher.take()
        watchers.tell(TRACK, Stamp(7, 101))
        assert (await watcher.take()).kind is Kind.CHANGE
        link.find(0)
        watchers.tell(TRACK, Stamp(7, 101))
        assert [(await watcher.take()).kind for _ in range(2)] == [Kind.HEARTBEAT, Kind.CHANGE]


async def test_losing_the_others_is_told_before_anything_that_waits(watchers: Watchers, link: Link) -> None:
    with watchers.watch(["tracks"]) as watcher:
        await watcher.take()
        link.lose("for the test")
        watchers.tell(TRACK, Stamp(7, 101))
        assert [(await watcher.take()).kind for _ in range(2)] == [Kind.GAP, Kind.CHANGE]


async def test_after_a_gap_a_heartbeat_tells_that_it_is_over(watchers: Watchers) -> None:
    with watchers.watch(["tracks"]) as watcher:
        await watcher.take()
        watchers.tell(TRACK, Stamp(7, 101))
        watchers.gap()
        watchers.tell(TRACK, Stamp(7, 102))
        assert [(await watcher.take()).kind for _ in range(3)] == [Kind.GAP, Kind.HEARTBEAT, Kind.CHANGE]


@pytest.mark.parametrize(
    ("change", "fit"),
    [
        (TRACK, WORDS_MAX),
        (Change("tracks", Scope.KEYS, ("k" * (BYTES_MAX // 4),)), 4),
    ],
    ids=["words", "bytes"],
)
async def test_a_slow_watcher_gets_a_gap_for_all_that_waits(watchers: Watchers, change: Change, fit: int) -> None:
    with watchers.watch(["tracks"]) as watcher:
        await watcher.take()
        for n in range(fit + 1):
            watchers.tell(change, Stamp(7, 101 + n))
        watchers.tell(TRACK, Stamp(7, 10_000))
        words = [await watcher.take() for _ in range(3)]
        assert [word.kind for word in words] == [Kind.GAP, Kind.HEARTBEAT, Kind.CHANGE]
        assert words[0].stamp.version == 101 + fit
        assert words[2].stamp.version == 10_000


async def test_a_slow_watcher_costs_the_others_nothing(watchers: Watchers) -> None:
    with watchers.watch(["tracks"]), watchers.watch(["tracks"]) as quick:
        await quick.take()
        for n in range(WORDS_MAX + 1):
            watchers.tell(TRACK, Stamp(7, 101 + n))
            assert (await quick.take()).stamp.version == 101 + n


async def test_a_watcher_that_waits_is_woken_by_a_change(watchers: Watchers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BEAT_S", 60.0)
    with watchers.watch(["tracks"]) as watcher:
        await watcher.take()
        taking = asyncio.ensure_future(watcher.take())
        await asyncio.sleep(0)
        watchers.tell(TRACK, Stamp(7, 101))
        assert (await taking).change == TRACK


async def test_a_watch_ends_with_a_hint_once_it_has_what_waits(watchers: Watchers) -> None:
    with watchers.watch(["tracks"]) as watcher:
        await watcher.take()
        watchers.tell(TRACK, Stamp(7, 101))
        watchers.drain()
        assert (await watcher.take()).kind is Kind.CHANGE
        with pytest.raises(Refusal) as refusal:
            await watcher.take()
    assert refusal.value.reason is Reason.DRAINING
    with pytest.raises(Refusal), watchers.watch(["tracks"]):
        pass


async def test_watchers_have_a_bound_and_leave_nothing_behind(watchers: Watchers) -> None:
    contexts = [watchers.watch(["tracks", "cards"]) for _ in range(WATCHERS_MAX)]
    for context in contexts:
        context.__enter__()
    with pytest.raises(Refusal) as refusal, watchers.watch(["tracks"]):
        pass
    assert refusal.value.reason is Reason.OVERLOADED
    for context in contexts:
        context.__exit__(None, None, None)
    assert len(watchers) == 0
    watchers.tell(TRACK, Stamp(7, 101))
