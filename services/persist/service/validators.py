"""What the contract asks of each request, as the protos state it."""

import re
from typing import Any, Final

from furlong.common.v1 import account_pb2, round_pb2, ticket_pb2
from furlong.persist.v1 import lease_service_pb2 as lease
from furlong.persist.v1 import ledger_service_pb2 as ledger
from furlong.persist.v1 import round_store_service_pb2 as rounds
from furlong.persist.v1 import ticket_store_service_pb2 as tickets
from furlong.persist.v1 import track_store_service_pb2 as tracks

from services.chassis.validation import Checks, Validators, is_terminal, is_uuid, is_uuid7
from services.persist.domain.bounds import (
    CREDIT_MINOR_MAX,
    DEAD_HEAT_RUNNERS_MAX,
    LINES_MAX,
    PRICE_HUNDREDTHS_MAX,
    PRICE_HUNDREDTHS_MIN,
    ROUND_PAYOUT_MINOR_MAX,
    STAKE_MINOR_MAX,
    TICKETS_IN_CALL_MAX,
)
from services.persist.domain.pricing import Market
from services.persist.domain.verdict import Verdict

INT64_MAX: Final = 2**63 - 1
INT32_MAX: Final = 2**31 - 1
TRACK_PAGE_MAX: Final = 100
ROUND_PAGE_MAX: Final = 100
TICKET_PAGE_MAX: Final = 500
TRANSFER_PAGE_MAX: Final = 500
CARDS_IN_CALL_MAX: Final = 200
LEASES_IN_CALL_MAX: Final = 500
WINNERS_MAX: Final = 10_000
RUNNERS_MAX: Final = 40
SEED_BYTES: Final = 32
HASH_BYTES: Final = 32
SEALED_SEED_BYTES_MAX: Final = 256
BEACON_SIGNATURE_BYTES_MAX: Final = 96
SEALED_CHECKPOINTS_BYTES_MAX: Final = 65_536
SEED_CHAIN_LENGTH_MAX: Final = 10_000_000
TERMS_BYTES_MAX: Final = 512
PROGRAM_BYTES_MAX: Final = 4_096
LOCKS_AT_MS_MAX: Final = 253_402_300_799_000
"""The last second of the year 9999, which is as far as a time on the wire goes."""

_PRICED: Final = frozenset(int(market) for market in Market)
_TRACK: Final = re.compile(r"(?=.{1,40}$)[a-z][a-z0-9]*(-[a-z0-9]+)*")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_TRACK_STATES: Final = frozenset(round_pb2.Track.State.values()) - {round_pb2.Track.STATE_UNSPECIFIED}
_MARKETS: Final = frozenset((ticket_pb2.Line.WIN, ticket_pb2.Line.PLACE))
"""What can be kept: EACH_WAY is on orders only."""
_REFUSALS_OF_GAME: Final = range(Verdict.ROUND_NOT_FOUND, Verdict.STAKE_ABOVE_MAX + 1)


def append_tickets(request: tickets.AppendTicketsRequest, checks: Checks) -> None:
    """AppendTicketsRequest."""
    _append("", request, checks)


def stream_tickets(request: tickets.StreamTicketsRequest, checks: Checks) -> None:
    """StreamTicketsRequest."""
    _append("append.", request.append, checks)


def _append(at: str, request: tickets.AppendTicketsRequest, checks: Checks) -> None:
    checks.between(f"{at}round_id", request.round_id, 1, INT64_MAX)
    checks.length(f"{at}tickets", request.tickets, 1, TICKETS_IN_CALL_MAX)
    for n, ticket in enumerate(request.tickets):
        if not _is_sound(ticket):
            _ticket_append(f"{at}tickets[{n}]", ticket, checks)


def _is_sound(ticket: tickets.TicketAppend) -> bool:
    """Tell whether `_ticket_append` finds nothing wrong: nearly always so, and then without naming what is right."""
    lines = ticket.lines[:]
    return (
        is_uuid7(ticket.request_id)
        and is_uuid(ticket.account_id)
        and len(ticket.content_hash) == HASH_BYTES
        and not ticket.refusal
        and (not ticket.terminal or is_terminal(ticket.terminal))
        and 1 <= len(lines) <= LINES_MAX
        and False not in [_is_sound_line(line) for line in lines]
    )


def _is_sound_line(line: ticket_pb2.Line) -> bool:
    runners = line.runners[:]
    return (
        1 <= line.stake_minor <= STAKE_MINOR_MAX
        and PRICE_HUNDREDTHS_MIN <= line.price_hundredths <= PRICE_HUNDREDTHS_MAX
        and line.market in _MARKETS
        and 1 <= len(runners) <= RUNNERS_MAX
        and min(runners) >= 1
        and max(runners) <= RUNNERS_MAX
    )


def _ticket_append(at: str, ticket: tickets.TicketAppend, checks: Checks) -> None:
    checks.uuid7(f"{at}.request_id", ticket.request_id)
    checks.uuid(f"{at}.account_id", ticket.account_id)
    checks.that(f"{at}.content_hash", len(ticket.content_hash) == HASH_BYTES, f"is not {HASH_BYTES} bytes long")
    checks.terminal(f"{at}.terminal", ticket.terminal)
    if ticket.refusal:
        checks.that(f"{at}.refusal", ticket.refusal in _REFUSALS_OF_GAME, "is no verdict of the rules of racing")
        return
    checks.length(f"{at}.lines", ticket.lines, 1, LINES_MAX)
    for n, line in enumerate(ticket.lines):
        _line(f"{at}.lines[{n}]", line, checks)


def _line(at: str, line: ticket_pb2.Line, checks: Checks) -> None:
    checks.between(f"{at}.stake_minor", line.stake_minor, 1, STAKE_MINOR_MAX)
    checks.between(f"{at}.price_hundredths", line.price_hundredths, PRICE_HUNDREDTHS_MIN, PRICE_HUNDREDTHS_MAX)
    _selection(at, line, checks)


def _selection(at: str, of: Any, checks: Checks) -> None:
    checks.that(f"{at}.market", of.market in _MARKETS, "is no market")
    checks.length(f"{at}.runners", of.runners, 1, RUNNERS_MAX)
    for n, runner in enumerate(of.runners):
        checks.between(f"{at}.runners[{n}]", runner, 1, RUNNERS_MAX)


def get_ticket(request: tickets.GetTicketRequest | tickets.GetTicketProofRequest, checks: Checks) -> None:
    """GetTicketRequest and GetTicketProofRequest."""
    checks.uuid("ticket_id", request.ticket_id)


def list_tickets(request: tickets.ListTicketsRequest, checks: Checks) -> None:
    """ListTicketsRequest."""
    checks.uuid("account_id", request.account_id)
    checks.between("page_size", request.page_size, 1, TICKET_PAGE_MAX)


def cancel_ticket(request: tickets.CancelTicketRequest, checks: Checks) -> None:
    """CancelTicketRequest."""
    _by_hand(request, checks)
    checks.uuid("ticket_id", request.ticket_id)


def pay_ticket(request: tickets.PayTicketRequest, checks: Checks) -> None:
    """PayTicketRequest."""
    checks.uuid("request_id", request.request_id)
    checks.uuid("ticket_id", request.ticket_id)
    checks.uuid("account_id", request.account_id)
    checks.text("actor", request.actor, 1, 200)


def open_round(request: rounds.OpenRoundRequest, checks: Checks) -> None:
    """OpenRoundRequest."""
    checks.uuid("request_id", request.request_id)
    _track_name("track", request.track, checks)
    checks.between("epoch", request.epoch, 1, INT64_MAX)
    checks.between("card_id", request.card_id, 1, INT64_MAX)
    checks.text("race_name", request.race_name, 1, 120)
    _distance("distance_m", request.distance_m, checks)
    _runners("runners", request.runners, checks)
    for n, runner in enumerate(request.runners):
        checks.between(
            f"runners[{n}].win_price_hundredths",
            runner.win_price_hundredths,
            PRICE_HUNDREDTHS_MIN,
            PRICE_HUNDREDTHS_MAX,
        )
        if runner.place_price_hundredths:
            price = runner.place_price_hundredths
            checks.between(f"runners[{n}].place_price_hundredths", price, PRICE_HUNDREDTHS_MIN, PRICE_HUNDREDTHS_MAX)
    checks.between("terms", request.terms.ByteSize(), 0, TERMS_BYTES_MAX)
    if request.locks_at_ms:
        checks.between("locks_at_ms", request.locks_at_ms, 1, LOCKS_AT_MS_MAX)
    if request.seed_chain_no:
        checks.between("seed_chain_no", request.seed_chain_no, 1, INT32_MAX)
        checks.between("seed_index", request.seed_index, 1, INT64_MAX)
    _timetable("timetable", request.timetable, checks)
    _limits("limits", request.limits, checks)
    checks.between("return_bps", request.return_bps, 5_000, 9_999)
    checks.that("commitment", len(request.commitment) == HASH_BYTES, f"is not {HASH_BYTES} bytes long")
    checks.between("sealed_seed", len(request.sealed_seed), 1, SEALED_SEED_BYTES_MAX)


def create_seed_chain(request: tracks.CreateSeedChainRequest, checks: Checks) -> None:
    """CreateSeedChainRequest."""
    checks.uuid("request_id", request.request_id)
    _track_name("track", request.track, checks)
    checks.between("epoch", request.epoch, 1, INT64_MAX)
    checks.between("chain_no", request.chain_no, 1, INT32_MAX)
    checks.that("anchor", len(request.anchor) == HASH_BYTES, f"is not {HASH_BYTES} bytes long")
    checks.between("length", request.length, 1, SEED_CHAIN_LENGTH_MAX)
    checks.between("sealed_checkpoints", len(request.sealed_checkpoints), 1, SEALED_CHECKPOINTS_BYTES_MAX)


def step(request: Any, checks: Checks) -> None:
    """LockRoundRequest and FinishRoundRequest, and what every other step of a round brings too."""
    checks.uuid("request_id", request.request_id)
    checks.between("round_id", request.round_id, 1, INT64_MAX)
    checks.between("epoch", request.epoch, 1, INT64_MAX)


def start_race(request: rounds.StartRaceRequest, checks: Checks) -> None:
    """StartRaceRequest: the leader's with a seed, or an operator's with a name, a reason and epoch 0.

    Whether the result fits the round is for the round to tell.
    """
    checks.uuid("request_id", request.request_id)
    checks.between("round_id", request.round_id, 1, INT64_MAX)
    _result(request, checks)
    if request.actor:
        checks.between("epoch", request.epoch, 0, 0)
        checks.text("actor", request.actor, 1, 200)
        checks.text("reason", request.reason, 1, 200)
        checks.that("server_seed", not request.server_seed, "does not go with a result that was entered")
        checks.that("beacon_signature", not request.beacon_signature, "does not go with a result that was entered")
        return
    checks.between("epoch", request.epoch, 1, INT64_MAX)
    checks.that("reason", not request.reason, "goes with a result that was entered")
    checks.that("server_seed", len(request.server_seed) == SEED_BYTES, f"is not {SEED_BYTES} bytes long")
    checks.between("beacon_signature", len(request.beacon_signature), 0, BEACON_SIGNATURE_BYTES_MAX)


def _result(request: Any, checks: Checks) -> None:
    checks.length("result", request.result, 2, RUNNERS_MAX)
    checks.length("positions", request.positions, 0, RUNNERS_MAX)
    checks.length("withdrawn", request.withdrawn, 0, RUNNERS_MAX)
    for field, least in (("result", 1), ("positions", 0), ("withdrawn", 1)):
        for n, number in enumerate(getattr(request, field)):
            checks.between(f"{field}[{n}]", number, least, RUNNERS_MAX)


def settle_round(request: rounds.SettleRoundRequest, checks: Checks) -> None:
    """SettleRoundRequest."""
    step(request, checks)
    _winners(request.winners, checks)


def correct_result(request: rounds.CorrectResultRequest, checks: Checks) -> None:
    """CorrectResultRequest; whether the result fits the round is for the round to tell."""
    checks.uuid("request_id", request.request_id)
    checks.between("round_id", request.round_id, 1, INT64_MAX)
    _result(request, checks)
    _winners(request.winners, checks)
    checks.text("reason", request.reason, 1, 200)
    checks.text("actor", request.actor, 1, 200)


def set_prices(request: rounds.SetPricesRequest, checks: Checks) -> None:
    """SetPricesRequest; whether the round offers the markets and runners is for the round to tell."""
    _by_hand(request, checks)
    checks.between("round_id", request.round_id, 1, INT64_MAX)
    checks.length("prices", request.prices, 1, 2 * RUNNERS_MAX)
    for n, price in enumerate(request.prices):
        checks.that(f"prices[{n}].market", price.market in _PRICED, "has no price")
        checks.between(f"prices[{n}].runner", price.runner, 1, RUNNERS_MAX)
        checks.between(
            f"prices[{n}].price_hundredths", price.price_hundredths, PRICE_HUNDREDTHS_MIN, PRICE_HUNDREDTHS_MAX
        )
    selections = {(price.market, price.runner) for price in request.prices}
    checks.that("prices", len(selections) == len(request.prices), "name a runner twice in a market")


def _winners(winners: Any, checks: Checks) -> None:
    checks.length("winners", winners, 0, WINNERS_MAX)
    for n, winner in enumerate(winners):
        _selection(f"winners[{n}]", winner, checks)
        checks.between(f"winners[{n}].stake_denominator", winner.stake_denominator, 1, DEAD_HEAT_RUNNERS_MAX)
        checks.between(f"winners[{n}].stake_numerator", winner.stake_numerator, 1, winner.stake_denominator)
        whole = (winner.stake_numerator, winner.stake_denominator) == (1, 1)
        checks.that(f"winners[{n}].refund", whole or not winner.refund, "is of a part of the stake")
    selections = {(winner.market, tuple(winner.runners)) for winner in winners}
    checks.that("winners", len(selections) == len(winners), "name a selection twice")


def void_round(request: rounds.VoidRoundRequest, checks: Checks) -> None:
    """VoidRoundRequest; epoch 0 is an operator's."""
    checks.uuid("request_id", request.request_id)
    checks.between("round_id", request.round_id, 1, INT64_MAX)
    checks.between("epoch", request.epoch, 0, INT64_MAX)
    checks.text("reason", request.reason, 1, 200)
    checks.text("actor", request.actor, 1, 200)


def get_round(request: Any, checks: Checks) -> None:
    """A request that names a round and nothing else."""
    checks.between("round_id", request.round_id, 1, INT64_MAX)


def of_track(request: Any, checks: Checks) -> None:
    """A request that names a track and nothing else."""
    _track_name("track", request.track, checks)


def list_rounds(request: rounds.ListRoundsRequest, checks: Checks) -> None:
    """ListRoundsRequest."""
    _track_name("track", request.track, checks)
    checks.between("page_size", request.page_size, 1, ROUND_PAGE_MAX)


def list_transitions(request: rounds.ListTransitionsRequest, checks: Checks) -> None:
    """ListTransitionsRequest."""
    _track_name("track", request.track, checks)
    checks.between("after", request.after, 0, INT64_MAX)
    checks.between("page_size", request.page_size, 1, ROUND_PAGE_MAX)


def create_track(request: tracks.CreateTrackRequest, checks: Checks) -> None:
    """CreateTrackRequest."""
    checks.uuid("request_id", request.request_id)
    track = request.track
    _track_name("track.track", track.track, checks)
    checks.text("track.display_name", track.display_name, 1, 80)
    checks.pattern("track.currency", track.currency, _CURRENCY, "a currency of three capital letters")
    _timetable("track.timetable", track.timetable, checks)
    _limits("track.limits", track.limits, checks)
    checks.between("track.return_bps", track.return_bps, 5_000, 9_999)
    checks.between("track.program", track.program.ByteSize(), 0, PROGRAM_BYTES_MAX)


def list_tracks(request: tracks.ListTracksRequest, checks: Checks) -> None:
    """ListTracksRequest."""
    checks.between("page_size", request.page_size, 1, TRACK_PAGE_MAX)


def put_race_cards(request: tracks.PutRaceCardsRequest, checks: Checks) -> None:
    """PutRaceCardsRequest."""
    checks.uuid("request_id", request.request_id)
    _track_name("track", request.track, checks)
    checks.length("cards", request.cards, 1, CARDS_IN_CALL_MAX)
    for n, card in enumerate(request.cards):
        checks.text(f"cards[{n}].name", card.name, 1, 120)
        _distance(f"cards[{n}].distance_m", card.distance_m, checks)
        _runners(f"cards[{n}].runners", card.runners, checks)
    names = {card.name for card in request.cards}
    checks.that("cards", len(names) == len(request.cards), "name a race twice")


def set_track_state(request: tracks.SetTrackStateRequest, checks: Checks) -> None:
    """SetTrackStateRequest."""
    _by_hand(request, checks)
    _track_name("track", request.track, checks)
    checks.that("state", request.state in _TRACK_STATES, "is no state of a track")


def update_track(request: tracks.UpdateTrackRequest, checks: Checks) -> None:
    """UpdateTrackRequest; what is absent, empty or 0 is left as it is."""
    _by_hand(request, checks)
    track = request.track
    _track_name("track.track", track.track, checks)
    checks.text("track.display_name", track.display_name, 0, 80)
    if track.HasField("timetable"):
        _timetable("track.timetable", track.timetable, checks)
    if track.HasField("limits"):
        _limits("track.limits", track.limits, checks)
    if track.return_bps:
        checks.between("track.return_bps", track.return_bps, 5_000, 9_999)
    checks.between("track.program", track.program.ByteSize(), 0, PROGRAM_BYTES_MAX)


def set_selling(request: tracks.SetSellingRequest, checks: Checks) -> None:
    """SetSellingRequest; whether the runner runs is for the round to tell."""
    _by_hand(request, checks)
    _track_name("track", request.track, checks)
    named = [bool(request.market), bool(request.runner), bool(request.terminal)]
    checks.that("track", sum(named) == 1, "comes with not exactly one of market, runner and terminal")
    if request.market:
        checks.that("market", request.market in _MARKETS, "is no market")
    if request.runner:
        checks.between("runner", request.runner, 1, RUNNERS_MAX)
    checks.terminal("terminal", request.terminal)


def create_account(request: ledger.CreateAccountRequest, checks: Checks) -> None:
    """CreateAccountRequest."""
    checks.uuid("request_id", request.request_id)
    kinds = (account_pb2.Account.PLAYER, account_pb2.Account.CASHIER)
    checks.that("kind", request.kind in kinds, "is neither PLAYER nor CASHIER")
    checks.pattern("currency", request.currency, _CURRENCY, "a currency of three capital letters")
    checks.text("display_name", request.display_name, 0, 80)
    lowest_minor = -CREDIT_MINOR_MAX if request.kind == account_pb2.Account.CASHIER else 0
    checks.between("floor_minor", request.floor_minor, lowest_minor, 0)


def credit_account(request: ledger.CreditAccountRequest, checks: Checks) -> None:
    """CreditAccountRequest."""
    checks.uuid("request_id", request.request_id)
    checks.uuid("account_id", request.account_id)
    checks.between("amount_minor", request.amount_minor, 1, CREDIT_MINOR_MAX)
    checks.text("reason", request.reason, 1, 200)


def pay_out_account(request: ledger.PayOutAccountRequest, checks: Checks) -> None:
    """PayOutAccountRequest."""
    _by_hand(request, checks)
    checks.uuid("account_id", request.account_id)
    checks.between("amount_minor", request.amount_minor, 1, CREDIT_MINOR_MAX)


def adjust_account(request: ledger.AdjustAccountRequest, checks: Checks) -> None:
    """AdjustAccountRequest."""
    _by_hand(request, checks)
    checks.uuid("account_id", request.account_id)
    checks.between("amount_minor", request.amount_minor, -CREDIT_MINOR_MAX, CREDIT_MINOR_MAX)
    checks.that("amount_minor", request.amount_minor != 0, "moves nothing")


def set_account_blocked(request: ledger.SetAccountBlockedRequest, checks: Checks) -> None:
    """SetAccountBlockedRequest."""
    _by_hand(request, checks)
    checks.uuid("account_id", request.account_id)


def list_transfers(request: ledger.ListTransfersRequest, checks: Checks) -> None:
    """ListTransfersRequest."""
    checks.uuid("account_id", request.account_id)
    checks.between("page_size", request.page_size, 1, TRANSFER_PAGE_MAX)


def get_trial_balance(request: ledger.GetTrialBalanceRequest, checks: Checks) -> None:
    """GetTrialBalanceRequest; 0 is everything."""
    checks.between("round_id", request.round_id, 0, INT64_MAX)


def get_account(request: ledger.GetAccountRequest, checks: Checks) -> None:
    """GetAccountRequest."""
    checks.uuid("account_id", request.account_id)


def acquire_lease(request: lease.AcquireLeaseRequest, checks: Checks) -> None:
    """AcquireLeaseRequest."""
    checks.uuid("request_id", request.request_id)
    _track_name("track", request.track, checks)
    checks.text("holder", request.holder, 1, 200)
    checks.between("ttl_ms", request.ttl_ms, 500, 60_000)


def renew_leases(request: lease.RenewLeasesRequest, checks: Checks) -> None:
    """RenewLeasesRequest."""
    checks.uuid("request_id", request.request_id)
    checks.text("holder", request.holder, 1, 200)
    checks.between("ttl_ms", request.ttl_ms, 500, 60_000)
    checks.length("leases", request.leases, 1, LEASES_IN_CALL_MAX)
    for n, held in enumerate(request.leases[:LEASES_IN_CALL_MAX]):
        _track_name(f"leases[{n}].track", held.track, checks)
    tracks = {held.track for held in request.leases}
    checks.that("leases", len(tracks) == len(request.leases), "names a track twice")


def release_lease(request: lease.ReleaseLeaseRequest, checks: Checks) -> None:
    """ReleaseLeaseRequest."""
    checks.uuid("request_id", request.request_id)
    _track_name("track", request.track, checks)
    checks.text("holder", request.holder, 1, 200)


def _by_hand(request: Any, checks: Checks) -> None:
    """What everybody brings who does something by hand: who they are, and why."""
    checks.uuid("request_id", request.request_id)
    checks.text("reason", request.reason, 1, 200)
    checks.text("actor", request.actor, 1, 200)


def _track_name(field: str, name: str, checks: Checks) -> None:
    checks.pattern(
        field, name, _TRACK, "a track: 1 to 40 lower-case letters, digits and single hyphens, beginning with a letter"
    )


def _distance(at: str, distance_m: int, checks: Checks) -> None:
    if distance_m != 0:  # 0 is a distance that nobody knows
        checks.between(at, distance_m, 100, 10_000)


def _runners(field: str, runners: Any, checks: Checks) -> None:
    checks.length(field, runners, 2, RUNNERS_MAX)
    for n, runner in enumerate(runners):
        checks.between(f"{field}[{n}].runner", runner.runner, 1, RUNNERS_MAX)
        checks.text(f"{field}[{n}].name", runner.name, 1, 80)
        checks.between(f"{field}[{n}].weight", runner.weight, 1, 1_000_000_000)
    numbers = [runner.runner for runner in runners]
    checks.that(field, numbers == sorted(set(numbers)), "are not in the order of their numbers, each once")


def _timetable(field: str, timetable: round_pb2.Timetable, checks: Checks) -> None:
    checks.between(f"{field}.betting_window_ms", timetable.betting_window_ms, 1_000, 86_400_000)
    checks.between(f"{field}.lock_ms", timetable.lock_ms, 100, 60_000)
    checks.between(f"{field}.race_ms", timetable.race_ms, 100, 600_000)
    checks.between(f"{field}.finish_ms", timetable.finish_ms, 100, 600_000)


def _limits(field: str, limits: round_pb2.Limits, checks: Checks) -> None:
    checks.between(f"{field}.stake_min_minor", limits.stake_min_minor, 1, STAKE_MINOR_MAX)
    checks.between(f"{field}.stake_max_minor", limits.stake_max_minor, limits.stake_min_minor, STAKE_MINOR_MAX)
    payout_minor, loss_minor = limits.selection_payout_max_minor, limits.round_loss_max_minor
    checks.between(f"{field}.selection_payout_max_minor", payout_minor, 0, ROUND_PAYOUT_MINOR_MAX)
    checks.between(f"{field}.round_loss_max_minor", loss_minor, 0, ROUND_PAYOUT_MINOR_MAX)
    checks.between(f"{field}.payout_max_minor", limits.payout_max_minor, 0, ROUND_PAYOUT_MINOR_MAX)


VALIDATORS: Final[Validators] = {
    tickets.AppendTicketsRequest: append_tickets,
    tickets.StreamTicketsRequest: stream_tickets,
    tickets.GetTicketRequest: get_ticket,
    tickets.GetTicketProofRequest: get_ticket,
    tickets.ListTicketsRequest: list_tickets,
    tickets.CancelTicketRequest: cancel_ticket,
    tickets.PayTicketRequest: pay_ticket,
    rounds.OpenRoundRequest: open_round,
    rounds.LockRoundRequest: step,
    rounds.StartRaceRequest: start_race,
    rounds.FinishRoundRequest: step,
    rounds.SettleRoundRequest: settle_round,
    rounds.VoidRoundRequest: void_round,
    rounds.GetRoundRequest: get_round,
    rounds.PostSettlementRequest: get_round,
    rounds.CorrectResultRequest: correct_result,
    rounds.SetPricesRequest: set_prices,
    rounds.GetCurrentRoundRequest: of_track,
    rounds.ListRoundsRequest: list_rounds,
    rounds.ListUnsettledRoundsRequest: of_track,
    rounds.ListTransitionsRequest: list_transitions,
    tracks.CreateTrackRequest: create_track,
    tracks.GetTrackRequest: of_track,
    tracks.ListTracksRequest: list_tracks,
    tracks.PutRaceCardsRequest: put_race_cards,
    tracks.GetNextRaceCardRequest: of_track,
    tracks.SetTrackStateRequest: set_track_state,
    tracks.SetSellingRequest: set_selling,
    tracks.UpdateTrackRequest: update_track,
    tracks.CreateSeedChainRequest: create_seed_chain,
    tracks.ListSeedChainsRequest: of_track,
    ledger.CreateAccountRequest: create_account,
    ledger.CreditAccountRequest: credit_account,
    ledger.PayOutAccountRequest: pay_out_account,
    ledger.AdjustAccountRequest: adjust_account,
    ledger.SetAccountBlockedRequest: set_account_blocked,
    ledger.GetAccountRequest: get_account,
    ledger.ListTransfersRequest: list_transfers,
    ledger.GetTrialBalanceRequest: get_trial_balance,
    lease.AcquireLeaseRequest: acquire_lease,
    lease.RenewLeasesRequest: renew_leases,
    lease.ReleaseLeaseRequest: release_lease,
}
