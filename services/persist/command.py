"""Commands on the database of DATABASE_URL: where it fails them they end with a sentence, not with a traceback."""

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import asyncpg
from sqlalchemy.exc import DBAPIError

from services.chassis.config import SecretUnreadable, secret
from services.persist.config import check_address

T = TypeVar("T")

EXAMPLE = "postgresql://user:password@host:5432/furlong"


def run(work: Callable[[str], Coroutine[Any, Any, T]], *, if_refused: str = "the database refuses") -> T:
    """Do `work` on the database with this address, and give its result.

    Ends the process with a sentence and status 1 where DATABASE_URL is missing or no address, where the server does not
    answer, and, begun with `if_refused`, where it says no.
    """
    try:
        database_url = secret(os.environ, "DATABASE_URL")
    except SecretUnreadable as unreadable:
        sys.exit(str(unreadable))
    if not database_url:
        sys.exit(f"DATABASE_URL is not set; it must be an address like {EXAMPLE}")
    try:
        check_address(database_url)
    except ValueError as error:
        sys.exit(str(error))
    try:
        return asyncio.run(work(database_url))
    except asyncpg.ClientConfigurationError as error:
        sys.exit(f"DATABASE_URL must be an address like {EXAMPLE}: {error}")
    except OSError as error:  # time-outs are among them
        sys.exit(f"the database of DATABASE_URL does not answer: {error!r}")
    except (asyncpg.PostgresError, DBAPIError) as error:
        cause = error.orig.__cause__ if isinstance(error, DBAPIError) and error.orig else None
        if isinstance(cause, asyncpg.ClientConfigurationError):
            sys.exit(f"DATABASE_URL must be an address like {EXAMPLE}: {cause}")
        sys.exit(f"{if_refused}: {error}")
