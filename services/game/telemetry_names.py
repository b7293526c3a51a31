"""The registry of the telemetry names that only game knows; see `services/chassis/telemetry_names.py`."""

from typing import Final

from services.chassis.telemetry_names import FURLONG_TRACK, Metric

LOCK_LATENESS: Final = Metric(
    name="furlong.lock.lateness",
    unit="s",
    brief="how long after its time the lock of a round was durable; the clock is game's, the time is the database's",
    attributes=(FURLONG_TRACK,),
)
METRICS: Final = (LOCK_LATENESS,)
