"""The registry of the telemetry names that only the cache knows; see `services/chassis/telemetry_names.py`."""

from typing import Final

from services.chassis.telemetry_names import Attribute

SPAN_REDIS_PREFIX: Final = "redis "

DB_SYSTEM_NAME: Final = "db.system.name"
DB_OPERATION_NAME: Final = "db.operation.name"
DB_OPERATION_BATCH_SIZE: Final = "db.operation.batch.size"

ATTRIBUTES: Final = (
    Attribute(name=DB_SYSTEM_NAME, brief="always redis"),
    Attribute(name=DB_OPERATION_NAME, brief="name of the command or script"),
    Attribute(name=DB_OPERATION_BATCH_SIZE, brief="keys that one command carried, of all callers together"),
)
