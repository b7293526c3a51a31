"""Back ups: taken, checked, restored.

A back up is a folder:

    backup.json      what it is of, how and when it was taken; written last, so a folder without it is no back up
    cluster/         physical: the server's files with the log that makes them consistent, and PostgreSQL's manifest
    database.dump    logical: the database in pg_dump's custom form, its SHA-256 in backup.json

It is taken physically where the database's user may replicate, because then the back up is the server, to the last
committed ticket, restoring is copying, and the log archived beside it leads to any moment after it. Elsewhere a dump
is taken: it needs no more than the right to read, restores into any newer server, and ends at the moment it began.
"""

import asyncio
import json
import shutil
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import asyncpg

from deploy.drill import manifest, tools
from deploy.drill.manifest import sha256
from deploy.drill.tools import ToolFailed

FORM: Final = 1
DESCRIPTION: Final = "backup.json"
CLUSTER: Final = "cluster"
DUMP: Final = "database.dump"
PHYSICAL: Final = "physical"
LOGICAL: Final = "dump"

SOURCE: Final = """
SELECT current_database() AS database, current_setting('server_version_num')::int AS server_version,
    current_setting('wal_level') AS wal_level, current_setting('max_wal_senders')::int AS wal_senders,
    (SELECT rolsuper OR rolreplication FROM pg_roles WHERE rolname = current_user) AS may_replicate,
    (SELECT count(*) FROM pg_tablespace) - 2 AS tablespaces, current_user AS user,
    (SELECT rolname FROM pg_roles WHERE oid = 10) AS superuser,
    to_regclass('alembic_version') IS NOT NULL AS is_furlong,
    ARRAY(SELECT rolname::text FROM pg_roles WHERE oid = 10 OR rolname = current_user OR oid IN (
        SELECT refobjid FROM pg_shdepend WHERE refclassid = 'pg_authid'::regclass
            AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database()))
        ORDER BY 1) AS roles
"""
STEP: Final = "SELECT version_num FROM alembic_version"
REFUSED_BY_THE_SERVER: Final = ("pg_hba.conf", "replication", "permission denied")
"""Words in what pg_basebackup says when it is the server that does not let it in."""


class BackupRefused(Exception):
    """This is no back up that can be restored here; the message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """What a back up is of. `superuser` is the one that its server was made with, `roles` those its database names."""

    form: int
    how: str
    why: str
    database: str
    server_version: int
    superuser: str
    roles: tuple[str, ...]
    step: str
    began_at: str
    ended_at: str
    seconds: float
    bytes: int
    sha256: str

    @property
    def major(self) -> int:
        """The major version of its server."""
        return self.server_version // 10_000


def take(database_url: str, folder: Path, *, dump: bool = False) -> Backup:
    """Back a database up into a folder, which must not be there yet. Raises ToolFailed, BackupRefused, asyncpg's.

    The folder gets its name when all of it is on disk, so that a back up that was interrupted leaves none behind.
    """
    if folder.exists():
        raise BackupRefused(f"{folder} is there already; a back up is never written over another")
    source = asyncio.run(_source(database_url))
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        how, why = (LOGICAL, "it was asked for") if dump else _how(source)
        began_at, began_s = _now(), time.monotonic()
        if how == PHYSICAL:
            try:
                _copy_server(database_url, unfinished)
            except ToolFailed as refused:
                if not any(word in str(refused) for word in REFUSED_BY_THE_SERVER):
                    raise
                shutil.rmtree(unfinished / CLUSTER, ignore_errors=True)
                how, why = LOGICAL, f"the server lets {source['user']} not replicate: {refused}"
        if how == LOGICAL:
            tools.run("pg_dump", "--format=custom", "--file", str(unfinished / DUMP), database_url=database_url)
        taken = Backup(
            form=FORM,
            how=how,
            why=why,
            database=source["database"],
            server_version=source["server_version"],
            superuser=source["superuser"],
            roles=tuple(source["roles"]),
            step=source["step"],
            began_at=began_at,
            ended_at=_now(),
            seconds=round(time.monotonic() - began_s, 3),
            bytes=tools.bytes_below(unfinished),
            sha256=sha256(unfinished / DUMP) if how == LOGICAL else "",
        )
        (unfinished / DESCRIPTION).write_text(json.dumps(asdict(taken), indent=2) + "\n")
        unfinished.rename(folder)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return taken


def read(folder: Path) -> Backup:
    """What a folder says of itself. Raises BackupRefused for one that is no back up."""
    try:
        fields = json.loads((folder / DESCRIPTION).read_text())
        if fields["form"] != FORM:
            raise BackupRefused(f"{folder} is a back up of form {fields['form']}, this program knows {FORM}")
        return Backup(**{**fields, "roles": tuple(fields["roles"])})
    except FileNotFoundError as missing:
        raise BackupRefused(
            f"{folder} has no {DESCRIPTION}: it is no back up, or one that was never finished"
        ) from missing
    except (ValueError, KeyError, TypeError) as unreadable:
        raise BackupRefused(f"{folder / DESCRIPTION} cannot be read: {unreadable}") from unreadable


def check(folder: Path) -> Backup:
    """Check a back up against its own checksums. Raises BackupRefused, which names what is wrong with it."""
    backup = read(folder)
    if backup.major > tools.major():
        raise BackupRefused(
            f"{folder} is of PostgreSQL {backup.major}, those here are of {tools.major()}: use programs of its version"
        )
    if backup.how == LOGICAL:
        _check_dump(folder, backup)
        return backup
    if wrong := manifest.fault(folder / CLUSTER):
        raise BackupRefused(f"{folder} is not whole, do not restore it, take another: {wrong}")
    return backup


def restore_server(folder: Path, into: Path) -> Backup:
    """Put a physical back up where a server can be started on it. `into` must not be there. Raises BackupRefused."""
    backup = check(folder)
    if backup.how != PHYSICAL:
        raise BackupRefused(f"{folder} is a dump: it is restored into an empty database, which DATABASE_URL names")
    if into.exists() and any(into.iterdir()):
        raise BackupRefused(f"{into} is not empty; a server is never restored over another")
    shutil.copytree(folder / CLUSTER, into, dirs_exist_ok=True)
    into.chmod(0o700)
    return backup


def restore_dump(folder: Path, database_url: str) -> Backup:
    """Fill an empty database from a dump; roles that it names and that are missing are made, without a login.

    Raises BackupRefused and ToolFailed.
    """
    backup = check(folder)
    if backup.how != LOGICAL:
        raise BackupRefused(f"{folder} is physical: it is restored into a folder, on which a server is started")
    asyncio.run(_prepare(database_url, backup))
    tools.run("pg_restore", "--exit-on-error", "--jobs=2", str(folder / DUMP), database_url=database_url)
    asyncio.run(_gather_statistics(database_url))
    return backup


def _how(source: dict[str, Any]) -> tuple[str, str]:
    """Physically or by a dump, and why."""
    user, version = source["user"], source["server_version"] // 10_000
    if not source["may_replicate"]:
        return LOGICAL, f"{user} may not replicate (ALTER ROLE {user} REPLICATION would let it)"
    if source["wal_level"] == "minimal" or source["wal_senders"] == 0:
        return LOGICAL, "the server keeps no log for others (wal_level, max_wal_senders)"
    if version != tools.major():
        return LOGICAL, f"the server is PostgreSQL {version}, the programs here are of {tools.major()}"
    if source["tablespaces"]:
        return LOGICAL, "the server has tablespaces outside of its folder"
    return PHYSICAL, f"{user} may replicate"


def _copy_server(database_url: str, folder: Path) -> None:
    tools.run(
        "pg_basebackup",
        *("--pgdata", str(folder / CLUSTER), "--wal-method=stream", "--checkpoint=fast"),
        *("--label=furlong", f"--manifest-checksums={manifest.CHECKSUM}"),
        database_url=database_url,
    )


async def _source(database_url: str) -> dict[str, Any]:
    connection = await asyncpg.connect(database_url, server_settings={"application_name": "furlong-backup"})
    try:
        row = await connection.fetchrow(SOURCE)
        assert row is not None, "a row of settings is always there"
        if not row["is_furlong"]:
            raise BackupRefused(f"the database {row['database']} has no schema of Furlong's: is it the right one?")
        return {**dict(row), "step": await connection.fetchval(STEP)}
    finally:
        await connection.close()


async def _prepare(database_url: str, backup: Backup) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        if await connection.fetchval("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"):
            raise BackupRefused("the database of DATABASE_URL is not empty; a dump is never restored over another one")
        there = {row["rolname"] for row in await connection.fetch("SELECT rolname FROM pg_roles")}
        for role in backup.roles:
            if role not in there:
                quoted = role.replace('"', '""')
                await connection.execute(f'CREATE ROLE "{quoted}" NOLOGIN')
    finally:
        await connection.close()


async def _gather_statistics(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute("ANALYZE")
    finally:
        await connection.close()


def _check_dump(folder: Path, backup: Backup) -> None:
    file = folder / DUMP
    try:
        found, size = sha256(file), file.stat().st_size
    except OSError as missing:
        raise BackupRefused(f"{folder} is not whole, do not restore it, take another: {missing}") from missing
    if found != backup.sha256:
        raise BackupRefused(
            f"{folder} is not whole, do not restore it, take another: {DUMP} has {size} bytes and not the SHA-256 that "
            f"{DESCRIPTION} names; {backup.bytes} bytes were written"
        )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
