"""What people do by hand: a row a request, last the field that breaks the contract, none where all is well."""

from typing import Any

import pytest
from furlong.common.v1.round_pb2 import Limits, Program, Timetable, Track
from furlong.common.v1.ticket_pb2 import Line, Price
from furlong.persist.v1 import lease_service_pb2 as leases
from furlong.persist.v1 import ledger_service_pb2 as ledger
from furlong.persist.v1 import round_store_service_pb2 as rounds
from furlong.persist.v1 import ticket_store_service_pb2 as tickets
from furlong.persist.v1 import track_store_service_pb2 as tracks
from google.protobuf.message import Message

from services.chassis.refusal import Refusal
from services.chassis.validation import Checks
from services.persist.service.validators import VALIDATORS

ID = "0190a000-0000-7000-8000-000000000001"


def fields(request: Message) -> list[str]:
    """The fields that are named in the refusal."""
    checks = Checks()
    VALIDATORS[type(request)](request, checks)
    try:
        checks.refuse()
    except Refusal as refusal:
        return [violation.field for violation in refusal.violations]
    return []


def priced(*prices: Price, **changes: Any) -> rounds.SetPricesRequest:
    right: dict[str, Any] = {"request_id": ID, "round_id": 1, "reason": "money", "actor": "operator"}
    return rounds.SetPricesRequest(prices=prices, **(right | changes))


PRICE = Price(market=Line.WIN, runner=1, price_hundredths=250)


def paid_out(**changes: Any) -> ledger.PayOutAccountRequest:
    right: dict[str, Any] = {"request_id": ID, "account_id": ID, "amount_minor": 1, "reason": "cash", "actor": "till"}
    return ledger.PayOutAccountRequest(**(right | changes))


def adjusted(**changes: Any) -> ledger.AdjustAccountRequest:
    right: dict[str, Any] = {
        "request_id": ID,
        "account_id": ID,
        "amount_minor": -1,
        "reason": "typed wrong",
        "actor": "operator",
    }
    return ledger.AdjustAccountRequest(**(right | changes))


def blocked(**changes: Any) -> ledger.SetAccountBlockedRequest:
    right: dict[str, Any] = {
        "request_id": ID,
        "account_id": ID,
        "blocked": True,
        "reason": "lost card",
        "actor": "operator",
    }
    return ledger.SetAccountBlockedRequest(**(right | changes))


def listed(**changes: Any) -> ledger.ListTransfersRequest:
    right: dict[str, Any] = {"account_id": ID, "page_size": 1}
    return ledger.ListTransfersRequest(**(right | changes))


def cancelled(**changes: Any) -> tickets.CancelTicketRequest:
    right: dict[str, Any] = {"request_id": ID, "ticket_id": ID, "reason": "typed wrong", "actor": "till"}
    return tickets.CancelTicketRequest(**(right | changes))


def paid(**changes: Any) -> tickets.PayTicketRequest:
    right: dict[str, Any] = {"request_id": ID, "ticket_id": ID, "account_id": ID, "actor": "till"}
    return tickets.PayTicketRequest(**(right | changes))


def stopped(**changes: Any) -> tracks.SetTrackStateRequest:
    right: dict[str, Any] = {
        "request_id": ID,
        "track": "harbour-mile",
        "state": Track.PAUSED,
        "reason": "storm",
        "actor": "operator",
    }
    return tracks.SetTrackStateRequest(**(right | changes))


def selling(**changes: Any) -> tracks.SetSellingRequest:
    right: dict[str, Any] = {"request_id": ID, "track": "harbour-mile", "reason": "lame", "actor": "operator"}
    return tracks.SetSellingRequest(**(right | changes))


def changed(**settings: Any) -> tracks.UpdateTrackRequest:
    track = Track(**({"track": "harbour-mile"} | settings))
    return tracks.UpdateTrackRequest(request_id=ID, track=track, reason="summer", actor="operator")


def created(**limits: int) -> tracks.CreateTrackRequest:
    track = Track(
        track="harbour-mile",
        display_name="Harbour Mile",
        currency="EUR",
        timetable=Timetable(betting_window_ms=30_000, lock_ms=1_000, race_ms=15_000, finish_ms=6_000),
        limits=Limits(**({"stake_min_minor": 1, "stake_max_minor": 10} | limits)),
        return_bps=9_100,
    )
    return tracks.CreateTrackRequest(request_id=ID, track=track)


TABLE: list[tuple[Message, str]] = [
    (priced(PRICE), ""),
    (priced(PRICE, Price(market=Line.PLACE, runner=1, price_hundredths=101)), ""),
    (priced(), "prices"),
    (priced(PRICE, PRICE), "prices"),
    (priced(Price(runner=1, price_hundredths=250)), "prices[0].market"),
    (priced(Price(market=Line.WIN, runner=41, price_hundredths=250)), "prices[0].runner"),
    (priced(Price(market=Line.WIN, runner=1, price_hundredths=100)), "prices[0].price_hundredths"),
    (priced(PRICE, round_id=0), "round_id"),
    (priced(PRICE, reason=""), "reason"),
    (priced(PRICE, actor=""), "actor"),
    (paid_out(), ""),
    (paid_out(request_id="1"), "request_id"),
    (paid_out(account_id=ID.upper()), "account_id"),
    (paid_out(amount_minor=0), "amount_minor"),
    (paid_out(amount_minor=-1), "amount_minor"),
    (paid_out(amount_minor=10**12), ""),
    (paid_out(amount_minor=10**12 + 1), "amount_minor"),
    (paid_out(reason=""), "reason"),
    (paid_out(reason="x" * 201), "reason"),
    (paid_out(actor=""), "actor"),
    (adjusted(), ""),
    (adjusted(amount_minor=1), ""),
    (adjusted(amount_minor=0), "amount_minor"),
    (adjusted(amount_minor=-(10**12)), ""),
    (adjusted(amount_minor=-(10**12) - 1), "amount_minor"),
    (adjusted(amount_minor=10**12 + 1), "amount_minor"),
    (adjusted(request_id=""), "request_id"),
    (adjusted(account_id="me"), "account_id"),
    (adjusted(reason="a\nb"), "reason"),
    (adjusted(actor=""), "actor"),
    (blocked(), ""),
    (blocked(blocked=False), ""),
    (blocked(request_id=""), "request_id"),
    (blocked(account_id=""), "account_id"),
    (blocked(reason=""), "reason"),
    (blocked(actor="x" * 201), "actor"),
    (listed(), ""),
    (listed(page_size=500), ""),
    (listed(page_size=0), "page_size"),
    (listed(page_size=501), "page_size"),
    (listed(account_id=""), "account_id"),
    (ledger.GetTrialBalanceRequest(), ""),
    (ledger.GetTrialBalanceRequest(round_id=1), ""),
    (ledger.GetTrialBalanceRequest(round_id=-1), "round_id"),
    (cancelled(), ""),
    (cancelled(request_id=""), "request_id"),
    (cancelled(ticket_id="17"), "ticket_id"),
    (cancelled(reason=""), "reason"),
    (cancelled(actor=""), "actor"),
    (paid(), ""),
    (paid(request_id=""), "request_id"),
    (paid(ticket_id=""), "ticket_id"),
    (paid(account_id=""), "account_id"),
    (paid(actor=""), "actor"),
    (stopped(), ""),
    (stopped(state=Track.RUNNING), ""),
    (stopped(state=Track.SUSPENDED), ""),
    (stopped(state=Track.STATE_UNSPECIFIED), "state"),
    (stopped(state=4), "state"),
    (stopped(track="Harbour Mile"), "track"),
    (stopped(request_id=""), "request_id"),
    (stopped(reason=""), "reason"),
    (stopped(actor=""), "actor"),
    *[(selling(**part), "") for part in ({"market": 2}, {"runner": 40}, {"terminal": "till-3"})],
    *[(selling(**part), "track") for part in ({}, {"market": 1, "runner": 1}, {"runner": 1, "terminal": "t"})],
    (selling(market=9), "market"),
    (selling(runner=41), "runner"),
    (selling(runner=-1), "runner"),
    (selling(terminal="till 3"), "terminal"),
    (selling(runner=1, track="Harbour Mile"), "track"),
    (selling(runner=1, reason=""), "reason"),
    (selling(runner=1, actor=""), "actor"),
    (changed(), ""),
    (changed(display_name="x" * 81), "track.display_name"),
    (changed(track="Harbour Mile"), "track.track"),
    (changed(return_bps=4_999), "track.return_bps"),
    (changed(program=Program(off_times_s=range(70_000, 75_000))), "track.program"),
    (changed(limits=Limits(stake_min_minor=0, stake_max_minor=5)), "track.limits.stake_min_minor"),
    (tracks.UpdateTrackRequest(request_id=ID, track=Track(track="t"), actor="operator"), "reason"),
    (created(), ""),
    (created(selection_payout_max_minor=1, round_loss_max_minor=1), ""),
    (created(selection_payout_max_minor=-1), "track.limits.selection_payout_max_minor"),
    (created(round_loss_max_minor=10**18 + 1), "track.limits.round_loss_max_minor"),
]


@pytest.mark.parametrize(("request_", "field"), TABLE, ids=lambda value: value if isinstance(value, str) else "")
def test_the_field_that_breaks_the_contract_is_named(request_: Message, field: str) -> None:
    assert fields(request_) == ([field] if field else [])


def renewed(*tracks: str, **changes: Any) -> leases.RenewLeasesRequest:
    held = [leases.HeldLease(track=track, epoch=1) for track in tracks]
    right: dict[str, Any] = {"request_id": ID, "holder": "game", "ttl_ms": 3_000, "leases": held}
    return leases.RenewLeasesRequest(**(right | changes))


@pytest.mark.parametrize(
    ("request_", "wrong"),
    [
        (renewed("t"), []),
        (renewed(*(f"t{n}" for n in range(500))), []),
        (renewed(*(f"t{n}" for n in range(501))), ["leases"]),
        (renewed(), ["leases"]),
        (renewed("t", "t"), ["leases"]),
        (renewed("t", "T!"), ["leases[1].track"]),
        (renewed("t", holder=""), ["holder"]),
        (renewed("t", ttl_ms=499), ["ttl_ms"]),
        (renewed("t", request_id="x"), ["request_id"]),
    ],
)
def test_leases_that_cannot_be_renewed_are_named(request_: Message, wrong: list[str]) -> None:
    assert fields(request_) == wrong
