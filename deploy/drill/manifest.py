"""Whether a server's files are those that PostgreSQL copied: its manifest names every one with its size and SHA-256.

PostgreSQL's own `pg_verifybackup` does the same, but the one in the wheel crashes. The log is not in the manifest: its
segments have to be there whole, and that their records are right is what recovery finds out.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, Final

CHECKSUM: Final = "SHA256"
MANIFEST: Final = "backup_manifest"
WAL: Final = "pg_wal"
LSNS_IN_FILE_NUMBER: Final = 1 << 32
SEGMENT_BYTES: Final = frozenset(1 << power for power in range(20, 31))
"""Sizes that a segment of the log can have."""


def fault(cluster: Path) -> str:
    """Say what is wrong with a copied server, the first thing that is; empty where nothing is."""
    try:
        manifest = json.loads((cluster / MANIFEST).read_text())
        for entry in manifest["Files"]:
            if wrong := _fault_of_file(cluster, entry):
                return wrong
        for span in manifest["WAL-Ranges"]:
            if wrong := _fault_of_log(cluster / WAL, span):
                return wrong
    except OSError as error:
        return f"{error.filename} cannot be read: {error.strerror}"
    except (ValueError, KeyError, TypeError) as error:
        return f"{MANIFEST} cannot be read: {error!r}"
    return ""


def sha256(file: Path) -> str:
    """The hash of a file in hex. Raises OSError."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _fault_of_file(cluster: Path, entry: dict[str, Any]) -> str:
    name = entry["Path"] if "Path" in entry else bytes.fromhex(entry["Encoded-Path"]).decode(errors="surrogateescape")
    file = cluster / name
    if not file.exists():
        return f"{name} is missing"
    if (size := file.stat().st_size) != entry["Size"]:
        return f"{name} has {size:,} bytes and had {entry['Size']:,}"
    if entry["Checksum-Algorithm"] != CHECKSUM:
        return f"{name} has a checksum of another kind, {entry['Checksum-Algorithm']}"
    if sha256(file) != entry["Checksum"]:
        return f"{name} is not what it was: its SHA-256 is another one"
    return ""


def _fault_of_log(wal: Path, span: dict[str, Any]) -> str:
    """The segments from the start of the back up to its end; all have the size of the first that is there."""
    timeline = span["Timeline"]
    sizes = {file.stat().st_size for file in wal.glob(f"{timeline:08X}*") if file.is_file() and len(file.name) == 24}
    if len(sizes) != 1 or not sizes <= SEGMENT_BYTES:
        return f"{WAL} is not whole: its segments have {sorted(sizes) or 'no'} bytes"
    [size] = sizes
    per_file_number = LSNS_IN_FILE_NUMBER // size
    for segment in range(_lsn(span["Start-LSN"]) // size, (_lsn(span["End-LSN"]) - 1) // size + 1):
        name = f"{timeline:08X}{segment // per_file_number:08X}{segment % per_file_number:08X}"
        if not (wal / name).is_file():
            return f"{WAL}/{name} is missing"
    return ""


def _lsn(text: str) -> int:
    high, _, low = text.partition("/")
    return (int(high, 16) << 32) + int(low, 16)
