"""A step of the schema only expands: what the version before reads and writes is there after it, and may be used."""

import asyncio
from dataclasses import dataclass

import asyncpg
import pytest

from deploy.local.postgres import DATABASE, PostgresServer
from services.persist.migrate import latest, migrate
from tests.postgres import run_sql

FIRST = "0004"
"""The steps up to here came before the first version that was ever replaced while it ran."""
STEPS = [f"{number:04}" for number in range(int(FIRST) + 1, int(latest()) + 1)]

COLUMNS = """
SELECT table_name || '.' || column_name AS name, data_type || ' ' || is_nullable AS form,
    is_nullable = 'YES' OR column_default IS NOT NULL OR is_identity = 'YES' AS may_be_left_out
FROM information_schema.columns WHERE table_schema = 'public'
"""

RIGHTS = """
SELECT grantee || ' ' || privilege_type || ' ' || table_name || '.' || column_name AS may
FROM information_schema.column_privileges WHERE table_schema = 'public' AND grantee LIKE 'furlong_%'
UNION SELECT grantee || ' ' || privilege_type || ' ' || table_name
FROM information_schema.table_privileges WHERE table_schema = 'public' AND grantee LIKE 'furlong_%'
"""

RULES = """
SELECT conrelid::regclass::text AS table_name, conname || ': ' || pg_get_constraintdef(oid) AS rule,
    ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = conrelid AND attnum = ANY(conkey)) AS columns
FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype IN ('c', 'f', 'u', 'p') AND conrelid <> 0
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """Columns with their form, those that an insert may leave out, what roles may do, and rules by their columns."""

    columns: dict[str, str]
    may_be_left_out: frozenset[str]
    rights: frozenset[str]
    rules: dict[str, frozenset[str]]

    @property
    def tables(self) -> frozenset[str]:
        return frozenset(column.partition(".")[0] for column in self.columns)


async def schema(url: str) -> Schema:
    connection = await asyncpg.connect(url)
    try:
        columns = await connection.fetch(COLUMNS)
        return Schema(
            columns={row["name"]: row["form"] for row in columns},
            may_be_left_out=frozenset(row["name"] for row in columns if row["may_be_left_out"]),
            rights=frozenset(row["may"] for row in await connection.fetch(RIGHTS)),
            rules={
                f"{row['table_name']} {row['rule']}": frozenset(
                    f"{row['table_name']}.{name}" for name in row["columns"]
                )
                for row in await connection.fetch(RULES)
            },
        )
    finally:
        await connection.close()


@pytest.fixture(scope="module")
def empty(postgres: PostgresServer) -> str:
    """An empty database, which the steps are taken in one after the other."""
    asyncio.run(run_sql(postgres.url_of(DATABASE), "CREATE DATABASE expanding"))
    asyncio.run(migrate(postgres.url_of("expanding"), FIRST))
    return postgres.url_of("expanding")


@pytest.mark.parametrize("step", STEPS)
async def test_the_version_before_can_go_on_after_the_step(empty: str, step: str) -> None:
    before = await schema(empty)
    await migrate(empty, step)
    after = await schema(empty)

    assert {name: form for name, form in before.columns.items() if after.columns.get(name) != form} == {}
    assert before.may_be_left_out <= after.may_be_left_out
    assert before.rights - after.rights == frozenset()
    new = {name for name in after.columns.keys() - before.columns if name.partition(".")[0] in before.tables}
    assert new - after.may_be_left_out == set(), "the version before writes rows without these columns"
    tightened = {
        rule
        for rule, columns in after.rules.items()
        if rule not in before.rules and columns and columns <= before.columns.keys()
    }
    assert tightened == set(), "the version before may break these rules"
