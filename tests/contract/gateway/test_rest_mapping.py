"""The public face over REST, verb by verb and path by path, as docs/architecture.md fixes it."""

from typing import Any

import httpx
import pytest
from google.api import annotations_pb2  # type: ignore[import-untyped]  # ships no types
from google.protobuf.json_format import MessageToDict

from tests.contract.gateway.fake_game import METHODS, FakeGame

ID = "01890a5d-ac96-774b-bcce-b302099a8057"
LINE = {"market": "WIN", "runners": [3], "stake_minor": "500", "price_hundredths": "235"}
PRICE = {"market": "WIN", "runner": 3, "price_hundredths": "250"}
ORDER = {"request_id": ID, "account_id": ID, "lines": [LINE]}
ACCOUNT = {"request_id": ID, "kind": "PLAYER", "currency": "EUR", "display_name": "Ann"}
CREDIT = {"request_id": ID, "amount_minor": "5000", "reason": "cash"}
ADJUST = {"request_id": ID, "amount_minor": "-500", "reason": "counted wrong"}
CARD = {"name": "Dawn", "distance_m": 1200, "runners": [{"runner": 1, "name": "Ash", "weight": "7"}]}

# verb, path, body, method that is called, request that arrives
MAPPING: list[tuple[str, str, dict[str, Any] | None, str, dict[str, Any]]] = [
    ("GET", "/v1/tracks", None, "ListTracks", {}),
    ("GET", "/v1/tracks?page_size=5&page_token=abc", None, "ListTracks", {"page_size": 5, "page_token": "abc"}),
    ("GET", "/v1/tracks/harbour-mile", None, "GetTrack", {"track": "harbour-mile"}),
    ("GET", "/v1/tracks/harbour-mile/presence", None, "ListPresence", {"track": "harbour-mile"}),
    ("GET", "/v1/tracks/harbour-mile/seed-chains", None, "ListSeedChains", {"track": "harbour-mile"}),
    ("POST", "/v1/tracks", {"request_id": ID}, "CreateTrack", {"request_id": ID}),
    ("POST", "/v1/tracks/a:importCards", {"cards": [CARD]}, "ImportRaceCards", {"track": "a", "cards": [CARD]}),
    ("GET", "/v1/tracks/a/rounds?page_size=2", None, "ListRounds", {"track": "a", "page_size": 2}),
    ("GET", "/v1/tracks/a/rounds/current", None, "GetCurrentRound", {"track": "a"}),
    ("GET", "/v1/rounds/17", None, "GetRound", {"round_id": "17"}),
    ("GET", "/v1/rounds/17/proof", None, "GetRoundProof", {"round_id": "17"}),
    ("POST", "/v1/rounds/17:void", {"reason": "fog"}, "VoidRound", {"round_id": "17", "reason": "fog"}),
    (
        *("POST", "/v1/rounds/17:enterResult", {"result": [2, 1], "positions": [1, 1], "withdrawn": [3]}),
        *("EnterResult", {"round_id": "17", "result": [2, 1], "positions": [1, 1], "withdrawn": [3]}),
    ),
    (
        *("POST", "/v1/rounds/17:correctResult", {"result": [2, 1], "reason": "misread"}),
        *("CorrectResult", {"round_id": "17", "result": [2, 1], "reason": "misread"}),
    ),
    (
        *("POST", "/v1/rounds/17:setPrices", {"prices": [PRICE], "reason": "money"}),
        *("SetPrices", {"round_id": "17", "prices": [PRICE], "reason": "money"}),
    ),
    ("POST", "/v1/tracks/a:pause", {"reason": "night"}, "PauseTrack", {"track": "a", "reason": "night"}),
    ("POST", "/v1/tracks/a:resume", {"reason": "morning"}, "ResumeTrack", {"track": "a", "reason": "morning"}),
    ("POST", "/v1/tracks/a:suspend", {"reason": "fog"}, "SuspendTrack", {"track": "a", "reason": "fog"}),
    ("POST", "/v1/tracks/a:update", {"display_name": "Alpha"}, "UpdateTrack", {"track": "a", "display_name": "Alpha"}),
    ("POST", "/v1/tracks/a:suspendSelling", {"runner": 3}, "SuspendSelling", {"track": "a", "runner": 3}),
    ("POST", "/v1/tracks/a:resumeSelling", {"market": "WIN"}, "ResumeSelling", {"track": "a", "market": "WIN"}),
    ("GET", "/v1/tracks/a:watch?after=7", None, "WatchRounds", {"track": "a", "after": "7"}),
    (
        *("POST", "/v1/tickets:place", {"round_id": "17", "tickets": [ORDER]}),
        *("PlaceTickets", {"round_id": "17", "tickets": [ORDER]}),
    ),
    (
        *("POST", "/v1/tickets:quote", {"round_id": "17", "lines": ORDER["lines"]}),
        *("Quote", {"round_id": "17", "lines": ORDER["lines"]}),
    ),
    ("GET", f"/v1/tickets/{ID}", None, "GetTicket", {"ticket_id": ID}),
    ("GET", f"/v1/tickets/{ID}/proof", None, "GetTicketProof", {"ticket_id": ID}),
    ("POST", f"/v1/tickets/{ID}:cancel", {"reason": "typo"}, "CancelTicket", {"ticket_id": ID, "reason": "typo"}),
    ("POST", f"/v1/tickets/{ID}:pay", {"account_id": ID}, "PayTicket", {"ticket_id": ID, "account_id": ID}),
    ("GET", f"/v1/accounts/{ID}/tickets?page_size=3", None, "ListTickets", {"account_id": ID, "page_size": 3}),
    ("GET", f"/v1/accounts/{ID}", None, "GetAccount", {"account_id": ID}),
    ("POST", "/v1/accounts", ACCOUNT, "CreateAccount", ACCOUNT),
    ("POST", f"/v1/accounts/{ID}:credit", CREDIT, "CreditAccount", {"account_id": ID, **CREDIT}),
    ("POST", f"/v1/accounts/{ID}:payout", CREDIT, "PayOutAccount", {"account_id": ID, **CREDIT}),
    ("POST", f"/v1/accounts/{ID}:adjust", ADJUST, "AdjustAccount", {"account_id": ID, **ADJUST}),
    ("POST", f"/v1/accounts/{ID}:block", {"reason": "lost"}, "BlockAccount", {"account_id": ID, "reason": "lost"}),
    (
        "POST",
        f"/v1/accounts/{ID}:unblock",
        {"reason": "found"},
        "UnblockAccount",
        {"account_id": ID, "reason": "found"},
    ),
    ("GET", f"/v1/accounts/{ID}/transfers?page_size=3", None, "ListTransfers", {"account_id": ID, "page_size": 3}),
    ("GET", "/v1/reports/trial-balance?round_id=17", None, "GetTrialBalance", {"round_id": "17"}),
]


@pytest.mark.parametrize(
    ("verb", "path", "body", "method", "request_fields"), MAPPING, ids=lambda value: str(value)[:40]
)
def test_a_rest_call_becomes_the_call_of_its_method(
    rest: httpx.Client,
    game: FakeGame,
    verb: str,
    path: str,
    body: dict[str, Any] | None,
    method: str,
    request_fields: dict[str, Any],
) -> None:
    answer = rest.request(verb, path, json=body)

    assert answer.status_code == 200
    assert game.last.method == method
    assert MessageToDict(game.last.request, preserving_proto_field_name=True) == request_fields


def test_every_public_method_with_a_rest_form_is_in_the_mapping() -> None:
    annotated = {name for name, method in METHODS.items() if method.GetOptions().HasExtension(annotations_pb2.http)}

    assert annotated == {row[3] for row in MAPPING}


def test_both_spellings_of_a_field_are_read_and_numbers_may_be_strings_or_not(
    rest: httpx.Client, game: FakeGame
) -> None:
    lines = [{"market": "WIN", "runners": [3], "stakeMinor": 500, "price_hundredths": "235"}]

    rest.post("/v1/tickets:place", json={"roundId": 17, "tickets": [{"requestId": ID, "lines": lines}]})

    assert game.last.request.round_id == 17
    assert game.last.request.tickets[0].request_id == ID
    assert game.last.request.tickets[0].lines[0].stake_minor == 500
    assert game.last.request.tickets[0].lines[0].price_hundredths == 235


def test_a_field_of_a_body_that_the_contract_does_not_know_is_ignored(rest: httpx.Client, game: FakeGame) -> None:
    answer = rest.post("/v1/tickets:place", json={"round_id": "17", "colour": "red"})

    assert answer.status_code == 200
    assert game.last.request.round_id == 17
