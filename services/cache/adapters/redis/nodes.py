"""Nodes: to which server to connect.

A single server is one node, and that is all. In a Cluster all of our keys are in one slot, so the node that owns it is
the only one that is spoken to; the others are known so that they can be asked who owns it now, when that one is gone:

    seeds      the addresses that were configured
    CLUSTER    asked of every node that is connected to: who owns the slot, and who else there is
    MOVED      told by a node that does not own it any more, which is left at once
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import hiredis
from redis.crc import key_slot

from services.cache.adapters.redis.address import Address
from services.cache.adapters.redis.keys import TAG
from services.cache.adapters.redis.wire import Wire, Words
from services.cache.ports import StoreDown

SLOT: Final = key_slot(TAG.encode())

NODES_MAX: Final = 64
"""Nodes of a Cluster that are remembered, beside the configured ones."""

HANDSHAKE_S: Final = 5.0
"""A bound for what is bounded by its caller much sooner."""

FOREIGN: Final = (OSError, TimeoutError, hiredis.HiredisError, UnicodeError)
"""What connecting may raise; an address that cannot be resolved is an OSError, or none that has a name at all."""

ELSEWHERE: Final = ("MOVED", "READONLY", "LOADING", "CLUSTERDOWN", "MASTERDOWN")
"""Refusals after which another node, or the same one connected to anew, may do better."""


class Nodes:
    """The nodes, best first."""

    def __init__(self, seeds: Sequence[Address]) -> None:
        self._seeds = tuple(seeds)
        self._nodes = list(seeds)

    async def connect(self) -> Wire:
        """Open a wire to the node that has our keys. Raises StoreDown."""
        node = self._nodes[0]
        try:
            wire, owner = await self._meet(node)
            if owner == node:
                return wire
            wire.cut("it does not own our slot")
            node = owner
            wire, owner = await self._meet(node)
            if owner == node:
                return wire
            wire.cut("it does not own our slot either")
            raise StoreDown("the nodes of the Cluster do not agree who owns our slot")
        except BaseException:
            self._put_last(node)  # whoever asks next begins with another one
            raise

    def leave(self, refusal: str) -> None:
        """Take another node the next time, the one that a refusal names if it names one."""
        node = self._nodes[0]
        kind, _, rest = refusal.partition(" ")
        if kind != "MOVED":
            self._put_last(node)
            return
        host, _, port = rest.rpartition(" ")[2].rpartition(":")
        self._put_first(node.beside(host, int(port)))

    async def _meet(self, node: Address) -> tuple[Wire, Address]:
        """Connect to a node and ask it who owns our slot. Raises StoreDown."""
        wire = await _open(node)
        try:
            *welcome, slots = await wire.ask([*_greeting(node), ("CLUSTER", "SLOTS")], HANDSHAKE_S)
            for answer in welcome:
                if isinstance(answer, hiredis.ReplyError):
                    raise StoreDown(f"refused at the greeting: {answer}")
            return wire, self._learn(node, slots)
        except BaseException:
            wire.cut("the greeting failed")
            raise

    def _learn(self, node: Address, slots: Any) -> Address:
        """Note who owns our slot, and who else there is; a server that is in no Cluster owns everything."""
        if isinstance(slots, hiredis.ReplyError):
            self._put_first(node)
            return node
        try:
            ranges = [
                (first <= SLOT <= last, [node.beside(_text(host), int(port)) for host, port, *_ in servers])
                for first, last, *servers in slots
            ]
        except (TypeError, ValueError) as error:
            raise StoreDown(f"this is not Redis: {error}") from error
        ours = [each for is_ours, servers in ranges if is_ours for each in servers]
        others = [each for is_ours, servers in ranges if not is_ours for each in servers]
        if not ours:
            raise StoreDown("nobody in the Cluster owns our slot")
        self._nodes = list(dict.fromkeys([*ours, *others][:NODES_MAX] + list(self._seeds)))
        return ours[0]

    def _put_first(self, node: Address) -> None:
        self._nodes = [node, *(each for each in self._nodes if each != node)]

    def _put_last(self, node: Address) -> None:
        self._nodes = [*(each for each in self._nodes if each != node), node]


async def _open(node: Address) -> Wire:
    loop = asyncio.get_running_loop()
    try:
        if node.path:
            _, wire = await loop.create_unix_connection(Wire, node.path)
        else:
            _, wire = await loop.create_connection(Wire, node.host, node.port, ssl=node.tls)
    except FOREIGN as error:
        raise StoreDown(f"{type(error).__name__}: {error}") from error
    return wire


def _greeting(node: Address) -> Sequence[Words]:
    greeting: list[Words] = []
    if node.password:
        greeting.append(("AUTH", *([node.username] if node.username else []), node.password))
    if node.database:
        greeting.append(("SELECT", node.database))
    return greeting


def _text(host: bytes | None) -> str:
    """Read the name of a node; one that does not know its own is where it was found."""
    return (host or b"").decode()
