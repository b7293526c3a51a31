"""One table of troubles that Redis can have, and what holds in every one of them.

refused          nobody listens any more
black hole       connections are taken and nothing is answered
slow             every answer is late
out of clients   who is connected is thrown out, and nobody gets in again
read only        reads are answered and writes refused, as by a node that was demoted
empty            it was restarted and remembers nothing
gone back        it was restarted and remembers what was some time ago
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

import pytest
import redis as client_of_redis

from deploy.local.redis import RedisServer
from services.cache.adapters.redis import client
from tests.caches import EVENTUAL, STRICT, Found, Replica, eventually, replica
from tests.calm import Calm, calm
from tests.loopback import Wire, wired
from tests.redis import freeze, resume

PATIENCE_S = 0.3
"""How long a call waits for Redis in these tests, so that a busy machine is not taken for trouble."""

NOISE_S = 0.5
"""What a busy machine may add to a bound that is tested here; benchmarks/cache.py measures it."""

BACK_S = 5.0
"""How soon after the trouble everything is as before: 2 s, and what a busy machine may add."""


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "CALL_S", PATIENCE_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Two replicas, and the wire between them and their Redis."""

    server: RedisServer
    wire: Wire
    one: Replica
    other: Replica

    def operate(self, *commands: tuple[str | int, ...]) -> None:
        """Have the server do something, beside the wire."""
        with client_of_redis.Redis.from_url(self.server.url) as operator:
            for words in commands:
                operator.execute_command(*words)


@pytest.fixture
async def stage(redis: RedisServer) -> AsyncIterator[Stage]:
    async with wired(redis.port) as wire:
        url = redis.url.replace(str(redis.port), str(wire.port))
        async with replica(url) as one, replica(url) as other:
            under_test = Stage(server=redis, wire=wire, one=one, other=other)
            await all_up(under_test)
            yield under_test


async def all_up(stage: Stage) -> None:
    async def are_up() -> bool:
        return {await each.redis() for each in (stage.one, stage.other)} == {"up"}

    await eventually(are_up, within_s=BACK_S)


@asynccontextmanager
async def refused(stage: Stage) -> AsyncIterator[None]:
    stage.server.kill()
    yield
    stage.server.start()


@asynccontextmanager
async def black_hole(stage: Stage) -> AsyncIterator[None]:
    freeze(stage.server)
    yield
    resume(stage.server)


@asynccontextmanager
async def slow(stage: Stage) -> AsyncIterator[None]:
    stage.wire.delay_s = 3 * PATIENCE_S
    yield
    stage.wire.delay_s = 0.0


@asynccontextmanager
async def out_of_clients(stage: Stage) -> AsyncIterator[None]:
    with client_of_redis.Redis.from_url(stage.server.url, single_connection_client=True) as last:
        last.config_set("maxclients", 1)
        last.client_kill_filter(_type="normal", skipme=True)
        yield
        last.config_set("maxclients", 100)


@asynccontextmanager
async def read_only(stage: Stage) -> AsyncIterator[None]:
    stage.operate(("REPLICAOF", "127.0.0.1", 1))
    yield
    stage.operate(("REPLICAOF", "NO", "ONE"))


@asynccontextmanager
async def empty(stage: Stage) -> AsyncIterator[None]:
    stage.server.kill()
    stage.server.start()
    yield


@asynccontextmanager
async def gone_back(stage: Stage) -> AsyncIterator[None]:
    stage.operate(("SAVE",))
    await stage.one.set("since then", b"value", STRICT)
    stage.server.kill()
    stage.server.start()
    yield


Trouble = Callable[[Stage], AbstractAsyncContextManager[None]]
LASTING = (refused, black_hole, slow, out_of_clients, read_only)
PASSING = (empty, gone_back)


def in_every(*troubles: Trouble) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("trouble", troubles, ids=[each.__name__.replace("_", " ") for each in troubles])


async def took_s(clock: Calm, call: Awaitable[object]) -> float:
    begun_s = clock.now_s()
    await call
    return clock.now_s() - begun_s


@in_every(*LASTING, *PASSING)
async def test_the_first_call_is_bounded_and_the_next_ones_do_not_feel_it(stage: Stage, trouble: Trouble) -> None:
    async with calm() as clock, trouble(stage):
        assert await took_s(clock, stage.one.set("first", b"value", STRICT)) < PATIENCE_S + NOISE_S
        next_s = sorted([await took_s(clock, stage.one.get(f"unknown {n}", STRICT)) for n in range(40)])
        assert next_s[len(next_s) // 2] < PATIENCE_S / 3
    await all_up(stage)


@in_every(*LASTING)
async def test_it_counts_as_down_while_it_lasts(stage: Stage, trouble: Trouble) -> None:
    async with trouble(stage):
        await stage.one.set("first", b"value", STRICT)
        for _ in range(20):
            assert await stage.one.redis() == "down"
            await asyncio.sleep(0.05)


@in_every(*LASTING)
async def test_l1_answers_on_what_cannot_be_out_of_date_and_no_call_fails(stage: Stage, trouble: Trouble) -> None:
    await stage.one.set("kept", b"value", EVENTUAL)
    async with trouble(stage):
        await stage.one.set("written", b"value", EVENTUAL)
        await stage.one.delete("deleted", STRICT)
        await stage.one.invalidate(STRICT, tag="tag")
        for key in ("kept", "written"):
            found = await stage.one.get(key, EVENTUAL)
            assert (found.value, found.tier) == (b"value", Found.L1)


@in_every(*LASTING, *PASSING)
async def test_what_was_intended_meanwhile_is_so_everywhere_soon_after(stage: Stage, trouble: Trouble) -> None:
    one, other = stage.one, stage.other
    for key in ("deleted", "tagged", "written", "kept"):
        await one.set(key, b"old", STRICT, tags=["tag"] if key == "tagged" else [])
        assert await other.value(key, STRICT) == b"old"
    async with trouble(stage):
        await one.delete("deleted", STRICT)
        await one.invalidate(STRICT, tag="tag")
        await one.set("written", b"new", STRICT)
    await all_up(stage)
    gone = {"deleted": (None,), "tagged": (None,), "written": (None, b"new")}

    async def agree() -> bool:
        held = [{key: await each.value(key, STRICT) for key in gone} for each in (one, other)]
        return held[0] == held[1] and all(held[0][key] in allowed for key, allowed in gone.items())

    await eventually(agree, within_s=BACK_S)

    async def works() -> bool:
        await other.set("afterwards", b"value", STRICT)
        found = await one.value("afterwards", STRICT)
        return found == b"value" and (await one.stats()).owed == 0

    await eventually(works, within_s=BACK_S)  # a busy machine may be taken for trouble once more
