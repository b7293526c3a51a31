"""Posting: moves the money of what was decided, chunk by chunk, each a transaction of its own.

    turn    round FOR NO KEY UPDATE ─▶ which chunks are next                 ┌─▶ the last chunk, SETTLED ─▶ COMMIT
                                             │                               │
    chunk                                    ├─▶ money ─▶ written down ─▶ COMMIT
    the next one                             └─────────▶ money ─▶ its turn ─▶ written down ─▶ COMMIT

Whoever posts a round holds its row, so two who do so take turns. While a chunk is committed the next one moves its
money, and they are committed in order: a crash leaves the first chunks behind, whole, and nothing of the others. Who
reads the row waits for nobody, and no ticket is placed on a round that is posted. While nobody bets, on whatever track
and at whatever replica, a few chunks are posted as one.
"""

import asyncio
import dataclasses
from collections import deque
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Final

from furlong.common.v1.error_pb2 import Reason

from services.chassis.crash_points import reach
from services.chassis.refusal import Refusal
from services.persist.adapters.postgres.chunks import NEXT_CHUNKS, Chunk, Sums, as_one, chunks_of, close_chunk
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

POSTERS_MAX: Final = 1
"""Rounds that are posted at once here: it is never urgent, and locks and draws need their connections."""

CHUNKS_AT_ONCE: Final = 2
"""One that is committed and one that moves its money. The next could only wait for the accounts of that one."""

CHUNKS_AS_ONE: Final = 3
"""Chunks that are posted as one while nobody bets: what each statement and commit costs is paid once. Their accounts
are held three times as long, which is for those who bet to mind."""

SOLD: Final = f"""
SELECT coalesce(sum(e.tickets), 0)::bigint FROM rounds r JOIN exposure e USING (round_id)
WHERE r.phase = {Phase.OPEN:d} AND e.market = 0
"""  # noqa: S608 - a number of ours
"""The tickets of the rounds that are open. Where their number moves somebody bets, at whatever replica."""

DONE: Final = "UPDATE rounds SET posting = false WHERE round_id = $1"


class PostgresPosting:
    """Posts decisions. `snapshot` renders a round as ListTransitions will give it out.

    `placing` tells whether tickets are being placed here. Each chunk is then posted by itself and followed by a rest as
    long as it took: who is paid can wait for who bets.
    """

    def __init__(self, pool: Pool, snapshot: Callable[[Round], bytes], placing: Callable[[], bool]) -> None:
        self._pool = pool
        self._numbering = Numbering(snapshot)
        self._placing = placing
        self._turns = asyncio.Semaphore(POSTERS_MAX)
        self._sold: int | None = None

    async def post(self, round_id: int) -> Posted:
        """Move what is left to move, for about half a second, and tell how far it is.

        Raises Refusal ROUND_UNKNOWN, and ROUND_PHASE where nothing was decided on the round.
        """
        async with self._turns:
            ended = await self._pool.transact(
                "post_turn", lambda connection: self._take_turn(connection, round_id), _begin_holding(round_id)
            )
        if ended:
            _committed()
        posted = await self._pool.transact("read_posting", lambda connection: _read(connection, round_id))
        if not posted.round.posting:
            reach("settlement.posted")
        return posted

    async def _take_turn(self, connection: Connection, round_id: int) -> bool:
        """Post chunks of the round that is held; True where that has ended its posting.

        The last chunk comes with what it changes of the round, and so in the transaction that holds it.
        """
        ends_s = monotonic() + POSTING_TURN_S
        row = await connection.fetchrow(NEXT_CHUNKS, round_id)
        if row is None or not row["posting"]:
            return False
        chunks = chunks_of(round_id, row)
        first = [chunk for chunk in chunks if not chunk.is_last]
        if first:
            as_many = CHUNKS_AS_ONE if await self._nobody_bets(connection) else 1
            await self._post_in_order(first, as_many, ends_s)
            if monotonic() >= ends_s or not chunks[-1].is_last:
                return False
        await self._close(connection, chunks[-1], await _move(connection, chunks[-1]))
        return True

    async def _nobody_bets(self, connection: Connection) -> bool:
        """Tell whether nothing was sold since the turn before; on the first one nobody knows."""
        before, self._sold = self._sold, await connection.fetchval(SOLD)
        return before == self._sold

    async def _post_in_order(self, chunks: Sequence[Chunk], as_many: int, ends_s: float) -> None:
        """Post chunks until `ends_s`, one at least; `as_many` as one, where they need not give way."""
        under_way: list[asyncio.Task[None]] = []
        left = deque(chunks)
        try:
            while left:
                began_s = monotonic()
                taken = 1 if self._gives_way(left[0]) else min(as_many, len(left))
                chunk = as_one([left.popleft() for _ in range(taken)])
                moved = asyncio.get_running_loop().create_future()
                before = under_way[-1] if under_way else None
                under_way.append(asyncio.create_task(self._post_chunk(chunk, moved, before)))
                await moved
                while len(under_way) >= (1 if self._gives_way(chunk) else CHUNKS_AT_ONCE):
                    await under_way.pop(0)
                if monotonic() >= ends_s:
                    break
                if self._placing():
                    await asyncio.sleep(monotonic() - began_s)
            while under_way:
                await under_way.pop(0)
        finally:
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)

    def _gives_way(self, chunk: Chunk) -> bool:
        """Tell whether a chunk is posted by itself: beside those who bet, and where each looks at what is there."""
        return chunk.kind is DecisionKind.CORRECT or self._placing()

    async def _post_chunk(self, chunk: Chunk, moved: asyncio.Future[None], before: asyncio.Task[None] | None) -> None:
        """Post a chunk after the one `before` it; `moved` is done when its money has moved, or never will.

        It is not tried again by itself: the accounts that it gave up may be held by the chunk that waits for it.
        """

        async def work(connection: Connection) -> None:
            sums = await _move(connection, chunk)
            moved.set_result(None)
            if before is not None:
                await asyncio.shield(before)
            await self._close(connection, chunk, sums)

        try:
            await self._pool.transact("post_chunk", work, attempts_max=1)
            _committed()
        finally:
            if not moved.done():
                moved.set_result(None)

    async def _close(self, connection: Connection, chunk: Chunk, sums: Sums) -> None:
        await close_chunk(connection, chunk, sums)
        if chunk.is_last:
            await self._finish(connection, chunk)
        reach("settlement.chunk_written")

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


async def _move(connection: Connection, chunk: Chunk) -> Sums:
    """Write a chunk's events and move its money, but for what the system's accounts share."""
    move = correct_chunk if chunk.kind is DecisionKind.CORRECT else pay_chunk
    return await move(connection, chunk)


def _committed() -> None:
    reach("settlement.chunk_committed")


def _begin_holding(round_id: int) -> str:
    """Begin a transaction that holds the round's row, in one round trip."""
    return f"BEGIN; SELECT true FROM rounds WHERE round_id = {round_id:d} FOR NO KEY UPDATE"  # noqa: S608 - a number


async def _read(connection: Connection, round_id: int) -> Posted:
    row = await connection.fetchrow(READ, round_id)
    if row is None:
        raise round_unknown(round_id)
    stored = round_of(row)
    progress = await connection.fetchrow(NEXT_CHUNKS, round_id)
    if progress is None:
        raise Refusal(
            Reason.ROUND_PHASE,
            f"nothing was decided on round {round_id}, which is {stored.phase.name}",
            metadata={"round_id": str(round_id)},
        )
    return Posted(round=stored, chunks_posted=progress["chunks_posted"], chunks=progress["chunks"])
