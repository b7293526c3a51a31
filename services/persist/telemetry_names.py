"""The registry of the telemetry names that only persist knows; see `services/chassis/telemetry_names.py`."""

from typing import Final

from services.chassis.telemetry_names import Attribute

SPAN_BATCH: Final = "persist.batch"
SPAN_SQL_PREFIX: Final = "sql "

DB_SYSTEM_NAME: Final = "db.system.name"
DB_OPERATION_NAME: Final = "db.operation.name"
FURLONG_TICKETS: Final = "furlong.tickets"

ATTRIBUTES: Final = (
    Attribute(name=DB_SYSTEM_NAME, brief="always postgresql"),
    Attribute(name=DB_OPERATION_NAME, brief="name of the statement or transaction"),
    Attribute(name=FURLONG_TICKETS, brief="tickets that a batch carried, accepted or refused"),
)
