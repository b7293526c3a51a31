"""What operators see of this replica: every figure that it keeps, in one place, for GetStats and for metrics."""

from collections.abc import Callable, Iterable

from opentelemetry.metrics import Meter, Observation

from services.cache import telemetry_names as names
from services.cache.domain.memory import Memory, Share
from services.cache.engine.canary import Canary
from services.cache.engine.link import Link, LinkState
from services.cache.engine.tally import Counts, Tally
from services.chassis.telemetry_names import CACHE_REQUESTS, FURLONG_CACHE_NAMESPACE

Figure = Callable[[Counts, Share], float]


class Sight:
    """Reads the figures where they are kept. `canary` is None where there are no other replicas."""

    def __init__(self, *, tally: Tally, memory: Memory, link: Link, canary: Canary | None) -> None:
        self.tally = tally
        self.memory = memory
        self.link = link
        self.canary = canary

    def report_to(self, meter: Meter) -> None:
        """Let every figure be a metric as well."""
        CACHE_REQUESTS.growing(meter, self.tally.observe)
        names.ENTRIES.gauge(meter, self._each(lambda _, share: share.entries))
        names.BYTES.gauge(meter, self._each(lambda _, share: share.bytes))
        names.EVICTED_AGE.gauge(meter, self._each(lambda _, share: share.evicted_age_ms / 1_000))
        names.EVICTIONS.growing(meter, self._each(lambda _, share: share.evictions))
        names.INVALIDATIONS.growing(meter, self._each(lambda counts, _: counts.invalidations))
        names.LEASES.growing(meter, self._each(lambda counts, _: counts.leases))
        names.WAITS.growing(meter, self._each(lambda counts, _: counts.waits))
        names.FILLS_REFUSED.growing(meter, self._each(lambda counts, _: counts.fills_refused))
        names.SAVED.growing(meter, self._each(lambda counts, _: counts.saved_ms / 1_000))
        if self.link.state is not LinkState.OFF:
            names.REDIS_UP.gauge(meter, lambda: [Observation(int(self.link.is_up))])
            names.OWED.gauge(meter, lambda: [Observation(len(self.link.owed))])
        if self.canary is not None:
            self._report_canary(meter, self.canary)

    def _report_canary(self, meter: Meter, canary: Canary) -> None:
        names.CANARY_READS.growing(meter, lambda: [Observation(canary.reads)])
        names.STALE_READS.growing(meter, lambda: [Observation(canary.stale_reads)])
        lag = names.LAG.histogram(meter)
        canary.on_lag = lag.record

    def _each(self, figure: Figure) -> Callable[[], Iterable[Observation]]:
        """Look at one figure of every namespace; what never happened is left out."""

        def observe() -> Iterable[Observation]:
            return [
                Observation(amount, {FURLONG_CACHE_NAMESPACE: name})
                for name, counts in self.tally.declared()
                if (amount := figure(counts, self.memory.share(name)))
            ]

        return observe
