"""The registry of the telemetry names that only the cache knows; see `services/chassis/telemetry_names.py`."""

from typing import Final

from services.chassis.telemetry_names import Attribute

SPAN_REDIS_PREFIX: Final = "redis "

DB_OPERATION_BATCH_SIZE: Final = "db.operation.batch.size"

ATTRIBUTES: Final = (
    Attribute(name=DB_OPERATION_BATCH_SIZE, brief="keys or scripts that one command carried, of all callers together"),
)
