"""PLACE, each-way and the greatest payout of a ticket, bet on through the gateway and paid by the real thing."""

from collections.abc import Mapping

from furlong.common.v1.round_pb2 import Limits

from deploy.local.stack import LocalStack
from tests.e2e import methods
from tests.e2e.books import Books
from tests.e2e.doors import Answer, Door, RestDoor
from tests.e2e.people import People
from tests.e2e.racing import (
    CARD,
    FAST,
    FUNDS_MINOR,
    SETTLE_S,
    balance_minor,
    new_track,
    open_account,
    open_round,
    order,
    place,
    round_that_is,
)
from tests.model import ledger
from tests.model.settlement import Finish, payouts_minor

STAKE_MINOR = 333
RUNNERS = [runner.runner for runner in CARD.runners]
PLACES = 2
"""Of a field of five."""


def line(market: str, runner: int, price_hundredths: int = 0, stake_minor: int = STAKE_MINOR) -> Answer:
    sent = {"market": market, "runners": [runner], "stake_minor": str(stake_minor)}
    return {**sent, "price_hundredths": str(price_hundredths)}


def prices(a_round: Answer) -> Mapping[int, tuple[int, int]]:
    """What each runner is offered at to WIN and to PLACE, in hundredths."""
    return {
        each["runner"]: (int(each["win_price_hundredths"]), int(each["place_price_hundredths"]))
        for each in a_round["runners"]
    }


async def ticket(door: Door, token: str, ticket_id: str) -> Answer:
    found: Answer = (await door.call(methods.GET_TICKET, {"ticket_id": ticket_id}, token=token))["ticket"]
    return found


async def test_a_bet_to_place_is_paid_when_its_runner_is_one_of_the_first(
    door: Door, people: People, books: Books, quick_track: str
) -> None:
    ann = await open_account(door, people.cashier)
    a_round = await open_round(door, quick_track)
    offered = prices(a_round)
    orders = [order(ann, line("PLACE", runner, offered[runner][1])) for runner in RUNNERS]
    orders.append(order(ann, *[line(market, 1) for market in ("WIN", "PLACE")]))
    placed = await place(door, people.cashier, a_round["round_id"], *orders)
    settled = await round_that_is(door, a_round["round_id"], "SETTLED", within_s=SETTLE_S)

    assert [result["verdict"] for result in placed] == ["ACCEPTED"] * len(orders)
    finish = Finish(groups=tuple((runner,) for runner in settled["result"]), places=PLACES)
    owed = payouts_minor(await books.tickets(int(a_round["round_id"])), finish)
    for runner, result in zip(RUNNERS, placed, strict=False):
        found = await ticket(door, people.cashier, result["request_id"])
        is_placed = runner in settled["result"][:PLACES]
        pays_minor = STAKE_MINOR * offered[runner][1] // 100 if is_placed else 0
        assert (found["state"], int(found["payout_minor"])) == ("WON" if is_placed else "LOST", pays_minor)
        assert found["payout_uncapped_minor"] == "0"
    ours = [owed[result["request_id"]] for result in placed]
    staked_minor = (len(RUNNERS) + 2) * STAKE_MINOR
    assert await balance_minor(door, people.cashier, ann) == FUNDS_MINOR - staked_minor + sum(ours)
    assert ledger.faults(*await books.ledger()) == []


async def test_an_each_way_bet_is_one_to_win_and_one_to_place(door: Door, people: People, steady_track: str) -> None:
    ann = await open_account(door, people.cashier)
    a_round = await open_round(door, steady_track)
    win, to_place = prices(a_round)[3]
    asked = [
        order(ann, line("EACH_WAY", 3)),
        order(ann, line("EACH_WAY", 3, win), line("WIN", 1)),
        order(ann, line("EACH_WAY", 3, to_place)),
        order(ann, line("EACH_WAY", 9)),
    ]
    placed = await place(door, people.cashier, a_round["round_id"], *asked)
    again = await place(door, people.cashier, a_round["round_id"], asked[0])

    verdicts = ["ACCEPTED", "ACCEPTED", "PRICE_CHANGED", "INVALID_SELECTION"]
    assert [result["verdict"] for result in placed] == verdicts
    assert placed[0]["ticket"]["lines"] == [line("WIN", 3, win), line("PLACE", 3, to_place)]
    assert placed[0]["ticket"]["stake_minor"] == str(2 * STAKE_MINOR)
    assert [each["market"] for each in placed[1]["ticket"]["lines"]] == ["WIN", "PLACE", "WIN"]
    assert (again[0]["replayed"], again[0]["ticket"]) == (True, placed[0]["ticket"])
    assert await ticket(door, people.cashier, placed[0]["request_id"]) == placed[0]["ticket"]
    assert await balance_minor(door, people.cashier, ann) == FUNDS_MINOR - 5 * STAKE_MINOR


async def test_a_round_says_what_its_markets_return(door: Door, steady_track: str) -> None:
    a_round = await open_round(door, steady_track)
    win, to_place = a_round["markets"]

    assert (win["market"], win["places"], win["target_return_bps"]) == ("WIN", 1, 9_100)
    assert (to_place["market"], to_place["places"], to_place["target_return_bps"]) == ("PLACE", PLACES, 9_100)
    for market in (win, to_place):
        assert 890_000 < market["true_return_min_ppm"] <= market["true_return_max_ppm"] <= 910_000
    assert a_round["terms"]["places"] == PLACES


async def test_a_ticket_is_paid_no_more_than_the_greatest_payout_and_says_what_was_cut_off(
    rest_door: RestDoor, people: People, books: Books, stack: LocalStack
) -> None:
    limits = Limits(stake_min_minor=1, stake_max_minor=10_000, payout_max_minor=300)
    track = await new_track(stack, "careful", FAST, limits=limits)
    ann = await open_account(rest_door, people.cashier)
    a_round = await open_round(rest_door, track)
    every = [line(market, runner, stake_minor=200) for market in ("WIN", "PLACE") for runner in RUNNERS]
    [placed] = await place(rest_door, people.cashier, a_round["round_id"], order(ann, *every))
    settled = await round_that_is(rest_door, a_round["round_id"], "SETTLED", within_s=SETTLE_S)
    found = await ticket(rest_door, people.cashier, placed["request_id"])

    first, second = settled["result"][:PLACES]
    offered = prices(a_round)
    uncapped_minor = sum(200 * price // 100 for price in (*offered[first], offered[second][1]))
    assert a_round["limits"]["payout_max_minor"] == "300"
    assert uncapped_minor > 300
    assert (found["state"], found["payout_minor"]) == ("WON", "300")
    assert found["payout_uncapped_minor"] == str(uncapped_minor)
    assert settled["payout_minor"] == "300"
    assert await balance_minor(rest_door, people.cashier, ann) == FUNDS_MINOR - 2_000 + 300
    assert ledger.faults(*await books.ledger()) == []
