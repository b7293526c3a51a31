"""The proof passes over a database with a whole life in it, and names each thing that is broken on purpose."""

from dataclasses import dataclass

import asyncpg
import pytest

from deploy.drill.invariants import INVARIANTS
from deploy.drill.proof import NotFurlong, Proof, prove
from deploy.local.postgres import DATABASE, PostgresServer
from tests.contract.deploy.conftest import Copy
from tests.postgres import new_database, run_sql


@dataclass(frozen=True, slots=True, kw_only=True)
class Corruption:
    """What is done to a copy, the invariant that has to be named, and words of the sentence that tells of it."""

    invariant: str
    statements: tuple[str, ...]
    told: str


TICKET = "(SELECT ticket_id FROM tickets WHERE round_id = 1 ORDER BY ticket_id LIMIT 1)"
PRIZE = "(SELECT reference FROM transfers WHERE kind = 2 AND round_id = 1 ORDER BY reference LIMIT 1)"
PLAYER = "(SELECT account_id FROM accounts WHERE kind = 1 ORDER BY account_id LIMIT 1)"
ESCROW = "(SELECT escrow_account_id FROM rounds WHERE round_id ="
OPEN = "(SELECT max(round_id) FROM rounds)"

# Fields of StoredRound that, put behind its bytes, take the place of those before: epoch, which is 5, and the seed, 3.
EPOCH_0 = r"\x2800"
OTHER_SEED = r"\x1a20" + "ab" * 32


def corruption(invariant: str, told: str, *statements: str) -> Corruption:
    return Corruption(invariant=invariant, statements=statements, told=told)


CORRUPTIONS = (
    corruption("schema", "step 0001", "UPDATE alembic_version SET version_num = '0001'"),
    corruption("ranges", "no range in events", "ALTER TABLE events DETACH PARTITION events_rounds_0"),
    corruption("append-only", "furlong_writer may UPDATE tickets", "GRANT UPDATE ON tickets TO furlong_writer"),
    corruption("append-only", "furlong_reader may DELETE audit", "GRANT DELETE ON audit TO furlong_reader"),
    corruption(
        "append-only", "furlong_writer may UPDATE settlements", "GRANT UPDATE (kind) ON settlements TO furlong_writer"
    ),
    corruption(
        "append-only", "no working trigger never_changed", "ALTER TABLE transfers DISABLE TRIGGER never_changed"
    ),
    corruption("append-only", "no working trigger never_emptied", "DROP TRIGGER never_emptied ON lines_rounds_0"),
    corruption("append-only", "furlong_writer may not INSERT lines", "REVOKE INSERT ON lines FROM furlong_writer"),
    corruption("audit", "audit row 2 does not fit", "UPDATE audit SET reason = 'another' WHERE audit_id = 2"),
    corruption("keys", "has no key", f"DELETE FROM request_keys WHERE request_id = {TICKET}"),
    corruption("keys", "its key says verdict 14", f"UPDATE request_keys SET verdict = 14 WHERE request_id = {TICKET}"),
    corruption("keys", "its ticket is not there", f"DELETE FROM tickets WHERE ticket_id = {TICKET}"),
    corruption(
        "stored-once",
        "is stored 2 times",
        f"""INSERT INTO tickets (round_id, ticket_id, account_id, batch_id, stake_minor, placed_at, batch_place)
            SELECT 3, ticket_id, account_id, batch_id, stake_minor, placed_at, 99 FROM tickets
            WHERE round_id = 1 AND ticket_id = {TICKET}""",
    ),
    corruption("stored-once", "its lines nothing", f"DELETE FROM lines WHERE ticket_id = {TICKET}"),
    corruption(
        "lock",
        "after round 1 was locked",
        f"UPDATE tickets SET placed_at = placed_at + interval '1 day' WHERE ticket_id = {TICKET}",
    ),
    corruption("sold", "round 1 has counted 13", "UPDATE exposure SET tickets = 13 WHERE round_id = 1 AND market = 0"),
    corruption("stakes", "in 0 transfers", f"DELETE FROM transfers WHERE kind = 1 AND reference = {TICKET}"),
    corruption(
        "stakes",
        "which is no ticket of it",
        "UPDATE transfers SET reference = gen_random_uuid() WHERE kind = 1 AND round_id = 3",
    ),
    corruption(
        "paid-once",
        "which was never made",
        f"""INSERT INTO transfers (round_id, kind, reference, settlement_no, debit_account_id, credit_account_id,
                amount_minor, made_at)
            SELECT round_id, kind, reference, 2, debit_account_id, credit_account_id, amount_minor, made_at
            FROM transfers WHERE kind = 2 AND round_id = 1 AND reference = {PRIZE}""",
    ),
    corruption(
        "paid-once",
        "by its events",
        """INSERT INTO transfers (round_id, kind, reference, settlement_no, debit_account_id, credit_account_id,
               amount_minor, made_at)
           SELECT round_id, kind, reference, 2, debit_account_id, credit_account_id, amount_minor, made_at
           FROM transfers WHERE kind = 6 AND round_id = 1""",
    ),
    corruption(
        "paid-once",
        "was paid 2 times by decision 1",
        "ALTER TABLE transfers DROP CONSTRAINT transfers_pkey",
        f"INSERT INTO transfers SELECT * FROM transfers WHERE kind = 2 AND round_id = 1 AND reference = {PRIZE}",
    ),
    corruption(
        "payouts",
        "is owed",
        "UPDATE events SET payout_minor = payout_minor + 1 WHERE kind = 1 AND round_id = 1",
    ),
    corruption("payouts", "got 0", "DELETE FROM events WHERE kind = 2 AND round_id = 3"),
    corruption("payouts", "round 1 says that it paid 7", "UPDATE rounds SET payout_minor = 7 WHERE round_id = 1"),
    corruption(
        "payouts",
        "the transfer says",
        "UPDATE transfers SET amount_minor = amount_minor + 1 WHERE kind = 3 AND round_id = 3",
    ),
    corruption(
        "books",
        "the balances in EUR add up to 1",
        f"UPDATE accounts SET balance_minor = balance_minor + 1 WHERE account_id = {PLAYER}",
    ),
    corruption("books", "an account that is not there", f"DELETE FROM accounts WHERE account_id = {PLAYER}"),
    corruption(
        "balances",
        "its transfers add up to",
        f"UPDATE accounts SET balance_minor = balance_minor + 3 WHERE account_id = {PLAYER}",
        "UPDATE accounts SET balance_minor = balance_minor - 3 WHERE kind = 3",
    ),
    corruption(
        "floors",
        "its floor is 0",
        "ALTER TABLE accounts DROP CONSTRAINT accounts_above_floor",
        f"UPDATE accounts SET balance_minor = -1 WHERE account_id = {PLAYER}",
    ),
    corruption(
        "escrows",
        "its escrow holds 9",
        f"UPDATE accounts SET balance_minor = 9 WHERE account_id = {ESCROW} 1)",
    ),
    corruption(
        "escrows",
        "the stakes of its tickets are 165",
        f"UPDATE accounts SET balance_minor = 9 WHERE account_id = {ESCROW} {OPEN})",
    ),
    corruption("prizes", "what can be claimed is 0", "DELETE FROM unclaimed"),
    corruption("transitions", "comes after", "DELETE FROM transitions WHERE transition_seq = 4"),
    corruption("transitions", "has counted 99", "UPDATE tracks SET transition_seq = 99"),
    corruption(
        "transitions",
        "before the one before it",
        "UPDATE transitions SET made_at = made_at - interval '1 day' WHERE transition_seq = 3",
    ),
    corruption("phases", "went from LOCKED to FINISHED", "DELETE FROM transitions WHERE transition_seq = 3"),
    corruption("phases", "its last one is", "UPDATE rounds SET phase = 4 WHERE round_id = 1"),
    corruption(
        "phases",
        "has epoch 0 after 1",
        f"UPDATE transitions SET stored_round = stored_round || '{EPOCH_0}' WHERE transition_seq = 3",
    ),
    corruption(
        "phases",
        "its snapshot says otherwise",
        "UPDATE transitions SET round_id = 2 WHERE transition_seq = 5",
    ),
    corruption("decisions", "are 2: 3", "DELETE FROM settlements WHERE settlement_no = 1 AND round_id = 4"),
    corruption("decisions", "its posting is over", "DELETE FROM postings WHERE round_id = 1"),
    corruption("decisions", "nothing was decided", "DELETE FROM settlements WHERE round_id = 2"),
    corruption(
        "tickets-root",
        "of batch",
        f"UPDATE lines SET price_hundredths = price_hundredths + 1 WHERE ticket_id = {TICKET}",
    ),
    corruption(
        "tickets-root",
        "its root was fixed over",
        f"DELETE FROM tickets WHERE ticket_id = {TICKET}",
    ),
    corruption("draws", "another seed than its draw", "UPDATE rounds SET server_seed = sha256('x') WHERE round_id = 1"),
    corruption(
        "draws",
        "committed: SHA-256(seed)",
        f"UPDATE transitions SET stored_round = stored_round || '{OTHER_SEED}' WHERE phase = 3 AND round_id = 1",
    ),
    corruption("draws", "seed 4 was drawn with", "UPDATE seed_chains SET used = 2"),
)


async def proof_after(copy: Copy, *statements: str) -> Proof:
    """What is proved of a copy to which something was done, past every trigger and constraint on rows."""
    url = await copy()
    connection = await asyncpg.connect(url, server_settings={"session_replication_role": "replica"})
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()
    return await prove(url)


def broken(proof: Proof) -> list[str]:
    return [finding.name for finding in proof.findings if not finding.holds]


async def test_every_invariant_holds_of_a_database_that_nobody_touched(copy: Copy) -> None:
    proof = await proof_after(copy)

    assert [(each.name, each.seen.faults) for each in proof.findings if not each.holds] == []
    assert proof.holds
    assert proof.contents.tickets == 9 + 4 + 3 + 3 + 3 + 3
    assert proof.contents.rounds == 5
    assert proof.contents.verdicts == {"ACCEPTED": 25, "INSUFFICIENT_FUNDS": 1}
    counted = {each.name: each.seen.counted for each in proof.findings}
    assert counted["tickets-root"] == {"rounds_locked": 3, "batches": 8, "tickets": 25}
    assert counted["draws"] == {"draws": 3, "in_a_chain": 3, "with_beacon": 0, "entered": 0}
    assert counted["decisions"] == {"decisions": 5, "settled": 3, "voided": 1, "corrected": 1, "chunks_posted": 6}
    assert counted["audit"]["rows"] == 4
    assert all(sum(counted[each.name].values()) > 0 for each in INVARIANTS), "one that counts nothing proves nothing"


@pytest.mark.parametrize("each", CORRUPTIONS, ids=[f"{each.invariant}: {each.told}" for each in CORRUPTIONS])
async def test_what_is_broken_is_found_and_named(copy: Copy, each: Corruption) -> None:
    proof = await proof_after(copy, *each.statements)

    assert each.invariant in broken(proof)
    [finding] = [finding for finding in proof.findings if finding.name == each.invariant]
    assert any(each.told in fault for fault in finding.seen.faults), finding.seen.faults


def test_every_invariant_is_broken_by_some_corruption() -> None:
    assert {each.invariant for each in CORRUPTIONS} == {each.name for each in INVARIANTS}


async def test_many_faults_are_counted_and_a_few_of_them_told(copy: Copy) -> None:
    proof = await proof_after(copy, "DELETE FROM request_keys")

    [keys] = [each for each in proof.findings if each.name == "keys"]
    assert (keys.seen.faults_total, len(keys.seen.faults)) == (25, 10)


async def test_a_table_that_is_missing_breaks_what_needs_it_and_the_rest_is_looked_at(copy: Copy) -> None:
    proof = await proof_after(copy, "DROP TABLE unclaimed")

    assert broken(proof) == ["prizes"]


async def test_what_went_to_the_archive_is_left_out_and_said(copy: Copy) -> None:
    url = await copy()
    ranges = [
        f"ALTER TABLE {table} DETACH PARTITION {table}_rounds_0"
        for table in ("tickets", "lines", "events", "transfers")
    ]
    later = "SELECT make_partitions(20000)"
    await run_sql(url, *ranges, later)
    proof = await prove(url)

    assert proof.contents.first_round == 20_000
    left_out = {each.name for each in proof.findings if each.seen.left_out}
    assert {"balances", "tickets-root"} <= left_out
    assert broken(proof) == []


async def test_a_database_of_somebody_else_is_not_proved(postgres: PostgresServer) -> None:
    await run_sql(postgres.url_of(DATABASE), "CREATE DATABASE of_somebody_else")

    with pytest.raises(NotFurlong, match="no schema of Furlong's"):
        await prove(postgres.url_of("of_somebody_else"))


async def test_an_empty_database_is_proved(postgres: PostgresServer) -> None:
    proof = await prove(await new_database(postgres))

    assert broken(proof) == []
    assert proof.contents.newest_ticket_at is None
