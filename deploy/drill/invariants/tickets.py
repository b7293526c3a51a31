"""Tickets: each stored once under its key, none after the lock, each paid for once and paid out once (1 to 4, 6).

Verdict 1 is ACCEPTED. Kinds of events: 1 won, 2 void, 3 cancelled, 4 paid, 5 expired, 6 reversed. Phases: 2 locked,
5 settled, 6 void.
"""

from typing import Final

from deploy.drill.evidence import Connection, Extent, Faults, Invariant, Seen, in_sql
from services.persist.domain.winners import decoded

KEYS: Final = in_sql(
    """SELECT (SELECT count(*) FROM tickets) AS tickets, count(*) AS keys,
           count(*) FILTER (WHERE verdict = 1) AS accepted FROM request_keys""",
    """SELECT CASE WHEN k.request_id IS NULL THEN format('ticket %s of round %s has no key', t.ticket_id, t.round_id)
           ELSE format('ticket %s of round %s, its key says verdict %s in round %s', t.ticket_id, t.round_id, k.verdict,
               k.round_id) END AS sentence
       FROM tickets t LEFT JOIN request_keys k ON k.request_id = t.ticket_id
       WHERE k.request_id IS NULL OR k.verdict <> 1 OR k.round_id <> t.round_id""",
    """SELECT format('key %s was accepted in round %s, its ticket is not there', k.request_id, k.round_id) AS sentence
       FROM request_keys k LEFT JOIN tickets t ON t.round_id = k.round_id AND t.ticket_id = k.request_id
       WHERE k.verdict = 1 AND k.round_id >= $1 AND t.ticket_id IS NULL""",
)

STORED_ONCE: Final = in_sql(
    """SELECT (SELECT count(*) FROM tickets) AS tickets, (SELECT count(*) FROM lines) AS lines""",
    """SELECT format('ticket %s is stored %s times', ticket_id, count(*)) AS sentence
       FROM tickets GROUP BY ticket_id HAVING count(*) > 1""",
    """SELECT format('key %s is stored %s times', request_id, count(*)) AS sentence
       FROM request_keys GROUP BY request_id HAVING count(*) > 1""",
    """SELECT format('ticket %s of round %s costs %s, its lines %s', coalesce(t.ticket_id, l.ticket_id),
           coalesce(t.round_id, l.round_id), coalesce(t.stake_minor::text, 'nothing, it is not there'),
           coalesce(l.stake_minor::text, 'nothing, they are not there')) AS sentence
       FROM tickets t FULL JOIN (
           SELECT round_id, ticket_id, sum(stake_minor) AS stake_minor FROM lines GROUP BY round_id, ticket_id
       ) AS l ON l.round_id = t.round_id AND l.ticket_id = t.ticket_id
       WHERE t.stake_minor IS DISTINCT FROM l.stake_minor""",
)

BEFORE_THE_LOCK: Final = in_sql(
    """SELECT count(*) AS rounds_locked FROM (
           SELECT round_id FROM transitions WHERE phase IN (2, 6) GROUP BY round_id) AS l""",
    """SELECT format('ticket %s was placed %s after round %s was locked', t.ticket_id, t.placed_at - l.locked_at,
           t.round_id) AS sentence
       FROM tickets t JOIN (
           SELECT round_id, min(made_at) AS locked_at FROM transitions WHERE phase IN (2, 6) GROUP BY round_id
       ) AS l ON l.round_id = t.round_id
       WHERE t.placed_at >= l.locked_at""",
)

SOLD: Final = in_sql(
    "SELECT count(*) AS rounds, coalesce(sum(tickets), 0)::bigint AS tickets FROM exposure WHERE market = 0",
    """SELECT format('round %s has counted %s tickets for %s, sold are %s for %s', e.round_id, e.tickets,
           e.stake_minor, coalesce(s.tickets, 0), coalesce(s.stake_minor, 0)) AS sentence
       FROM exposure e LEFT JOIN (
           SELECT t.round_id, count(*) AS tickets, sum(t.stake_minor) AS stake_minor FROM tickets t
           LEFT JOIN events c ON c.round_id = t.round_id AND c.ticket_id = t.ticket_id AND c.kind = 3
           WHERE c.ticket_id IS NULL GROUP BY t.round_id
       ) AS s ON s.round_id = e.round_id
       WHERE e.market = 0 AND e.round_id >= $1
           AND (e.tickets, e.stake_minor) IS DISTINCT FROM (coalesce(s.tickets, 0), coalesce(s.stake_minor, 0)::bigint)
    """,
)

PAID_FOR_ONCE: Final = in_sql(
    "SELECT count(*) AS stakes FROM transfers WHERE kind = 1",
    """SELECT format('ticket %s of round %s costs %s, its buyer paid %s in %s transfers', t.ticket_id, t.round_id,
           t.stake_minor, coalesce(s.amount_minor, 0), coalesce(s.times, 0)) AS sentence
       FROM tickets t LEFT JOIN (
           SELECT round_id, reference, debit_account_id, count(*) AS times, sum(amount_minor) AS amount_minor
           FROM transfers WHERE kind = 1 GROUP BY round_id, reference, debit_account_id
       ) AS s ON s.round_id = t.round_id AND s.reference = t.ticket_id AND s.debit_account_id = t.account_id
       WHERE s.times IS DISTINCT FROM 1 OR s.amount_minor <> t.stake_minor""",
    """SELECT format('a stake of %s was taken in round %s for %s, which is no ticket of it', s.amount_minor, s.round_id,
           s.reference) AS sentence
       FROM transfers s LEFT JOIN tickets t ON t.round_id = s.round_id AND t.ticket_id = s.reference
       WHERE s.kind = 1 AND t.ticket_id IS NULL""",
)

PAID_ONCE: Final = in_sql(
    """SELECT count(*) FILTER (WHERE kind IN (2, 3)) AS prizes_and_refunds,
           count(*) FILTER (WHERE kind IN (6, 9) AND round_id > 0) AS claims_paid_or_expired FROM transfers""",
    """SELECT format('ticket %s was paid %s times by decision %s of round %s', reference, count(*), settlement_no,
           round_id) AS sentence
       FROM transfers WHERE kind IN (2, 3) GROUP BY round_id, reference, settlement_no HAVING count(*) > 1""",
    """SELECT format('ticket %s was paid in %s rounds', reference, count(DISTINCT round_id)) AS sentence
       FROM transfers WHERE kind IN (2, 3) GROUP BY reference HAVING count(DISTINCT round_id) > 1""",
    """SELECT format('%s was paid by decision %s of round %s, %s', p.reference, p.settlement_no, p.round_id,
           CASE WHEN t.ticket_id IS NULL THEN 'and is no ticket of it' ELSE 'which was never made' END) AS sentence
       FROM transfers p
       LEFT JOIN tickets t ON t.round_id = p.round_id AND t.ticket_id = p.reference
       LEFT JOIN settlements s ON s.round_id = p.round_id AND s.settlement_no = p.settlement_no
       LEFT JOIN events c ON c.round_id = p.round_id AND c.ticket_id = p.reference AND c.kind = 3
       WHERE p.kind IN (2, 3)
           AND (t.ticket_id IS NULL OR (s.round_id IS NULL AND NOT (p.settlement_no = 0 AND c.ticket_id IS NOT NULL)))
    """,
    """SELECT format('the prize of ticket %s, decision %s of round %s, was paid out or expired %s times', ticket_id,
           settlement_no, round_id, count(*)) AS sentence
       FROM events WHERE kind IN (4, 5) AND payout_minor > 0
       GROUP BY round_id, ticket_id, settlement_no HAVING count(*) > 1""",
    """SELECT format('ticket %s of round %s: handed out or expired are %s by its events, %s by its transfers',
           coalesce(e.ticket_id, p.reference), coalesce(e.round_id, p.round_id), coalesce(e.minor, 0),
           coalesce(p.minor, 0)) AS sentence
       FROM (SELECT round_id, ticket_id, sum(payout_minor) AS minor FROM events WHERE kind IN (4, 5)
             GROUP BY round_id, ticket_id) AS e
       FULL JOIN (SELECT round_id, reference, sum(amount_minor) AS minor FROM transfers
                  WHERE kind IN (6, 9) AND round_id > 0 GROUP BY round_id, reference) AS p
           ON p.round_id = e.round_id AND p.reference = e.ticket_id
       WHERE coalesce(e.minor, 0) <> coalesce(p.minor, 0)""",
)

DECISIONS: Final = """
SELECT DISTINCT ON (s.round_id) s.round_id, s.kind, s.winners
FROM settlements s JOIN rounds r USING (round_id) WHERE r.phase >= 5 AND NOT r.posting AND s.round_id >= $1
ORDER BY s.round_id, s.settlement_no DESC
"""

WRONGLY_PAID: Final = """
WITH winner AS MATERIALIZED (
    SELECT * FROM unnest($1::bigint[], $2::smallint[], $3::bytea[], $4::bigint[], $5::bigint[], $6::bigint[])
        AS w (round_id, market, selection, numerator, denominator, given_back)
), decided AS MATERIALIZED (
    SELECT d.round_id, d.kind, nullif(r.payout_max_minor, 0) AS payout_max_minor, r.payout_minor
    FROM unnest($7::bigint[], $8::smallint[]) AS d (round_id, kind) JOIN rounds r USING (round_id)
), owed AS (
    SELECT l.round_id, l.ticket_id, sum(l.stake_minor) AS stake_minor,
        coalesce(sum(l.stake_minor * l.price_hundredths * w.numerator / (100 * w.denominator)), 0) AS wins_minor,
        coalesce(sum(l.stake_minor * w.given_back), 0) AS back_minor
    FROM lines l LEFT JOIN winner w
        ON w.round_id = l.round_id AND w.market = l.market AND w.selection = l.selection
    GROUP BY l.round_id, l.ticket_id
), told AS (
    SELECT DISTINCT ON (round_id, ticket_id) round_id, ticket_id,
        CASE kind WHEN 6 THEN 0 ELSE payout_minor END AS payout_minor
    FROM events WHERE kind IN (1, 2, 6) ORDER BY round_id, ticket_id, settlement_no DESC, kind DESC
), cancelled AS (
    SELECT round_id, ticket_id FROM events WHERE kind = 3
), judged AS (
    SELECT t.round_id, t.ticket_id, d.kind, a.kind AS account_kind, d.payout_minor AS round_payout_minor,
        coalesce(told.payout_minor, 0) AS got_minor,
        CASE d.kind WHEN 2 THEN owed.stake_minor
            ELSE least(owed.wins_minor, d.payout_max_minor) + owed.back_minor END AS owed_minor
    FROM tickets t
    JOIN decided d ON d.round_id = t.round_id
    JOIN accounts a ON a.account_id = t.account_id
    JOIN owed ON owed.round_id = t.round_id AND owed.ticket_id = t.ticket_id
    LEFT JOIN told ON told.round_id = t.round_id AND told.ticket_id = t.ticket_id
    LEFT JOIN cancelled c ON c.round_id = t.round_id AND c.ticket_id = t.ticket_id
    WHERE c.ticket_id IS NULL
)
"""
"""What the last decision on each round owes its tickets, and what they got. What a till handed out stays out when a
result is corrected, so tickets of tills are left out there."""

TICKETS_WRONGLY_PAID: Final = (
    WRONGLY_PAID
    + """
SELECT format('ticket %s of round %s is owed %s and got %s', ticket_id, round_id, owed_minor, got_minor) AS sentence,
    count(*) OVER () AS total
FROM judged WHERE got_minor <> owed_minor AND NOT (kind = 3 AND account_kind = 2) LIMIT 10
"""
)

ROUNDS_WRONGLY_PAID: Final = (
    WRONGLY_PAID
    + """
SELECT format('round %s says that it paid %s, its tickets are owed %s', round_id, round_payout_minor, sum(owed_minor))
    AS sentence, count(*) OVER () AS total
FROM judged WHERE kind <> 2 GROUP BY round_id, round_payout_minor HAVING round_payout_minor <> sum(owed_minor) LIMIT 10
"""
)

MONEY_OF_EVENTS: Final = """
SELECT format('ticket %s of round %s was told %s by decision %s, the transfer says %s',
    coalesce(e.ticket_id, p.reference), coalesce(e.round_id, p.round_id), coalesce(e.payout_minor, 0),
    coalesce(e.settlement_no, p.settlement_no), coalesce(p.amount_minor, 0)) AS sentence, count(*) OVER () AS total
FROM (SELECT * FROM events WHERE kind IN (1, 2) AND settlement_no = 1 AND payout_minor > 0) AS e
FULL JOIN (SELECT * FROM transfers WHERE kind IN (2, 3) AND settlement_no = 1) AS p
    ON p.round_id = e.round_id AND p.reference = e.ticket_id
WHERE coalesce(e.payout_minor, 0) <> coalesce(p.amount_minor, 0) LIMIT 10
"""
"""Of a first decision what a ticket is told is what is moved for it; a correction moves differences."""


async def payouts(connection: Connection, extent: Extent) -> Seen:
    """Work out from the decisions, the lines and the prices that tickets kept what every ticket is owed."""
    decisions = await connection.fetch(DECISIONS, extent.first_round)
    winners = [(row["round_id"], each) for row in decisions if row["kind"] != 2 for each in decoded(row["winners"])]
    arguments = (
        [round_id for round_id, _ in winners],
        [each.market for _, each in winners],
        [each.selection for _, each in winners],
        [0 if each.refund else each.numerator for _, each in winners],
        [each.denominator for _, each in winners],
        [1 if each.refund else 0 for _, each in winners],
        [row["round_id"] for row in decisions],
        [row["kind"] for row in decisions],
    )
    faults = Faults()
    for statement, given in (
        (TICKETS_WRONGLY_PAID, arguments),
        (ROUNDS_WRONGLY_PAID, arguments),
        (MONEY_OF_EVENTS, ()),
    ):
        rows = await connection.fetch(statement, *given)
        for row in rows:
            faults.add(row["sentence"])
        faults.total += rows[0]["total"] - len(rows) if rows else 0
    paid = await connection.fetchval("SELECT count(*) FROM events WHERE kind IN (1, 2)")
    return faults.seen({"rounds_decided": len(decisions), "winning_selections": len(winners), "payouts": paid})


TICKETS: Final = (
    Invariant(name="keys", says="an accepted ticket is stored under its request id, and nothing else is", look=KEYS),
    Invariant(name="stored-once", says="a ticket is stored once and costs what its lines cost", look=STORED_ONCE),
    Invariant(name="lock", says="no ticket was placed after its round's lock", look=BEFORE_THE_LOCK),
    Invariant(name="sold", says="what a round counted while selling is what it sold", look=SOLD),
    Invariant(name="stakes", says="every ticket was paid for once, by its buyer", look=PAID_FOR_ONCE),
    Invariant(name="paid-once", says="no ticket is paid twice, at no till and by no decision", look=PAID_ONCE),
    Invariant(name="payouts", says="every ticket got what the decision and its own prices owe it", look=payouts),
)
