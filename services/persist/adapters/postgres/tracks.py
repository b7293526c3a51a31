"""Tracks and their race cards."""

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Final

import asyncpg
from furlong.common.v1.error_pb2 import Reason

from services.chassis.refusal import Refusal
from services.persist.adapters.postgres import audit, gate, selling
from services.persist.adapters.postgres.accounts import open_system_accounts
from services.persist.adapters.postgres.database import Connection, Pool
from services.persist.adapters.postgres.operations import once
from services.persist.domain.audit import Action
from services.persist.domain.round import Limits, Phase, Runner, Timetable
from services.persist.domain.suspension import Part, Suspension
from services.persist.domain.track import RaceCard, Track, TrackChange, TrackState
from services.persist.ports import Operation

CREATE: Final = """
INSERT INTO tracks (track, display_name, currency, state, betting_window_ms, lock_ms, race_ms, finish_ms,
                    stake_min_minor, stake_max_minor, selection_payout_max_minor, round_loss_max_minor, return_bps,
                    payout_max_minor, program)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
ON CONFLICT (track) DO NOTHING RETURNING true
"""
CREATE_LEASE: Final = "INSERT INTO leases (track) VALUES ($1)"

_TRACK: Final = f"""
SELECT t.*,
    (SELECT array_agg(ROW (s.market, s.runner, s.terminal, s.round_id, s.reason, s.since) ORDER BY s.since)
     FROM suspensions s WHERE s.track = t.track AND (s.round_id = 0 OR s.round_id IN
        (SELECT r.round_id FROM rounds r WHERE r.track = t.track AND r.phase = {Phase.OPEN:d}))) AS suspended
FROM tracks t
"""  # noqa: S608 - put together from constants of ours
"""A track with what of it is suspended; a runner's suspension is over when its round has locked."""

READ: Final = f"{_TRACK} WHERE t.track = $1"
READ_PAGE: Final = f"{_TRACK} WHERE t.track > $1 ORDER BY t.track LIMIT $2"

PUT_CARD: Final = """
INSERT INTO cards (track, name, distance_m, runner_numbers, runner_names, runner_weights)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (track, name) DO UPDATE SET
    distance_m = excluded.distance_m, runner_numbers = excluded.runner_numbers,
    runner_names = excluded.runner_names, runner_weights = excluded.runner_weights
RETURNING xmax = 0 AS added
"""

NEXT_CARD: Final = "SELECT * FROM cards WHERE track = $1 ORDER BY last_round_id, card_id LIMIT 1"

SET_STATE: Final = "UPDATE tracks SET state = $2 WHERE track = $1 RETURNING true"

UPDATE: Final = """
UPDATE tracks SET
    display_name = coalesce($2, display_name), return_bps = coalesce($3, return_bps), program = coalesce($4, program),
    betting_window_ms = coalesce($5, betting_window_ms), lock_ms = coalesce($6, lock_ms),
    race_ms = coalesce($7, race_ms), finish_ms = coalesce($8, finish_ms),
    stake_min_minor = coalesce($9, stake_min_minor), stake_max_minor = coalesce($10, stake_max_minor),
    selection_payout_max_minor = coalesce($11, selection_payout_max_minor),
    round_loss_max_minor = coalesce($12, round_loss_max_minor), payout_max_minor = coalesce($13, payout_max_minor)
WHERE track = $1 RETURNING true
"""

_ACTIONS: Final[Mapping[TrackState, Action]] = MappingProxyType(
    {
        TrackState.RUNNING: Action.RESUME_TRACK,
        TrackState.PAUSED: Action.PAUSE_TRACK,
        TrackState.SUSPENDED: Action.SUSPEND_TRACK,
    }
)


class PostgresTracks:
    """Tracks as they were set up."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def create(self, operation: Operation[Track], track: Track) -> bytes:
        """Make a track with its lease and its currency's accounts.

        One that exists with the very same settings is answered as it is. Raises Refusal TRACK_EXISTS otherwise.
        """

        async def work(connection: Connection) -> Track:
            if await connection.fetchval(CREATE, *_track_values(track)):
                await connection.execute(CREATE_LEASE, track.track)
                await open_system_accounts(connection, track.currency)
                return track
            stored = _track(await connection.fetchrow(READ, track.track))
            if dataclasses.replace(stored, state=track.state, suspended=()) != track:
                raise Refusal(
                    Reason.TRACK_EXISTS,
                    f"track {track.track} exists with other settings",
                    metadata={"track": track.track},
                )
            return stored

        return await once(self._pool, operation, work)

    async def get(self, track: str) -> Track:
        """Read one track. Raises Refusal TRACK_NOT_FOUND."""
        row = await self._pool.fetch_row("read_track", READ, track)
        if row is None:
            raise track_not_found(track)
        return _track(row)

    async def page(self, after_track: str, limit: int) -> Sequence[Track]:
        """Read tracks by name."""
        return [_track(row) for row in await self._pool.fetch("read_tracks", READ_PAGE, after_track, limit)]

    async def put_cards(self, operation: Operation[tuple[int, int]], track: str, cards: Sequence[RaceCard]) -> bytes:
        """Add or replace cards, all or none; a replaced card keeps its place in the order of running."""

        async def work(connection: Connection) -> tuple[int, int]:
            if await connection.fetchrow(READ, track) is None:
                raise track_not_found(track)
            statement = await connection.prepare(PUT_CARD)
            added = 0
            for card in sorted(cards, key=lambda card: card.name):  # in one order, so that two calls cannot deadlock
                added += await statement.fetchval(
                    track,
                    card.name,
                    card.distance_m,
                    [runner.runner for runner in card.runners],
                    [runner.name for runner in card.runners],
                    [runner.weight for runner in card.runners],
                )
            return added, len(cards) - added

        return await once(self._pool, operation, work)

    async def set_state(
        self, operation: Operation[Track], track: str, state: TrackState, reason: str, actor: str
    ) -> bytes:
        """Pause, suspend or resume a track. Raises Refusal TRACK_NOT_FOUND.

        A suspension passes the gate of the open round alone: it waits for the batches in flight, and whatever comes
        later reads the new state.
        """

        async def work(connection: Connection) -> Track:
            gated = await gate.pass_open_round(connection, track, None) if state is TrackState.SUSPENDED else None
            if not await connection.fetchval(SET_STATE, track, state):
                raise track_not_found(track)
            if state is TrackState.SUSPENDED:
                # A round may have opened in between. Its gate is taken against the order of locks, but whoever else
                # wants it alone, and this track's row then, is tried again when the two get in each other's way.
                await gate.pass_open_round(connection, track, gated)
            changed = _track(await connection.fetchrow(READ, track))
            await audit.record(
                connection,
                action=_ACTIONS[state],
                subject=track,
                actor=actor,
                reason=reason,
                request_id=operation.request_id,
            )
            return changed

        return await once(self._pool, operation, work)

    async def update(self, operation: Operation[Track], change: TrackChange, reason: str, actor: str) -> bytes:
        """Change settings of a track, for the rounds that open from now on. Raises Refusal TRACK_NOT_FOUND."""

        async def work(connection: Connection) -> Track:
            if not await connection.fetchval(UPDATE, *_change_values(change)):
                raise track_not_found(change.track)
            changed = _track(await connection.fetchrow(READ, change.track))
            await audit.record(
                connection,
                action=Action.UPDATE_TRACK,
                subject=change.track,
                actor=actor,
                reason=reason,
                request_id=operation.request_id,
            )
            return changed

        return await once(self._pool, operation, work)

    async def set_selling(
        self, operation: Operation[Track], track: str, part: Part, sells: bool, reason: str, actor: str
    ) -> bytes:
        """Suspend a part of a track, or let it go on, see `selling.py`. Raises Refusal TRACK_NOT_FOUND."""

        async def work(connection: Connection) -> Track:
            if sells:
                found = await selling.resume(connection, track, part)
            else:
                found = await selling.suspend(connection, track, part, reason)
            if not found:
                raise track_not_found(track)
            changed = _track(await connection.fetchrow(READ, track))
            await audit.record(
                connection,
                action=Action.RESUME_SELLING if sells else Action.SUSPEND_SELLING,
                subject=f"{track} {part}",
                actor=actor,
                reason=reason,
                request_id=operation.request_id,
            )
            return changed

        return await once(self._pool, operation, work)

    async def next_card(self, track: str) -> RaceCard:
        """Read the card to run next. Raises Refusal TRACK_NOT_FOUND or CARD_MISSING."""
        row = await self._pool.fetch_row("read_next_card", NEXT_CARD, track)
        if row is None:
            await self.get(track)
            raise Refusal(Reason.CARD_MISSING, f"track {track} has no race card", metadata={"track": track})
        numbered = zip(row["runner_numbers"], row["runner_names"], row["runner_weights"], strict=True)
        return RaceCard(
            card_id=row["card_id"],
            name=row["name"],
            distance_m=row["distance_m"],
            runners=[
                Runner(runner=runner, name=name, weight=weight, win_price_hundredths=0)
                for runner, name, weight in numbered
            ],
        )


def track_not_found(track: str) -> Refusal:
    """The refusal of a track that does not exist."""
    return Refusal(Reason.TRACK_NOT_FOUND, f"no track {track}", metadata={"track": track})


def _track_values(track: Track) -> tuple[object, ...]:
    times, limits = track.timetable, track.limits
    return (
        *(track.track, track.display_name, track.currency, track.state),
        *(times.betting_window_ms, times.lock_ms, times.race_ms, times.finish_ms),
        *(limits.stake_min_minor, limits.stake_max_minor),
        *(limits.selection_payout_max_minor, limits.round_loss_max_minor, track.return_bps),
        *(limits.payout_max_minor, track.program),
    )


def _change_values(change: TrackChange) -> tuple[object, ...]:
    """The values of UPDATE; null leaves a column as it is."""
    times, limits = change.timetable, change.limits
    of_times = (times.betting_window_ms, times.lock_ms, times.race_ms, times.finish_ms) if times else (None,) * 4
    of_limits: tuple[int | None, ...] = (None,) * 5
    if limits is not None:
        of_limits = (
            *(limits.stake_min_minor, limits.stake_max_minor),
            *(limits.selection_payout_max_minor, limits.round_loss_max_minor, limits.payout_max_minor),
        )
    return change.track, change.display_name, change.return_bps, change.program, *of_times, *of_limits


def limits_of(row: asyncpg.Record) -> Limits:
    """The limits of a track's row, or of a round's, which keeps those that held at its opening."""
    return Limits(
        stake_min_minor=row["stake_min_minor"],
        stake_max_minor=row["stake_max_minor"],
        selection_payout_max_minor=row["selection_payout_max_minor"],
        round_loss_max_minor=row["round_loss_max_minor"],
        payout_max_minor=row["payout_max_minor"],
    )


def _track(row: asyncpg.Record | None) -> Track:
    assert row is not None, "a track that is in the way is there to be read"
    return Track(
        track=row["track"],
        display_name=row["display_name"],
        currency=row["currency"],
        state=TrackState(row["state"]),
        timetable=Timetable(
            betting_window_ms=row["betting_window_ms"],
            lock_ms=row["lock_ms"],
            race_ms=row["race_ms"],
            finish_ms=row["finish_ms"],
        ),
        limits=limits_of(row),
        return_bps=row["return_bps"],
        program=row["program"],
        suspended=tuple(_suspension(*fields) for fields in row["suspended"] or ()),
    )


def _suspension(market: int, runner: int, terminal: str, round_id: int, reason: str, since: datetime) -> Suspension:
    part = Part(market=market, runner=runner, terminal=terminal)
    return Suspension(part=part, round_id=round_id, reason=reason, since=since)
