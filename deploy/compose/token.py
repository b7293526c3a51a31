"""Prints a token that the stack's key has signed.

docker compose run --rm token                                an operator's, for a day
docker compose run --rm token --role CASHIER --account '*'   a till's, which may act for every account
"""

import argparse
from pathlib import Path

from deploy.local.keys import ALL_ROLES, DAY_S, KeyRing


def main() -> None:
    """Read the command line and print the token."""
    parser = argparse.ArgumentParser(prog="python -m deploy.compose.token", description="Print a signed token.")
    parser.add_argument("--keys", type=Path, required=True, metavar="FOLDER", help="the folder of the stack's keys")
    parser.add_argument("--role", action="append", choices=ALL_ROLES, help="may be given several times; OPERATOR")
    parser.add_argument("--account", action="append", help="an account to act for, * for every one; none")
    parser.add_argument("--subject", default="operator", help="whom the token is for, as the audit shows it")
    parser.add_argument("--ttl-s", type=int, default=DAY_S, metavar="SECONDS", help="how long it is good; a day")
    given = parser.parse_args()
    ring = KeyRing(given.keys)
    roles, accounts = given.role or ["OPERATOR"], given.account or []
    print(ring.token(subject=given.subject, roles=roles, accounts=accounts, lifetime_s=given.ttl_s))


if __name__ == "__main__":
    main()
