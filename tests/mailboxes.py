"""Reading a mailbox as if there were a reader that waits: what a watcher's line does with gRPC, for tests."""

import asyncio

from services.game.engine.broadcast.mailbox import Mailbox


async def taken(mailbox: Mailbox) -> bytes:
    """The next frame, as soon as it comes. Raises the Refusal that ends the watcher; only one task may take."""
    come = asyncio.Event()
    mailbox.on_mail = come.set
    while (frame := mailbox.take()) is None:
        await come.wait()
        come.clear()
    return frame
