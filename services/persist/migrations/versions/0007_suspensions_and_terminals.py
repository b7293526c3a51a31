"""What of a track is suspended beside the whole of it, and the terminals that tickets were sold at.

- `suspensions` holds what does not sell now, and nothing else: whoever lets it go on takes the row away, and the audit
  keeps who did what. Every batch of tickets reads those of its track.
- Its primary key is all of a row but why and since when: a market, a runner of a round, or a terminal.
"""

from services.persist.migrations.script import run

revision = "0007"
down_revision = "0006"

UP = """
CREATE TABLE suspensions (
    track    text NOT NULL REFERENCES tracks,
    market   smallint NOT NULL DEFAULT 0,
    round_id bigint NOT NULL DEFAULT 0,
    runner   smallint NOT NULL DEFAULT 0,
    terminal text NOT NULL DEFAULT '',
    reason   text NOT NULL,
    since    timestamptz NOT NULL,
    PRIMARY KEY (track, market, round_id, runner, terminal),
    CHECK ((market > 0)::int + (runner > 0)::int + (terminal <> '')::int = 1),
    CHECK ((round_id > 0) = (runner > 0))
);
ALTER TABLE suspensions OWNER TO furlong_migrator;
GRANT SELECT, INSERT, DELETE ON suspensions TO furlong_writer;
GRANT SELECT ON suspensions TO furlong_reader, furlong_auditor;

ALTER TABLE tickets ADD COLUMN terminal text NOT NULL DEFAULT '';
COMMENT ON COLUMN tickets.terminal IS 'what sold it, as its seller says; empty where nothing was named';
"""

DOWN = """
DO $$
DECLARE
    only_here text;
BEGIN
    SELECT string_agg(rows || ' ' || what, '; ') INTO only_here FROM (
        SELECT count(*) AS rows, 'markets, runners and terminals that are suspended (suspensions)' AS what
            FROM suspensions
        UNION ALL SELECT count(*), 'tickets with the terminal that sold them (tickets)' FROM tickets
            WHERE terminal <> ''
    ) AS counted WHERE rows > 0;
    IF only_here IS NOT NULL THEN
        RAISE EXCEPTION 'step 0007 cannot be taken back, it would lose what only it can hold: %', only_here
            USING ERRCODE = 'object_in_use';
    END IF;
END
$$;

ALTER TABLE tickets DROP COLUMN terminal;
DROP TABLE suspensions;
"""


def upgrade() -> None:
    """Add what can be suspended, and where a ticket was sold."""
    run(UP)


def downgrade() -> None:
    """Take it away again."""
    run(DOWN)
