"""Check the audit: `python -m services.persist.audit verify [HASH]`.

Works the chain of hashes out again and names the first row that does not fit. Where all do, it prints how many there
are and the hash of the last: who keeps that hash elsewhere and gives it here later learns of rows that were cut off the
end meanwhile. The database is DATABASE_URL; reading the audit is all that is needed of it.
"""

import argparse
import re
import sys

import asyncpg

from services.persist import command
from services.persist.adapters.postgres.audit import Chain, verify
from services.persist.domain.audit import BEFORE_THE_FIRST


async def check(database_url: str, anchor: bytes) -> Chain:
    """Read the chain of a database. Raises what asyncpg raises."""
    connection = await asyncpg.connect(database_url, server_settings={"application_name": "furlong-audit"})
    try:
        return await verify(connection, anchor)
    finally:
        await connection.close()


def told(chain: Chain, anchor: bytes) -> str:
    """What is wrong with a chain, in words; empty where nothing is."""
    if chain.broken_at is not None:
        return (
            f"audit row {chain.broken_at} does not fit, the {chain.rows} before it do: it was changed, or one taken out"
        )
    if not chain.anchored:
        return f"no row has the hash {anchor.hex()}: rows were cut off the end, or it is the hash of another audit"
    return ""


def main() -> None:
    """Read the command line and do it; the exit status is 1 where something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m services.persist.audit", description="Check the audit.")
    parser.add_argument("what", choices=("verify",))
    parser.add_argument("hash", nargs="?", type=_hash, default=BEFORE_THE_FIRST, help="one that was printed before")
    arguments = parser.parse_args()
    chain = command.run(lambda database_url: check(database_url, arguments.hash))
    if wrong := told(chain, arguments.hash):
        sys.exit(wrong)
    print(f"{chain.rows} rows, all in place; the last has the hash {chain.head.hex()}")


def _hash(text: str) -> bytes:
    if re.fullmatch(r"[0-9a-fA-F]{64}", text) is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a hash: 64 hexadecimal digits")
    return bytes.fromhex(text)


if __name__ == "__main__":
    main()
