"""The schema: the step that this code knows, ranges for all rounds, rights and triggers that keep what is written once,
and the audit's chain of hashes."""

from collections.abc import Sequence
from typing import Final

from deploy.drill.evidence import Connection, Extent, Faults, Invariant, Seen, in_sql
from services.persist.adapters.postgres.audit import verify as verify_audit
from services.persist.audit import told
from services.persist.domain.audit import BEFORE_THE_FIRST
from services.persist.migrate import latest

PARTED: Final = ("request_keys", "tickets", "lines", "events", "transfers")
WRITTEN_ONCE: Final = (*PARTED, "audit", "postings", "settlements", "batches", "transitions", "round_prices")
GUARDED: Final = (*WRITTEN_ONCE, "seed_chains")
"""Tables whose rows triggers protect; of a chain of seeds one column may rise."""

RIGHTS: Final = """
SELECT format('%s may %s %s', role, kind, tree.relid::regclass) AS sentence
FROM unnest($1::text[]) AS guarded (name), pg_partition_tree(guarded.name::regclass) AS tree,
    unnest('{furlong_writer,furlong_reader,furlong_auditor}'::text[]) AS role,
    unnest('{UPDATE,DELETE,TRUNCATE}'::text[]) AS kind
WHERE has_table_privilege(role, tree.relid, kind)
UNION ALL
SELECT format('%s may %s %s', role, kind, name)
FROM unnest($2::text[]) AS plain (name), unnest('{furlong_writer,furlong_reader,furlong_auditor}'::text[]) AS role,
    unnest('{UPDATE,DELETE,TRUNCATE}'::text[]) AS kind
WHERE has_table_privilege(role, name, kind)
    OR (kind = 'UPDATE' AND name <> 'seed_chains' AND has_any_column_privilege(role, name, kind))
UNION ALL
SELECT format('furlong_writer may not %s %s', kind, name)
FROM unnest($1::text[] || $2::text[]) AS guarded (name), unnest('{SELECT,INSERT}'::text[]) AS kind
WHERE NOT has_table_privilege('furlong_writer', name, kind)
ORDER BY 1
"""

TRIGGERS: Final = """
SELECT format('%s has no working trigger %s', guarded.table_oid::regclass, guarded.trigger) AS sentence
FROM (
    SELECT tree.relid AS table_oid, trigger FROM unnest($1::text[]) AS parent (name),
        pg_partition_tree(parent.name::regclass) AS tree, unnest('{never_changed,never_emptied}'::text[]) AS trigger
    UNION ALL
    SELECT name::regclass, trigger FROM unnest($2::text[]) AS plain (name),
        unnest('{never_changed,never_emptied}'::text[]) AS trigger
) AS guarded
LEFT JOIN pg_trigger ON tgrelid = guarded.table_oid AND tgname = guarded.trigger AND tgenabled IN ('O', 'A')
WHERE pg_trigger.oid IS NULL ORDER BY 1
"""

ROLES: Final = ("furlong_migrator", "furlong_writer", "furlong_reader", "furlong_auditor")

RANGES: Final = in_sql(
    """SELECT (SELECT count(*) FROM partitions_of('transfers')) AS ranges,
           (SELECT count(*) FROM partitions_of('request_keys')) AS days,
           (SELECT count(*) FROM rounds WHERE round_id >= $1) AS rounds""",
    """SELECT format('rounds %s to %s have no range in %s', min(r.round_id), max(r.round_id), parent) AS sentence
       FROM rounds r CROSS JOIN unnest('{tickets,lines,events,transfers}'::text[]) AS parent
       LEFT JOIN LATERAL (
           SELECT true AS there FROM partitions_of(parent)
           WHERE coalesce(lower_bound::bigint <= r.round_id, true) AND coalesce(r.round_id < upper_bound::bigint, true)
       ) AS kept ON true
       WHERE r.round_id >= $1 AND kept.there IS NULL GROUP BY parent""",
)


async def step(connection: Connection, extent: Extent) -> Seen:
    """Compare the database's step with the last one that this code knows."""
    del extent
    faults = Faults()
    at = await connection.fetchval("SELECT version_num FROM alembic_version")
    if at != latest():
        faults.add(
            f"the database is at step {at or 'none'}, this code goes with {latest()}: `migrate up` brings it there"
        )
    return faults.seen({"step": int(at or 0)})


async def append_only(connection: Connection, extent: Extent) -> Seen:
    """Ask for rights that nobody shall have, and for triggers that have to be there."""
    del extent
    faults = Faults()
    there = {row["rolname"] for row in await connection.fetch("SELECT rolname FROM pg_roles")}
    missing = [role for role in ROLES if role not in there]
    for role in missing:
        faults.add(f"the role {role} is not there")
    plain = [table for table in GUARDED if table not in PARTED]
    statements: Sequence[str] = (TRIGGERS,) if missing else (TRIGGERS, RIGHTS)
    for statement in statements:
        for row in await connection.fetch(statement, list(PARTED), plain):
            faults.add(row["sentence"])
    partitions = await connection.fetchval(
        "SELECT count(*) FROM unnest($1::text[]) AS p (name), pg_partition_tree(p.name::regclass)", list(PARTED)
    )
    return faults.seen({"tables": len(GUARDED), "with_partitions": partitions + len(plain), "roles": len(ROLES)})


async def audit(connection: Connection, extent: Extent) -> Seen:
    """Work the chain of hashes out again."""
    del extent
    chain = await verify_audit(connection, BEFORE_THE_FIRST)
    faults = Faults()
    if wrong := told(chain, BEFORE_THE_FIRST):
        faults.add(wrong)
    return faults.seen({"rows": chain.rows})


SCHEMA: Final = (
    Invariant(name="schema", says="the schema is at the step that this code goes with", look=step),
    Invariant(name="ranges", says="every round has its range in all four tables", look=RANGES),
    Invariant(
        name="append-only", says="what is written once can be changed by no role, and triggers stand", look=append_only
    ),
    Invariant(name="audit", says="every row of the audit fits the hash of the one before it", look=audit),
)
