"""The phases of a round and the ways between them.

    OPEN ──lock──▶ LOCKED ──start──▶ RUNNING ──finish──▶ FINISHED ──settle──▶ SETTLED ──correct──▶ SETTLED
      │              │
      └────void──────┴────▶ VOID

    transition  asked for by                       made durable by persist, which checks that
    ──────────  ─────────────────────────────────  ──────────────────────────────────────────────────────────────
    lock        the keeper, at locks_at            its clock has reached locks_at; no commit is in flight any more
    start       the keeper, at starts_at           the seed is the one committed to
                an operator, with the result       its clock has reached starts_at
    finish      the keeper, at finishes_at         -
    settle      the keeper, once FINISHED          the round was not settled before
    void        an operator, or the outage rule    the result was not drawn
    correct     an operator                        no money of the round is still to be moved

Invariants:
 1. A phase never goes back, and no phase is skipped.
 2. The tickets' root exists from LOCKED on; it never changes.
 3. The result, drawn or entered, exists from RUNNING on; only a correction changes it, and says why; a void round
    has none.
 4. Every transition carries the epoch of the track's lease; one under an old epoch changes nothing.
 5. A transition has the next `transition_seq` of its track, so whoever has seen one knows whether one is missing.
"""

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Final


class Phase(IntEnum):
    """How far a round is. The numbers are those of the wire."""

    OPEN = 1
    LOCKED = 2
    RUNNING = 3
    FINISHED = 4
    SETTLED = 5
    VOID = 6


WAYS: Final[Mapping[Phase, frozenset[Phase]]] = MappingProxyType(
    {
        Phase.OPEN: frozenset((Phase.LOCKED, Phase.VOID)),
        Phase.LOCKED: frozenset((Phase.RUNNING, Phase.VOID)),
        Phase.RUNNING: frozenset((Phase.FINISHED,)),
        Phase.FINISHED: frozenset((Phase.SETTLED,)),
        Phase.SETTLED: frozenset(),
        Phase.VOID: frozenset(),
    }
)
"""Where each phase may go next."""

WITH_RESULT: Final = frozenset((Phase.RUNNING, Phase.FINISHED, Phase.SETTLED))
"""Phases in which the result is known to everybody."""

WITH_SEED: Final = frozenset((Phase.FINISHED, Phase.SETTLED))
"""Phases in which the seed is revealed: the race is over."""
