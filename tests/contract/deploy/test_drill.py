"""A back up is taken of a server that runs, restored, proved, and leaves nothing behind; a broken one is refused."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import asyncpg
import pytest

from deploy.drill import backup as backups
from deploy.drill.__main__ import drill
from deploy.drill.address import LOCAL_SERVER, NoDatabase, database_url, without_password
from deploy.drill.backup import DESCRIPTION, DUMP, LOGICAL, PHYSICAL, BackupRefused
from deploy.drill.proof import prove
from deploy.drill.tools import ToolFailed
from deploy.local.postgres import DATABASE, PostgresServer
from services.persist.migrate import migrate
from tests.contract.deploy.life import live
from tests.postgres import SHORT_LIVED, run_sql

ROOT = Path(__file__).resolve().parents[3]
TICKETS = 25
BREAK_THE_BOOKS = "UPDATE accounts SET balance_minor = balance_minor + 1 WHERE kind = 3"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server's log goes, segment by segment."""
    folder = tmp_path_factory.mktemp("archive")
    folder.chmod(0o777)
    return folder


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory, archive: Path) -> Iterator[PostgresServer]:
    """A server of our own, as it is backed up elsewhere: one database of Furlong's, and its log archived."""
    archiving = {"archive_mode": "on", "archive_command": f"cp %p {archive}/%f"}
    server = PostgresServer(tmp_path_factory.mktemp("source") / LOCAL_SERVER, settings={**SHORT_LIVED, **archiving})
    server.start()
    try:
        asyncio.run(migrate(server.url, "head"))
        asyncio.run(live(server.url))
        yield server
    finally:
        server.kill()


@pytest.fixture
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where copies are made; there is nothing in it before and after."""
    return tmp_path_factory.mktemp("s")


def login(source: PostgresServer, name: str, rights: str = "", *grants: str) -> str:
    """The address of the database for a user of its own."""
    given = [f"GRANT {grant} TO {name}" for grant in grants]
    asyncio.run(run_sql(source.url, f"CREATE ROLE {name} LOGIN PASSWORD 'se/cr@et' {rights}", *given))
    return f"postgresql://{name}:se%2Fcr%40et@{source.url.rpartition('@')[2]}"


def command(*arguments: str, environ: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    """Run the program as operators do."""
    paths = os.pathsep.join(str(ROOT / root) for root in ("", "gen", "client"))
    return subprocess.run(
        [sys.executable, "-m", "deploy.drill", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": paths, **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_drill_copies_the_server_and_proves_the_copy(source: PostgresServer, scratch: Path) -> None:
    drilled = drill(source.url, scratch=scratch)

    assert (drilled.backup.how, drilled.backup.why) == (PHYSICAL, "furlong may replicate")
    assert drilled.proof.holds, [each for each in drilled.proof.findings if not each.holds]
    assert drilled.proof.contents.tickets == TICKETS
    assert drilled.newest_ticket_age_s is not None
    assert 0 < drilled.newest_ticket_age_s < 180
    assert drilled.backup.seconds > 0 < drilled.seconds_restore
    assert list(scratch.iterdir()) == []


def test_where_the_user_may_not_replicate_a_dump_is_taken(source: PostgresServer, scratch: Path) -> None:
    drilled = drill(login(source, "reports", "", "pg_read_all_data"), scratch=scratch)

    assert drilled.backup.how == LOGICAL
    assert "reports may not replicate" in drilled.backup.why
    assert drilled.proof.holds, [each for each in drilled.proof.findings if not each.holds]
    assert drilled.proof.contents.tickets == TICKETS
    assert list(scratch.iterdir()) == []


def test_where_the_server_lets_nobody_replicate_a_dump_is_taken(source: PostgresServer, tmp_path: Path) -> None:
    url = login(source, "replica", "REPLICATION", "pg_read_all_data")
    hba = Path(asyncio.run(_asked(source.url, "SHOW hba_file")))
    before = hba.read_text()
    hba.write_text("host replication replica 127.0.0.1/32 reject\n" + before)
    asyncio.run(run_sql(source.url, "SELECT pg_reload_conf()"))
    try:
        taken = backups.take(url, tmp_path / "backup")
    finally:
        hba.write_text(before)
        asyncio.run(run_sql(source.url, "SELECT pg_reload_conf()"))

    assert taken.how == LOGICAL
    assert "the server lets replica not replicate" in taken.why
    assert sorted(path.name for path in (tmp_path / "backup").iterdir()) == [DESCRIPTION, DUMP]
    assert backups.take(url, tmp_path / "let in").how == PHYSICAL


async def _asked(url: str, statement: str) -> str:
    connection = await asyncpg.connect(url)
    try:
        return str(await connection.fetchval(statement))
    finally:
        await connection.close()


def test_the_command_finds_the_local_stack_tells_a_table_and_writes_a_report(source: PostgresServer) -> None:
    data = Path(asyncio.run(_asked(source.url, "SHOW data_directory"))).parent.parent
    told = command(environ={"DATABASE_URL": "", "FURLONG_DATA": str(data)})

    assert told.returncode == 0, told.stderr
    assert "all 21 invariants hold" in told.stdout
    assert f"{TICKETS} tickets" in told.stdout
    report = json.loads((data / "drill.json").read_text())
    assert report["proof"]["holds"] is True
    assert report["proof"]["contents"]["tickets"] == TICKETS
    assert {"seconds", "bytes", "how", "why", "step"} <= report["backup"].keys()
    assert source.url not in told.stdout + told.stderr + json.dumps(report)


def test_a_database_that_is_broken_fails_the_command_and_is_named(source: PostgresServer, tmp_path: Path) -> None:
    asyncio.run(run_sql(source.url_of("postgres"), f"CREATE DATABASE broken TEMPLATE {DATABASE}"))
    broken = source.url_of("broken")
    try:
        asyncio.run(run_sql(broken, BREAK_THE_BOOKS))
        for arguments in ((), ("prove",)):
            told = command(*arguments, environ={"DATABASE_URL": broken, "FURLONG_DATA": str(tmp_path)})
            assert told.returncode == 1
            assert "BROKEN  books" in told.stdout, told.stdout + told.stderr
            assert "the balances in EUR add up to 1" in told.stdout
    finally:
        asyncio.run(run_sql(source.url_of("postgres"), "DROP DATABASE broken"))


def test_a_back_up_that_was_cut_short_is_refused(source: PostgresServer, tmp_path: Path) -> None:
    backups.take(source.url, tmp_path / "whole")
    assert backups.check(tmp_path / "whole").how == PHYSICAL
    largest = max((tmp_path / "whole" / "cluster" / "base").rglob("*"), key=lambda path: path.stat().st_size)
    os.truncate(largest, largest.stat().st_size // 2)

    with pytest.raises(BackupRefused, match=r"is not whole, .* take another: .* has [\d,]+ bytes and had"):
        backups.restore_server(tmp_path / "whole", tmp_path / "into")
    assert not (tmp_path / "into").exists()


def test_a_back_up_whose_log_is_missing_is_refused(source: PostgresServer, tmp_path: Path) -> None:
    backups.take(source.url, tmp_path / "whole")
    for segment in (tmp_path / "whole" / "cluster" / "pg_wal").glob("0*"):
        if segment.is_file():
            segment.unlink()

    with pytest.raises(BackupRefused, match="pg_wal is not whole"):
        backups.check(tmp_path / "whole")


def test_a_back_up_without_one_of_its_files_is_refused(source: PostgresServer, tmp_path: Path) -> None:
    backups.take(source.url, tmp_path / "whole")
    (tmp_path / "whole" / "cluster" / "global" / "pg_control").unlink()
    with pytest.raises(BackupRefused, match="global/pg_control is missing"):
        backups.check(tmp_path / "whole")
    (tmp_path / "whole" / "cluster" / "backup_manifest").write_text("{")
    with pytest.raises(BackupRefused, match="backup_manifest cannot be read"):
        backups.check(tmp_path / "whole")


def test_a_back_up_with_one_byte_changed_is_refused(source: PostgresServer, tmp_path: Path) -> None:
    backups.take(source.url, tmp_path / "whole")
    file = max((tmp_path / "whole" / "cluster" / "base").rglob("*"), key=lambda path: path.stat().st_size)
    with file.open("r+b") as content:
        content.seek(100)
        content.write(b"\xff")

    with pytest.raises(BackupRefused, match="its SHA-256 is another one"):
        backups.check(tmp_path / "whole")


def test_a_dump_that_was_cut_short_is_refused(source: PostgresServer, tmp_path: Path) -> None:
    backups.take(source.url, tmp_path / "whole", dump=True)
    file = tmp_path / "whole" / DUMP
    os.truncate(file, file.stat().st_size - 1)

    with pytest.raises(BackupRefused, match=r"is not whole, .*database\.dump has \d+ bytes"):
        backups.restore_dump(tmp_path / "whole", source.url)
    told = command("check", str(tmp_path / "whole"), environ={})
    assert told.returncode == 1
    assert told.stderr.startswith("furlong: ")
    assert "Traceback" not in told.stderr


def test_a_folder_that_is_no_back_up_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BackupRefused, match="is no back up, or one that was never finished"):
        backups.check(tmp_path)
    (tmp_path / DESCRIPTION).write_text("{")
    with pytest.raises(BackupRefused, match="cannot be read"):
        backups.check(tmp_path)
    (tmp_path / DESCRIPTION).write_text('{"form": 2}')
    with pytest.raises(BackupRefused, match="of form 2, this program knows 1"):
        backups.check(tmp_path)


def test_nothing_is_written_over(source: PostgresServer, tmp_path: Path) -> None:
    backups.take(source.url, tmp_path / "server")
    backups.take(source.url, tmp_path / "dump", dump=True)

    with pytest.raises(BackupRefused, match="is there already"):
        backups.take(source.url, tmp_path / "server")
    with pytest.raises(BackupRefused, match="is not empty"):
        backups.restore_server(tmp_path / "server", tmp_path / "dump")
    with pytest.raises(BackupRefused, match="is not empty; a dump is never restored over another one"):
        backups.restore_dump(tmp_path / "dump", source.url)
    with pytest.raises(BackupRefused, match="is a dump"):
        backups.restore_server(tmp_path / "dump", tmp_path / "new")
    with pytest.raises(BackupRefused, match="is physical"):
        backups.restore_dump(tmp_path / "server", source.url)


def test_a_back_up_that_fails_leaves_nothing_behind(
    source: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGOPTIONS", "-c nonsense=1")  # what the programs say at once when they connect

    with pytest.raises(ToolFailed, match="nonsense"):
        backups.take(source.url, tmp_path / "backup")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(BackupRefused, match="no schema of Furlong's"):
        backups.take(source.url_of("postgres"), tmp_path / "backup")


@pytest.mark.parametrize("stage", ["furlong-backup-*/.backup-*/cluster/base", "furlong-drill-*/cluster/postmaster.pid"])
def test_a_drill_that_is_told_to_end_leaves_nothing_behind(source: PostgresServer, scratch: Path, stage: str) -> None:
    paths = os.pathsep.join(str(ROOT / root) for root in ("", "gen", "client"))
    process = subprocess.Popen(
        [sys.executable, "-m", "deploy.drill", "--scratch", str(scratch)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": paths, "DATABASE_URL": source.url},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 100
    try:
        while not any(scratch.glob(stage)) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 128 + signal.SIGTERM
    finally:
        process.kill()
        process.wait()
    assert list(scratch.iterdir()) == []
    assert [pid for pid in Path("/proc").glob("[0-9]*") if _works_below(pid, scratch)] == []


def _works_below(process: Path, folder: Path) -> bool:
    try:
        return (process / "cwd").resolve(strict=True).is_relative_to(folder)
    except OSError:
        return False


def test_a_restored_server_is_brought_to_a_moment_by_its_archived_log(
    source: PostgresServer, archive: Path, tmp_path: Path
) -> None:
    """The recipe of docs/operating.md."""
    backups.take(source.url, tmp_path / "backup")
    asyncio.run(
        run_sql(
            source.url,
            "INSERT INTO cards (track, name, distance_m, runner_numbers, runner_names, "
            "runner_weights) SELECT track, 'After the back up', 1, '{1,2}', '{A,B}', '{1,1}' FROM tracks",
        )
    )
    moment = asyncio.run(_asked(source.url, "SELECT clock_timestamp()"))
    asyncio.run(run_sql(source.url, "CREATE TABLE mistake (made int)", "SELECT pg_switch_wal()"))
    _wait_until_archived(source)

    backups.restore_server(tmp_path / "backup", tmp_path / "again" / "cluster")
    cluster = tmp_path / "again" / "cluster"
    with (cluster / "postgresql.auto.conf").open("a") as settings:
        settings.write(
            f"restore_command = 'cp {archive}/%f %p'\nrecovery_target_time = '{moment}'\n"
            "recovery_target_action = 'promote'\n"
        )
    (cluster / "recovery.signal").touch()
    if os.geteuid() == 0:
        subprocess.run(["chown", "-R", "nobody", str(cluster)], check=True)
    (tmp_path / "again" / "password").write_text(_password(source))
    server = PostgresServer(tmp_path / "again", settings=SHORT_LIVED)
    server.start()
    try:
        asyncio.run(_wait_until_promoted(server))
        cards = asyncio.run(_asked(server.url, "SELECT count(*) FROM cards WHERE name = 'After the back up'"))
        mistake = asyncio.run(_asked(server.url, "SELECT to_regclass('mistake')"))
        proof = asyncio.run(prove(server.url))
    finally:
        server.kill()
        asyncio.run(run_sql(source.url, "DROP TABLE mistake", "DELETE FROM cards WHERE name = 'After the back up'"))

    assert (cards, mistake) == ("1", "None")
    assert proof.holds


def _password(server: PostgresServer) -> str:
    return server.url.partition("//furlong:")[2].partition("@")[0]


def _wait_until_archived(source: PostgresServer) -> None:
    last = asyncio.run(_asked(source.url, "SELECT pg_walfile_name(pg_current_wal_lsn() - 1)"))
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if asyncio.run(_asked(source.url, f"SELECT last_archived_wal >= '{last}' FROM pg_stat_archiver")) == "True":
            return
        time.sleep(0.1)
    pytest.fail(f"{last} was not archived")


async def _wait_until_promoted(server: PostgresServer) -> None:
    async with asyncio.timeout(60):
        while await _asked(server.url, "SELECT pg_is_in_recovery()") == "True":  # noqa: ASYNC110 - it announces nothing
            await asyncio.sleep(0.1)


def test_the_password_is_not_shown_to_who_lists_processes() -> None:
    assert without_password("postgresql://me:se%2Fcret@[::1]:5432/furlong?sslmode=require") == (
        "postgresql://me@[::1]:5432/furlong?sslmode=require",
        "se/cret",
    )
    assert without_password("postgresql:///furlong?host=/tmp") == ("postgresql:///furlong?host=/tmp", "")


def test_without_an_address_the_local_stack_is_meant(tmp_path: Path) -> None:
    assert database_url({"DATABASE_URL": "postgresql://there/x"}, tmp_path) == "postgresql://there/x"
    with pytest.raises(NoDatabase, match="no local stack"):
        database_url({}, tmp_path)
    (tmp_path / "postgres" / "cluster").mkdir(parents=True)
    (tmp_path / "postgres" / "password").write_text("secret")
    (tmp_path / "postgres" / "cluster" / "postmaster.pid").write_text("1\n/x\n2\n5544\n")
    assert database_url({}, tmp_path) == "postgresql://furlong:secret@127.0.0.1:5544/furlong"
