"""The watchers' own tickets: what the accounts that somebody watches have on the track now.

    a ticket was placed, taken back or paid, here or at another game  ──▶ ┐
    a round was settled, voided or corrected                          ──▶ ├─▶ accounts to read ─▶ store ─▶ mailboxes
    somebody came, or something may have been missed                  ──▶ ┘

What happened is only a hint: what a watcher is told was read in the store after it. An account is read for all its
watchers at once, and only where it has some; what happens while it is read makes it be read again.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final

import structlog
from furlong.common.v1.error_pb2 import Reason
from furlong.common.v1.ticket_pb2 import Ticket

from services.chassis.clock import Clock
from services.chassis.refusal import Refusal
from services.game.engine.backoff import backoff_ms
from services.game.engine.broadcast.mailbox import Mailbox
from services.game.ports import TicketReader

TICKETS_READ_MAX: Final = 100
"""An account's newest tickets, among which those of the rounds shown are looked for."""
ROUNDS_SHOWN: Final = 2
"""The round that is on, and the one before, whose money may still move."""
READS_AT_ONCE: Final = 8
PASS_MS: Final = 100
"""The least time between two passes over the accounts that have changed: what happens meanwhile is read once."""

EncodeOwn = Callable[[str, Sequence[Ticket], int], bytes]
"""Turns an account, its tickets and the time into the frame that its watchers are sent."""

_log = structlog.get_logger(__name__)


class OwnTickets:
    """The accounts watched in one room. `run()` reads them."""

    def __init__(self, *, tickets: TicketReader, clock: Clock, encode: EncodeOwn) -> None:
        self._tickets = tickets
        self._clock = clock
        self._encode = encode
        self._watchers: dict[str, set[Mailbox]] = {}
        self._told: dict[str, list[Ticket]] = {}
        self._shown: deque[int] = deque(maxlen=ROUNDS_SHOWN)
        self._due: set[str] = set()
        self._expected: set[str] = set()  # by somebody who has heard nothing yet
        self._woken = asyncio.Event()

    def join(self, mailbox: Mailbox, accounts: Collection[str]) -> None:
        """Tell a watcher of the tickets of these accounts, from now on."""
        for account_id in accounts:
            self._watchers.setdefault(account_id, set()).add(mailbox)
        self._expected.update(accounts)
        self._read(accounts)

    def leave(self, mailbox: Mailbox, accounts: Collection[str]) -> None:
        """Tell a watcher no more."""
        for account_id in accounts:
            watchers = self._watchers.get(account_id, set())
            watchers.discard(mailbox)
            if not watchers:
                self._watchers.pop(account_id, None)
                self._told.pop(account_id, None)

    def show(self, round_id: int) -> None:
        """Know the round that is on."""
        if round_id not in self._shown:
            self._shown.append(round_id)

    def changed(self, accounts: Iterable[str]) -> None:
        """Something happened to tickets of these accounts."""
        if self._watchers:
            self._read(self._watchers.keys() & set(accounts))

    def decided(self, round_id: int) -> None:
        """A round was settled, voided or corrected, and with it the tickets that bet on it."""
        self._read(
            account_id
            for account_id, tickets in self._told.items()
            if any(ticket.round_id == round_id for ticket in tickets)
        )

    def all_changed(self) -> None:
        """Something may have been missed."""
        self._read(self._watchers)

    async def run(self) -> None:
        """Read what is due until cancelled."""
        attempt = 0
        while True:
            await self._woken.wait()
            self._woken.clear()
            failed = await self._pass()
            attempt = attempt + 1 if failed else 0
            self._read(failed)
            await self._clock.sleep_until_ms(self._clock.now_ms() + (backoff_ms(attempt) if failed else PASS_MS))

    def _read(self, accounts: Iterable[str]) -> None:
        self._due.update(accounts)
        if self._due:
            self._woken.set()

    async def _pass(self) -> list[str]:
        """Read every account that is due; gives those that could not be read."""
        due = [account_id for account_id in self._due if account_id in self._watchers]
        self._due.clear()
        self._expected.intersection_update(due)
        failed: list[str] = []
        for begin in range(0, len(due), READS_AT_ONCE):
            some = due[begin : begin + READS_AT_ONCE]
            ends = await asyncio.gather(*map(self._tell, some), return_exceptions=True)
            for account_id, end in zip(some, ends, strict=True):
                if isinstance(end, Exception):
                    _log.warning("own tickets not read", error=str(end))
                    failed.append(account_id)
        return failed

    async def _tell(self, account_id: str) -> None:
        try:
            page = await self._tickets.tickets(account_id, TICKETS_READ_MAX, "")
        except Refusal as refusal:
            if refusal.reason != Reason.ACCOUNT_UNKNOWN:
                raise
            tickets = []
        else:
            tickets = [ticket for ticket in page.items if ticket.round_id in self._shown]
        watchers = self._watchers.get(account_id)
        if watchers is None or (account_id not in self._expected and tickets == self._told.get(account_id)):
            return
        self._expected.discard(account_id)
        self._told[account_id] = tickets
        frame = self._encode(account_id, tickets, self._clock.now_ms())
        for mailbox in watchers:
            mailbox.put_own(account_id, frame)
