"""The command line against a service of a test's making: what it asks, what it prints, how it exits."""

import json
import socket
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from furlong.client.cards import shipped_cards
from furlong.client.cli import watch as watch_module
from furlong.client.cli.app import app
from furlong.client.connection import SERVICES
from furlong.common.v1.account_pb2 import Account, Transfer, TrialBalance
from furlong.common.v1.round_pb2 import (
    Limits,
    Program,
    Round,
    RoundProof,
    Runner,
    Source,
    Suspension,
    Terms,
    Timetable,
    Track,
)
from furlong.common.v1.ticket_pb2 import Line, Price, Ticket, TicketOrder, TicketResult
from furlong.game.v1.account_service_pb2 import (
    AdjustAccountResponse,
    BlockAccountResponse,
    CreateAccountResponse,
    CreditAccountResponse,
    GetAccountResponse,
    GetTrialBalanceResponse,
    ListTransfersResponse,
    PayOutAccountResponse,
    UnblockAccountResponse,
)
from furlong.game.v1.round_service_pb2 import (
    GetCurrentRoundResponse,
    GetRoundProofResponse,
    GetRoundResponse,
    ListRoundsResponse,
    OwnTickets,
    WatchRoundsResponse,
)
from furlong.game.v1.ticket_service_pb2 import (
    CancelTicketResponse,
    GetTicketResponse,
    PayTicketResponse,
    PlaceTicketsResponse,
    QuoteResponse,
)
from furlong.game.v1.track_service_pb2 import (
    CorrectResultResponse,
    EnterResultResponse,
    GetTrackResponse,
    ImportRaceCardsResponse,
    ListTracksResponse,
    PauseTrackResponse,
    ResumeSellingResponse,
    ResumeTrackResponse,
    SetPricesResponse,
    SuspendSellingResponse,
    SuspendTrackResponse,
    UpdateTrackResponse,
    VoidRoundResponse,
)
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import code_pb2, error_details_pb2, status_pb2  # type: ignore[import-untyped] # ships no types
from grpc_status import rpc_status
from typer.testing import CliRunner, Result

ACCOUNT = "018f0000-0000-7000-8000-00000000000a"
TICKET = "018f0000-0000-7000-8000-00000000000b"
PROOF: dict[str, Any] = json.loads((Path(__file__).parents[2] / "vectors" / "draw.json").read_text())["draws"][1][
    "proof"
]
TRACK = Track(
    track="harbour-mile",
    display_name="Harbour Mile",
    currency="EUR",
    state=Track.RUNNING,
    timetable=Timetable(betting_window_ms=30_000),
    return_bps=9_100,
)
ROUND = Round(
    round_id=17,
    track="harbour-mile",
    phase=Round.FINISHED,
    runners=[
        Runner(runner=1, name="Copper Lantern", weight=250, win_price_hundredths=364),
        Runner(runner=3, name="Quiet Thunder", weight=750, win_price_hundredths=121),
    ],
    result=[3, 1],
    currency="EUR",
    race_name="Saltmarsh Quay 2026-05-02 race 1",
    distance_m=1000,
)
OPEN = Round()
OPEN.CopyFrom(ROUND)
OPEN.phase = Round.OPEN
OPEN.ClearField("result")
PLACED = Ticket(
    ticket_id=TICKET,
    round_id=17,
    account_id=ACCOUNT,
    state=Ticket.ACCEPTED,
    stake_minor=500,
    lines=[Line(market=Line.WIN, runners=[3], stake_minor=500, price_hundredths=121)],
    currency="EUR",
)

Refusal = tuple[grpc.StatusCode, str, str]
"""Code, reason and message of an error."""


class Gateway:
    """Answers each method with what a test laid ready for it, in turn, the last one for ever; keeps what was asked."""

    def __init__(self) -> None:
        self.target = ""
        self.answers: dict[str, list[Message | Refusal | Sequence[Message]]] = {}
        self.asked: dict[str, list[Any]] = defaultdict(list)
        self.tokens: list[str | None] = []

    def handlers(self) -> Iterator[grpc.GenericRpcHandler]:
        for service in SERVICES:
            methods = {}
            for method in service.methods:
                make = grpc.unary_unary_rpc_method_handler
                if method.server_streaming:
                    make = grpc.unary_stream_rpc_method_handler
                methods[method.name] = make(
                    self._stream(method.name) if method.server_streaming else self._unary(method.name),
                    request_deserializer=GetMessageClass(method.input_type).FromString,
                    response_serializer=GetMessageClass(method.output_type).SerializeToString,
                )
            yield grpc.method_handlers_generic_handler(service.full_name, methods)

    def _unary(self, name: str) -> Any:
        return lambda request, context: self._next(name, request, context)

    def _stream(self, name: str) -> Any:
        def answer(request: Any, context: Any) -> Iterator[Any]:
            yield from self._next(name, request, context)

        return answer

    def _next(self, name: str, request: Any, context: Any) -> Any:
        self.asked[name].append(request)
        self.tokens.append(dict(context.invocation_metadata()).get("authorization"))
        laid = self.answers[name]
        answer = laid.pop(0) if len(laid) > 1 else laid[0]
        if isinstance(answer, tuple):
            code, reason, message = answer
            status = status_pb2.Status(code=code_pb2.Code.Value(code.name), message=message)
            status.details.add().Pack(error_details_pb2.ErrorInfo(reason=reason, domain="furlong"))
            context.abort_with_status(rpc_status.to_status(status))
        return answer


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    made = Gateway()
    server = grpc.server(ThreadPoolExecutor(max_workers=2), options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers(tuple(made.handlers()))
    made.target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield made
    server.stop(None).wait()


def furlong(gateway: Gateway, *arguments: str, token: str = "bearer", data: Path = Path("/nowhere")) -> Result:
    shared = ["--gateway", gateway.target, "--data", str(data)] + (["--token", token] if token else [])
    return CliRunner().invoke(app, [*shared, *arguments], catch_exceptions=False)


def place(gateway: Gateway, *arguments: str) -> Result:
    return furlong(gateway, "place", *arguments, "--account", ACCOUNT, "--win", "3:500@121", "--id", TICKET)


def verdict(number: TicketResult.Verdict.ValueType, reason: str = "", replayed: bool = False) -> PlaceTicketsResponse:
    ticket = PLACED if number == TicketResult.ACCEPTED else None
    result = TicketResult(request_id=TICKET, verdict=number, reason=reason, ticket=ticket, replayed=replayed)
    return PlaceTicketsResponse(results=[result])


class TestPlace:
    @pytest.fixture(autouse=True)
    def round_is_there(self, gateway: Gateway) -> None:
        gateway.answers["GetCurrentRound"] = [GetCurrentRoundResponse(round=OPEN)]
        gateway.answers["GetRound"] = [GetRoundResponse(round=ROUND)]

    @pytest.mark.parametrize(
        ("state", "told"),
        [
            (Track.RUNNING, "waiting for the next one\n"),
            (Track.PAUSED, "waiting for the next one, which opens once the track is resumed: it is PAUSED\n"),
        ],
    )
    def test_between_two_rounds_the_next_one_is_waited_for(
        self, gateway: Gateway, state: Track.State.ValueType, told: str
    ) -> None:
        gateway.answers["GetTrack"] = [GetTrackResponse(track=Track(track="harbour-mile", state=state))]
        following = Round()
        following.CopyFrom(OPEN)
        following.round_id = 18
        gateway.answers["GetCurrentRound"] = [GetCurrentRoundResponse(round=ROUND)]
        gateway.answers["WatchRounds"] = [
            [
                WatchRoundsResponse(round=ROUND, kind=WatchRoundsResponse.UPDATE, transition_seq=4),
                WatchRoundsResponse(round=following, kind=WatchRoundsResponse.TRANSITION, transition_seq=5),
            ]
        ]
        gateway.answers["PlaceTickets"] = [verdict(TicketResult.ACCEPTED)]
        result = place(gateway, "harbour-mile")
        assert (result.exit_code, result.stderr) == (0, f"round 17 is FINISHED: {told}")
        assert gateway.asked["PlaceTickets"][0].round_id == 18

    def test_an_accepted_ticket_is_told_with_stake_price_and_payout(self, gateway: Gateway) -> None:
        gateway.answers["PlaceTickets"] = [verdict(TicketResult.ACCEPTED)]
        result = place(gateway, "harbour-mile")
        assert (result.exit_code, result.stderr) == (0, "")
        assert result.stdout.splitlines() == [
            f"ACCEPTED  ticket {TICKET}",
            "round 17 on harbour-mile, Saltmarsh Quay 2026-05-02 race 1",
            "  WIN 3 Quiet Thunder: 5.00 EUR at 1.21, pays 6.05 EUR",
        ]
        (request,) = gateway.asked["PlaceTickets"]
        (order,) = request.tickets
        assert (request.round_id, order.request_id, order.account_id) == (17, TICKET, ACCOUNT)
        assert list(order.lines) == [Line(market=Line.WIN, runners=[3], stake_minor=500, price_hundredths=121)]
        assert set(gateway.tokens) == {"Bearer bearer"}

    def test_a_ticket_has_a_line_for_each_bet_whatever_its_market(self, gateway: Gateway) -> None:
        gateway.answers["PlaceTickets"] = [verdict(TicketResult.ACCEPTED)]
        bets = ("--each-way", "1:20@364", "--place", "3:10", "--place", "1:30")
        result = furlong(gateway, "place", "17", "--account", ACCOUNT, *bets)
        assert result.exit_code == 0, result.stderr
        (order,) = gateway.asked["PlaceTickets"][0].tickets
        assert list(order.lines) == [
            Line(market=Line.PLACE, runners=[3], stake_minor=10),
            Line(market=Line.PLACE, runners=[1], stake_minor=30),
            Line(market=Line.EACH_WAY, runners=[1], stake_minor=20, price_hundredths=364),
        ]

    def test_a_round_is_meant_by_its_number(self, gateway: Gateway) -> None:
        gateway.answers["PlaceTickets"] = [verdict(TicketResult.ACCEPTED, replayed=True)]
        result = place(gateway, "17")
        assert result.exit_code == 0
        assert "(answered before)" in result.stdout
        assert gateway.asked["GetRound"][0].round_id == 17
        assert not gateway.asked["GetCurrentRound"]

    def test_a_refused_ticket_is_told_with_its_verdict(self, gateway: Gateway) -> None:
        gateway.answers["PlaceTickets"] = [verdict(TicketResult.INSUFFICIENT_FUNDS, "the balance is 1.00")]
        result = place(gateway, "harbour-mile")
        assert (result.exit_code, result.stdout) == (1, "REFUSED  INSUFFICIENT_FUNDS: the balance is 1.00\n")

    @pytest.mark.parametrize(
        ("words", "policy", "quote"),
        [
            ((), TicketOrder.PRICE_POLICY_UNSPECIFIED, ""),
            (("--policy", "any"), TicketOrder.ANY, ""),
            (("--policy", "better"), TicketOrder.BETTER, ""),
            (("--policy", "exact", "--quote", "abc"), TicketOrder.EXACT, "abc"),
        ],
    )
    def test_a_policy_and_a_quote_go_with_the_order(
        self, gateway: Gateway, words: Sequence[str], policy: TicketOrder.PricePolicy.ValueType, quote: str
    ) -> None:
        gateway.answers["PlaceTickets"] = [verdict(TicketResult.ACCEPTED)]
        place(gateway, "harbour-mile", *words)
        order = gateway.asked["PlaceTickets"][0].tickets[0]
        assert (order.price_policy, order.quote) == (policy, quote)

    def test_a_quote_tells_the_prices_and_until_when_they_are_held(self, gateway: Gateway) -> None:
        expires_at = Timestamp(seconds=1_795_000_000)
        gateway.answers["Quote"] = [
            QuoteResponse(lines=PLACED.lines, parts=PLACED.lines, quote="abc", expires_at=expires_at)
        ]
        result = furlong(gateway, "quote", "harbour-mile", "--win", "3:500")
        first, line, cost, last = result.stdout.splitlines()
        assert first.startswith("round 17 on harbour-mile, held until ")
        assert line == "  WIN 3 Quiet Thunder: 5.00 EUR at 1.21, pays 6.05 EUR"
        assert cost == "costs 5.00 EUR"
        assert last == "place 17 with --quote abc"
        assert list(gateway.asked["Quote"][0].lines) == [Line(market=Line.WIN, runners=[3], stake_minor=500)]

    def test_both_parts_of_an_each_way_line_are_quoted_with_what_they_cost(self, gateway: Gateway) -> None:
        each_way = Line(market=Line.EACH_WAY, runners=[1], stake_minor=500, price_hundredths=364)
        parts = [
            Line(market=market, runners=[1], stake_minor=500, price_hundredths=price_hundredths)
            for market, price_hundredths in ((Line.WIN, 364), (Line.PLACE, 162))
        ]
        gateway.answers["Quote"] = [
            QuoteResponse(lines=[each_way], parts=parts, quote="abc", expires_at=Timestamp(seconds=1))
        ]
        result = furlong(gateway, "quote", "harbour-mile", "--each-way", "1:500")
        assert result.stdout.splitlines()[1:4] == [
            "  WIN 1 Copper Lantern: 5.00 EUR at 3.64, pays 18.20 EUR",
            "  PLACE 1 Copper Lantern: 5.00 EUR at 1.62, pays 8.10 EUR",
            "costs 10.00 EUR",
        ]

    def test_lines_of_every_market_are_quoted(self, gateway: Gateway) -> None:
        gateway.answers["Quote"] = [QuoteResponse(lines=PLACED.lines, quote="abc", expires_at=Timestamp(seconds=1))]
        furlong(gateway, "quote", "harbour-mile", "--place", "4:200", "--each-way", "5:100", "--win", "3:500")
        assert list(gateway.asked["Quote"][0].lines) == [
            Line(market=Line.WIN, runners=[3], stake_minor=500),
            Line(market=Line.PLACE, runners=[4], stake_minor=200),
            Line(market=Line.EACH_WAY, runners=[5], stake_minor=100),
        ]

    @pytest.mark.parametrize("command", [("quote",), ("place", "--account", ACCOUNT)])
    def test_without_a_line_nobody_is_asked(self, gateway: Gateway, command: Sequence[str]) -> None:
        result = furlong(gateway, *command, "harbour-mile")
        assert (result.exit_code, gateway.asked["Quote"], gateway.asked["PlaceTickets"]) == (2, [], [])

    def test_an_unknown_outcome_is_resolved_with_the_same_id(self, gateway: Gateway) -> None:
        lost = (grpc.StatusCode.UNAVAILABLE, "OUTCOME_UNKNOWN", "the reply was lost")
        gateway.answers["PlaceTickets"] = [lost, lost, lost, lost, verdict(TicketResult.ACCEPTED)]
        result = place(gateway, "harbour-mile")
        assert result.exit_code == 0
        assert {request.tickets[0].request_id for request in gateway.asked["PlaceTickets"]} == {TICKET}
        assert len(gateway.asked["PlaceTickets"]) == 5

    def test_a_call_that_is_wrong_as_a_whole_is_an_error(self, gateway: Gateway) -> None:
        gateway.answers["PlaceTickets"] = [(grpc.StatusCode.PERMISSION_DENIED, "ACCOUNT_NOT_YOURS", "not yours")]
        result = place(gateway, "harbour-mile")
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith("furlong: ACCOUNT_NOT_YOURS: not yours: use a token for this account")

    @pytest.mark.parametrize(("number", "exit_code"), [(TicketResult.ACCEPTED, 0), (TicketResult.BETTING_CLOSED, 1)])
    def test_json_is_the_answer_of_the_service(
        self, gateway: Gateway, number: TicketResult.Verdict.ValueType, exit_code: int
    ) -> None:
        gateway.answers["PlaceTickets"] = [verdict(number)]
        result = place(gateway, "harbour-mile", "--json")
        assert result.exit_code == exit_code
        assert ParseDict(json.loads(result.stdout), PlaceTicketsResponse()) == verdict(number)


def placed(state: Ticket.State.ValueType, payout_minor: int) -> Ticket:
    ticket = Ticket()
    ticket.CopyFrom(PLACED)
    ticket.state, ticket.payout_minor = state, payout_minor
    return ticket


class TestTicket:
    @pytest.mark.parametrize("command", [["ticket"], ["ticket", "show"]])
    def test_a_ticket_is_shown_with_its_state_and_payout(self, gateway: Gateway, command: list[str]) -> None:
        gateway.answers["GetTicket"] = [GetTicketResponse(ticket=placed(Ticket.WON, 605))]
        result = furlong(gateway, *command, TICKET)
        assert result.exit_code == 0
        assert f"ticket {TICKET}  WON" in result.stdout
        assert "staked 5.00 EUR, paid back 6.05 EUR" in result.stdout
        assert gateway.asked["GetTicket"][0].ticket_id == TICKET

    def test_an_option_may_come_before_the_ticket(self, gateway: Gateway) -> None:
        gateway.answers["GetTicket"] = [GetTicketResponse(ticket=PLACED)]
        result = furlong(gateway, "ticket", "--json", TICKET)
        assert json.loads(result.stdout)["ticket"]["ticket_id"] == TICKET

    def test_a_ticket_is_taken_back(self, gateway: Gateway) -> None:
        gateway.answers["CancelTicket"] = [CancelTicketResponse(ticket=placed(Ticket.CANCELLED, 500))]
        result = furlong(gateway, "ticket", "cancel", TICKET, "--reason", "wrong runner", "--id", ACCOUNT)
        assert result.exit_code == 0
        assert f"ticket {TICKET}  CANCELLED" in result.stdout
        (asked,) = gateway.asked["CancelTicket"]
        assert (asked.ticket_id, asked.reason, asked.request_id) == (TICKET, "wrong runner", ACCOUNT)

    def test_a_ticket_is_paid_at_a_till(self, gateway: Gateway) -> None:
        paid = PayTicketResponse(ticket=placed(Ticket.PAID, 605), paid_minor=605)
        gateway.answers["PayTicket"] = [paid]
        result = furlong(gateway, "ticket", "pay", TICKET, "--account", ACCOUNT)
        assert (result.exit_code, result.stdout.splitlines()[0]) == (0, "PAY OUT  6.05 EUR")
        (asked,) = gateway.asked["PayTicket"]
        assert (asked.ticket_id, asked.account_id) == (TICKET, ACCOUNT)

    def test_a_ticket_that_was_paid_before_pays_nothing_and_says_what_to_do(self, gateway: Gateway) -> None:
        gateway.answers["PayTicket"] = [(grpc.StatusCode.FAILED_PRECONDITION, "TICKET_STATE", "it was paid")]
        result = furlong(gateway, "ticket", "pay", TICKET, "--account", ACCOUNT)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr == "furlong: TICKET_STATE: it was paid: `furlong ticket ID` tells what became of it\n"


def test_tracks_are_listed_where_none_is_named(gateway: Gateway) -> None:
    gateway.answers["ListTracks"] = [ListTracksResponse(tracks=[TRACK])]
    result = furlong(gateway, "rounds")
    assert result.exit_code == 0
    for part in ("harbour-mile", "Harbour Mile", "EUR", "RUNNING", "30 s", "91.00 %"):
        assert part in result.stdout


def test_the_rounds_of_a_track_are_listed(gateway: Gateway) -> None:
    gateway.answers["ListRounds"] = [ListRoundsResponse(rounds=[ROUND])]
    result = furlong(gateway, "rounds", "harbour-mile", "--limit", "3")
    assert result.exit_code == 0
    for part in ("17", "FINISHED", "Saltmarsh Quay 2026-05-02 race 1", "3-1", "1.21"):
        assert part in result.stdout
    assert (gateway.asked["ListRounds"][0].track, gateway.asked["ListRounds"][0].page_size) == ("harbour-mile", 3)
    lines = furlong(gateway, "rounds", "harbour-mile", "--json").stdout
    assert json.loads(lines)["rounds"][0]["round_id"] == "17"


def test_a_round_that_awaits_its_result_is_listed_so(gateway: Gateway) -> None:
    awaiting = Round(round_id=18, phase=Round.LOCKED, terms=Terms(source=Source.ENTERED))
    shared = Round(round_id=17, phase=Round.SETTLED, result=[3, 1, 2], positions=[1, 1, 3], withdrawn=[4])
    gateway.answers["ListRounds"] = [ListRoundsResponse(rounds=[awaiting, shared])]
    said = furlong(gateway, "rounds", "harbour-mile").stdout
    assert "LOCKED, awaits its result" in said
    assert "3=1-2, withdrawn: 4" in said


class TestWatch:
    """The service ends the watch by a refusal, so that the command comes to an end."""

    @pytest.fixture(autouse=True)
    def two_frames(self, gateway: Gateway) -> None:
        later = Round()
        later.CopyFrom(ROUND)
        later.round_id, later.phase = 18, Round.OPEN
        frames = [
            WatchRoundsResponse(round=ROUND, kind=WatchRoundsResponse.UPDATE, transition_seq=5),
            WatchRoundsResponse(round=later, kind=WatchRoundsResponse.TRANSITION, transition_seq=6),
        ]
        gateway.answers["GetTrack"] = [GetTrackResponse(track=TRACK)]
        gateway.answers["WatchRounds"] = [frames, (grpc.StatusCode.NOT_FOUND, "TRACK_NOT_FOUND", "gone")]

    def test_frames_are_lines_where_nobody_looks(self, gateway: Gateway) -> None:
        result = furlong(gateway, "watch", "harbour-mile", token="")
        assert result.exit_code == 2
        assert "round 17  FINISHED" in result.stdout
        assert "result 3-1: Quiet Thunder wins at 1.21" in result.stdout
        assert "round 18  OPEN" in result.stdout
        assert "TRACK_NOT_FOUND: gone" in result.stderr
        assert set(gateway.tokens) == {None}

    def test_frames_are_lines_of_json_where_that_is_wanted(self, gateway: Gateway) -> None:
        result = furlong(gateway, "watch", "harbour-mile", "--json", "--after", "5")
        frames = [json.loads(line) for line in result.stdout.splitlines()]
        assert [(frame["kind"], frame["transition_seq"], frame["round"]["phase"]) for frame in frames] == [
            ("UPDATE", "5", "FINISHED"),
            ("TRANSITION", "6", "OPEN"),
        ]
        assert gateway.asked["WatchRounds"][0].after == 5

    def test_the_watch_ends_when_the_round_that_was_on_is_settled(self, gateway: Gateway) -> None:
        phases = [(17, Round.FINISHED), (18, Round.OPEN), (17, Round.SETTLED), (18, Round.LOCKED)]
        gateway.answers["WatchRounds"] = [
            [
                WatchRoundsResponse(
                    round=Round(round_id=round_id, phase=phase), kind=WatchRoundsResponse.TRANSITION, transition_seq=seq
                )
                for seq, (round_id, phase) in enumerate(phases, start=5)
            ]
        ]
        result = furlong(gateway, "watch", "harbour-mile", "--until-settled", "--json")
        shown = [json.loads(line)["round"] for line in result.stdout.splitlines()]
        assert result.exit_code == 0
        assert [(frame["round_id"], frame["phase"]) for frame in shown] == [
            ("17", "FINISHED"),
            ("18", "OPEN"),
            ("17", "SETTLED"),
        ]

    def own_frames(self, *tickets: Ticket) -> list[WatchRoundsResponse]:
        """A round that was on when the watch began, its own tickets, its end, and then these, one after the other."""
        seen = [
            WatchRoundsResponse(kind=WatchRoundsResponse.OWN, own=OwnTickets(account_id=ACCOUNT, tickets=[PLACED])),
            WatchRoundsResponse(round=Round(round_id=17, phase=Round.FINISHED), transition_seq=5),
            WatchRoundsResponse(
                round=Round(round_id=17, phase=Round.SETTLED), kind=WatchRoundsResponse.TRANSITION, transition_seq=6
            ),
        ]
        return seen + [
            WatchRoundsResponse(kind=WatchRoundsResponse.OWN, own=OwnTickets(account_id=ACCOUNT, tickets=[ticket]))
            for ticket in tickets
        ]

    def test_a_watch_with_an_account_ends_when_what_its_tickets_won_is_told(self, gateway: Gateway) -> None:
        later = WatchRoundsResponse(round=Round(round_id=18), kind=WatchRoundsResponse.TRANSITION, transition_seq=7)
        gateway.answers["WatchRounds"] = [[*self.own_frames(PLACED, placed(Ticket.WON, 605)), later]]
        result = furlong(gateway, "watch", "harbour-mile", "--until-settled", "--account", ACCOUNT.upper())
        assert (result.exit_code, result.stderr) == (0, "")
        assert "WON  stake 5.00 EUR, back 6.05 EUR" in result.stdout.splitlines()[-1]

    def test_tickets_that_are_not_told_do_not_keep_a_watch_for_ever(
        self, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(watch_module, "OWN_TOLD_S", 0.05)
        ended = (grpc.StatusCode.UNAVAILABLE, "DRAINING", "later")
        gateway.answers["WatchRounds"] = [self.own_frames(PLACED), ended]
        result = furlong(gateway, "watch", "harbour-mile", "--until-settled", "--account", ACCOUNT)
        assert result.exit_code == 0
        assert "its tickets were not told in time" in result.stderr

    def test_an_unknown_track_is_told_at_once(self, gateway: Gateway) -> None:
        gateway.answers["GetTrack"] = [(grpc.StatusCode.NOT_FOUND, "TRACK_NOT_FOUND", "no track is called moon")]
        result = furlong(gateway, "watch", "moon")
        assert (result.exit_code, result.stdout) == (2, "")
        assert "`furlong rounds` lists the tracks" in result.stderr
        assert not gateway.asked["WatchRounds"]


class TestVerify:
    def published(self, gateway: Gateway, proof: dict[str, Any], round_: dict[str, Any]) -> None:
        fields = ("round_id", "track", "commitment", "tickets_root", "runners", "result")
        gateway.answers["GetRoundProof"] = [GetRoundProofResponse(proof=ParseDict(proof, RoundProof()))]
        gateway.answers["GetRound"] = [
            GetRoundResponse(round=ParseDict({field: round_[field] for field in fields}, Round()))
        ]

    def test_a_true_round_is_proven(self, gateway: Gateway) -> None:
        self.published(gateway, PROOF, PROOF)
        result = furlong(gateway, "verify", "17")
        assert (result.exit_code, result.stdout.count("✓")) == (0, 4)

    def test_a_track_means_its_latest_round_that_is_over(self, gateway: Gateway) -> None:
        self.published(gateway, PROOF, PROOF)
        over = gateway.answers["GetRound"][0].round  # type: ignore[union-attr] # laid ready as a GetRoundResponse
        over.phase = Round.SETTLED
        rounds = [Round(round_id=19, phase=Round.OPEN), Round(round_id=18, phase=Round.VOID), over]
        gateway.answers["ListRounds"] = [ListRoundsResponse(rounds=rounds)]
        assert furlong(gateway, "verify", "harbour-mile").exit_code == 0
        assert gateway.asked["GetRoundProof"][0].round_id == 17

    def test_a_track_that_has_not_run_a_race_yet_is_an_error(self, gateway: Gateway) -> None:
        gateway.answers["ListRounds"] = [ListRoundsResponse(rounds=[Round(round_id=1, phase=Round.OPEN)])]
        result = furlong(gateway, "verify", "harbour-mile")
        assert (result.exit_code, result.stderr.count("\n")) == (2, 1)

    def test_a_proof_of_other_weights_than_were_published_is_refuted(self, gateway: Gateway) -> None:
        runners = [{**runner, "weight": "1"} for runner in PROOF["runners"]]
        self.published(gateway, PROOF, {**PROOF, "runners": runners})
        result = furlong(gateway, "verify", "17")
        assert result.exit_code == 1
        assert "✗ published" in result.stdout

    def test_a_commitment_that_was_swapped_everywhere_is_refuted_by_the_one_noted(self, gateway: Gateway) -> None:
        self.published(gateway, PROOF, PROOF)
        assert furlong(gateway, "verify", "17", "--commitment", "ab" * 32).exit_code == 1

    def test_the_proof_of_a_ticket_in_a_file_wants_that_of_its_round(self, gateway: Gateway, tmp_path: Path) -> None:
        result = furlong(gateway, "verify", "17", "--ticket-file", str(tmp_path / "ticket.json"))
        assert (result.exit_code, dict(gateway.asked)) == (2, {})

    def test_a_proof_that_is_not_there_yet_is_an_error(self, gateway: Gateway) -> None:
        gateway.answers["GetRound"] = [GetRoundResponse(round=ROUND)]
        gateway.answers["GetRoundProof"] = [(grpc.StatusCode.FAILED_PRECONDITION, "PROOF_NOT_READY", "too early")]
        result = furlong(gateway, "verify", "17")
        assert (result.exit_code, result.stdout) == (2, "")
        assert "ask again when the race is over" in result.stderr


class TestCardsImport:
    @pytest.fixture(autouse=True)
    def track_is_there(self, gateway: Gateway) -> None:
        gateway.answers["GetTrack"] = [GetTrackResponse(track=TRACK)]

    def run(self, gateway: Gateway, tmp_path: Path, content: bytes) -> Result:
        file = tmp_path / "cards.csv"
        file.write_bytes(content)
        return furlong(gateway, "cards", "import", str(file), "--track", "harbour-mile")

    def many(self) -> bytes:
        """The shipped races on 20 days: 240 cards, two calls."""
        header, *rows = shipped_cards().decode().splitlines()
        days = [row.replace("2026-05-0", f"20{day}-05-0") for day in range(26, 46) for row in rows]
        return "\n".join([header, *days]).encode()

    def test_cards_go_out_in_calls_that_the_contract_allows(self, gateway: Gateway, tmp_path: Path) -> None:
        gateway.answers["ImportRaceCards"] = [
            ImportRaceCardsResponse(cards_added=199, cards_replaced=1),
            ImportRaceCardsResponse(cards_added=40),
        ]
        result = self.run(gateway, tmp_path, self.many())
        assert (result.exit_code, result.stderr) == (0, "")
        assert result.stdout.endswith("; harbour-mile: 239 cards added, 1 replaced\n")
        requests = gateway.asked["ImportRaceCards"]
        assert [len(request.cards) for request in requests] == [200, 40]
        assert len({request.request_id for request in requests}) == 2

    def test_a_refusal_half_way_says_how_far_it_came(self, gateway: Gateway, tmp_path: Path) -> None:
        gateway.answers["ImportRaceCards"] = [
            ImportRaceCardsResponse(cards_added=200),
            (grpc.StatusCode.PERMISSION_DENIED, "ROLE_MISSING", "OPERATOR is needed"),
        ]
        result = self.run(gateway, tmp_path, self.many())
        assert (result.exit_code, result.stdout) == (2, "")
        assert "200 of 240 cards are in; importing again is safe" in result.stderr
        assert "furlong token --role OPERATOR" in result.stderr

    def test_a_race_that_has_no_prices_on_this_track_is_left_out(self, gateway: Gateway, tmp_path: Path) -> None:
        gateway.answers["GetTrack"] = [GetTrackResponse(track=Track(track="harbour-mile", return_bps=5_900))]
        gateway.answers["ImportRaceCards"] = [ImportRaceCardsResponse(cards_added=11)]
        result = self.run(gateway, tmp_path, shipped_cards())
        assert result.exit_code == 0
        assert "line 57, column win_odds: runner 6 (Chalk Horizon) of Saltmarsh Quay" in result.stderr
        assert len(gateway.asked["ImportRaceCards"][0].cards) == 11

    def test_a_file_without_any_race_that_has_prices_is_refused(self, gateway: Gateway, tmp_path: Path) -> None:
        gateway.answers["GetTrack"] = [GetTrackResponse(track=Track(track="harbour-mile", return_bps=1_000))]
        result = self.run(gateway, tmp_path, shipped_cards())
        assert (result.exit_code, result.stdout) == (1, "")
        assert "nothing was imported" in result.stderr
        assert not gateway.asked["ImportRaceCards"]

    def test_an_unknown_track_is_told_before_anything_is_sent(self, gateway: Gateway, tmp_path: Path) -> None:
        gateway.answers["GetTrack"] = [(grpc.StatusCode.NOT_FOUND, "TRACK_NOT_FOUND", "no track is called moon")]
        assert self.run(gateway, tmp_path, shipped_cards()).exit_code == 2
        assert not gateway.asked["ImportRaceCards"]

    def test_invented_cards_go_to_a_track(self, gateway: Gateway) -> None:
        gateway.answers["ImportRaceCards"] = [ImportRaceCardsResponse(cards_added=5)]
        options = ("--seed", "spring", "--races", "5", "--runners", "8", "--venue", "Mudflat Park")
        result = furlong(gateway, "cards", "generate", *options, "--track", "harbour-mile")
        assert (result.exit_code, result.stderr) == (0, "")
        assert result.stdout.endswith("; harbour-mile: 5 cards added, 0 replaced\n")
        (request,) = gateway.asked["ImportRaceCards"]
        assert [len(card.runners) for card in request.cards] == [8] * 5

    def test_a_file_with_a_mistake_sends_nothing(self, gateway: Gateway, tmp_path: Path) -> None:
        result = self.run(gateway, tmp_path, self.many() + b"\n2026-05-02,X,1,1000,1,A,A,-1,FINISHED")
        assert result.exit_code == 1
        assert not gateway.asked


class TestAccount:
    account = Account(
        account_id=ACCOUNT, kind=Account.PLAYER, currency="EUR", display_name="Ann", balance_minor=5_000, floor_minor=0
    )

    def test_an_account_is_opened(self, gateway: Gateway) -> None:
        gateway.answers["CreateAccount"] = [CreateAccountResponse(account=self.account)]
        result = furlong(gateway, "account", "create", "--name", "Ann", "--id", TICKET)
        assert (result.exit_code, result.stdout) == (0, f"account {ACCOUNT}\nPLAYER Ann, balance 50.00 EUR\n")
        (request,) = gateway.asked["CreateAccount"]
        assert (request.kind, request.currency, request.request_id) == (Account.PLAYER, "EUR", TICKET)

    def test_an_account_can_be_told_by_its_id_alone(self, gateway: Gateway) -> None:
        gateway.answers["CreateAccount"] = [CreateAccountResponse(account=self.account)]
        assert furlong(gateway, "account", "create", "--quiet").stdout == f"{ACCOUNT}\n"

    def test_an_account_is_credited_in_minor_units(self, gateway: Gateway) -> None:
        gateway.answers["CreditAccount"] = [CreditAccountResponse(account=self.account)]
        result = furlong(gateway, "account", "credit", ACCOUNT, "5000", "--reason", "cash")
        assert result.exit_code == 0
        (request,) = gateway.asked["CreditAccount"]
        assert (request.account_id, request.amount_minor, request.reason) == (ACCOUNT, 5_000, "cash")

    def test_an_unknown_outcome_tells_how_to_repeat_it(self, gateway: Gateway) -> None:
        gateway.answers["CreditAccount"] = [(grpc.StatusCode.UNAVAILABLE, "OUTCOME_UNKNOWN", "the reply was lost")]
        result = furlong(gateway, "account", "credit", ACCOUNT, "5000", "--id", TICKET)
        assert result.exit_code == 2
        assert f"repeat the same command with --id {TICKET}" in result.stderr

    def test_an_account_is_shown(self, gateway: Gateway) -> None:
        gateway.answers["GetAccount"] = [GetAccountResponse(account=self.account)]
        result = furlong(gateway, "account", "show", ACCOUNT, "--json")
        assert json.loads(result.stdout)["account"]["balance_minor"] == "5000"

    @pytest.mark.parametrize(
        ("words", "method", "answer", "asked"),
        [
            (["payout", ACCOUNT, "500"], "PayOutAccount", PayOutAccountResponse, {"amount_minor": 500}),
            (
                ["adjust", ACCOUNT, "-500", "--reason", "counted wrong"],
                *("AdjustAccount", AdjustAccountResponse, {"amount_minor": -500, "reason": "counted wrong"}),
            ),
            (
                ["block", ACCOUNT, "--reason", "lost card"],
                *("BlockAccount", BlockAccountResponse, {"reason": "lost card"}),
            ),
            (
                ["unblock", ACCOUNT, "--reason", "card found"],
                *("UnblockAccount", UnblockAccountResponse, {"reason": "card found"}),
            ),
        ],
    )
    def test_an_account_is_emptied_put_right_and_stopped(
        self, gateway: Gateway, words: list[str], method: str, answer: Any, asked: dict[str, Any]
    ) -> None:
        account = Account(account_id=ACCOUNT, kind=Account.PLAYER, currency="EUR", balance_minor=4_500, blocked=True)
        gateway.answers[method] = [answer(account=account)]
        result = furlong(gateway, "account", *words, "--id", TICKET)
        assert (result.exit_code, result.stdout.splitlines()[1]) == (0, "PLAYER, balance 45.00 EUR, blocked")
        (request,) = gateway.asked[method]
        assert (request.account_id, request.request_id) == (ACCOUNT, TICKET)
        assert {name: getattr(request, name) for name in asked} == asked

    def test_money_that_is_not_there_is_told_with_what_to_look_at(self, gateway: Gateway) -> None:
        gateway.answers["PayOutAccount"] = [(grpc.StatusCode.FAILED_PRECONDITION, "FUNDS_MISSING", "2.00 are there")]
        result = furlong(gateway, "account", "payout", ACCOUNT, "500")
        assert result.exit_code == 2
        assert "`furlong account show ID` tells the balance" in result.stderr

    def test_a_statement_shows_each_transfer_with_the_balance_after_it(self, gateway: Gateway) -> None:
        gateway.answers["GetAccount"] = [GetAccountResponse(account=Account(account_id=ACCOUNT, currency="EUR"))]
        transfers = [
            Transfer(kind=Transfer.STAKE, amount_minor=-500, balance_minor=4_500, round_id=17, reference=TICKET),
            Transfer(kind=Transfer.CREDIT, amount_minor=5_000, balance_minor=5_000, reason="cash", actor="till 4"),
        ]
        gateway.answers["ListTransfers"] = [ListTransfersResponse(transfers=transfers, next_page_token="older")]
        result = furlong(gateway, "account", "statement", ACCOUNT, "--limit", "2", "--after", "newer")
        assert result.exit_code == 0
        for part in ("STAKE", "-5.00 EUR", "45.00 EUR", "17", TICKET, "CREDIT", "50.00 EUR", "cash", "till 4"):
            assert part in result.stdout
        assert "--after older" in result.stdout
        (asked,) = gateway.asked["ListTransfers"]
        assert (asked.account_id, asked.page_size, asked.page_token) == (ACCOUNT, 2, "newer")
        lines = furlong(gateway, "account", "statement", ACCOUNT, "--json").stdout
        assert json.loads(lines)["transfers"][0]["balance_minor"] == "4500"


class TestTrack:
    @pytest.mark.parametrize(
        ("command", "method", "answer", "state", "words"),
        [
            ("pause", "PauseTrack", PauseTrackResponse, Track.PAUSED, "its round ends, betting included"),
            ("suspend", "SuspendTrack", SuspendTrackResponse, Track.SUSPENDED, "no ticket is accepted"),
            ("resume", "ResumeTrack", ResumeTrackResponse, Track.RUNNING, "it opens its next round"),
        ],
    )
    def test_a_track_is_stopped_and_resumed(
        self,
        gateway: Gateway,
        command: str,
        method: str,
        answer: Any,
        state: Track.State.ValueType,
        words: str,
    ) -> None:
        gateway.answers[method] = [answer(track=Track(track="harbour-mile", state=state))]
        result = furlong(gateway, "track", command, "harbour-mile", "--reason", "rain", "--id", TICKET)
        assert result.exit_code == 0
        assert result.stdout.startswith(f"track harbour-mile  {Track.State.Name(state)}: {words}")
        (asked,) = gateway.asked[method]
        assert (asked.track, asked.reason, asked.request_id) == ("harbour-mile", "rain", TICKET)

    @pytest.mark.parametrize(
        ("option", "value", "suspension", "words"),
        [
            ("--market", "PLACE", {"market": Line.PLACE}, "market PLACE"),
            ("--runner", "4", {"runner": 4, "round_id": 17}, "runner 4 of round 17"),
            ("--terminal", "till-3", {"terminal": "till-3"}, "terminal till-3"),
        ],
    )
    def test_a_part_of_a_track_is_suspended_and_goes_on(
        self, gateway: Gateway, option: str, value: str, suspension: dict[str, Any], words: str
    ) -> None:
        stopped = Track(track="t", state=Track.RUNNING, suspended=[Suspension(reason="lame", **suspension)])
        gateway.answers["SuspendSelling"] = [SuspendSellingResponse(track=stopped)]
        gateway.answers["ResumeSelling"] = [ResumeSellingResponse(track=Track(track="t", state=Track.RUNNING))]
        arguments = ("t", option, value, "--reason", "lame", "--id", TICKET)
        suspended = furlong(gateway, "track", "suspend", *arguments)
        resumed = furlong(gateway, "track", "resume", *arguments)
        assert (suspended.exit_code, resumed.exit_code) == (0, 0)
        assert f"suspended: {words} (lame)" in suspended.stdout
        assert "suspended" not in resumed.stdout
        (asked,), (lifted,) = gateway.asked["SuspendSelling"], gateway.asked["ResumeSelling"]
        for request in (asked, lifted):
            named = getattr(request, option.removeprefix("--"))
            assert (request.track, request.reason, request.request_id) == ("t", "lame", TICKET)
            assert named == suspension[option.removeprefix("--")]

    def test_a_track_is_shown_with_its_offs_and_what_is_suspended(self, gateway: Gateway) -> None:
        suspended = [Suspension(terminal="till-3", reason="stolen")]
        program = Program(every_ms=90_000)
        track = Track(track="t", state=Track.PAUSED, suspended=suspended, program=program)
        gateway.answers["GetTrack"] = [GetTrackResponse(track=track)]
        result = furlong(gateway, "track", "show", "t")
        assert result.exit_code == 0
        assert result.stdout.startswith("track t  PAUSED: ")
        assert "  off every 90 s\n  suspended: terminal till-3 (stolen)\n" in result.stdout

    def test_two_parts_at_once_are_a_mistake(self, gateway: Gateway) -> None:
        result = furlong(gateway, "track", "suspend", "t", "--runner", "1", "--terminal", "x", "--reason", "lame")
        assert result.exit_code == 2
        assert not gateway.asked

    def test_settings_that_are_named_change_and_the_others_are_left(self, gateway: Gateway) -> None:
        now = Track(
            track="t",
            timetable=Timetable(betting_window_ms=30_000, lock_ms=1, race_ms=2, finish_ms=3),
            limits=Limits(stake_min_minor=1, stake_max_minor=50, payout_max_minor=7),
            program=Program(place_return_bps=8_000, every_ms=5_000),
        )
        program = Program(place_return_bps=8_000, off_times_s=[52_500, 52_530], time_zone="Europe/London")
        changed = Track(track="t", state=Track.RUNNING, program=program)
        gateway.answers["GetTrack"] = [GetTrackResponse(track=now)] * 2
        gateway.answers["UpdateTrack"] = [UpdateTrackResponse(track=changed)] * 2
        times = ("--off", "14:35:30", "--off", "14:35", "--zone", "Europe/London", "--betting-s", "12.5")
        result = furlong(gateway, "track", "update", "t", *times, "--stake-max-minor", "60", "--reason", "summer")
        assert result.exit_code == 0
        assert "off at 14:35, 14:35:30 Europe/London" in result.stdout
        assert furlong(gateway, "track", "update", "t", "--name", "New", "--reason", "summer").exit_code == 0
        first, second = gateway.asked["UpdateTrack"]
        assert first.program == program
        assert first.timetable == Timetable(betting_window_ms=12_500, lock_ms=1, race_ms=2, finish_ms=3)
        assert first.limits == Limits(stake_min_minor=1, stake_max_minor=60, payout_max_minor=7)
        assert (second.display_name, second.reason) == ("New", "summer")
        assert not any(second.HasField(name) for name in ("timetable", "limits", "program"))

    @pytest.mark.parametrize(
        "arguments",
        [
            ("--every-s", "60", "--no-offs"),
            ("--off", "25:00"),
            ("--off", "14:35", "--every-s", "60"),
            ("--zone", "Europe/London"),
        ],
        ids=" ".join,
    )
    def test_times_that_do_not_fit_together_are_a_mistake(self, gateway: Gateway, arguments: tuple[str, ...]) -> None:
        assert furlong(gateway, "track", "update", "t", *arguments, "--reason", "summer").exit_code == 2
        assert not gateway.asked


class TestRound:
    def test_a_round_is_voided(self, gateway: Gateway) -> None:
        voided = Round(round_id=17, phase=Round.VOID, void_reason="rain")
        gateway.answers["VoidRound"] = [VoidRoundResponse(round=voided)]
        result = furlong(gateway, "round", "void", "17", "--reason", "rain")
        assert result.stdout.splitlines()[0] == "round 17  VOID: rain"
        assert (gateway.asked["VoidRound"][0].round_id, gateway.asked["VoidRound"][0].reason) == (17, "rain")

    def test_a_result_is_corrected(self, gateway: Gateway) -> None:
        corrected = Round(round_id=17, phase=Round.SETTLED, result=[1, 3], correction_reason="photo finish misread")
        gateway.answers["CorrectResult"] = [CorrectResultResponse(round=corrected)]
        result = furlong(gateway, "round", "correct", "17", "1-3", "--reason", "photo finish misread")
        assert result.stdout.splitlines()[0] == "round 17  SETTLED, result 1-3: photo finish misread"
        assert "furlong books --round 17" in result.stdout
        (asked,) = gateway.asked["CorrectResult"]
        assert (asked.round_id, list(asked.result), asked.reason) == (17, [1, 3], "photo finish misread")

    def test_a_result_is_entered_with_dead_heats_and_withdrawn_runners(self, gateway: Gateway) -> None:
        started = Round(round_id=17, phase=Round.RUNNING, result=[1, 3, 2], positions=[1, 1, 0], withdrawn=[4, 7])
        gateway.answers["EnterResult"] = [EnterResultResponse(round=started)]
        words = ("--positions", "1-1-0", "--withdrawn", "4-7", "--reason", "seen")
        result = furlong(gateway, "round", "enter", "17", "1-3-2", *words)
        said = "round 17  RUNNING, result 1=3, did not finish: 2, withdrawn: 4 7"
        assert result.stdout.splitlines()[0] == said
        (asked,) = gateway.asked["EnterResult"]
        assert (asked.round_id, list(asked.result), asked.reason) == (17, [1, 3, 2], "seen")
        assert (list(asked.positions), list(asked.withdrawn)) == ([1, 1, 0], [4, 7])

    def test_a_correction_may_bring_a_dead_heat(self, gateway: Gateway) -> None:
        corrected = Round(round_id=17, phase=Round.SETTLED, result=[1, 3], positions=[1, 1], correction_reason="photo")
        gateway.answers["CorrectResult"] = [CorrectResultResponse(round=corrected)]
        words = ("--positions", "1-1", "--withdrawn", "4", "--reason", "photo")
        result = furlong(gateway, "round", "correct", "17", "1-3", *words)
        assert result.stdout.splitlines()[0] == "round 17  SETTLED, result 1=3: photo"
        (asked,) = gateway.asked["CorrectResult"]
        assert (list(asked.positions), list(asked.withdrawn)) == ([1, 1], [4])

    @pytest.mark.parametrize("option", ["--positions", "--withdrawn"])
    def test_numbers_that_cannot_be_read_ask_nobody(self, gateway: Gateway, option: str) -> None:
        result = furlong(gateway, "round", "enter", "17", "1-3", option, "1,1", "--reason", "x")
        assert result.exit_code == 2
        assert not gateway.asked["EnterResult"]

    def test_prices_are_moved(self, gateway: Gateway) -> None:
        moved = Round(round_id=17, price_revision=4, runners=[Runner(runner=3, win_price_hundredths=250)])
        gateway.answers["SetPrices"] = [SetPricesResponse(round=moved)]
        result = furlong(gateway, "round", "prices", "17", "3=250", "PLACE:3=110", "--reason", "money")
        assert result.stdout == "round 17  prices moved, revision 4: 3 at 2.50\n"
        (asked,) = gateway.asked["SetPrices"]
        assert (asked.round_id, asked.reason) == (17, "money")
        assert list(asked.prices) == [
            Price(market=Line.WIN, runner=3, price_hundredths=250),
            Price(market=Line.PLACE, runner=3, price_hundredths=110),
        ]

    @pytest.mark.parametrize("wrong", ["3", "3=", "3=2.50", "WIN:3=250", "=250"])
    def test_a_price_that_cannot_be_read_asks_nobody(self, gateway: Gateway, wrong: str) -> None:
        result = furlong(gateway, "round", "prices", "17", wrong, "--reason", "x")
        assert result.exit_code == 2
        assert not gateway.asked["SetPrices"]

    @pytest.mark.parametrize("wrong", ["3", "3,1", "3-1-", "three-one"])
    def test_a_result_that_cannot_be_read_asks_nobody(self, gateway: Gateway, wrong: str) -> None:
        result = furlong(gateway, "round", "correct", "17", wrong, "--reason", "x")
        assert result.exit_code == 2
        assert not gateway.asked["CorrectResult"]


class TestBooks:
    def books(self, gateway: Gateway, sum_minor: int, *words: str) -> Result:
        rows = [
            TrialBalance.Row(kind=Account.PLAYER, currency="EUR", accounts=2, debit_minor=500, credit_minor=5_000),
            TrialBalance.Row(kind=Account.CASH, currency="EUR", accounts=1, balance_minor=-4_500),
        ]
        found = TrialBalance(rows=rows, sum_minor=sum_minor, as_of=Timestamp(seconds=1))
        found.rows[0].balance_minor = 4_500 + sum_minor
        gateway.answers["GetTrialBalance"] = [GetTrialBalanceResponse(trial_balance=found)]
        return furlong(gateway, "books", *words)

    def test_the_books_are_added_up(self, gateway: Gateway) -> None:
        result = self.books(gateway, 0)
        assert result.exit_code == 0
        for part in ("PLAYER", "5.00 EUR", "50.00 EUR", "45.00 EUR", "CASH", "-45.00 EUR", "sum", "0.00 EUR"):
            assert part in result.stdout
        assert result.stdout.rstrip().endswith("the books balance")
        assert gateway.asked["GetTrialBalance"][0].round_id == 0

    def test_one_round_is_added_up(self, gateway: Gateway) -> None:
        assert self.books(gateway, 0, "--round", "17", "--json").exit_code == 0
        assert gateway.asked["GetTrialBalance"][0].round_id == 17

    def test_books_that_are_wrong_are_told_by_the_exit_code(self, gateway: Gateway) -> None:
        result = self.books(gateway, 3)
        assert result.exit_code == 1
        assert "wrong by 3 minor units" in result.stdout


def test_the_token_file_of_a_local_stack_is_used_where_no_token_is_given(gateway: Gateway, tmp_path: Path) -> None:
    gateway.answers["ListTracks"] = [ListTracksResponse()]
    (tmp_path / "token").write_text("from-the-file\n")
    assert furlong(gateway, "rounds", token="", data=tmp_path).exit_code == 0
    assert furlong(gateway, "rounds", token="given", data=tmp_path).exit_code == 0
    assert gateway.tokens == ["Bearer from-the-file", "Bearer given"]


@pytest.mark.parametrize("command", [["rounds"], ["watch", "t"], ["ticket", TICKET], ["account", "show", ACCOUNT]])
def test_a_gateway_that_is_not_there_says_how_to_start_one(command: list[str]) -> None:
    nobody = Gateway()
    with socket.socket() as held:  # bound and not listening: nobody else can be there
        held.bind(("127.0.0.1", 0))
        nobody.target = f"127.0.0.1:{held.getsockname()[1]}"
        result = furlong(nobody, *command)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert "start a local stack with `make up`" in result.stderr
