"""Results that operators enter: races that are run somewhere else, by REST and by gRPC, with the money that follows."""

from datetime import UTC, datetime
from typing import Any

import pytest
from furlong.client import connect
from furlong.common.v1.round_pb2 import Program, Round, Source, Timetable

from deploy.local.stack import LocalStack
from tests.e2e import methods
from tests.e2e.books import Books
from tests.e2e.command import furlong
from tests.e2e.doors import Answer, Door, RestDoor, Wrong
from tests.e2e.methods import Method
from tests.e2e.people import People
from tests.e2e.racing import (
    FUNDS_MINOR,
    SETTLE_S,
    SLOW,
    balance_minor,
    fresh_id,
    moment,
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
from tests.model import ledger

ENTERED = Program(source=Source.ENTERED)
SEEN = Timetable(betting_window_ms=1_500, lock_ms=100, race_ms=200, finish_ms=60_000)
"""A round that locks soon and is shown for as long as any test looks at it."""
LOCKED_LONG = Timetable(betting_window_ms=1_000, lock_ms=60_000, race_ms=200, finish_ms=200)
STAKE_MINOR = 500
RUNNERS = (1, 2, 3, 4, 5)
ORDER = [3, 1, 5, 2, 4]
WATCHED_S = 10.0


def entry(a_round: Answer, **fields: Any) -> Answer:
    made = {"request_id": fresh_id(), "round_id": a_round["round_id"], "result": ORDER, "reason": "seen at the rails"}
    return {**made, **fields}


def price_of(a_round: Answer, runner: int) -> int:
    [found] = [int(each["win_price_hundredths"]) for each in a_round["runners"] if each["runner"] == runner]
    return found


async def refused(door: Door, method: Method, fields: Answer, token: str | None) -> Wrong:
    with pytest.raises(Wrong) as caught:
        await door.call(method, fields, token=token)
    return caught.value


async def bet_on_all(door: Door, people: People, a_round: Answer) -> tuple[str, dict[int, str]]:
    """A player with a ticket on each runner: the account, and the tickets by runner."""
    ann = await open_account(door, people.cashier)
    orders = [order(ann, win_line(runner, STAKE_MINOR)) for runner in RUNNERS]
    results = await place(door, people.cashier, a_round["round_id"], *orders)
    assert {result["verdict"] for result in results} == {"ACCEPTED"}
    return ann, {runner: result["ticket"]["ticket_id"] for runner, result in zip(RUNNERS, results, strict=True)}


async def awaiting(door: Door, a_round: Answer) -> Answer:
    """The round once nothing but its result is missing."""

    async def has_its_time_come() -> bool:
        return datetime.now(UTC) > moment(a_round["starts_at"])

    locked = await round_that_is(door, a_round["round_id"], "LOCKED")
    await until(has_its_time_come, within_s=SETTLE_S, what="the race would start")
    return locked


async def states(door: Door, people: People, tickets: dict[int, str]) -> dict[int, tuple[str, int]]:
    """State and payout of each ticket."""
    found = {}
    for runner, ticket_id in tickets.items():
        answer = await door.call(methods.GET_TICKET, {"ticket_id": ticket_id}, token=people.cashier)
        found[runner] = (answer["ticket"]["state"], int(answer["ticket"]["payout_minor"]))
    return found


async def settled(door: Door, round_id: str) -> Answer:
    return await round_that_is(door, round_id, "SETTLED", within_s=SETTLE_S)


async def test_a_round_waits_for_its_result_and_goes_on_when_it_is_entered(
    door: Door, rest_door: RestDoor, people: People, books: Books, stack: LocalStack
) -> None:
    brief = Timetable(betting_window_ms=1_500, lock_ms=100, race_ms=300, finish_ms=100)
    track = await new_track(stack, "entered", brief, program=ENTERED)
    a_round = await open_round(rest_door, track)
    ann, tickets = await bet_on_all(door, people, a_round)

    async def would_it_be_over() -> bool:
        return datetime.now(UTC) > moment(a_round["ends_at"])

    async with connect(stack.addresses.gateway) as client, watched(client, track) as frames:
        await until(would_it_be_over, within_s=SETTLE_S, what="a drawn round would be over")
        waiting = (await door.call(methods.GET_ROUND, {"round_id": a_round["round_id"]}))["round"]
        entering = entry(a_round)
        running = (await door.call(methods.ENTER_RESULT, entering, token=people.operator))["round"]
        again = (await door.call(methods.ENTER_RESULT, entering, token=people.operator))["round"]
        same = (await door.call(methods.ENTER_RESULT, entry(a_round), token=people.operator))["round"]
        done = await settled(rest_door, a_round["round_id"])
        following = await open_round(rest_door, track, left_s=0)

        async def is_shown() -> bool:
            return len(phases_of(frames, int(a_round["round_id"]))) == len(Round.Phase.values()) - 2

        await until(is_shown, within_s=WATCHED_S, what="the watcher has seen the whole round")

    assert (a_round["terms"]["source"], waiting["phase"], waiting["result"]) == ("ENTERED", "LOCKED", [])
    assert (running["phase"], running["result"], running["positions"]) == ("RUNNING", ORDER, [])
    assert again == running
    assert same["result"] == ORDER
    late = moment(running["starts_at"]) - moment(a_round["starts_at"])
    assert late.total_seconds() > 0
    assert moment(running["finishes_at"]) - moment(a_round["finishes_at"]) == late
    assert moment(running["ends_at"]) - moment(a_round["ends_at"]) == late
    assert moment(following["opens_at"]) >= moment(running["ends_at"])
    assert_every_transition_once_and_in_order(frames)
    prize_minor = STAKE_MINOR * price_of(a_round, ORDER[0]) // 100
    assert int(done["payout_minor"]) == prize_minor
    expected = {runner: ("WON", prize_minor) if runner == ORDER[0] else ("LOST", 0) for runner in RUNNERS}
    assert await states(door, people, tickets) == expected
    left_minor = FUNDS_MINOR - len(RUNNERS) * STAKE_MINOR + prize_minor
    assert await balance_minor(door, people.cashier, ann) == left_minor
    assert ledger.faults(*await books.ledger()) == []


@pytest.mark.parametrize("together", [2, 3])
async def test_the_runners_of_a_dead_heat_share_the_win(
    door: Door, rest_door: RestDoor, people: People, books: Books, stack: LocalStack, together: int
) -> None:
    a_round = await open_round(rest_door, await new_track(stack, "heat", SEEN, program=ENTERED))
    _, tickets = await bet_on_all(door, people, a_round)
    await awaiting(rest_door, a_round)
    positions = [1] * together + list(range(together + 1, 5)) + [0]

    entering = entry(a_round, positions=positions)
    running = (await door.call(methods.ENTER_RESULT, entering, token=people.operator))["round"]
    await settled(rest_door, a_round["round_id"])

    assert running["positions"] == positions
    first = ORDER[:together]
    prizes = {runner: STAKE_MINOR * price_of(a_round, runner) // (100 * together) for runner in first}
    expected = {runner: ("WON", prizes[runner]) if runner in first else ("LOST", 0) for runner in RUNNERS}
    assert await states(door, people, tickets) == expected
    assert ledger.faults(*await books.ledger()) == []


async def test_an_entered_result_is_corrected_to_a_dead_heat_and_back(
    door: Door, rest_door: RestDoor, people: People, books: Books, stack: LocalStack
) -> None:
    a_round = await open_round(rest_door, await new_track(stack, "misread", SEEN, program=ENTERED))
    _, tickets = await bet_on_all(door, people, a_round)
    await awaiting(rest_door, a_round)
    await door.call(methods.ENTER_RESULT, entry(a_round), token=people.operator)
    await settled(rest_door, a_round["round_id"])
    one, two = ORDER[:2]
    whole = {runner: STAKE_MINOR * price_of(a_round, runner) // 100 for runner in (one, two)}
    half = {runner: STAKE_MINOR * price_of(a_round, runner) // 200 for runner in (one, two)}

    async def paid(expected: dict[int, int]) -> None:
        async def is_paid() -> bool:
            found = await states(rest_door, people, tickets)
            return {runner: minor for runner, (state, minor) in found.items() if state == "WON"} == expected

        await until(is_paid, within_s=SETTLE_S, what=f"{expected} is paid")

    await paid({one: whole[one]})
    heat = entry(a_round, positions=[1, 1, 3, 4, 5], reason="photo finish")
    corrected = (await door.call(methods.CORRECT_RESULT, heat, token=people.operator))["round"]
    await paid({one: half[one], two: half[two]})
    same = await door.call(methods.CORRECT_RESULT, {**heat, "request_id": fresh_id()}, token=people.operator)
    back = entry(a_round, positions=[1, 2, 3, 4, 5], reason="photo read again")
    final = (await door.call(methods.CORRECT_RESULT, back, token=people.operator))["round"]
    await paid({one: whole[one]})

    assert (corrected["positions"], corrected["correction_reason"]) == ([1, 1, 3, 4, 5], "photo finish")
    assert same["round"]["revision"] == corrected["revision"], "the same result is no correction"
    assert (final["positions"], final["result"]) == ([], ORDER)
    assert ledger.faults(*await books.ledger()) == []


async def test_an_abandoned_race_gives_every_stake_back(
    door: Door, rest_door: RestDoor, people: People, books: Books, stack: LocalStack
) -> None:
    track = await new_track(stack, "fog", SEEN, program=ENTERED)
    a_round = await open_round(rest_door, track)
    ann, tickets = await bet_on_all(door, people, a_round)
    await awaiting(rest_door, a_round)

    abandoning = {"request_id": fresh_id(), "round_id": a_round["round_id"], "reason": "fog"}
    voided = (await door.call(methods.VOID_ROUND, abandoning, token=people.operator))["round"]
    late = await refused(door, methods.ENTER_RESULT, entry(a_round), people.operator)
    following = await open_round(rest_door, track, left_s=0)

    assert (voided["phase"], voided["void_reason"], late.reason) == ("VOID", "fog", "ROUND_PHASE")
    assert int(following["round_id"]) > int(a_round["round_id"])
    assert await states(door, people, tickets) == dict.fromkeys(RUNNERS, ("VOIDED", STAKE_MINOR))
    assert await balance_minor(door, people.cashier, ann) == FUNDS_MINOR
    assert ledger.faults(*await books.ledger()) == []


async def test_a_result_is_entered_neither_before_the_lock_nor_before_its_time(
    door: Door, rest_door: RestDoor, people: People, stack: LocalStack
) -> None:
    a_round = await open_round(rest_door, await new_track(stack, "early", LOCKED_LONG, program=ENTERED), left_s=0)
    opened = await refused(door, methods.ENTER_RESULT, entry(a_round), people.operator)
    await round_that_is(rest_door, a_round["round_id"], "LOCKED")
    locked = await refused(door, methods.ENTER_RESULT, entry(a_round), people.operator)

    assert (opened.reason, opened.code) == ("ROUND_PHASE", 9)
    assert (locked.reason, locked.code) == ("TOO_EARLY", 9)
    assert locked.retry_in_s is not None
    assert 0 < locked.retry_in_s <= 60


async def test_a_result_that_does_not_fit_the_field_names_what_is_wrong_and_starts_nothing(
    door: Door, rest_door: RestDoor, people: People, stack: LocalStack
) -> None:
    a_round = await open_round(rest_door, await new_track(stack, "wrong", SEEN, program=ENTERED), left_s=0)
    await awaiting(rest_door, a_round)
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"result": [3, 1]}, "result"),
        ({"result": [3, 1, 5, 2, 9]}, "result"),
        ({"withdrawn": [4]}, "result"),
        ({"result": [3, 1, 5, 2], "withdrawn": [9]}, "withdrawn"),
        ({"positions": [1, 2]}, "positions"),
        ({"positions": [1, 1, 2, 3, 4]}, "positions"),
        ({"positions": [1, 0, 3, 4, 5]}, "positions"),
        ({"positions": [0, 0, 0, 0, 0]}, "positions"),
    ]
    for fields, field in wrong:
        told = await refused(door, methods.ENTER_RESULT, entry(a_round, **fields), people.operator)
        assert (told.reason, list(told.violations)) == ("MALFORMED", [field]), fields
    await round_that_is(rest_door, a_round["round_id"], "LOCKED")

    entering = entry(a_round)
    await door.call(methods.ENTER_RESULT, entering, token=people.operator)
    other = await refused(door, methods.ENTER_RESULT, {**entering, "result": ORDER[::-1]}, people.operator)
    second = await refused(door, methods.ENTER_RESULT, entry(a_round, result=ORDER[::-1]), people.operator)
    assert (other.reason, second.reason) == ("REQUEST_REUSED", "ROUND_PHASE")


async def test_where_a_result_comes_from_decides_whether_it_is_entered_or_proved(
    door: Door, rest_door: RestDoor, people: People, stack: LocalStack, steady_track: str
) -> None:
    seen = await open_round(rest_door, await new_track(stack, "seen", SLOW, program=ENTERED))
    drawn = await open_round(rest_door, steady_track)

    entered = await refused(door, methods.ENTER_RESULT, entry(drawn), people.operator)
    proved = await refused(door, methods.GET_PROOF, {"round_id": seen["round_id"]}, None)

    assert (entered.reason, entered.code, entered.metadata["source"]) == ("RESULT_SOURCE", 9, "DRAWN")
    assert (proved.reason, proved.code, proved.metadata["source"]) == ("RESULT_SOURCE", 9, "ENTERED")
    assert "proved" in proved.message


async def test_a_result_is_entered_and_corrected_by_command(
    stack: LocalStack, rest_door: RestDoor, people: People
) -> None:
    a_round = await open_round(rest_door, await new_track(stack, "command", SEEN, program=ENTERED), left_s=0)
    round_id = a_round["round_id"]
    await awaiting(rest_door, a_round)

    words = ("--positions", "1-1-3-4-0", "--reason", "seen at the rails")
    started = furlong(stack, "round", "enter", round_id, "3-1-5-2-4", *words)
    await settled(rest_door, round_id)
    corrected = furlong(stack, "round", "correct", round_id, "3-1-5-2-4", "--reason", "photo finish")
    listed = furlong(stack, "rounds", a_round["track"])
    unproved = furlong(stack, "verify", round_id, exit_code=2)

    assert f"round {round_id}  RUNNING, result 3=1-5-2, did not finish: 4" in started.stdout
    assert f"round {round_id}  SETTLED, result 3-1-5-2-4: photo finish" in corrected.stdout
    assert "3-1-5" in listed.stdout
    assert "RESULT_SOURCE" in unproved.stderr
