"""The registry of the telemetry names that only persist knows; see `services/chassis/telemetry_names.py`."""

from typing import Final

from services.chassis.telemetry_names import (
    FURLONG_CACHE_NAMESPACE,
    FURLONG_CACHE_OUTCOME,
    FURLONG_TRACK,
    Attribute,
    Metric,
)

SPAN_BATCH: Final = "persist.batch"
SPAN_SQL_PREFIX: Final = "sql "

FURLONG_TICKETS: Final = "furlong.tickets"

ATTRIBUTES: Final = (Attribute(name=FURLONG_TICKETS, brief="tickets that a batch carried, accepted or refused"),)

LOOKUP_HIT: Final = "hit"
LOOKUP_MISS: Final = "miss"
LOOKUP_NO_ANSWER: Final = "none"

CACHE_LOOKUPS: Final = Metric(
    name="furlong.persist.cache.lookups",
    unit="{lookup}",
    brief="answers that persist looked for in the cache before it asked the database: hit, miss, or none where the "
    "cache did not answer in time or is left alone",
    attributes=(FURLONG_CACHE_NAMESPACE, FURLONG_CACHE_OUTCOME),
)
WRITER_WAITING: Final = Metric(
    name="furlong.persist.writer.waiting", unit="{ticket}", brief="tickets that wait to be written at this replica"
)
LIABILITY: Final = Metric(
    name="furlong.round.liability_minor",
    unit="{minor_unit}",
    brief="what the round that is sold would pay if every line won, less its stakes, in minor units of the track's "
    "currency; of rounds that took a ticket at this replica within the last minute",
    attributes=(FURLONG_TRACK,),
)
METRICS: Final = (CACHE_LOOKUPS, WRITER_WAITING, LIABILITY)
