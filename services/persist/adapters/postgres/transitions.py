"""Transitions of rounds, each one transaction:

    fence ─▶ (gate) ─▶ round FOR UPDATE ─▶ judge the step ─▶ its own work ─▶ number it ─▶ snapshot

The lock and the void pass the round's gate alone: they wait for the batches in flight, and batches that come later wait
for them and then find betting closed. The track's row, which numbers the transitions, is taken last, so that a long
settlement does not hold up the next round.
"""

import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from hashlib import sha256
from math import ceil
from typing import Final

from furlong.common.v1.error_pb2 import Reason

from services.chassis.crash_points import reach
from services.chassis.refusal import Refusal, Violation
from services.persist.adapters.postgres import settling
from services.persist.adapters.postgres.database import Connection, Pool
from services.persist.adapters.postgres.fence import check_epoch_of_round, check_epoch_of_track
from services.persist.adapters.postgres.operations import once
from services.persist.adapters.postgres.partitions import ensure_partitions
from services.persist.adapters.postgres.round_rows import READ, ROUND, round_of, round_unknown
from services.persist.adapters.postgres.tracks import track_not_found
from services.persist.domain.account import AccountKind
from services.persist.domain.round import ON_TRACK, Phase, Round, RoundPlan, Step, Winner, due, step
from services.persist.domain.tickets_root import root
from services.persist.domain.winners import canonical
from services.persist.ports import Operation

GATE: Final = "SELECT pg_advisory_xact_lock($1)"

READ_FOR_UPDATE: Final = f"{ROUND} WHERE r.round_id = $1 FOR UPDATE OF r"
"""The totals are read with the row; they are final, because the gate is passed or betting closed long ago."""

CLOCK: Final = "SELECT clock_timestamp()"

SUB_ROOTS: Final = "SELECT sub_root FROM batches WHERE round_id = $1 ORDER BY batch_id"

NEXT_SEQ: Final = "UPDATE tracks SET transition_seq = transition_seq + 1 WHERE track = $1 RETURNING transition_seq"

CHANGE: Final = """
UPDATE rounds SET phase = $2, revision = $3, transition_seq = $4, epoch = $5, tickets_root = $6, result = $7,
    server_seed = $8, payout_minor = $9, void_reason = $10, void_actor = $11
WHERE round_id = $1
"""

RECORD: Final = """
INSERT INTO transitions (track, transition_seq, round_id, phase, stored_round) VALUES ($1, $2, $3, $4, $5)
"""

START_TRACK: Final = """
UPDATE tracks SET transition_seq = transition_seq + 1 WHERE track = $1 RETURNING transition_seq, currency
"""

OCCUPIED: Final = "SELECT round_id FROM rounds WHERE track = $1 AND phase = ANY($2::smallint[])"

OPEN_ESCROW: Final = """
INSERT INTO accounts (account_id, kind, currency, display_name, floor_minor)
VALUES (gen_random_uuid(), $3, $1, $2, 0) RETURNING account_id
"""

OPEN: Final = """
INSERT INTO rounds (
    track, phase, revision, transition_seq, epoch, opens_at, locks_at, starts_at, finishes_at, ends_at,
    card_id, race_name, distance_m, currency, runner_numbers, runner_names, runner_weights, runner_win_prices,
    stake_min_minor, stake_max_minor, return_bps, commitment, sealed_seed, escrow_account_id,
    selection_payout_max_minor, round_loss_max_minor)
SELECT $1, $22, 1, $2, $3, now, now + ($4 * ms), now + ($5 * ms), now + ($6 * ms), now + ($7 * ms),
    $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $23, $24
FROM (SELECT date_trunc('milliseconds', clock_timestamp()) AS now, interval '1 millisecond' AS ms) AS clock
RETURNING round_id
"""

OPEN_TOTALS: Final = "INSERT INTO exposure (round_id, market, selection) VALUES ($1, 0, '')"
RUN_CARD: Final = "UPDATE cards SET last_round_id = $3 WHERE card_id = $1 AND track = $2 RETURNING true"

_BEHIND_THE_GATE: Final = (Phase.LOCKED, Phase.VOID)


async def _no_content(_: Connection, __: Round) -> bool:
    """A step without content of its own: once it is durable, every wish for it agrees."""
    return True


class PostgresRounds:
    """Makes transitions durable. `snapshot` renders a round as ListTransitions will give it out."""

    def __init__(self, pool: Pool, snapshot: Callable[[Round], bytes]) -> None:
        self._pool = pool
        self._snapshot = snapshot

    async def open(self, operation: Operation[Round], plan: RoundPlan, epoch: int) -> bytes:
        """Open the track's next round. Raises Refusal ROUND_PHASE while another one is on the track."""

        async def work(connection: Connection) -> Round:
            await check_epoch_of_track(connection, plan.track, epoch)
            track = await connection.fetchrow(START_TRACK, plan.track)
            if track is None:
                raise track_not_found(plan.track)
            if (occupant := await connection.fetchval(OCCUPIED, plan.track, ON_TRACK)) is not None:
                raise _wrong_phase(occupant, f"round {occupant} is still on track {plan.track}")
            round_id = await _insert_round(connection, plan, epoch, track["transition_seq"], track["currency"])
            opened = await connection.fetchrow(READ, round_id)
            assert opened is not None, "a round is there after it was inserted"
            return await self._record(connection, round_of(opened))

        return await once(self._pool, operation, work)

    async def lock(self, operation: Operation[Round], round_id: int, epoch: int) -> bytes:
        """Close betting and fix the root of what was accepted."""

        async def change(connection: Connection, stored: Round) -> Round:
            sub_roots = [row["sub_root"] for row in await connection.fetch(SUB_ROOTS, round_id)]
            tickets_root = root(sub_roots)
            reach("lock.rooted")
            return dataclasses.replace(stored, tickets_root=tickets_root)

        locked = await self._take(operation, round_id, epoch, Phase.LOCKED, change)
        reach("lock.committed")
        return locked

    async def start(
        self, operation: Operation[Round], round_id: int, epoch: int, result: Sequence[int], server_seed: bytes
    ) -> bytes:
        """Store the result. Raises Refusal MALFORMED for what is no finishing order, or not the seed committed to."""

        async def change(_: Connection, stored: Round) -> Round:
            _check_draw(stored, result, server_seed)
            return dataclasses.replace(stored, result=result, server_seed=server_seed)

        async def same(_: Connection, stored: Round) -> bool:
            return (list(stored.result), stored.server_seed) == (list(result), server_seed)

        return await self._take(operation, round_id, epoch, Phase.RUNNING, change, same)

    async def finish(self, operation: Operation[Round], round_id: int, epoch: int) -> bytes:
        """End the race."""

        async def change(_: Connection, stored: Round) -> Round:
            return stored

        return await self._take(operation, round_id, epoch, Phase.FINISHED, change)

    async def settle(self, operation: Operation[Round], round_id: int, epoch: int, winners: Sequence[Winner]) -> bytes:
        """Pay the winners, once."""

        async def change(connection: Connection, stored: Round) -> Round:
            payout_minor = await settling.settle(connection, stored, operation.request_id, winners)
            return dataclasses.replace(stored, payout_minor=payout_minor)

        async def same(connection: Connection, _: Round) -> bool:
            return await settling.settled_winners(connection, round_id) == canonical(winners)

        return await self._take(operation, round_id, epoch, Phase.SETTLED, change, same)

    async def void(
        self, operation: Operation[Round], round_id: int, epoch: int | None, reason: str, actor: str
    ) -> bytes:
        """Give every stake back, once."""

        async def change(connection: Connection, stored: Round) -> Round:
            await settling.refund(connection, stored)
            return dataclasses.replace(stored, void_reason=reason, void_actor=actor)

        async def same(_: Connection, stored: Round) -> bool:
            return (stored.void_reason, stored.void_actor) == (reason, actor)

        return await self._take(operation, round_id, epoch, Phase.VOID, change, same)

    async def _take(
        self,
        operation: Operation[Round],
        round_id: int,
        epoch: int | None,
        wanted: Phase,
        change: Callable[[Connection, Round], Awaitable[Round]],
        same: Callable[[Connection, Round], Awaitable[bool]] = _no_content,
    ) -> bytes:
        """Bring a round to the phase `wanted`.

        `change` does the step's own work and returns the round with what it changed; `same` tells, of a step that is
        durable already, whether its content agrees with what is asked for now.
        """

        async def work(connection: Connection) -> Round:
            await check_epoch_of_round(connection, round_id, epoch)
            if wanted in _BEHIND_THE_GATE:
                await connection.execute(GATE, round_id)
                if wanted is Phase.LOCKED:
                    reach("lock.gate_passed")
            row = await connection.fetchrow(READ_FOR_UPDATE, round_id)
            if row is None:
                raise round_unknown(round_id)
            stored = round_of(row)
            match step(stored.phase, wanted):
                case Step.DURABLE_ALREADY if await same(connection, stored):
                    return stored
                case Step.TAKE:
                    await _check_time(connection, stored, wanted)
                    changed = await change(connection, stored)
                    return await self._number(connection, changed, wanted, epoch)
                case _:
                    raise _wrong_phase(round_id, f"round {round_id} is {stored.phase.name} and cannot become so")

        return await once(self._pool, operation, work)

    async def _number(self, connection: Connection, changed: Round, phase: Phase, epoch: int | None) -> Round:
        """Give the transition the track's next number and write it down."""
        numbered = dataclasses.replace(
            changed,
            phase=phase,
            revision=changed.revision + 1,
            transition_seq=await connection.fetchval(NEXT_SEQ, changed.track),
            epoch=changed.epoch if epoch is None else epoch,
        )
        await connection.execute(
            CHANGE,
            *(numbered.round_id, numbered.phase, numbered.revision, numbered.transition_seq, numbered.epoch),
            *(numbered.tickets_root, numbered.result, numbered.server_seed, numbered.payout_minor),
            *(numbered.void_reason, numbered.void_actor),
        )
        return await self._record(connection, numbered)

    async def _record(self, connection: Connection, made: Round) -> Round:
        await connection.execute(
            RECORD, made.track, made.transition_seq, made.round_id, made.phase, self._snapshot(made)
        )
        return made


async def _insert_round(connection: Connection, plan: RoundPlan, epoch: int, transition_seq: int, currency: str) -> int:
    times = plan.timetable
    locks_ms = times.betting_window_ms
    starts_ms = locks_ms + times.lock_ms
    finishes_ms = starts_ms + times.race_ms
    escrow = await connection.fetchval(OPEN_ESCROW, currency, f"Escrow of {plan.race_name}"[:80], AccountKind.ESCROW)
    round_id: int = await connection.fetchval(
        OPEN,
        *(plan.track, transition_seq, epoch, locks_ms, starts_ms, finishes_ms, finishes_ms + times.finish_ms),
        *(plan.card_id, plan.race_name, plan.distance_m, currency),
        [runner.runner for runner in plan.runners],
        [runner.name for runner in plan.runners],
        [runner.weight for runner in plan.runners],
        [runner.win_price_hundredths for runner in plan.runners],
        *(plan.limits.stake_min_minor, plan.limits.stake_max_minor, plan.return_bps),
        *(plan.commitment, plan.sealed_seed, escrow, Phase.OPEN),
        *(plan.limits.selection_payout_max_minor, plan.limits.round_loss_max_minor),
    )
    await ensure_partitions(connection, round_id)
    await connection.execute(OPEN_TOTALS, round_id)
    if not await connection.fetchval(RUN_CARD, plan.card_id, plan.track, round_id):
        raise Refusal(Reason.CARD_MISSING, f"track {plan.track} has no card {plan.card_id}")
    return round_id


async def _check_time(connection: Connection, stored: Round, wanted: Phase) -> None:
    """Refuse a step whose time has not come on the database's clock."""
    due_at = due(stored, wanted)
    if due_at is None:
        return
    left_ms = ceil((due_at - await connection.fetchval(CLOCK)) / timedelta(milliseconds=1))
    if left_ms > 0:
        raise Refusal(
            Reason.TOO_EARLY,
            f"round {stored.round_id} becomes {wanted.name} in {left_ms} ms",
            retry_in_ms=left_ms,
            metadata={"round_id": str(stored.round_id)},
        )


def _check_draw(stored: Round, result: Sequence[int], server_seed: bytes) -> None:
    if sha256(server_seed).digest() != stored.commitment:
        raise Refusal(
            Reason.MALFORMED,
            "the seed is not the one that was committed to",
            violations=[Violation(field="server_seed", description="its SHA-256 is not the round's commitment")],
        )
    if sorted(result) != sorted(runner.runner for runner in stored.runners):
        raise Refusal(
            Reason.MALFORMED,
            "the result does not place every runner once",
            violations=[Violation(field="result", description="is not an order of the round's runners")],
        )


def _wrong_phase(round_id: int, message: str) -> Refusal:
    return Refusal(Reason.ROUND_PHASE, message, metadata={"round_id": str(round_id)})
