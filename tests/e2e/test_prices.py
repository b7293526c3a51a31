"""Prices that move under people who bet: quotes, policies, watchers, and no ticket at a price that was withdrawn."""

import asyncio
from collections.abc import Mapping
from itertools import cycle

import pytest
from furlong.client import connect
from furlong.common.v1.round_pb2 import Program, Source, Timetable
from furlong.game.v1.round_service_pb2 import WatchRoundsResponse

from deploy.local.stack import LocalStack
from tests.e2e import methods
from tests.e2e.command import furlong
from tests.e2e.doors import Answer, Door, GrpcDoor, RestDoor, Wrong
from tests.e2e.people import People
from tests.e2e.racing import SLOW, fresh_id, new_track, open_account, open_round, order, place, win_line
from tests.e2e.waiting import until
from tests.e2e.watching import watched

SEEN = 300
"""Where the price of runner 1 begins in every test."""
CROWD = 16
MOVES = 20
TOLD_S = 3.0
"""When watchers must have been told of new prices, on a busy machine; their updates come every minute."""
CLOSES = Timetable(betting_window_ms=2_000, lock_ms=60_000, race_ms=1_000, finish_ms=1_000)


async def set_prices(
    door: Door, people: People, round_id: str, prices: Mapping[int, int], request_id: str | None = None
) -> Answer:
    """Move prices to WIN, by runner; gives the round."""
    fields = {
        "request_id": request_id or fresh_id(),
        "round_id": round_id,
        "prices": [
            {"market": "WIN", "runner": runner, "price_hundredths": str(price)} for runner, price in prices.items()
        ],
        "reason": "money for Ash",
    }
    answer: Answer = (await door.call(methods.SET_PRICES, fields, token=people.operator))["round"]
    return answer


async def quote(door: Door, people: People, round_id: str, *lines: Answer) -> Answer:
    return await door.call(methods.QUOTE, {"round_id": round_id, "lines": list(lines)}, token=people.cashier)


def prices_of(round_: Answer) -> dict[int, int]:
    return {runner["runner"]: int(runner["win_price_hundredths"]) for runner in round_["runners"]}


def told(result: Answer) -> tuple[str, list[int]]:
    """A result's verdict, and the prices that its ticket keeps."""
    lines = (result.get("ticket") or {}).get("lines", [])
    return result["verdict"], [int(line["price_hundredths"]) for line in lines]


@pytest.fixture
async def moving(stack: LocalStack, rest_door: RestDoor, people: People) -> str:
    """An OPEN round whose result will be entered, with runner 1 at SEEN."""
    track = await new_track(stack, "entered", SLOW, program=Program(source=Source.ENTERED))
    opened = await open_round(rest_door, track)
    await set_prices(rest_door, people, opened["round_id"], {1: SEEN})
    round_id: str = opened["round_id"]
    return round_id


@pytest.fixture
async def ann(rest_door: RestDoor, people: People) -> str:
    return await open_account(rest_door, people.cashier)


async def test_a_quote_holds_its_prices_while_they_move(door: Door, people: People, moving: str, ann: str) -> None:
    lines = win_line(1, 500), win_line(2, 100)
    held = await quote(door, people, moving, *lines)
    before = [int(line["price_hundredths"]) for line in held["lines"]]
    await set_prices(door, people, moving, {1: 250, 2: 9_900})
    sent = {**order(ann, *lines), "quote": held["quote"]}
    without, with_quote, other_stake = await place(
        door,
        people.cashier,
        moving,
        order(ann, *lines),
        sent,
        {**order(ann, win_line(1, 501), win_line(2, 100)), "quote": held["quote"]},
    )
    [again] = await place(door, people.cashier, moving, sent)

    assert before[0] == SEEN
    assert told(without) == ("ACCEPTED", [250, 9_900])
    assert told(with_quote) == ("ACCEPTED", before)
    assert told(other_stake) == ("PRICE_CHANGED", [])
    assert told(again) == ("ACCEPTED", before)
    assert again["replayed"]


async def test_an_each_way_bet_takes_both_prices_as_they_are_or_as_its_quote_holds_them(
    door: Door, people: People, moving: str, ann: str
) -> None:
    fields = {"round_id": moving, "reason": "money for Ash"}
    each_way = {"market": "EACH_WAY", "runners": [1], "stake_minor": "100"}

    async def set_both(to_win: int, to_place: int) -> None:
        prices = [
            {"market": market, "runner": 1, "price_hundredths": str(price)}
            for market, price in (("WIN", to_win), ("PLACE", to_place))
        ]
        await door.call(
            methods.SET_PRICES, {**fields, "request_id": fresh_id(), "prices": prices}, token=people.operator
        )

    await set_both(400, 150)
    held = await quote(door, people, moving, each_way)
    await set_both(350, 140)
    results = await place(
        door,
        people.cashier,
        moving,
        {**order(ann, each_way), "quote": held["quote"]},
        order(ann, each_way),
        {**order(ann, {**each_way, "price_hundredths": "360"}), "price_policy": "ANY"},
        {**order(ann, {**each_way, "price_hundredths": "340"}), "price_policy": "BETTER"},
        {**order(ann, {**each_way, "price_hundredths": "360"}), "price_policy": "BETTER"},
    )

    assert [(each["market"], each["price_hundredths"]) for each in held["lines"]] == [("EACH_WAY", "400")]
    assert [(each["market"], each["price_hundredths"], each["stake_minor"]) for each in held["parts"]] == [
        ("WIN", "400", "100"),
        ("PLACE", "150", "100"),
    ]
    assert [told(result) for result in results] == [
        ("ACCEPTED", [400, 150]),
        *[("ACCEPTED", [350, 140])] * 3,
        ("PRICE_CHANGED", []),
    ]
    lines = results[0]["ticket"]["lines"]
    assert [(each["market"], each["stake_minor"]) for each in lines] == [("WIN", "100"), ("PLACE", "100")]


async def test_a_quote_that_is_over_or_changed_is_refused(
    rest_door: RestDoor, people: People, moving: str, ann: str
) -> None:
    held = await quote(rest_door, people, moving, win_line(1, 500))
    changed = held["quote"][:40] + ("A" if held["quote"][40] != "A" else "B") + held["quote"][41:]
    asked = {**order(ann, win_line(1, 500)), "quote": changed}
    [forged] = await place(rest_door, people.cashier, moving, asked)

    async def over() -> Answer | None:
        [result] = await place(
            rest_door, people.cashier, moving, {**order(ann, win_line(1, 500)), "quote": held["quote"]}
        )
        return result if result["verdict"] != "ACCEPTED" else None

    expired = await until(over, within_s=10.0, what="the quote expires")

    assert (forged["verdict"], forged["reason"]) == ("PRICE_CHANGED", "the quote is none of ours")
    assert (expired["verdict"], expired["reason"]) == ("PRICE_CHANGED", "the quote has expired")


async def test_an_old_price_is_refused_and_any_and_better_are_taken(
    door: Door, people: People, moving: str, ann: str
) -> None:
    moved = await set_prices(door, people, moving, {1: 320})
    asked = [
        ("PRICE_POLICY_UNSPECIFIED", SEEN),
        ("PRICE_POLICY_UNSPECIFIED", 320),
        ("PRICE_POLICY_UNSPECIFIED", None),
        ("EXACT", SEEN),
        ("EXACT", 320),
        ("BETTER", SEEN),
        ("BETTER", 320),
        ("BETTER", 321),
        ("ANY", SEEN),
        ("ANY", 321),
        ("ANY", None),
    ]
    orders = [{**order(ann, win_line(1, 10, price)), "price_policy": policy} for policy, price in asked]
    results = await place(door, people.cashier, moving, *orders)

    taken: tuple[str, list[int]] = ("ACCEPTED", [320])
    refused: tuple[str, list[int]] = ("PRICE_CHANGED", [])
    assert (moved["price_revision"], prices_of(moved)[1]) == (2, 320)
    assert [told(result) for result in results] == [
        *(refused, taken, taken),
        *(refused, taken),
        *(taken, taken, refused),
        *(taken, taken, taken),
    ]


async def test_watchers_are_told_at_once_and_whoever_comes_sees_the_prices(
    stack: LocalStack, rest_door: RestDoor, people: People, moving: str
) -> None:
    track = (await rest_door.call(methods.GET_ROUND, {"round_id": moving}))["round"]["track"]
    async with connect(stack.addresses.gateway) as client, watched(client, track, 60_000) as frames:

        async def first() -> bool:
            return bool(frames)

        async def moved() -> bool:
            return frames[-1].round.price_revision == 2

        await until(first, within_s=TOLD_S, what="the watcher sees the round")
        await set_prices(rest_door, people, moving, {1: 275})
        await until(moved, within_s=TOLD_S, what="the watcher is told of the prices")
        assert frames[-1].kind == WatchRoundsResponse.UPDATE
        assert frames[-1].round.runners[0].win_price_hundredths == 275
    current = (await rest_door.call(methods.GET_CURRENT_ROUND, {"track": track}))["round"]
    assert (current["price_revision"], prices_of(current)[1]) == (2, 275)


async def test_setting_prices_again_with_its_id_changes_nothing(
    rest_door: RestDoor, people: People, moving: str
) -> None:
    request_id = fresh_id()
    first = await set_prices(rest_door, people, moving, {1: 250}, request_id)
    await set_prices(rest_door, people, moving, {1: 240})
    assert await set_prices(rest_door, people, moving, {1: 250}, request_id) == first
    now = (await rest_door.call(methods.GET_ROUND, {"round_id": moving}))["round"]
    assert (prices_of(now)[1], now["price_revision"]) == (240, 3)


async def test_the_prices_of_a_drawn_round_never_move_and_a_quote_holds_them_all_the_same(
    door: Door, people: People, steady_track: str, ann: str
) -> None:
    opened = await open_round(door, steady_track)
    with pytest.raises(Wrong) as wrong:
        await set_prices(door, people, opened["round_id"], {1: 250})
    held = await quote(door, people, opened["round_id"], win_line(1, 500))
    sent = {**order(ann, win_line(1, 500)), "quote": held["quote"]}
    [placed] = await place(door, people.cashier, opened["round_id"], sent)

    assert (wrong.value.code, wrong.value.reason) == (9, "PRICES_FIXED")
    assert told(placed) == ("ACCEPTED", [prices_of(opened)[1]])


async def test_what_is_not_offered_has_no_price(door: Door, people: People, moving: str) -> None:
    with pytest.raises(Wrong) as of_quote:
        await quote(door, people, moving, win_line(1, 10), win_line(9, 10))
    with pytest.raises(Wrong) as of_prices:
        await set_prices(door, people, moving, {1: 250, 9: 250})

    assert (of_quote.value.reason, list(of_quote.value.violations)) == ("MALFORMED", ["lines[1]"])
    assert (of_prices.value.reason, list(of_prices.value.violations)) == ("MALFORMED", ["prices[1]"])


async def test_a_round_that_has_locked_has_neither_new_prices_nor_quotes(
    stack: LocalStack, rest_door: RestDoor, people: People, ann: str
) -> None:
    track = await new_track(stack, "closes", CLOSES, program=Program(source=Source.ENTERED))
    round_id = (await open_round(rest_door, track, left_s=0.5))["round_id"]
    held = await quote(rest_door, people, round_id, win_line(1, 10))

    async def locked() -> bool:
        [result] = await place(rest_door, people.cashier, round_id, order(ann, win_line(1, 10)))
        return bool(result["verdict"] == "BETTING_CLOSED")

    await until(locked, within_s=10.0, what="betting closes")
    with pytest.raises(Wrong) as of_prices:
        await set_prices(rest_door, people, round_id, {1: 250})
    with pytest.raises(Wrong) as of_quote:
        await quote(rest_door, people, round_id, win_line(1, 10))
    [late] = await place(rest_door, people.cashier, round_id, {**order(ann, win_line(1, 10)), "quote": held["quote"]})

    assert (of_prices.value.reason, of_quote.value.reason) == ("ROUND_PHASE", "ROUND_PHASE")
    assert late["verdict"] == "BETTING_CLOSED"


async def test_under_load_no_ticket_is_accepted_at_a_price_that_was_withdrawn_before(
    stack: LocalStack, grpc_door: GrpcDoor, rest_door: RestDoor, people: People, moving: str
) -> None:
    """The price rises with every move: a ticket at less than what an answer had told before it was sent is too late."""
    accounts = [await open_account(grpc_door, people.cashier) for _ in range(CROWD)]
    price = SEEN  # as the last answer of SetPrices told it
    over = False
    bets: list[tuple[str, int, str, list[int]]] = []

    async def bet(door: Door, account_id: str) -> None:
        for policy in cycle(("EXACT", "ANY", "BETTER", "PRICE_POLICY_UNSPECIFIED")):
            if over:
                return
            before = price
            asked = None if policy == "PRICE_POLICY_UNSPECIFIED" else before
            sent = {**order(account_id, win_line(1, 1, asked)), "price_policy": policy}
            [result] = await place(door, people.cashier, moving, sent)
            bets.append((policy, before, *told(result)))

    doors: list[Door] = [grpc_door, rest_door]
    crowd = [
        asyncio.create_task(bet(door, account_id)) for account_id, door in zip(accounts, cycle(doors), strict=False)
    ]
    for move in range(1, MOVES + 1):
        await set_prices(rest_door, people, moving, {1: SEEN + move})
        price = SEEN + move
        await asyncio.sleep(0.03)
    over = True
    await asyncio.gather(*crowd)

    kept = [(before, prices[0]) for _, before, verdict, prices in bets if verdict == "ACCEPTED"]
    assert kept
    assert all(prices >= before for before, prices in kept)
    refused = {policy for policy, _, verdict, _ in bets if verdict != "ACCEPTED"}
    assert refused <= {"EXACT"}, "who takes what is offered is never refused for it"
    assert {verdict for *_, verdict, _ in bets} <= {"ACCEPTED", "PRICE_CHANGED"}


async def test_the_command_line_moves_prices_quotes_and_places_with_a_policy(
    stack: LocalStack, rest_door: RestDoor, people: People, moving: str, ann: str
) -> None:
    moved = await asyncio.to_thread(furlong, stack, "round", "prices", moving, "1=410", "2=900", "--reason", "money")
    quoted = await asyncio.to_thread(furlong, stack, "quote", moving, "--win", "1:500")
    held = quoted.stdout.split("--quote ")[1].strip()
    # Starting the command line again may take longer than a quote holds.
    await set_prices(rest_door, people, moving, {1: 390})
    [placed] = await place(rest_door, people.cashier, moving, {**order(ann, win_line(1, 500)), "quote": held})
    bet = ("place", moving, "--account", ann, "--win", "1:500@380", "--policy")
    better = await asyncio.to_thread(furlong, stack, *bet, "better")
    exact = await asyncio.to_thread(furlong, stack, *bet, "exact", exit_code=1)

    assert "revision 2: 1 at 4.10, 2 at 9.00" in moved.stdout
    assert "WIN 1 Ash: 5.00 EUR at 4.10" in quoted.stdout
    assert told(placed) == ("ACCEPTED", [410])
    assert "at 3.90" in better.stdout
    assert "REFUSED  PRICE_CHANGED" in exact.stdout
