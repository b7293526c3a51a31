"""The rules of racing answer an order with the lowest verdict that is true of any of its lines."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.game.domain.card import Runner
from services.game.domain.order import (
    NO_REVISION,
    Line,
    Offer,
    Order,
    PricePolicy,
    Verdict,
    at_offered_prices,
    content_hash,
    judge,
    judge_quoted,
    lines_hash,
    offer_of,
    on_no_round,
    parts_at_offered_prices,
    selections,
)
from services.game.domain.phase import Phase
from services.game.domain.prices import priced
from services.game.domain.quote import Quote
from services.game.domain.track import Limits
from tests.rounds import stored_round

ACCOUNT = "0190d3c5-0000-7000-8000-000000000001"
OFFER = Offer(
    round_id=17,
    track="harbour-mile",
    locks_at_ms=1_800_000_060_000,
    prices={(1, 1): 313, (1, 3): 827, (1, 5): 900, (2, 1): 162, (2, 3): 240, (3, 1): 313, (3, 3): 827},
    limits=Limits(stake_min_minor=10, stake_max_minor=1_000),
)

WIN, PLACE, EACH_WAY = 1, 2, 3


def line(market: int, runners: str, stake_minor: int, price_hundredths: int) -> Line:
    numbers = tuple(int(number) for number in runners.split())
    return Line(market=market, runners=numbers, stake_minor=stake_minor, price_hundredths=price_hundredths)


def order(*lines: Line) -> Order:
    return Order(request_id="0190d3c5-0000-7000-8000-000000000002", account_id=ACCOUNT, lines=lines)


GOOD = line(WIN, "1", 10, 313)

TABLE = [
    # market, runners, stake_minor, price_hundredths, verdict
    (WIN,   "1",     10,     313, "UNDECIDED"),
    (WIN,   "3",     1_000,  827, "UNDECIDED"),
    (WIN,   "1",     500,    0,   "UNDECIDED"),
    (PLACE, "1",     10,     162, "UNDECIDED"),
    (PLACE, "3",     10,     0,   "UNDECIDED"),
    (PLACE, "5",     10,     0,   "INVALID_SELECTION"),  # so strong that it has no price to PLACE
    (PLACE, "1 3",   10,     0,   "INVALID_SELECTION"),
    (PLACE, "1",     10,     313, "PRICE_CHANGED"),
    (EACH_WAY, "1",  10,     0,   "UNDECIDED"),
    (EACH_WAY, "1",  10,     313, "UNDECIDED"),
    (EACH_WAY, "1",  10,     162, "PRICE_CHANGED"),
    (EACH_WAY, "5",  10,     0,   "INVALID_SELECTION"),
    (EACH_WAY, "1",  501,    0,   "UNDECIDED"),          # limits are on the stake of each part
    (EACH_WAY, "1",  9,      0,   "STAKE_BELOW_MIN"),
    (4,     "1",     10,     313, "INVALID_SELECTION"),
    (0,     "1",     10,     313, "INVALID_SELECTION"),
    (WIN,   "",      10,     0,   "INVALID_SELECTION"),
    (WIN,   "1 3",   10,     0,   "INVALID_SELECTION"),
    (WIN,   "2",     10,     0,   "INVALID_SELECTION"),
    (WIN,   "0",     10,     0,   "INVALID_SELECTION"),
    (WIN,   "-1",    10,     0,   "INVALID_SELECTION"),
    (WIN,   "1",     10,     312, "PRICE_CHANGED"),
    (WIN,   "1",     10,     314, "PRICE_CHANGED"),
    (WIN,   "1",     9,      313, "STAKE_BELOW_MIN"),
    (WIN,   "1",     0,      313, "STAKE_BELOW_MIN"),
    (WIN,   "1",     -10,    313, "STAKE_BELOW_MIN"),
    (WIN,   "1",     1_001,  313, "STAKE_ABOVE_MAX"),
    (WIN,   "1",     2**63 - 1, 0, "STAKE_ABOVE_MAX"),
    # two things wrong: the lower number wins
    (WIN,   "2",     9,      1,   "INVALID_SELECTION"),
    (WIN,   "1",     9,      312, "PRICE_CHANGED"),
    (WIN,   "1",     1_001,  312, "PRICE_CHANGED"),
]  # fmt: skip


@pytest.mark.parametrize(("market", "runners", "stake_minor", "price_hundredths", "verdict"), TABLE)
def test_a_line_gets_its_verdict_wherever_it_stands(
    market: int, runners: str, stake_minor: int, price_hundredths: int, verdict: str
) -> None:
    judged = line(market, runners, stake_minor, price_hundredths)

    for lines in ([judged], [GOOD, judged], [judged, GOOD]):
        judgement = judge(order(*lines), OFFER)
        assert judgement.verdict == Verdict[verdict]
        assert bool(judgement.reason) == (verdict != "UNDECIDED")


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        (line(WIN, "1", 1_001, 0), line(WIN, "2", 10, 0), "INVALID_SELECTION"),
        (line(WIN, "1", 1_001, 0), line(WIN, "1", 10, 1), "PRICE_CHANGED"),
        (line(WIN, "1", 1_001, 0), line(WIN, "1", 9, 0), "STAKE_BELOW_MIN"),
    ],
)
def test_of_two_wrong_lines_the_lowest_verdict_is_the_orders(first: Line, second: Line, verdict: str) -> None:
    assert judge(order(first, second), OFFER).verdict == Verdict[verdict]
    assert judge(order(second, first), OFFER).verdict == Verdict[verdict]


def test_a_line_without_a_price_keeps_the_price_that_is_offered() -> None:
    judgement = judge(order(line(WIN, "1", 10, 0), line(WIN, "3", 10, 827)), OFFER)

    assert [kept.price_hundredths for kept in judgement.lines] == [313, 827]


def test_an_each_way_line_becomes_one_to_win_and_one_to_place_of_its_stake_each() -> None:
    judgement = judge(order(line(EACH_WAY, "3", 10, 0), GOOD, line(EACH_WAY, "1", 20, 313)), OFFER)

    assert judgement.lines == (
        line(WIN, "3", 10, 827),
        line(PLACE, "3", 10, 240),
        GOOD,
        line(WIN, "1", 20, 313),
        line(PLACE, "1", 20, 162),
    )


@pytest.mark.parametrize(
    ("market", "runners", "words"),
    [
        (PLACE, "5", "runner 5 is not offered to PLACE"),
        (PLACE, "1 3", "PLACE takes one runner, not 2"),
        (EACH_WAY, "5", "runner 5 is not offered to EACH_WAY"),
        (9, "1", "market 9 is not offered"),
    ],
)
def test_what_cannot_be_bet_on_is_said_in_words(market: int, runners: str, words: str) -> None:
    assert judge(order(line(market, runners, 10, 0)), OFFER).reason == words


def test_a_round_offers_place_and_each_way_where_it_has_a_price_to_place() -> None:
    runners = [Runner(runner=at, name="", weight=weight) for at, weight in enumerate((900, 20, 20, 20, 40), start=1)]
    offered = offer_of(replace(stored_round(Phase.OPEN).round, runners=priced(runners, 9_900, 2, 8_500))).prices

    assert sorted(offered) == [
        *((WIN, runner) for runner in range(1, 6)),
        *((PLACE, runner) for runner in range(2, 6)),
        *((EACH_WAY, runner) for runner in range(2, 6)),
    ]
    assert all(offered[EACH_WAY, runner] == offered[WIN, runner] > offered[PLACE, runner] for runner in range(2, 6))
    assert {market for market, _ in offer_of(stored_round(Phase.OPEN).round).prices} == {WIN}


def test_a_refused_order_is_passed_on_as_it_was_sent() -> None:
    lines = (line(WIN, "1", 10, 0), line(WIN, "2", 10, 0))

    assert judge(order(*lines), OFFER).lines == lines
    assert on_no_round(order(*lines), 18).lines == lines


def test_an_order_on_no_round_is_told_so_before_anything_else() -> None:
    judgement = on_no_round(order(line(PLACE, "2", 0, 1)), 18)

    assert judgement.verdict == Verdict.ROUND_NOT_FOUND
    assert judgement.reason == "there is no round 18"


POLICIES = [
    # policy, price asked, price offered, verdict; an accepted line keeps what is offered
    ("UNSPECIFIED", 0,   300, "UNDECIDED"),
    ("UNSPECIFIED", 300, 300, "UNDECIDED"),
    ("UNSPECIFIED", 299, 300, "PRICE_CHANGED"),
    ("UNSPECIFIED", 301, 300, "PRICE_CHANGED"),
    ("ANY",         0,   300, "UNDECIDED"),
    ("ANY",         299, 300, "UNDECIDED"),
    ("ANY",         301, 300, "UNDECIDED"),
    ("BETTER",      299, 300, "UNDECIDED"),
    ("BETTER",      300, 300, "UNDECIDED"),
    ("BETTER",      301, 300, "PRICE_CHANGED"),
    ("EXACT",       299, 300, "PRICE_CHANGED"),
    ("EXACT",       300, 300, "UNDECIDED"),
    ("EXACT",       301, 300, "PRICE_CHANGED"),
]  # fmt: skip


@pytest.mark.parametrize(("policy", "asked", "offered", "verdict"), POLICIES)
def test_a_policy_says_which_prices_are_taken(policy: str, asked: int, offered: int, verdict: str) -> None:
    sent = order(line(WIN, "1", 10, asked))._replace(price_policy=PricePolicy[policy])
    judgement = judge(sent, replace(OFFER, prices={(1, 1): offered}, price_revision=7))

    assert judgement.verdict == Verdict[verdict]
    assert judgement.price_revision == 7
    assert [kept.price_hundredths for kept in judgement.lines] == [offered if verdict == "UNDECIDED" else asked]


def test_a_bet_on_nothing_is_refused_whatever_the_prices_are() -> None:
    judgement = judge(order(line(WIN, "2", 10, 0)), replace(OFFER, price_revision=7))

    assert (judgement.verdict, judgement.price_revision) == (Verdict.INVALID_SELECTION, NO_REVISION)


QUOTED = order(line(WIN, "1", 10, 0), line(WIN, "3", 20, 0))
QUOTE = Quote(
    round_id=17, expires_at_ms=5_000, lines_hash=lines_hash(QUOTED.lines), prices={(WIN, 1): 290, (WIN, 3): 900}
)


def test_a_quote_holds_its_prices_whatever_is_offered_now() -> None:
    judgement = judge_quoted(QUOTED, OFFER, QUOTE, 4_999)

    assert judgement.verdict == Verdict.UNDECIDED
    assert [kept.price_hundredths for kept in judgement.lines] == [290, 900]
    assert (judgement.price_revision, judgement.held_until_ms) == (NO_REVISION, 5_000)


@pytest.mark.parametrize(
    ("sent", "quote", "now_ms", "words"),
    [
        (QUOTED, None, 0, "the quote is none of ours"),
        (QUOTED, replace(QUOTE, round_id=18), 0, "the quote is for round 18"),
        (QUOTED, QUOTE, 5_000, "the quote has expired"),
        (order(line(WIN, "1", 10, 0)), QUOTE, 0, "the quote is for other lines"),
        (order(line(WIN, "1", 11, 0), line(WIN, "3", 20, 0)), QUOTE, 0, "the quote is for other lines"),
        (
            order(line(WIN, "1", 10, 313), line(WIN, "3", 20, 0)), QUOTE, 0,
            "runner 1 is offered at 290, not at 313 hundredths",
        ),
    ],
)  # fmt: skip
def test_a_quote_that_does_not_fit_is_refused(sent: Order, quote: Quote | None, now_ms: int, words: str) -> None:
    judgement = judge_quoted(sent, OFFER, quote, now_ms)

    assert (judgement.verdict, judgement.reason) == (Verdict.PRICE_CHANGED, words)
    assert judgement.price_revision == NO_REVISION


def test_a_quote_holds_prices_and_nothing_else() -> None:
    nowhere = order(line(WIN, "2", 10, 0))
    too_low = order(line(WIN, "1", 9, 0))
    quote = replace(QUOTE, lines_hash=lines_hash(too_low.lines))

    assert judge_quoted(nowhere, OFFER, QUOTE, 0).verdict == Verdict.INVALID_SELECTION
    assert judge_quoted(too_low, OFFER, quote, 0).verdict == Verdict.STAKE_BELOW_MIN


@pytest.mark.parametrize(
    ("policy", "asked", "verdict"),
    [
        ("ANY", 999, "UNDECIDED"),
        ("BETTER", 312, "UNDECIDED"),
        ("BETTER", 314, "PRICE_CHANGED"),
        ("EXACT", 313, "UNDECIDED"),
    ],
)
def test_a_policy_looks_at_the_win_part_of_an_each_way_line_and_takes_both(
    policy: str, asked: int, verdict: str
) -> None:
    sent = order(line(EACH_WAY, "1", 10, asked))._replace(price_policy=PricePolicy[policy])
    judgement = judge(sent, OFFER)

    assert judgement.verdict == Verdict[verdict]
    taken = (line(WIN, "1", 10, 313), line(PLACE, "1", 10, 162))
    assert judgement.lines == (taken if verdict == "UNDECIDED" else sent.lines)


@pytest.mark.parametrize("policy", ["UNSPECIFIED", "ANY"])
def test_a_quote_of_an_each_way_line_holds_the_prices_of_both_parts(policy: str) -> None:
    sent = order(line(EACH_WAY, "1", 10, 0))._replace(price_policy=PricePolicy[policy])
    held = {(WIN, 1): 290, (PLACE, 1): 150, (EACH_WAY, 1): 290}
    quote = Quote(round_id=17, expires_at_ms=5_000, lines_hash=lines_hash(sent.lines), prices=held)
    judgement = judge_quoted(sent, OFFER, quote, 4_999)

    assert selections(sent.lines) == held.keys()
    assert judgement.lines == (line(WIN, "1", 10, 290), line(PLACE, "1", 10, 150))
    assert judgement.held_until_ms == 5_000


def test_what_a_quote_answers_keeps_each_way_lines_whole() -> None:
    assert at_offered_prices((line(EACH_WAY, "3", 10, 0), GOOD), OFFER) == (line(EACH_WAY, "3", 10, 827), GOOD)


def test_the_parts_of_a_quote_are_the_lines_that_a_ticket_would_have() -> None:
    parts = parts_at_offered_prices((line(EACH_WAY, "3", 10, 0), GOOD), OFFER)
    assert parts == (line(WIN, "3", 10, 827), line(PLACE, "3", 10, 240), GOOD)


def test_an_order_without_policy_and_quote_hashes_as_it_always_did() -> None:
    assert content_hash(17, order(GOOD)).hex() == "540fbd501ce16202adc4fc6952b4e83494498d4f998d0e63ad2694be62998a33"


LINES = st.builds(
    Line,
    market=st.integers(-(2**31), 2**31 - 1),
    runners=st.lists(st.integers(-(2**31), 2**31 - 1), max_size=3).map(tuple),
    stake_minor=st.integers(-(2**63), 2**63 - 1),
    price_hundredths=st.integers(-(2**63), 2**63 - 1),
)
ORDERS = st.builds(
    Order,
    request_id=st.uuids().map(str),
    account_id=st.uuids().map(str),
    lines=st.lists(LINES, min_size=1, max_size=4).map(tuple),
    price_policy=st.sampled_from(PricePolicy),
    quote=st.sampled_from(("", "AB", "ABC")),
)


@given(ORDERS)
def test_whatever_is_sent_gets_a_verdict_of_the_rules(sent: Order) -> None:
    assert judge(sent, OFFER).verdict in {
        Verdict.UNDECIDED,
        Verdict.INVALID_SELECTION,
        Verdict.PRICE_CHANGED,
        Verdict.STAKE_BELOW_MIN,
        Verdict.STAKE_ABOVE_MAX,
    }


@given(ORDERS, ORDERS, st.integers(1, 2**63 - 1))
def test_orders_share_a_hash_only_when_they_ask_for_the_same(one: Order, other: Order, round_id: int) -> None:
    same = one[1:] == other[1:]

    assert (content_hash(round_id, one) == content_hash(round_id, other)) == same


@pytest.mark.parametrize(
    "other",
    [
        order(GOOD._replace(market=2)),
        order(GOOD._replace(runners=(3,))),
        order(GOOD._replace(runners=(1, 1))),
        order(GOOD._replace(stake_minor=11)),
        order(GOOD._replace(price_hundredths=0)),
        order(GOOD, GOOD),
        order(GOOD)._replace(account_id="0190d3c5-0000-7000-8000-000000000009"),
    ],
)
def test_any_change_of_an_order_changes_its_hash(other: Order) -> None:
    assert content_hash(17, order(GOOD)) != content_hash(17, other)


def test_the_hash_tells_rounds_apart_and_request_ids_not() -> None:
    renamed = order(GOOD)._replace(request_id="0190d3c5-0000-7000-8000-00000000000a")

    assert content_hash(17, order(GOOD)) != content_hash(18, order(GOOD))
    assert content_hash(17, order(GOOD)) == content_hash(17, renamed)


def test_the_hash_never_changes_between_versions() -> None:
    # Hashes are stored: another encoding would take every repeat of an old order for a reused id.
    sent = order(line(WIN, "1", 500, 235), line(PLACE, "3 1", 10, 0))

    assert content_hash(17, sent).hex() == "9cfe56db4548e271af5ca20bf261d075cdd811384301b799e16c683460675dd5"
