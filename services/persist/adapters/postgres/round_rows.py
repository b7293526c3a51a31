"""Rounds as rows: reading them, and reading what they were after each transition."""

from collections.abc import Sequence
from typing import Final

import asyncpg
from furlong.common.v1.error_pb2 import Reason

from services.chassis.refusal import Refusal
from services.persist.adapters.postgres.database import Pool
from services.persist.adapters.postgres.tracks import limits_of, track_not_found
from services.persist.domain.round import ENDED, Phase, Round, Runner, Totals

UNSETTLED_MAX: Final = 100
"""Rounds of one ListUnsettledRounds; more are found when these have ended."""

ROUND: Final = """
SELECT r.*, e.tickets, e.stake_minor, e.payout_minor_max
FROM rounds r JOIN exposure e ON e.round_id = r.round_id AND e.market = 0
"""

READ: Final = f"{ROUND} WHERE r.round_id = $1"
READ_CURRENT: Final = f"{ROUND} WHERE r.track = $1 ORDER BY r.round_id DESC LIMIT 1"
READ_PAGE: Final = f"""
{ROUND} WHERE r.track = $1 AND ($2::bigint IS NULL OR r.round_id < $2) ORDER BY r.round_id DESC LIMIT $3
"""
READ_UNSETTLED: Final = f"""
{ROUND} WHERE r.track = $1 AND (r.phase < {min(ENDED):d} OR r.posting) ORDER BY r.round_id LIMIT $2
"""
READ_TRANSITIONS: Final = """
SELECT k.transition_seq AS latest, t.stored_round
FROM tracks k LEFT JOIN transitions t ON t.track = k.track AND t.transition_seq > $2
WHERE k.track = $1 ORDER BY t.transition_seq LIMIT $3
"""
TRACK_EXISTS: Final = "SELECT true FROM tracks WHERE track = $1"


class PostgresRoundReads:
    """Rounds as they are now."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def get(self, round_id: int) -> Round:
        """Read one round. Raises Refusal ROUND_UNKNOWN."""
        row = await self._pool.fetch_row("read_round", READ, round_id)
        if row is None:
            raise round_unknown(round_id)
        return round_of(row)

    async def current(self, track: str) -> Round:
        """Read the round that was opened last. Raises Refusal TRACK_NOT_FOUND or ROUND_UNKNOWN."""
        row = await self._pool.fetch_row("read_current_round", READ_CURRENT, track)
        if row is None:
            await self._check_track(track)
            raise Refusal(Reason.ROUND_UNKNOWN, f"track {track} has not opened a round yet", metadata={"track": track})
        return round_of(row)

    async def page(self, track: str, before_round_id: int | None, limit: int) -> Sequence[Round]:
        """Read rounds, the newest first. Raises Refusal TRACK_NOT_FOUND."""
        rows = await self._pool.fetch("read_rounds", READ_PAGE, track, before_round_id, limit)
        if not rows:
            await self._check_track(track)
        return [round_of(row) for row in rows]

    async def unsettled(self, track: str) -> Sequence[Round]:
        """Read the rounds that have not ended or are being posted, the oldest first. Raises Refusal TRACK_NOT_FOUND."""
        rows = await self._pool.fetch("read_unsettled_rounds", READ_UNSETTLED, track, UNSETTLED_MAX)
        if not rows:
            await self._check_track(track)
        return [round_of(row) for row in rows]

    async def transitions(self, track: str, after: int, limit: int) -> tuple[Sequence[bytes], int]:
        """Read rendered rounds and the latest number, in one snapshot. Raises Refusal TRACK_NOT_FOUND."""
        rows = await self._pool.fetch("read_transitions", READ_TRANSITIONS, track, after, limit)
        if not rows:
            raise track_not_found(track)
        return [row["stored_round"] for row in rows if row["stored_round"] is not None], rows[0]["latest"]

    async def _check_track(self, track: str) -> None:
        if await self._pool.fetch_row("check_track", TRACK_EXISTS, track) is None:
            raise track_not_found(track)


def round_unknown(round_id: int) -> Refusal:
    """The refusal of a round that does not exist."""
    return Refusal(Reason.ROUND_UNKNOWN, f"no round {round_id}", metadata={"round_id": str(round_id)})


def round_of(row: asyncpg.Record | None) -> Round:
    """A round from its row with its totals, which is there."""
    assert row is not None, "this round has been read before"
    numbers = row["runner_numbers"]
    place_prices = row["runner_place_prices"] or [0] * len(numbers)
    numbered = zip(
        numbers, row["runner_names"], row["runner_weights"], row["runner_win_prices"], place_prices, strict=True
    )
    return Round(
        round_id=row["round_id"],
        track=row["track"],
        phase=Phase(row["phase"]),
        revision=row["revision"],
        transition_seq=row["transition_seq"],
        epoch=row["epoch"],
        opens_at=row["opens_at"],
        locks_at=row["locks_at"],
        starts_at=row["starts_at"],
        finishes_at=row["finishes_at"],
        ends_at=row["ends_at"],
        card_id=row["card_id"],
        race_name=row["race_name"],
        distance_m=row["distance_m"],
        currency=row["currency"],
        runners=[
            Runner(
                runner=runner,
                name=name,
                weight=weight,
                win_price_hundredths=win_price,
                place_price_hundredths=place_price,
            )
            for runner, name, weight, win_price, place_price in numbered
        ],
        limits=limits_of(row),
        return_bps=row["return_bps"],
        commitment=row["commitment"],
        sealed_seed=row["sealed_seed"],
        server_seed=row["server_seed"],
        tickets_root=row["tickets_root"],
        result=row["result"],
        totals=Totals(tickets=row["tickets"], stake_minor=row["stake_minor"], payout_minor_max=row["payout_minor_max"]),
        payout_minor=row["payout_minor"],
        void_reason=row["void_reason"],
        void_actor=row["void_actor"],
        correction_reason=row["correction_reason"],
        correction_actor=row["correction_actor"],
        posting=row["posting"],
        escrow_account_id=str(row["escrow_account_id"]),
        terms=row["terms"],
        positions=row["positions"],
        withdrawn=row["withdrawn"],
        price_revision=row["price_revision"],
        beacon_signature=row["beacon_signature"],
    )
