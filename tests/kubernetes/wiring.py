"""That what a pod is given is there and makes sense: settings, files, certificates, room for what is set."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from deploy.edges import parts
from deploy.gateway.render import GatewaySettings
from services.cache.config import CacheConfig
from services.chassis import telemetry_names as shared_names
from services.chassis.config import FILE_SUFFIX, ConfigError, read, settings
from services.game.config import GameConfig
from services.metrics.config import MetricsConfig
from services.persist import telemetry_names as persist_names
from services.persist.config import PersistConfig
from services.web.config import WebConfig
from tests.kubernetes.objects import Manifests, Object, bytes_of, environment_of, name_of, pod_of, seconds

CONFIGS: Mapping[str, type[Any]] = {
    "game": GameConfig,
    "cache": CacheConfig,
    "persist": PersistConfig,
    "metrics": MetricsConfig,
    "web": WebConfig,
}
NOT_OURS = frozenset(("OTEL_RESOURCE_ATTRIBUTES", "POD_NAME", "POD_NAMESPACE"))
"""Variables that OpenTelemetry reads, and what they are made of."""
FILES = "/etc/furlong/"
TLS_FILES = frozenset(("tls.crt", "tls.key", "ca.crt"))
"""What cert-manager writes."""
OPTIONAL = {"postgresql-ca": frozenset(("ca.crt",)), "redis-ca": frozenset(("ca.crt",))}


def configured(manifests: Manifests, secrets: Mapping[str, Path]) -> Iterator[str]:
    """What the services themselves would say to their environments. `secrets` has the folder of each Secret by name."""
    for name, config in CONFIGS.items():
        deployment = manifests.one("Deployment", name)
        environment = environment_of(deployment, manifests)
        known = {each.env for each, _ in settings(config)}
        known |= {each.env + FILE_SUFFIX for each, _ in settings(config) if each.secret}
        yield from (
            f"{name}: {variable} is no setting of its" for variable in sorted(set(environment) - known - NOT_OURS)
        )
        placed = {}
        for variable, value in environment.items():
            placed[variable] = value
            if value.startswith(FILES):
                file = _file(deployment, value, secrets)
                if file is None:
                    yield f"{name}: {variable} names {value}, which no Secret puts there"
                else:
                    placed[variable] = str(file)
        try:
            read(config, placed)
        except ConfigError as error:
            yield from (f"{name}: {problem}" for problem in error.errors)


def _file(workload: Object, path: str, secrets: Mapping[str, Path]) -> Path | None:
    """Where a file of a pod comes from."""
    spec = pod_of(workload)["spec"]
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    for mount in spec["containers"][0]["volumeMounts"]:
        folder = mount["mountPath"] + "/"
        secret = volumes[mount["name"]].get("secret", {}).get("secretName")
        if path.startswith(folder) and secret in secrets:
            file = secrets[secret] / path.removeprefix(folder)
            return file if file.exists() else None
    return None


def ports(manifests: Manifests) -> Iterator[str]:
    """The ports that containers declare are those that their settings open."""
    variables = {"grpc": "FURLONG_PORT", "http": "FURLONG_PORT", "health": "HEALTH_PORT", "otlp": "OTLP_PORT"}
    for name in CONFIGS:
        deployment = manifests.one("Deployment", name)
        environment = environment_of(deployment, manifests)
        for port in pod_of(deployment)["spec"]["containers"][0]["ports"]:
            if environment.get(variables[port["name"]]) != str(port["containerPort"]):
                yield f"{name}: {port['name']} is {port['containerPort']}, and {variables[port['name']]} another"


def addresses(manifests: Manifests) -> Iterator[str]:
    """The addresses in settings are those of headless Services, which resolve to every replica."""
    for name in CONFIGS:
        for variable, value in environment_of(manifests.one("Deployment", name), manifests).items():
            for scheme in ("dns:///", "https://"):
                host, _, port = value.removeprefix(scheme).partition(":")
                if not value.startswith(scheme) or "," in value or not port.isdecimal() or "." in host:
                    continue
                service = manifests.find("Service", host)
                if service is None:
                    yield f"{name}: {variable} is {value}, and there is no Service {host}"
                elif service["spec"].get("clusterIP") != "None":
                    yield f"{name}: {variable} is {value}, one address for all replicas"
                elif int(port) not in [each["port"] for each in service["spec"]["ports"]]:
                    yield f"{name}: {variable} is {value}, which is no port of the Service"


def references(manifests: Manifests, documented: Mapping[str, frozenset[str]]) -> Iterator[str]:
    """Every ConfigMap, Secret and certificate that is named exists, is documented, or is made by a Certificate."""
    generated = {each["metadata"]["name"]: frozenset(each["data"]) for each in manifests.of("Secret")}
    issued = {each["spec"]["secretName"]: TLS_FILES for each in manifests.of("Certificate")}
    known = {**documented, **OPTIONAL, **issued, **generated}
    for workload in manifests.workloads():
        spec, whose = pod_of(workload)["spec"], name_of(workload)
        for container in spec["containers"]:
            for source in container.get("envFrom", ()):
                if "configMapRef" not in source or manifests.find("ConfigMap", source["configMapRef"]["name"]) is None:
                    yield f"{whose}: takes its environment from {source}, which is not here"
            for variable in container.get("env", ()):
                if "secretKeyRef" in variable.get("valueFrom", {}):
                    yield f"{whose}: {variable['name']} is a secret in the environment, which too many tools show"
            mounted = {mount["name"] for mount in container.get("volumeMounts", ())}
            declared = {volume["name"] for volume in spec.get("volumes", ())}
            claimed = {each["metadata"]["name"] for each in workload["spec"].get("volumeClaimTemplates", ())}
            if mounted != declared | claimed:
                yield f"{whose}: mounts {sorted(mounted)} of {sorted(declared | claimed)}"
        for volume in spec.get("volumes", ()):
            if "configMap" in volume and manifests.find("ConfigMap", volume["configMap"]["name"]) is None:
                yield f"{whose}: there is no ConfigMap {volume['configMap']['name']}"
            secret = volume.get("secret", {})
            if secret and secret["secretName"] not in known:
                yield f"{whose}: nothing tells of the Secret {secret['secretName']}"
            if secret and secret.get("defaultMode", 0o644) & 0o007:
                yield f"{whose}: everybody in the pod may read {secret['secretName']}"


def certificates(manifests: Manifests) -> Iterator[str]:
    """Each part, and nobody else, has a certificate that names it twice, that is short-lived, and that is its own."""
    own = {
        each["metadata"]["name"]: each["spec"] for each in manifests.of("Certificate") if not each["spec"].get("isCA")
    }
    if set(own) != parts():
        yield f"certificates are made for {sorted(own)}, and the parts are {sorted(parts())}"
    for name, spec in own.items():
        if spec.get("dnsNames") != [name] or spec.get("uris") != [f"spiffe://furlong/{name}"]:
            yield f"{name}: its certificate names {spec.get('dnsNames')} and {spec.get('uris')}"
        if not {"server auth", "client auth"} <= set(spec.get("usages", ())):
            yield f"{name}: its certificate is not for both sides of a connection"
        if seconds(spec["duration"]) > 7 * 24 * 3_600:
            yield f"{name}: its certificate lives for {spec['duration']}"
        if not seconds(spec["duration"]) / 4 <= seconds(spec["renewBefore"]) <= seconds(spec["duration"]) / 2:
            yield f"{name}: its certificate is renewed {spec['renewBefore']} before it ends"
        if spec["privateKey"].get("rotationPolicy") != "Always":
            yield f"{name}: its key outlives its certificate"
        deployment = manifests.find("Deployment", name)
        mounts = (
            [volume.get("secret", {}).get("secretName") for volume in pod_of(deployment)["spec"]["volumes"]]
            if deployment
            else []
        )
        if spec["secretName"] not in mounts:
            yield f"{name}: does not have its certificate"
        others = {other["secretName"] for part, other in own.items() if part != name}
        if others & set(mounts):
            yield f"{name}: has the certificate of another part"
        issuer = manifests.find(spec["issuerRef"]["kind"], spec["issuerRef"]["name"])
        if issuer is None:
            yield f"{name}: there is no {spec['issuerRef']['kind']} {spec['issuerRef']['name']}"


def room(manifests: Manifests) -> Iterator[str]:
    """What is set fits into what there is: memory of pods, connections of the database."""

    def memory(name: str) -> int:
        container = pod_of(manifests.one("Deployment", name))["spec"]["containers"][0]
        return bytes_of(container["resources"]["limits"]["memory"])

    def config(name: str, variable: str) -> int:
        environment = environment_of(manifests.one("Deployment", name), manifests)
        defaults = {each.env: default for each, default in settings(CONFIGS[name])}
        return int((defaults | environment)[variable])

    if 2 * config("cache", "CACHE_BYTES_MAX") > memory("cache"):
        yield "cache: its entries take more than half of its memory"
    kept = config("metrics", "TRACES_BYTES_MAX") + config("metrics", "METRICS_FORWARD_BYTES_MAX")
    if 2 * kept > memory("metrics"):
        yield "metrics: what it keeps takes more than half of its memory"
    heap_bytes_max: Any = GatewaySettings.__dataclass_fields__["heap_bytes_max"].default
    if memory("gateway") < 1.25 * heap_bytes_max:
        yield "gateway: the kernel ends it before it refuses calls by itself"
    scaler = manifests.find("HorizontalPodAutoscaler", "persist")
    cluster = manifests.find("Cluster", "postgresql")
    if scaler is not None and cluster is not None:
        budgets = ("DB_POOL_MAX", "DB_GENERAL_MAX", "DB_TRANSITIONS_MAX", "DB_LEASES_MAX", "WRITER_LANES")
        each = sum(config("persist", budget) for budget in budgets)
        most = (int(scaler["spec"]["maxReplicas"]) + 1) * each
        if most > 0.8 * int(cluster["spec"]["postgresql"]["parameters"]["max_connections"]):
            yield f"persist: its replicas may want {most} connections"


def load_figures(manifests: Manifests, rules: Mapping[str, Any]) -> Iterator[str]:
    """The figures that are scaled by are told by the adapter's rules, from gauges that the services export."""
    told = {rule["name"]["as"]: rule["seriesQuery"].partition("{")[0] for rule in rules["rules"]}
    exported = {metric.name.replace(".", "_") for metric in (*shared_names.METRICS, *persist_names.METRICS)}
    for figure, series in told.items():
        if series not in exported:
            yield f"{figure}: no service exports {series}"
    for scaler in manifests.of("HorizontalPodAutoscaler"):
        for metric in scaler["spec"]["metrics"]:
            if metric["type"] == "Pods" and metric["pods"]["metric"]["name"] not in told:
                yield f"{name_of(scaler)}: nobody tells {metric['pods']['metric']['name']}"
