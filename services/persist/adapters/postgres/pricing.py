"""Prices that move, in one transaction that has passed the round's gate alone:

    gate ─▶ round FOR UPDATE ─▶ judge ─▶ write the prices down, and to the round ─▶ audit

Batches that come later read the new revision behind the gate, so none of them accepts a ticket that was judged by an
older one. It is no transition and takes no number.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from furlong.common.v1.error_pb2 import Reason

from services.chassis.refusal import Refusal, Violation
from services.persist.adapters.postgres.database import Connection
from services.persist.domain.pricing import Price, price_faults, repriced
from services.persist.domain.round import Phase, Round

WRITE_DOWN: Final = """
INSERT INTO round_prices (round_id, price_revision, market, runner, price_hundredths, made_at)
SELECT $1, $2, market, runner, price_hundredths, $3
FROM unnest($4::smallint[], $5::smallint[], $6::bigint[]) AS p (market, runner, price_hundredths)
"""

REPRICE: Final = """
UPDATE rounds SET price_revision = $2, runner_win_prices = $3, runner_place_prices = $4 WHERE round_id = $1
"""


async def set_prices(connection: Connection, stored: Round, held_at: datetime, prices: Sequence[Price]) -> Round:
    """Move prices of a round whose row is held since `held_at`.

    Raises Refusal ROUND_PHASE where it takes no tickets, MALFORMED for prices of what is not offered.
    """
    if stored.phase is not Phase.OPEN or held_at >= stored.locks_at:
        raise Refusal(
            Reason.ROUND_PHASE,
            f"round {stored.round_id} no longer takes tickets, so its prices stay as they are",
            metadata={"round_id": str(stored.round_id)},
        )
    if faults := price_faults(stored.runners, prices):
        violations = [Violation(field=f"prices[{place}]", description=fault) for place, fault in faults.items()]
        raise Refusal(Reason.MALFORMED, violations[0].description, violations=violations)
    changed = replace(stored, runners=repriced(stored.runners, prices), price_revision=stored.price_revision + 1)
    await connection.execute(
        WRITE_DOWN,
        *(changed.round_id, changed.price_revision, held_at),
        [price.market for price in prices],
        [price.runner for price in prices],
        [price.price_hundredths for price in prices],
    )
    place_prices = [runner.place_price_hundredths for runner in changed.runners]
    await connection.execute(
        REPRICE,
        *(changed.round_id, changed.price_revision),
        [runner.win_price_hundredths for runner in changed.runners],
        place_prices if any(place_prices) else [],
    )
    return changed
