"""Sales: how many tickets were decided on and what was staked, counted for telemetry.

Counted here because only persist knows what is durable, and by the batch: a ticket costs a fraction of a microsecond.
The instruments ask for the sums when metrics are collected, in a thread of their own.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Final

from opentelemetry.metrics import Meter, Observation

from services.chassis import telemetry_names as names
from services.chassis.clock import Clock
from services.persist.domain.decision import Judged
from services.persist.domain.round import Totals
from services.persist.domain.verdict import Verdict
from services.persist.telemetry_names import LIABILITY

LIABILITY_AGE_S: Final = 60.0
"""How long a replica tells what it knows of a round's liability; after that it was sold elsewhere, or is over."""


class Sales:
    """The sums since the start. They grow with the tracks alone."""

    def __init__(self, meter: Meter, clock: Clock) -> None:
        self._clock = clock
        self._liabilities: dict[str, tuple[int, float]] = {}
        self._tickets: Counter[tuple[str, Verdict]] = Counter()
        self._stakes_minor: Counter[str] = Counter()
        names.TICKETS.growing(meter, self._observe_tickets)
        names.STAKES.growing(meter, self._observe_stakes)
        LIABILITY.gauge(meter, self._observe_liabilities)

    def count(self, track: str, judged: Judged, totals: Totals) -> None:
        """Count a batch that is durable, which left its round with `totals`.

        Answers that were given before are not counted again.
        """
        fresh = Counter([decision.verdict for decision in judged.decisions if not decision.replayed])
        fresh.pop(Verdict.UNDECIDED, None)  # they come again
        for verdict, tickets in fresh.items():
            self._tickets[track, verdict] += tickets
        if judged.accepted:
            self._stakes_minor[track] += sum(judged.stakes_minor.values())
            liability_minor = totals.payout_minor_max - totals.stake_minor
            self._liabilities[track] = (liability_minor, self._clock.monotonic_s())

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

    def _observe_liabilities(self) -> Iterable[Observation]:
        oldest_s = self._clock.monotonic_s() - LIABILITY_AGE_S
        return [
            Observation(liability_minor, {names.FURLONG_TRACK: track})
            for track, (liability_minor, seen_s) in list(self._liabilities.items())
            if seen_s >= oldest_s
        ]
