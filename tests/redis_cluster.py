"""A Redis Cluster for tests: three nodes that have slots, and one that takes over from the owner of ours."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import redis

from deploy.local.keys import write_private
from deploy.local.ports import LAST_PORT, free_port, is_free
from deploy.local.redis import RedisServer
from services.cache.adapters.redis.nodes import SLOT

SLOTS: Final = 16_384
MASTERS: Final = 3
BUS: Final = 10_000
PASSWORD: Final = "of-the-cluster"
NODE_TIMEOUT_MS: Final = 1_000
READY_TIMEOUT_S: Final = 60.0


class ClusterFailed(RuntimeError):
    """The nodes did not come to an agreement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """`nodes` are the masters, then the replica of the one that owns our slot."""

    nodes: tuple[RedisServer, ...]

    @property
    def owner(self) -> RedisServer:
        """The node that owns the slot of our keys, at first."""
        return self.nodes[SLOT * MASTERS // SLOTS]

    @property
    def heir(self) -> RedisServer:
        """The node that takes over when the owner is gone."""
        return self.nodes[-1]

    @property
    def stranger(self) -> RedisServer:
        """A node that has never owned our slot."""
        return next(node for node in self.nodes if node is not self.owner)

    @property
    def url(self) -> str:
        """The addresses of all nodes, one that does not own our slot first."""
        return ",".join([self.stranger.url, *(node.url for node in self.nodes if node is not self.stranger)])

    def hand_over(self) -> None:
        """Move our slot, with all that is in it, from its owner to another master."""
        source, target = _operator(self.owner), _operator(self.stranger)
        from_id, to_id = _id(source), _id(target)
        target.execute_command("CLUSTER", "SETSLOT", SLOT, "IMPORTING", from_id)
        source.execute_command("CLUSTER", "SETSLOT", SLOT, "MIGRATING", to_id)
        while keys := source.execute_command("CLUSTER", "GETKEYSINSLOT", SLOT, 100):
            source.execute_command(
                *("MIGRATE", "127.0.0.1", self.stranger.port, "", 0, 5_000, "AUTH", PASSWORD, "KEYS"), *keys
            )
        for operator in (target, source):
            operator.execute_command("CLUSTER", "SETSLOT", SLOT, "NODE", to_id)


@contextmanager
def redis_cluster() -> Iterator[Cluster]:
    """Run a Cluster for as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="furlong-cluster-") as folder, ExitStack() as running:
        nodes = []
        for n in range(MASTERS + 1):
            home = Path(folder) / f"{n}"
            home.mkdir()
            write_private(home / "password", PASSWORD)
            server = RedisServer(
                home,
                port=_port(),
                settings=("cluster-enabled yes", f"cluster-node-timeout {NODE_TIMEOUT_MS}", f"masterauth {PASSWORD}"),
            )
            server.start()
            running.callback(server.stop)
            nodes.append(server)
        cluster = Cluster(nodes=tuple(nodes))
        _join(cluster)
        yield cluster


def _port() -> int:
    """A port whose bus, 10,000 above it, is free too, and not of those that the kernel gives to anybody."""
    while True:
        port = free_port()
        if port + BUS < LAST_PORT and is_free(port + BUS):
            return port


def _join(cluster: Cluster) -> None:
    operators = [_operator(node) for node in cluster.nodes]
    for n, operator in enumerate(operators[:MASTERS]):
        mine = [slot for slot in range(SLOTS) if slot * MASTERS // SLOTS == n]
        operator.execute_command("CLUSTER", "ADDSLOTS", *mine)
        operator.execute_command("CLUSTER", "SET-CONFIG-EPOCH", n + 1)
    for node in cluster.nodes[1:]:
        operators[0].execute_command("CLUSTER", "MEET", "127.0.0.1", node.port)
    owner_id = _id(_operator(cluster.owner))
    _wait(lambda: all(_is_whole(operator) for operator in operators), "they do not know each other")
    _wait(
        lambda: owner_id in str(operators[-1].execute_command("CLUSTER", "NODES")), "the heir does not know the owner"
    )
    operators[-1].execute_command("CLUSTER", "REPLICATE", owner_id)
    _wait(lambda: operators[-1].info("replication").get("master_link_status") == "up", "the heir does not follow")


def _is_whole(operator: Any) -> bool:
    about = operator.execute_command("CLUSTER", "INFO")
    return "cluster_state:ok" in str(about) and f"cluster_known_nodes:{MASTERS + 1}" in str(about)


def _operator(node: RedisServer) -> Any:  # its commands have no types
    return redis.Redis.from_url(node.url)


def _id(operator: Any) -> str:
    return str(operator.execute_command("CLUSTER", "MYID").decode())


def _wait(condition: Callable[[], bool], otherwise: str) -> None:
    ends_s = time.monotonic() + READY_TIMEOUT_S
    while not condition():
        if time.monotonic() > ends_s:
            raise ClusterFailed(otherwise)
        time.sleep(0.05)
