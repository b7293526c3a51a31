"""Back the database up, restore it, prove that nothing is wrong with it: `python -m deploy.drill [VERB]`.

    drill                 all of it: a back up, restored into a server of its own, every invariant proved on the copy;
                          the default. Leaves a report and nothing else behind
    backup FOLDER         take a back up and keep it in FOLDER
    check FOLDER          tell whether a back up is whole
    restore FOLDER INTO   put a physical back up into the empty folder INTO, on which PostgreSQL is started
    restore FOLDER        fill the empty database of DATABASE_URL from a dump
    prove                 prove every invariant on the database of DATABASE_URL itself, which is only read

DATABASE_URL   the database; unset is that of the local stack that runs on FURLONG_DATA
FURLONG_DATA   the data folder, .furlong unless set; the report lies there as drill.json unless --report names a file

Exit status: 0 all is well, 1 something is broken, or could not be done.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, Final

import asyncpg

from deploy.drill import backup as backups
from deploy.drill import report
from deploy.drill.address import NoDatabase, database_url
from deploy.drill.backup import BackupRefused
from deploy.drill.proof import NotFurlong, Proof, prove
from deploy.drill.report import Drilled
from deploy.drill.scratch import restored
from deploy.drill.tools import ToolFailed
from deploy.local.postgres import PostgresFailed
from deploy.local.settings import DATA_FOLDER

REPORT: Final = "drill.json"


def drill(url: str, *, dump: bool = False, scratch: Path | None = None) -> Drilled:
    """Back up, restore elsewhere, prove on the copy; nothing of it is left behind.

    Raises BackupRefused, ToolFailed, PostgresFailed, NotFurlong and what asyncpg raises.
    """
    with tempfile.TemporaryDirectory(prefix="furlong-backup-", dir=scratch) as place:
        taken = backups.take(url, Path(place) / "backup", dump=dump)
        with restored(Path(place) / "backup", scratch) as copy:
            proof = asyncio.run(prove(copy.database_url))
            return Drilled(backup=taken, seconds_restore=copy.seconds, proof=proof)


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Read the command line and do it; the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m deploy.drill", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("verb", nargs="?", default="drill", choices=("drill", "backup", "check", "restore", "prove"))
    parser.add_argument("folder", nargs="?", type=Path, help="the back up")
    parser.add_argument("into", nargs="?", type=Path, help="where a server's files go")
    parser.add_argument("--dump", action="store_true", help="take a dump, even where the server could be copied")
    parser.add_argument("--scratch", type=Path, help="a folder with room for the copy, and twice for a drill")
    parser.add_argument("--report", type=Path, help="where the report of a drill or a proof goes")
    asked = parser.parse_args(arguments)
    if (asked.folder is None) is (asked.verb in ("backup", "check", "restore")):
        parser.error(f"{asked.verb} {'needs' if asked.folder is None else 'takes no'} FOLDER")
    try:
        return _do(asked, environ)
    except (BackupRefused, ToolFailed, PostgresFailed, NoDatabase, NotFurlong) as problem:
        print(f"furlong: {problem}", file=sys.stderr)
    except asyncpg.PostgresError as problem:
        print(f"furlong: the database refuses: {problem}", file=sys.stderr)
    except OSError as problem:
        print(f"furlong: {problem}", file=sys.stderr)
    return 1


def _do(asked: argparse.Namespace, environ: Mapping[str, str]) -> int:
    data_dir = Path(environ.get("FURLONG_DATA") or DATA_FOLDER)
    match asked.verb:
        case "backup":
            _say(report.backup_lines(backups.take(database_url(environ, data_dir), asked.folder, dump=asked.dump)))
        case "check":
            _say([f"{asked.folder} is whole:", *report.backup_lines(backups.check(asked.folder))])
        case "restore" if asked.into is not None:
            backups.restore_server(asked.folder, asked.into)
            _say([f"restored into {asked.into}; PostgreSQL is started on it by the user who owns it"])
        case "restore":
            if not environ.get("DATABASE_URL"):
                raise NoDatabase("DATABASE_URL must name the empty database that the dump goes into")
            backups.restore_dump(asked.folder, environ["DATABASE_URL"])
            _say(["restored; `prove` looks whether all of it is there"])
        case "prove":
            proof = asyncio.run(prove(database_url(environ, data_dir)))
            _say(report.proof_lines(proof))
            return _end(proof, report.proof_as_json(proof), asked.report)
        case _:
            drilled = drill(database_url(environ, data_dir), dump=asked.dump, scratch=asked.scratch)
            _say(report.drill_lines(drilled))
            return _end(drilled.proof, report.as_json(drilled), asked.report or data_dir / REPORT)
    return 0


def _end(proof: Proof, told: Mapping[str, Any], file: Path | None) -> int:
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(told, indent=2) + "\n")
        _say([f"report    {file}"])
    return 0 if proof.holds else 1


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        print(line, flush=True)


def _leave(number: int, frame: FrameType | None) -> None:
    """End as by an error, so that what is under way cleans up behind itself."""
    sys.exit(128 + number)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _leave)
    sys.exit(main(sys.argv[1:], os.environ))
