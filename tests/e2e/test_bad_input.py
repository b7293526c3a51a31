"""Every wrong thing that can be sent is refused with a reason, and changes nothing."""

import json
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import grpc
import httpx
import pytest
from furlong.client import uuid7
from furlong.game.v1 import round_service_pb2, round_service_pb2_grpc

from deploy.local.stack import LocalStack
from tests.e2e import methods
from tests.e2e.books import Books
from tests.e2e.doors import Answer, Door, Fields, RestDoor, Wrong, answer_of, as_json, wrong_of
from tests.e2e.methods import Method
from tests.e2e.people import People
from tests.e2e.racing import (
    CARD,
    balance_minor,
    current_round,
    fresh_id,
    fresh_name,
    open_account,
    open_round,
    order,
    place,
    round_that_is,
    win_line,
)

NO_SUCH_ROUND = "4611686018427387904"
NO_SUCH_UUID = "018f0000-0000-7000-8000-000000000001"
BY_HAND = {"request_id": NO_SUCH_UUID, "reason": "a test"}
"""What every request carries that a person makes who has to say why."""
PRICE = {"market": "WIN", "runner": 1, "price_hundredths": "250"}
PRICED = order(NO_SUCH_UUID, win_line(1, 100))
EIGHT_DAYS_MS = 8 * 86_400_000
INT64_MAX = 2**63 - 1
GOOD_CARD = as_json(CARD)
MALFORMED, NOT_FOUND, ALREADY_EXISTS, DENIED, FAILED_PRECONDITION, UNAUTHENTICATED = 3, 5, 6, 7, 9, 16


async def refusal(door: Door, method: Method, fields: Fields, token: str | None) -> Wrong:
    with pytest.raises(Wrong) as caught:
        await door.call(method, fields, token=token)
    return caught.value


# ---- tickets that are refused by a verdict ---------------------------------------------------------------------------

OrderMaker = Callable[[str, Answer], Answer]


def price_of(a_round: Answer, runner: int) -> int:
    return next(int(each["win_price_hundredths"]) for each in a_round["runners"] if each["runner"] == runner)


@pytest.mark.parametrize(
    ("make", "verdict", "words"),
    [
        (lambda ann, at: order(ann, win_line(9, 500)),                          "INVALID_SELECTION",  "9"),
        (lambda ann, at: order(ann, win_line(1, 500), win_line(-1, 500)),       "INVALID_SELECTION",  "-1"),
        (lambda ann, at: order(ann, {**win_line(1, 500), "runners": [1, 2]}),   "INVALID_SELECTION",  ""),
        (lambda ann, at: order(ann, win_line(1, 0)),                            "STAKE_BELOW_MIN",    "0"),
        (lambda ann, at: order(ann, win_line(1, -500)),                         "STAKE_BELOW_MIN",    "-500"),
        (lambda ann, at: order(ann, win_line(1, 10_000_001)),                   "STAKE_ABOVE_MAX",    "10000001"),
        (lambda ann, at: order(ann, win_line(1, INT64_MAX)),                    "STAKE_ABOVE_MAX",    str(INT64_MAX)),
        (lambda ann, at: order(ann, win_line(1, 500, price_of(at, 1) + 1)),     "PRICE_CHANGED",      ""),
        (lambda ann, at: order(ann, win_line(1, 1_000_001)),                    "INSUFFICIENT_FUNDS", ""),
        (lambda ann, at: order(ann, win_line(1, 500_001), win_line(2, 500_000)), "INSUFFICIENT_FUNDS", ""),
        (lambda ann, at: order(NO_SUCH_UUID, win_line(1, 500)),                 "ACCOUNT_NOT_FOUND",  NO_SUCH_UUID),
        (lambda ann, at: order(ann, win_line(1, 500), request_id=old_id()),     "REQUEST_ID_EXPIRED", ""),
        (lambda ann, at: order(ann, win_line(9, -1, 1)),                        "INVALID_SELECTION",  "9"),
    ],
    ids=[
        "unknown runner", "negative runner", "two runners to win", "stake zero", "stake negative", "stake too large",
        "stake of all there is", "price changed", "no funds", "no funds for both lines", "unknown account", "old id",
        "all wrong at once",
    ],
)  # fmt: skip
async def test_a_wrong_order_gets_its_verdict_and_changes_nothing(
    door: Door, people: People, books: Books, steady_track: str, make: OrderMaker, verdict: str, words: str
) -> None:
    ann = await open_account(door, people.cashier)
    a_round = await open_round(door, steady_track)
    before = await books.money_and_tickets()

    results = await place(door, people.cashier, a_round["round_id"], wrong := make(ann, a_round))

    assert [result["verdict"] for result in results] == [verdict]
    assert results[0]["request_id"] == wrong["request_id"]
    assert words in results[0]["reason"]
    assert results[0]["reason"]
    assert results[0]["replayed"] is False
    assert "ticket" not in results[0]
    assert await books.money_and_tickets() == before


def old_id() -> str:
    return uuid7(now_ms=time.time_ns() // 1_000_000 - EIGHT_DAYS_MS)


async def test_a_wrong_order_does_not_harm_the_others_of_its_call(
    door: Door, people: People, steady_track: str
) -> None:
    ann = await open_account(door, people.cashier, funds_minor=1_000)
    a_round = await open_round(door, steady_track)
    orders = [order(ann, win_line(1, stake)) for stake in (600, 0, 500, 400, 1)]

    results = await place(door, people.cashier, a_round["round_id"], *orders)

    assert [result["verdict"] for result in results] == [
        "ACCEPTED",
        "STAKE_BELOW_MIN",
        "INSUFFICIENT_FUNDS",
        "ACCEPTED",
        "INSUFFICIENT_FUNDS",
    ]
    assert await balance_minor(door, people.cashier, ann) == 0


async def test_a_refusal_is_the_same_answer_for_ever(door: Door, people: People, steady_track: str) -> None:
    ann = await open_account(door, people.cashier, funds_minor=100)
    a_round = await open_round(door, steady_track)
    too_dear = order(ann, win_line(1, 500))
    first = await place(door, people.cashier, a_round["round_id"], too_dear)
    fields = {"request_id": fresh_id(), "account_id": ann, "amount_minor": "10000", "reason": "cash at the till"}
    await door.call(methods.CREDIT, fields, token=people.cashier)

    again = await place(door, people.cashier, a_round["round_id"], too_dear)

    assert [result["verdict"] for result in (*first, *again)] == ["INSUFFICIENT_FUNDS", "INSUFFICIENT_FUNDS"]
    assert again == [{**first[0], "replayed": True}]


async def test_an_unknown_round_gets_a_verdict(door: Door, people: People, books: Books) -> None:
    ann = await open_account(door, people.cashier)
    before = await books.money_and_tickets()

    results = await place(door, people.cashier, NO_SUCH_ROUND, order(ann, win_line(1, 500)))

    assert [result["verdict"] for result in results] == ["ROUND_NOT_FOUND"]
    assert await books.money_and_tickets() == before


async def test_a_round_that_is_over_takes_no_ticket(door: Door, people: People, quick_track: str) -> None:
    ann = await open_account(door, people.cashier)
    a_round = await open_round(door, quick_track, left_s=0)
    await round_that_is(door, a_round["round_id"], "LOCKED", "RUNNING", "FINISHED", "SETTLED")

    results = await place(door, people.cashier, a_round["round_id"], order(ann, win_line(1, 500)))

    assert [result["verdict"] for result in results] == ["BETTING_CLOSED"]
    assert await balance_minor(door, people.cashier, ann) == 1_000_000


async def test_an_account_of_another_currency_is_refused_in_words(
    door: Door, people: People, steady_track: str
) -> None:
    dollars = await open_account(door, people.cashier, currency="USD")
    a_round = await open_round(door, steady_track)

    results = await place(door, people.cashier, a_round["round_id"], order(dollars, win_line(1, 500)))

    assert [result["verdict"] for result in results] == ["ACCOUNT_NOT_FOUND"]
    assert "USD" in results[0]["reason"] or "EUR" in results[0]["reason"]
    assert await balance_minor(door, people.cashier, dollars) == 1_000_000


@pytest.mark.parametrize("change", ["stake", "runner", "price", "account", "another line", "round"])
async def test_an_id_used_again_for_another_order_is_refused_and_keeps_its_first_answer(
    door: Door, people: People, books: Books, steady_track: str, change: str
) -> None:
    ann, bob = [await open_account(door, people.cashier, name=name) for name in ("Ann", "Bob")]
    a_round = await open_round(door, steady_track)
    first = order(ann, win_line(1, 500))
    same_id = first["request_id"]
    other = {
        "stake": order(ann, win_line(1, 501), request_id=same_id),
        "runner": order(ann, win_line(2, 500), request_id=same_id),
        "price": order(ann, win_line(1, 500, price_of(a_round, 1)), request_id=same_id),
        "account": order(bob, win_line(1, 500), request_id=same_id),
        "another line": order(ann, win_line(1, 500), win_line(1, 500), request_id=same_id),
        "round": first,
    }[change]
    round_of_other = NO_SUCH_ROUND if change == "round" else a_round["round_id"]
    accepted = await place(door, people.cashier, a_round["round_id"], first)
    before = await books.money_and_tickets()

    reused = await place(door, people.cashier, round_of_other, other)

    assert [result["verdict"] for result in (*accepted, *reused)] == ["ACCEPTED", "REQUEST_ID_REUSED"]
    assert await books.money_and_tickets() == before
    again = await place(door, people.cashier, a_round["round_id"], first)
    assert again == [{**accepted[0], "replayed": True}]


# ---- calls that are wrong as a whole ---------------------------------------------------------------------------------


def tickets_of(ann: str, count: int) -> list[Answer]:
    return [order(ann, win_line(1, 1)) for _ in range(count)]


def with_id(ann: str, request_id: str) -> Answer:
    return order(ann, win_line(1, 1), request_id=request_id)


def call(round_id: str, *orders: Answer) -> Fields:
    return {"round_id": round_id, "tickets": list(orders)}


FieldsMaker = Callable[[str, str], Fields]


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda ann, at: call(at, *tickets_of(ann, 501)),                                   "tickets"),
        (lambda ann, at: call(at),                                                          "tickets"),
        (lambda ann, at: call(at, order(ann, *[win_line(1, 1)] * 21)),                      "tickets[0].lines"),
        (lambda ann, at: call(at, order(ann)),                                              "tickets[0].lines"),
        (lambda ann, at: call(at, *tickets_of(ann, 2), with_id(ann, "not-a-uuid")),         "tickets[2].request_id"),
        (lambda ann, at: call(at, with_id(ann, str(uuid.uuid4()))),                         "tickets[0].request_id"),
        (lambda ann, at: call(at, {**with_id(ann, "x"), "request_id": ""}),                 "tickets[0].request_id"),
        (lambda ann, at: call(at, order("0", win_line(1, 1))),                              "tickets[0].account_id"),
        (lambda ann, at: call("0", *tickets_of(ann, 1)),                                    "round_id"),
        (lambda ann, at: call("-1", *tickets_of(ann, 1)),                                   "round_id"),
    ],
    ids=[
        "501 tickets", "no tickets", "21 lines", "no lines", "malformed id", "id of version 4", "no id",
        "malformed account", "round zero", "round negative",
    ],
)  # fmt: skip
async def test_a_malformed_order_refuses_the_whole_call_and_names_the_field(
    door: Door, people: People, books: Books, steady_track: str, make: FieldsMaker, field: str
) -> None:
    ann = await open_account(door, people.cashier)
    a_round = await open_round(door, steady_track)
    before = await books.money_and_tickets()

    wrong = await refusal(door, methods.PLACE, make(ann, a_round["round_id"]), people.cashier)

    assert (wrong.code, wrong.reason) == (MALFORMED, "MALFORMED")
    assert field in wrong.violations
    assert field in wrong.message
    assert await books.money_and_tickets() == before


def with_runners(*runners: tuple[int, int]) -> Answer:
    return {
        **GOOD_CARD,
        "runners": [{"runner": number, "name": "A", "weight": str(weight)} for number, weight in runners],
    }


@pytest.mark.parametrize(
    ("card", "field"),
    [
        (with_runners((1, 0), (2, 5)),                                  "cards[0].runners[0].weight"),
        (with_runners((1, 5), (2, -1)),                                 "cards[0].runners[1].weight"),
        (with_runners((1, 5), (2, 1_000_000_001)),                      "cards[0].runners[1].weight"),
        (with_runners((1, 5)),                                          "cards[0].runners"),
        (with_runners(*[(number, 5) for number in range(1, 42)]),       "cards[0].runners"),
        (with_runners((1, 5), (1, 5)),                                  "cards[0].runners"),
        (with_runners((2, 5), (1, 5)),                                  "cards[0].runners"),
        (with_runners((0, 5), (1, 5)),                                  "cards[0].runners[0].runner"),
        ({**GOOD_CARD, "name": ""},                                          "cards[0].name"),
        ({**GOOD_CARD, "distance_m": 99},                                    "cards[0].distance_m"),
    ],
    ids=["weight zero", "weight negative", "weight too large", "one runner", "41 runners", "number twice",
         "out of order", "number zero", "no name", "too short"],
)  # fmt: skip
async def test_a_wrong_card_is_refused_with_its_field_and_none_of_its_call_is_taken(
    door: Door, people: People, books: Books, steady_track: str, card: Answer, field: str
) -> None:
    before = await books.cards()
    fields = {"request_id": fresh_id(), "track": steady_track, "cards": [card, {**GOOD_CARD, "name": "A good one"}]}

    wrong = await refusal(door, methods.IMPORT_CARDS, fields, people.operator)

    assert (wrong.code, wrong.reason) == (MALFORMED, "MALFORMED")
    assert field in wrong.violations
    assert await books.cards() == before


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"track": "No Slug"},                              "track.track"),
        ({"track": ""},                                     "track.track"),
        ({"currency": "euro"},                              "track.currency"),
        ({"return_bps": 10_000},                            "track.return_bps"),
        ({"timetable": {"betting_window_ms": "1"}},         "track.timetable.betting_window_ms"),
        ({"limits": {"stake_min_minor": "5", "stake_max_minor": "4"}}, "track.limits.stake_max_minor"),
        ({"limits": {"stake_min_minor": "1", "stake_max_minor": "4", "round_loss_max_minor": "-1"}},
                                                            "track.limits.round_loss_max_minor"),
        ({"state": "PAUSED"},                               "track.state"),
    ],
    ids=["no slug", "no name", "no currency", "return of everything", "no time to bet", "limits that cross",
         "a loss below nothing", "paused from the start"],
)  # fmt: skip
async def test_a_wrong_track_is_refused_with_its_field(
    door: Door, people: People, settings: Mapping[str, Any], field: str
) -> None:
    track = {"track": fresh_name("wrong"), "display_name": "Wrong", "currency": "EUR", **settings}
    before = await door.call(methods.LIST_TRACKS, {})

    wrong = await refusal(door, methods.CREATE_TRACK, {"request_id": fresh_id(), "track": track}, people.operator)

    assert (wrong.code, wrong.reason) == (MALFORMED, "MALFORMED")
    assert any(name.startswith(field) for name in wrong.violations), wrong.violations
    assert await door.call(methods.LIST_TRACKS, {}) == before


async def test_a_track_that_exists_is_not_made_again_with_other_settings(
    door: Door, people: People, steady_track: str
) -> None:
    track = {"track": steady_track, "display_name": "Another", "currency": "USD"}

    wrong = await refusal(door, methods.CREATE_TRACK, {"request_id": fresh_id(), "track": track}, people.operator)

    assert (wrong.code, wrong.reason) == (ALREADY_EXISTS, "TRACK_EXISTS")


@pytest.mark.parametrize(
    ("method", "fields", "reason"),
    [
        (methods.GET_TRACK,         {"track": "no-such-track"},                          "TRACK_NOT_FOUND"),
        (methods.GET_CURRENT_ROUND, {"track": "no-such-track"},                          "TRACK_NOT_FOUND"),
        (methods.LIST_ROUNDS,       {"track": "no-such-track"},                          "TRACK_NOT_FOUND"),
        (methods.IMPORT_CARDS,      {"track": "no-such-track", "request_id": NO_SUCH_UUID, "cards": [GOOD_CARD]},
                                                                                         "TRACK_NOT_FOUND"),
        (methods.GET_ROUND,         {"round_id": NO_SUCH_ROUND},                         "ROUND_UNKNOWN"),
        (methods.GET_PROOF,         {"round_id": NO_SUCH_ROUND},                         "ROUND_UNKNOWN"),
        (methods.VOID_ROUND,        {"round_id": NO_SUCH_ROUND, "request_id": NO_SUCH_UUID, "reason": "a test"},
                                                                                         "ROUND_UNKNOWN"),
        (methods.ENTER_RESULT,      {"round_id": NO_SUCH_ROUND, **BY_HAND, "result": [2, 1]},       "ROUND_UNKNOWN"),
        (methods.CORRECT_RESULT,    {"round_id": NO_SUCH_ROUND, "request_id": NO_SUCH_UUID, "result": [2, 1],
                                     "reason": "a test"},                                "ROUND_UNKNOWN"),
        (methods.SET_PRICES,        {"round_id": NO_SUCH_ROUND, "prices": [PRICE], **BY_HAND}, "ROUND_UNKNOWN"),
        (methods.QUOTE,             {"round_id": NO_SUCH_ROUND, "lines": [win_line(1, 1)]}, "ROUND_UNKNOWN"),
        (methods.PAUSE_TRACK,       {"track": "no-such-track", **BY_HAND},               "TRACK_NOT_FOUND"),
        (methods.RESUME_TRACK,      {"track": "no-such-track", **BY_HAND},               "TRACK_NOT_FOUND"),
        (methods.SUSPEND_TRACK,     {"track": "no-such-track", **BY_HAND},               "TRACK_NOT_FOUND"),
        (methods.UPDATE_TRACK,      {"track": "no-such-track", "return_bps": 9_000, **BY_HAND}, "TRACK_NOT_FOUND"),
        (methods.SUSPEND_SELLING,   {"track": "no-such-track", "terminal": "t", **BY_HAND}, "TRACK_NOT_FOUND"),
        (methods.RESUME_SELLING,    {"track": "no-such-track", "terminal": "t", **BY_HAND}, "TRACK_NOT_FOUND"),
        (methods.GET_TICKET,        {"ticket_id": NO_SUCH_UUID},                         "TICKET_UNKNOWN"),
        (methods.CANCEL_TICKET,     {"ticket_id": NO_SUCH_UUID, **BY_HAND},              "TICKET_UNKNOWN"),
        (methods.PAY_TICKET,        {"ticket_id": NO_SUCH_UUID, "request_id": NO_SUCH_UUID,
                                     "account_id": NO_SUCH_UUID},                        "TICKET_UNKNOWN"),
        (methods.PAY_OUT,           {"account_id": NO_SUCH_UUID, "amount_minor": "1", **BY_HAND}, "ACCOUNT_UNKNOWN"),
        (methods.ADJUST,            {"account_id": NO_SUCH_UUID, "amount_minor": "1", **BY_HAND}, "ACCOUNT_UNKNOWN"),
        (methods.BLOCK,             {"account_id": NO_SUCH_UUID, **BY_HAND},             "ACCOUNT_UNKNOWN"),
        (methods.UNBLOCK,           {"account_id": NO_SUCH_UUID, **BY_HAND},             "ACCOUNT_UNKNOWN"),
        (methods.LIST_TRANSFERS,    {"account_id": NO_SUCH_UUID},                        "ACCOUNT_UNKNOWN"),
        (methods.TRIAL_BALANCE,     {"round_id": NO_SUCH_ROUND},                         "ROUND_UNKNOWN"),
        (methods.GET_ACCOUNT,       {"account_id": NO_SUCH_UUID},                        "ACCOUNT_UNKNOWN"),
        (methods.LIST_TICKETS,      {"account_id": NO_SUCH_UUID},                        "ACCOUNT_UNKNOWN"),
        (methods.CREDIT,            {"account_id": NO_SUCH_UUID, "request_id": NO_SUCH_UUID, "amount_minor": "1",
                                     "reason": "a test"},                                "ACCOUNT_UNKNOWN"),
    ],
    ids=lambda value: value.full_name.rpartition("/")[2] if isinstance(value, Method) else None,
)  # fmt: skip
async def test_what_does_not_exist_is_not_found(
    door: Door, people: People, method: Method, fields: Fields, reason: str
) -> None:
    wrong = await refusal(door, method, fields, people.everything)

    assert (wrong.code, wrong.reason) == (NOT_FOUND, reason)


@pytest.mark.parametrize(
    ("method", "fields", "field"),
    [
        (methods.GET_TICKET,     {"ticket_id": "not-a-uuid"},                                   "ticket_id"),
        (methods.GET_ACCOUNT,    {"account_id": "not-a-uuid"},                                  "account_id"),
        (methods.LIST_TRACKS,    {"page_size": -1},                                             "page_size"),
        (methods.LIST_TRACKS,    {"page_token": "made up"},                                     "page_token"),
        (methods.CREATE_ACCOUNT, {"request_id": "x", "kind": "PLAYER", "currency": "EUR"},      "request_id"),
        (methods.CREATE_ACCOUNT, {"request_id": NO_SUCH_UUID, "kind": "HOUSE", "currency": "EUR"}, "kind"),
        (methods.CREATE_ACCOUNT, {"request_id": NO_SUCH_UUID, "kind": "PLAYER", "currency": "eur"}, "currency"),
        (methods.CREATE_ACCOUNT, {"request_id": NO_SUCH_UUID, "kind": "PLAYER", "currency": "EUR",
                                  "display_name": "a" * 81},                                    "display_name"),
        (methods.CREDIT,         {"request_id": NO_SUCH_UUID, "account_id": NO_SUCH_UUID, "amount_minor": "0",
                                  "reason": "a test"},                                          "amount_minor"),
        (methods.CREDIT,         {"request_id": NO_SUCH_UUID, "account_id": NO_SUCH_UUID, "amount_minor": "-1",
                                  "reason": "a test"},                                          "amount_minor"),
        (methods.CREDIT,         {"request_id": NO_SUCH_UUID, "account_id": NO_SUCH_UUID, "amount_minor": "1"},
                                                                                                "reason"),
        (methods.VOID_ROUND,     {"request_id": NO_SUCH_UUID, "round_id": "1"},                 "reason"),
        (methods.ENTER_RESULT,   {"round_id": "1", "result": [1], **BY_HAND},                   "result"),
        (methods.ENTER_RESULT,   {"round_id": "1", "result": [2, 1], "request_id": NO_SUCH_UUID}, "reason"),
        (methods.ENTER_RESULT,   {"round_id": "1", "result": [2, 1], "withdrawn": [3, 3], **BY_HAND}, "withdrawn"),
        (methods.ENTER_RESULT,   {"round_id": "1", "result": [2, 1], "withdrawn": [0], **BY_HAND}, "withdrawn[0]"),
        (methods.ENTER_RESULT,   {"round_id": "1", "result": [2, 1], "positions": [1, -1], **BY_HAND}, "positions[1]"),
        (methods.CORRECT_RESULT, {"round_id": "1", "result": [2, 1], "positions": [1, 41], **BY_HAND}, "positions[1]"),
        (methods.CORRECT_RESULT, {"round_id": "1", "result": [1], **BY_HAND},                   "result"),
        (methods.CORRECT_RESULT, {"round_id": "1", "result": [1, 1], **BY_HAND},                "result"),
        (methods.CORRECT_RESULT, {"round_id": "1", "result": [1, 41], **BY_HAND},               "result[1]"),
        (methods.SET_PRICES,     {"round_id": "1", "prices": [], **BY_HAND},                    "prices"),
        (methods.SET_PRICES,     {"round_id": "1", "prices": [PRICE, PRICE], **BY_HAND},        "prices"),
        (methods.SET_PRICES,     {"round_id": "1", "prices": [{**PRICE, "runner": 41}], **BY_HAND},
                                                                                                "prices[0].runner"),
        (methods.SET_PRICES,     {"round_id": "1", "prices": [{**PRICE, "market": 0}], **BY_HAND},
                                                                                                "prices[0].market"),
        (methods.SET_PRICES,     {"round_id": "1", "prices": [{**PRICE, "price_hundredths": "100"}], **BY_HAND},
                                                                                     "prices[0].price_hundredths"),
        (methods.QUOTE,          {"round_id": "1", "lines": []},                                "lines"),
        (methods.PLACE,          {"round_id": "1", "tickets": [{**PRICED, "price_policy": "BETTER"}]},
                                                                           "tickets[0].lines[0].price_hundredths"),
        (methods.PLACE,          {"round_id": "1", "tickets": [{**PRICED, "price_policy": 9}]},
                                                                                     "tickets[0].price_policy"),
        (methods.PLACE,          {"round_id": "1", "tickets": [{**PRICED, "quote": "q" * 2_001}]},
                                                                                            "tickets[0].quote"),
        (methods.PLACE,          {"round_id": "1", "tickets": [{**PRICED, "quote": "é"}]},  "tickets[0].quote"),
        (methods.PAUSE_TRACK,    {"track": "No-Track", **BY_HAND},                              "track"),
        (methods.RESUME_TRACK,   {"track": "a-track", "request_id": NO_SUCH_UUID},              "reason"),
        (methods.SUSPEND_TRACK,  {"track": "a-track", "reason": "a test"},                      "request_id"),
        (methods.UPDATE_TRACK,   {"track": "a-track", "return_bps": 4_999, **BY_HAND},          "return_bps"),
        (methods.SUSPEND_SELLING, {"track": "a-track", "runner": 41, **BY_HAND},                "runner"),
        (methods.RESUME_SELLING, {"track": "a-track", "terminal": "till 3", **BY_HAND},         "terminal"),
        (methods.CANCEL_TICKET,  {"ticket_id": "not-a-uuid", **BY_HAND},                        "ticket_id"),
        (methods.CANCEL_TICKET,  {"ticket_id": NO_SUCH_UUID, "request_id": NO_SUCH_UUID},       "reason"),
        (methods.PAY_TICKET,     {"ticket_id": NO_SUCH_UUID, "request_id": NO_SUCH_UUID},       "account_id"),
        (methods.PAY_OUT,        {"account_id": NO_SUCH_UUID, "amount_minor": "-1", **BY_HAND}, "amount_minor"),
        (methods.ADJUST,         {"account_id": NO_SUCH_UUID, "amount_minor": "0", **BY_HAND},  "amount_minor"),
        (methods.BLOCK,          {"account_id": NO_SUCH_UUID, "request_id": NO_SUCH_UUID},      "reason"),
        (methods.UNBLOCK,        {"account_id": "not-a-uuid", **BY_HAND},                       "account_id"),
        (methods.LIST_TRANSFERS, {"account_id": "not-a-uuid"},                                  "account_id"),
        (methods.LIST_TRANSFERS, {"account_id": NO_SUCH_UUID, "page_size": -1},                 "page_size"),
        (methods.TRIAL_BALANCE,  {"round_id": "-1"},                                            "round_id"),
    ],
)  # fmt: skip
async def test_a_malformed_request_is_refused_with_its_field(
    door: Door, people: People, method: Method, fields: Fields, field: str
) -> None:
    wrong = await refusal(door, method, fields, people.everything)

    assert (wrong.code, wrong.reason) == (MALFORMED, "MALFORMED")
    assert field in wrong.violations


async def test_an_id_used_again_for_another_credit_moves_nothing(door: Door, people: People) -> None:
    ann = await open_account(door, people.cashier, funds_minor=0)
    fields = {"request_id": fresh_id(), "account_id": ann, "amount_minor": "100", "reason": "cash at the till"}
    await door.call(methods.CREDIT, fields, token=people.cashier)

    wrong = await refusal(door, methods.CREDIT, {**fields, "amount_minor": "101"}, people.cashier)

    assert (wrong.code, wrong.reason) == (FAILED_PRECONDITION, "REQUEST_REUSED")
    again = await door.call(methods.CREDIT, fields, token=people.cashier)
    assert again["account"]["balance_minor"] == "100"
    assert await balance_minor(door, people.cashier, ann) == 100


async def test_an_id_used_again_for_another_account_or_other_cards_is_refused(
    door: Door, people: People, books: Books, steady_track: str
) -> None:
    opening = {"request_id": fresh_id(), "kind": "PLAYER", "currency": "EUR", "display_name": "Ann"}
    importing = {"request_id": fresh_id(), "track": steady_track, "cards": [{**GOOD_CARD, "name": fresh_name("card")}]}
    opened = await door.call(methods.CREATE_ACCOUNT, opening, token=people.cashier)
    imported = await door.call(methods.IMPORT_CARDS, importing, token=people.operator)
    before = (await books.money_and_tickets(), await books.cards())

    account = await refusal(door, methods.CREATE_ACCOUNT, {**opening, "currency": "USD"}, people.cashier)
    cards = await refusal(door, methods.IMPORT_CARDS, {**importing, "cards": [GOOD_CARD]}, people.operator)

    assert (account.code, account.reason) == (FAILED_PRECONDITION, "REQUEST_REUSED")
    assert (cards.code, cards.reason) == (FAILED_PRECONDITION, "REQUEST_REUSED")
    assert await door.call(methods.CREATE_ACCOUNT, opening, token=people.cashier) == opened
    assert await door.call(methods.IMPORT_CARDS, importing, token=people.operator) == imported
    assert (await books.money_and_tickets(), await books.cards()) == before


async def test_a_round_that_has_been_drawn_is_not_voided(door: Door, people: People, quick_track: str) -> None:
    a_round = await open_round(door, quick_track, left_s=0)
    await round_that_is(door, a_round["round_id"], "RUNNING", "FINISHED", "SETTLED")
    fields = {"request_id": fresh_id(), "round_id": a_round["round_id"], "reason": "a test"}

    wrong = await refusal(door, methods.VOID_ROUND, fields, people.operator)

    assert (wrong.code, wrong.reason) == (FAILED_PRECONDITION, "ROUND_PHASE")
    await round_that_is(door, a_round["round_id"], "SETTLED")


async def test_the_proof_of_a_round_that_is_open_is_refused(door: Door, steady_track: str) -> None:
    a_round = await open_round(door, steady_track)

    wrong = await refusal(door, methods.GET_PROOF, {"round_id": a_round["round_id"]}, None)

    assert (wrong.code, wrong.reason) == (FAILED_PRECONDITION, "PROOF_NOT_READY")


# ---- who may do what -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "fields"),
    [
        (methods.PLACE,          {"round_id": "1", "tickets": [order(NO_SUCH_UUID, win_line(1, 1))]}),
        (methods.QUOTE,          {"round_id": "1", "lines": [win_line(1, 1)]}),
        (methods.SET_PRICES,     {"round_id": "1", "prices": [PRICE], **BY_HAND}),
        (methods.GET_TICKET,     {"ticket_id": NO_SUCH_UUID}),
        (methods.LIST_TICKETS,   {"account_id": NO_SUCH_UUID}),
        (methods.CREATE_ACCOUNT, {"request_id": NO_SUCH_UUID, "kind": "PLAYER", "currency": "EUR"}),
        (methods.CREDIT,         {"request_id": NO_SUCH_UUID, "account_id": NO_SUCH_UUID, "amount_minor": "1",
                                  "reason": "a test"}),
        (methods.GET_ACCOUNT,    {"account_id": NO_SUCH_UUID}),
        (methods.CREATE_TRACK,   {"request_id": NO_SUCH_UUID, "track": {"track": "a", "currency": "EUR"}}),
        (methods.IMPORT_CARDS,   {"request_id": NO_SUCH_UUID, "track": "a", "cards": [GOOD_CARD]}),
        (methods.VOID_ROUND,     {"request_id": NO_SUCH_UUID, "round_id": "1", "reason": "a test"}),
        (methods.ENTER_RESULT,   {"round_id": "1", "result": [2, 1], **BY_HAND}),
        (methods.CORRECT_RESULT, {"round_id": "1", "result": [2, 1], **BY_HAND}),
        (methods.PAUSE_TRACK,    {"track": "a", **BY_HAND}),
        (methods.RESUME_TRACK,   {"track": "a", **BY_HAND}),
        (methods.SUSPEND_TRACK,  {"track": "a", **BY_HAND}),
        (methods.UPDATE_TRACK,   {"track": "a", "return_bps": 9_000, **BY_HAND}),
        (methods.SUSPEND_SELLING, {"track": "a", "runner": 1, **BY_HAND}),
        (methods.RESUME_SELLING, {"track": "a", "runner": 1, **BY_HAND}),
        (methods.CANCEL_TICKET,  {"ticket_id": NO_SUCH_UUID, **BY_HAND}),
        (methods.PAY_TICKET,     {"ticket_id": NO_SUCH_UUID, "request_id": NO_SUCH_UUID, "account_id": NO_SUCH_UUID}),
        (methods.PAY_OUT,        {"account_id": NO_SUCH_UUID, "amount_minor": "1", **BY_HAND}),
        (methods.ADJUST,         {"account_id": NO_SUCH_UUID, "amount_minor": "1", **BY_HAND}),
        (methods.BLOCK,          {"account_id": NO_SUCH_UUID, **BY_HAND}),
        (methods.UNBLOCK,        {"account_id": NO_SUCH_UUID, **BY_HAND}),
        (methods.LIST_TRANSFERS, {"account_id": NO_SUCH_UUID}),
        (methods.TRIAL_BALANCE,  {}),
    ],
    ids=lambda value: value.full_name.rpartition("/")[2] if isinstance(value, Method) else "",
)  # fmt: skip
async def test_a_method_that_is_not_for_anyone_asks_for_a_good_token_with_one_of_its_roles(
    door: Door, people: People, method: Method, fields: Fields
) -> None:
    without = await refusal(door, method, fields, None)
    forged = await refusal(door, method, fields, people.forged)
    expired = await refusal(door, method, fields, people.expired)
    garbage = await refusal(door, method, fields, "garbage")
    nobody = await refusal(door, method, fields, people.service)

    assert (without.code, without.reason) == (UNAUTHENTICATED, "TOKEN_MISSING")
    assert (forged.code, forged.reason) == (UNAUTHENTICATED, "TOKEN_INVALID")
    assert (expired.code, expired.reason) == (UNAUTHENTICATED, "TOKEN_INVALID")
    assert (garbage.code, garbage.reason) == (UNAUTHENTICATED, "TOKEN_INVALID")
    assert (nobody.code, nobody.reason) == (DENIED, "ROLE_MISSING")


ROLES_OF = {
    methods.ENTER_RESULT: {"OPERATOR"},
    methods.CORRECT_RESULT: {"OPERATOR"},
    methods.SET_PRICES: {"OPERATOR"},
    methods.PAUSE_TRACK: {"OPERATOR"},
    methods.RESUME_TRACK: {"OPERATOR"},
    methods.SUSPEND_TRACK: {"OPERATOR"},
    methods.UPDATE_TRACK: {"OPERATOR"},
    methods.SUSPEND_SELLING: {"OPERATOR"},
    methods.RESUME_SELLING: {"OPERATOR"},
    methods.CANCEL_TICKET: {"PLAYER", "CASHIER", "OPERATOR"},
    methods.PAY_TICKET: {"CASHIER"},
    methods.PAY_OUT: {"CASHIER", "OPERATOR"},
    methods.ADJUST: {"OPERATOR"},
    methods.BLOCK: {"OPERATOR"},
    methods.UNBLOCK: {"OPERATOR"},
    methods.LIST_TRANSFERS: {"PLAYER", "CASHIER", "OPERATOR", "AUDITOR"},
    methods.TRIAL_BALANCE: {"OPERATOR", "AUDITOR"},
}
"""Who may call what tills and operators do; what is asked for does not exist, so whoever may is told so."""


@pytest.mark.parametrize("method", ROLES_OF, ids=lambda method: method.full_name.rpartition("/")[2])
async def test_a_method_of_tills_and_operators_is_for_its_roles_and_no_other(
    rest_door: RestDoor, stack: LocalStack, method: Method
) -> None:
    fields: Fields = {
        "track": "no-such-track", "ticket_id": NO_SUCH_UUID, "account_id": NO_SUCH_UUID, "round_id": NO_SUCH_ROUND,
        "amount_minor": "1", "result": [2, 1], "display_name": "Nowhere", "terminal": "till-3", "prices": [PRICE],
        **BY_HAND,
    }  # fmt: skip
    asked = {name: value for name, value in fields.items() if name in method.request.DESCRIPTOR.fields_by_name}
    admitted = set()
    for role in ("PLAYER", "CASHIER", "OPERATOR", "AUDITOR", "SERVICE"):
        wrong = await refusal(rest_door, method, asked, stack.token(roles=[role], accounts=["*"]))
        if wrong.reason != "ROLE_MISSING":
            assert wrong.code == NOT_FOUND
            admitted.add(role)

    assert admitted == ROLES_OF[method]


async def test_a_player_opens_no_account_and_an_operator_places_no_ticket(
    door: Door, people: People, steady_track: str
) -> None:
    ann = await open_account(door, people.cashier)
    a_round = await open_round(door, steady_track)
    opening = {"request_id": fresh_id(), "kind": "PLAYER", "currency": "EUR"}
    placing = {"round_id": a_round["round_id"], "tickets": [order(ann, win_line(1, 1))]}

    opened = await refusal(door, methods.CREATE_ACCOUNT, opening, people.player(ann))
    placed = await refusal(door, methods.PLACE, placing, people.operator)

    assert (opened.code, opened.reason) == (DENIED, "ROLE_MISSING")
    assert (placed.code, placed.reason) == (DENIED, "ROLE_MISSING")
    assert await balance_minor(door, people.cashier, ann) == 1_000_000


async def test_a_player_places_on_no_account_of_another_and_sees_nothing_of_it(
    door: Door, people: People, books: Books, steady_track: str
) -> None:
    ann, bob = [await open_account(door, people.cashier, name=name) for name in ("Ann", "Bob")]
    a_round = await open_round(door, steady_track)
    [bought] = await place(door, people.player(ann), a_round["round_id"], order(ann, win_line(1, 500)))
    before = await books.money_and_tickets()
    placing = {
        "round_id": a_round["round_id"],
        "tickets": [order(bob, win_line(1, 1)), order(ann, win_line(1, 1))],
    }

    placed = await refusal(door, methods.PLACE, placing, people.player(bob))
    ticket = await refusal(door, methods.GET_TICKET, {"ticket_id": bought["ticket"]["ticket_id"]}, people.player(bob))
    account = await refusal(door, methods.GET_ACCOUNT, {"account_id": ann}, people.player(bob))
    tickets = await refusal(door, methods.LIST_TICKETS, {"account_id": ann}, people.player(bob))
    transfers = await refusal(door, methods.LIST_TRANSFERS, {"account_id": ann}, people.player(bob))
    cancelling = {"ticket_id": bought["ticket"]["ticket_id"], **BY_HAND, "request_id": fresh_id()}
    cancelled = await refusal(door, methods.CANCEL_TICKET, cancelling, people.player(bob))

    assert (placed.code, placed.reason) == (DENIED, "ACCOUNT_NOT_YOURS")
    assert (ticket.code, ticket.reason) == (NOT_FOUND, "TICKET_UNKNOWN")
    assert (account.code, account.reason) == (NOT_FOUND, "ACCOUNT_UNKNOWN")
    assert (tickets.code, tickets.reason) == (NOT_FOUND, "ACCOUNT_UNKNOWN")
    assert (transfers.code, transfers.reason) == (NOT_FOUND, "ACCOUNT_UNKNOWN")
    assert (cancelled.code, cancelled.reason) == (NOT_FOUND, "TICKET_UNKNOWN")
    assert await books.money_and_tickets() == before


# ---- what only HTTP can say, and the watch ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verb", "path", "body", "http_status", "reason"),
    [
        ("POST", "/v1/tickets:place", '{"round_id": "1", ',                               400, "MALFORMED"),
        ("POST", "/v1/tickets:place", "[]",                                               400, "MALFORMED"),
        ("POST", "/v1/tickets:place", '{"round_id": "one"}',                              400, "MALFORMED"),
        ("POST", "/v1/tickets:place", '{"round_id": "1", "surprise": 1}',                 400, "MALFORMED"),
        ("POST", "/v1/tickets:place", '{"round_id": "99999999999999999999"}',             400, "MALFORMED"),
        ("POST", "/v1/tickets:place", '{"round_id": "1", "tickets": [{"lines": [{"market": "WIN", "runners": [1], '
                                      '"stake_minor": "9223372036854775808"}]}]}',        400, "MALFORMED"),
        ("POST", "/v1/tickets:place", '{"round_id": "1", "tickets": [{"lines": [{"market": "LOSE"}]}]}',
                                                                                          400, "MALFORMED"),
        ("GET",  "/v1/rounds/seventeen", None,                                            400, "MALFORMED"),
        ("GET",  "/v1/nothing/here", None,                                                404, "METHOD_UNKNOWN"),
        ("POST", "/", "{}",                                                               404, "METHOD_UNKNOWN"),
        ("DELETE", "/v1/tracks", None,                                                    404, "METHOD_UNKNOWN"),
        ("POST", "/furlong.persist.v1.LedgerService/GetAccount", "{}",                    404, "METHOD_UNKNOWN"),
    ],
    ids=["cut off", "a list", "a word for a number", "an unknown field", "a round over int64", "a stake over int64",
         "an unknown market", "a word in the path", "an unknown path", "the root", "another verb", "a store's method"],
)  # fmt: skip
async def test_http_that_cannot_be_read_is_refused_in_the_one_shape(
    http: httpx.AsyncClient,
    people: People,
    verb: str,
    path: str,
    body: str | None,
    http_status: int,
    reason: str,
) -> None:
    reply = await http.request(
        verb,
        path,
        content=body,
        headers={"authorization": f"Bearer {people.everything}", "content-type": "application/json"},
    )

    assert reply.status_code == http_status, reply.text
    with pytest.raises(Wrong) as caught:
        answer_of(reply)
    assert caught.value.reason == reason


async def test_a_body_that_is_too_large_is_refused_in_the_one_shape(http: httpx.AsyncClient, people: People) -> None:
    body = json.dumps({"round_id": "1", "tickets": [{"request_id": "a" * 1_000_000}]})

    reply = await http.post("/v1/tickets:place", content=body, headers={"authorization": f"Bearer {people.cashier}"})

    assert reply.status_code == httpx.codes.REQUEST_ENTITY_TOO_LARGE
    error = reply.json()
    assert error.keys() == {"code", "message", "details"}
    assert [detail["reason"] for detail in error["details"]] == ["MALFORMED"]


async def test_a_message_that_is_too_large_is_refused_with_a_code(
    channel: grpc.aio.Channel, people: People, steady_track: str
) -> None:
    send: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(methods.PLACE.full_name)

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await send(b"\x00" * 1_000_000, metadata=[("authorization", f"Bearer {people.cashier}")], timeout=10)

    assert caught.value.code() in {grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.INVALID_ARGUMENT}


async def test_a_method_that_does_not_exist_is_unimplemented_over_grpc(channel: grpc.aio.Channel) -> None:
    send: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(
        "/furlong.game.v1.TicketService/StealTickets"
    )

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await send(b"", timeout=10)

    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert wrong_of(caught.value).reason == "METHOD_UNKNOWN"


async def test_a_watch_of_an_unknown_track_is_not_found_over_grpc(channel: grpc.aio.Channel) -> None:
    stub = round_service_pb2_grpc.RoundServiceStub(channel)
    call = stub.WatchRounds(round_service_pb2.WatchRoundsRequest(track="no-such-track"), timeout=10)

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()

    wrong = wrong_of(caught.value)
    assert (wrong.code, wrong.reason) == (NOT_FOUND, "TRACK_NOT_FOUND")


@pytest.mark.parametrize(
    ("query", "http_status", "reason"),
    [
        ("/v1/tracks/no-such-track:watch",                       404, "TRACK_NOT_FOUND"),
        ("/v1/tracks/{track}:watch?after=-1",                    400, "MALFORMED"),
        ("/v1/tracks/{track}:watch?tick_interval_ms=1",          400, "MALFORMED"),
        ("/v1/tracks/{track}:watch?update_interval_ms=60001",    400, "MALFORMED"),
    ],
)  # fmt: skip
async def test_a_wrong_watch_over_rest_is_refused_before_it_streams(
    http: httpx.AsyncClient, steady_track: str, query: str, http_status: int, reason: str
) -> None:
    reply = await http.get(query.format(track=steady_track))

    assert reply.status_code == http_status, reply.text
    with pytest.raises(Wrong) as caught:
        answer_of(reply)
    assert caught.value.reason == reason


async def test_a_track_without_a_card_has_no_round(door: Door, bare_track: str) -> None:
    wrong = await refusal(door, methods.GET_CURRENT_ROUND, {"track": bare_track}, None)

    assert (wrong.code, wrong.reason) == (NOT_FOUND, "ROUND_UNKNOWN")
    assert await current_round(door, bare_track) is None
