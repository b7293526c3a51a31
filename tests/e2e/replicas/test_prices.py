"""Prices that move at one game, and people who bet and watch at the other."""

import asyncio
import time

from furlong.client import Furlong, connect, uuid7
from furlong.common.v1.round_pb2 import Program, Source
from furlong.common.v1.ticket_pb2 import Line, Price, TicketOrder, TicketResult

from tests.e2e.doors import GrpcDoor
from tests.e2e.people import People
from tests.e2e.private_stack import PrivateStack
from tests.e2e.racing import SLOW, new_track, open_account, open_round

TOLD_S = 2.0
"""Sooner than a room looks at the store by itself."""


def bet(account_id: str, price_hundredths: int, policy: TicketOrder.PricePolicy.ValueType) -> TicketOrder:
    line = Line(market=Line.WIN, runners=[1], stake_minor=10, price_hundredths=price_hundredths)
    return TicketOrder(request_id=uuid7(), account_id=account_id, lines=[line], price_policy=policy)


async def test_a_price_that_one_game_withdrew_is_refused_by_the_other_at_once(
    two: PrivateStack, door: GrpcDoor, games: list[Furlong], cashier: str
) -> None:
    track = await new_track(two.stack, "moved", SLOW, program=Program(source=Source.ENTERED))
    opened = await open_round(door, track)
    round_id, price = int(opened["round_id"]), int(opened["runners"][0]["win_price_hundredths"])
    account_id = await open_account(door, cashier)
    addresses = two.stack.addresses.game.split(",")
    for moves_at, bets_at in ((0, 1), (1, 0)):
        frames = games[bets_at].rounds.watch(track, update_interval_ms=60_000)
        seen = (await anext(frames)).round
        async with (
            connect(addresses[moves_at], token=People(two.stack).operator) as operator,
            connect(addresses[bets_at], token=cashier) as game,
        ):
            line = Line(market=Line.WIN, runners=[1], stake_minor=10)
            quoted = await game.tickets.quote(round_id, [line])  # and so the game knows the old price
            new = [Price(market=Line.WIN, runner=1, price_hundredths=price + 10)]
            moved = await operator.tracks.set_prices(round_id, new, "money")
            held = TicketOrder(request_id=uuid7(), account_id=account_id, lines=[line], quote=quoted.quote)
            results = await game.tickets.place(
                round_id,
                [
                    bet(account_id, price, TicketOrder.EXACT),
                    bet(account_id, price, TicketOrder.BETTER),
                    bet(account_id, 0, TicketOrder.ANY),
                    held,
                ],
            )
            began_s = time.monotonic()
            async with asyncio.timeout(10):
                while seen.price_revision < moved.price_revision:
                    seen = (await anext(frames)).round
        await frames.aclose()

        assert [result.verdict for result in results] == [
            TicketResult.PRICE_CHANGED,
            *[TicketResult.ACCEPTED] * 3,
        ]
        kept = [result.ticket.lines[0].price_hundredths for result in results[1:]]
        assert kept == [price + 10, price + 10, price]
        assert seen.runners[0].win_price_hundredths == price + 10
        assert time.monotonic() - began_s < TOLD_S
        price += 10
