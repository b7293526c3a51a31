"""A chunk of a posting, as the decision left it, and the money that every chunk moves between the system's accounts."""

# ruff: noqa: S608 - statements are put together from constants of ours, from nothing that comes from outside

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import asyncpg

from services.persist.adapters.postgres.database import Connection
from services.persist.domain.account import AccountKind, TransferKind
from services.persist.domain.settlement import DecisionKind, chunk_reference

BEFORE_ALL_TICKETS: Final = "00000000-0000-0000-0000-000000000000"

CHUNKS_READ: Final = 100
"""How many chunks are read ahead: more than a poster does in its turn."""

NEXT_CHUNKS: Final = f"""
SELECT s.settlement_no, s.kind, s.winners, before.winners AS winners_before, done.chunks AS chunks_posted,
    cardinality(s.chunk_ends) AS chunks, s.chunk_ends[done.chunks] AS after,
    s.chunk_ends[done.chunks + 1 : done.chunks + {CHUNKS_READ}] AS ends,
    r.posting, r.currency, r.escrow_account_id, r.payout_max_minor, prizes.account_id AS prizes_account_id
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

WITH_HOUSE: Final = f"""
WITH house AS (
    UPDATE accounts SET balance_minor = balance_minor + $6 WHERE currency = $5 AND kind = {AccountKind.HOUSE:d}
    RETURNING account_id
)
INSERT INTO transfers
    (round_id, kind, reference, settlement_no, debit_account_id, credit_account_id, amount_minor, made_at)
SELECT $1, {TransferKind.SETTLEMENT:d}, $2, $3, CASE WHEN $6 > 0 THEN $4 ELSE account_id END,
    CASE WHEN $6 > 0 THEN account_id ELSE $4 END, abs($6), clock_timestamp()
FROM house RETURNING true
"""

FROM_ESCROW: Final = """
WITH posted AS (
    INSERT INTO postings (round_id, settlement_no, chunk, tickets_paid, stake_minor, payout_minor)
    SELECT $3, $4, chunk, CASE chunk WHEN $6 THEN $7 ELSE 0 END, CASE chunk WHEN $6 THEN $8 ELSE 0 END,
        CASE chunk WHEN $6 THEN $9 ELSE 0 END
    FROM generate_series($5::integer, $6::integer) AS chunk
)
UPDATE accounts SET balance_minor = balance_minor - $2 WHERE account_id = $1 RETURNING balance_minor
"""
"""Chunks that are posted as one are written down each, with what they moved at the last of them."""

TO_PRIZES: Final = "UPDATE accounts SET balance_minor = balance_minor + $2 WHERE account_id = $1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """The tickets of a round after one of them, up to and with another, and the decision to be posted on them.

    It may be several of the decision's chunks, `first` to `chunk`. `payout_max_minor` is the round's greatest payout
    of a ticket, 0 where there is none.
    """

    round_id: int
    settlement_no: int
    kind: DecisionKind
    winners: bytes
    winners_before: bytes | None
    first: int
    chunk: int
    chunks: int
    after: str
    upto: str
    currency: str
    escrow_account_id: str
    prizes_account_id: str
    payout_max_minor: int

    @property
    def is_last(self) -> bool:
        """Tell whether the decision is posted with this chunk."""
        return self.chunk == self.chunks

    @property
    def takes_back(self) -> bool:
        """Tell whether wrong prizes are taken back here: the second half of a correction, which begins anew."""
        return self.kind is DecisionKind.CORRECT and self.chunk > self.chunks // 2

    @property
    def span(self) -> tuple[object, ...]:
        """The tickets of the chunk as the first parameters of a statement."""
        begins_anew = self.takes_back and self.chunk == self.chunks // 2 + 1
        return self.round_id, BEFORE_ALL_TICKETS if begins_anew else self.after, self.upto


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """What a chunk moved. `claims_minor` is what came among the prizes, less what was taken from there."""

    tickets: int
    stake_minor: int
    payout_minor: int
    won_by_house_minor: int
    from_escrow_minor: int
    claims_minor: int


def chunks_of(round_id: int, row: asyncpg.Record) -> Sequence[Chunk]:
    """The chunks that are next by their row, in order; none where all is posted."""
    after, chunks = row["after"] or BEFORE_ALL_TICKETS, []
    for chunk, upto in enumerate(row["ends"], start=row["chunks_posted"] + 1):
        chunks.append(
            Chunk(
                round_id=round_id,
                settlement_no=row["settlement_no"],
                kind=DecisionKind(row["kind"]),
                winners=row["winners"],
                winners_before=row["winners_before"],
                first=chunk,
                chunk=chunk,
                chunks=row["chunks"],
                after=str(after),
                upto=str(upto),
                currency=row["currency"],
                escrow_account_id=str(row["escrow_account_id"]),
                prizes_account_id=str(row["prizes_account_id"]),
                payout_max_minor=row["payout_max_minor"],
            )
        )
        after = upto
    return chunks


def as_one(chunks: Sequence[Chunk]) -> Chunk:
    """Chunks that follow each other as a single one."""
    return replace(chunks[-1], first=chunks[0].first, after=chunks[0].after)


async def close_chunk(connection: Connection, chunk: Chunk, sums: Sums) -> None:
    """Move the system's part, in the order of kinds that everybody keeps, and write down that the chunk is done."""
    if sums.won_by_house_minor:
        reference = chunk_reference(chunk.round_id, chunk.settlement_no, chunk.chunk)
        moved = await connection.fetchval(
            WITH_HOUSE,
            *(chunk.round_id, reference, chunk.settlement_no),
            *(chunk.escrow_account_id, chunk.currency, sums.won_by_house_minor),
        )
        assert moved, "every currency with a track has its house"
    left_minor = await connection.fetchval(
        FROM_ESCROW,
        *(chunk.escrow_account_id, sums.from_escrow_minor),
        *(chunk.round_id, chunk.settlement_no, chunk.first, chunk.chunk),
        *(sums.tickets, sums.stake_minor, sums.payout_minor),
    )
    if sums.claims_minor:
        await connection.execute(TO_PRIZES, chunk.prizes_account_id, sums.claims_minor)
    assert not chunk.is_last or left_minor == 0, f"the escrow of round {chunk.round_id} is left with {left_minor}"
