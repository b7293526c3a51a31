"""A lane: the way of one round's tickets to the store.

What arrives while a call is under way goes into the next one, so calls grow with the load. Only a full call does not
wait for the one before it: the store finds its next commit at the door when the last is done. The parts of one caller's
orders never overtake one another: a part is sent when the one before it is answered. Under load and around the off a
call rests a little before it goes; see `pace.py`.

A parcel whose caller has gone, or whose time is over, is left behind before the call and never after it: once sent,
tickets are judged, and their answer can be had by sending the same ids again.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence, Set
from itertools import islice
from typing import Final

from furlong.client.deadline import set_inbound
from furlong.common.v1.error_pb2 import Reason

from services.chassis.clock import Clock
from services.chassis.refusal import Refusal
from services.game.domain.round import Totals
from services.game.engine.pace import TICKETS_MAX, Pace
from services.game.engine.parcel import BYTES_MAX, Parcel
from services.game.ports import TicketStore

CALLS_AT_ONCE: Final = 2
"""Calls under way of one round: one that the store commits, and a full one that it reads meanwhile."""

_LATE: Final = "the deadline ended before the ticket was sent to the store; nothing was done"


class Lane:
    """One round's lane.

    `left` is told how many tickets have left the queue, `totals` the round's totals after a call and the accounts of
    its tickets, and `idle` that there is nothing left to send: the lane may be forgotten.
    """

    def __init__(
        self,
        *,
        round_id: int,
        store: TicketStore,
        clock: Clock,
        pace: Pace,
        left: Callable[[int], None],
        totals: Callable[[Totals, Set[str]], None],
        idle: Callable[[], object],
    ) -> None:
        self._round_id = round_id
        self._store = store
        self._clock = clock
        self._pace = pace
        self._left = left
        self._totals = totals
        self._idle = idle
        self._waiting: deque[Parcel] = deque()
        self._waiting_tickets = 0
        self._sending: dict[asyncio.Task[None], Sequence[Parcel]] = {}
        self._rest: asyncio.TimerHandle | None = None
        self._has_rested = False

    def put(self, parcel: Parcel) -> None:
        """Add a parcel; it is sent at once when nothing is under way and nothing rests."""
        self._waiting.append(parcel)
        self._waiting_tickets += len(parcel.placings)
        self._send_what_may_go()

    def _send_what_may_go(self) -> None:
        while self._may_send():
            batch = self._next_batch()
            if not batch:
                break
            self._begin(batch)
        if not self._sending and not self._waiting and self._rest is None:
            self._idle()

    def _may_send(self) -> bool:
        """Tell whether the next call may go now; where it only rests, it is looked at again when it has."""
        if self._sending and (len(self._sending) >= CALLS_AT_ONCE or self._waiting_tickets < TICKETS_MAX):
            return False
        rest_s = self._pace.rest_s(self._clock.now_ms(), self._clock.monotonic_s(), self._waiting_tickets)
        if rest_s > 0 and not self._has_rested:
            if self._rest is None:
                self._rest = asyncio.get_running_loop().call_later(rest_s, self._rested)
            return False
        if self._rest is not None:
            self._rest.cancel()
            self._rest = None
        return True

    def _rested(self) -> None:
        """Go on, whatever the clock says now: it may have been set, and a call rests once."""
        self._rest = None
        self._has_rested = True
        self._send_what_may_go()

    def _begin(self, batch: Sequence[Parcel]) -> None:
        self._has_rested = False
        # The store's spans belong to a trace that is recorded, if one of the batch is.
        lead = next((parcel for parcel in batch if parcel.is_traced), batch[0])
        sending = asyncio.create_task(
            self._send(batch), name=f"tickets of round {self._round_id}", context=lead.context.copy()
        )
        self._sending[sending] = batch
        sending.add_done_callback(self._ended)

    def _ended(self, sending: asyncio.Task[None]) -> None:
        batch = self._sending.pop(sending)
        self._pace.ended(len(batch), self._clock.monotonic_s())
        self._send_what_may_go()

    def _next_batch(self) -> list[Parcel]:
        batch: list[Parcel] = []
        tickets = size = 0
        tickets_max = self._pace.tickets_max(self._clock.now_ms())
        callers = {parcel.caller for under_way in self._sending.values() for parcel in under_way}
        while self._waiting:
            parcel = self._waiting[0]
            if parcel.caller in callers or (
                batch and (tickets + len(parcel.placings) > tickets_max or size + parcel.bytes_at_most > BYTES_MAX)
            ):
                break
            self._waiting.popleft()
            self._waiting_tickets -= len(parcel.placings)
            self._left(len(parcel.placings))
            if parcel.answers.done():  # its caller has gone
                continue
            if parcel.is_late:
                parcel.answers.set_exception(Refusal(Reason.OUT_OF_TIME, _LATE))
                continue
            batch.append(parcel)
            tickets += len(parcel.placings)
            size += parcel.bytes_at_most
        return batch

    async def _send(self, batch: Sequence[Parcel]) -> None:
        """Send one call and hand its answers out; a failure is everybody's."""
        set_inbound(_latest_deadline_s(batch))
        callers = _Callers(batch)
        placings = [placing for parcel in batch for placing in parcel.placings]
        try:
            appended = await self._store.append(self._round_id, placings)
            assert len(appended.answers) == len(placings), f"{len(appended.answers)} answers to {len(placings)} orders"
        except Exception as error:
            callers.release()
            for parcel in batch:
                if not parcel.answers.done():
                    parcel.answers.set_exception(error)
            return
        callers.release()
        answers = iter(appended.answers)
        for parcel in batch:
            own = list(islice(answers, len(parcel.placings)))
            parcel.undecided = appended.undecided
            if not parcel.answers.done():
                parcel.answers.set_result(own)
        if appended.totals is not None:
            self._totals(appended.totals, {placing.order.account_id for placing in placings})


class _Callers:
    """Cancels the running task when every caller of a batch has gone, so that nobody's call goes no further."""

    def __init__(self, batch: Sequence[Parcel]) -> None:
        self._task = asyncio.current_task()
        self._left = len(batch)
        for parcel in batch:
            parcel.answers.add_done_callback(self._gone)

    def release(self) -> None:
        """The answer is there: from now on nobody's going ends anything."""
        self._task = None

    def _gone(self, _: object) -> None:
        self._left -= 1
        if self._left == 0 and self._task is not None:
            self._task.cancel()


def _latest_deadline_s(batch: Sequence[Parcel]) -> float | None:
    """The call goes on as long as one of its callers waits; the others are told by their own deadlines."""
    deadlines = [parcel.deadline_s for parcel in batch]
    known = [deadline_s for deadline_s in deadlines if deadline_s is not None]
    return max(known) if len(known) == len(deadlines) else None
