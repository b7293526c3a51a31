"""Partitions in place of the default ones: request keys by day, what a round leaves behind by ranges of rounds.

- `request_keys` has a partition per UTC day of the time in the UUIDv7, so that a key that is looked up or written costs
  what that day holds, whatever is stored from before. tickets, lines, events and transfers have a partition for
  ROUNDS_IN_PARTITION rounds each. Transfers outside of rounds (round_id 0) have one of their own, which is never old.
- `make_partitions(round)` makes what is missing for today and for that round, and ahead of both. persist calls it when
  it starts, every hour, and in each transaction that opens a round. What exists already costs two look-ups of names.
- A new partition is made as a table of its own and attached empty: that takes SHARE UPDATE EXCLUSIVE on the parent,
  which inserts do not wait for, and as there is no default partition, nothing is searched for rows that belong
  elsewhere. An advisory lock makes those who would make the same one at once wait for each other.
- What was stored before becomes the first partition of each table without being copied; attaching it reads it once.
  Copied are the transfers outside of rounds, and keys whose ids are dated more than a day ahead, which only a clock
  that was wrong makes. They get the partitions of their days, of which DAYS_AHEAD_MAX are allowed.

On the way back the largest partition of each table becomes its default one, and the rows of the others are copied into
it. Tables that were detached for the archive are left alone in either direction.
"""

from typing import Final

from services.persist.migrations.script import run

revision = "0003"
down_revision = "0002"

ROUNDS_IN_PARTITION: Final = 10_000
ROUNDS_AHEAD: Final = 1_000
"""How many rounds before it is needed a range of rounds is made."""

KEY_DAYS_BACK: Final = 7
"""Older ids are refused."""
KEY_DAYS_AHEAD: Final = 2
"""Ids may be dated a day ahead; the second day is the time to notice that nobody makes partitions any more."""

DAYS_AHEAD_MAX: Final = 100
PARTITIONS_LOCK: Final = -3
"""The advisory lock of whoever makes partitions; rounds use their ids, which are positive, migrations and the audit the
next numbers below."""

FUNCTIONS = f"""
CREATE FUNCTION first_id_of(day date) RETURNS uuid IMMUTABLE STRICT LANGUAGE sql AS $$
    SELECT (lpad(to_hex(extract(epoch FROM day)::bigint * 1000), 12, '0') || repeat('0', 20))::uuid
$$;
COMMENT ON FUNCTION first_id_of IS 'the lowest UUIDv7 of a day (UTC)';

CREATE FUNCTION day_of(id uuid) RETURNS date IMMUTABLE STRICT LANGUAGE sql AS $$
    SELECT date '1970-01-01' + (('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint / 86400000)::integer
$$;
COMMENT ON FUNCTION day_of IS 'the day (UTC) of a UUIDv7';

CREATE FUNCTION partitions_of(parent text)
RETURNS TABLE (partition text, lower_bound text, upper_bound text, detaching boolean) STABLE LANGUAGE sql AS $$
    SELECT child.relname, nullif(bounds[1], 'MINVALUE'), nullif(bounds[2], 'MAXVALUE'), inhdetachpending
    FROM pg_inherits
    JOIN pg_class AS child ON child.oid = inhrelid
    CROSS JOIN pg_get_expr(child.relpartbound, child.oid) AS bound
    CROSS JOIN regexp_match(bound, '\\(''?(.*?)''?\\) TO \\(''?(.*?)''?\\)') AS bounds
    WHERE inhparent = to_regclass(parent)
$$;
COMMENT ON FUNCTION partitions_of IS 'each partition with its bounds, the upper one excluded; null where there is none';

CREATE FUNCTION make_partition(parent text, partition text, lower_bound text, upper_bound text)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', partition, parent);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
        parent, partition, lower_bound, upper_bound);
END
$$;

CREATE FUNCTION make_partitions(wanted_round bigint) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    today CONSTANT date := (clock_timestamp() AT TIME ZONE 'UTC')::date;
    last_day CONSTANT date := today + {KEY_DAYS_AHEAD};
    first_start CONSTANT bigint := wanted_round / {ROUNDS_IN_PARTITION} * {ROUNDS_IN_PARTITION};
    last_start CONSTANT bigint := (wanted_round + {ROUNDS_AHEAD}) / {ROUNDS_IN_PARTITION} * {ROUNDS_IN_PARTITION};
    day date;
    start bigint;
    parent text;
    made integer := 0;
BEGIN
    IF to_regclass('request_keys_day_' || to_char(last_day, 'YYYYMMDD')) IS NOT NULL
        AND to_regclass('transfers_rounds_' || last_start) IS NOT NULL
    THEN
        RETURN made;
    END IF;
    PERFORM pg_advisory_xact_lock({PARTITIONS_LOCK});
    FOR day IN SELECT generate_series(today - {KEY_DAYS_BACK}, last_day, interval '1 day') LOOP
        CONTINUE WHEN EXISTS (
            SELECT FROM partitions_of('request_keys')
            WHERE coalesce(lower_bound::uuid <= first_id_of(day), true) AND first_id_of(day) < upper_bound::uuid);
        PERFORM make_partition('request_keys', 'request_keys_day_' || to_char(day, 'YYYYMMDD'),
            first_id_of(day)::text, first_id_of(day + 1)::text);
        made := made + 1;
    END LOOP;
    FOR start IN SELECT generate_series(first_start, last_start, {ROUNDS_IN_PARTITION}) LOOP
        FOREACH parent IN ARRAY ARRAY['tickets', 'lines', 'events', 'transfers'] LOOP
            CONTINUE WHEN EXISTS (
                SELECT FROM partitions_of(parent)
                WHERE lower_bound::bigint <= greatest(start, 1) AND greatest(start, 1) < upper_bound::bigint);
            PERFORM make_partition(parent, parent || '_rounds_' || start,
                greatest(start, 1)::text, (start + {ROUNDS_IN_PARTITION})::text);
            made := made + 1;
        END LOOP;
    END LOOP;
    RETURN made;
END
$$;
COMMENT ON FUNCTION make_partitions IS 'makes what is missing for today and for a round, and how many that were';

DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION make_partitions SET search_path = %I, pg_temp', current_schema());
    ALTER FUNCTION make_partitions SET lock_timeout = '2s';
END
$$;
"""  # noqa: S608 - the numbers above, nothing from outside

UP = f"""
DO $$
DECLARE
    last_round CONSTANT bigint := (SELECT coalesce(max(round_id), 0) FROM rounds);
    range_end CONSTANT bigint := (last_round / {ROUNDS_IN_PARTITION} + 1) * {ROUNDS_IN_PARTITION};
    keys_end CONSTANT date := (clock_timestamp() AT TIME ZONE 'UTC')::date + {KEY_DAYS_AHEAD};
    parent text;
    days date[];
    day date;
BEGIN
    FOREACH parent IN ARRAY ARRAY['tickets', 'lines', 'events', 'transfers', 'request_keys'] LOOP
        EXECUTE format('ALTER TABLE %I DETACH PARTITION %I', parent, parent || '_default');
    END LOOP;

    PERFORM make_partition('transfers', 'transfers_outside_rounds', '0', '1');
    WITH moved AS (DELETE FROM transfers_default WHERE round_id = 0 RETURNING *)
    INSERT INTO transfers SELECT * FROM moved;

    FOREACH parent IN ARRAY ARRAY['tickets', 'lines', 'events', 'transfers'] LOOP
        IF last_round = 0 THEN
            EXECUTE format('DROP TABLE %I', parent || '_default');
        ELSE
            EXECUTE format('ALTER TABLE %I RENAME TO %I', parent || '_default', parent || '_rounds_0');
            EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (1) TO (%L)',
                parent, parent || '_rounds_0', range_end);
        END IF;
    END LOOP;

    IF EXISTS (SELECT FROM request_keys_default) THEN
        SELECT coalesce(array_agg(DISTINCT day_of(request_id)), '{{}}') INTO days
            FROM request_keys_default WHERE request_id >= first_id_of(keys_end);
        IF cardinality(days) > {DAYS_AHEAD_MAX} THEN
            RAISE EXCEPTION 'request_keys has ids of % days from % on, dated by clocks that were wrong: remove them',
                cardinality(days), keys_end USING ERRCODE = 'program_limit_exceeded';
        END IF;
        FOREACH day IN ARRAY days LOOP
            PERFORM make_partition('request_keys', 'request_keys_day_' || to_char(day, 'YYYYMMDD'),
                first_id_of(day)::text, first_id_of(day + 1)::text);
        END LOOP;
        WITH moved AS (DELETE FROM request_keys_default WHERE request_id >= first_id_of(keys_end) RETURNING *)
        INSERT INTO request_keys SELECT * FROM moved;
        ALTER TABLE request_keys_default RENAME TO request_keys_before;
        EXECUTE format('ALTER TABLE request_keys ATTACH PARTITION %I FOR VALUES FROM (MINVALUE) TO (%L)',
            'request_keys_before', first_id_of(keys_end));
    ELSE
        DROP TABLE request_keys_default;
    END IF;

    PERFORM make_partitions(last_round + 1);
END
$$;
"""  # noqa: S608 - the numbers above, nothing from outside

DOWN = """
DO $$
DECLARE
    parent text;
    part text;
    largest text;
BEGIN
    FOREACH parent IN ARRAY ARRAY['tickets', 'lines', 'events', 'transfers', 'request_keys'] LOOP
        largest := NULL;
        FOR part IN SELECT partition FROM partitions_of(parent) ORDER BY pg_relation_size(partition::regclass) DESC LOOP
            EXECUTE format('ALTER TABLE %I DETACH PARTITION %I', parent, part);
            IF largest IS NULL THEN
                largest := part;
            ELSE
                EXECUTE format('INSERT INTO %I SELECT * FROM %I', largest, part);
                EXECUTE format('DROP TABLE %I', part);
            END IF;
        END LOOP;
        EXECUTE format('ALTER TABLE %I RENAME TO %I', largest, parent || '_default');
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I DEFAULT', parent, parent || '_default');
    END LOOP;
END
$$;
DROP FUNCTION make_partitions, make_partition, partitions_of, day_of, first_id_of;
"""


def upgrade() -> None:
    """Put ranges in place of the default partitions."""
    run(FUNCTIONS + UP)


def downgrade() -> None:
    """Bring every row back to a default partition."""
    run(DOWN)
