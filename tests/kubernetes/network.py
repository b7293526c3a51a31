"""Who may speak to whom, worked out from NetworkPolicies as the network does it, and held against the table of edges.

A connection needs a policy of the caller's that lets it out and one of the callee's that lets it in; whoever no policy
selects is free. What is outside of the namespace is known by address or by namespace only.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from deploy.edges import EDGES, ELSEWHERE, EVERY_PART, STORES, Edge, parts
from tests.kubernetes.objects import NAME, Manifests, Object, labels_of, name_of, pod_of, selects

PORTS: Mapping[tuple[str, str], int] = {
    ("game", "gRPC"): 50051,
    ("cache", "gRPC"): 50052,
    ("persist", "gRPC"): 50053,
    ("metrics", "gRPC"): 50054,
    ("metrics", "OTLP"): 4317,
    ("web", "HTTP"): 8000,
    ("postgresql", "SQL"): 5432,
    ("redis", "RESP"): 6379,
    ("collector", "OTLP"): 4317,
    ("beacon", "HTTPS"): 443,
}
"""Where each callee is spoken to, by protocol."""

DNS = (("UDP", 53), ("TCP", 53))
FROM_OUTSIDE = frozenset((("gateway", 8080),))
"""What may be reached from other namespaces."""
OF_THE_OPERATOR = "operator-"
"""How policies begin that CloudNativePG needs, which are about its pods alone."""
GENERAL = frozenset(("default-deny", "names", "clients-to-gateway-in"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pods:
    """Pods that are alike: of one workload."""

    name: str
    labels: Mapping[str, str]
    ports: Sequence[int] = field(default=())


def network(manifests: Manifests, edges: Sequence[Edge] = EDGES) -> Iterator[str]:
    """Every difference between what the policies allow and what the edges need."""
    pods = list(_pods(manifests))
    wanted = set(_flows(edges))
    yield from _names(manifests, edges)
    yield from _denied_by_default(manifests, pods)
    yield from _between_pods(manifests, pods, wanted)
    yield from _to_outside(manifests, pods, wanted)
    yield from _from_outside(manifests, pods)


def _flows(edges: Sequence[Edge]) -> Iterator[tuple[str, str, int]]:
    for edge in edges:
        for caller in sorted(parts()) if edge.caller == EVERY_PART else [edge.caller]:
            yield caller, edge.callee, PORTS[edge.callee, edge.protocol]


def _pods(manifests: Manifests) -> Iterator[Pods]:
    for workload in manifests.workloads():
        labels = labels_of(workload)
        ports = [
            port["containerPort"] for each in pod_of(workload)["spec"]["containers"] for port in each.get("ports", ())
        ]
        yield Pods(name=labels[NAME], labels=labels, ports=ports)
    for cluster in manifests.of("Cluster"):
        name = cluster["metadata"]["name"]
        yield Pods(name=name, labels={"cnpg.io/cluster": name, "cnpg.io/podRole": "instance"}, ports=(5432, 8000))


def _names(manifests: Manifests, edges: Sequence[Edge]) -> Iterator[str]:
    """Each policy is called after its edge and side, and every edge has both sides that are ours to give."""
    called = {each["metadata"]["name"] for each in manifests.of("NetworkPolicy")}
    here = {each.name for each in _pods(manifests)}
    needed = set(GENERAL)
    for edge in edges:
        name = f"{edge.caller.replace(' ', '-')}-to-{edge.callee}"
        needed |= {f"{name}-out"} | ({f"{name}-in"} if edge.callee in here else set())
    yield from (f"there is no NetworkPolicy {name}" for name in sorted(needed - called))
    for name in sorted(called - needed):
        if not name.startswith(OF_THE_OPERATOR):
            yield f"the NetworkPolicy {name} is of no edge"


def _denied_by_default(manifests: Manifests, pods: Sequence[Pods]) -> Iterator[str]:
    for each in pods:
        for direction in ("Ingress", "Egress"):
            if not list(_policies(manifests, each, direction)):
                yield f"{each.name}: everything is allowed, {direction.lower()}"
    for policy in manifests.of("NetworkPolicy"):
        for rule in (*policy["spec"].get("ingress", ()), *policy["spec"].get("egress", ())):
            if not rule.get("ports"):
                yield f"{name_of(policy)}: allows every port"


def _between_pods(manifests: Manifests, pods: Sequence[Pods], wanted: set[tuple[str, str, int]]) -> Iterator[str]:
    for caller in pods:
        for callee in pods:
            if "cnpg.io/cluster" in caller.labels and caller == callee:
                continue  # replication: the operator's affair
            for port in sorted({*callee.ports, *(port for _, name, port in wanted if name == callee.name)}):
                out = _allowed(manifests, caller, callee, port, "Egress")
                into = _allowed(manifests, callee, caller, port, "Ingress")
                way = f"{caller.name} -> {callee.name}:{port}"
                if (caller.name, callee.name, port) in wanted:
                    if not out:
                        yield f"{way} is an edge, and the caller is not let out"
                    if not into:
                        yield f"{way} is an edge, and the callee lets nobody in"
                elif out or into:
                    yield f"{way} is no edge, and {'the caller is let out' if out else 'the callee lets it in'}"


def _to_outside(manifests: Manifests, pods: Sequence[Pods], wanted: set[tuple[str, str, int]]) -> Iterator[str]:
    here = {each.name for each in pods}
    outside = (STORES | ELSEWHERE) - here
    for each in pods:
        for policy in _policies(manifests, each, "Egress"):
            name = policy["metadata"]["name"]
            if name.startswith(OF_THE_OPERATOR):
                if "cnpg.io/cluster" not in each.labels:
                    yield f"{each.name}: is let out by {name}, which is for the database's pods"
                continue
            for rule in policy["spec"].get("egress", ()):
                ports = tuple((port["protocol"], port["port"]) for port in rule.get("ports", ()))
                peers = rule.get("to")
                if peers and all("namespaceSelector" not in peer and "ipBlock" not in peer for peer in peers):
                    continue  # to pods here
                if name == "names":
                    if ports != DNS or not peers or not all("podSelector" in peer for peer in peers):
                        yield f"{name_of(policy)}: is more than names"
                    continue
                caller, _, callee = name.removesuffix("-out").partition("-to-")
                allowed = {(caller, callee, port) for protocol, port in ports if protocol == "TCP"}
                if not peers or caller != each.name or callee not in outside or not allowed <= wanted:
                    yield f"{name_of(policy)}: lets {each.name} out to {peers} at {ports}, which is no edge"


def _from_outside(manifests: Manifests, pods: Sequence[Pods]) -> Iterator[str]:
    for each in pods:
        for policy in _policies(manifests, each, "Ingress"):
            if policy["metadata"]["name"].startswith(OF_THE_OPERATOR) and "cnpg.io/cluster" in each.labels:
                continue
            for rule in policy["spec"].get("ingress", ()):
                if all(
                    "namespaceSelector" not in peer and "ipBlock" not in peer
                    for peer in rule.get("from", [{"ipBlock": {}}])
                ):
                    continue
                for port in rule.get("ports", ()):
                    if (each.name, port["port"]) not in FROM_OUTSIDE:
                        yield f"{name_of(policy)}: lets others in to {each.name}:{port['port']}"
                for peer in rule.get("from", [{}]):
                    if not peer.get("namespaceSelector", {}).get("matchLabels"):
                        yield f"{name_of(policy)}: lets anybody in to {each.name}"


def _policies(manifests: Manifests, pods: Pods, direction: str) -> Iterator[Object]:
    for policy in manifests.of("NetworkPolicy"):
        spec = policy["spec"]
        if direction in spec["policyTypes"] and selects(spec["podSelector"], pods.labels):
            yield policy


def _allowed(manifests: Manifests, subject: Pods, peer: Pods, port: int, direction: str) -> bool:
    rules, side = ("egress", "to") if direction == "Egress" else ("ingress", "from")
    for policy in _policies(manifests, subject, direction):
        for rule in policy["spec"].get(rules, ()):
            at_port = any(each["protocol"] == "TCP" and each["port"] == port for each in rule.get("ports", ()))
            # A peer with a selector of namespaces is somewhere else.
            is_peer = any(
                "podSelector" in each and "namespaceSelector" not in each and selects(each["podSelector"], peer.labels)
                for each in rule.get(side, ())
            )
            if at_port and is_peer:
                return True
    return False
