"""Each check of the manifests can fail: one thing is broken on purpose, and the check says which."""
# ruff: noqa: E501 - one row of a table, one line

import copy
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from deploy.edges import EDGES, Edge
from tests.contract.kubernetes.conftest import Render
from tests.kubernetes import restricted, rollouts, wiring
from tests.kubernetes.custom import custom
from tests.kubernetes.network import network
from tests.kubernetes.objects import Manifests, Object, containers_of, pod_of, told
from tests.kubernetes.schemas import schemas

Change = Callable[[Manifests], object]


def pod(name: str, kind: str = "Deployment") -> Callable[[Manifests], Object]:
    return lambda manifests: pod_of(manifests.one(kind, name))["spec"]


def container(name: str) -> Callable[[Manifests], Object]:
    return lambda manifests: next(containers_of(manifests.one("Deployment", name)))


def spec(kind: str, name: str) -> Callable[[Manifests], Object]:
    return lambda manifests: manifests.one(kind, name)["spec"]


def put(where: Callable[[Manifests], Object], **values: Any) -> Change:
    return lambda manifests: where(manifests).update(values)


def context(name: str, **values: Any) -> Change:
    return lambda manifests: container(name)(manifests)["securityContext"].update(values)


def leave_out(kind: str, name: str) -> Change:
    def change(manifests: Manifests) -> None:
        assert isinstance(manifests.objects, list)
        manifests.objects.remove(manifests.one(kind, name))

    return change


def setting(name: str, variable: str, value: str | None) -> Change:
    def change(manifests: Manifests) -> None:
        for each in manifests.of("ConfigMap"):
            if each["metadata"]["name"].startswith(name):
                each["data"].pop(variable, None)
                if value is not None:
                    each["data"][variable] = value

    return change


def rule(name: str, side: str, **values: Any) -> Change:
    return lambda manifests: manifests.one("NetworkPolicy", name)["spec"][side][0].update(values)


POD = [
    ("misspelt field", put(container("game"), resourcez={}), schemas, "resourcez"),
    ("wrong type", put(spec("Deployment", "metrics"), replicas="one"), schemas, "Deployment/metrics: spec.replicas"),
    ("privileged", context("game", privileged=True), restricted.restricted, "Privileged Containers"),
    ("node's network", put(pod("game"), hostNetwork=True), restricted.restricted, "Host Namespaces"),
    ("node's folder", lambda m: pod("game")(m)["volumes"].append({"name": "n", "hostPath": {"path": "/"}}), restricted.restricted, "HostPath Volumes"),
    ("node's port", lambda m: container("game")(m)["ports"][0].update(hostPort=1), restricted.restricted, "Host Ports"),
    ("gains rights", context("game", allowPrivilegeEscalation=True), restricted.restricted, "Privilege Escalation"),
    ("root", lambda m: pod("game")(m)["securityContext"].update(runAsNonRoot=False), restricted.restricted, "Running as Non-root"),
    ("user 0", lambda m: pod("game")(m)["securityContext"].update(runAsUser=0), restricted.restricted, "Non-root user"),
    ("no seccomp", lambda m: pod("game")(m)["securityContext"].pop("seccompProfile"), restricted.restricted, "Seccomp"),
    ("capabilities kept", context("game", capabilities={}), restricted.restricted, "Capabilities: game keeps"),
    ("capability taken", context("game", capabilities={"drop": ["ALL"], "add": ["SYS_ADMIN"]}), restricted.restricted, "Capabilities: game takes"),
    ("sysctl", lambda m: pod("game")(m)["securityContext"].update(sysctls=[{"name": "kernel.msgmax"}]), restricted.restricted, "Sysctls"),
    ("SELinux", lambda m: pod("game")(m)["securityContext"].update(seLinuxOptions={"type": "spc_t"}), restricted.restricted, "SELinux"),
    ("AppArmor", context("game", appArmorProfile={"type": "Unconfined"}), restricted.restricted, "AppArmor"),
    ("/proc", context("game", procMount="Unmasked"), restricted.restricted, "/proc Mount Type"),
    ("odd volume", lambda m: pod("game")(m)["volumes"].append({"name": "n", "nfs": {}}), restricted.restricted, "Volume Types"),
    ("a Job is looked at", lambda m: pod("migrations", "Job")(m).update(hostPID=True), restricted.restricted, "Job/migrations"),
    ("latest", put(container("game"), image="furlong/game:latest"), restricted.own_rules, "whatever is latest"),
    ("no tag", put(container("game"), image="registry:5000/game"), restricted.own_rules, "neither tag nor digest"),
    ("digest", put(container("game"), image="game@sha256:12"), restricted.own_rules, "a digest that is none"),
    ("no limit", lambda m: container("game")(m)["resources"]["limits"].pop("memory"), restricted.own_rules, "no memory in its limits"),
    ("token", put(pod("game"), automountServiceAccountToken=True), restricted.own_rules, "a token"),
    ("account's token", lambda m: m.one("ServiceAccount", "game").pop("automountServiceAccountToken"), restricted.own_rules, "hands out tokens"),
    ("no account", leave_out("ServiceAccount", "game"), restricted.own_rules, "no account of its own"),
    ("writable root", context("game", readOnlyRootFilesystem=False), restricted.own_rules, "may write to its image"),
    ("service links", lambda m: pod("game")(m).pop("enableServiceLinks"), restricted.own_rules, "Services write variables"),
    ("profile", lambda m: m.one("Namespace", "furlong")["metadata"]["labels"].update({"pod-security.kubernetes.io/enforce": "baseline"}), restricted.namespace, "does not enforce"),
    ("profile's version", lambda m: m.one("Namespace", "furlong")["metadata"]["labels"].update({"pod-security.kubernetes.io/warn-version": "latest"}), restricted.namespace, "changes with the cluster"),
    ("another namespace", lambda m: m.one("Service", "game")["metadata"].update(namespace="default"), restricted.namespace, "Service/game"),
]  # fmt: skip

RUNNING = [
    ("gap in a rollout", put(spec("Deployment", "game"), strategy={}), rollouts.rollouts, "before there is another one"),
    ("no probe", lambda m: container("game")(m).pop("readinessProbe"), rollouts.rollouts, "no readinessProbe"),
    ("no preStop", lambda m: container("game")(m).pop("lifecycle"), rollouts.rollouts, "its name still leads to it"),
    ("no notice", setting("server-settings", "DRAIN_NOTICE_MS", "100"), rollouts.rollouts, "refuses calls before"),
    ("killed", put(pod("game"), terminationGracePeriodSeconds=20), rollouts.rollouts, "it is killed after 20 s"),
    ("long drain", setting("server-settings", "DRAIN_GRACE_MS", "60000"), rollouts.rollouts, "may need"),
    ("probe's port", lambda m: container("game")(m)["livenessProbe"]["grpc"].update(port=50051), rollouts.probes, "livenessProbe asks"),
    ("probe's question", lambda m: container("game")(m)["readinessProbe"]["grpc"].update(service="liveness"), rollouts.probes, "readinessProbe asks"),
    ("web's probe", lambda m: container("web")(m)["readinessProbe"]["httpGet"].update(port="http"), rollouts.probes, "readinessProbe asks at http"),
    ("two counts", put(spec("Deployment", "game"), replicas=3), rollouts.replicas, "two say how many"),
    ("no count", leave_out("HorizontalPodAutoscaler", "game"), rollouts.replicas, "nobody says how many"),
    ("two of one", put(spec("Deployment", "metrics"), replicas=2), rollouts.replicas, "there may be one only"),
    ("one of several", put(spec("HorizontalPodAutoscaler", "game"), minReplicas=1), rollouts.replicas, "nobody when it goes"),
    ("no room to scale", put(spec("HorizontalPodAutoscaler", "game"), maxReplicas=3), rollouts.replicas, "it can never scale"),
    ("no fallback", put(spec("HorizontalPodAutoscaler", "web"), metrics=[]), rollouts.replicas, "knows nothing"),
    ("scales nobody", lambda m: m.one("HorizontalPodAutoscaler", "web")["spec"]["scaleTargetRef"].update(name="w"), rollouts.replicas, "there is no Deployment/w"),
    ("no budget", leave_out("PodDisruptionBudget", "game"), rollouts.replicas, "0 budgets"),
    ("stuck node", put(spec("PodDisruptionBudget", "metrics"), minAvailable=1), rollouts.replicas, "not one at a time"),
    ("unwell pods", lambda m: m.one("PodDisruptionBudget", "game")["spec"].pop("unhealthyPodEvictionPolicy"), rollouts.replicas, "holds up the node"),
    ("one node", lambda m: pod("game")(m).pop("topologySpreadConstraints"), rollouts.replicas, "all be in one kubernetes.io/hostname"),
    ("others' spread", lambda m: pod("game")(m)["topologySpreadConstraints"][0].update(labelSelector={"matchLabels": {"app.kubernetes.io/name": "web"}}), rollouts.replicas, "not that of its own replicas"),
    ("spread of versions", lambda m: pod("game")(m)["topologySpreadConstraints"][1].pop("matchLabelKeys"), rollouts.replicas, "the version that goes"),
    ("Service of others", lambda m: m.one("Service", "game")["spec"].update(selector={"app.kubernetes.io/name": "web"}), rollouts.selectors, "Service/game: leads to"),
    ("Service's port", lambda m: m.one("Service", "game")["spec"]["ports"][0].update(port=1), rollouts.selectors, "its port 1 leads to 50051"),
]  # fmt: skip

ANYBODY: Object = {"podSelector": {}}
NETWORK = [
    ("no way out", leave_out("NetworkPolicy", "game-to-persist-out"), "game -> persist:50053 is an edge, and the caller is not let out"),
    ("no way in", leave_out("NetworkPolicy", "game-to-persist-in"), "game -> persist:50053 is an edge, and the callee lets nobody in"),
    ("no policy by name", leave_out("NetworkPolicy", "game-to-persist-in"), "there is no NetworkPolicy game-to-persist-in"),
    ("wrong port", rule("game-to-persist-out", "egress", ports=[{"protocol": "TCP", "port": 5432}]), "the caller is not let out"),
    ("health's port", rule("game-to-persist-in", "ingress", ports=[{"protocol": "TCP", "port": 60053}]), "game -> persist:60053 is no edge"),
    ("anybody in", lambda m: m.one("NetworkPolicy", "game-to-persist-in")["spec"]["ingress"][0]["from"].append(ANYBODY), "web -> persist:50053 is no edge"),
    ("to the database", rule("game-to-persist-out", "egress", to=[ANYBODY], ports=[{"protocol": "TCP", "port": 5432}]), "game -> postgresql:5432 is no edge, and the caller is let out"),
    ("every port", lambda m: m.one("NetworkPolicy", "game-to-persist-in")["spec"]["ingress"][0].pop("ports"), "allows every port"),
    ("no default", leave_out("NetworkPolicy", "default-deny"), "there is no NetworkPolicy default-deny"),
    ("migrations free", leave_out("NetworkPolicy", "default-deny"), "migrations: everything is allowed, ingress"),
    ("Internet", rule("persist-to-postgresql-out", "egress", to=[{"ipBlock": {"cidr": "0.0.0.0/0"}}]), "lets persist out to"),
    ("anywhere", lambda m: m.one("NetworkPolicy", "persist-to-postgresql-out")["spec"]["egress"][0].pop("to"), "lets persist out to None"),
    ("Internet by another name", lambda m: m.one("NetworkPolicy", "persist-to-cache-out")["spec"]["egress"][0]["to"].append({"ipBlock": {"cidr": "0.0.0.0/0"}}), "lets persist out to"),
    ("in from all over", rule("clients-to-gateway-in", "ingress", **{"from": [{"namespaceSelector": {}}]}), "lets anybody in to gateway"),
    ("in to a part", rule("game-to-persist-in", "ingress", **{"from": [{"namespaceSelector": {"matchLabels": {"a": "b"}}}]}), "lets others in to persist:50053"),
    ("more than names", rule("names", "egress", ports=[{"protocol": "TCP", "port": 443}]), "is more than names"),
    ("of no edge", lambda m: m.one("NetworkPolicy", "game-to-persist-in")["metadata"].update(name="web-to-persist-in"), "web-to-persist-in is of no edge"),
    ("operator's for a part", lambda m: m.one("NetworkPolicy", "operator-postgresql-out")["spec"].update(podSelector={}), "which is for the database's pods"),
]  # fmt: skip

WIRING = [
    ("unknown setting", setting("game-settings", "LEASE_TTL", "1"), wiring.configured, "LEASE_TTL is no setting of its"),
    ("bad setting", setting("game-settings", "LEASE_TTL_MS", "1"), wiring.configured, "LEASE_TTL_MS is '1'"),
    ("missing setting", setting("game-settings", "PERSIST_ADDRESS", None), wiring.configured, "PERSIST_ADDRESS is not set"),
    ("half of TLS", setting("common-settings", "TLS_KEY_FILE", None), wiring.configured, "TLS_KEY_FILE is not set"),
    ("no such file", setting("game-settings", "SEED_KEY_FILE", "/etc/furlong/keys/seed"), wiring.configured, "which no Secret puts there"),
    ("another port", setting("game-settings", "FURLONG_PORT", "50052"), wiring.ports, "game: grpc is 50051"),
    ("no such Service", setting("game-settings", "PERSIST_ADDRESS", "dns:///persists:50053"), wiring.addresses, "no Service persists"),
    ("no such port", setting("game-settings", "PERSIST_ADDRESS", "dns:///persist:50052"), wiring.addresses, "no port of the Service"),
    ("one address", lambda m: m.one("Service", "persist")["spec"].pop("clusterIP"), wiring.addresses, "one address for all replicas"),
    ("certificate of others", lambda m: pod("game")(m)["volumes"][0]["secret"].update(secretName="web-tls"), wiring.certificates, "game: has the certificate of another part"),
    ("no certificate", leave_out("Certificate", "game"), wiring.certificates, "and the parts are"),
    ("wrong name", lambda m: m.one("Certificate", "game")["spec"].update(uris=["spiffe://furlong/persist"]), wiring.certificates, "game: its certificate names"),
    ("long life", lambda m: m.one("Certificate", "game")["spec"].update(duration="8760h0m0s", renewBefore="2190h0m0s"), wiring.certificates, "lives for 8760h0m0s"),
    ("late renewal", lambda m: m.one("Certificate", "game")["spec"].update(renewBefore="5m0s"), wiring.certificates, "is renewed 5m0s before"),
    ("one-sided", lambda m: m.one("Certificate", "game")["spec"].update(usages=["server auth"]), wiring.certificates, "not for both sides"),
    ("key for life", lambda m: m.one("Certificate", "game")["spec"]["privateKey"].update(rotationPolicy="Never"), wiring.certificates, "its key outlives"),
    ("no issuer", leave_out("Issuer", "furlong"), wiring.certificates, "there is no Issuer furlong"),
    ("big cache", setting("cache-settings", "CACHE_BYTES_MAX", "402653184"), wiring.room, "more than half of its memory"),
    ("big traces", setting("metrics-settings", "TRACES_BYTES_MAX", "402653184"), wiring.room, "what it keeps takes more"),
    ("small gateway", lambda m: container("gateway")(m)["resources"]["limits"].update(memory="1Gi"), wiring.room, "the kernel ends it"),
    ("many connections", put(spec("HorizontalPodAutoscaler", "persist"), maxReplicas=12), wiring.room, "may want"),
]  # fmt: skip

REFERENCES = [
    ("no ConfigMap", lambda m: container("game")(m)["envFrom"][0]["configMapRef"].update(name="x"), "which is not here"),
    ("no Secret", lambda m: pod("game")(m)["volumes"][1]["secret"].update(secretName="x"), "nothing tells of the Secret x"),
    ("readable by all", lambda m: pod("game")(m)["volumes"][1]["secret"].update(defaultMode=0o644), "everybody in the pod may read"),
    ("not mounted", lambda m: container("game")(m)["volumeMounts"].pop(), "Deployment/game: mounts"),
    ("secret in the environment", lambda m: container("game")(m)["env"].append({"name": "X", "valueFrom": {"secretKeyRef": {"name": "x", "key": "y"}}}), "X is a secret in the environment"),
]  # fmt: skip


@pytest.fixture
def broken(rendered: Render) -> Manifests:
    """Everything, to be broken."""
    return Manifests(objects=copy.deepcopy(list(rendered("everything").objects)))


def ids(rows: Iterable[tuple[Any, ...]]) -> list[str]:
    return [row[0] for row in rows]


@pytest.mark.parametrize(("_", "change", "check", "said"), [*POD, *RUNNING], ids=ids([*POD, *RUNNING]))
def test_a_pod_that_is_out_of_order_is_told(
    broken: Manifests, _: str, change: Change, check: Callable[[Manifests], Iterable[str]], said: str
) -> None:
    assert said not in told(check(broken))
    change(broken)
    assert said in told(check(broken))


@pytest.mark.parametrize(("_", "change", "said"), NETWORK, ids=ids(NETWORK))
def test_a_policy_that_is_no_edges_is_told(broken: Manifests, _: str, change: Change, said: str) -> None:
    change(broken)
    assert said in told(network(broken))


def test_an_edge_without_a_policy_is_told(broken: Manifests) -> None:
    more = Edge(caller="web", callee="persist", protocol="gRPC", why="nothing")
    assert {
        "there is no NetworkPolicy web-to-persist-in",
        "there is no NetworkPolicy web-to-persist-out",
        "web -> persist:50053 is an edge, and the caller is not let out",
        "web -> persist:50053 is an edge, and the callee lets nobody in",
    } == set(network(broken, [*EDGES, more]))


@pytest.mark.parametrize("edge", EDGES, ids=lambda edge: f"{edge.caller}-{edge.callee}-{edge.protocol}")
def test_a_policy_without_its_edge_is_told(broken: Manifests, edge: Edge) -> None:
    assert told(network(broken, [each for each in EDGES if each != edge])) != ""


@pytest.mark.parametrize(("_", "change", "check", "said"), WIRING, ids=ids(WIRING))
def test_what_does_not_fit_together_is_told(
    broken: Manifests,
    _: str,
    change: Change,
    check: Callable[..., Iterable[str]],
    said: str,
    secret_folders: Mapping[str, Path],
) -> None:
    change(broken)
    given = (secret_folders,) if check is wiring.configured else ()
    assert said in told(check(broken, *given))


@pytest.mark.parametrize(("_", "change", "said"), REFERENCES, ids=ids(REFERENCES))
def test_a_name_that_leads_nowhere_is_told(
    broken: Manifests, _: str, change: Change, said: str, documented: Mapping[str, frozenset[str]]
) -> None:
    change(broken)
    assert said in told(wiring.references(broken, documented))


def test_a_figure_that_nobody_tells_is_told(broken: Manifests, adapter_rules: Mapping[str, Any]) -> None:
    rules = copy.deepcopy(dict(adapter_rules))
    rules["rules"][0]["seriesQuery"] = "furlong_nothing{}"
    del rules["rules"][1]
    found = told(wiring.load_figures(broken, rules))
    assert "no service exports furlong_nothing" in found
    assert "nobody tells furlong_watchers" in found


def test_an_object_of_another_kind_that_has_not_its_form_is_told(broken: Manifests, packages: Path) -> None:
    broken.one("Certificate", "game")["spec"]["privateKey"]["algorithm"] = "RSB"
    broken.one("HTTPRoute", "gateway")["spec"]["rules"][0]["backends"] = []
    broken.one("Cluster", "postgresql")["spec"]["postgresql"]["synchronous"]["methode"] = "any"
    broken.one("ScheduledBackup", "postgresql")["spec"]["method"] = "magic"
    broken.one("ObjectStore", "postgresql-backups")["spec"]["configuration"]["destination"] = "s3://"
    found = told(custom(broken, packages))
    assert "Certificate/game: data/spec/privateKey/algorithm must be equal to one of the allowed values" in found
    assert "ScheduledBackup/postgresql: data/spec/method must be" in found
    for field in ("backends", "methode", "destination"):
        assert f"'\"{field}\"' does not exist in type" in found
