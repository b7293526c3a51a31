"""persist's crash points: the steps where it can be told to die, and what is true there.

See services/chassis/crash_points.py for how; tests/adversity/persist/test_crashes.py dies at each of them.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

POINTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "placing.queued": "a call waits in its lane's queue",
        "placing.gate_passed": "a batch's transaction has begun and shares the round's gate",
        "placing.read": "the payers are locked, the facts are read",
        "placing.decided": "every order of the batch has its verdict, in memory alone",
        "placing.written": "everything of the batch is written; COMMIT has not been sent",
        "placing.committed": "the batch is durable; no caller has been told",
        "lock.gate_passed": "the lock holds the round's gate alone",
        "lock.rooted": "the root of the tickets is known; nothing is written",
        "lock.committed": "the lock is durable; its caller has not been told",
        "settlement.decided": "the decision is durable; no money has moved",
        "settlement.chunk_written": "a chunk's money has moved within its transaction",
        "settlement.chunk_committed": "a chunk is durable",
        "settlement.posted": "the last chunk is durable; the caller has not been told",
        "cancel.written": "a ticket's cancel is written; COMMIT has not been sent",
        "pay.written": "a payout at a till is written; COMMIT has not been sent",
        "migration.locked": "the migration holds its lock; no step is taken",
        "migration.stepped": "steps are taken; COMMIT has not been sent",
    }
)
