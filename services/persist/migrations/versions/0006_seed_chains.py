"""Chains of seeds, one after the other for each track: their ends are published, their seeds are used up in order.

What a chain is made of never changes, and `used` only rises; a trigger holds everybody to it, the owner and superusers
included. The auditor reads all of it but the seeds, which are sealed under a key that the database does not have.
"""

from services.persist.migrations.script import run

revision = "0006"
down_revision = "0005"

UP = """
CREATE TABLE seed_chains (
    track               text NOT NULL REFERENCES tracks,
    chain_no            integer NOT NULL CHECK (chain_no > 0),
    anchor              bytea NOT NULL CHECK (length(anchor) = 32),
    length              bigint NOT NULL CHECK (length > 0),
    used                bigint NOT NULL DEFAULT 0 CHECK (used BETWEEN 0 AND length),
    published_at        timestamptz NOT NULL,
    sealed_checkpoints  bytea NOT NULL CHECK (length(sealed_checkpoints) > 0),
    PRIMARY KEY (track, chain_no)  -- the chains of a track, newest first
);

CREATE FUNCTION refuse_seed_again() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.used <> OLD.used + 1 THEN
        RAISE EXCEPTION 'a seed of % is used out of turn: % after %', OLD.track, NEW.used, OLD.used
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER never_changed
    BEFORE UPDATE OF track, chain_no, anchor, length, published_at, sealed_checkpoints OR DELETE ON seed_chains
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER used_in_turn BEFORE UPDATE ON seed_chains FOR EACH ROW EXECUTE FUNCTION refuse_seed_again();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON seed_chains FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

ALTER TABLE seed_chains OWNER TO furlong_migrator;
ALTER FUNCTION refuse_seed_again() OWNER TO furlong_migrator;
GRANT SELECT, INSERT, UPDATE (used) ON seed_chains TO furlong_writer;
GRANT SELECT ON seed_chains TO furlong_reader;
GRANT SELECT (track, chain_no, anchor, length, used, published_at) ON seed_chains TO furlong_auditor;
"""

DOWN = """
DO $$
BEGIN
    IF EXISTS (SELECT FROM seed_chains) THEN
        RAISE EXCEPTION 'step 0006 cannot be taken back, it would lose what only it can hold: % chains of seeds',
            (SELECT count(*) FROM seed_chains) USING ERRCODE = 'object_in_use';
    END IF;
END
$$;

DROP TABLE seed_chains;
DROP FUNCTION refuse_seed_again;
"""


def upgrade() -> None:
    """Add the chains of seeds."""
    run(UP)


def downgrade() -> None:
    """Take them away again."""
    run(DOWN)
