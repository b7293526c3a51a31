"""What a ticket would have been paid, where its round's greatest payout has cut something off.

The column is null for nearly every event and then takes no room. A range of events that was detached before this step
needs the column before it can be attached again.
"""

from services.persist.migrations.script import run

revision = "0009"
down_revision = "0008"

UP = """
ALTER TABLE events ADD COLUMN payout_uncapped_minor bigint;
COMMENT ON COLUMN events.payout_uncapped_minor IS 'what would have been won, where that is more than payout_minor';
"""

DOWN = """
DO $$
DECLARE
    cut_off bigint;
BEGIN
    SELECT count(*) INTO cut_off FROM events WHERE payout_uncapped_minor IS NOT NULL;
    IF cut_off > 0 THEN
        RAISE EXCEPTION 'step 0009 cannot be taken back, it would lose what only it can hold: %',
            cut_off || ' payouts that were cut off (events)' USING ERRCODE = 'object_in_use';
    END IF;
END
$$;

ALTER TABLE events DROP COLUMN payout_uncapped_minor;
"""


def upgrade() -> None:
    """Add the column."""
    run(UP)


def downgrade() -> None:
    """Take it away again."""
    run(DOWN)
