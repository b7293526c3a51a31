"""`python -m tests.history FILE DATABASE_URL`: judge a recorded history against a database. Exit 1 on any finding."""

import asyncio
import sys
from pathlib import Path

from tests.history import recorder, stored
from tests.history.checker import check


async def judge(file: Path, database_url: str) -> int:
    """Print every finding; how many there are."""
    found = check(recorder.read(file), await stored.read_at(database_url))
    print(*found, f"{len(found)} findings", sep="\n")
    return len(found)


if __name__ == "__main__":
    sys.exit(1 if asyncio.run(judge(Path(sys.argv[1]), sys.argv[2])) else 0)
