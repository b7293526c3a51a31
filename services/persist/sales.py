"""Sales: how many tickets were decided on and what was staked, counted for telemetry.

Counted here because only persist knows what is durable, and by the batch: a ticket costs a fraction of a microsecond.
The instruments ask for the sums when metrics are collected, in a thread of their own.
"""

from collections import Counter
from collections.abc import Iterable

from opentelemetry.metrics import Meter, Observation

from services.chassis import telemetry_names as names
from services.persist.domain.decision import Judged
from services.persist.domain.verdict import Verdict


class Sales:
    """The sums since the start. They grow with the tracks alone."""

    def __init__(self, meter: Meter) -> None:
        self._tickets: Counter[tuple[str, Verdict]] = Counter()
        self._stakes_minor: Counter[str] = Counter()
        names.TICKETS.growing(meter, self._observe_tickets)
        names.STAKES.growing(meter, self._observe_stakes)

    def count(self, track: str, judged: Judged) -> None:
        """Count a batch that is durable. Answers that were given before are not counted again."""
        fresh = Counter([decision.verdict for decision in judged.decisions if not decision.replayed])
        fresh.pop(Verdict.UNDECIDED, None)  # they come again
        for verdict, tickets in fresh.items():
            self._tickets[track, verdict] += tickets
        if judged.accepted:
            self._stakes_minor[track] += sum(judged.stakes_minor.values())

    def _observe_tickets(self) -> Iterable[Observation]:
        return [
            Observation(tickets, {names.FURLONG_TRACK: track, names.FURLONG_VERDICT: verdict.name})
            for (track, verdict), tickets in list(self._tickets.items())  # a copy: another thread counts meanwhile
        ]

    def _observe_stakes(self) -> Iterable[Observation]:
        return [
            Observation(stakes_minor, {names.FURLONG_TRACK: track})
            for track, stakes_minor in list(self._stakes_minor.items())
        ]
