"""The cache's own policy behind the same method, with ghosts as L1 gives it for its bytes."""

from services.cache.domain.order import Order, Place


class Ours:
    """What L1 does when it is asked, and filled where it had nothing."""

    def __init__(self, bytes_max: int) -> None:
        self._order: Order[int, Place] = Order(bytes_max)

    def request(self, key: int, taken: int) -> bool:
        """See `Policy`."""
        if self._order.use(key) is not None:
            return True
        self._order.add(key, Place(taken))
        return False
