"""Tracks, rounds, tickets and the ledger.

Conventions of the schema:

- Money is bigint minor units, prices are integer hundredths, times are timestamptz set by the database's clock.
- A selection is bytea: one byte per runner's number, in the order that the market asks for. It compares and hashes as
  one value and travels through `unnest` without nested arrays.
- Tables that grow with every ticket (request_keys, tickets, lines, transfers, events) are partitioned from the
  beginning, so that ranges can be added and old ones detached without rewriting anything. Until ranges are made, the
  default partition takes every row. Each key begins with, or is, the column that its table is partitioned by.
- These tables carry no foreign keys: each would cost a look-up per row, and what they would check is written by one
  statement of one transaction. Constraints check what a single row can tell, as the last net under the decision.
- Tickets, lines, transfers, events, batches and transitions are only ever inserted.
"""

from services.persist.migrations.script import run

revision = "0001"
down_revision = None

UP = """
CREATE TABLE tracks (
    track              text PRIMARY KEY CHECK (track ~ '^[a-z][a-z0-9]*(-[a-z0-9]+)*$' AND length(track) <= 40),
    display_name       text NOT NULL,
    currency           text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    state              smallint NOT NULL,
    betting_window_ms  bigint NOT NULL CHECK (betting_window_ms > 0),
    lock_ms            bigint NOT NULL CHECK (lock_ms > 0),
    race_ms            bigint NOT NULL CHECK (race_ms > 0),
    finish_ms          bigint NOT NULL CHECK (finish_ms > 0),
    stake_min_minor    bigint NOT NULL CHECK (stake_min_minor > 0),
    stake_max_minor    bigint NOT NULL CHECK (stake_max_minor >= stake_min_minor),
    return_bps         integer NOT NULL CHECK (return_bps BETWEEN 1 AND 10000),
    transition_seq     bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
COMMENT ON COLUMN tracks.transition_seq IS 'raised by one in the transaction of each transition, so without gaps';

CREATE TABLE leases (
    track       text PRIMARY KEY REFERENCES tracks,
    holder      text NOT NULL DEFAULT '',
    epoch       bigint NOT NULL DEFAULT 0,
    expires_at  timestamptz NOT NULL DEFAULT '-infinity',
    -- Makes the epoch a key: a transition holds it FOR KEY SHARE, which stops a change of hands and lets renewals pass.
    UNIQUE (track, epoch)
) WITH (fillfactor = 50);

CREATE TABLE cards (
    card_id         bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    track           text NOT NULL REFERENCES tracks,
    name            text NOT NULL,
    distance_m      integer NOT NULL CHECK (distance_m >= 0),
    runner_numbers  smallint[] NOT NULL,
    runner_names    text[] NOT NULL,
    runner_weights  bigint[] NOT NULL,
    last_round_id   bigint NOT NULL DEFAULT 0,
    UNIQUE (track, name)
);
CREATE INDEX cards_by_last_run ON cards (track, last_round_id, card_id);  -- the next card of a track

CREATE TABLE accounts (
    account_id     uuid PRIMARY KEY,
    kind           smallint NOT NULL CHECK (kind BETWEEN 1 AND 5),
    currency       text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    display_name   text NOT NULL DEFAULT '',
    balance_minor  bigint NOT NULL DEFAULT 0,
    floor_minor    bigint CHECK (floor_minor <= 0),
    blocked        boolean NOT NULL DEFAULT false,
    actor          text NOT NULL DEFAULT '',
    opened_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT accounts_above_floor CHECK (balance_minor >= floor_minor),
    CONSTRAINT accounts_floor_of_kind CHECK ((floor_minor IS NULL) = (kind IN (3, 5)))
) WITH (fillfactor = 50);
CREATE UNIQUE INDEX accounts_of_the_system ON accounts (currency, kind) WHERE kind IN (3, 5);  -- one house, one cash

CREATE TABLE rounds (
    round_id               bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    track                  text NOT NULL REFERENCES tracks,
    phase                  smallint NOT NULL CHECK (phase BETWEEN 1 AND 6),
    revision               bigint NOT NULL,
    transition_seq         bigint NOT NULL,
    epoch                  bigint NOT NULL,
    opens_at               timestamptz NOT NULL,
    locks_at               timestamptz NOT NULL CHECK (locks_at > opens_at),
    starts_at              timestamptz NOT NULL CHECK (starts_at > locks_at),
    finishes_at            timestamptz NOT NULL CHECK (finishes_at > starts_at),
    ends_at                timestamptz NOT NULL CHECK (ends_at > finishes_at),
    card_id                bigint NOT NULL REFERENCES cards,
    race_name              text NOT NULL,
    distance_m             integer NOT NULL,
    currency               text NOT NULL,
    runner_numbers         smallint[] NOT NULL,
    runner_names           text[] NOT NULL,
    runner_weights         bigint[] NOT NULL,
    runner_win_prices      bigint[] NOT NULL,
    stake_min_minor        bigint NOT NULL,
    stake_max_minor        bigint NOT NULL,
    return_bps             integer NOT NULL,
    commitment             bytea NOT NULL CHECK (length(commitment) = 32),
    sealed_seed            bytea NOT NULL,
    server_seed            bytea NOT NULL DEFAULT '',
    tickets_root           bytea NOT NULL DEFAULT '',
    result                 smallint[] NOT NULL DEFAULT '{}',
    payout_minor           bigint NOT NULL DEFAULT 0,
    void_reason            text NOT NULL DEFAULT '',
    void_actor             text NOT NULL DEFAULT '',
    escrow_account_id      uuid NOT NULL REFERENCES accounts
) WITH (fillfactor = 50);
CREATE UNIQUE INDEX rounds_one_at_a_time ON rounds (track) WHERE phase IN (1, 2, 3);  -- one on the track
CREATE INDEX rounds_by_track ON rounds (track, round_id);  -- current round, lists
CREATE INDEX rounds_unsettled ON rounds (track, round_id) WHERE phase < 5;  -- what is left to do

CREATE TABLE transitions (
    track           text NOT NULL,
    transition_seq  bigint NOT NULL,
    round_id        bigint NOT NULL,
    phase           smallint NOT NULL,
    made_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    stored_round    bytea NOT NULL,
    PRIMARY KEY (track, transition_seq)
);
COMMENT ON COLUMN transitions.stored_round IS 'furlong.persist.v1.StoredRound as it was right after the transition';

CREATE TABLE operations (
    request_id    uuid PRIMARY KEY,
    method        text NOT NULL,
    content_hash  bytea NOT NULL,
    response      bytea NOT NULL,
    made_at       timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE request_keys (
    request_id    uuid NOT NULL,
    round_id      bigint NOT NULL,
    decided_at    timestamptz NOT NULL,
    verdict       smallint NOT NULL CHECK (verdict BETWEEN 1 AND 14),
    content_hash  bytea NOT NULL CHECK (length(content_hash) = 32),
    reason        text NOT NULL,
    PRIMARY KEY (request_id)
) PARTITION BY RANGE (request_id);
CREATE TABLE request_keys_default PARTITION OF request_keys DEFAULT;

CREATE TABLE tickets (
    round_id     bigint NOT NULL,
    ticket_id    uuid NOT NULL,
    account_id   uuid NOT NULL,
    batch_id     bigint NOT NULL,
    stake_minor  bigint NOT NULL CHECK (stake_minor > 0),
    placed_at    timestamptz NOT NULL,
    batch_place  smallint NOT NULL CHECK (batch_place > 0),
    PRIMARY KEY (round_id, ticket_id)
) PARTITION BY RANGE (round_id);
CREATE INDEX tickets_by_account ON tickets (account_id, ticket_id);  -- the tickets of an account, newest first
CREATE TABLE tickets_default PARTITION OF tickets DEFAULT;

CREATE TABLE lines (
    round_id          bigint NOT NULL,
    ticket_id         uuid NOT NULL,
    stake_minor       bigint NOT NULL CHECK (stake_minor BETWEEN 1 AND 10000000),
    price_hundredths  integer NOT NULL CHECK (price_hundredths BETWEEN 101 AND 100000000),
    line              smallint NOT NULL CHECK (line > 0),
    market            smallint NOT NULL CHECK (market > 0),
    selection         bytea NOT NULL CHECK (length(selection) > 0),
    PRIMARY KEY (round_id, ticket_id, line)
) PARTITION BY RANGE (round_id);
CREATE TABLE lines_default PARTITION OF lines DEFAULT;

CREATE TABLE events (
    round_id      bigint NOT NULL,
    ticket_id     uuid NOT NULL,
    payout_minor  bigint NOT NULL CHECK (payout_minor >= 0),
    made_at       timestamptz NOT NULL,
    kind          smallint NOT NULL CHECK (kind > 0),
    PRIMARY KEY (round_id, ticket_id, kind)
) PARTITION BY RANGE (round_id);
CREATE TABLE events_default PARTITION OF events DEFAULT;

CREATE SEQUENCE transfer_id;
CREATE TABLE transfers (
    round_id           bigint NOT NULL,
    transfer_id        bigint NOT NULL DEFAULT nextval('transfer_id'),
    debit_account_id   uuid NOT NULL,
    credit_account_id  uuid NOT NULL CHECK (credit_account_id <> debit_account_id),
    amount_minor       bigint NOT NULL CHECK (amount_minor > 0),
    reference          uuid NOT NULL,
    made_at            timestamptz NOT NULL,
    kind               smallint NOT NULL CHECK (kind > 0),
    reason             text,
    actor              text,
    PRIMARY KEY (round_id, kind, reference)
) PARTITION BY RANGE (round_id);
CREATE TABLE transfers_default PARTITION OF transfers DEFAULT;
COMMENT ON TABLE transfers IS 'amount_minor went from the debit to the credit account; round_id 0: outside of rounds';
COMMENT ON COLUMN transfers.reference IS 'the ticket, or the request that moved the money; each kind once for each';

CREATE SEQUENCE batch_id;
CREATE TABLE batches (
    round_id  bigint NOT NULL,
    batch_id  bigint NOT NULL,
    tickets   integer NOT NULL CHECK (tickets > 0),
    sub_root  bytea NOT NULL CHECK (length(sub_root) = 32),
    PRIMARY KEY (round_id, batch_id)
);

CREATE TABLE exposure (
    round_id          bigint NOT NULL,
    market            smallint NOT NULL,
    selection         bytea NOT NULL,
    tickets           bigint NOT NULL DEFAULT 0,
    stake_minor       bigint NOT NULL DEFAULT 0,
    payout_minor_max  bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (round_id, market, selection)
) WITH (fillfactor = 30);
COMMENT ON TABLE exposure IS 'what was sold, per selection; market 0 with an empty selection is the whole round';

CREATE TABLE settlements (
    round_id      bigint PRIMARY KEY REFERENCES rounds,
    request_id    uuid NOT NULL,
    winners       bytea NOT NULL,
    tickets_won   bigint NOT NULL,
    stake_minor   bigint NOT NULL,
    payout_minor  bigint NOT NULL,
    decided_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON COLUMN settlements.winners IS 'the winners in canonical order, encoded as domain/winners.py says';
"""

DOWN = """
DROP TABLE settlements, exposure, batches, transfers, events, lines, tickets, request_keys, operations, transitions,
    rounds, accounts, cards, leases, tracks;
DROP SEQUENCE transfer_id, batch_id;
"""


def upgrade() -> None:
    """Make every table."""
    run(UP)


def downgrade() -> None:
    """Drop every table with all that is in it."""
    run(DOWN)
