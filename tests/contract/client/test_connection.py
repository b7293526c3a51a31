"""The typed calls say on the wire what the contract wants to hear, and answer with what came back."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from furlong.client import CallRefused, Furlong, OutcomeUnknown, connect
from furlong.client.connection import SERVICES
from furlong.client.identity import uuid7_time_ms
from furlong.common.v1.account_pb2 import Account, Transfer, TrialBalance
from furlong.common.v1.round_pb2 import RaceCard, Round, RoundProof, Track
from furlong.common.v1.ticket_pb2 import Ticket
from furlong.game.v1 import account_service_pb2, round_service_pb2, ticket_service_pb2, track_service_pb2
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from tests.loopback import metadata_of, refuse, serving


class Gateway:
    """Answers every public method with what the test laid ready, and keeps the request and its token."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.tokens: list[str | None] = []
        self.answers: list[Message | tuple[grpc.StatusCode, str]] = []

    def register(self, server: grpc.aio.Server) -> None:
        for service in SERVICES:
            handlers = dict(self._handlers(service))
            server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service.full_name, handlers),))

    def _handlers(self, service: Any) -> Iterator[tuple[str, "grpc.RpcMethodHandler[Any, Any]"]]:
        for method in service.methods:
            yield (
                method.name,
                grpc.unary_unary_rpc_method_handler(
                    self._answer,
                    request_deserializer=GetMessageClass(method.input_type).FromString,
                    response_serializer=GetMessageClass(method.output_type).SerializeToString,
                ),
            )

    async def _answer(self, request: Any, context: Any) -> Any:
        self.requests.append(request)
        self.tokens.append(metadata_of(context).get("authorization"))
        answer = self.answers.pop(0)
        if isinstance(answer, tuple):
            await refuse(context, *answer)
        return answer


@asynccontextmanager
async def connected(gateway: Gateway, token: str | Callable[[], str | None] | None = None) -> AsyncIterator[Furlong]:
    async with serving(gateway.register) as server, connect(server.target, token=token) as furlong:
        yield furlong


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


async def test_all_tracks_are_read_page_by_page(gateway: Gateway) -> None:
    gateway.answers = [
        track_service_pb2.ListTracksResponse(tracks=[Track(track="city-sprint")], next_page_token="more"),
        track_service_pb2.ListTracksResponse(tracks=[Track(track="harbour-mile")]),
    ]
    async with connected(gateway) as furlong:
        tracks = await furlong.tracks.list()
    assert [track.track for track in tracks] == ["city-sprint", "harbour-mile"]
    assert [request.page_token for request in gateway.requests] == ["", "more"]


async def test_reading_calls_answer_with_the_thing_itself(gateway: Gateway) -> None:
    gateway.answers = [
        track_service_pb2.GetTrackResponse(track=Track(track="harbour-mile")),
        round_service_pb2.GetRoundResponse(round=Round(round_id=17)),
        round_service_pb2.GetCurrentRoundResponse(round=Round(round_id=18)),
        round_service_pb2.GetRoundProofResponse(proof=RoundProof(round_id=17)),
        round_service_pb2.ListRoundsResponse(rounds=[Round(round_id=18), Round(round_id=17)], next_page_token="n"),
        ticket_service_pb2.GetTicketResponse(ticket=Ticket(ticket_id="t")),
        ticket_service_pb2.ListTicketsResponse(tickets=[Ticket(ticket_id="t")]),
        account_service_pb2.GetAccountResponse(account=Account(account_id="a")),
        account_service_pb2.ListTransfersResponse(transfers=[Transfer(transfer_id=3)], next_page_token="n"),
        account_service_pb2.GetTrialBalanceResponse(trial_balance=TrialBalance(sum_minor=7)),
    ]
    async with connected(gateway) as furlong:
        assert (await furlong.tracks.get("harbour-mile")).track == "harbour-mile"
        assert (await furlong.rounds.get(17)).round_id == 17
        assert (await furlong.rounds.current("harbour-mile")).round_id == 18
        assert (await furlong.rounds.proof(17)).round_id == 17
        page = await furlong.rounds.list("harbour-mile", page_size=2, page_token="p")
        assert ([entry.round_id for entry in page.rounds], page.next_page_token) == ([18, 17], "n")
        assert (await furlong.tickets.get("t")).ticket_id == "t"
        assert [ticket.ticket_id for ticket in (await furlong.tickets.list("a")).tickets] == ["t"]
        assert (await furlong.accounts.get("a")).account_id == "a"
        statement = await furlong.accounts.transfers("a", page_size=1, page_token="p")
        assert ([each.transfer_id for each in statement.transfers], statement.next_page_token) == ([3], "n")
        assert (await furlong.accounts.trial_balance(17)).sum_minor == 7


async def test_writing_calls_make_a_request_id_or_take_the_callers(gateway: Gateway) -> None:
    gateway.answers = [
        account_service_pb2.CreateAccountResponse(account=Account(account_id="a")),
        account_service_pb2.CreditAccountResponse(account=Account(account_id="a", balance_minor=5_000)),
        track_service_pb2.CreateTrackResponse(track=Track(track="harbour-mile")),
        track_service_pb2.ImportRaceCardsResponse(cards_added=1),
        track_service_pb2.VoidRoundResponse(round=Round(round_id=17, phase=Round.VOID)),
        track_service_pb2.EnterResultResponse(round=Round(round_id=17, positions=[1, 1])),
        track_service_pb2.CorrectResultResponse(round=Round(round_id=17, result=[3, 1])),
        track_service_pb2.SetPricesResponse(round=Round(round_id=17, price_revision=2)),
        track_service_pb2.PauseTrackResponse(track=Track(state=Track.PAUSED)),
        track_service_pb2.SuspendTrackResponse(track=Track(state=Track.SUSPENDED)),
        track_service_pb2.ResumeTrackResponse(track=Track(state=Track.RUNNING)),
        account_service_pb2.PayOutAccountResponse(account=Account(balance_minor=4_000)),
        account_service_pb2.AdjustAccountResponse(account=Account(balance_minor=3_500)),
        account_service_pb2.BlockAccountResponse(account=Account(blocked=True)),
        account_service_pb2.UnblockAccountResponse(account=Account()),
        ticket_service_pb2.CancelTicketResponse(ticket=Ticket(state=Ticket.CANCELLED)),
        ticket_service_pb2.PayTicketResponse(ticket=Ticket(state=Ticket.PAID), paid_minor=1_210),
    ]
    async with connected(gateway) as furlong:
        assert (await furlong.accounts.create(kind=Account.PLAYER, currency="EUR")).account_id == "a"
        assert (await furlong.accounts.credit("a", 5_000, "at the till", request_id="mine")).balance_minor == 5_000
        assert (await furlong.tracks.create(Track(track="harbour-mile"))).track == "harbour-mile"
        assert (await furlong.tracks.import_race_cards("harbour-mile", [RaceCard(name="one")])).cards_added == 1
        assert (await furlong.tracks.void_round(17, "a fault on the track")).phase == Round.VOID
        entered = await furlong.tracks.enter_result(17, [3, 1], "seen", positions=[1, 1], withdrawn=[2])
        assert list(entered.positions) == [1, 1]
        assert list((await furlong.tracks.correct_result(17, [3, 1], "photo finish misread")).result) == [3, 1]
        assert (await furlong.tracks.set_prices(17, [], "money")).price_revision == 2
        assert (await furlong.tracks.pause("harbour-mile", "night")).state == Track.PAUSED
        assert (await furlong.tracks.suspend("harbour-mile", "loose horse")).state == Track.SUSPENDED
        assert (await furlong.tracks.resume("harbour-mile", "morning")).state == Track.RUNNING
        assert (await furlong.accounts.pay_out("a", 1_000, "cash")).balance_minor == 4_000
        assert (await furlong.accounts.adjust("a", -500, "counted wrong")).balance_minor == 3_500
        assert (await furlong.accounts.block("a", "lost card")).blocked
        assert not (await furlong.accounts.unblock("a", "card found")).blocked
        assert (await furlong.tickets.cancel("t", "wrong runner")).state == Ticket.CANCELLED
        assert (await furlong.tickets.pay("t", "till")).paid_minor == 1_210
    made = [request.request_id for request in gateway.requests]
    assert made[1] == "mine"
    assert all(uuid7_time_ms(request_id) for request_id in made if request_id != "mine")


async def test_a_write_in_doubt_names_its_request_id(gateway: Gateway) -> None:
    gateway.answers = [(grpc.StatusCode.INTERNAL, "INTERNAL_DEFECT")]
    async with connected(gateway) as furlong:
        with pytest.raises(OutcomeUnknown) as caught:
            await furlong.accounts.credit("a", 5_000, "at the till")
    assert list(caught.value.request_ids) == [gateway.requests[0].request_id]


async def test_a_refusal_names_its_reason(gateway: Gateway) -> None:
    gateway.answers = [(grpc.StatusCode.NOT_FOUND, "ROUND_UNKNOWN")]
    async with connected(gateway) as furlong:
        with pytest.raises(CallRefused) as caught:
            await furlong.rounds.get(4_711)
    assert caught.value.reason == "ROUND_UNKNOWN"


async def test_the_token_travels_with_every_call(gateway: Gateway) -> None:
    tokens = iter(["first", "second", None])
    gateway.answers = [track_service_pb2.GetTrackResponse() for _ in range(5)]
    async with connected(gateway, lambda: next(tokens)) as furlong:
        for _ in range(3):
            await furlong.tracks.get("harbour-mile")
    async with connected(gateway, "fixed") as furlong:
        await furlong.tracks.get("harbour-mile")
    async with connected(gateway) as furlong:
        await furlong.tracks.get("harbour-mile")
    assert gateway.tokens == ["Bearer first", "Bearer second", None, "Bearer fixed", None]
