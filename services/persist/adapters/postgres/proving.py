"""Reading what proves a ticket: the tickets of its batch, and the sub-roots of its round.

No index leads to the tickets of a batch: one would slow down the writing of tickets, and proofs are asked for far less
often. But ids begin with the time of their making, and what is committed together was nearly always made together. So a
batch is looked for along the key, among the ids made shortly before and after the ticket's, then among more of them,
and where ids were made long before they were sent, among all tickets of the round. The batch says how many it has.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import asyncpg
from furlong.client.identity import uuid7_time_ms
from furlong.common.v1.error_pb2 import Reason

from services.chassis.refusal import Refusal
from services.persist.adapters.postgres.database import Pool
from services.persist.adapters.postgres.tickets import ticket_unknown
from services.persist.domain.round import Phase
from services.persist.domain.ticket import Line, Order
from services.persist.domain.ticket_proof import TicketProof, prove

PLACE: Final = """
SELECT t.round_id, t.batch_id, b.tickets AS batch_tickets, r.phase, r.tickets_root
FROM request_keys k
JOIN tickets t ON t.round_id = k.round_id AND t.ticket_id = k.request_id
JOIN batches b ON b.round_id = t.round_id AND b.batch_id = t.batch_id
JOIN rounds r ON r.round_id = k.round_id
WHERE k.request_id = $1
"""

BATCH: Final = """
SELECT t.ticket_id, t.account_id, t.stake_minor,
    (SELECT array_agg(ROW (l.market, l.selection, l.stake_minor, l.price_hundredths) ORDER BY l.line)
     FROM lines l WHERE l.round_id = t.round_id AND l.ticket_id = t.ticket_id) AS lines
FROM tickets t WHERE t.round_id = $1 AND t.batch_id = $2 AND t.ticket_id BETWEEN $3 AND $4 ORDER BY t.batch_place
"""

NEAR_MS: Final = (1_000, 60_000)
"""How far from the ticket's the other ids of its batch are looked for at first, and then."""

FIRST_ID: Final = UUID(int=0)
LAST_ID: Final = UUID(int=2**128 - 1)

SUB_ROOTS: Final = "SELECT batch_id, sub_root FROM batches WHERE round_id = $1 ORDER BY batch_id"


class PostgresProofs:
    """Proofs of tickets that can no longer change."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def prove(self, ticket_id: str) -> TicketProof:
        """Prove a ticket. Raises Refusal TICKET_UNKNOWN, or PROOF_NOT_READY before its round has a root."""
        found = await self._pool.fetch_row("read_ticket_place", PLACE, ticket_id)
        if found is None:
            raise ticket_unknown(ticket_id)
        round_id, phase = found["round_id"], Phase(found["phase"])
        if not found["tickets_root"]:
            raise Refusal(
                Reason.PROOF_NOT_READY,
                f"round {round_id} is {phase.name} and has no ticket root: it is fixed at the lock",
                metadata={"phase": phase.name},
            )
        batch = await self._batch(found, ticket_id)
        sub_roots = await self._pool.fetch("read_sub_roots", SUB_ROOTS, round_id)
        return prove(
            round_id=round_id,
            ticket_id=ticket_id,
            batch=[
                Order(
                    request_id=str(row["ticket_id"]),
                    account_id=str(row["account_id"]),
                    lines=[Line(*line) for line in row["lines"]],
                    stake_minor=row["stake_minor"],
                    content_hash=b"",
                    refusal=None,
                    refusal_reason="",
                )
                for row in batch
            ],
            sub_roots=[row["sub_root"] for row in sub_roots],
            batch_place=[row["batch_id"] for row in sub_roots].index(found["batch_id"]),
            tickets_root=found["tickets_root"],
        )

    async def _batch(self, place: asyncpg.Record, ticket_id: str) -> Sequence[asyncpg.Record]:
        """Read the tickets that were committed with this one, in their order."""
        of_batch = (place["round_id"], place["batch_id"])
        made_at_ms = uuid7_time_ms(ticket_id)
        for near_ms in NEAR_MS:
            near = (_first_id_of(made_at_ms - near_ms), _first_id_of(made_at_ms + near_ms))
            batch = await self._pool.fetch("read_batch", BATCH, *of_batch, *near)
            if len(batch) == place["batch_tickets"]:
                return batch
        return await self._pool.fetch("read_batch", BATCH, *of_batch, FIRST_ID, LAST_ID)


def _first_id_of(time_ms: int) -> UUID:
    """The lowest UUIDv7 of a millisecond."""
    return UUID(int=max(time_ms, 0) << 80)
