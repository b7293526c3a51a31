"""Expiry: what tickets bought at tills can claim goes to the house when nobody has come for it in time."""

import structlog

from services.persist.ports import Prizes

_log = structlog.get_logger(__name__)


async def expire(prizes: Prizes, claim_days: int) -> None:
    """Let go of every prize that nobody has claimed for so many days, told by the database's clock alone."""
    expired = 0
    try:
        while tickets := await prizes.expire(claim_days):
            expired += tickets
    finally:
        if expired:
            _log.info("prizes_expired", tickets=expired)
