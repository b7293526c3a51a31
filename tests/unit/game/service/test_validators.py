"""A request that breaks its contract is refused as a whole, with the field named."""

from collections.abc import Sequence
from typing import Any

import pytest
from furlong.common.v1.account_pb2 import Account
from furlong.common.v1.round_pb2 import Limits, Program, RaceCard, Runner, Source, Timetable, Track
from furlong.common.v1.ticket_pb2 import Line, Price, TicketOrder
from furlong.game.v1 import account_service_pb2 as accounts
from furlong.game.v1 import round_service_pb2 as rounds
from furlong.game.v1 import ticket_service_pb2 as tickets
from furlong.game.v1 import track_service_pb2 as tracks
from google.protobuf import message_factory
from google.protobuf.message import Message

from services.chassis.refusal import Refusal
from services.chassis.validation import Checks
from services.game.service.validators import VALIDATORS

ID = "0190d3c5-0000-7000-8000-000000000001"
V4 = "0190d3c5-0000-4000-8000-000000000001"
TRACK_WORDS = ["", "Upper", "1st", "-a", "a-", "a--b", "a b", "a" * 41]


def violations(request: Message) -> Sequence[str]:
    checks = Checks()
    VALIDATORS[type(request)](request, checks)
    try:
        checks.refuse()
    except Refusal as refusal:
        return [violation.field for violation in refusal.violations]
    return []


def order(**changes: Any) -> TicketOrder:
    fields: dict[str, Any] = {"request_id": ID, "account_id": V4, "lines": [Line(market=Line.WIN, runners=[1])]}
    return TicketOrder(**(fields | changes))


def place(*orders: TicketOrder, round_id: int = 1, terminal: str = "") -> Message:
    return tickets.PlaceTicketsRequest(round_id=round_id, tickets=orders, terminal=terminal)


def card(**changes: Any) -> RaceCard:
    runners = [Runner(runner=1, name="a", weight=1), Runner(runner=2, name="b", weight=1)]
    fields: dict[str, Any] = {"name": "Race", "distance_m": 1_200, "runners": runners}
    return RaceCard(**(fields | changes))


def imported(*cards: RaceCard) -> Message:
    return tracks.ImportRaceCardsRequest(request_id=ID, track="t", cards=cards)


def created(**changes: Any) -> Message:
    track = Track(**({"track": "t", "display_name": "T", "currency": "EUR"} | changes))
    return tracks.CreateTrackRequest(request_id=ID, track=track)


def opened(**changes: Any) -> Message:
    fields: dict[str, Any] = {"request_id": ID, "kind": Account.PLAYER, "currency": "EUR"}
    return accounts.CreateAccountRequest(**(fields | changes))


def moved(request: type[Message], **changes: Any) -> Message:
    return request(**({"request_id": ID, "account_id": ID, "amount_minor": 1, "reason": "cash"} | changes))


def blocked(request: type[Message], **changes: Any) -> Message:
    return request(**({"request_id": ID, "account_id": ID, "reason": "lost card"} | changes))


def stopped(request: type[Message], **changes: Any) -> Message:
    return request(**({"request_id": ID, "track": "t", "reason": "rain"} | changes))


def limits(**changes: Any) -> Limits:
    return Limits(**({"stake_min_minor": 1, "stake_max_minor": 5} | changes))


def taken_back(**changes: Any) -> Message:
    return tickets.CancelTicketRequest(**({"request_id": V4, "ticket_id": ID, "reason": "wrong runner"} | changes))


def paid(**changes: Any) -> Message:
    return tickets.PayTicketRequest(**({"request_id": V4, "ticket_id": ID, "account_id": ID} | changes))


def corrected(**changes: Any) -> Message:
    fields: dict[str, Any] = {"request_id": ID, "round_id": 1, "result": [2, 1, 3], "reason": "photo finish misread"}
    return tracks.CorrectResultRequest(**(fields | changes))


def part_of(request: type[Message], **changes: Any) -> Message:
    return request(**({"request_id": ID, "track": "t", "reason": "lame"} | changes))


def changed(**changes: Any) -> Message:
    return tracks.UpdateTrackRequest(**({"request_id": ID, "track": "t", "reason": "summer"} | changes))


SELLING = (tracks.SuspendSellingRequest, tracks.ResumeSellingRequest)


def entered(**changes: Any) -> Message:
    fields: dict[str, Any] = {"request_id": ID, "round_id": 1, "result": [2, 1, 3], "reason": "seen at the rails"}
    return tracks.EnterResultRequest(**(fields | changes))


def new_prices(*prices: Price, reason: str = "money") -> Message:
    return tracks.SetPricesRequest(request_id=ID, round_id=1, prices=prices, reason=reason)


ADJUST = accounts.AdjustAccountRequest
MOVES = (accounts.CreditAccountRequest, accounts.PayOutAccountRequest)
BLOCKS = (accounts.BlockAccountRequest, accounts.UnblockAccountRequest)
STOPS = (tracks.PauseTrackRequest, tracks.ResumeTrackRequest, tracks.SuspendTrackRequest)


TIMES = {"betting_window_ms": 1_000, "lock_ms": 100, "race_ms": 100, "finish_ms": 100}

TABLE: list[tuple[Message, str]] = [
    # placing
    (place(order()), ""),
    (place(*[order()] * 500), ""),
    (place(order(lines=[Line()] * 20)), ""),
    (place(order(lines=[Line(market=Line.WIN, runners=[-1, 99], stake_minor=-5)])), ""),  # judged, not checked
    (place(order(), round_id=0), "round_id"),
    (place(), "tickets"),
    (place(*[order()] * 501), "tickets"),
    (place(order(), order(request_id="x")), "tickets[1].request_id"),
    (place(order(request_id=V4)), "tickets[0].request_id"),
    (place(order(request_id=ID.upper())), "tickets[0].request_id"),
    (place(order(account_id="")), "tickets[0].account_id"),
    (place(order(lines=[])), "tickets[0].lines"),
    (place(order(lines=[Line()] * 21)), "tickets[0].lines"),
    (place(order(lines=[Line(market=Line.EACH_WAY)] * 10)), ""),
    (place(order(lines=[Line(market=Line.EACH_WAY)] * 9 + [Line()] * 2)), ""),
    (place(order(lines=[Line(market=Line.EACH_WAY)] * 10 + [Line()])), "tickets[0].lines"),
    (place(order(lines=[Line(market=Line.EACH_WAY)] * 21)), "tickets[0].lines"),
    (place(order(lines=[Line(runners=[1] * 41)])), "tickets[0].lines[0].runners"),
    (place(order(lines=[Line(price_hundredths=-1)])), "tickets[0].lines[0].price_hundredths"),
    (place(order(price_policy=TicketOrder.ANY, quote="abc")), ""),
    (place(order(price_policy=TicketOrder.BETTER, lines=[Line(price_hundredths=250)])), ""),
    (place(order(price_policy=TicketOrder.BETTER)), "tickets[0].lines[0].price_hundredths"),
    (place(order(price_policy=TicketOrder.EXACT)), "tickets[0].lines[0].price_hundredths"),
    (place(order(price_policy=9)), "tickets[0].price_policy"),
    (place(order(quote="q" * 2_000)), ""),
    (place(order(quote="q" * 2_001)), "tickets[0].quote"),
    (place(order(quote="é")), "tickets[0].quote"),
    (place(order(quote="q", request_id="x")), "tickets[0].request_id"),
    (tickets.QuoteRequest(round_id=1, lines=[Line()]), ""),
    (tickets.QuoteRequest(round_id=0, lines=[Line()]), "round_id"),
    (tickets.QuoteRequest(round_id=1), "lines"),
    (tickets.QuoteRequest(round_id=1, lines=[Line()] * 21), "lines"),
    (tickets.QuoteRequest(round_id=1, lines=[Line(market=Line.EACH_WAY)] * 11), "lines"),
    (tickets.QuoteRequest(round_id=1, lines=[Line(runners=[1] * 41)]), "lines[0].runners"),
    (new_prices(Price(market=Line.WIN, runner=1, price_hundredths=101)), ""),
    (new_prices(Price(market=Line.PLACE, runner=40, price_hundredths=100_000_000)), ""),
    (new_prices(), "prices"),
    (new_prices(*[Price(market=Line.WIN, runner=1, price_hundredths=250)] * 2), "prices"),
    (new_prices(Price(runner=1, price_hundredths=250)), "prices[0].market"),
    (new_prices(Price(market=Line.WIN, runner=0, price_hundredths=250)), "prices[0].runner"),
    (new_prices(Price(market=Line.WIN, runner=1, price_hundredths=100)), "prices[0].price_hundredths"),
    (new_prices(Price(market=Line.WIN, runner=1, price_hundredths=10**8 + 1)), "prices[0].price_hundredths"),
    (new_prices(Price(market=Line.WIN, runner=1, price_hundredths=250), reason=""), "reason"),
    (tickets.GetTicketRequest(ticket_id=V4), ""),
    (tickets.GetTicketRequest(ticket_id="17"), "ticket_id"),
    (tickets.ListTicketsRequest(account_id=ID, page_size=10**9), ""),
    (tickets.ListTicketsRequest(account_id=ID, page_size=-1), "page_size"),
    (tickets.ListTicketsRequest(account_id=ID, page_token="t" * 201), "page_token"),
    (tickets.ListTicketsRequest(account_id="me"), "account_id"),
    (taken_back(), ""),
    (taken_back(request_id=""), "request_id"),
    (taken_back(ticket_id="17"), "ticket_id"),
    (taken_back(reason=""), "reason"),
    (paid(), ""),
    (paid(request_id=""), "request_id"),
    (paid(ticket_id=""), "ticket_id"),
    (paid(account_id=""), "account_id"),
    (place(order(), terminal="till-3.a_B"), ""),
    (place(order(), terminal="-till"), "terminal"),
    (place(order(), terminal="till 3"), "terminal"),
    (place(order(), terminal="t" * 41), "terminal"),
    # parts of a track, and its settings
    *[
        (part_of(request, **part), "")
        for request in SELLING
        for part in ({"market": 2}, {"runner": 40}, {"terminal": "t"})
    ],
    *[(part_of(request), "market") for request in SELLING],
    *[(part_of(request, runner=1, terminal="t"), "market") for request in SELLING],
    (part_of(tracks.SuspendSellingRequest, market=9), "market"),
    (part_of(tracks.SuspendSellingRequest, runner=41), "runner"),
    (part_of(tracks.SuspendSellingRequest, terminal="till 3"), "terminal"),
    (part_of(tracks.SuspendSellingRequest, runner=1, reason=""), "reason"),
    (changed(display_name="T"), ""),
    (changed(program=Program()), ""),
    (changed(), "track"),
    (changed(display_name="x" * 81), "display_name"),
    (changed(return_bps=4_999), "return_bps"),
    (changed(timetable=Timetable(**(TIMES | {"lock_ms": 99}))), "timetable.lock_ms"),
    (changed(limits=limits(stake_min_minor=0)), "limits.stake_min_minor"),
    (changed(program=Program(every_ms=1)), "program.every_ms"),
    (changed(display_name="T", reason=""), "reason"),
    # rounds
    (rounds.GetRoundRequest(round_id=1), ""),
    (rounds.GetRoundRequest(round_id=0), "round_id"),
    (rounds.GetRoundProofRequest(round_id=-1), "round_id"),
    (rounds.GetCurrentRoundRequest(track="a-1-b"), ""),
    *[(rounds.GetCurrentRoundRequest(track=track), "track") for track in TRACK_WORDS],
    (rounds.ListRoundsRequest(track="t", page_size=-1), "page_size"),
    (rounds.WatchRoundsRequest(track="t"), ""),
    (rounds.WatchRoundsRequest(track="t", after=1, update_interval_ms=100, tick_interval_ms=60_000), ""),
    (rounds.WatchRoundsRequest(track="t", after=-1), "after"),
    (rounds.WatchRoundsRequest(track="t", update_interval_ms=99), "update_interval_ms"),
    (rounds.WatchRoundsRequest(track="t", tick_interval_ms=60_001), "tick_interval_ms"),
    (rounds.WatchRoundsRequest(track="t", tick_interval_ms=-1), "tick_interval_ms"),
    (rounds.WatchRoundsRequest(track="t", terminal="till-3.a_B"), ""),
    (rounds.WatchRoundsRequest(track="t", terminal="-till"), "terminal"),
    (rounds.WatchRoundsRequest(track="t", terminal="t" * 41), "terminal"),
    # tracks
    (tracks.ListTracksRequest(), ""),
    (tracks.ListTracksRequest(page_size=-1), "page_size"),
    (tracks.GetTrackRequest(track="T"), "track"),
    (created(), ""),
    (created(state=Track.RUNNING, return_bps=9_999, timetable=Timetable(**TIMES)), ""),
    (tracks.CreateTrackRequest(request_id="x", track=Track(track="t", display_name="T", currency="EUR")), "request_id"),
    (created(track="T"), "track.track"),
    (created(display_name=""), "track.display_name"),
    (created(display_name="x" * 81), "track.display_name"),
    (created(currency="eur"), "track.currency"),
    (created(state=7), "track.state"),
    (created(state=Track.SUSPENDED), "track.state"),
    (created(return_bps=4_999), "track.return_bps"),
    (created(return_bps=10_000), "track.return_bps"),
    (created(timetable=Timetable(**(TIMES | {"lock_ms": 99}))), "track.timetable.lock_ms"),
    (created(timetable=Timetable(**(TIMES | {"betting_window_ms": 0}))), "track.timetable.betting_window_ms"),
    (created(program=Program(every_ms=2_000)), ""),
    (created(program=Program(off_times_s=[0, 86_399], time_zone="Europe/London", place_return_bps=9_000)), ""),
    (created(program=Program(off_times_s=range(500))), ""),
    (created(program=Program(off_times_s=range(501))), "track.program.off_times_s"),
    (created(program=Program(off_times_s=[3, 3])), "track.program.off_times_s"),
    (created(program=Program(off_times_s=[4, 3])), "track.program.off_times_s"),
    (created(program=Program(off_times_s=[86_400])), "track.program.off_times_s[0]"),
    (created(program=Program(off_times_s=[1], every_ms=2_000)), "track.program.off_times_s"),
    (created(program=Program(every_ms=1_999)), "track.program.every_ms"),
    (created(program=Program(every_ms=86_400_001)), "track.program.every_ms"),
    (created(program=Program(every_ms=2_000, time_zone="Europe/London")), "track.program.time_zone"),
    (created(program=Program(off_times_s=[1], time_zone="../etc/passwd")), "track.program.time_zone"),
    (created(program=Program(place_return_bps=1)), "track.program.place_return_bps"),
    (created(program=Program(source=Source.ValueType(9))), "track.program.source"),
    (created(program=Program(beacon="b" * 61)), "track.program.beacon"),
    (created(limits=Limits(stake_min_minor=1, stake_max_minor=10_000_000)), ""),
    (created(limits=Limits(stake_min_minor=0, stake_max_minor=5)), "track.limits.stake_min_minor"),
    (created(limits=Limits(stake_min_minor=6, stake_max_minor=5)), "track.limits.stake_max_minor"),
    (created(limits=Limits(stake_min_minor=1, stake_max_minor=10_000_001)), "track.limits.stake_max_minor"),
    (created(limits=limits(selection_payout_max_minor=10**18, round_loss_max_minor=10**18)), ""),
    (created(limits=limits(selection_payout_max_minor=-1)), "track.limits.selection_payout_max_minor"),
    (created(limits=limits(round_loss_max_minor=10**18 + 1)), "track.limits.round_loss_max_minor"),
    *[(stopped(request), "") for request in STOPS],
    *[(stopped(request, request_id="x"), "request_id") for request in STOPS],
    *[(stopped(request, track="T"), "track") for request in STOPS],
    *[(stopped(request, reason=""), "reason") for request in STOPS],
    *[(stopped(request, reason="x" * 201), "reason") for request in STOPS],
    (imported(card()), ""),
    (imported(), "cards"),
    (imported(*[card(name=f"Race {n}") for n in range(201)]), "cards"),
    (imported(card(), card()), "cards"),
    (imported(card(card_id=1)), "cards[0].card_id"),
    (imported(card(name="")), "cards[0].name"),
    (imported(card(distance_m=99)), "cards[0].distance_m"),
    (imported(card(runners=[Runner(runner=1, name="a", weight=1)])), "cards[0].runners"),
    (
        imported(card(runners=[Runner(runner=2, name="a", weight=1), Runner(runner=1, name="b", weight=1)])),
        "cards[0].runners",
    ),
    (
        imported(card(runners=[Runner(runner=1, name="a", weight=1), Runner(runner=1, name="b", weight=1)])),
        "cards[0].runners",
    ),
    (
        imported(card(runners=[Runner(runner=1, name="a", weight=0), Runner(runner=2, name="b", weight=1)])),
        "cards[0].runners[0].weight",
    ),
    (
        imported(card(runners=[Runner(runner=1, name="a", weight=1), Runner(runner=41, name="b", weight=1)])),
        "cards[0].runners[1].runner",
    ),
    (tracks.VoidRoundRequest(request_id=ID, round_id=1, reason="rain"), ""),
    (tracks.VoidRoundRequest(request_id=ID, round_id=0, reason="rain"), "round_id"),
    (tracks.VoidRoundRequest(request_id=ID, round_id=1), "reason"),
    (tracks.VoidRoundRequest(request_id=ID, round_id=1, reason="a\nb"), "reason"),
    (corrected(), ""),
    (corrected(request_id=""), "request_id"),
    (corrected(round_id=0), "round_id"),
    (corrected(result=[1]), "result"),
    (corrected(result=[]), "result"),
    (corrected(result=range(1, 42)), "result"),
    (corrected(result=[1, 2, 41]), "result[2]"),
    (corrected(result=[2, 2, 3]), "result"),
    (corrected(reason=""), "reason"),
    (corrected(positions=[1, 1, 3], withdrawn=[4]), ""),
    (corrected(positions=[1, 2, -1]), "positions[2]"),
    (corrected(withdrawn=[4, 4]), "withdrawn"),
    (entered(), ""),
    (entered(positions=[1, 0, 0], withdrawn=[4, 7]), ""),
    (entered(positions=[1] * 41), "positions"),
    (entered(positions=[1, 41, 2]), "positions[1]"),
    (entered(withdrawn=[0]), "withdrawn[0]"),
    (entered(withdrawn=range(1, 42)), "withdrawn"),
    (entered(result=[3]), "result"),
    (entered(result=[3, 3]), "result"),
    (entered(request_id="x"), "request_id"),
    (entered(round_id=0), "round_id"),
    (entered(reason=""), "reason"),
    # accounts
    (opened(), ""),
    (opened(kind=Account.CASHIER, credit_limit_minor=500), ""),
    (opened(kind=Account.HOUSE), "kind"),
    (opened(kind=0), "kind"),
    (opened(currency="EURO"), "currency"),
    (opened(display_name="x" * 81), "display_name"),
    (opened(credit_limit_minor=1), "credit_limit_minor"),
    (opened(kind=Account.CASHIER, credit_limit_minor=-1), "credit_limit_minor"),
    *[(moved(request), "") for request in MOVES],
    *[(moved(request, account_id="till"), "account_id") for request in MOVES],
    *[(moved(request, amount_minor=0), "amount_minor") for request in MOVES],
    *[(moved(request, amount_minor=-5), "amount_minor") for request in MOVES],
    *[(moved(request, amount_minor=10**12 + 1), "amount_minor") for request in MOVES],
    *[(moved(request, reason=""), "reason") for request in MOVES],
    (moved(ADJUST, amount_minor=-(10**12)), ""),
    (moved(ADJUST, amount_minor=0), "amount_minor"),
    (moved(ADJUST, amount_minor=-(10**12) - 1), "amount_minor"),
    (moved(ADJUST, reason=""), "reason"),
    *[(blocked(request), "") for request in BLOCKS],
    *[(blocked(request, request_id=""), "request_id") for request in BLOCKS],
    *[(blocked(request, account_id=""), "account_id") for request in BLOCKS],
    *[(blocked(request, reason=""), "reason") for request in BLOCKS],
    (accounts.ListTransfersRequest(account_id=ID, page_size=10**9), ""),
    (accounts.ListTransfersRequest(account_id=ID, page_size=-1), "page_size"),
    (accounts.ListTransfersRequest(account_id="house"), "account_id"),
    (accounts.GetTrialBalanceRequest(), ""),
    (accounts.GetTrialBalanceRequest(round_id=17), ""),
    (accounts.GetTrialBalanceRequest(round_id=-1), "round_id"),
    (accounts.GetAccountRequest(account_id=ID), ""),
    (accounts.GetAccountRequest(account_id="me"), "account_id"),
]


@pytest.mark.parametrize(("request_", "field"), TABLE, ids=lambda value: value if isinstance(value, str) else "")
def test_the_field_that_breaks_the_contract_is_named(request_: Message, field: str) -> None:
    assert list(violations(request_)) == ([field] if field else [])


def test_every_request_of_the_public_services_is_checked() -> None:
    requests = {
        message_factory.GetMessageClass(method.input_type)
        for module in (accounts, rounds, tickets, tracks)
        for service in module.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }

    assert requests == set(VALIDATORS)
