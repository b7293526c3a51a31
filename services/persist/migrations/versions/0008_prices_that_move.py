"""Prices that move: every price that was set in an open round, by the revision of its prices.

The prices at the opening are those of the round's first transition; the round itself has the prices as they are.
"""

from services.persist.migrations.script import run

revision = "0008"
down_revision = "0007"

UP = """
CREATE TABLE round_prices (
    round_id bigint NOT NULL,
    price_revision integer NOT NULL CHECK (price_revision > 0),
    market smallint NOT NULL,
    runner smallint NOT NULL,
    price_hundredths bigint NOT NULL CHECK (price_hundredths > 100),
    made_at timestamptz NOT NULL,
    PRIMARY KEY (round_id, price_revision, market, runner)
);
CREATE TRIGGER never_changed BEFORE UPDATE OR DELETE ON round_prices FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON round_prices FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE round_prices OWNER TO furlong_migrator;
GRANT SELECT, INSERT ON round_prices TO furlong_writer;
GRANT SELECT ON round_prices TO furlong_reader, furlong_auditor;
"""

DOWN = """
DO $$
DECLARE
    rows bigint;
BEGIN
    SELECT count(*) INTO rows FROM round_prices;
    IF rows > 0 THEN
        RAISE EXCEPTION 'step 0008 cannot be taken back, it would lose what only it can hold: %',
            rows || ' prices that were set (round_prices)' USING ERRCODE = 'object_in_use';
    END IF;
END
$$;
DROP TABLE round_prices;
"""


def upgrade() -> None:
    """Add the table of prices that were set."""
    run(UP)


def downgrade() -> None:
    """Take it away again."""
    run(DOWN)
