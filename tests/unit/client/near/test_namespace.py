"""One namespace near, against a service of which each test says what it answers."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from furlong.cache.v1 import cache_service_pb2 as pb
from furlong.client import deadline
from furlong.client.backoff import Timing
from furlong.client.near.change import UNKNOWN, Change
from furlong.client.near.flight import LoadCancelled
from furlong.client.near.namespace import NearNamespace
from furlong.client.near.policy import VALUE_BYTES_MAX, Coherence, NearPolicy
from furlong.client.near.trust import LAG_S, SILENCE_S, Trust

from tests.fakes.near_service import BUSY, FakeNearService, absent, hit, leased, stale

STRICT = NearPolicy(namespace="tracks")
STALE_ALLOWED = NearPolicy(namespace="tracks", stale_ms=10_000)


class Time:
    """A monotonic clock that stands still until a test moves it; sleeping moves it on."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    async def sleep_s(self, seconds: float) -> None:
        self.now_s += seconds

    @property
    def timing(self) -> Timing:
        return Timing(monotonic_s=lambda: self.now_s, sleep_s=self.sleep_s, chance=lambda: 0.0)


class Source:
    """Where entries are loaded from. A test that clears `is_open` holds up the loads."""

    def __init__(self) -> None:
        self.value: bytes | None = b"loaded"
        self.error: BaseException | None = None
        self.loads = 0
        self.ended = 0
        self.is_open = asyncio.Event()
        self.is_open.set()

    async def load(self) -> bytes | None:
        self.loads += 1
        value = self.value
        try:
            await self.is_open.wait()
        finally:
            self.ended += 1
        if self.error is not None:
            raise self.error
        return value


class Near:
    """A namespace and everything around it. Changes are heard, and the replicas have caught up, unless said so."""

    def __init__(self, policy: NearPolicy = STRICT, *, is_hearing: bool = True) -> None:
        self.time = Time()
        self.trust = Trust()
        self.service = FakeNearService()
        self.source = Source()
        service: Any = self.service
        self.namespace = NearNamespace(policy, trust=self.trust, service=service, timing=self.time.timing)
        if is_hearing:
            self.trust.begin("1", self.time.now_s)
            self.pass_s(LAG_S)

    def pass_s(self, seconds: float) -> None:
        """Let time pass in which the stream lives."""
        self.time.now_s += seconds
        if self.trust.is_hearing:
            self.trust.hear(self.time.now_s)

    def lose(self) -> None:
        self.trust.lose()
        self.namespace.end_session()

    async def get(self, key: str = "key") -> bytes | None:
        held = self.namespace.shelf.find(key, self.time.now_s)
        return held.value if held is not None else await self.namespace.fetch(key, self.source.load, ("tag",))

    def asking(self, key: str = "key") -> "asyncio.Task[bytes | None]":
        return asyncio.ensure_future(self.get(key))

    def hear(self, version: int, **covers: Any) -> None:
        self.namespace.hear(Change(version, **({"keys": ("key",)} | covers)))

    @property
    def held(self) -> bytes | None:
        """What is kept and may be given out."""
        held = self.namespace.shelf.find("key", self.time.now_s)
        return None if held is None else held.value


async def settle() -> None:
    """Let every task go as far as it can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - tasks of the namespace bring it about
            await asyncio.sleep(0)


async def test_what_was_found_is_kept_and_not_asked_for_again() -> None:
    near = Near()
    near.service.answers.append(hit(b"value", 5))
    assert [await near.get() for _ in range(3)] == [b"value"] * 3
    assert len(near.service.looks) == 1
    assert near.source.loads == 0


async def test_what_was_loaded_under_a_lease_fills_the_service_and_is_kept() -> None:
    near = Near()
    near.service.answers.append(leased(7))
    assert await near.get() == b"loaded"
    await settle()
    [(item, token)] = near.service.fills
    assert (item.key, item.value, list(item.tags), token) == ("key", b"loaded", ["tag"], 7)
    assert near.held == b"loaded"


async def test_nothing_is_an_answer_that_is_kept_too() -> None:
    near = Near()
    near.source.value = None
    near.service.answers.append(leased(7))
    assert await near.get() is None
    await settle()
    assert near.service.fills[0][0].absent
    assert await near.get() is None
    assert near.source.loads == 1


async def test_a_known_absence_is_not_loaded() -> None:
    near = Near()
    near.service.answers.append(absent(5))
    assert [await near.get(), await near.get()] == [None, None]
    assert (near.source.loads, len(near.service.looks)) == (0, 1)


async def test_a_thousand_callers_wait_for_one_load() -> None:
    near = Near()
    near.service.answers.append(leased(7))
    assert set(await asyncio.gather(*(near.get() for _ in range(1_000)))) == {b"loaded"}
    assert (near.source.loads, len(near.service.looks)) == (1, 1)
    assert near.namespace.counts.joins == 999


async def test_callers_have_their_answer_before_the_service_is_filled() -> None:
    near = Near()
    near.service.is_filling.clear()
    near.service.answers.append(leased(7))
    assert await near.get() == b"loaded"
    assert await near.get() == b"loaded", "while it is being filled, the load answers"
    assert near.source.loads == 1


@pytest.mark.parametrize("found", [hit(b"value", 5), leased(7)], ids=["found", "loaded"])
@pytest.mark.parametrize(
    "covers", [{}, {"keys": None}, {"keys": None, "expires": True}], ids=["key", "everything", "expired"]
)
async def test_a_change_after_the_answer_takes_it_away(found: pb.Found, covers: dict[str, Any]) -> None:
    near = Near()
    near.service.answers.append(found)
    await near.get()
    await settle()
    assert near.held is not None
    near.hear(9, **covers)
    assert near.held is None


async def test_the_word_of_our_own_fill_takes_nothing_away() -> None:
    near = Near()
    near.service.is_filling.clear()
    near.service.answers.append(leased(7))
    await near.get()
    near.hear(7)
    near.service.is_filling.set()
    await settle()
    near.hear(7)
    assert near.held == b"loaded"


@pytest.mark.parametrize("covers", [{}, {"keys": None}], ids=["key", "everything"])
async def test_what_was_being_loaded_when_a_change_came_is_not_kept(covers: dict[str, Any]) -> None:
    near = Near()
    near.source.is_open.clear()
    near.service.answers.append(leased(7))
    asking = near.asking()
    await settle()
    near.hear(8, **covers)
    near.source.is_open.set()
    assert await asking == b"loaded"
    await settle()
    assert near.held is None


async def test_a_change_while_the_fill_is_under_way_keeps_it_from_being_kept() -> None:
    near = Near()
    near.service.is_filling.clear()
    near.service.answers.append(leased(7))
    await near.get()
    near.hear(8)
    near.service.is_filling.set()
    await settle()
    assert near.held is None


async def test_who_asks_after_a_change_is_not_given_the_load_that_began_before_it() -> None:
    near = Near()
    near.source.is_open.clear()
    near.service.answers.extend((leased(7), leased(9)))
    first = near.asking()
    await settle()
    near.source.value = b"new"
    near.hear(8)
    second = near.asking()
    await settle()
    near.source.is_open.set()
    assert [await first, await second] == [b"loaded", b"new"]
    await settle()
    assert near.held == b"new"


async def test_an_answer_that_is_older_than_what_was_heard_is_given_to_nobody() -> None:
    near = Near()
    near.hear(8)
    near.service.answers.append(hit(b"of a replica that lags", 7))
    assert await near.get() == b"loaded"
    assert near.held is None


async def test_an_answer_that_a_change_overtook_is_given_to_nobody() -> None:
    near = Near()
    near.service.is_open.clear()
    near.service.answers.append(hit(b"old", 7))
    asking = near.asking()
    await settle()
    near.hear(8)
    near.service.is_open.set()
    assert await asking == b"loaded"
    assert near.held is None


async def test_what_another_process_filled_while_we_waited_is_kept() -> None:
    near = Near()
    near.service.answers.extend((BUSY, hit(b"theirs", 8)))
    near.service.is_open.clear()
    asking = near.asking()
    await settle()
    near.hear(8)
    near.service.is_open.set()
    assert await asking == b"theirs"
    assert near.held == b"theirs"


async def test_a_fill_that_came_too_late_is_not_kept() -> None:
    near = Near()
    near.service.stored = False
    near.service.answers.append(leased(7))
    assert await near.get() == b"loaded"
    await settle()
    assert near.held is None
    assert near.namespace.counts.refused == 1


async def test_a_fill_that_got_no_answer_gives_the_lease_back() -> None:
    near = Near()
    near.service.fails = True
    near.service.answers.append(leased(7))
    assert await near.get() == b"loaded"
    await settle()
    assert near.held is None
    assert near.service.released == [("key", 7)]


async def test_somebody_else_s_load_is_waited_for_and_then_no_more() -> None:
    near = Near()
    near.service.answers.extend([BUSY] * 100)
    assert await near.get() == b"loaded"
    waits = [wait_ms for _, _, wait_ms in near.service.looks]
    assert waits[0] == 0
    assert set(waits[1:]) == {400}
    assert len(waits) < 30
    assert near.service.fills == []
    assert near.held is None


async def test_without_an_answer_the_function_runs_and_nothing_is_kept() -> None:
    near = Near()
    near.service.answers.extend((None, None))
    assert [await near.get(), await near.get()] == [b"loaded", b"loaded"]
    assert near.source.loads == 2
    assert near.namespace.counts.unanswered == 2


async def test_a_waiter_that_leaves_takes_nothing_from_the_others() -> None:
    near = Near()
    near.source.is_open.clear()
    near.service.answers.append(leased(7))
    first, second, third = near.asking(), near.asking(), near.asking()
    await settle()
    first.cancel()
    third.cancel()
    await settle()
    near.source.is_open.set()
    assert await second == b"loaded"
    assert near.source.loads == 1
    assert [first.cancelled(), third.cancelled()] == [True, True]


async def test_the_last_waiter_that_leaves_ends_the_load_and_gives_the_lease_back() -> None:
    near = Near()
    near.source.is_open.clear()
    near.service.answers.extend((leased(7), leased(8)))
    askers = [near.asking() for _ in range(3)]
    await settle()
    for asker in askers:
        asker.cancel()
    await settle()
    assert near.source.ended == 1
    assert near.service.released == [("key", 7)]
    near.source.is_open.set()
    assert await near.get() == b"loaded"
    assert near.source.loads == 2


async def test_a_waiter_that_is_cancelled_before_the_load_began_leaves_nothing_behind() -> None:
    near = Near()
    asking = near.asking()
    await asyncio.sleep(0)
    asking.cancel()
    await settle()
    assert asking.cancelled()
    assert len(near.namespace.flights) == 0
    assert await near.get() == b"loaded"


async def test_who_comes_when_a_load_was_just_given_up_begins_another() -> None:
    near = Near()
    near.source.is_open.clear()
    first = near.asking()
    await settle()
    first.cancel()
    await asyncio.sleep(0)
    second = near.asking()
    near.source.is_open.set()
    assert await second == b"loaded"


async def test_every_waiter_gets_the_error_of_a_load_and_nothing_is_kept() -> None:
    near = Near()
    near.source.error = ValueError("no such track")
    near.service.answers.append(leased(7))
    results = await asyncio.gather(*(near.get() for _ in range(3)), return_exceptions=True)
    assert results == [near.source.error] * 3
    assert near.source.loads == 1
    await settle()
    assert near.service.released == [("key", 7)]
    assert near.service.fills == []
    near.source.error = None
    assert await near.get() == b"loaded"


async def test_a_load_that_cancels_itself_cancels_nobody_else() -> None:
    near = Near()
    near.source.error = asyncio.CancelledError()
    with pytest.raises(LoadCancelled):
        await near.get()


async def test_a_load_does_not_inherit_the_deadline_of_the_caller_who_began_it() -> None:
    near = Near()
    seen: list[float | None] = []

    async def load() -> bytes:
        seen.append(deadline.inbound())
        return b"loaded"

    token = deadline.set_inbound(1.0)
    try:
        await near.namespace.fetch("key", load, ())
    finally:
        deadline.reset(token)
    assert seen == [None]


async def test_what_is_too_large_is_given_out_and_not_sent() -> None:
    near = Near()
    near.source.value = bytes(VALUE_BYTES_MAX + 1)
    near.service.answers.append(leased(7))
    assert await near.get() == near.source.value
    await settle()
    assert near.service.fills == []
    assert near.service.released == [("key", 7)]


async def test_a_stale_entry_is_given_out_at_once_while_who_has_the_lease_loads() -> None:
    near = Near(STALE_ALLOWED)
    near.source.is_open.clear()
    near.service.answers.append(stale(b"old", 5, token=7))
    assert await near.get() == b"old"
    assert await near.get() == b"old"
    near.source.is_open.set()
    await settle()
    assert near.held == b"loaded"
    assert near.service.looks == [("key", 10_000, 0)]


async def test_what_has_grown_old_here_is_given_out_while_it_is_loaded_anew() -> None:
    near = Near(STALE_ALLOWED)
    near.service.answers.append(hit(b"old", 5, fresh_for_ms=1_000))
    await near.get()
    near.pass_s(2)
    near.service.answers.append(leased(7))
    assert await near.get() == b"old"
    await settle()
    assert near.held == b"loaded"


async def test_what_is_too_old_is_waited_for() -> None:
    near = Near(STALE_ALLOWED)
    near.service.answers.append(hit(b"old", 5, fresh_for_ms=1_000))
    await near.get()
    near.pass_s(12)
    assert await near.get() == b"loaded"


async def test_a_deleted_entry_is_never_given_out_as_stale_and_an_expired_one_may_be() -> None:
    near = Near(STALE_ALLOWED)
    for expires, expected in ((True, b"old"), (False, b"loaded")):
        near.service.answers.append(hit(b"old", 10, fresh_for_ms=60_000))
        assert await near.get() == b"old"
        near.pass_s(LAG_S)
        near.hear(11 if expires else 12, expires=expires)
        assert await near.get() == expected
        await settle()
        near.pass_s(LAG_S)
        near.namespace.shelf.drop("key")


async def test_a_background_load_that_fails_is_counted_and_told_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    near = Near(STALE_ALLOWED)
    near.service.answers.append(stale(b"old", 5, token=7))
    near.source.error = ValueError("the source is ill")
    with caplog.at_level(logging.WARNING):
        assert await near.get() == b"old"
        await settle()
    assert near.namespace.counts.failed == 1
    assert "the source is ill" in caplog.text
    assert near.service.released == [("key", 7)]


async def test_after_a_break_nothing_strict_is_given_out() -> None:
    near = Near()
    near.service.answers.append(hit(b"value", 5))
    await near.get()
    near.lose()
    assert near.held is None
    near.trust.begin("1", near.time.now_s)
    assert near.held is None


async def test_silence_is_doubt_and_a_word_ends_it() -> None:
    near = Near()
    near.service.answers.append(hit(b"value", 5))
    await near.get()
    near.time.now_s += SILENCE_S
    assert near.held is None
    near.trust.hear(near.time.now_s)
    assert near.held == b"value"


async def test_what_was_being_loaded_when_the_stream_broke_is_not_kept() -> None:
    near = Near()
    near.source.is_open.clear()
    near.service.answers.append(leased(7))
    asking = near.asking()
    await settle()
    near.lose()
    near.trust.begin("1", near.time.now_s)
    near.source.is_open.set()
    assert await asking == b"loaded"
    await settle()
    assert near.held is None


async def test_while_no_changes_are_heard_nothing_strict_is_kept() -> None:
    near = Near(is_hearing=False)
    near.service.answers.append(hit(b"value", 5))
    assert await near.get() == b"value"
    near.trust.begin("1", near.time.now_s)
    assert near.held is None


async def test_answers_are_kept_once_the_replicas_have_caught_up_with_the_session() -> None:
    near = Near(is_hearing=False)
    near.trust.begin("1", near.time.now_s)
    near.service.answers.extend((hit(b"value", 5), hit(b"value", 5)))
    await near.get()
    assert near.held is None
    near.pass_s(LAG_S)
    await near.get()
    assert near.held == b"value"


async def test_what_is_loaded_under_a_lease_is_kept_from_the_first_moment_of_a_session() -> None:
    near = Near(is_hearing=False)
    near.trust.begin("1", near.time.now_s)
    near.service.answers.append(leased(7))
    await near.get()
    await settle()
    assert near.held == b"loaded"


@pytest.mark.parametrize(
    ("policy", "lasts_s"),
    [
        (NearPolicy(namespace="tracks"), 0),
        (NearPolicy(namespace="tracks", coherence=Coherence.BOUNDED, bound_ms=5_000), 5),
        (NearPolicy(namespace="tracks", coherence=Coherence.EVENTUAL), 60),
    ],
    ids=["strict", "bounded", "eventual"],
)
@pytest.mark.parametrize("again", [False, True], ids=["while deaf", "in the next session"])
async def test_what_changes_nobody_hears_of_are_worth_depends_on_the_coherence(
    policy: NearPolicy, lasts_s: int, again: bool
) -> None:
    near = Near(policy)
    near.service.answers.append(hit(b"value", 5))
    await near.get()
    near.lose()
    if again:
        near.trust.begin("1", near.time.now_s)
    if lasts_s:
        near.pass_s(lasts_s - 0.5)
        assert near.held == b"value"
        near.pass_s(1)
    assert near.held is None


async def test_an_eventual_entry_is_kept_without_the_service_for_the_time_of_its_policy() -> None:
    near = Near(NearPolicy(namespace="tracks", coherence=Coherence.EVENTUAL, ttl_ms=3_000), is_hearing=False)
    near.service.answers.append(None)
    await near.get()
    assert near.held == b"loaded"
    near.pass_s(3)
    assert near.held is None


async def test_what_we_have_invalidated_is_not_taken_from_a_replica_that_has_not_heard_of_it() -> None:
    near = Near()
    near.service.answers.append(hit(b"old", 5))
    await near.get()
    near.hear(UNKNOWN)
    near.service.answers.append(hit(b"old", 5))
    assert await near.get() == b"loaded"
    near.hear(8)
    near.service.answers.append(hit(b"new", 9))
    assert await near.get() == b"new"
    assert near.held == b"new"


async def test_a_closed_namespace_asks_for_nothing_and_still_answers() -> None:
    near = Near()
    await near.namespace.close()
    assert [await near.get() for _ in range(2)] == [b"loaded"] * 2
    assert near.service.looks == []


async def test_whatever_happens_no_answer_is_older_than_the_last_change_heard_before_the_question() -> None:
    """A random simulation, judged by what the source held: its value is the version of its last change."""
    seed = random.randrange(10**6)
    chance = random.Random(seed)
    near = Near()
    truth, kept = 100, 0
    history = [(0.0, truth)]

    def entry() -> pb.Found:
        match chance.randrange(5):
            case 0:
                at_s = near.time.now_s - chance.random() * LAG_S * 0.9
                lagging = max(version for since_s, version in history if since_s <= at_s)
                return hit(b"%d" % lagging, lagging)
            case 1:
                return hit(b"%d" % truth, truth)
            case 2:
                return BUSY
            case _:
                return leased(truth)

    async def load() -> bytes:
        value = truth
        for _ in range(chance.randrange(8)):
            await asyncio.sleep(0)
        return b"%d" % value

    async def ask() -> None:
        nonlocal kept
        heard = truth
        held = near.namespace.shelf.find("key", near.time.now_s)
        value = held.value if held is not None else await near.namespace.fetch("key", load, ())
        kept += held is not None
        assert value is not None
        assert int(value) >= heard, f"seed {seed}"

    async def change() -> None:
        nonlocal truth
        truth += 1
        history.append((near.time.now_s, truth))
        near.service.stored = chance.random() < 0.5
        near.hear(truth, **({} if chance.random() < 0.5 else {"keys": None}))

    near.service.otherwise = entry
    asked: list[Awaitable[None]] = []
    for _ in range(2_000):
        if chance.random() < 0.1:
            await change()
        asked.append(asyncio.ensure_future(ask()))
        if chance.random() < 0.001:
            near.lose()
            near.trust.begin("1", near.time.now_s)
        near.pass_s(0.01)
        if chance.random() < 0.5:
            await asyncio.sleep(0)
    await asyncio.gather(*asked)
    assert near.namespace.counts.loads > 0
    assert near.namespace.counts.found > 0
    assert kept > 0
