"""The public methods as outsiders know them: the REST table of the architecture page beside the gRPC names.

Written by hand and not read from the descriptors: the table is the promise, the descriptors are how it is kept.
"""

from dataclasses import dataclass

from furlong.game.v1 import account_service_pb2 as accounts
from furlong.game.v1 import round_service_pb2 as rounds
from furlong.game.v1 import ticket_service_pb2 as tickets
from furlong.game.v1 import track_service_pb2 as tracks
from google.protobuf.message import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One unary method: `path` holds the request's fields that travel in it in braces."""

    full_name: str
    request: type[Message]
    response: type[Message]
    verb: str
    path: str


def _method(service: str, name: str, room: object, verb: str, path: str) -> Method:
    return Method(
        full_name=f"/furlong.game.v1.{service}/{name}",
        request=getattr(room, f"{name}Request"),
        response=getattr(room, f"{name}Response"),
        verb=verb,
        path=path,
    )


LIST_TRACKS = _method("TrackService", "ListTracks", tracks, "GET", "/v1/tracks")
GET_TRACK = _method("TrackService", "GetTrack", tracks, "GET", "/v1/tracks/{track}")
LIST_SEED_CHAINS = _method("TrackService", "ListSeedChains", tracks, "GET", "/v1/tracks/{track}/seed-chains")
LIST_PRESENCE = _method("TrackService", "ListPresence", tracks, "GET", "/v1/tracks/{track}/presence")
CREATE_TRACK = _method("TrackService", "CreateTrack", tracks, "POST", "/v1/tracks")
IMPORT_CARDS = _method("TrackService", "ImportRaceCards", tracks, "POST", "/v1/tracks/{track}:importCards")
VOID_ROUND = _method("TrackService", "VoidRound", tracks, "POST", "/v1/rounds/{round_id}:void")
ENTER_RESULT = _method("TrackService", "EnterResult", tracks, "POST", "/v1/rounds/{round_id}:enterResult")
CORRECT_RESULT = _method("TrackService", "CorrectResult", tracks, "POST", "/v1/rounds/{round_id}:correctResult")
SET_PRICES = _method("TrackService", "SetPrices", tracks, "POST", "/v1/rounds/{round_id}:setPrices")
PAUSE_TRACK = _method("TrackService", "PauseTrack", tracks, "POST", "/v1/tracks/{track}:pause")
RESUME_TRACK = _method("TrackService", "ResumeTrack", tracks, "POST", "/v1/tracks/{track}:resume")
SUSPEND_TRACK = _method("TrackService", "SuspendTrack", tracks, "POST", "/v1/tracks/{track}:suspend")
UPDATE_TRACK = _method("TrackService", "UpdateTrack", tracks, "POST", "/v1/tracks/{track}:update")
SUSPEND_SELLING = _method("TrackService", "SuspendSelling", tracks, "POST", "/v1/tracks/{track}:suspendSelling")
RESUME_SELLING = _method("TrackService", "ResumeSelling", tracks, "POST", "/v1/tracks/{track}:resumeSelling")
LIST_ROUNDS = _method("RoundService", "ListRounds", rounds, "GET", "/v1/tracks/{track}/rounds")
GET_CURRENT_ROUND = _method("RoundService", "GetCurrentRound", rounds, "GET", "/v1/tracks/{track}/rounds/current")
GET_ROUND = _method("RoundService", "GetRound", rounds, "GET", "/v1/rounds/{round_id}")
GET_PROOF = _method("RoundService", "GetRoundProof", rounds, "GET", "/v1/rounds/{round_id}/proof")
PLACE = _method("TicketService", "PlaceTickets", tickets, "POST", "/v1/tickets:place")
QUOTE = _method("TicketService", "Quote", tickets, "POST", "/v1/tickets:quote")
GET_TICKET = _method("TicketService", "GetTicket", tickets, "GET", "/v1/tickets/{ticket_id}")
GET_TICKET_PROOF = _method("TicketService", "GetTicketProof", tickets, "GET", "/v1/tickets/{ticket_id}/proof")
LIST_TICKETS = _method("TicketService", "ListTickets", tickets, "GET", "/v1/accounts/{account_id}/tickets")
CANCEL_TICKET = _method("TicketService", "CancelTicket", tickets, "POST", "/v1/tickets/{ticket_id}:cancel")
PAY_TICKET = _method("TicketService", "PayTicket", tickets, "POST", "/v1/tickets/{ticket_id}:pay")
CREATE_ACCOUNT = _method("AccountService", "CreateAccount", accounts, "POST", "/v1/accounts")
CREDIT = _method("AccountService", "CreditAccount", accounts, "POST", "/v1/accounts/{account_id}:credit")
GET_ACCOUNT = _method("AccountService", "GetAccount", accounts, "GET", "/v1/accounts/{account_id}")
PAY_OUT = _method("AccountService", "PayOutAccount", accounts, "POST", "/v1/accounts/{account_id}:payout")
ADJUST = _method("AccountService", "AdjustAccount", accounts, "POST", "/v1/accounts/{account_id}:adjust")
BLOCK = _method("AccountService", "BlockAccount", accounts, "POST", "/v1/accounts/{account_id}:block")
UNBLOCK = _method("AccountService", "UnblockAccount", accounts, "POST", "/v1/accounts/{account_id}:unblock")
LIST_TRANSFERS = _method("AccountService", "ListTransfers", accounts, "GET", "/v1/accounts/{account_id}/transfers")
TRIAL_BALANCE = _method("AccountService", "GetTrialBalance", accounts, "GET", "/v1/reports/trial-balance")
