"""Roles, so that each program can do what it must and no more, and triggers, so that nobody can change what is written.

    furlong_migrator  owns everything; who migrates and detaches partitions is a member
    furlong_writer    what persist writes as: inserts, and updates of the few columns that may change
    furlong_reader    what persist reads as: reads everything
    furlong_auditor   for people and reports: reads everything but sealed seeds and the answers stored for repeats

- The roles are groups without a login. They belong to the cluster, so they are made where they are missing, never
  dropped, and databases of one cluster may migrate at the same time. Where they may not be made, the step stops and
  says what an administrator has to run.
- What PARTED and WRITTEN_ONCE name is only ever inserted: the writer has no right to do anything else there, and
  triggers refuse UPDATE, DELETE and TRUNCATE to everybody, the owner and superusers included.
- Partitions carry no grants: whoever goes through the parent needs none, and nobody else shall. They are made by
  functions that run as their owner, with a search path of their own.
- Rows are locked by whoever may update any column of theirs; for `unclaimed` that is the only use of its UPDATE.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from services.persist.migrations.script import run

revision = "0004"
down_revision = "0003"

PARTED: Final = ("request_keys", "tickets", "lines", "events", "transfers")
WRITTEN_ONCE: Final = ("audit", "postings", "settlements", "batches", "transitions")

UPDATABLE: Final[Mapping[str, str]] = {
    "accounts": "balance_minor, blocked",
    "cards": "distance_m, runner_numbers, runner_names, runner_weights, last_round_id",
    "exposure": "tickets, stake_minor, payout_minor_max",
    "leases": "holder, epoch, expires_at",
    "operations": "response",
    "rounds": """phase, revision, transition_seq, epoch, tickets_root, result, server_seed, payout_minor, void_reason,
        void_actor, posting, correction_reason, correction_actor""",
    "tracks": """display_name, state, betting_window_ms, lock_ms, race_ms, finish_ms, stake_min_minor, stake_max_minor,
        return_bps, selection_payout_max_minor, round_loss_max_minor, transition_seq""",
    "unclaimed": "amount_minor",
}

TABLES: Final = (*PARTED, *WRITTEN_ONCE, *UPDATABLE)
ROLES: Final = ("furlong_migrator", "furlong_writer", "furlong_reader", "furlong_auditor")
FUNCTIONS: Final = (
    "make_partitions(bigint)",
    "make_partition(text, text, text, text)",
    "partitions_of(text)",
    "day_of(uuid)",
    "first_id_of(date)",
    "refuse_change()",
)


def _names(names: Sequence[str]) -> str:
    return "ARRAY[" + ", ".join(f"'{name}'" for name in names) + "]"


MAKE_ROLES = f"""
DO $$
DECLARE
    for_administrators CONSTANT text := format(
        'An administrator runs: {"; ".join(f"CREATE ROLE {role} NOLOGIN" for role in ROLES)}; '
        'GRANT furlong_migrator, furlong_writer, furlong_reader TO %1$I; '
        'GRANT USAGE, CREATE ON SCHEMA %2$I TO furlong_migrator; '
        'GRANT USAGE ON SCHEMA %2$I TO furlong_writer, furlong_reader, furlong_auditor;',
        current_user, current_schema());
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY {_names(ROLES)} LOOP
        CONTINUE WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = wanted);
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN
                NULL;  -- another database of the cluster is being migrated at this moment
            WHEN insufficient_privilege THEN
                RAISE EXCEPTION 'the role % is missing and % may not create roles', wanted, current_user
                    USING ERRCODE = 'insufficient_privilege', HINT = for_administrators;
        END;
    END LOOP;
    FOREACH wanted IN ARRAY ARRAY['furlong_migrator', 'furlong_writer', 'furlong_reader'] LOOP
        CONTINUE WHEN pg_has_role(wanted, 'SET') AND pg_has_role(wanted, 'USAGE');
        BEGIN
            EXECUTE format('GRANT %I TO CURRENT_USER WITH INHERIT TRUE, SET TRUE', wanted);
        EXCEPTION WHEN insufficient_privilege THEN
            IF wanted = 'furlong_migrator' THEN  -- persist may have a login of its own to be a writer and a reader
                RAISE EXCEPTION '% is not a member of furlong_migrator', current_user
                    USING ERRCODE = 'insufficient_privilege', HINT = for_administrators;
            END IF;
        END;
    END LOOP;
    BEGIN
        EXECUTE format('GRANT USAGE, CREATE ON SCHEMA %I TO furlong_migrator', current_schema());
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO furlong_writer, furlong_reader, furlong_auditor', current_schema());
    EXCEPTION WHEN insufficient_privilege THEN
        NULL;  -- who owns the schema may have granted it before; USAGE of `public` is everybody's
    END;
    IF NOT (has_schema_privilege('furlong_migrator', current_schema(), 'USAGE')
        AND has_schema_privilege('furlong_migrator', current_schema(), 'CREATE'))
    THEN
        RAISE EXCEPTION 'furlong_migrator may not create tables in the schema %', current_schema()
            USING ERRCODE = 'insufficient_privilege', HINT = for_administrators;
    END IF;
END
$$;
"""

TRIGGERS = f"""
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of % is refused: what it holds is written once', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END
$$;

DO $$
DECLARE
    target text;
BEGIN
    FOREACH target IN ARRAY {_names((*PARTED, *WRITTEN_ONCE))} LOOP
        EXECUTE format('CREATE TRIGGER never_changed BEFORE UPDATE OR DELETE ON %I
            FOR EACH ROW EXECUTE FUNCTION refuse_change()', target);
    END LOOP;
    FOR target IN SELECT relid::regclass::text FROM unnest({_names((*PARTED, *WRITTEN_ONCE))}) AS parent,
        pg_partition_tree(parent::regclass)
        UNION SELECT unnest({_names(WRITTEN_ONCE)})
    LOOP
        EXECUTE format('CREATE TRIGGER never_emptied BEFORE TRUNCATE ON %s
            FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', target);
    END LOOP;
END
$$;

CREATE OR REPLACE FUNCTION make_partition(parent text, partition text, lower_bound text, upper_bound text)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', partition, parent);
    -- Triggers for rows come with the parent's, those for whole tables do not.
    EXECUTE format('CREATE TRIGGER never_emptied BEFORE TRUNCATE ON %I
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', partition);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
        parent, partition, lower_bound, upper_bound);
END
$$;
"""  # noqa: S608 - the names above, nothing from outside

OWN = f"""
DO $$
DECLARE
    target text;
BEGIN
    FOR target IN
        SELECT relid::regclass::text FROM unnest({_names(PARTED)}) AS parent, pg_partition_tree(parent::regclass)
        UNION ALL SELECT unnest({_names((*WRITTEN_ONCE, *UPDATABLE, "alembic_version"))})
    LOOP
        EXECUTE format('ALTER TABLE %s OWNER TO {{owner}}', target);
    END LOOP;
    FOREACH target IN ARRAY {_names(FUNCTIONS)} LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO {{owner}}', target);
    END LOOP;
END
$$;
ALTER SEQUENCE batch_id OWNER TO {{owner}};
ALTER SEQUENCE transfer_id OWNER TO {{owner}};
"""  # noqa: S608 - the names above, nothing from outside

GRANTS = f"""
GRANT SELECT, INSERT ON {", ".join(TABLES)} TO furlong_writer;
{"".join(f"GRANT UPDATE ({columns}) ON {table} TO furlong_writer;" for table, columns in UPDATABLE.items())}
GRANT DELETE ON unclaimed TO furlong_writer;
GRANT USAGE ON SEQUENCE batch_id, transfer_id TO furlong_writer;
GRANT SELECT ON {", ".join(TABLES)} TO furlong_reader;
GRANT SELECT ON {", ".join(table for table in TABLES if table not in ("operations", "rounds", "transitions"))}
    TO furlong_auditor;
GRANT SELECT ON alembic_version TO furlong_writer, furlong_reader, furlong_auditor;
DO $$
DECLARE
    target text;
    columns text;
BEGIN
    FOR target, columns IN
        SELECT attrelid::regclass::text, string_agg(attname, ', ') FROM pg_attribute
        WHERE attrelid IN ('rounds'::regclass, 'transitions'::regclass) AND attnum > 0 AND NOT attisdropped
            AND attname NOT IN ('sealed_seed', 'stored_round')
        GROUP BY attrelid
    LOOP
        EXECUTE format('GRANT SELECT (%s) ON %s TO furlong_auditor', columns, target);
    END LOOP;
END
$$;
REVOKE EXECUTE ON FUNCTION make_partitions, make_partition FROM PUBLIC;
GRANT EXECUTE ON FUNCTION make_partitions TO furlong_writer;
ALTER FUNCTION make_partitions SECURITY DEFINER;
"""  # noqa: S608 - the names above, nothing from outside

DOWN = f"""
ALTER FUNCTION make_partitions SECURITY INVOKER;
{OWN.format(owner="CURRENT_USER")}
REVOKE ALL ON {", ".join((*TABLES, "alembic_version"))} FROM {", ".join(ROLES)};
REVOKE ALL ON SEQUENCE batch_id, transfer_id FROM {", ".join(ROLES)};
REVOKE ALL ON FUNCTION make_partitions FROM {", ".join(ROLES)};
GRANT EXECUTE ON FUNCTION make_partitions, make_partition TO PUBLIC;

CREATE OR REPLACE FUNCTION make_partition(parent text, partition text, lower_bound text, upper_bound text)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', partition, parent);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
        parent, partition, lower_bound, upper_bound);
END
$$;
DROP FUNCTION refuse_change CASCADE;
"""  # noqa: S608 - the names above, nothing from outside


def upgrade() -> None:
    """Make the roles where they are missing, and give each its rights."""
    run(MAKE_ROLES + TRIGGERS + OWN.format(owner="furlong_migrator") + GRANTS)


def downgrade() -> None:
    """Take the rights and the triggers back; the roles stay, other databases may have them too."""
    run(DOWN)
