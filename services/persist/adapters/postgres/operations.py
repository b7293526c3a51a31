"""Every mutating call but AppendTickets, done once: its answer is stored with its effect and given again for ever."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from furlong.common.v1.error_pb2 import Reason

from services.chassis.refusal import Refusal
from services.persist.adapters.postgres.database import BEGIN, Connection, Pool
from services.persist.ports import Operation

T = TypeVar("T")

CLAIM: Final = """
INSERT INTO operations (request_id, method, content_hash, response) VALUES ($1, $2, $3, '')
ON CONFLICT (request_id) DO NOTHING RETURNING true
"""
"""Whoever sends the same id at the same time waits here until the first one has committed or given up."""

READ: Final = "SELECT method, content_hash, response FROM operations WHERE request_id = $1"
ANSWER: Final = "UPDATE operations SET response = $2 WHERE request_id = $1"


async def once(
    pool: Pool, operation: Operation[T], work: Callable[[Connection], Awaitable[T]], begin: str = BEGIN
) -> bytes:
    """Do `work` in a transaction, which `begin` begins, and answer with its rendered result.

    An id that was answered before gets that answer.

    Raises Refusal REQUEST_REUSED where the id was used for something else, and what `Pool.transact` raises. A call
    that is refused leaves nothing behind, so it may succeed when it is sent again.
    """

    async def transaction(connection: Connection) -> bytes:
        claim = (operation.request_id, operation.method, operation.content_hash)
        if not await connection.fetchval(CLAIM, *claim):
            return await _answer_again(connection, operation)
        response = operation.render(await work(connection))
        await connection.execute(ANSWER, operation.request_id, response)
        return response

    return await pool.transact(operation.method, transaction, begin)


async def _answer_again(connection: Connection, operation: Operation[T]) -> bytes:
    row = await connection.fetchrow(READ, operation.request_id)
    assert row is not None, "an operation that is in the way is there to be read"
    if (row["method"], row["content_hash"]) != (operation.method, operation.content_hash):
        raise Refusal(
            Reason.REQUEST_REUSED,
            f"request id {operation.request_id} was used before for another request",
            metadata={"request_id": operation.request_id},
        )
    response: bytes = row["response"]
    return response
