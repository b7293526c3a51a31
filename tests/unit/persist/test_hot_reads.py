"""Hot reads: who shares an answer with whom, what is kept, and that the cache costs nobody an answer."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from furlong.client import deadline
from furlong.common.v1.error_pb2 import Reason

from services.chassis.freshness import tell
from services.chassis.refusal import Refusal
from services.persist import hot_reads
from services.persist.domain.shelf import ROUNDS, TRACKS, Shelf
from services.persist.hot_reads import Answer, HotReads
from tests.fakes.answer_cache import FakeAnswerCache


class Source:
    """A database with one answer, which a test can change and hold up."""

    def __init__(self, wire: bytes = b"first", *, keep: bool = True) -> None:
        self.wire, self.keep = wire, keep
        self.refusal: Refusal | None = None
        self.reads = 0
        self.is_open = asyncio.Event()
        self.is_open.set()

    async def load(self) -> Answer:
        self.reads += 1
        read, refusal = Answer(wire=self.wire, keep=self.keep), self.refusal
        await self.is_open.wait()  # what was read is on its way
        if refusal is not None:
            raise refusal
        return read


@pytest.fixture
def cache() -> FakeAnswerCache:
    return FakeAnswerCache()


@pytest.fixture
async def hot(cache: FakeAnswerCache) -> AsyncIterator[HotReads]:
    hot = HotReads(cache)
    yield hot
    await hot.close()


async def settled() -> None:
    """Let everything happen that can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_what_was_kept_is_answered_without_the_database(hot: HotReads) -> None:
    source = Source()
    assert await hot.read(ROUNDS, "1", source.load) == b"first"
    await settled()
    assert source.reads == 2  # once for the answer, once more when it is kept
    assert await hot.read(ROUNDS, "1", source.load) == b"first"
    assert source.reads == 2


async def test_how_fresh_an_answer_is_gets_noted_for_the_call_where_it_was_kept(hot: HotReads) -> None:
    source = Source()

    async def noted() -> str:
        await hot.read(ROUNDS, "1", source.load)
        context = ToldContext()
        await tell(context)  # type: ignore[arg-type] # all that it needs of a context
        return context.told

    assert await asyncio.create_task(noted()) == "nothing"
    await settled()
    assert await asyncio.create_task(noted()) == "x-cache: HIT L1, age: 7"


class ToldContext:
    """Notes what a call tells before its answer."""

    told = "nothing"

    async def send_initial_metadata(self, metadata: tuple[tuple[str, str], ...]) -> None:
        self.told = ", ".join(f"{key}: {value}" for key, value in metadata)


async def test_what_may_not_be_kept_is_read_each_time(hot: HotReads, cache: FakeAnswerCache) -> None:
    source = Source(keep=False)
    assert await hot.read(ROUNDS, "1", source.load) == b"first"
    source.wire = b"second"
    assert await hot.read(ROUNDS, "1", source.load) == b"second"
    assert cache.entries == {}


async def test_without_a_cache_every_read_is_the_databases() -> None:
    hot, source = HotReads(None), Source()
    for wire in (b"first", b"second"):
        source.wire = wire
        assert await hot.read(TRACKS, "a", source.load) == wire
    await hot.forget(TRACKS)


async def test_a_cache_that_is_gone_changes_no_answer(hot: HotReads, cache: FakeAnswerCache) -> None:
    cache.gone = True
    source = Source()
    for _ in range(3):
        assert await hot.read(ROUNDS, "1", source.load) == b"first"
    assert source.reads == 3


async def test_those_who_ask_at_once_share_two_reads(hot: HotReads, cache: FakeAnswerCache) -> None:
    """Whoever began the first read does not wait for the second, which the others share."""
    source = Source()
    answers = await asyncio.gather(*(hot.read(ROUNDS, "1", source.load) for _ in range(100)))
    await settled()
    assert set(answers) == {b"first"}
    assert cache.asked.count("recall 1") == 2
    assert source.reads <= 2 * 2  # each is looked at again once it is kept


@pytest.mark.parametrize(("shelf", "keep"), [(TRACKS, True), (ROUNDS, False)], ids=["a list of tracks", "a live round"])
async def test_whoever_asks_after_a_change_is_not_given_an_older_read(hot: HotReads, shelf: Shelf, keep: bool) -> None:
    source = Source(keep=keep)
    source.is_open.clear()
    before = asyncio.create_task(hot.read(shelf, "a", source.load))
    await settled()
    source.wire = b"second"
    later = [asyncio.create_task(hot.read(shelf, "a", source.load)) for _ in range(50)]
    await settled()
    source.is_open.set()
    assert await before == b"first"
    await hot.forget(TRACKS)
    assert set(await asyncio.gather(*later)) == {b"second"}
    assert source.reads <= 2 * 2  # one for the first, one for all later ones, and each looked at again once it is kept


async def test_what_changed_on_its_way_into_the_cache_is_taken_back(hot: HotReads, cache: FakeAnswerCache) -> None:
    source = Source()
    source.is_open.clear()
    reading = asyncio.create_task(hot.read(TRACKS, "a", source.load))
    await settled()
    source.wire = b"second"  # another replica commits, and has forgotten what is not there yet
    source.is_open.set()
    assert await reading == b"first"
    await settled()
    assert cache.entries == {}
    assert await hot.read(TRACKS, "a", source.load) == b"second"


async def test_what_cannot_be_checked_is_taken_back(hot: HotReads, cache: FakeAnswerCache) -> None:
    reads = iter([Answer(wire=b"first", keep=True)])

    async def load() -> Answer:
        for answer in reads:
            return answer
        raise Refusal(Reason.DEPENDENCY_DOWN, "down")

    assert await hot.read(TRACKS, "a", load) == b"first"
    await settled()
    assert cache.asked == ["recall a", "keep a", "drop a"]
    assert cache.entries == {}


async def test_what_is_forgotten_is_read_anew(hot: HotReads) -> None:
    source = Source()
    await hot.read(TRACKS, "a", source.load)
    await settled()
    source.wire = b"second"
    assert await hot.read(TRACKS, "a", source.load) == b"first"
    await hot.forget(TRACKS)
    assert await hot.read(TRACKS, "a", source.load) == b"second"


async def test_a_refusal_reaches_everybody_and_is_not_kept(hot: HotReads, cache: FakeAnswerCache) -> None:
    source = Source()
    source.refusal = Refusal(Reason.ROUND_UNKNOWN, "no round 1")
    outcomes = await asyncio.gather(*(hot.read(ROUNDS, "1", source.load) for _ in range(5)), return_exceptions=True)
    assert {getattr(outcome, "reason", None) for outcome in outcomes} == {Reason.ROUND_UNKNOWN}
    source.refusal = None
    assert await hot.read(ROUNDS, "1", source.load) == b"first"


async def test_one_caller_who_goes_away_ends_nothing_for_the_others(hot: HotReads) -> None:
    source = Source()
    source.is_open.clear()
    first, second = (asyncio.create_task(hot.read(ROUNDS, "1", source.load)) for _ in range(2))
    await settled()
    first.cancel()
    await settled()
    source.is_open.set()
    assert await second == b"first"


async def test_a_read_that_nobody_waits_for_is_given_up(hot: HotReads, cache: FakeAnswerCache) -> None:
    source = Source()
    source.is_open.clear()
    callers = [asyncio.create_task(hot.read(ROUNDS, "1", source.load)) for _ in range(2)]
    await settled()
    for caller in callers:
        caller.cancel()
    await settled()
    source.is_open.set()
    await settled()
    assert cache.entries == {}
    assert await hot.read(ROUNDS, "1", source.load) == b"first"


async def test_a_caller_who_goes_away_does_not_end_the_forgetting(hot: HotReads, cache: FakeAnswerCache) -> None:
    forgetting = asyncio.create_task(hot.forget(TRACKS))
    await asyncio.sleep(0)
    forgetting.cancel()
    await settled()
    assert cache.asked == ["forget tracks"]


async def test_a_shared_read_does_not_run_under_the_deadline_of_one_caller(hot: HotReads) -> None:
    seen: list[float | None] = []

    async def load() -> Answer:
        seen.append(deadline.inbound())
        return Answer(wire=b"", keep=True)

    token = deadline.set_inbound(1.0)
    await hot.read(TRACKS, "a", load)
    await settled()
    deadline.reset(token)
    assert seen == [None, None]


async def test_what_waits_to_be_kept_is_bounded(
    hot: HotReads, cache: FakeAnswerCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hot_reads, "ERRANDS_MAX", 2)
    await asyncio.gather(*(hot.read(ROUNDS, str(n), Source().load) for n in range(10)))
    await settled()
    assert len(cache.entries) == 2
