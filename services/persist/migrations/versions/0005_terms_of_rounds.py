"""What a round is fixed with beside its prices, prices to PLACE, results with dead heats and withdrawn runners.

- `program` and `terms` are messages of `furlong.common.v1` that persist carries and does not read: they are rules of
  racing, which are the game's.
- `positions` and `withdrawn` go with `result`; the signature of the beacon's round goes with the seed.
"""

from collections.abc import Mapping
from typing import Final

from services.persist.migrations.script import run

revision = "0005"
down_revision = "0004"

UPDATABLE: Final[Mapping[str, str]] = {
    "rounds": """runner_win_prices, runner_place_prices, price_revision, positions, withdrawn, beacon_signature,
        starts_at, finishes_at, ends_at""",
    "tracks": "program, payout_max_minor",
}
READABLE: Final = "terms, payout_max_minor, runner_place_prices, price_revision, positions, withdrawn, beacon_signature"

UP = f"""
ALTER TABLE tracks
    ADD COLUMN program bytea NOT NULL DEFAULT '',
    ADD COLUMN payout_max_minor bigint NOT NULL DEFAULT 0 CHECK (payout_max_minor >= 0);
COMMENT ON COLUMN tracks.program IS 'furlong.common.v1.Program';

ALTER TABLE rounds
    ADD COLUMN terms bytea NOT NULL DEFAULT '',
    ADD COLUMN payout_max_minor bigint NOT NULL DEFAULT 0,
    ADD COLUMN runner_place_prices bigint[] NOT NULL DEFAULT '{{}}',
    ADD COLUMN price_revision integer NOT NULL DEFAULT 0,
    ADD COLUMN positions smallint[] NOT NULL DEFAULT '{{}}',
    ADD COLUMN withdrawn smallint[] NOT NULL DEFAULT '{{}}',
    ADD COLUMN beacon_signature bytea NOT NULL DEFAULT '';
COMMENT ON COLUMN rounds.terms IS 'furlong.common.v1.Terms';
COMMENT ON COLUMN rounds.runner_place_prices IS 'in the order of runner_numbers; empty where PLACE is not offered';

{"".join(f"GRANT UPDATE ({columns}) ON {table} TO furlong_writer;" for table, columns in UPDATABLE.items())}
GRANT SELECT ({READABLE}) ON rounds TO furlong_auditor;
"""

DOWN = """
DO $$
DECLARE
    only_here text;
BEGIN
    SELECT string_agg(rows || ' ' || what, '; ') INTO only_here FROM (
        SELECT count(*) AS rows, 'tracks with a program or a greatest payout (tracks)' AS what FROM tracks
            WHERE program <> '' OR payout_max_minor > 0
        UNION ALL SELECT count(*), 'results with dead heats, withdrawn runners or a beacon (rounds)' FROM rounds
            WHERE positions <> '{}' OR withdrawn <> '{}' OR beacon_signature <> ''
        UNION ALL SELECT count(*), 'bets to PLACE (exposure)' FROM exposure WHERE market = 2
    ) AS counted WHERE rows > 0;
    IF only_here IS NOT NULL THEN
        RAISE EXCEPTION 'step 0005 cannot be taken back, it would lose what only it can hold: %', only_here
            USING ERRCODE = 'object_in_use';
    END IF;
END
$$;

REVOKE UPDATE (runner_win_prices, starts_at, finishes_at, ends_at) ON rounds FROM furlong_writer;
ALTER TABLE rounds
    DROP COLUMN terms,
    DROP COLUMN payout_max_minor,
    DROP COLUMN runner_place_prices,
    DROP COLUMN price_revision,
    DROP COLUMN positions,
    DROP COLUMN withdrawn,
    DROP COLUMN beacon_signature;
ALTER TABLE tracks DROP COLUMN program, DROP COLUMN payout_max_minor;
"""


def upgrade() -> None:
    """Add what rounds are fixed with."""
    run(UP)


def downgrade() -> None:
    """Take it away again."""
    run(DOWN)
