"""What is done to a ticket by hand, each once: taking it back and paying it at a till."""

from services.persist.adapters.postgres.cancelling import cancel
from services.persist.adapters.postgres.database import Connection, Pool
from services.persist.adapters.postgres.operations import once
from services.persist.adapters.postgres.paying import pay
from services.persist.domain.round import Totals
from services.persist.domain.ticket import Ticket
from services.persist.ports import Operation


class PostgresTicketDesk:
    """Cancels and pays tickets."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def cancel(
        self, operation: Operation[tuple[Ticket, Totals]], ticket_id: str, reason: str, actor: str
    ) -> bytes:
        """Take a ticket back, see `cancelling.py`."""

        async def work(connection: Connection) -> tuple[Ticket, Totals]:
            return await cancel(connection, ticket_id, reason, actor)

        return await once(self._pool, operation, work)

    async def pay(self, operation: Operation[tuple[Ticket, int]], ticket_id: str, account_id: str, actor: str) -> bytes:
        """Pay a ticket at a till, see `paying.py`."""

        async def work(connection: Connection) -> tuple[Ticket, int]:
            return await pay(connection, ticket_id, account_id, actor)

        return await once(self._pool, operation, work)
