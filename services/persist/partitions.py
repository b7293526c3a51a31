"""See to the partitions: `python -m services.persist.partitions list|make|detach`.

    list                            every partition with its bounds, size, and whether it may go
    make                            what is missing for today, the days ahead and the next round, as persist does hourly
    detach --rounds-before ROUND    ranges of rounds that end before ROUND: tickets, lines, events, transfers
           --before YYYY-MM-DD      days of request keys before that day
           --dry-run                only say what would be done

A range goes when all its rounds have ended, every decision on them is posted, nobody can claim a prize of theirs any
more, and no request id is young enough to be sent again. A day of keys goes after the tickets that its keys lead to.
What must stay is named with the reason, and the command ends with status 1. A detached partition is a table like any
other, with its rows and its name; the line that archives it is printed. Detaching does not stop placing: it waits
for transactions under way, and when it is broken off the next call ends it.

The database is DATABASE_URL; who detaches owns the tables, by being a member of furlong_migrator.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, TypeAlias

import asyncpg

from services.persist import command
from services.persist.adapters.postgres.partitions import MAKE_AHEAD

KEYS: Final = "request_keys"
BY_ROUND: Final = ("tickets", "lines", "events", "transfers")

QUIET_DAYS: Final = 8
"""How long ago the last round of a range must have ended, in days: ids are answered again for seven."""

READ: Final = """
SELECT parent, p.partition, p.lower_bound, p.upper_bound, p.detaching,
       pg_total_relation_size(p.partition::regclass) AS bytes,
       (SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = p.partition::regclass) AS rows,
       CASE WHEN parent = 'request_keys' THEN day_of(p.lower_bound::uuid) END AS first_day,
       CASE WHEN parent = 'request_keys' THEN day_of(p.upper_bound::uuid) END AS end_day
FROM unnest($1::text[]) WITH ORDINALITY AS parents (parent, place), partitions_of(parent) AS p
ORDER BY place, length(p.lower_bound) NULLS FIRST, p.lower_bound NULLS FIRST
"""

WHY_ROUNDS_STAY: Final = """
SELECT concat_ws(', ',
    CASE WHEN (SELECT coalesce(max(round_id), 0) FROM rounds) < $2 - 1 THEN 'its rounds have not all been opened' END,
    CASE WHEN count(*) FILTER (WHERE r.phase < 5 OR r.posting) > 0
         THEN count(*) FILTER (WHERE r.phase < 5 OR r.posting) || ' rounds are not ended and posted' END,
    CASE WHEN max(r.ends_at) > clock_timestamp() - make_interval(days => $3)
         THEN 'a round ended less than ' || $3 || ' days ago' END,
    CASE WHEN EXISTS (SELECT FROM unclaimed u WHERE u.round_id >= $1 AND u.round_id < $2)
         THEN 'prizes can still be claimed' END)
FROM rounds r WHERE r.round_id >= $1 AND r.round_id < $2
"""

WHY_KEYS_STAY: Final = """
SELECT concat_ws(', ',
    CASE WHEN $1::date > (clock_timestamp() AT TIME ZONE 'UTC')::date - $2::integer
         THEN 'ids of the last ' || $2::integer || ' days are answered again' END,
    CASE WHEN EXISTS (SELECT FROM {partition} WHERE verdict = 1 AND round_id >= coalesce(
              (SELECT min(lower_bound::bigint) FROM partitions_of('tickets')), 0))
         THEN 'its keys lead to tickets that are not detached' END)
"""

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """A partition. Days bound keys, rounds all else; the upper bound is excluded, a missing lower one has no end."""

    parent: str
    name: str
    first_round: int
    end_round: int
    first_day: date | None
    end_day: date | None
    detaching: bool
    rows: int
    size_bytes: int

    @property
    def bounds(self) -> str:
        """The bounds in words."""
        if self.end_day is not None:
            return f"{self.first_day or 'ever'} until {self.end_day}"
        return f"rounds {self.first_round} to {self.end_round - 1}"


async def read(connection: Connection) -> Sequence[Partition]:
    """Every partition, table by table, the oldest first."""
    return [_partition(row) for row in await connection.fetch(READ, [KEYS, *BY_ROUND])]


async def why_it_stays(connection: Connection, partition: Partition) -> str:
    """Why a partition is in use; empty where it may go."""
    if partition.parent == KEYS:
        statement = WHY_KEYS_STAY.format(partition=partition.name)
        return str(await connection.fetchval(statement, partition.end_day, QUIET_DAYS - 1))
    if partition.first_round == 0:
        return "it holds what happens outside of rounds"
    return str(await connection.fetchval(WHY_ROUNDS_STAY, partition.first_round, partition.end_round, QUIET_DAYS))


async def detach(
    connection: Connection, *, rounds_before: int | None, before: date | None, dry_run: bool
) -> tuple[Sequence[str], Mapping[str, str]]:
    """Detach what is old: the names of what went, and of what had to stay with the reasons.

    Ranges of rounds go before days of keys, so that one call can do both.
    """
    gone: list[str] = []
    stay: dict[str, str] = {}
    for partition in sorted(await read(connection), key=lambda one: one.parent == KEYS):
        if partition.parent == KEYS:
            asked = before is not None and partition.end_day is not None and partition.end_day <= before
        else:
            asked = rounds_before is not None and partition.first_round > 0 and partition.end_round <= rounds_before
        if partition.detaching:
            await _end_detaching(connection, partition, dry_run)
            gone.append(partition.name)
        elif asked and (reason := await why_it_stays(connection, partition)):
            stay[partition.name] = reason
        elif asked:
            if not dry_run:
                await connection.execute(
                    f"ALTER TABLE {partition.parent} DETACH PARTITION {partition.name} CONCURRENTLY"
                )
            gone.append(partition.name)
    return gone, stay


async def _end_detaching(connection: Connection, partition: Partition, dry_run: bool) -> None:
    if not dry_run:
        await connection.execute(f"ALTER TABLE {partition.parent} DETACH PARTITION {partition.name} FINALIZE")


def _partition(row: asyncpg.Record) -> Partition:
    by_day = row["parent"] == KEYS
    return Partition(
        parent=row["parent"],
        name=row["partition"],
        first_round=0 if by_day else int(row["lower_bound"]),
        end_round=0 if by_day else int(row["upper_bound"]),
        first_day=row["first_day"],
        end_day=row["end_day"],
        detaching=row["detaching"],
        rows=row["rows"],
        size_bytes=row["bytes"],
    )


async def _list(connection: Connection) -> None:
    for partition in await read(connection):
        reason = "is being detached" if partition.detaching else await why_it_stays(connection, partition)
        size = f"{partition.rows:>12,} rows {partition.size_bytes / 1e6:>10,.1f} MB"
        print(f"{partition.name:<32} {partition.bounds:<32} {size}  {reason or 'may be detached'}")


async def _detach(connection: Connection, rounds_before: int | None, before: date | None, dry_run: bool) -> int:
    gone, stay = await detach(connection, rounds_before=rounds_before, before=before, dry_run=dry_run)
    for name in gone:
        print(f"{'would detach' if dry_run else 'detached'} {name}; to archive it:")
        print(f'  pg_dump "$DATABASE_URL" --format=custom --table={name} --file={name}.dump \\')
        print(f'    && psql "$DATABASE_URL" --command="DROP TABLE {name}"')
    for name, reason in stay.items():
        print(f"{name} stays: {reason}")
    if not gone and not stay:
        print("nothing is that old")
    return 1 if stay else 0


async def _run(options: argparse.Namespace, database_url: str) -> int:
    connection = await asyncpg.connect(database_url)
    try:
        match options.what:
            case "list":
                await _list(connection)
            case "make":
                print(f"{await connection.fetchval(MAKE_AHEAD)} partitions made")
            case _:
                return await _detach(connection, options.rounds_before, options.before, options.dry_run)
        return 0
    finally:
        await connection.close()


def main() -> None:
    """Read the command line and do it."""
    parser = argparse.ArgumentParser(prog="python -m services.persist.partitions", description="See to the partitions.")
    commands = parser.add_subparsers(dest="what", required=True)
    commands.add_parser("list", help="every partition, and whether it may go")
    commands.add_parser("make", help="make what is missing")
    detaching = commands.add_parser("detach", help="detach what is old, for the archive")
    detaching.add_argument("--rounds-before", type=int, metavar="ROUND", help="ranges that end before this round")
    detaching.add_argument("--before", type=date.fromisoformat, metavar="YYYY-MM-DD", help="keys before this day (UTC)")
    detaching.add_argument("--dry-run", action="store_true", help="only say what would be done")
    options = parser.parse_args()
    if options.what == "detach" and options.rounds_before is None and options.before is None:
        parser.error("detach needs --rounds-before, --before or both")
    sys.exit(command.run(lambda database_url: _run(options, database_url)))


if __name__ == "__main__":
    main()
