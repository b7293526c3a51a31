"""Posting: moves the money of what was decided, chunk by chunk, each a transaction of its own.

    round FOR NO KEY UPDATE ─▶ next chunk ─▶ its money ─▶ written down ─┬─▶ COMMIT, and on to the next one
                                                                       └─▶ the last one of a settlement: SETTLED

Whoever posts a round holds its row, so two who do so take turns, and a crash leaves whole chunks behind. Who reads the
row waits for nobody, and no ticket is placed on a round that is posted.
"""

import asyncio
import dataclasses
from collections.abc import Callable
from time import monotonic
from typing import Final

from furlong.common.v1.error_pb2 import Reason

from services.chassis.crash_points import reach
from services.chassis.refusal import Refusal
from services.persist.adapters.postgres.chunks import NEXT_CHUNK, Chunk, chunk_of, close_chunk
from services.persist.adapters.postgres.correcting import correct_chunk
from services.persist.adapters.postgres.database import Connection, Pool
from services.persist.adapters.postgres.numbering import Numbering
from services.persist.adapters.postgres.round_rows import READ, round_of, round_unknown
from services.persist.adapters.postgres.settling import pay_chunk
from services.persist.domain.round import Phase, Round
from services.persist.domain.settlement import DecisionKind
from services.persist.ports import Posted

POSTING_TURN_S: Final = 0.5
"""How long a call goes on with chunks; its caller may be stopping, and others wait."""

POSTERS_MAX: Final = 2
"""Rounds that are posted at once here: it is never urgent, and locks and draws need their connections."""

DONE: Final = "UPDATE rounds SET posting = false WHERE round_id = $1"


class PostgresPosting:
    """Posts decisions. `snapshot` renders a round as ListTransitions will give it out."""

    def __init__(self, pool: Pool, snapshot: Callable[[Round], bytes]) -> None:
        self._pool = pool
        self._numbering = Numbering(snapshot)
        self._turns = asyncio.Semaphore(POSTERS_MAX)

    async def post(self, round_id: int) -> Posted:
        """Move what is left to move, for about half a second, and tell how far it is.

        Raises Refusal ROUND_UNKNOWN, and ROUND_PHASE where nothing was decided on the round.
        """
        async with self._turns:
            ends_s = monotonic() + POSTING_TURN_S
            while await self._pool.transact(
                "post_chunk", lambda connection: self._post_chunk(connection, round_id), _begin_holding(round_id)
            ):
                reach("settlement.chunk_committed")
                if monotonic() >= ends_s:
                    break
        posted = await self._pool.transact("read_posting", lambda connection: _read(connection, round_id))
        if not posted.round.posting:
            reach("settlement.posted")
        return posted

    async def _post_chunk(self, connection: Connection, round_id: int) -> bool:
        """Post the next chunk of the round that is held; False where there is none."""
        row = await connection.fetchrow(NEXT_CHUNK, round_id)
        if row is None or not row["posting"]:
            return False
        chunk = chunk_of(round_id, row)
        post = correct_chunk if chunk.kind is DecisionKind.CORRECT else pay_chunk
        await close_chunk(connection, chunk, await post(connection, chunk))
        if chunk.is_last:
            await self._finish(connection, chunk)
        reach("settlement.chunk_written")
        return True

    async def _finish(self, connection: Connection, chunk: Chunk) -> None:
        """Say that all money has moved; a settlement is the transition that watchers wait for."""
        if chunk.kind is not DecisionKind.SETTLE:
            await connection.execute(DONE, chunk.round_id)
            return
        stored = round_of(await connection.fetchrow(READ, chunk.round_id))
        assert stored.phase is Phase.FINISHED, (
            f"round {chunk.round_id} is {stored.phase.name}: nothing is to be settled"
        )
        settled = dataclasses.replace(stored, posting=False)
        await self._numbering.number(connection, settled, Phase.SETTLED, epoch=None)


def _begin_holding(round_id: int) -> str:
    """Begin a transaction that holds the round's row, in one round trip."""
    return f"BEGIN; SELECT true FROM rounds WHERE round_id = {round_id:d} FOR NO KEY UPDATE"  # noqa: S608 - a number


async def _read(connection: Connection, round_id: int) -> Posted:
    row = await connection.fetchrow(READ, round_id)
    if row is None:
        raise round_unknown(round_id)
    stored = round_of(row)
    progress = await connection.fetchrow(NEXT_CHUNK, round_id)
    if progress is None:
        raise Refusal(
            Reason.ROUND_PHASE,
            f"nothing was decided on round {round_id}, which is {stored.phase.name}",
            metadata={"round_id": str(round_id)},
        )
    return Posted(round=stored, chunks_posted=progress["chunks_posted"], chunks=progress["chunks"])
