"""What shows that a ticket is under its round's root."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.persist.domain.ticket import Order
from services.persist.domain.tickets_root import Step, leaf, path, root


class RootMismatch(Exception):
    """The tickets as they are stored do not have the root that was fixed at the lock: somebody changed them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketProof:
    """An accepted order with the way from its leaf to the round's root."""

    round_id: int
    order: Order
    leaf: bytes
    path: Sequence[Step]
    tickets_root: bytes


def prove(
    *,
    round_id: int,
    ticket_id: str,
    batch: Sequence[Order],
    sub_roots: Sequence[bytes],
    batch_place: int,
    tickets_root: bytes,
) -> TicketProof:
    """Prove a ticket out of the orders of its batch and the sub-roots of its round, all in their order.

    `batch_place` is the place of the batch among the sub-roots, from 0. Raises RootMismatch.
    """
    place = [order.request_id for order in batch].index(ticket_id)
    leaves = [leaf(order, round_id) for order in batch]
    if root(leaves) != sub_roots[batch_place] or root(sub_roots) != tickets_root:
        raise RootMismatch(f"round {round_id}: the tickets of batch {batch_place} are not those of the root")
    return TicketProof(
        round_id=round_id,
        order=batch[place],
        leaf=leaves[place],
        path=[*path(leaves, place), *path(sub_roots, batch_place)],
        tickets_root=tickets_root,
    )
