"""Game, persist and PostgreSQL of a whole stack are killed at random under load: every promise holds all the same.

    KILLS_S      how long to go on; a minute in continuous integration, ten by `make kills`
    KILLS_SEED   what is killed when, and what is placed; printed, so that a run can be had again

Nobody can foresee where in its work a part is hit. Whatever clients were told is recorded and judged at the end.
"""

import asyncio
import itertools
import os
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from furlong.client import Furlong, FurlongError, connect
from furlong.common.v1.round_pb2 import Round, Timetable
from furlong.common.v1.ticket_pb2 import TicketResult
from furlong.game.v1.ticket_service_pb2 import CancelTicketRequest, CancelTicketResponse
from google.protobuf.message import Message

from tests.crashing import BACK_AFTER_RECOVERY_S, BACK_S, Outage, Stopwatch
from tests.e2e.doors import GrpcDoor, doors
from tests.e2e.load import orders_of
from tests.e2e.people import People
from tests.e2e.private_stack import PrivateStack
from tests.e2e.racing import SETTLE_S, new_track, open_account
from tests.e2e.waiting import until
from tests.e2e.watching import assert_every_transition_once_and_in_order, watched
from tests.history import stored
from tests.history.checker import check
from tests.history.recorder import OK, Recorder

KILLS_S = float(os.environ.get("KILLS_S", "60"))
KILLS_SEED = int(os.environ.get("KILLS_SEED") or random.randrange(1_000_000))
TEST_S = 2 * KILLS_S + 240

VICTIMS = ("persist", "postgres", "game")
CALM_S = (0.1, 1.5)
DOWN_S = (0.0, 0.8)
PLACERS = 6
TICKETS_PER_CALL = (1, 20)
CANCELS = 0.1
"""How often a call is followed by taking one of its tickets back."""
PLACE_S = 30.0
PAUSE_S = 0.05
FUNDS_MINOR = 10_000_000
QUICK = Timetable(betting_window_ms=4_000, lock_ms=200, race_ms=500, finish_ms=300)
"""A round in five seconds, so that parts are killed at every step of many rounds."""
TRACKS = 2


class Placer:
    """A client that places on the open rounds, by turns, and takes a ticket back now and then."""

    def __init__(self, name: str, client: Furlong, recorder: Recorder, account_id: str, tracks: list[str]) -> None:
        self._name = name
        self._client = client
        self._recorder = recorder
        self._account_id = account_id
        self._tracks = tracks
        self._chance = random.Random(f"{KILLS_SEED} {name}")
        self.verdicts: Counter[str] = Counter()

    async def work(self, done: asyncio.Event) -> None:
        """Go on until told to stop."""
        while not done.is_set():
            try:
                await self._turn()
            except FurlongError:  # recorded; whoever was refused as a whole goes on with something else
                await asyncio.sleep(PAUSE_S)
            await asyncio.sleep(0)

    async def _turn(self) -> None:
        round_id = (await self._client.rounds.current(self._chance.choice(self._tracks))).round_id
        orders = orders_of(self._account_id, self._chance.randint(*TICKETS_PER_CALL))
        results = await self._recorder.place(self._name, self._client.tickets, round_id, orders, PLACE_S)
        self.verdicts.update(TicketResult.Verdict.Name(result.verdict) for result in results)
        if results[0].verdict == TicketResult.ACCEPTED and self._chance.random() < CANCELS:
            await self._take_back(results[0].request_id)

    async def _take_back(self, ticket_id: str) -> None:
        request = CancelTicketRequest(request_id=orders_of("", 1)[0].request_id, ticket_id=ticket_id, reason="a slip")

        async def cancel(_: Message) -> CancelTicketResponse:
            ticket = await self._client.tickets.cancel(ticket_id, request.reason, request_id=request.request_id)
            return CancelTicketResponse(ticket=ticket)

        await self._recorder.call(self._name, cancel, request)


class Killer:
    """Kills a part, waits, brings it back, and looks how soon a ticket is accepted again."""

    def __init__(self, own: PrivateStack, recorder: Recorder) -> None:
        self._own = own
        self._recorder = recorder
        self._chance = random.Random(KILLS_SEED)
        self.kills: Counter[str] = Counter()
        self.outages: list[Outage] = []

    async def work(self, until_s: float) -> None:
        """Go on until a time on the monotonic clock."""
        while time.monotonic() < until_s:
            await asyncio.sleep(self._chance.uniform(*CALM_S))
            victim = self._chance.choice(VICTIMS)
            await self._own.kill(victim)
            self.kills[victim] += 1
            await asyncio.sleep(self._chance.uniform(*DOWN_S))
            started = Stopwatch()
            await self._own.start(victim)
            ready_s = time.monotonic() - started.began_s
            answered_s = await until(
                lambda: self._answered_since(started.began_s),  # noqa: B023 - awaited in the loop
                within_s=PLACE_S,
                what=f"a call is answered after {victim} was killed",
            )
            most_s = BACK_AFTER_RECOVERY_S if victim == "postgres" else BACK_S
            what = f"{victim} killed, ready after {ready_s:.2f} s"
            self.outages.append(started.outage(what, answered_s, most_s))

    async def _answered_since(self, since_s: float) -> float | None:
        """When the first call was answered after a time."""
        later = itertools.takewhile(lambda entry: entry.t_s >= since_s, reversed(self._recorder.entries))
        return min((entry.t_s for entry in later if entry.kind == OK), default=None)


@pytest.fixture
async def door(own: PrivateStack) -> AsyncIterator[GrpcDoor]:
    async with doors(own.gateway) as (_, grpc_door):
        yield grpc_door


async def all_is_settled(own: PrivateStack, tracks: list[str]) -> bool:
    there = (await stored.read_at(own.database_url)).of_tracks(*tracks)
    return all(each.phase in (Round.SETTLED, Round.VOID) and not each.posting for each in there.rounds.values())


@pytest.mark.timeout(TEST_S)
async def test_random_kills_under_load_break_no_promise(
    own: PrivateStack, own_people: People, door: GrpcDoor, tmp_path: Path
) -> None:
    print(f"KILLS_SEED={KILLS_SEED} KILLS_S={KILLS_S:.0f}")
    tracks = [await new_track(own.stack, f"struck-{n}", QUICK) for n in range(TRACKS)]
    accounts = [await open_account(door, own_people.cashier, funds_minor=FUNDS_MINOR) for _ in range(PLACERS)]
    done = asyncio.Event()
    with Recorder(tmp_path / "history.jsonl") as recorder:
        killer = Killer(own, recorder)
        async with (
            connect(own.gateway, token=own_people.cashier) as client,
            watched(client, tracks[0]) as frames,
        ):
            placers = [Placer(f"placer-{n}", client, recorder, each, tracks) for n, each in enumerate(accounts)]
            async with asyncio.TaskGroup() as tasks:
                for placer in placers:
                    tasks.create_task(placer.work(done))
                await killer.work(time.monotonic() + KILLS_S)
                done.set()
            async with connect(own.gateway, token=own_people.operator) as operator:
                for track in tracks:
                    await operator.tracks.pause(track, "the day is over")
            await until(lambda: all_is_settled(own, tracks), within_s=SETTLE_S, what="every round is settled")
        found = check(recorder.entries, (await stored.read_at(own.database_url)).of_tracks(*tracks))

    verdicts = sum((placer.verdicts for placer in placers), Counter[str]())
    print(f"{dict(killer.kills)} killed, {dict(verdicts)}")
    assert found == [], "\n".join(map(str, found[:20]))
    assert verdicts.keys() <= {"ACCEPTED", "BETTING_CLOSED"}
    assert verdicts["ACCEPTED"] > 0
    assert_every_transition_once_and_in_order(frames)
    assert [str(outage) for outage in killer.outages if outage.is_too_long] == []
