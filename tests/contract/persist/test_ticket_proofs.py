"""Proofs of tickets are the same however far apart the ids of a batch were made."""

import time
from collections.abc import Sequence

from furlong.client.identity import uuid7
from furlong.common.v1.ticket_pb2 import TicketProof
from furlong.persist.v1.round_store_service_pb2 import StoredRound
from furlong.persist.v1.ticket_store_service_pb2 import GetTicketProofRequest

from services.persist.domain.ticket import Line, Order
from services.persist.domain.tickets_root import leaf, path, root
from tests.persisting import World, order
from tests.served import refused

AGES_MS = (0, 0, 1, 900, 1_500, 59_000, 90_000, 3_600_000, 6 * 86_400_000, -20_000)
"""How long before they are sent the ids of a batch are made."""

ALL = """
SELECT t.ticket_id::text, t.account_id::text, t.batch_id, t.stake_minor, l.market, l.selection, l.price_hundredths
FROM tickets t JOIN lines l USING (round_id, ticket_id) WHERE round_id = $1 ORDER BY batch_id, batch_place
"""


async def the_slow_way(world: World, locked: StoredRound) -> dict[str, tuple[str, list[tuple[str, bool]]]]:
    """Each ticket's leaf and path, from all tickets of the round, which have a line each."""
    round_id = locked.round.round_id
    batches: dict[int, dict[str, bytes]] = {}
    for ticket_id, account_id, batch_id, stake_minor, market, selection, price in await world.sql(ALL, round_id):
        placed = Order(
            request_id=ticket_id,
            account_id=account_id,
            lines=[Line(market, selection, stake_minor, price)],
            stake_minor=stake_minor,
            content_hash=b"",
            refusal=None,
            refusal_reason="",
        )
        batches.setdefault(batch_id, {})[ticket_id] = leaf(placed, round_id)
    sub_roots = [root(list(leaves.values())) for leaves in batches.values()]
    assert root(sub_roots).hex() == locked.round.tickets_root
    return {
        ticket_id: (
            own.hex(),
            [
                (step.sibling.hex(), step.left)
                for step in [*path(list(leaves.values()), place), *path(sub_roots, number)]
            ],
        )
        for number, leaves in enumerate(batches.values())
        for place, (ticket_id, own) in enumerate(leaves.items())
    }


async def placed(world: World, round_id: int, ages_ms: Sequence[int]) -> list[str]:
    """Place a batch whose ids were made so long ago."""
    player = await world.account(10_000)
    now_ms = time.time_ns() // 1_000_000
    orders = [order(player, 10 + n, request_id=uuid7(now_ms - age_ms)) for n, age_ms in enumerate(ages_ms)]
    await world.place(round_id, *orders)
    return [each.request_id for each in orders]


async def proof(world: World, ticket_id: str) -> TicketProof:
    response = await world.stubs.tickets.GetTicketProof(GetTicketProofRequest(ticket_id=ticket_id))
    proved: TicketProof = response.proof
    return proved


async def test_every_ticket_is_proved_as_by_looking_at_all_of_them(world: World) -> None:
    round_id = (await world.open()).round.round_id
    ticket_ids = [
        ticket_id
        for ages_ms in (AGES_MS, (0,), (0,) * 30, AGES_MS, (5_000,))
        for ticket_id in await placed(world, round_id, ages_ms)
    ]
    early = await refused(world.stubs.tickets.GetTicketProof(GetTicketProofRequest(ticket_id=ticket_ids[0])))
    locked = await world.lock(round_id)
    wanted = await the_slow_way(world, locked)

    assert early.reason == "PROOF_NOT_READY"
    assert sorted(wanted) == sorted(ticket_ids)
    for ticket_id in ticket_ids:
        proved = await proof(world, ticket_id)
        steps = [(step.sibling, step.left) for step in proved.path]
        assert (proved.leaf, steps) == wanted[ticket_id]
        assert proved.tickets_root == locked.round.tickets_root
