"""The outage table: how a round goes on after the game was away, whatever it was away across.

A new leader looks at each round of its track that is not done yet, and does for its durable phase:

    phase       is done                                        because
    ──────────  ─────────────────────────────────────────────  ──────────────────────────────────────────────────────
    OPEN        lock at locks_at, at once when that is past    the store refuses tickets from locks_at on by its own
                                                               clock, so a late lock lets nobody in
    LOCKED      draw and start at starts_at, at once when      the seed was sealed before the first ticket and the root
                past; where the sealed seed cannot be opened,  is durable: the result is the one that would have been;
                void, every stake back                         without the seed there can be no fair one
                with a beacon, as soon as it answers, and the  its round was named before the first ticket; the house
                race starts then; where it does not answer     must not draw without it, and could wait for a result
                within the round's beacon_wait_ms, void        that pleases if nothing bounded the waiting
    LOCKED,     wait for the result, or for a void: either is  only people know how that race ended, or that it was
    entered     an operator's                                  not run, and being late makes no result wrong
    RUNNING     finish at finishes_at, at once when past       the result is durable and is never drawn again
    FINISHED    settle at once, or go on where the settlement  the store settles once, however often it is asked, and
                stopped                                        moves each chunk of the money once
    SETTLED     move what is left of a correction's money      likewise
    VOID        move what is left of the stakes                likewise

No row skips a phase: a round that was away from OPEN until after its end is locked, started and finished one after the
other, each made durable before the next, and watchers see all of them. Lateness alone voids nothing. The next round
opens at ends_at of the last one, at once when that is past; rounds that would have been meanwhile never were.
"""

from dataclasses import dataclass

from services.game.domain.phase import Phase
from services.game.domain.timeline import Schedule, phase_by_time
from services.game.domain.track import Source

_BY_THE_CLOCK = (Phase.OPEN, Phase.LOCKED, Phase.RUNNING, Phase.FINISHED)


@dataclass(frozen=True, slots=True, kw_only=True)
class PickUp:
    """What a round needs at once: the transitions that are `overdue`, in order, and whether it is to be settled."""

    overdue: tuple[Phase, ...]
    settles: bool


def pick_up(phase: Phase, schedule: Schedule, now_ms: int, source: Source) -> PickUp:
    """Read the table for one round, whose result comes from `source`."""
    if phase not in _BY_THE_CLOCK:
        return PickUp(overdue=(), settles=False)
    by_time = phase_by_time(schedule, now_ms)
    if source is Source.ENTERED and phase < Phase.RUNNING:
        by_time = min(by_time, Phase.LOCKED)
    overdue = tuple(missed for missed in _BY_THE_CLOCK if phase < missed <= by_time)
    return PickUp(overdue=overdue, settles=Phase.FINISHED in (phase, *overdue))
