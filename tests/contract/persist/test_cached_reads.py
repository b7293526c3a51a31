"""persist reads through the cache: the same answers as without, whatever the cache has, had or lost."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import grpc
import pytest
import redis
from furlong.client.identity import uuid7
from furlong.common.v1.round_pb2 import Limits, RaceCard, Runner, Timetable, Track
from furlong.persist.v1 import round_store_service_pb2 as rounds
from furlong.persist.v1 import track_store_service_pb2 as tracks

from deploy.local.postgres import PostgresServer
from deploy.local.redis import RedisServer
from services.persist.adapters import cache as cache_adapter
from services.persist.domain.shelf import ROUNDS_TTL_MS, TRACKS_TTL_MS
from services.persist.service.paging import token_for
from services.persist.service.render import FORM
from tests.bookkeeping import set_state
from tests.caches import Replica, be_patient, eventually, replica
from tests.clocks import ManualClock
from tests.loopback import Wire, wired
from tests.persisting import Stubs, World, order, persisting
from tests.postgres import TEMPLATE, run_sql
from tests.redis import redis_server
from tests.served import read_refusal, refused

PATIENCE_S = 5.0


@pytest.fixture(scope="session")
def running_redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture
def redis_url(running_redis: RedisServer) -> str:
    """A Redis that runs and has nothing in it."""
    with redis.Redis.from_url(running_redis.url) as client:
        client.flushall()
    return running_redis.url


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Two replicas of persist on one cache, one that reads from the database alone, and a world that writes."""

    world: World
    cached: Sequence[Stubs]
    plain: Stubs
    cache: Replica
    wire: Wire
    clock: ManualClock


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls wait long for the cache, and the cache for Redis: what is slow here is the machine, and no outage.

    A replica of persist that could not tell the cache to forget in time is not asked about here: the other one may be
    given what was forgotten until the debt is paid.
    """
    be_patient(monkeypatch)
    for bound in ("DEADLINE_S", "FORGET_DEADLINE_S"):
        monkeypatch.setattr(cache_adapter, bound, PATIENCE_S)


@pytest.fixture(params=["with redis", "without redis"])
async def stage(
    request: pytest.FixtureRequest, database_url: str, redis_url: str, patience: None
) -> AsyncIterator[Stage]:
    """The world writes through the first replica."""
    clock = ManualClock()
    async with AsyncExitStack() as stack:
        url = redis_url if request.param == "with redis" else ""
        cache = await stack.enter_async_context(replica(url, clock=clock))
        wire = await stack.enter_async_context(wired(cache.server.port))
        cached = [
            await stack.enter_async_context(persisting(database_url, cache_address=wire.target)) for _ in range(2)
        ]
        plain = await stack.enter_async_context(persisting(database_url))
        world = World(cached[0], database_url)
        await world.found()
        yield Stage(world=world, cached=cached, plain=plain, cache=cache, wire=wire, clock=clock)
        await world.check_books()


def reads(of: Stubs, round_ids: Sequence[int]) -> dict[str, Awaitable[Any]]:
    """Every read of tracks and rounds, by a name."""
    track = World.track
    asked = {
        "track": of.tracks.GetTrack(tracks.GetTrackRequest(track=track)),
        "no such track": of.tracks.GetTrack(tracks.GetTrackRequest(track="nowhere")),
        "tracks": of.tracks.ListTracks(tracks.ListTracksRequest(page_size=1)),
        "more tracks": of.tracks.ListTracks(tracks.ListTracksRequest(page_size=1, page_token=token_for(track))),
        "next card": of.tracks.GetNextRaceCard(tracks.GetNextRaceCardRequest(track=track)),
        "current": of.rounds.GetCurrentRound(rounds.GetCurrentRoundRequest(track=track)),
        "unsettled": of.rounds.ListUnsettledRounds(rounds.ListUnsettledRoundsRequest(track=track)),
        "transitions": of.rounds.ListTransitions(rounds.ListTransitionsRequest(track=track, page_size=100)),
        "first page": of.rounds.ListRounds(rounds.ListRoundsRequest(track=track, page_size=2)),
    }
    for round_id in (*round_ids, 10**6):
        asked[f"round {round_id}"] = of.rounds.GetRound(rounds.GetRoundRequest(round_id=round_id))
        for size in (1, 2, 100):
            page = rounds.ListRoundsRequest(track=track, page_size=size, page_token=token_for(str(round_id)))
            asked[f"{size} before {round_id}"] = of.rounds.ListRounds(page)
    return asked


async def answers(of: Stubs, round_ids: Sequence[int]) -> dict[str, object]:
    """What is answered to every read, refusals as well."""
    told: dict[str, object] = {}
    for name, call in reads(of, round_ids).items():
        try:
            told[name] = await call
        except grpc.aio.AioRpcError as error:
            told[name] = read_refusal(error)
    return told


async def nothing(_: Stage) -> None:
    """The cache is left as it is."""


async def flushed(stage: Stage) -> None:
    """The cache is emptied."""
    await stage.cache.flush()


async def cut(stage: Stage) -> None:
    """The cache is gone."""
    await stage.wire.cut()


async def back(stage: Stage) -> None:
    """The cache is back."""
    if stage.wire._listener is None:
        await stage.wire.connect()


@pytest.mark.parametrize(
    "happens", [(nothing,), (flushed,), (cut,), (cut, back)], ids=["on", "flushed", "dead", "flaky"]
)
async def test_every_answer_is_the_same_with_the_cache_and_without(
    stage: Stage, happens: Sequence[Callable[[Stage], Awaitable[None]]]
) -> None:
    world = stage.world
    player = await world.account(10_000)
    round_ids: list[int] = []
    steps = 0

    async def look() -> None:
        nonlocal steps
        await happens[steps % len(happens)](stage)
        steps += 1
        truth = await answers(stage.plain, round_ids)
        for of in (*stage.cached, *stage.cached):
            assert await answers(of, round_ids) == truth

    await look()
    for ends in ("settled", "void", "settled"):
        round_ids.append((await world.open()).round.round_id)
        await world.place(round_ids[-1], order(player, 100))
        await look()
        if ends == "void":
            await world.stubs.rounds.VoidRound(world.void_request(round_ids[-1]))
            await look()
        else:
            await world.finish(round_ids[-1])
            await look()
            await world.stubs.rounds.SettleRound(world.settle_request(round_ids[-1]))
            await look()
        await world.post(round_ids[-1])
        await look()
    for result in ((2, 1, 3), (1, 2, 3)):
        await world.stubs.rounds.CorrectResult(world.correct_request(round_ids[0], *result))
        await look()
        await world.post(round_ids[0])
        await look()


async def read_round(of: Stubs, round_id: int) -> rounds.StoredRound:
    response: rounds.GetRoundResponse = await of.rounds.GetRound(rounds.GetRoundRequest(round_id=round_id))
    return response.stored


async def counted(stage: Stage, namespace: str) -> Any:
    """What the cache did in a namespace."""
    return next(each for each in (await stage.cache.stats()).namespaces if each.namespace == namespace)


async def kept(stage: Stage, namespace: str, read: Callable[[], Awaitable[Any]]) -> None:
    """Read until the cache has it. Answers do not wait for that, and a busy machine may need more than one.

    A write whose caller could not wait for its end is not counted; that it was done shows when it is found.
    """

    async def is_kept() -> bool:
        await read()
        stats = await counted(stage, namespace)
        return bool(stats.sets + stats.hits_l1 + stats.hits_l2)

    await eventually(is_kept)


async def found(stage: Stage, namespace: str, read: Callable[[], Awaitable[Any]], expected: object) -> None:
    """Read until the answer comes from the cache; it is what was expected each time."""

    async def is_found() -> bool:
        assert await read() == expected
        stats = await counted(stage, namespace)
        return bool(stats.hits_l1 + stats.hits_l2)

    await eventually(is_found)


async def test_a_round_is_kept_once_it_is_settled_and_found_by_both_replicas(stage: Stage) -> None:
    round_id = (await stage.world.open()).round.round_id
    for _ in range(3):
        await read_round(stage.cached[0], round_id)
    settled = await stage.world.settle(round_id)
    assert (await counted(stage, "rounds")).sets == 0
    await kept(stage, "rounds", lambda: read_round(stage.cached[0], round_id))
    await found(stage, "rounds", lambda: read_round(stage.cached[1], round_id), settled)


async def test_an_entry_is_the_wire_form_of_the_answer(stage: Stage) -> None:
    round_id = (await stage.world.open()).round.round_id
    settled = await stage.world.settle(round_id)
    await kept(stage, "rounds", lambda: read_round(stage.cached[0], round_id))
    (row,) = await stage.world.sql(
        """SELECT system_identifier || '.' || oid AS name FROM pg_control_system(), pg_database
           WHERE datname = current_database()"""
    )
    entry = await stage.cache.value(f"{row['name']}/{FORM}/{round_id}", "rounds")
    assert entry is not None
    assert rounds.GetRoundResponse.FromString(entry).stored == settled


async def test_a_page_of_ended_rounds_is_kept_and_the_first_page_is_not(stage: Stage) -> None:
    ended = [(await stage.world.settle((await stage.world.open()).round.round_id)).round.round_id for _ in range(3)]
    for _ in range(3):
        first = await stage.cached[0].rounds.ListRounds(rounds.ListRoundsRequest(track=World.track, page_size=1))
    assert (await counted(stage, "round-lists")).sets == 0
    second = rounds.ListRoundsRequest(track=World.track, page_size=1, page_token=first.next_page_token)
    expected = await stage.plain.rounds.ListRounds(second)
    assert [stored.round.round_id for stored in expected.rounds] == ended[-2:-1]
    await kept(stage, "round-lists", lambda: stage.cached[0].rounds.ListRounds(second))
    await found(stage, "round-lists", lambda: stage.cached[1].rounds.ListRounds(second), expected)


async def test_a_token_that_names_a_round_to_come_is_never_kept(stage: Stage) -> None:
    """Somebody may make it up; its page has every round that opens before that one."""
    await stage.world.settle((await stage.world.open()).round.round_id)
    page = rounds.ListRoundsRequest(track=World.track, page_size=10, page_token=token_for("1000000"))
    for expected in (1, 1, 2):
        if expected == 2:
            await stage.world.settle((await stage.world.open()).round.round_id)
        for of in stage.cached:
            assert len((await of.rounds.ListRounds(page)).rounds) == expected
    assert (await counted(stage, "round-lists")).sets == 0


@pytest.mark.parametrize("place", ["99999999999999999999", "1.5", "-1", "\u0663"])
async def test_a_token_that_names_no_round_is_refused(stage: Stage, place: str) -> None:
    page = rounds.ListRoundsRequest(track=World.track, page_size=10, page_token=token_for(place))
    for of in (*stage.cached, stage.plain):
        assert (await refused(of.rounds.ListRounds(page))).fields == ["page_token"]


async def test_a_corrected_result_is_seen_at_once_through_both_replicas(stage: Stage) -> None:
    round_id = (await stage.world.open()).round.round_id
    expected = await stage.world.settle(round_id)
    await kept(stage, "rounds", lambda: read_round(stage.cached[0], round_id))
    for result in ([2, 1, 3], [3, 1, 2]):
        await found(stage, "rounds", lambda: read_round(stage.cached[1], round_id), expected)
        expected = await stage.world.correct(round_id, *result)
        for of in (*stage.cached, *stage.cached):
            told = await read_round(of, round_id)
            assert (list(told.round.result), told.round.correction_reason) == (result, "photo finish")


async def test_when_the_word_of_a_correction_is_lost_it_is_seen_after_the_time_to_live(stage: Stage) -> None:
    round_id = (await stage.world.open()).round.round_id
    await stage.world.settle(round_id)
    await kept(stage, "rounds", lambda: read_round(stage.cached[0], round_id))
    await stage.plain.rounds.CorrectResult(stage.world.correct_request(round_id, 2, 1, 3))  # tells nobody
    stage.clock.advance_ms(ROUNDS_TTL_MS)
    for of in stage.cached:
        assert list((await read_round(of, round_id)).round.result) == [2, 1, 3]


async def names(of: Stubs) -> list[str]:
    response = await of.tracks.ListTracks(tracks.ListTracksRequest(page_size=100))
    return [track.track for track in response.tracks]


async def create(of: Stubs, name: str) -> None:
    track = Track(
        track=name,
        display_name=name,
        currency="EUR",
        timetable=Timetable(betting_window_ms=1_000, lock_ms=100, race_ms=100, finish_ms=100),
        limits=Limits(stake_min_minor=1, stake_max_minor=2),
        return_bps=9_100,
    )
    await of.tracks.CreateTrack(tracks.CreateTrackRequest(request_id=uuid7(), track=track))


async def test_a_new_track_is_seen_at_once_through_both_replicas(stage: Stage) -> None:
    expected = [World.track]
    for number, of in enumerate((*stage.cached, *stage.cached)):
        for each in stage.cached:
            assert await names(each) == expected
        await create(of, f"new-{number}")
        expected = sorted([*expected, f"new-{number}"])
        for each in (*stage.cached, *stage.cached):
            assert await names(each) == expected
    await found(stage, "tracks", lambda: names(stage.cached[1]), expected)


async def test_when_the_word_of_a_new_track_is_lost_it_is_seen_after_the_time_to_live(stage: Stage) -> None:
    await kept(stage, "tracks", lambda: names(stage.cached[0]))
    await create(stage.plain, "new")  # who has no cache tells nobody
    stage.clock.advance_ms(TRACKS_TTL_MS)
    for of in stage.cached:
        assert await names(of) == ["harbour-mile", "new"]


async def test_a_card_that_is_put_or_run_is_seen_at_once(stage: Stage) -> None:
    runners = [Runner(runner=number, name=f"Runner {number}", weight=1) for number in (1, 2, 3)]
    asked = tracks.GetNextRaceCardRequest(track=World.track)

    async def next_names() -> set[str]:
        return {(await of.tracks.GetNextRaceCard(asked)).card.name for of in (*stage.cached, stage.plain)}

    assert await next_names() == {"Maiden"}
    card = RaceCard(name="Sprint", distance_m=1_000, runners=runners)
    put = tracks.PutRaceCardsRequest(request_id=uuid7(), track=World.track, cards=[card])
    await stage.cached[1].tracks.PutRaceCards(put)
    await stage.world.settle((await stage.world.open()).round.round_id)
    assert await next_names() == {"Sprint"}


async def test_a_database_made_anew_does_not_meet_the_entries_of_the_old_one(
    stage: Stage, database_url: str, postgres: PostgresServer
) -> None:
    round_id = (await stage.world.open()).round.round_id
    await stage.world.settle(round_id)
    await kept(stage, "rounds", lambda: read_round(stage.cached[0], round_id))
    await kept(stage, "tracks", lambda: names(stage.cached[0]))
    await run_sql(
        postgres.url_of("postgres"), f"CREATE DATABASE {database_url.rpartition('/')[2]}_anew TEMPLATE {TEMPLATE}"
    )
    async with persisting(f"{database_url}_anew", cache_address=stage.wire.target) as anew:
        assert await names(anew) == []
        assert (await refused(read_round(anew, round_id))).reason == "ROUND_UNKNOWN"


async def test_a_suspension_is_seen_at_once_through_both_replicas(stage: Stage) -> None:
    async def states(of: Stubs) -> list[int]:
        one = await of.tracks.GetTrack(tracks.GetTrackRequest(track=World.track))
        listed = await of.tracks.ListTracks(tracks.ListTracksRequest(page_size=100))
        return [one.track.state, listed.tracks[0].state]

    for number, state in enumerate((Track.SUSPENDED, Track.RUNNING, Track.PAUSED)):
        for of in stage.cached:
            await kept(stage, "tracks", partial(states, of))
        await stage.cached[number % 2].tracks.SetTrackState(set_state(World.track, state))
        for of in (*stage.cached, *stage.cached):
            assert await states(of) == [state, state]
