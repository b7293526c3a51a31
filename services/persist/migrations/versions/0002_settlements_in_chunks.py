"""Settlements in chunks, tickets that end in other ways, statements, liability limits and the audit.

- A settlement, a void and a correction are decisions: rows of `settlements`, numbered per round, with the ticket ids
  that part its chunks. `postings` holds a row per chunk whose money has been moved.
- Events and transfers carry the number of the decision that made them, 0 outside of decisions, so that a correction
  can pay the same ticket again.
- `unclaimed` is the list of what tickets bought at tills can still claim; a row is there until it is paid or expires.
- Statements are read by account in the order of `transfer_id`, which rises per account, since whoever moves money holds
  the account's row. The index over the debit side finds an account's tickets too.
"""

from services.persist.migrations.script import run

revision = "0002"
down_revision = "0001"

UP = """
ALTER TABLE tracks
    ADD COLUMN selection_payout_max_minor bigint NOT NULL DEFAULT 0 CHECK (selection_payout_max_minor >= 0),
    ADD COLUMN round_loss_max_minor bigint NOT NULL DEFAULT 0 CHECK (round_loss_max_minor >= 0);

ALTER TABLE rounds
    ADD COLUMN selection_payout_max_minor bigint NOT NULL DEFAULT 0,
    ADD COLUMN round_loss_max_minor bigint NOT NULL DEFAULT 0,
    ADD COLUMN posting boolean NOT NULL DEFAULT false,
    ADD COLUMN correction_reason text NOT NULL DEFAULT '',
    ADD COLUMN correction_actor text NOT NULL DEFAULT '';
COMMENT ON COLUMN rounds.posting IS 'a decision on the round has chunks whose money has not been moved';
DROP INDEX rounds_unsettled;
CREATE INDEX rounds_unsettled ON rounds (track, round_id) WHERE phase < 5 OR posting;  -- what is left to do

ALTER TABLE accounts DROP CONSTRAINT accounts_kind_check;
ALTER TABLE accounts ADD CONSTRAINT accounts_kind_check CHECK (kind BETWEEN 1 AND 6);
DROP INDEX accounts_of_the_system;
CREATE UNIQUE INDEX accounts_of_the_system ON accounts (currency, kind) WHERE kind IN (3, 5, 6);  -- one of each
INSERT INTO accounts (account_id, kind, currency, display_name, floor_minor)
SELECT gen_random_uuid(), 6, currency, 'Prizes', 0 FROM accounts WHERE kind = 3;

ALTER TABLE events ADD COLUMN settlement_no smallint NOT NULL DEFAULT 0 CHECK (settlement_no >= 0);
UPDATE events SET settlement_no = 1;
ALTER TABLE events DROP CONSTRAINT events_pkey;
ALTER TABLE events ADD PRIMARY KEY (round_id, ticket_id, kind, settlement_no);

ALTER TABLE transfers ADD COLUMN settlement_no smallint NOT NULL DEFAULT 0 CHECK (settlement_no >= 0);
UPDATE transfers SET settlement_no = 1 WHERE kind IN (2, 3, 5);
ALTER TABLE transfers DROP CONSTRAINT transfers_pkey;
ALTER TABLE transfers ADD PRIMARY KEY (round_id, kind, reference, settlement_no);
DROP INDEX tickets_by_account;
CREATE INDEX transfers_by_debit ON transfers (debit_account_id, transfer_id);  -- statements; an account's tickets
CREATE INDEX transfers_by_credit ON transfers (credit_account_id, transfer_id) WHERE kind <> 1;  -- statements

ALTER TABLE settlements RENAME COLUMN tickets_won TO tickets_paid;
ALTER TABLE settlements
    ADD COLUMN settlement_no smallint NOT NULL DEFAULT 1 CHECK (settlement_no > 0),
    ADD COLUMN kind smallint NOT NULL DEFAULT 1 CHECK (kind BETWEEN 1 AND 3),
    ADD COLUMN chunk_ends uuid[] NOT NULL DEFAULT '{}',
    ADD COLUMN reason text NOT NULL DEFAULT '',
    ADD COLUMN actor text NOT NULL DEFAULT '',
    DROP CONSTRAINT settlements_pkey,
    ADD PRIMARY KEY (round_id, settlement_no);
COMMENT ON COLUMN settlements.kind IS '1 settled, 2 voided, 3 corrected';
COMMENT ON COLUMN settlements.chunk_ends IS 'the last ticket of each chunk, rising; twice over for a correction';

CREATE TABLE postings (
    round_id       bigint NOT NULL,
    settlement_no  smallint NOT NULL,
    chunk          integer NOT NULL CHECK (chunk > 0),
    tickets_paid   bigint NOT NULL CHECK (tickets_paid >= 0),
    stake_minor    bigint NOT NULL CHECK (stake_minor >= 0),
    payout_minor   bigint NOT NULL CHECK (payout_minor >= 0),
    posted_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (round_id, settlement_no, chunk),
    FOREIGN KEY (round_id, settlement_no) REFERENCES settlements
);

CREATE TABLE unclaimed (
    ticket_id      uuid PRIMARY KEY,
    round_id       bigint NOT NULL,
    settlement_no  smallint NOT NULL,
    currency       text NOT NULL,
    amount_minor   bigint NOT NULL CHECK (amount_minor > 0),
    since          timestamptz NOT NULL
);
CREATE INDEX unclaimed_since ON unclaimed (since);  -- what expires next

CREATE TABLE audit (
    audit_id    bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    made_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    action      text NOT NULL,
    subject     text NOT NULL,
    actor       text NOT NULL,
    reason      text NOT NULL,
    request_id  uuid,
    previous    bytea NOT NULL CHECK (length(previous) = 32),
    hash        bytea NOT NULL CHECK (length(hash) = 32)
);
COMMENT ON TABLE audit IS 'what people did by hand; hash covers the row and the hash of the row before it';
"""

DOWN = """
DO $$
DECLARE
    only_here text;
BEGIN
    SELECT string_agg(rows || ' ' || what, '; ') INTO only_here FROM (
        SELECT count(*) AS rows, 'rounds whose money is still being posted' AS what FROM rounds WHERE posting
        UNION ALL SELECT count(*), 'corrected results (settlements)' FROM settlements WHERE kind = 3
        UNION ALL SELECT count(*), 'tickets cancelled, paid, expired or reversed (events)' FROM events WHERE kind > 2
        UNION ALL SELECT count(*), 'prizes that can still be claimed (unclaimed)' FROM unclaimed
        UNION ALL SELECT count(*), 'currencies with money moved through PRIZES (accounts)' FROM accounts a
            WHERE kind = 6 AND (balance_minor <> 0
                OR EXISTS (SELECT FROM transfers t WHERE t.debit_account_id = a.account_id)
                OR EXISTS (SELECT FROM transfers t WHERE t.credit_account_id = a.account_id AND t.kind <> 1))
        UNION ALL SELECT count(*), 'tracks with a limit on liability (tracks)' FROM tracks
            WHERE selection_payout_max_minor > 0 OR round_loss_max_minor > 0
        UNION ALL SELECT count(*), 'unfinished rounds with a limit on liability (rounds)' FROM rounds
            WHERE phase < 5 AND (selection_payout_max_minor > 0 OR round_loss_max_minor > 0)
        UNION ALL SELECT count(*), 'records of what people did by hand (audit)' FROM audit
    ) AS counted WHERE rows > 0;
    IF only_here IS NOT NULL THEN
        RAISE EXCEPTION 'step 0002 cannot be taken back, it would lose what only it can hold: %', only_here
            USING ERRCODE = 'object_in_use';
    END IF;
END
$$;

DROP TABLE audit, unclaimed, postings;

-- A void was no row of this table before; its reason is in the round, its refunds are in events and transfers.
DELETE FROM settlements WHERE kind = 2;
ALTER TABLE settlements
    DROP CONSTRAINT settlements_pkey,
    DROP COLUMN settlement_no,
    DROP COLUMN kind,
    DROP COLUMN chunk_ends,
    DROP COLUMN reason,
    DROP COLUMN actor,
    ADD PRIMARY KEY (round_id);
ALTER TABLE settlements RENAME COLUMN tickets_paid TO tickets_won;

DROP INDEX transfers_by_debit, transfers_by_credit;
ALTER TABLE transfers DROP CONSTRAINT transfers_pkey, DROP COLUMN settlement_no;
ALTER TABLE transfers ADD PRIMARY KEY (round_id, kind, reference);
CREATE INDEX tickets_by_account ON tickets (account_id, ticket_id);  -- the tickets of an account, newest first

ALTER TABLE events DROP CONSTRAINT events_pkey, DROP COLUMN settlement_no;
ALTER TABLE events ADD PRIMARY KEY (round_id, ticket_id, kind);

DELETE FROM accounts WHERE kind = 6;
DROP INDEX accounts_of_the_system;
CREATE UNIQUE INDEX accounts_of_the_system ON accounts (currency, kind) WHERE kind IN (3, 5);
ALTER TABLE accounts DROP CONSTRAINT accounts_kind_check;
ALTER TABLE accounts ADD CONSTRAINT accounts_kind_check CHECK (kind BETWEEN 1 AND 5);

DROP INDEX rounds_unsettled;
ALTER TABLE rounds
    DROP COLUMN selection_payout_max_minor,
    DROP COLUMN round_loss_max_minor,
    DROP COLUMN posting,
    DROP COLUMN correction_reason,
    DROP COLUMN correction_actor;
CREATE INDEX rounds_unsettled ON rounds (track, round_id) WHERE phase < 5;  -- what is left to do

ALTER TABLE tracks DROP COLUMN selection_payout_max_minor, DROP COLUMN round_loss_max_minor;
"""


def upgrade() -> None:
    """Add what is new, keep what is there."""
    run(UP)


def downgrade() -> None:
    """Take it back without losing money; what only the new form can hold stops the step, and the error names it."""
    run(DOWN)
