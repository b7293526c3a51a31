"""The decision on a batch, as tables: one row an order, the last column its verdict.

A table's columns:

    id      name of the request id; "old" ids were made more than 7 days ago, "far" ones more than a day ahead
    content what the client sent; the same id with another content is another order
    account who pays: A, B and so on as the table's accounts say
    stake   of its one line, in minor units
    game    the verdict of the rules of racing, - where they have nothing against it
    verdict the answer, with a star where it is a repeat
"""

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from furlong.client.identity import uuid7

from services.persist.domain.bounds import PRICE_HUNDREDTHS_MAX, ROUND_PAYOUT_MINOR_MAX, STAKE_MINOR_MAX
from services.persist.domain.decision import (
    REQUEST_ID_AGE_MS_MAX,
    REQUEST_ID_AHEAD_MS_MAX,
    Decision,
    Facts,
    GateRound,
    Judged,
    KnownKey,
    Payer,
    decide,
)
from services.persist.domain.risk import Selection, Sold
from services.persist.domain.round import NOTHING_SOLD, Limits, Phase, Totals
from services.persist.domain.suspension import Part, Suspended
from services.persist.domain.ticket import Line, Order, Ticket, TicketState
from services.persist.domain.verdict import Verdict

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
PRICE = 235

ACCOUNTS: Mapping[str, Payer] = {
    "A": Payer(currency="EUR", balance_minor=100, floor_minor=0, blocked=False),
    "B": Payer(currency="EUR", balance_minor=1_000, floor_minor=0, blocked=True),
    "C": Payer(currency="USD", balance_minor=1_000, floor_minor=0, blocked=False),
    "T": Payer(currency="EUR", balance_minor=0, floor_minor=-50, blocked=False),
}


def request_id(name: str) -> str:
    """The id of a name; names that begin with "old" are one millisecond too old, "edge" just not, and likewise "far"
    and "near" ahead."""
    ages_ms = {
        "old": REQUEST_ID_AGE_MS_MAX + 1,
        "edge": REQUEST_ID_AGE_MS_MAX,
        "far": -REQUEST_ID_AHEAD_MS_MAX - 1,
        "near": -REQUEST_ID_AHEAD_MS_MAX,
    }
    age_ms = ages_ms.get(name.rstrip("0123456789"), 0)
    return uuid7(NOW_MS - age_ms, sha256(name.encode()).digest()[:10])


def order(name: str, content: str, account: str, stake: int, game: str = "-") -> Order:
    refusal = None if game == "-" else Verdict[game]
    line = Line(market=1, selection=b"\x01", stake_minor=stake, price_hundredths=PRICE)
    return Order(
        request_id=request_id(name),
        account_id=account,
        lines=() if refusal else (line,),
        stake_minor=0 if refusal else stake,
        content_hash=content.encode(),
        refusal=refusal,
        refusal_reason="game says so" if refusal else "",
    )


def gate_round(
    phase: Phase = Phase.OPEN,
    left_ms: int = 1,
    payout_minor_max: int = 0,
    suspended: bool = False,
    stake_minor: int = 0,
    selection_payout_max_minor: int = 0,
    round_loss_max_minor: int = 0,
    sold: Mapping[Selection, Sold] | None = None,
) -> GateRound:
    return GateRound(
        round_id=17,
        track="harbour-mile",
        phase=phase,
        suspended=suspended,
        locks_at=NOW + timedelta(milliseconds=left_ms),
        currency="EUR",
        escrow_account_id="escrow",
        totals=Totals(tickets=0, stake_minor=stake_minor, payout_minor_max=payout_minor_max),
        limits=Limits(
            stake_min_minor=1,
            stake_max_minor=STAKE_MINOR_MAX,
            selection_payout_max_minor=selection_payout_max_minor,
            round_loss_max_minor=round_loss_max_minor,
        ),
        sold=sold or {},
    )


OPEN = gate_round()


def facts(round: GateRound | None = OPEN, keys: Mapping[str, KnownKey] | None = None) -> Facts:
    return Facts(now=NOW, batch_id=1, round=round, keys=keys or {}, payers=ACCOUNTS)


def rows(table: str) -> list[list[str]]:
    return [line.split() for line in table.strip().splitlines() if not line.strip().startswith("id ")]


def answer(decision: Decision) -> str:
    return decision.verdict.name + ("*" if decision.replayed else "")


def check(table: str, given: Facts) -> Judged:
    parsed = rows(table)
    orders = [order(name, content, account, int(stake), game) for name, content, account, stake, game, _ in parsed]
    judged = decide(orders, given)
    assert [answer(decision) for decision in judged.decisions] == [row[-1] for row in parsed]
    return judged


def test_money_runs_down_only_by_what_is_accepted() -> None:
    check(
        """
        id  content  account  stake  game  verdict
        1   x        A        80     -     ACCEPTED
        2   x        A        50     -     INSUFFICIENT_FUNDS
        3   x        A        20     -     ACCEPTED
        4   x        A        1      -     INSUFFICIENT_FUNDS
        5   x        T        50     -     ACCEPTED
        6   x        T        1      -     INSUFFICIENT_FUNDS
        """,
        facts(),
    )


def test_the_lowest_number_is_the_verdict_whoever_found_it() -> None:
    check(
        """
        id    content  account  stake  game                verdict
        old1  x        Z        999    INVALID_SELECTION   REQUEST_ID_EXPIRED
        1     x        Z        999    INVALID_SELECTION   INVALID_SELECTION
        2     x        A        999    STAKE_ABOVE_MAX     STAKE_ABOVE_MAX
        3     x        B        999    PRICE_CHANGED       PRICE_CHANGED
        4     x        Z        999    -                   ACCOUNT_NOT_FOUND
        5     x        C        999    -                   ACCOUNT_NOT_FOUND
        6     x        B        9999   -                   ACCOUNT_BLOCKED
        7     x        A        999    -                   INSUFFICIENT_FUNDS
        """,
        facts(),
    )


CLOSED_TABLE = """
    id    content  account  stake  game               verdict
    1     x        A        1      -                  BETTING_CLOSED
    2     x        Z        1      SUSPENDED          BETTING_CLOSED
    3     x        A        1      ROUND_NOT_FOUND    ROUND_NOT_FOUND
    old1  x        A        1      -                  REQUEST_ID_EXPIRED
    1     x        A        1      -                  BETTING_CLOSED*
    1     y        A        1      -                  REQUEST_ID_REUSED
"""


@pytest.mark.parametrize(
    "closed",
    [
        *(gate_round(phase=phase) for phase in Phase if phase is not Phase.OPEN),
        gate_round(left_ms=0),
        gate_round(left_ms=-1),
    ],
)
def test_a_round_that_is_not_open_or_whose_time_is_over_takes_nothing(closed: GateRound) -> None:
    assert not check(CLOSED_TABLE, facts(closed)).accepted


def test_without_a_round_every_new_order_hears_so() -> None:
    judged = check(
        """
        id    content  account  stake  game               verdict
        1     x        A        1      -                  ROUND_NOT_FOUND
        2     x        A        1      STAKE_BELOW_MIN    ROUND_NOT_FOUND
        old1  x        A        1      -                  REQUEST_ID_EXPIRED
        """,
        facts(None),
    )
    assert len(judged.refused) == 2


def test_an_id_that_was_answered_gets_that_answer_before_any_rule() -> None:
    ticket = Ticket(
        ticket_id=request_id("1"),
        round_id=17,
        account_id="A",
        state=TicketState.ACCEPTED,
        stake_minor=5,
        payout_minor=0,
        placed_at=NOW,
        lines=(),
        currency="EUR",
    )
    keys = {
        request_id("1"): KnownKey(content_hash=b"x", verdict=Verdict.ACCEPTED, reason="", ticket=ticket),
        request_id("2"): KnownKey(content_hash=b"x", verdict=Verdict.PRICE_CHANGED, reason="then", ticket=None),
        request_id("old1"): KnownKey(content_hash=b"x", verdict=Verdict.ACCEPTED, reason="", ticket=ticket),
    }
    table = """
        id    content  account  stake  game            verdict
        1     x        Z        999    PRICE_CHANGED   ACCEPTED*
        1     y        A        1      -               REQUEST_ID_REUSED
        2     x        A        1      -               PRICE_CHANGED*
        old1  x        A        1      -               ACCEPTED*
        old1  y        A        1      -               REQUEST_ID_EXPIRED
    """
    for round in (OPEN, gate_round(phase=Phase.SETTLED), None):
        judged = check(table, facts(round, keys))
        assert judged.decisions[0].ticket is ticket
        assert judged.decisions[2].reason == "then"
        assert (judged.refused, judged.accepted) == ([], [])


def test_an_id_answered_within_the_batch_counts_as_answered() -> None:
    judged = check(
        """
        id    content  account  stake  game            verdict
        1     x        A        60     -               ACCEPTED
        1     x        A        60     -               ACCEPTED*
        1     y        A        60     -               REQUEST_ID_REUSED
        2     x        A        60     -               INSUFFICIENT_FUNDS
        2     x        A        60     -               INSUFFICIENT_FUNDS*
        3     y        A        40     -               ACCEPTED
        3     x        A        40     -               REQUEST_ID_REUSED
        """,
        facts(),
    )
    assert [each.request_id for each in judged.accepted] == [request_id("1"), request_id("3")]
    assert len(judged.refused) == 1
    again = judged.decisions[1].ticket
    assert again is not None
    assert (again.ticket_id, again.stake_minor, again.placed_at) == (request_id("1"), 60, NOW)


def test_an_id_of_exactly_seven_days_is_not_too_old() -> None:
    check("edge1 x A 1 - ACCEPTED", facts())


def test_an_id_from_the_future_is_refused_and_not_kept() -> None:
    judged = check(
        """
        id     content  account  stake  game             verdict
        near1  x        A        1      -                ACCEPTED
        far1   x        A        1      -                REQUEST_ID_EXPIRED
        far2   x        Z        1      PRICE_CHANGED    REQUEST_ID_EXPIRED
        far1   x        A        1      -                REQUEST_ID_EXPIRED*
        """,
        facts(),
    )
    assert not judged.refused
    assert "future" in judged.decisions[1].reason


def test_a_suspended_track_takes_no_tickets() -> None:
    table = """
        id    content  account  stake  game               verdict
        1     x        A        1      -                  SUSPENDED
        2     x        Z        1      INVALID_SELECTION  SUSPENDED
        3     x        A        1      BETTING_CLOSED     BETTING_CLOSED
        old1  x        A        1      -                  REQUEST_ID_EXPIRED
        1     x        A        1      -                  SUSPENDED*
    """
    assert not check(table, facts(gate_round(suspended=True))).accepted


def test_a_round_that_is_closed_says_so_before_it_is_suspended() -> None:
    check("1 x A 1 - BETTING_CLOSED", facts(gate_round(left_ms=0, suspended=True)))


def test_only_verdicts_that_time_or_content_could_change_are_not_kept() -> None:
    judged = check(
        """
        id    content  account  stake  game            verdict
        old1  x        A        1      -               REQUEST_ID_EXPIRED
        1     x        A        1      PRICE_CHANGED   PRICE_CHANGED
        1     y        A        1      -               REQUEST_ID_REUSED
        """,
        facts(),
    )
    assert [decision.verdict for _, decision in judged.refused] == [Verdict.PRICE_CHANGED]


def test_a_round_takes_no_more_risk_than_it_can_count() -> None:
    risk_minor = 100 * PRICE // 100
    check(
        """
        id    content  account  stake  game  verdict
        1     x        Z        101    -     LIABILITY_EXCEEDED
        2     x        A        100    -     ACCEPTED
        3     x        T        1      -     LIABILITY_EXCEEDED
        """,
        facts(gate_round(payout_minor_max=ROUND_PAYOUT_MINOR_MAX - risk_minor)),
    )


def test_the_greatest_possible_round_stays_inside_64_bits() -> None:
    line = Line(market=1, selection=b"\x01", stake_minor=STAKE_MINOR_MAX, price_hundredths=PRICE_HUNDREDTHS_MAX)
    overshoot = 1_000 * 20 * line.payout_minor  # a batch of the greatest tickets, decided at the same moment
    assert ROUND_PAYOUT_MINOR_MAX + 8 * overshoot < 2**63


def test_all_new_acceptances_of_a_batch_share_one_decision() -> None:
    judged = decide([order(str(n), "x", "A", 1) for n in range(3)], facts())
    assert len({id(decision) for decision in judged.decisions}) == 1
    assert judged.decisions[0].placed_at == NOW
    assert OPEN.totals == NOTHING_SOLD


def test_the_order_of_arrival_decides_who_gets_the_last_money() -> None:
    orders: Sequence[Order] = [order("1", "x", "A", 100), order("2", "x", "A", 100)]
    for asked in (orders, orders[::-1]):
        assert decide(asked, facts()).accepted == [asked[0]]


SUSPENSIONS: Sequence[tuple[Part, str, tuple[int, ...], str, str]] = (
    (Part(market=1),          "",     (1,),   "SUSPENDED", "betting on WIN is suspended"),
    (Part(market=2),          "",     (1,),   "ACCEPTED",  ""),
    (Part(runner=1),          "",     (1,),   "SUSPENDED", "betting on runner 1 is suspended"),
    (Part(runner=1),          "",     (2, 1), "SUSPENDED", "betting on runner 1 is suspended"),
    (Part(runner=1),          "",     (2, 3), "ACCEPTED",  ""),
    (Part(terminal="till-3"), "till-3", (1,), "SUSPENDED", "terminal till-3 is suspended"),
    (Part(terminal="till-3"), "till-4", (1,), "ACCEPTED",  ""),
    (Part(terminal="till-3"), "",     (1,),   "ACCEPTED",  ""),
)  # fmt: skip


@pytest.mark.parametrize(("part", "terminal", "runners", "verdict", "reason"), SUSPENSIONS)
def test_an_order_with_a_suspended_part_is_refused(
    part: Part, terminal: str, runners: tuple[int, ...], verdict: str, reason: str
) -> None:
    lines = [Line(market=1, selection=bytes([runner]), stake_minor=1, price_hundredths=PRICE) for runner in runners]
    asked = order("1", "x", "A", len(lines))._replace(lines=lines, terminal=terminal)
    given = facts(dataclasses.replace(gate_round(), parts_suspended=Suspended([part])))
    (decision,) = decide([asked], given).decisions
    assert (decision.verdict.name, decision.reason) == (verdict, reason)


@pytest.mark.parametrize("game", [Verdict.INVALID_SELECTION, Verdict.PRICE_CHANGED, Verdict.STAKE_ABOVE_MAX])
def test_a_suspended_part_comes_before_what_the_game_says_and_after_the_lock(game: Verdict) -> None:
    line = Line(market=1, selection=b"\x01", stake_minor=0, price_hundredths=0)
    asked = order("1", "x", "A", 5, game.name)._replace(lines=[line])
    verdicts = [
        decide([asked], facts(dataclasses.replace(round_, parts_suspended=Suspended(parts)))).decisions[0].verdict
        for round_, parts in (
            (gate_round(), [Part(runner=1)]),
            (gate_round(), [Part(runner=2)]),
            (gate_round(phase=Phase.LOCKED), [Part(runner=1)]),
        )
    ]
    assert verdicts == [Verdict.SUSPENDED, game, Verdict.BETTING_CLOSED]


def test_an_order_judged_by_prices_that_moved_is_not_decided_and_keeps_nothing() -> None:
    moved = dataclasses.replace(OPEN, price_revision=3)
    stale = order("1", "x", "A", 10)._replace(price_revision=2)
    refused = order("2", "x", "A", 10, "PRICE_CHANGED")._replace(price_revision=2)
    fresh = order("3", "x", "A", 10)._replace(price_revision=3)
    quoted = order("4", "x", "A", 10)
    judged = decide([stale, refused, fresh, quoted, stale], facts(moved))

    assert [answer(decision) for decision in judged.decisions] == [
        *("UNDECIDED", "UNDECIDED", "ACCEPTED", "ACCEPTED", "UNDECIDED"),
    ]
    assert [kept.request_id for kept in judged.accepted] == [fresh.request_id, quoted.request_id]
    assert judged.refused == []
    assert judged.stakes_minor == {"A": 20}


@pytest.mark.parametrize(
    ("round", "verdict"),
    [
        (None, "ROUND_NOT_FOUND"),
        (gate_round(phase=Phase.LOCKED), "BETTING_CLOSED"),
        (gate_round(suspended=True), "SUSPENDED"),
    ],
)
def test_what_is_refused_whatever_the_prices_is_decided(round: GateRound | None, verdict: str) -> None:
    stale = order("1", "x", "A", 10)._replace(price_revision=2)
    old = order("old1", "x", "A", 10)._replace(price_revision=2)

    judged = decide([stale, old], facts(round))
    assert [answer(decision) for decision in judged.decisions] == [verdict, "REQUEST_ID_EXPIRED"]


def test_a_suspended_part_is_refused_whatever_the_prices_are() -> None:
    line = Line(market=1, selection=b"\x01", stake_minor=1, price_hundredths=PRICE)
    stale = order("1", "x", "A", 1)._replace(lines=[line], price_revision=2)
    other = order("2", "x", "A", 1)._replace(lines=[line._replace(selection=b"\x02")], price_revision=2)
    round_ = dataclasses.replace(gate_round(), price_revision=3, parts_suspended=Suspended([Part(runner=1)]))
    judged = decide([stale, other], facts(round_))
    assert [answer(decision) for decision in judged.decisions] == ["SUSPENDED", "UNDECIDED"]


def test_an_answer_that_was_given_stands_whatever_the_prices_are() -> None:
    first = order("1", "x", "A", 10)
    given = facts(
        keys={
            first.request_id: KnownKey(
                content_hash=b"x", verdict=Verdict.STAKE_ABOVE_MAX, reason="too much", ticket=None
            )
        }
    )
    assert [answer(each) for each in decide([first._replace(price_revision=9)], given).decisions] == [
        "STAKE_ABOVE_MAX*"
    ]


@pytest.mark.parametrize(("held_ms", "verdict"), [(1, "ACCEPTED"), (0, "PRICE_CHANGED"), (-1, "PRICE_CHANGED")])
def test_a_quote_holds_until_its_time_on_the_databases_clock(held_ms: int, verdict: str) -> None:
    held = order("1", "x", "A", 10)._replace(held_until_ms=NOW_MS + held_ms)
    assert [answer(each) for each in decide([held], facts()).decisions] == [verdict]
