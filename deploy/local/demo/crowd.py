"""The crowd: punters with accounts of their own, who place tickets whenever the track takes some."""

import asyncio
import random
from dataclasses import dataclass

from furlong.client import Furlong, FurlongError, uuid7
from furlong.common.v1.account_pb2 import Account
from furlong.common.v1.round_pb2 import Round
from furlong.common.v1.ticket_pb2 import Line, TicketOrder, TicketResult

from deploy.local.demo.story import Slip, Story

NAMES = (
    "Ada", "Bruno", "Carla", "Dev", "Edith", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Kim", "Lena", "Marek", "Nora",
    "Otto", "Priya",
)  # fmt: skip
PURSE_MINOR = 20_000
STAKES_MINOR = (100, 200, 200, 500, 500, 1_000, 2_000)
PAUSE_S = 3.0
"""How long a punter thinks between two tickets, on average."""
LAST_MOMENT_MS = 200
"""A punter who would come later than this before the lock waits for the next round."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Punter:
    """Somebody with money."""

    name: str
    account_id: str


async def gather_crowd(furlong: Furlong, currency: str) -> list[Punter]:
    """Open an account with money for each. Raises FurlongError."""
    return [await _arrive(furlong, currency, name) for name in NAMES]


async def _arrive(furlong: Furlong, currency: str, name: str) -> Punter:
    account = await furlong.accounts.create(kind=Account.PLAYER, currency=currency, display_name=name)
    await furlong.accounts.credit(account.account_id, PURSE_MINOR, "cash at the till")
    return Punter(name=name, account_id=account.account_id)


async def bet(furlong: Furlong, story: Story, punter: Punter, chance: random.Random) -> None:
    """Place ticket after ticket until cancelled. What goes wrong is shown, and the next round is another chance."""
    while True:
        await asyncio.sleep(chance.expovariate(1 / PAUSE_S))
        round_ = story.round
        if round_ is None or round_.phase != Round.OPEN:
            continue
        if story.now_ms > round_.locks_at.ToMilliseconds() - LAST_MOMENT_MS:
            continue
        try:
            slip = await _place(furlong, round_, punter, chance)
            if slip.verdict == TicketResult.INSUFFICIENT_FUNDS:
                await furlong.accounts.credit(punter.account_id, PURSE_MINOR, "cash at the till")
        except FurlongError as error:
            story.trouble = str(error)
        else:
            story.trouble = ""
            story.placed(slip)


async def _place(furlong: Furlong, round_: Round, punter: Punter, chance: random.Random) -> Slip:
    # The shorter the price, the likelier it is backed, as at a real track.
    [runner] = chance.choices(round_.runners, weights=[runner.weight for runner in round_.runners])
    line = Line(
        market=Line.WIN,
        runners=[runner.runner],
        stake_minor=chance.choice(STAKES_MINOR),
        price_hundredths=runner.win_price_hundredths,
    )
    order = TicketOrder(request_id=uuid7(), account_id=punter.account_id, lines=[line])
    [result] = await furlong.tickets.place(round_.round_id, [order])
    return Slip(
        punter=punter.name,
        round_id=round_.round_id,
        runner=runner.runner,
        stake_minor=line.stake_minor,
        price_hundredths=line.price_hundredths,
        verdict=result.verdict,
        ticket_id=result.request_id,
    )
