"""Waiting for a time or an event, whichever comes first, on the clock that everything else uses."""

import asyncio

from services.chassis.clock import Clock


async def until(clock: Clock, at_ms: int, woken: asyncio.Event) -> bool:
    """Wait for `at_ms` or the event. True when the time came first; an event is taken, and clear again."""
    if woken.is_set():
        woken.clear()
        return False
    timer = asyncio.ensure_future(clock.sleep_until_ms(at_ms))
    waiter = asyncio.ensure_future(woken.wait())
    try:
        await asyncio.wait((timer, waiter), return_when=asyncio.FIRST_COMPLETED)
    finally:
        timer.cancel()
        waiter.cancel()
    if woken.is_set():
        woken.clear()
        return False
    return True
