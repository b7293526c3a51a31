"""What has happened so far, as far as the board shows it. The crowd and the watch write it, the board reads it."""

import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass

from furlong.common.v1.round_pb2 import Round
from furlong.common.v1.ticket_pb2 import Ticket, TicketResult
from furlong.game.v1.round_service_pb2 import WatchRoundsResponse

SLIPS_SHOWN_MAX = 40
ROUNDS_KEPT = 3
"""Rounds whose tickets are kept: the one that is on, and those that may still be settled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slip:
    """A ticket that a punter tried to place, with the answer."""

    punter: str
    round_id: int
    runner: int
    stake_minor: int
    price_hundredths: int
    verdict: "TicketResult.Verdict.ValueType"
    ticket_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """A ticket that won."""

    slip: Slip
    payout_minor: int


class Story:
    """Everything that the board shows."""

    def __init__(self) -> None:
        self.round: Round | None = None
        self.slips: deque[Slip] = deque(maxlen=SLIPS_SHOWN_MAX)
        self.paid: Sequence[Payment] = ()
        self.paid_round: Round | None = None
        self.trouble = ""
        self._accepted: dict[int, list[Slip]] = {}
        self._ahead_ms = 0

    @property
    def now_ms(self) -> int:
        """The time on the service's clock."""
        return time.time_ns() // 1_000_000 + self._ahead_ms

    def take(self, frame: WatchRoundsResponse) -> None:
        """A frame of the watch. An older round may be settled while the next one is shown; a race comes once."""
        self._ahead_ms += frame.server_time.ToMilliseconds() - self.now_ms
        before, now = self.round, frame.round
        if before is not None and now.round_id < before.round_id:
            return
        if before is not None and now.round_id == before.round_id and not now.HasField("race"):
            now.race.CopyFrom(before.race)
        self.round = now

    def placed(self, slip: Slip) -> None:
        """A ticket was answered."""
        self.slips.append(slip)
        if slip.verdict == TicketResult.ACCEPTED:
            self._accepted.setdefault(slip.round_id, []).append(slip)
            if len(self._accepted) > ROUNDS_KEPT:
                del self._accepted[min(self._accepted)]

    def winning(self, round_: Round) -> Sequence[Slip]:
        """The crowd's tickets on the winner of a round."""
        won = round_.result[0] if round_.result else None
        return [slip for slip in self._accepted.get(round_.round_id, ()) if slip.runner == won]

    def settled(self, round_: Round, tickets: Sequence[tuple[Slip, Ticket]]) -> None:
        """A round was paid; `tickets` are the winning ones as they stand in the books."""
        payments = [Payment(slip=slip, payout_minor=ticket.payout_minor) for slip, ticket in tickets]
        self.paid = sorted(payments, key=lambda payment: -payment.payout_minor)
        self.paid_round = round_

    def staked_minor(self, round_id: int) -> Counter[int]:
        """What the crowd has staked on each runner of a round."""
        staked = Counter[int]()
        for slip in self._accepted.get(round_id, ()):
            staked[slip.runner] += slip.stake_minor
        return staked
