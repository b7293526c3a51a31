"""A life to look back on: rounds drawn from a chain of seeds, tickets of players and tills that end in every way."""

from hashlib import sha256
from typing import Final

from furlong.client.identity import uuid7
from furlong.client.verify import ALGORITHM, draw_key, finishing_order, read_proof
from furlong.common.v1.round_pb2 import DRAWN, Limits, Runner, Terms, Timetable
from furlong.persist.v1.round_store_service_pb2 import OpenRoundRequest, StoredRound, Winner
from furlong.persist.v1.track_store_service_pb2 import CreateSeedChainRequest, GetNextRaceCardRequest

from tests.bookkeeping import adjust, cancel, pay
from tests.persisting import PRICES, World, order, persisting, winner

LENGTH: Final = 10
LAST_SEED: Final = sha256(b"the last seed of the chain").digest()


def seed(index: int) -> bytes:
    """A seed of the chain by its place: hashed so often it is the anchor, which has the place 0."""
    found = LAST_SEED
    for _ in range(LENGTH - index):
        found = sha256(found).digest()
    return found


class DrawnWorld(World):
    """A world whose results are drawn."""

    used = 0

    async def publish(self) -> None:
        """Publish the chain that all rounds take their seeds from."""
        await self.stubs.tracks.CreateSeedChain(
            CreateSeedChainRequest(
                request_id=uuid7(),
                track=self.track,
                epoch=self.epoch,
                chain_no=1,
                anchor=seed(0),
                length=LENGTH,
                sealed_checkpoints=b"sealed",
            )
        )

    async def open_drawn(self) -> StoredRound:
        """Open a round with the next seed."""
        card = (await self.stubs.tracks.GetNextRaceCard(GetNextRaceCardRequest(track=self.track))).card
        self.used += 1
        response = await self.stubs.rounds.OpenRound(
            OpenRoundRequest(
                request_id=uuid7(),
                track=self.track,
                epoch=self.epoch,
                card_id=card.card_id,
                race_name=card.name,
                distance_m=card.distance_m,
                runners=[
                    Runner(
                        runner=each.runner, name=each.name, weight=each.weight, win_price_hundredths=PRICES[each.runner]
                    )
                    for each in card.runners
                ],
                timetable=Timetable(betting_window_ms=60_000, lock_ms=100, race_ms=100, finish_ms=100),
                limits=Limits(stake_min_minor=1, stake_max_minor=10_000_000),
                return_bps=9_100,
                commitment=sha256(seed(self.used)).digest(),
                sealed_seed=b"sealed",
                terms=Terms(source=DRAWN, seed_anchor=seed(0).hex(), seed_index=self.used),
                seed_chain_no=1,
                seed_index=self.used,
            )
        )
        stored: StoredRound = response.stored
        return stored

    async def race(self, round_id: int) -> int:
        """Lock, draw and finish an open round; who won."""
        locked = (await self.lock(round_id)).round
        index = locked.terms.seed_index
        proof = read_proof(
            {
                "algorithm": ALGORITHM,
                "round_id": locked.round_id,
                "track": locked.track,
                "commitment": locked.commitment,
                "server_seed": seed(index).hex(),
                "tickets_root": locked.tickets_root,
                "runners": [{"runner": each.runner, "weight": each.weight} for each in locked.runners],
                "result": [each.runner for each in locked.runners],
            }
        )
        result = finishing_order(draw_key(proof), proof.weights)
        await self.stubs.rounds.StartRace(self.start_request(round_id, result, seed(index)))
        await self.stubs.rounds.FinishRound(self.finish_request(round_id))
        return result[0]

    async def pay_all(self, round_id: int, *winners: Winner) -> None:
        """Settle a finished round."""
        await self.stubs.rounds.SettleRound(self.settle_request(round_id, *winners))
        await self.post(round_id)


async def live(database_url: str) -> None:
    """Fill a migrated database."""
    async with persisting(database_url) as stubs:
        world = DrawnWorld(stubs, database_url)
        await world.found()
        await world.publish()
        players = [await world.account(100_000) for _ in range(3)]
        till = await world.account(floor_minor=-1_000_000)
        await stubs.ledger.AdjustAccount(adjust(players[0], 5))
        await stubs.ledger.AdjustAccount(adjust(players[1], -5))

        settled = (await world.open_drawn()).round.round_id
        paper = [order(till, 500, runner=runner) for runner in PRICES]
        back = order(players[0], 70)
        for runner in PRICES:
            await world.place(settled, *(order(player, 100, 250, runner=runner) for player in players))
        await world.place(settled, *paper, back, order(players[2], 10_000_000))  # the last one is too dear
        await stubs.tickets.CancelTicket(cancel(back.request_id))
        first = await world.race(settled)
        await world.pay_all(settled, winner(first))
        await stubs.tickets.PayTicket(pay(paper[first - 1].request_id, till))

        unclaimed = (await world.open_drawn()).round.round_id
        await world.place(unclaimed, *(order(till, 300, runner=runner) for runner in PRICES))
        await world.pay_all(unclaimed, winner(await world.race(unclaimed)))

        void = (await world.open_drawn()).round.round_id
        await world.place(void, *(order(player, 40) for player in players))
        await world.void(void)

        corrected = (await world.open_drawn()).round.round_id
        await world.place(corrected, *(order(players[0], 90, runner=runner) for runner in PRICES))
        first = await world.race(corrected)
        await world.pay_all(corrected, winner(first))
        second = first % len(PRICES) + 1
        rest = [runner for runner in PRICES if runner != second]
        await world.correct(corrected, second, *rest)

        still_open = (await world.open_drawn()).round.round_id
        await world.place(still_open, *(order(player, 55) for player in players))
