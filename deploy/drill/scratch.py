"""A PostgreSQL of one's own to restore into: it lives as long as it is looked at, and leaves nothing behind.

Nobody reaches it but by the socket in its own private folder. None of the configuration that came with a physical back
up is used: it may name libraries, other files or a standby that are not here, and would answer on an address.
"""

import os
import pwd
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from deploy.drill import backup as backups
from deploy.drill.backup import PHYSICAL, Backup, BackupRefused
from deploy.local.postgres import DATABASE, ROLE, UNPRIVILEGED_USER, PostgresServer

SOCKET_PATH_MAX: Final = 100
"""The kernel takes 107 characters, of which the file's name is part."""
RECOVERY_TIMEOUT_S: Final = 3_600.0
PRIVATE: Final = "local all all trust\n"
"""Who may connect: whoever reaches the socket, which is in a folder that is its owner's alone."""
OWN_FILES: Final = ("postgresql.conf", "postgresql.auto.conf", "pg_hba.conf", "pg_ident.conf")
SIGNALS: Final = ("standby.signal", "recovery.signal")

SETTINGS: Final = {
    "listen_addresses": "",
    "autovacuum": "off",
    "archive_mode": "off",
    "max_connections": "20",
    "shared_buffers": "256MB",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """A copy that answers: its address, and how long it took until it did."""

    database_url: str
    backup: Backup
    seconds: float


@contextmanager
def restored(folder: Path, scratch: Path | None = None) -> Iterator[Restored]:
    """Restore a back up below `scratch`, or where temporary files go, for as long as the block lasts.

    Raises BackupRefused, ToolFailed, PostgresFailed.
    """
    place = Path(tempfile.mkdtemp(prefix="furlong-drill-", dir=scratch)).resolve()
    server: PostgresServer | None = None
    try:
        if len(str(place)) > SOCKET_PATH_MAX:
            raise BackupRefused(f"{place} is too long a path for a socket: name a shorter folder with --scratch")
        began_s = time.monotonic()
        backup = backups.read(folder)
        server = PostgresServer(place, settings={**SETTINGS, "unix_socket_directories": str(place)})
        if backup.how == PHYSICAL:
            _place_server(folder, place)
            server.start(timeout_s=RECOVERY_TIMEOUT_S)
            url = _url(server, place, backup.database, user=backup.superuser)
        else:
            server.start()
            url = _url(server, place, DATABASE, user=ROLE, password=(place / "password").read_text().strip())
            backups.restore_dump(folder, url)
        yield Restored(database_url=url, backup=backup, seconds=round(time.monotonic() - began_s, 3))
    finally:
        if server is not None:
            _end(server)
        shutil.rmtree(place, ignore_errors=True)


def _place_server(folder: Path, place: Path) -> None:
    cluster = place / "cluster"
    backups.restore_server(folder, cluster)
    for name in OWN_FILES:
        (cluster / name).write_text(PRIVATE if name == "pg_hba.conf" else "")
    for name in SIGNALS:
        (cluster / name).unlink(missing_ok=True)
    if os.geteuid() == 0:  # PostgreSQL does not run as root
        user = pwd.getpwnam(UNPRIVILEGED_USER)
        for path in (place, cluster, *cluster.rglob("*")):
            os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)


def _url(server: PostgresServer, place: Path, database: str, *, user: str, password: str = "") -> str:
    login = quote(user, safe="") + (f":{quote(password, safe='')}" if password else "")
    return f"postgresql://{login}@/{quote(database, safe='')}?host={quote(str(place), safe='')}&port={server.port}"


def _end(server: PostgresServer) -> None:
    """End the server at once and wait until all of it has gone: nobody needs what is in it."""
    if server.pid is not None:
        os.kill(server.pid, signal.SIGQUIT)
    server.stop()
