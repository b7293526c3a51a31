"""A result is corrected while people watch: the transition, what their tickets win, and what a terminal says of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from furlong.client import connect
from furlong.common.v1.round_pb2 import Round, Timetable
from furlong.common.v1.ticket_pb2 import Ticket
from furlong.game.v1.round_service_pb2 import WatchRoundsResponse

from deploy.local.stack import LocalStack
from tests.e2e.command import furlong, start_furlong
from tests.e2e.doors import RestDoor
from tests.e2e.people import People
from tests.e2e.racing import (
    CARD,
    SETTLE_S,
    new_track,
    open_account,
    open_round,
    order,
    place,
    round_that_is,
    win_line,
)
from tests.e2e.waiting import until
from tests.e2e.watching import assert_every_transition_once_and_in_order, phases_of, watched

SEEN = Timetable(betting_window_ms=20_000, lock_ms=100, race_ms=400, finish_ms=60_000)
"""Betting is open for as long as the command line may take to start."""
WHY = "an objection"


@asynccontextmanager
async def terminal(stack: LocalStack, *words: str) -> AsyncIterator[list[str]]:
    """What `furlong watch` prints into a pipe, line by line."""
    lines: list[str] = []
    running = start_furlong(stack, "watch", *words)
    printed = running.stdout
    assert printed is not None

    def read() -> None:
        for line in printed:
            lines.append(line)  # one by one: who looks sees what was printed so far

    reading = asyncio.create_task(asyncio.to_thread(read))
    try:
        yield lines
    finally:
        running.terminate()
        await reading
        running.communicate()


async def test_watchers_see_a_correction_live_with_what_their_tickets_win_by_it(
    stack: LocalStack, rest_door: RestDoor, people: People
) -> None:
    track = await new_track(stack, "objection", SEEN)
    ann = await open_account(rest_door, people.cashier)
    async with (
        connect(stack.addresses.gateway, token=people.operator) as operator,
        watched(operator, track, accounts=[ann]) as frames,
        terminal(stack, track, "--account", ann) as lines,
    ):

        async def is_up() -> bool:
            return bool(lines)

        await until(is_up, within_s=SETTLE_S, what="the terminal shows the track")
        a_round = await open_round(rest_door, track, left_s=2.0)
        round_id = a_round["round_id"]
        tickets = [order(ann, win_line(runner.runner, 100)) for runner in CARD.runners]
        await place(rest_door, people.cashier, round_id, *tickets)
        settled = await round_that_is(rest_door, round_id, "SETTLED", within_s=2 * SETTLE_S)
        right = settled["result"][::-1]
        runner_of = dict(zip((each["request_id"] for each in tickets), (r.runner for r in CARD.runners), strict=True))

        async def won_by(runner: int) -> bool:
            own = [frame.own for frame in frames if frame.kind == WatchRoundsResponse.OWN]
            won = [each.ticket_id for each in own[-1].tickets if each.state == Ticket.WON] if own else []
            return [runner_of[ticket_id] for ticket_id in won if ticket_id in runner_of] == [runner]

        await until(lambda: won_by(settled["result"][0]), within_s=SETTLE_S, what="the first result is paid")
        await operator.tracks.correct_result(int(round_id), right, WHY)
        await until(lambda: won_by(right[0]), within_s=SETTLE_S, what="the right result is paid")

        async def is_told() -> bool:
            return any(f"(corrected: {WHY})" in line for line in lines)

        await until(is_told, within_s=SETTLE_S, what="the terminal tells the correction")

    of_rounds = [frame for frame in frames if frame.kind != WatchRoundsResponse.OWN]
    assert_every_transition_once_and_in_order(of_rounds)
    assert phases_of(of_rounds, int(round_id))[-2:] == [Round.SETTLED, Round.SETTLED]
    corrected = [frame.round for frame in of_rounds if frame.round.correction_reason]
    assert (corrected[0].round_id, list(corrected[0].result)) == (int(round_id), right)
    assert corrected[0].correction_reason == WHY
    told = next(line for line in lines if WHY in line)
    assert told.strip().startswith(f"result {'-'.join(map(str, right[:3]))}: ")
    assert "-".join(map(str, right[:3])) in furlong(stack, "rounds", track).stdout
