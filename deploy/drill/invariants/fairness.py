"""Fairness: what was committed to before the draw is what is stored, and the draw gives what was announced (7).

The root is worked out by persist's own code, because here the tickets are in question and not the arithmetic, which
has a model of its own in the tests. Draws are verified by the program that strangers run, `furlong.client.verify`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import groupby
from typing import Any, Final

import asyncpg
from furlong.client.verify import ALGORITHM, verify
from furlong.common.v1.round_pb2 import Round
from furlong.persist.v1.round_store_service_pb2 import StoredRound

from deploy.drill.evidence import Connection, Extent, Faults, Invariant, Seen
from services.persist.domain.ticket import Line, Order
from services.persist.domain.tickets_root import leaf, root

ROWS_AT_ONCE: Final = 1_000

LOCKED_ROUNDS: Final = """
SELECT round_id, stored_round FROM transitions WHERE phase = 2 AND round_id >= $1 ORDER BY round_id
"""

BATCHES: Final = "SELECT round_id, batch_id, tickets, sub_root FROM batches WHERE round_id >= $1 ORDER BY 1, 2"

TICKETS_IN_ORDER: Final = """
SELECT t.round_id, t.batch_id, t.ticket_id, t.account_id, l.market, l.selection, l.stake_minor, l.price_hundredths
FROM tickets t JOIN lines l ON l.round_id = t.round_id AND l.ticket_id = t.ticket_id
ORDER BY t.round_id, t.batch_id, t.batch_place, l.line
"""

STARTED: Final = """
SELECT s.round_id, s.stored_round, r.server_seed, l.stored_round AS locked_round
FROM transitions s JOIN rounds r USING (round_id)
LEFT JOIN transitions l ON l.round_id = s.round_id AND l.track = s.track AND l.phase = 2
WHERE s.phase = 3 ORDER BY s.track, s.transition_seq
"""

CHAINS: Final = "SELECT track, chain_no, encode(anchor, 'hex') AS anchor, used FROM seed_chains"


async def roots(connection: Connection, extent: Extent) -> Seen:
    """Work the sub-root of every commit and the root of every locked round out again from their tickets."""
    sub_roots: dict[int, dict[int, tuple[int, bytes]]] = {}
    async for row in connection.cursor(BATCHES, extent.first_round, prefetch=ROWS_AT_ONCE):
        sub_roots.setdefault(row["round_id"], {})[row["batch_id"]] = (row["tickets"], row["sub_root"])
    found: dict[int, dict[int, tuple[int, bytes]]] = {}
    tickets = 0
    open_batch = _Batch()
    async for row in connection.cursor(TICKETS_IN_ORDER, prefetch=ROWS_AT_ONCE):
        if open_batch.rows and (row["round_id"], row["batch_id"]) != open_batch.key:
            tickets += open_batch.close(found)
        open_batch.rows.append(row)
    tickets += open_batch.close(found)
    faults = Faults()
    for round_id in sorted(sub_roots.keys() | found.keys()):
        told, are = sub_roots.get(round_id, {}), found.get(round_id, {})
        for batch_id in sorted(told.keys() | are.keys()):
            if told.get(batch_id) != are.get(batch_id):
                faults.add(f"the tickets of batch {batch_id} of round {round_id} are not those that were committed")
    locked = 0
    async for row in connection.cursor(LOCKED_ROUNDS, extent.first_round, prefetch=ROWS_AT_ONCE):
        locked += 1
        round_id = row["round_id"]
        fixed = StoredRound.FromString(row["stored_round"]).round.tickets_root
        if root([each for _, (_, each) in sorted(found.get(round_id, {}).items())]).hex() != fixed:
            faults.add(f"the tickets of round {round_id} are not those that its root was fixed over")
    left_out = "" if extent.is_whole else f"tickets of the rounds below {extent.first_round} are in the archive"
    batches = sum(map(len, found.values()))
    return faults.seen({"rounds_locked": locked, "batches": batches, "tickets": tickets}, left_out)


@dataclass(slots=True)
class _Batch:
    """The lines of one commit, in order, until it is complete."""

    rows: list[asyncpg.Record] = field(default_factory=list)

    @property
    def key(self) -> tuple[int, int]:
        return self.rows[0]["round_id"], self.rows[0]["batch_id"]

    def close(self, into: dict[int, dict[int, tuple[int, bytes]]]) -> int:
        """Work the batch's root out and begin anew; how many tickets it had."""
        if not self.rows:
            return 0
        round_id, batch_id = self.key
        leaves = [leaf(_order(lines), round_id) for _, lines in groupby(self.rows, key=lambda row: row["ticket_id"])]
        into.setdefault(round_id, {})[batch_id] = (len(leaves), root(leaves))
        self.rows.clear()
        return len(leaves)


def _order(rows: Iterable[asyncpg.Record]) -> Order:
    """A ticket as it was ordered, as far as its leaf goes."""
    lines = list(rows)
    return Order(
        request_id=str(lines[0]["ticket_id"]),
        account_id=str(lines[0]["account_id"]),
        lines=[Line(row["market"], row["selection"], row["stake_minor"], row["price_hundredths"]) for row in lines],
        stake_minor=sum(row["stake_minor"] for row in lines),
        content_hash=b"",
        refusal=None,
        refusal_reason="",
    )


async def draws(connection: Connection, extent: Extent) -> Seen:
    """Verify every draw whose seed was revealed: commitment, place in the chain of seeds, result."""
    del extent  # what a draw needs is never detached
    faults = Faults()
    verified = entered = with_beacon = chained = 0
    known: dict[str, tuple[int, str]] = {}  # by anchor: the last seed that was verified, to begin from there
    async for row in connection.cursor(STARTED, prefetch=ROWS_AT_ONCE):
        stored = StoredRound.FromString(row["stored_round"])
        if not stored.server_seed:
            entered += 1
            continue
        verified += 1
        with_beacon += bool(stored.beacon_signature)
        terms = stored.round.terms
        anchor, index = terms.seed_anchor, terms.seed_index
        if anchor:
            chained += 1
            before_index, before = known.get(anchor, (0, anchor))
            anchor, index = before, index - before_index
        if row["server_seed"] != stored.server_seed:
            faults.add(f"round {row['round_id']} has another seed than its draw")
        if row["locked_round"] is None or not _same_before(StoredRound.FromString(row["locked_round"]), stored):
            faults.add(
                f"round {row['round_id']} was drawn over other runners, another root or commitment than it locked"
            )
        steps = verify(_proof(stored, anchor, index))
        for step in steps:
            if not step.passed:
                faults.add(f"round {row['round_id']}: {step.name}: {step.detail}")
        if terms.seed_anchor and all(step.passed for step in steps):
            known[terms.seed_anchor] = (terms.seed_index, stored.server_seed.hex())
    for row in await connection.fetch(CHAINS):
        index, _ = known.get(row["anchor"], (0, ""))
        if index > row["used"]:
            faults.add(
                f"chain {row['chain_no']} of {row['track']} has used {row['used']} seeds, seed {index} was drawn with"
            )
    counted = {"draws": verified, "in_a_chain": chained, "with_beacon": with_beacon, "entered": entered}
    left_out = "signatures of beacons are not checked here, `furlong verify` does" if with_beacon else ""
    return faults.seen(counted, left_out)


def _same_before(locked: StoredRound, started: StoredRound) -> bool:
    """Tell whether what the draw takes in is what was durable at the lock."""
    return (locked.round.tickets_root, locked.round.commitment, _weights(locked.round)) == (
        started.round.tickets_root,
        started.round.commitment,
        _weights(started.round),
    )


def _weights(round_: Round) -> Mapping[int, int]:
    return {runner.runner: runner.weight for runner in round_.runners}


def _proof(stored: StoredRound, anchor: str, index: int) -> dict[str, Any]:
    """The proof as the verifier reads it, without the beacon's signature, whose key the database does not have."""
    round_ = stored.round
    return {
        "algorithm": ALGORITHM,
        "round_id": round_.round_id,
        "track": round_.track,
        "commitment": round_.commitment,
        "server_seed": stored.server_seed.hex(),
        "tickets_root": round_.tickets_root,
        "beacon": sha256(stored.beacon_signature).hexdigest() if stored.beacon_signature else "",
        "runners": [{"runner": each.runner, "weight": str(each.weight)} for each in round_.runners],
        "result": list(round_.result),
        "seed_anchor": anchor,
        "seed_index": index,
    }


FAIRNESS: Final = (
    Invariant(name="tickets-root", says="the root of every locked round is that of its tickets", look=roots),
    Invariant(name="draws", says="every seed is the one committed to, every drawn result follows from it", look=draws),
)
