"""What the contract asks of each request, as the protos state it. What an order bets on is judged, not checked."""

import re
from collections.abc import Sequence
from typing import Any, Final

from furlong.common.v1 import account_pb2, round_pb2, ticket_pb2
from furlong.game.v1 import account_service_pb2 as accounts
from furlong.game.v1 import round_service_pb2 as rounds
from furlong.game.v1 import ticket_service_pb2 as tickets
from furlong.game.v1 import track_service_pb2 as tracks

from services.chassis.validation import Checks, Validators, is_uuid, is_uuid7
from services.game.domain.prices import PRICE_HUNDREDTHS_MAX, PRICE_HUNDREDTHS_MIN
from services.game.domain.quote import QUOTE_CHARACTERS_MAX
from services.game.domain.timetable import DAY_MS, DAY_S, is_time_zone

INT32_MAX: Final = 2**31 - 1
INT64_MAX: Final = 2**63 - 1
TICKETS_MAX: Final = 500
LINES_MAX: Final = 20
LINES_ALL_EACH_WAY_MAX: Final = 10
"""So many lines are not too many even where each of them becomes two."""
RUNNERS_MIN: Final = 2
RUNNERS_MAX: Final = 40
CARDS_MAX: Final = 200
STAKE_MINOR_MAX: Final = 10_000_000
AMOUNT_MINOR_MAX: Final = 1_000_000_000_000
LIABILITY_MINOR_MAX: Final = 1_000_000_000_000_000_000
INTERVAL_MS_MIN: Final = 100
INTERVAL_MS_MAX: Final = 60_000
ACCOUNTS_WATCHED_MAX: Final = 10
PAGE_TOKEN_CHARACTERS_MAX: Final = 200
EVERY_MS_MIN: Final = 2_000
OFF_TIMES_MAX: Final = 500
NAME_CHARACTERS_MAX: Final = 60
"""Of a beacon or a time zone."""

PRICES_MAX: Final = 2 * RUNNERS_MAX

_PRICE_POLICIES: Final = frozenset(ticket_pb2.TicketOrder.PricePolicy.values())
_NEED_A_PRICE: Final = (ticket_pb2.TicketOrder.BETTER, ticket_pb2.TicketOrder.EXACT)
_TRACK: Final = re.compile(r"(?=.{1,40}$)[a-z][a-z0-9]*(-[a-z0-9]+)*")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")


def place_tickets(request: tickets.PlaceTicketsRequest | tickets.StreamTicketsRequest, checks: Checks) -> None:
    """PlaceTicketsRequest, and StreamTicketsRequest, which is its like."""
    checks.between("round_id", request.round_id, 1, INT64_MAX)
    checks.length("tickets", request.tickets, 1, TICKETS_MAX)
    checks.terminal("terminal", request.terminal)
    for n, order in enumerate(request.tickets[:TICKETS_MAX]):
        if not _is_sound(order):
            _order(f"tickets[{n}]", order, checks)


def _is_sound(order: ticket_pb2.TicketOrder) -> bool:
    """Tell whether `_order` finds nothing wrong: nearly always so, and then without naming fields that are right.

    Orders with a price policy or a quote are left to it.
    """
    if order.price_policy or order.quote or not (is_uuid7(order.request_id) and is_uuid(order.account_id)):
        return False
    lines = order.lines[:]
    if not 1 <= len(lines) <= LINES_MAX or (len(lines) > LINES_ALL_EACH_WAY_MAX and _parts(lines) > LINES_MAX):
        return False
    return not any([len(line.runners) > RUNNERS_MAX or line.price_hundredths < 0 for line in lines])  # noqa: C419 - faster


def _parts(lines: Sequence[ticket_pb2.Line]) -> int:
    """Count the lines that the ticket will have."""
    return len(lines) + [line.market for line in lines].count(ticket_pb2.Line.EACH_WAY)


def _order(at: str, order: ticket_pb2.TicketOrder, checks: Checks) -> None:
    checks.uuid7(f"{at}.request_id", order.request_id)
    checks.uuid(f"{at}.account_id", order.account_id)
    checks.length(f"{at}.lines", order.lines, 1, LINES_MAX)
    _parts_fit(f"{at}.lines", order.lines, checks)
    for n, line in enumerate(order.lines[:LINES_MAX]):
        checks.length(f"{at}.lines[{n}].runners", line.runners, 0, RUNNERS_MAX)
        checks.between(f"{at}.lines[{n}].price_hundredths", line.price_hundredths, 0, INT64_MAX)
        if order.price_policy in _NEED_A_PRICE:
            words = "is missing, which the price policy needs"
            checks.that(f"{at}.lines[{n}].price_hundredths", line.price_hundredths != 0, words)
    checks.that(f"{at}.price_policy", order.price_policy in _PRICE_POLICIES, "is no price policy")
    checks.that(f"{at}.quote", order.quote.isascii(), "is no quote")
    checks.text(f"{at}.quote", order.quote, 0, QUOTE_CHARACTERS_MAX)


def _parts_fit(field: str, lines: Sequence[ticket_pb2.Line], checks: Checks) -> None:
    words = f"are more than {LINES_MAX} where each EACH_WAY line is counted as two"
    checks.that(field, len(lines) > LINES_MAX or _parts(lines) <= LINES_MAX, words)


def quote(request: tickets.QuoteRequest, checks: Checks) -> None:
    """QuoteRequest."""
    checks.between("round_id", request.round_id, 1, INT64_MAX)
    checks.length("lines", request.lines, 1, LINES_MAX)
    _parts_fit("lines", request.lines, checks)
    for n, line in enumerate(request.lines[:LINES_MAX]):
        checks.length(f"lines[{n}].runners", line.runners, 0, RUNNERS_MAX)


def set_prices(request: tracks.SetPricesRequest, checks: Checks) -> None:
    """SetPricesRequest; whether the round offers the markets and runners is decided further in."""
    checks.uuid("request_id", request.request_id)
    checks.between("round_id", request.round_id, 1, INT64_MAX)
    checks.length("prices", request.prices, 1, PRICES_MAX)
    for n, price in enumerate(request.prices[:PRICES_MAX]):
        checks.that(f"prices[{n}].market", price.market in (ticket_pb2.Line.WIN, ticket_pb2.Line.PLACE), "has no price")
        checks.between(f"prices[{n}].runner", price.runner, 1, RUNNERS_MAX)
        checks.between(
            f"prices[{n}].price_hundredths", price.price_hundredths, PRICE_HUNDREDTHS_MIN, PRICE_HUNDREDTHS_MAX
        )
    selections = {(price.market, price.runner) for price in request.prices}
    checks.that("prices", len(selections) == len(request.prices), "name a runner twice in a market")
    checks.text("reason", request.reason, 1, 200)


def get_ticket(request: tickets.GetTicketRequest, checks: Checks) -> None:
    """GetTicketRequest."""
    checks.uuid("ticket_id", request.ticket_id)


def of_round(request: Any, checks: Checks) -> None:
    """A request that names a round and nothing else."""
    checks.between("round_id", request.round_id, 1, INT64_MAX)


def of_track(request: Any, checks: Checks) -> None:
    """A request that names a track and nothing else."""
    _track_name("track", request.track, checks)


def list_rounds(request: rounds.ListRoundsRequest, checks: Checks) -> None:
    """ListRoundsRequest."""
    _track_name("track", request.track, checks)
    _page(request, checks)


def watch_rounds(request: rounds.WatchRoundsRequest, checks: Checks) -> None:
    """WatchRoundsRequest."""
    _track_name("track", request.track, checks)
    checks.between("after", request.after, 0, INT64_MAX)
    for field in ("update_interval_ms", "tick_interval_ms"):
        interval_ms = getattr(request, field)
        if interval_ms:
            checks.between(field, interval_ms, INTERVAL_MS_MIN, INTERVAL_MS_MAX)
    checks.length("accounts", request.accounts, 0, ACCOUNTS_WATCHED_MAX)
    for n, account_id in enumerate(request.accounts[:ACCOUNTS_WATCHED_MAX]):
        checks.uuid(f"accounts[{n}]", account_id)
    checks.terminal("terminal", request.terminal)


def create_track(request: tracks.CreateTrackRequest, checks: Checks) -> None:
    """CreateTrackRequest."""
    checks.uuid("request_id", request.request_id)
    track = request.track
    _track_name("track.track", track.track, checks)
    checks.text("track.display_name", track.display_name, 1, 80)
    checks.pattern("track.currency", track.currency, _CURRENCY, "a currency of three capital letters")
    known_states = (round_pb2.Track.STATE_UNSPECIFIED, round_pb2.Track.RUNNING)
    checks.that("track.state", track.state in known_states, "is neither absent nor RUNNING")
    if track.return_bps:
        checks.between("track.return_bps", track.return_bps, 5_000, 9_999)
    if track.HasField("timetable"):
        _timetable("track.timetable", track.timetable, checks)
    if track.HasField("limits"):
        _limits("track.limits", track.limits, checks)
    _program("track.program", track.program, checks)


def import_race_cards(request: tracks.ImportRaceCardsRequest, checks: Checks) -> None:
    """ImportRaceCardsRequest."""
    checks.uuid("request_id", request.request_id)
    _track_name("track", request.track, checks)
    checks.length("cards", request.cards, 1, CARDS_MAX)
    for n, card in enumerate(request.cards[:CARDS_MAX]):
        _card(f"cards[{n}]", card, checks)
    names = {card.name for card in request.cards}
    checks.that("cards", len(names) == len(request.cards), "name a race twice")


def _card(at: str, card: round_pb2.RaceCard, checks: Checks) -> None:
    checks.that(f"{at}.card_id", card.card_id == 0, "is given by the store")
    checks.text(f"{at}.name", card.name, 1, 120)
    if card.distance_m != 0:  # 0 is a distance that nobody knows
        checks.between(f"{at}.distance_m", card.distance_m, 100, 10_000)
    checks.length(f"{at}.runners", card.runners, RUNNERS_MIN, RUNNERS_MAX)
    for n, runner in enumerate(card.runners[:RUNNERS_MAX]):
        checks.between(f"{at}.runners[{n}].runner", runner.runner, 1, RUNNERS_MAX)
        checks.text(f"{at}.runners[{n}].name", runner.name, 1, 80)
        checks.between(f"{at}.runners[{n}].weight", runner.weight, 1, 1_000_000_000)
        for price in ("win_price_hundredths", "place_price_hundredths"):
            checks.that(f"{at}.runners[{n}].{price}", getattr(runner, price) == 0, "is not on a card")
    numbers = [runner.runner for runner in card.runners]
    checks.that(f"{at}.runners", numbers == sorted(set(numbers)), "are not in the order of their numbers, each once")


def void_round(request: tracks.VoidRoundRequest, checks: Checks) -> None:
    """VoidRoundRequest."""
    checks.uuid("request_id", request.request_id)
    checks.between("round_id", request.round_id, 1, INT64_MAX)
    checks.text("reason", request.reason, 1, 200)


def enter_result(request: tracks.EnterResultRequest | tracks.CorrectResultRequest, checks: Checks) -> None:
    """EnterResultRequest, and CorrectResultRequest, which is its like.

    Whether its runners are those of the race is decided further in.
    """
    checks.uuid("request_id", request.request_id)
    checks.between("round_id", request.round_id, 1, INT64_MAX)
    _runner_numbers("result", request.result, RUNNERS_MIN, checks)
    _runner_numbers("withdrawn", request.withdrawn, 0, checks)
    checks.length("positions", request.positions, 0, RUNNERS_MAX)
    for n, position in enumerate(request.positions[:RUNNERS_MAX]):
        checks.between(f"positions[{n}]", position, 0, RUNNERS_MAX)
    checks.text("reason", request.reason, 1, 200)


def _runner_numbers(field: str, numbers: Sequence[int], least: int, checks: Checks) -> None:
    checks.length(field, numbers, least, RUNNERS_MAX)
    for n, runner in enumerate(numbers[:RUNNERS_MAX]):
        checks.between(f"{field}[{n}]", runner, 1, RUNNERS_MAX)
    checks.that(field, len(set(numbers)) == len(numbers), "names a runner twice")


def set_track_state(request: Any, checks: Checks) -> None:
    """PauseTrackRequest, ResumeTrackRequest, SuspendTrackRequest, and what their likes begin with."""
    checks.uuid("request_id", request.request_id)
    _track_name("track", request.track, checks)
    checks.text("reason", request.reason, 1, 200)


def set_selling(request: Any, checks: Checks) -> None:
    """SuspendSellingRequest or ResumeSellingRequest; whether the runner runs is decided further in."""
    set_track_state(request, checks)
    named = [bool(request.market), bool(request.runner), bool(request.terminal)]
    checks.that("market", sum(named) == 1, "does not stand alone: exactly one of market, runner and terminal does")
    checks.that("market", request.market in ticket_pb2.Line.Market.values(), "is no market")
    checks.between("runner", request.runner, 0, RUNNERS_MAX)
    checks.terminal("terminal", request.terminal)


def update_track(request: tracks.UpdateTrackRequest, checks: Checks) -> None:
    """UpdateTrackRequest; what is absent, empty or 0 is left as it is."""
    set_track_state(request, checks)
    checks.text("display_name", request.display_name, 0, 80)
    if request.return_bps:
        checks.between("return_bps", request.return_bps, 5_000, 9_999)
    if request.HasField("timetable"):
        _timetable("timetable", request.timetable, checks)
    if request.HasField("limits"):
        _limits("limits", request.limits, checks)
    _program("program", request.program, checks)
    parts = (request.HasField("timetable"), request.HasField("limits"), request.HasField("program"))
    changed = bool(request.display_name or request.return_bps) or any(parts)
    checks.that("track", changed, "comes with nothing to change")


def cancel_ticket(request: tickets.CancelTicketRequest, checks: Checks) -> None:
    """CancelTicketRequest."""
    checks.uuid("request_id", request.request_id)
    checks.uuid("ticket_id", request.ticket_id)
    checks.text("reason", request.reason, 1, 200)


def pay_ticket(request: tickets.PayTicketRequest, checks: Checks) -> None:
    """PayTicketRequest."""
    checks.uuid("request_id", request.request_id)
    checks.uuid("ticket_id", request.ticket_id)
    checks.uuid("account_id", request.account_id)


def create_account(request: accounts.CreateAccountRequest, checks: Checks) -> None:
    """CreateAccountRequest."""
    checks.uuid("request_id", request.request_id)
    kinds = (account_pb2.Account.PLAYER, account_pb2.Account.CASHIER)
    checks.that("kind", request.kind in kinds, "is neither PLAYER nor CASHIER")
    checks.pattern("currency", request.currency, _CURRENCY, "a currency of three capital letters")
    checks.text("display_name", request.display_name, 0, 80)
    credit_max_minor = AMOUNT_MINOR_MAX if request.kind == account_pb2.Account.CASHIER else 0
    checks.between("credit_limit_minor", request.credit_limit_minor, 0, credit_max_minor)


def move_money(request: Any, checks: Checks) -> None:
    """CreditAccountRequest or PayOutAccountRequest."""
    checks.uuid("request_id", request.request_id)
    checks.uuid("account_id", request.account_id)
    checks.between("amount_minor", request.amount_minor, 1, AMOUNT_MINOR_MAX)
    checks.text("reason", request.reason, 1, 200)


def adjust_account(request: accounts.AdjustAccountRequest, checks: Checks) -> None:
    """AdjustAccountRequest."""
    checks.uuid("request_id", request.request_id)
    checks.uuid("account_id", request.account_id)
    checks.between("amount_minor", request.amount_minor, -AMOUNT_MINOR_MAX, AMOUNT_MINOR_MAX)
    checks.that("amount_minor", request.amount_minor != 0, "is 0, which puts nothing right")
    checks.text("reason", request.reason, 1, 200)


def set_account_blocked(request: Any, checks: Checks) -> None:
    """BlockAccountRequest or UnblockAccountRequest."""
    checks.uuid("request_id", request.request_id)
    checks.uuid("account_id", request.account_id)
    checks.text("reason", request.reason, 1, 200)


def of_account(request: Any, checks: Checks) -> None:
    """A request for a list that belongs to an account."""
    checks.uuid("account_id", request.account_id)
    _page(request, checks)


def get_trial_balance(request: accounts.GetTrialBalanceRequest, checks: Checks) -> None:
    """GetTrialBalanceRequest."""
    checks.between("round_id", request.round_id, 0, INT64_MAX)


def get_account(request: accounts.GetAccountRequest, checks: Checks) -> None:
    """GetAccountRequest."""
    checks.uuid("account_id", request.account_id)


def _page(request: Any, checks: Checks) -> None:
    checks.between("page_size", request.page_size, 0, INT32_MAX)
    checks.text("page_token", request.page_token, 0, PAGE_TOKEN_CHARACTERS_MAX)


def _track_name(field: str, name: str, checks: Checks) -> None:
    checks.pattern(
        field, name, _TRACK, "a track: 1 to 40 lower-case letters, digits and single hyphens, beginning with a letter"
    )


def _timetable(field: str, timetable: round_pb2.Timetable, checks: Checks) -> None:
    checks.between(f"{field}.betting_window_ms", timetable.betting_window_ms, 1_000, 86_400_000)
    checks.between(f"{field}.lock_ms", timetable.lock_ms, 100, 60_000)
    checks.between(f"{field}.race_ms", timetable.race_ms, 100, 600_000)
    checks.between(f"{field}.finish_ms", timetable.finish_ms, 100, 600_000)


def _program(field: str, program: round_pb2.Program, checks: Checks) -> None:
    checks.that(f"{field}.source", program.source in round_pb2.Source.values(), "is no source of results")
    if program.place_return_bps:
        checks.between(f"{field}.place_return_bps", program.place_return_bps, 5_000, 9_999)
    checks.text(f"{field}.beacon", program.beacon, 0, NAME_CHARACTERS_MAX)
    if program.every_ms:
        checks.between(f"{field}.every_ms", program.every_ms, EVERY_MS_MIN, DAY_MS)
    _off_times(field, program, checks)
    checks.text(f"{field}.time_zone", program.time_zone, 0, NAME_CHARACTERS_MAX)
    checks.that(f"{field}.time_zone", is_time_zone(program.time_zone[:NAME_CHARACTERS_MAX]), "is no known time zone")
    needless = program.time_zone and not program.off_times_s
    checks.that(f"{field}.time_zone", not needless, "stands without times of the day")


def _off_times(field: str, program: round_pb2.Program, checks: Checks) -> None:
    times_s = program.off_times_s[: OFF_TIMES_MAX + 1]
    checks.length(f"{field}.off_times_s", program.off_times_s, 0, OFF_TIMES_MAX)
    for n, time_s in enumerate(times_s):
        checks.between(f"{field}.off_times_s[{n}]", time_s, 0, DAY_S - 1)
    checks.that(f"{field}.off_times_s", list(times_s) == sorted(set(times_s)), "do not rise")
    checks.that(f"{field}.off_times_s", not (times_s and program.every_ms), "stand beside every_ms; one of the two")


def _limits(field: str, limits: round_pb2.Limits, checks: Checks) -> None:
    checks.between(f"{field}.stake_min_minor", limits.stake_min_minor, 1, STAKE_MINOR_MAX)
    checks.between(f"{field}.stake_max_minor", limits.stake_max_minor, limits.stake_min_minor, STAKE_MINOR_MAX)
    for name in ("selection_payout_max_minor", "round_loss_max_minor", "payout_max_minor"):
        checks.between(f"{field}.{name}", getattr(limits, name), 0, LIABILITY_MINOR_MAX)


VALIDATORS: Final[Validators] = {
    tickets.PlaceTicketsRequest: place_tickets,
    tickets.StreamTicketsRequest: place_tickets,
    tickets.QuoteRequest: quote,
    tickets.GetTicketRequest: get_ticket,
    tickets.GetTicketProofRequest: get_ticket,
    tickets.ListTicketsRequest: of_account,
    tickets.CancelTicketRequest: cancel_ticket,
    tickets.PayTicketRequest: pay_ticket,
    rounds.GetRoundRequest: of_round,
    rounds.GetCurrentRoundRequest: of_track,
    rounds.ListRoundsRequest: list_rounds,
    rounds.GetRoundProofRequest: of_round,
    rounds.WatchRoundsRequest: watch_rounds,
    tracks.ListTracksRequest: _page,
    tracks.GetTrackRequest: of_track,
    tracks.ListSeedChainsRequest: of_track,
    tracks.ListPresenceRequest: of_track,
    tracks.CreateTrackRequest: create_track,
    tracks.ImportRaceCardsRequest: import_race_cards,
    tracks.VoidRoundRequest: void_round,
    tracks.EnterResultRequest: enter_result,
    tracks.CorrectResultRequest: enter_result,
    tracks.SetPricesRequest: set_prices,
    tracks.PauseTrackRequest: set_track_state,
    tracks.ResumeTrackRequest: set_track_state,
    tracks.SuspendTrackRequest: set_track_state,
    tracks.SuspendSellingRequest: set_selling,
    tracks.ResumeSellingRequest: set_selling,
    tracks.UpdateTrackRequest: update_track,
    accounts.CreateAccountRequest: create_account,
    accounts.CreditAccountRequest: move_money,
    accounts.PayOutAccountRequest: move_money,
    accounts.AdjustAccountRequest: adjust_account,
    accounts.BlockAccountRequest: set_account_blocked,
    accounts.UnblockAccountRequest: set_account_blocked,
    accounts.GetAccountRequest: get_account,
    accounts.ListTransfersRequest: of_account,
    accounts.GetTrialBalanceRequest: get_trial_balance,
}
