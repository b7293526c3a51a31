"""That replicas come, go and are counted so that nobody notices: rollouts, drains, budgets, scaling, spread."""

from collections.abc import Iterator

from services.chassis.server import FLUSH_S
from services.chassis.telemetry import EXPORT_TIMEOUT_S
from tests.kubernetes.objects import NAME, Manifests, Object, environment_of, labels_of, name_of, pod_of, selects

SPARE_S = 5
"""What a pod has to spare between its last word and the end of its grace."""
SINGLE = frozenset(("metrics",))
"""Parts of which there is one."""
NAME_OUTLIVES_POD_S = 6
"""How long a name may still lead to a pod that is going: the cluster's DNS keeps answers for five seconds."""
HEALTH_CHECKS_S = 3
"""How long the gateway may take to see that a replica wants no calls: two checks, a second apart, and their answer."""


def rollouts(manifests: Manifests) -> Iterator[str]:
    """What is wrong with how a new version of a part takes the place of the old one."""
    for deployment in manifests.of("Deployment"):
        update = deployment["spec"].get("strategy", {}).get("rollingUpdate", {})
        if update.get("maxUnavailable") != 0 or not update.get("maxSurge"):
            yield f"{name_of(deployment)}: a rollout takes a replica away before there is another one"
        for container in pod_of(deployment)["spec"]["containers"]:
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                if probe not in container:
                    yield f"{name_of(deployment)}: {container['name']} has no {probe}"
        yield from (f"{name_of(deployment)}: {problem}" for problem in _drain(deployment, manifests))


def _drain(deployment: Object, manifests: Manifests) -> Iterator[str]:
    spec = pod_of(deployment)["spec"]
    hook = spec["containers"][0].get("lifecycle", {}).get("preStop", {})
    if "exec" in hook:
        return  # the gateway's, which has a test of its own
    pause_s = hook.get("sleep", {}).get("seconds", 0)
    if pause_s < NAME_OUTLIVES_POD_S:
        yield "it stops to serve while its name still leads to it"
    environment = environment_of(deployment, manifests)
    notice_s = int(environment.get("DRAIN_NOTICE_MS", "0")) / 1_000
    if "DRAIN_NOTICE_MS" in environment and notice_s < HEALTH_CHECKS_S:
        yield "it refuses calls before the gateway has seen that it does not want them"
    drain_s = notice_s + int(environment.get("DRAIN_GRACE_MS", "10000")) / 1_000 + FLUSH_S + 2 * EXPORT_TIMEOUT_S
    needed_s = pause_s + drain_s + SPARE_S
    if spec["terminationGracePeriodSeconds"] < needed_s:
        yield f"it is killed after {spec['terminationGracePeriodSeconds']} s and may need {needed_s:.0f}"


def probes(manifests: Manifests) -> Iterator[str]:
    """What is wrong with where and what the kubelet asks: health in clear text, at the port that does nothing else."""
    for deployment in manifests.of("Deployment"):
        container = pod_of(deployment)["spec"]["containers"][0]
        health_port = int(environment_of(deployment, manifests).get("HEALTH_PORT", "0"))
        asked = {"startupProbe": "liveness", "livenessProbe": "liveness", "readinessProbe": "readiness"}
        for probe, question in asked.items():
            how = container.get(probe, {})
            if "grpc" in how and how["grpc"] != {"port": health_port, "service": question}:
                yield f"{name_of(deployment)}: {probe} asks {how['grpc']}, not {question} at {health_port}"
            if "httpGet" in how and _number(how["httpGet"]["port"], container) != health_port:
                yield f"{name_of(deployment)}: {probe} asks at {how['httpGet']['port']}, not at {health_port}"


def _number(port: int | str, container: Object) -> int | None:
    if isinstance(port, int):
        return port
    return next((each["containerPort"] for each in container["ports"] if each["name"] == port), None)


def replicas(manifests: Manifests) -> Iterator[str]:
    """What is wrong with how many there are: one of what may be one only, else two and more, and one who counts."""
    for deployment in manifests.of("Deployment"):
        name, whose = deployment["metadata"]["name"], name_of(deployment)
        scaler, fixed = _scaler(deployment, manifests), deployment["spec"].get("replicas")
        if (scaler is None) == (fixed is None):
            yield f"{whose}: {'nobody says' if scaler is None else 'two say'} how many there are"
            continue
        fewest = fixed if scaler is None else scaler["spec"]["minReplicas"]
        if name in SINGLE and fewest != 1:
            yield f"{whose}: there may be one only"
        if name not in SINGLE and fewest < 2:
            yield f"{whose}: there is one, and nobody when it goes"
        yield from _scaling(scaler)
        yield from _budget(deployment, manifests)
        if fewest > 1:
            yield from _spread(deployment)
    for scaler in manifests.of("HorizontalPodAutoscaler"):
        target = scaler["spec"]["scaleTargetRef"]
        if manifests.find(target["kind"], target["name"]) is None:
            yield f"{name_of(scaler)}: there is no {target['kind']}/{target['name']}"


def _scaler(deployment: Object, manifests: Manifests) -> Object | None:
    wanted = (deployment["kind"], deployment["metadata"]["name"])
    for scaler in manifests.of("HorizontalPodAutoscaler"):
        target = scaler["spec"]["scaleTargetRef"]
        if (target["kind"], target["name"]) == wanted:
            return scaler
    return None


def _scaling(scaler: Object | None) -> Iterator[str]:
    if scaler is None:
        return
    spec = scaler["spec"]
    if spec["maxReplicas"] <= spec["minReplicas"]:
        yield f"{name_of(scaler)}: it can never scale"
    if not any(metric["type"] == "Resource" and metric["resource"]["name"] == "cpu" for metric in spec["metrics"]):
        yield f"{name_of(scaler)}: without the metrics adapter it knows nothing"


def _budget(deployment: Object, manifests: Manifests) -> Iterator[str]:
    labels = labels_of(deployment)
    budgets = [each for each in manifests.of("PodDisruptionBudget") if selects(each["spec"]["selector"], labels)]
    if len(budgets) != 1:
        yield f"{name_of(deployment)}: {len(budgets)} budgets bound who may be evicted at once"
        return
    spec = budgets[0]["spec"]
    if spec.get("maxUnavailable") != 1 or "minAvailable" in spec:
        yield f"{name_of(budgets[0])}: not one at a time"  # of a single replica as well: a node must be able to empty
    if spec.get("unhealthyPodEvictionPolicy") != "AlwaysAllow":
        yield f"{name_of(budgets[0])}: a pod that is not well holds up the node"


def _spread(deployment: Object) -> Iterator[str]:
    constraints = {
        each["topologyKey"]: each for each in pod_of(deployment)["spec"].get("topologySpreadConstraints", ())
    }
    for key in ("kubernetes.io/hostname", "topology.kubernetes.io/zone"):
        constraint = constraints.get(key)
        if constraint is None:
            yield f"{name_of(deployment)}: its replicas may all be in one {key}"
        elif not selects(constraint["labelSelector"], labels_of(deployment)) or constraint["maxSkew"] != 1:
            yield f"{name_of(deployment)}: the spread over {key} is not that of its own replicas"
        elif "pod-template-hash" not in constraint.get("matchLabelKeys", ()):
            yield f"{name_of(deployment)}: the spread over {key} counts replicas of the version that goes"


def selectors(manifests: Manifests) -> Iterator[str]:
    """Whoever selects pods selects those of the part with its name, and its ports are theirs."""
    for service in manifests.of("Service"):
        name = service["metadata"]["name"]
        chosen = [
            each
            for each in manifests.workloads()
            if selects({"matchLabels": service["spec"]["selector"]}, labels_of(each))
        ]
        if [labels_of(each)[NAME] for each in chosen] != [name]:
            yield f"{name_of(service)}: leads to {[name_of(each) for each in chosen]}"
            continue
        ports = {port["name"]: port["containerPort"] for port in pod_of(chosen[0])["spec"]["containers"][0]["ports"]}
        for port in service["spec"]["ports"]:
            if ports.get(port["targetPort"]) != port["port"]:
                yield f"{name_of(service)}: its port {port['port']} leads to {ports.get(port['targetPort'])}"
