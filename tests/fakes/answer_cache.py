"""persist's port `AnswerCache` in memory, with the troubles that a test wants."""

import asyncio

from services.chassis.freshness import Freshness
from services.persist.domain.shelf import Shelf
from services.persist.ports import Recalled

AGED = Freshness("L1", 7)
"""How fresh everything is that it kept."""


class FakeAnswerCache:
    """Keeps everything until told otherwise, and writes down what it was asked to do.

    While it is `gone` it has nothing and keeps nothing. A test that clears `is_open` holds up the look-ups.
    """

    def __init__(self) -> None:
        self.entries: dict[tuple[str, str], bytes] = {}
        self.asked: list[str] = []
        self.gone = False
        self.is_open = asyncio.Event()
        self.is_open.set()

    async def recall(self, shelf: Shelf, key: str) -> Recalled | None:
        self.asked.append(f"recall {key}")
        await self.is_open.wait()
        wire = None if self.gone else self.entries.get((shelf.namespace, key))
        return None if wire is None else Recalled(wire, AGED)

    async def keep(self, shelf: Shelf, key: str, answer: bytes, load_ms: int) -> bool:
        assert load_ms > 0, "a load takes its time"
        self.asked.append(f"keep {key}")
        if self.gone:
            return False
        self.entries[shelf.namespace, key] = answer
        return True

    async def drop(self, shelf: Shelf, key: str) -> None:
        self.asked.append(f"drop {key}")
        if not self.gone:
            self.entries.pop((shelf.namespace, key), None)

    async def forget(self, shelf: Shelf) -> None:
        self.asked.append(f"forget {shelf.namespace}")
        if not self.gone:
            self.entries = {place: answer for place, answer in self.entries.items() if place[0] != shelf.namespace}
