"""A chunk of a posting, as the decision left it, and the money that every chunk moves between the system's accounts."""

# ruff: noqa: S608 - statements are put together from constants of ours, from nothing that comes from outside

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg

from services.persist.adapters.postgres.accounts import PAY_FROM_SYSTEM
from services.persist.adapters.postgres.database import Connection
from services.persist.domain.account import AccountKind, TransferKind
from services.persist.domain.settlement import DecisionKind, chunk_reference

BEFORE_ALL_TICKETS: Final = "00000000-0000-0000-0000-000000000000"

NEXT_CHUNK: Final = f"""
SELECT s.settlement_no, s.kind, s.winners, before.winners AS winners_before, done.chunks AS chunks_posted,
    cardinality(s.chunk_ends) AS chunks, s.chunk_ends[done.chunks] AS after, s.chunk_ends[done.chunks + 1] AS upto,
    r.currency, r.escrow_account_id, prizes.account_id AS prizes_account_id
FROM settlements s
JOIN rounds r USING (round_id)
JOIN accounts prizes ON prizes.currency = r.currency AND prizes.kind = {AccountKind.PRIZES:d}
LEFT JOIN settlements before ON before.round_id = s.round_id AND before.settlement_no = s.settlement_no - 1
CROSS JOIN LATERAL (
    SELECT coalesce(max(p.chunk), 0) AS chunks FROM postings p
    WHERE p.round_id = s.round_id AND p.settlement_no = s.settlement_no
) AS done
WHERE s.round_id = $1 ORDER BY s.settlement_no DESC LIMIT 1
"""

POSTED: Final = """
INSERT INTO postings (round_id, settlement_no, chunk, tickets_paid, stake_minor, payout_minor)
VALUES ($1, $2, $3, $4, $5, $6)
"""

MOVE: Final = "UPDATE accounts SET balance_minor = balance_minor + $2 WHERE account_id = $1 RETURNING balance_minor"

WITH_HOUSE: Final = f"""
INSERT INTO transfers
    (round_id, kind, reference, settlement_no, debit_account_id, credit_account_id, amount_minor, made_at)
VALUES ($1, {TransferKind.SETTLEMENT:d}, $2, $3, $4, $5, $6, clock_timestamp())
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """The tickets of a round after one of them, up to and with another, and the decision to be posted on them."""

    round_id: int
    settlement_no: int
    kind: DecisionKind
    winners: bytes
    winners_before: bytes | None
    chunk: int
    chunks: int
    after: str
    upto: str
    currency: str
    escrow_account_id: str
    prizes_account_id: str

    @property
    def is_last(self) -> bool:
        """Tell whether the decision is posted with this chunk."""
        return self.chunk == self.chunks

    @property
    def span(self) -> tuple[object, ...]:
        """The tickets of the chunk as the first parameters of a statement."""
        return self.round_id, self.after, self.upto


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """What a chunk moved. `claims_minor` is what came among the prizes, less what was taken from there."""

    tickets: int
    stake_minor: int
    payout_minor: int
    won_by_house_minor: int
    from_escrow_minor: int
    claims_minor: int


def chunk_of(round_id: int, row: asyncpg.Record) -> Chunk:
    """The chunk that is next by its row."""
    return Chunk(
        round_id=round_id,
        settlement_no=row["settlement_no"],
        kind=DecisionKind(row["kind"]),
        winners=row["winners"],
        winners_before=row["winners_before"],
        chunk=row["chunks_posted"] + 1,
        chunks=row["chunks"],
        after=str(row["after"] or BEFORE_ALL_TICKETS),
        upto=str(row["upto"]),
        currency=row["currency"],
        escrow_account_id=str(row["escrow_account_id"]),
        prizes_account_id=str(row["prizes_account_id"]),
    )


async def close_chunk(connection: Connection, chunk: Chunk, sums: Sums) -> None:
    """Move the system's part, in the order of kinds that everybody keeps, and write down that the chunk is done."""
    if sums.won_by_house_minor:
        house = await connection.fetchval(PAY_FROM_SYSTEM, chunk.currency, AccountKind.HOUSE, -sums.won_by_house_minor)
        assert house is not None, "every currency with a track has its house"
        await connection.execute(WITH_HOUSE, *_with_house(chunk, str(house), sums.won_by_house_minor))
    left_minor = await connection.fetchval(MOVE, chunk.escrow_account_id, -sums.from_escrow_minor)
    if sums.claims_minor:
        await connection.execute(MOVE, chunk.prizes_account_id, sums.claims_minor)
    assert not chunk.is_last or left_minor == 0, f"the escrow of round {chunk.round_id} is left with {left_minor}"
    await connection.execute(
        POSTED,
        *(chunk.round_id, chunk.settlement_no, chunk.chunk),
        *(sums.tickets, sums.stake_minor, sums.payout_minor),
    )


def _with_house(chunk: Chunk, house: str, won_minor: int) -> Sequence[object]:
    reference = chunk_reference(chunk.round_id, chunk.settlement_no, chunk.chunk)
    ends = (chunk.escrow_account_id, house) if won_minor > 0 else (house, chunk.escrow_account_id)
    return chunk.round_id, reference, chunk.settlement_no, *ends, abs(won_minor)
