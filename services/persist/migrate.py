"""Bring the database's schema up to date: `python -m services.persist.migrate up|down|current`.

`up` takes every step that is missing, `down` takes the last one back with all the data that only it can hold, and
`current` prints the step that the database is at. The database is DATABASE_URL. Whoever runs at the same time waits.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import Final

import alembic.command
import asyncpg
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from services.chassis.config import ConfigError, read
from services.chassis.crash_points import CrashConfig, arm, reach
from services.persist import command
from services.persist.crash_points import POINTS

MIGRATION_LOCK: Final = -1
"""The advisory lock of a migration; rounds use their ids, which are positive."""

LOCK_TIMEOUT_MS: Final = 2_000
"""A step that would wait longer for a table gives up instead of stopping everybody behind it."""


async def migrate(database_url: str, to: str) -> None:
    """Bring the schema to `to`: "head", a step's number above the present one, or "-1" for one step back.

    All of it is one transaction. Raises what the database raises; a step that would lose data names it.
    """
    engine = _engine(database_url)
    try:
        async with engine.connect() as connection:
            await connection.execute(text(f"SELECT pg_advisory_lock({MIGRATION_LOCK})"))
            await connection.execute(text(f"SET lock_timeout = {LOCK_TIMEOUT_MS}"))
            await connection.commit()
            reach("migration.locked")
            await connection.run_sync(_run, to)
            await connection.commit()
    finally:
        await engine.dispose()


async def current(database_url: str) -> str:
    """Tell the step that the database is at; empty where there is none."""
    engine = _engine(database_url)
    try:
        async with engine.connect() as connection:
            if not (await connection.execute(text("SELECT to_regclass('alembic_version')"))).scalar():
                return ""
            return (await connection.execute(text("SELECT version_num FROM alembic_version"))).scalar() or ""
    finally:
        await engine.dispose()


def latest() -> str:
    """Tell the last step that this code knows."""
    return ScriptDirectory.from_config(_config()).get_current_head() or ""


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    return config


def _run(connection: Connection, to: str) -> None:
    config = _config()
    config.attributes["connection"] = connection
    if to.startswith("-"):
        alembic.command.downgrade(config, to)
    else:
        alembic.command.upgrade(config, to)


def _engine(database_url: str) -> AsyncEngine:
    """Connects as persist does, so that an address means the same to both, `sslmode` and its like included."""
    return create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(database_url), poolclass=NullPool
    )


def main() -> None:
    """Read the command line and do it."""
    parser = argparse.ArgumentParser(prog="python -m services.persist.migrate", description="Migrate the database.")
    parser.add_argument("what", choices=("up", "down", "current"))
    what = parser.parse_args().what
    try:
        arm(read(CrashConfig, os.environ).planned(POINTS))
    except (ConfigError, ValueError) as error:
        sys.exit(str(error))
    if what != "current":
        to = "head" if what == "up" else "-1"
        command.run(lambda database_url: migrate(database_url, to), if_refused="the database is as it was")
    print(command.run(current) or "nothing")


if __name__ == "__main__":
    main()
