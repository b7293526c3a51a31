"""A betting shop with one round, played on paper: what each wish must be answered, and what everybody must hold.

Slow and plain on purpose; it shares no code with the services. A wish is answered with "" or with the reason of its
refusal, like the real thing.
"""

from dataclasses import dataclass, field

PRICES = {1: 235, 2: 410, 3: 1_050}


@dataclass(slots=True)
class Somebody:
    """A player or a till."""

    is_till: bool
    floor_minor: int
    balance_minor: int = 0
    blocked: bool = False


@dataclass(slots=True)
class Slip:
    """A ticket. `claim_minor` is what can be claimed for it at a till."""

    buyer: str
    stake_minor: int
    runner: int
    state: str = "ACCEPTED"
    claim_minor: int = 0


@dataclass(slots=True)
class Counter:
    """The shop; people and tickets by names of the reader's choice."""

    people: dict[str, Somebody]
    slips: dict[str, Slip] = field(default_factory=dict)
    is_open: bool = True

    def credit(self, who: str, amount_minor: int) -> str:
        self.people[who].balance_minor += amount_minor
        return ""

    def pay_out(self, who: str, amount_minor: int) -> str:
        return "ACCOUNT_STOPPED" if self.people[who].blocked else self._take(who, amount_minor, "FUNDS_MISSING")

    def adjust(self, who: str, amount_minor: int) -> str:
        return self._take(who, -amount_minor, "FUNDS_MISSING")

    def block(self, who: str, blocked: bool) -> str:
        self.people[who].blocked = blocked
        return ""

    def stake(self, slip_id: str, who: str, amount_minor: int, runner: int) -> str:
        if not self.is_open:
            return "BETTING_CLOSED"
        if self.people[who].blocked:
            return "ACCOUNT_BLOCKED"
        refusal = self._take(who, amount_minor, "INSUFFICIENT_FUNDS")
        if not refusal:
            self.slips[slip_id] = Slip(who, amount_minor, runner)
        return refusal

    def cancel(self, slip_id: str) -> str:
        slip = self.slips.get(slip_id)
        if slip is None:
            return "TICKET_UNKNOWN"
        if slip.state != "ACCEPTED":
            return "TICKET_STATE"
        slip.state = "CANCELLED"
        self.people[slip.buyer].balance_minor += slip.stake_minor
        return ""

    def end(self, winner: int) -> None:
        """Settle the round for a runner; 0 voids it."""
        self.is_open = False
        for slip in self.slips.values():
            if slip.state != "ACCEPTED":
                continue
            if winner == 0:
                self._give(slip, "VOIDED", slip.stake_minor)
            elif slip.runner == winner:
                self._give(slip, "WON", slip.stake_minor * PRICES[winner] // 100)
            else:
                slip.state = "LOST"

    def pay(self, slip_id: str, till: str) -> str:
        slip = self.slips.get(slip_id)
        if slip is None:
            return "TICKET_UNKNOWN"
        if not self.people[till].is_till:
            return "ACCOUNT_KIND"
        if self.people[till].blocked:
            return "ACCOUNT_STOPPED"
        if slip.claim_minor == 0:
            return "TICKET_STATE"
        self.people[till].balance_minor += slip.claim_minor
        slip.claim_minor, slip.state = 0, "PAID"
        return ""

    def _take(self, who: str, amount_minor: int, refusal: str) -> str:
        left_minor = self.people[who].balance_minor - amount_minor
        if left_minor < self.people[who].floor_minor:
            return refusal
        self.people[who].balance_minor = left_minor
        return ""

    def _give(self, slip: Slip, state: str, amount_minor: int) -> None:
        slip.state = state
        if self.people[slip.buyer].is_till:
            slip.claim_minor = amount_minor
        else:
            self.people[slip.buyer].balance_minor += amount_minor
