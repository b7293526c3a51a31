"""A hundred thousand rounds by chance: what the settlement computes of them is what the slow model says.

The winners are the game's, on persist's wire and back; the arithmetic is that of the settlement's own statements, over
all rounds at once. `python -m pytest tests/contract/persist/test_many_rounds.py` repeats it: the seed is fixed.
"""

import itertools
import random
from collections.abc import Iterator, Sequence
from typing import Any

import asyncpg

from deploy.local.postgres import DATABASE, PostgresServer
from services.game.adapters.persist.wire import winner_to
from services.game.domain.winners import winners_by
from services.persist.adapters.postgres.payouts import PAYOUT, as_columns, capped, greatest, line_gets_back, line_wins
from services.persist.adapters.postgres.payouts import is_plain as is_plain_by
from services.persist.domain.payout import payout_minor, ticket_payout_minor
from services.persist.domain.round import Winner
from services.persist.domain.winners import canonical, decoded
from services.persist.service import parse
from tests.model.settlement import BoughtLine, BoughtTicket, Finish, payouts_minor
from tests.model.test_settlement import TIED

ROUNDS = 100_000
SEED = 6
MARKETS = {"WIN": 1, "PLACE": 2}

TABLES = """
CREATE TEMPORARY TABLE bought (round_id bigint, ticket text, market smallint, selection bytea, stake_minor bigint,
    price_hundredths integer);
CREATE TEMPORARY TABLE paying (round_id bigint, market smallint, selection bytea, numerator bigint, denominator bigint,
    given_back bigint);
CREATE TEMPORARY TABLE races (round_id bigint, greatest_minor bigint, is_plain boolean);
"""

COMPUTED = f"""
SELECT r.round_id, l.ticket, {PAYOUT} AS plain_minor,
    {capped(f"sum({line_wins()})", f"sum({line_gets_back()})", "min(r.greatest_minor)")} AS paid_minor, r.is_plain
FROM races r JOIN bought l USING (round_id) JOIN paying w USING (round_id, market, selection)
GROUP BY r.round_id, l.ticket, r.is_plain
"""


def race(chance: random.Random) -> Finish:
    """A race with dead heats, withdrawn runners and non-finishers now and then."""
    field = list(range(1, chance.randint(2, 12) + 1))
    places = 3 if len(field) >= 8 else 2 if len(field) >= 5 else 0
    chance.shuffle(field)
    withdrawn = {field.pop() for _ in range(chance.choice((0, 0, 0, 0, 1, 2))) if len(field) > 2}
    for _ in range(chance.choice((0, 0, 0, 0, 1, 2))):
        if len(field) > 1:
            field.pop()  # ran and did not finish
    groups = []
    while field:
        shared = min(len(field), chance.choice((1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 3, 4)))
        groups.append(tuple(field[:shared]))
        del field[:shared]
    greatest_minor = chance.choice((0, 0, 0, chance.randint(1, 1_000)))
    return Finish(groups=tuple(groups), withdrawn=frozenset(withdrawn), places=places, greatest_minor=greatest_minor)


def tickets(chance: random.Random, finish: Finish) -> Sequence[BoughtTicket]:
    """Up to two tickets with up to three lines on what the round offers, those who did not finish left out."""
    runners = [*(runner for group in finish.groups for runner in group), *finish.withdrawn]
    markets = ("WIN", "PLACE") if finish.places else ("WIN",)
    return [
        BoughtTicket(
            ticket_id=f"t{n}",
            account_id="a",
            lines=tuple(
                BoughtLine(
                    market=chance.choice(markets),
                    runners=(chance.choice(runners),),
                    stake_minor=chance.choice((1, 99, 500, chance.randint(1, 10_000_000))),
                    price_hundredths=chance.choice((101, 235, 1_333, chance.randint(101, 100_000_000))),
                )
                for _ in range(chance.randint(1, 3))
            ),
        )
        for n in range(chance.randint(1, 2))
    ]


def published() -> Iterator[tuple[Finish, Sequence[BoughtTicket]]]:
    """What the bookmakers give as examples, but for ten places, which nobody offers here."""
    for market, stake_minor, price_hundredths, text, places, _ in TIED:
        if places > 3:
            continue
        groups = tuple(tuple(map(int, group.split(","))) for group in text.split())
        bought = BoughtLine(market=market, runners=(1,), stake_minor=stake_minor, price_hundredths=price_hundredths)
        yield Finish(groups=groups, places=places), [BoughtTicket(ticket_id="t0", account_id="a", lines=(bought,))]


def winners_of(finish: Finish) -> Sequence[Winner]:
    """The game's winners, as persist reads them back from the settlement that keeps them."""
    result: list[int] = []
    positions: list[int] = []
    for group in finish.groups:
        positions += [len(result) + 1] * len(group)
        result += group
    found = winners_by(tuple(result), tuple(positions), tuple(sorted(finish.withdrawn)), finish.places)
    return decoded(canonical([parse.winner(winner_to(winner)) for winner in found]))


def by_hand(ticket: BoughtTicket, winners: Sequence[Winner], greatest_minor: int) -> int:
    """What persist's domain says that a ticket is paid."""
    won = {(winner.market, winner.selection): winner for winner in winners}
    lines = [
        (line, winner)
        for line in ticket.lines
        if (winner := won.get((MARKETS[line.market], bytes(line.runners)))) is not None
    ]
    wins_minor = sum(
        payout_minor(line.stake_minor, line.price_hundredths, winner.numerator, winner.denominator)
        for line, winner in lines
        if not winner.refund
    )
    back_minor = sum(line.stake_minor for line, winner in lines if winner.refund)
    return ticket_payout_minor(wins_minor, back_minor, greatest_minor)


def _columns(line: BoughtLine) -> tuple[object, ...]:
    return MARKETS[line.market], bytes(line.runners), line.stake_minor, line.price_hundredths


async def test_a_hundred_thousand_rounds_are_settled_as_the_model_settles_them(postgres: PostgresServer) -> None:
    chance = random.Random(SEED)
    by_chance = ((finish, tickets(chance, finish)) for finish in (race(chance) for _ in range(ROUNDS)))
    owed: dict[tuple[int, str], int] = {}
    bought: list[tuple[Any, ...]] = []
    paying: list[tuple[Any, ...]] = []
    races: list[tuple[Any, ...]] = []
    for round_id, (finish, sold) in enumerate(itertools.chain(published(), by_chance)):
        winners = winners_of(finish)
        for ticket_id, paid_minor in payouts_minor(sold, finish).items():
            if paid_minor:
                owed[round_id, ticket_id] = paid_minor
        for ticket in sold:
            assert by_hand(ticket, winners, finish.greatest_minor) == owed.get((round_id, ticket.ticket_id), 0), finish
            bought += [(round_id, ticket.ticket_id, *_columns(line)) for line in ticket.lines]
        paying += [(round_id, *row) for row in zip(*as_columns(winners), strict=True)]
        races.append((round_id, greatest(finish.greatest_minor), is_plain_by(winners, finish.greatest_minor)))

    connection = await asyncpg.connect(postgres.url_of(DATABASE))
    try:
        await connection.execute(TABLES)
        await connection.copy_records_to_table("bought", records=bought)
        await connection.copy_records_to_table("paying", records=paying)
        await connection.copy_records_to_table("races", records=races)
        rows = await connection.fetch(COMPUTED)
    finally:
        await connection.close()

    computed = {(row["round_id"], row["ticket"]): row["paid_minor"] for row in rows if row["paid_minor"]}
    plain = {(row["round_id"], row["ticket"]): row["plain_minor"] for row in rows if row["is_plain"]}
    assert computed == owed
    assert all(owed.get(ticket, 0) == paid_minor for ticket, paid_minor in plain.items())
    assert len(plain) > ROUNDS / 4 < len(owed) - len(plain), "both forms of the statement have much to do"
