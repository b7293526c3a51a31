"""Transitions of rounds, each one transaction:

    fence ─▶ (gate) ─▶ round FOR UPDATE ─▶ judge the step ─▶ its own work ─▶ number it ─▶ snapshot (─▶ audit)

The lock and the void pass the round's gate alone: they wait for the batches in flight, and batches that come later wait
for them and then find betting closed. The track's row, which numbers the transitions, is taken last, so that a long
decision does not hold up the next round; what an operator did is added to the audit after it, which nobody holds for
longer than a commit takes.

A settlement is decided here and moves no money; `posting.py` does, and makes the transition.
"""

import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from math import ceil
from typing import Final

from furlong.common.v1.error_pb2 import Reason

from services.chassis.crash_points import reach
from services.chassis.refusal import Refusal, Violation
from services.persist.adapters.postgres import audit, deciding, gate, pricing
from services.persist.adapters.postgres.database import BEGIN, Connection, Pool
from services.persist.adapters.postgres.fence import check_epoch_of_round, check_epoch_of_track
from services.persist.adapters.postgres.numbering import Numbering
from services.persist.adapters.postgres.operations import once
from services.persist.adapters.postgres.partitions import ensure_partitions
from services.persist.adapters.postgres.round_rows import READ, ROUND, round_of, round_unknown
from services.persist.adapters.postgres.seed_chains import use_seed
from services.persist.adapters.postgres.tracks import track_not_found
from services.persist.domain.account import AccountKind
from services.persist.domain.audit import Action
from services.persist.domain.pricing import Price
from services.persist.domain.race_result import RaceResult, fault, normal, result_of
from services.persist.domain.round import ON_TRACK, Phase, Round, RoundPlan, Runner, Step, Winner, delayed, due, step
from services.persist.domain.tickets_root import root
from services.persist.domain.track import TrackState
from services.persist.domain.winners import canonical
from services.persist.ports import Operation, Start

HOLD: Final = f"""
SELECT held.*, clock_timestamp() AS held_at FROM ({ROUND} WHERE r.round_id = $1 FOR UPDATE OF r) AS held
"""  # noqa: S608 - put together from a constant of ours
"""The clock is read when the row is held. The totals are read with the row; they are final, because the gate is passed
or betting closed long ago."""

NOW: Final = "SELECT date_trunc('milliseconds', clock_timestamp())"

SUB_ROOTS: Final = "SELECT sub_root FROM batches WHERE round_id = $1 ORDER BY batch_id"

DECIDED: Final = "UPDATE rounds SET payout_minor = $2, posting = true WHERE round_id = $1"

START_TRACK: Final = """
UPDATE tracks SET transition_seq = transition_seq + 1 WHERE track = $1 RETURNING transition_seq, currency, state
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
    selection_payout_max_minor, round_loss_max_minor, payout_max_minor, runner_place_prices, terms)
SELECT $1, $22, 1, $2, $3, now, off, off + ($5 * ms), off + ($6 * ms), off + ($7 * ms),
    $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $23, $24, $25, $26, $27
FROM (
    SELECT now, ms, coalesce(to_timestamp(nullif($28::bigint, 0) / 1000.0), now + ($4 * ms)) AS off
    FROM (SELECT date_trunc('milliseconds', clock_timestamp()) AS now, interval '1 millisecond' AS ms) AS clock
) AS clock
WHERE $28 = 0 OR off >= now + interval '1 second'
RETURNING round_id
"""
"""A round with an off of its own is betted on for a second at least; nothing is inserted where it would not be."""

OPEN_TOTALS: Final = "INSERT INTO exposure (round_id, market, selection) VALUES ($1, 0, '')"
RUN_CARD: Final = "UPDATE cards SET last_round_id = $3 WHERE card_id = $1 AND track = $2 RETURNING true"

_BEHIND_THE_GATE: Final = (Phase.LOCKED, Phase.VOID)


async def _no_content(_: Connection, __: Round) -> bool:
    """A step without content of its own: once it is durable, every wish for it agrees."""
    return True


async def _nothing_more(_: Connection, __: Round) -> None:
    """Most steps end with their number."""


class PostgresRounds:
    """Makes transitions durable. `snapshot` renders a round as ListTransitions will give it out."""

    def __init__(self, pool: Pool, snapshot: Callable[[Round], bytes]) -> None:
        self._pool = pool
        self._numbering = Numbering(snapshot)

    async def open(self, operation: Operation[Round], plan: RoundPlan, epoch: int) -> bytes:
        """Open the track's next round.

        Raises Refusal ROUND_PHASE where another one is on the track, it is stopped, or the round's off was missed.
        """

        async def work(connection: Connection) -> Round:
            await check_epoch_of_track(connection, plan.track, epoch)
            track = await connection.fetchrow(START_TRACK, plan.track)
            if track is None:
                raise track_not_found(plan.track)
            if (state := TrackState(track["state"])) is not TrackState.RUNNING:
                message = f"track {plan.track} is {state.name} and opens no round"
                raise Refusal(Reason.ROUND_PHASE, message, metadata={"track": plan.track})
            if (occupant := await connection.fetchval(OCCUPIED, plan.track, ON_TRACK)) is not None:
                raise _wrong_phase(occupant, f"round {occupant} is still on track {plan.track}")
            if plan.seed_chain_no:
                await use_seed(connection, plan.track, plan.seed_chain_no, plan.seed_index)
            round_id = await _insert_round(connection, plan, epoch, track["transition_seq"], track["currency"])
            opened = await connection.fetchrow(READ, round_id)
            assert opened is not None, "a round is there after it was inserted"
            return await self._numbering.record(connection, round_of(opened))

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

    async def start(self, operation: Operation[Round], round_id: int, epoch: int | None, start: Start) -> bytes:
        """Store the result. Raises Refusal MALFORMED for what is no result of the round, or not the seed committed to.

        Without an epoch it is an operator's, who saw the race.
        """
        result = normal(start.result)

        async def change(connection: Connection, stored: Round) -> Round:
            if not start.actor:
                _check_seed(stored, start.server_seed)
            _check_result(stored, result)
            on_time = delayed(stored, await connection.fetchval(NOW)) if start.from_now else stored
            return dataclasses.replace(
                _with_result(on_time, result), server_seed=start.server_seed, beacon_signature=start.beacon_signature
            )

        async def same(_: Connection, stored: Round) -> bool:
            asked = (result, start.server_seed, start.beacon_signature)
            return (normal(result_of(stored)), stored.server_seed, stored.beacon_signature) == asked

        async def after(connection: Connection, _: Round) -> None:
            if start.actor:
                await _audit(connection, Action.ENTER_RESULT, operation.request_id, round_id, start.reason, start.actor)

        return await self._take(operation, round_id, epoch, Phase.RUNNING, change, same, after)

    async def finish(self, operation: Operation[Round], round_id: int, epoch: int) -> bytes:
        """End the race."""

        async def change(_: Connection, stored: Round) -> Round:
            return stored

        return await self._take(operation, round_id, epoch, Phase.FINISHED, change)

    async def settle(self, operation: Operation[Round], round_id: int, epoch: int, winners: Sequence[Winner]) -> bytes:
        """Decide who is paid, once; SETTLED at once where nobody has to be."""

        async def work(connection: Connection) -> Round:
            await check_epoch_of_round(connection, round_id, epoch)
            stored = await _hold(connection, round_id)
            decided = await deciding.settled_with(connection, round_id)
            if decided is not None and decided == canonical(winners):
                return stored
            if decided is not None or step(stored.phase, Phase.SETTLED) is not Step.TAKE:
                raise _wrong_phase(round_id, f"round {round_id} is {stored.phase.name} and cannot be settled so")
            return await self._settle(connection, stored, operation.request_id, winners, epoch)

        settled = await once(self._pool, operation, work)
        reach("settlement.decided")
        return settled

    async def void(
        self, operation: Operation[Round], round_id: int, epoch: int | None, reason: str, actor: str
    ) -> bytes:
        """Decide that every stake goes back, once."""

        async def change(connection: Connection, stored: Round) -> Round:
            decided = await deciding.void(connection, stored, operation.request_id, reason, actor)
            return dataclasses.replace(stored, void_reason=reason, void_actor=actor, posting=decided.to_post)

        async def same(_: Connection, stored: Round) -> bool:
            return (stored.void_reason, stored.void_actor) == (reason, actor)

        async def after(connection: Connection, _: Round) -> None:
            if epoch is None:
                await _audit(connection, Action.VOID_ROUND, operation.request_id, round_id, reason, actor)

        return await self._take(operation, round_id, epoch, Phase.VOID, change, same, after)

    async def correct(
        self,
        operation: Operation[Round],
        round_id: int,
        result: RaceResult,
        winners: Sequence[Winner],
        reason: str,
        actor: str,
    ) -> bytes:
        """Decide that a settled round ended otherwise.

        Raises Refusal ROUND_PHASE where the round is not settled or its money is still moving, MALFORMED for what is
        no result of the round.
        """
        result = normal(result)

        async def work(connection: Connection) -> Round:
            stored = await _hold(connection, round_id)
            if stored.phase is not Phase.SETTLED:
                raise _wrong_phase(round_id, f"round {round_id} is {stored.phase.name}, not SETTLED")
            if normal(result_of(stored)) == result:
                return stored
            if stored.posting:
                raise _wrong_phase(round_id, f"money of round {round_id} is still moving; ask again when it is done")
            _check_result(stored, result)
            decided = await deciding.correct(connection, stored, operation.request_id, winners, reason, actor)
            corrected = dataclasses.replace(
                _with_result(stored, result),
                payout_minor=decided.payout_minor,
                correction_reason=reason,
                correction_actor=actor,
                posting=decided.to_post,
            )
            numbered = await self._numbering.number(connection, corrected, Phase.SETTLED, epoch=None)
            await _audit(connection, Action.CORRECT_RESULT, operation.request_id, round_id, reason, actor)
            return numbered

        return await once(self._pool, operation, work)

    async def set_prices(
        self, operation: Operation[Round], round_id: int, prices: Sequence[Price], reason: str, actor: str
    ) -> bytes:
        """Move prices of an open round, see `pricing.py`."""

        async def work(connection: Connection) -> Round:
            stored, held_at = await _hold_now(connection, round_id)
            changed = await pricing.set_prices(connection, stored, held_at, prices)
            await _audit(connection, Action.SET_PRICES, operation.request_id, round_id, reason, actor)
            return changed

        return await once(self._pool, operation, work, gate.begin_alone(round_id))

    async def _settle(
        self, connection: Connection, stored: Round, request_id: str, winners: Sequence[Winner], epoch: int
    ) -> Round:
        decided = await deciding.settle(connection, stored, request_id, winners)
        settled = dataclasses.replace(stored, payout_minor=decided.payout_minor, posting=decided.to_post)
        if not decided.to_post:
            return await self._numbering.number(connection, settled, Phase.SETTLED, epoch)
        await connection.execute(DECIDED, settled.round_id, settled.payout_minor)
        return settled

    async def _take(
        self,
        operation: Operation[Round],
        round_id: int,
        epoch: int | None,
        wanted: Phase,
        change: Callable[[Connection, Round], Awaitable[Round]],
        same: Callable[[Connection, Round], Awaitable[bool]] = _no_content,
        after: Callable[[Connection, Round], Awaitable[None]] = _nothing_more,
    ) -> bytes:
        """Bring a round to the phase `wanted`.

        `change` does the step's own work and returns the round with what it changed; `same` tells, of a step that is
        durable already, whether its content agrees with what is asked for now; `after` follows the transition.
        """

        async def work(connection: Connection) -> Round:
            if wanted is Phase.LOCKED:
                reach("lock.gate_passed")
            await check_epoch_of_round(connection, round_id, epoch)
            stored, held_at = await _hold_now(connection, round_id)
            match step(stored.phase, wanted):
                case Step.DURABLE_ALREADY if await same(connection, stored):
                    return stored
                case Step.TAKE:
                    _check_time(stored, wanted, held_at)
                    changed = await change(connection, stored)
                    numbered = await self._numbering.number(connection, changed, wanted, epoch)
                    await after(connection, numbered)
                    return numbered
                case _:
                    raise _wrong_phase(round_id, f"round {round_id} is {stored.phase.name} and cannot become so")

        begin = gate.begin_alone(round_id) if wanted in _BEHIND_THE_GATE else BEGIN
        return await once(self._pool, operation, work, begin)


async def _hold(connection: Connection, round_id: int) -> Round:
    """Read a round and hold its row. Raises Refusal ROUND_UNKNOWN."""
    stored, _ = await _hold_now(connection, round_id)
    return stored


async def _hold_now(connection: Connection, round_id: int) -> tuple[Round, datetime]:
    """Hold a round likewise, and tell when by the database's clock."""
    row = await connection.fetchrow(HOLD, round_id)
    if row is None:
        raise round_unknown(round_id)
    return round_of(row), row["held_at"]


async def _insert_round(connection: Connection, plan: RoundPlan, epoch: int, transition_seq: int, currency: str) -> int:
    times = plan.timetable
    finishes_ms = times.lock_ms + times.race_ms
    escrow = await connection.fetchval(OPEN_ESCROW, currency, f"Escrow of {plan.race_name}"[:80], AccountKind.ESCROW)
    round_id: int | None = await connection.fetchval(
        OPEN,
        *(plan.track, transition_seq, epoch),
        *(times.betting_window_ms, times.lock_ms, finishes_ms, finishes_ms + times.finish_ms),
        *(plan.card_id, plan.race_name, plan.distance_m, currency),
        [runner.runner for runner in plan.runners],
        [runner.name for runner in plan.runners],
        [runner.weight for runner in plan.runners],
        [runner.win_price_hundredths for runner in plan.runners],
        *(plan.limits.stake_min_minor, plan.limits.stake_max_minor, plan.return_bps),
        *(plan.commitment, plan.sealed_seed, escrow, Phase.OPEN),
        *(plan.limits.selection_payout_max_minor, plan.limits.round_loss_max_minor, plan.limits.payout_max_minor),
        _place_prices(plan.runners),
        *(plan.terms, plan.locks_at_ms),
    )
    if round_id is None:
        message = f"the off of the next round of {plan.track} is less than a second away, or has passed"
        raise Refusal(Reason.ROUND_PHASE, message, metadata={"track": plan.track})
    await ensure_partitions(connection, round_id)
    await connection.execute(OPEN_TOTALS, round_id)
    if not await connection.fetchval(RUN_CARD, plan.card_id, plan.track, round_id):
        raise Refusal(Reason.CARD_MISSING, f"track {plan.track} has no card {plan.card_id}")
    return round_id


def _place_prices(runners: Sequence[Runner]) -> list[int]:
    """The prices to PLACE, none where it is not offered."""
    prices = [runner.place_price_hundredths for runner in runners]
    return prices if any(prices) else []


def _check_time(stored: Round, wanted: Phase, now: datetime) -> None:
    """Refuse a step whose time has not come on the database's clock."""
    due_at = due(stored, wanted)
    if due_at is None:
        return
    left_ms = ceil((due_at - now) / timedelta(milliseconds=1))
    if left_ms > 0:
        raise Refusal(
            Reason.TOO_EARLY,
            f"round {stored.round_id} becomes {wanted.name} in {left_ms} ms",
            retry_in_ms=left_ms,
            metadata={"round_id": str(stored.round_id)},
        )


def _check_seed(stored: Round, server_seed: bytes) -> None:
    if sha256(server_seed).digest() != stored.commitment:
        raise Refusal(
            Reason.MALFORMED,
            "the seed is not the one that was committed to",
            violations=[Violation(field="server_seed", description="its SHA-256 is not the round's commitment")],
        )


def _check_result(stored: Round, result: RaceResult) -> None:
    wrong = fault(result, [runner.runner for runner in stored.runners])
    if wrong is not None:
        field, description = wrong
        message = f"{field} {description}"
        raise Refusal(Reason.MALFORMED, message, violations=[Violation(field=field, description=description)])


def _with_result(stored: Round, result: RaceResult) -> Round:
    return dataclasses.replace(stored, result=result.order, positions=result.positions, withdrawn=result.withdrawn)


async def _audit(
    connection: Connection, action: Action, request_id: str, round_id: int, reason: str, actor: str
) -> None:
    await audit.record(
        connection, action=action, subject=str(round_id), actor=actor, reason=reason, request_id=request_id
    )


def _wrong_phase(round_id: int, message: str) -> Refusal:
    return Refusal(Reason.ROUND_PHASE, message, metadata={"round_id": str(round_id)})
