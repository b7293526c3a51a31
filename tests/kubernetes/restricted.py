"""The profile "restricted" of the Pod Security Standards, rule by rule, and what this project wants besides.

Each rule has the name that the standard gives it and yields what breaks it, as a sentence that names the object.
https://kubernetes.io/docs/concepts/security/pod-security-standards/
"""

from collections.abc import Iterator

from tests.kubernetes.objects import Manifests, Object, containers_of, name_of, pod_of

VOLUMES = frozenset(
    ("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret")
)
SECCOMP = ("RuntimeDefault", "Localhost")
SYSCTLS = frozenset(
    (
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.ping_group_range",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_wmem",
    )
)
SELINUX_TYPES = frozenset(("", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"))


def restricted(manifests: Manifests) -> Iterator[str]:
    """Everything that the admission of a namespace under "restricted" would refuse."""
    for workload in manifests.workloads():
        for problem in (*_baseline(workload), *_restricted(workload)):
            yield f"{name_of(workload)}: {problem}"


def _baseline(workload: Object) -> Iterator[str]:
    spec = pod_of(workload)["spec"]
    pod_context = spec.get("securityContext", {})
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(field):
            yield f"Host Namespaces: {field} is on"
    for volume in spec.get("volumes", ()):
        if "hostPath" in volume:
            yield f"HostPath Volumes: {volume['name']} is a folder of the node"
    for sysctl in pod_context.get("sysctls", ()):
        if sysctl["name"] not in SYSCTLS:
            yield f"Sysctls: {sysctl['name']} is not a safe one"
    for container in containers_of(workload):
        context = container.get("securityContext", {})
        if context.get("privileged"):
            yield f"Privileged Containers: {container['name']} is privileged"
        if context.get("procMount", "Default") != "Default":
            yield f"/proc Mount Type: {container['name']} sees more of /proc"
        if any(port.get("hostPort") for port in container.get("ports", ())):
            yield f"Host Ports: {container['name']} takes a port of the node"
    for context in (pod_context, *(container.get("securityContext", {}) for container in containers_of(workload))):
        selinux = context.get("seLinuxOptions", {})
        if selinux.get("type", "") not in SELINUX_TYPES or selinux.get("user") or selinux.get("role"):
            yield "SELinux: a user, a role or a type that is not for containers"
        if context.get("appArmorProfile", {}).get("type", "RuntimeDefault") == "Unconfined":
            yield "AppArmor: unconfined"
        if context.get("windowsOptions", {}).get("hostProcess"):
            yield "HostProcess: runs as a process of the node"


def _restricted(workload: Object) -> Iterator[str]:
    spec = pod_of(workload)["spec"]
    pod_context = spec.get("securityContext", {})
    for volume in spec.get("volumes", ()):
        kinds = set(volume) - {"name"}
        if not kinds <= VOLUMES:
            yield f"Volume Types: {volume['name']} is of the kind {', '.join(sorted(kinds - VOLUMES))}"
    for container in containers_of(workload):
        name, context = container["name"], container.get("securityContext", {})
        if context.get("allowPrivilegeEscalation") is not False:
            yield f"Privilege Escalation: {name} may gain rights"
        if context.get("runAsNonRoot", pod_context.get("runAsNonRoot")) is not True:
            yield f"Running as Non-root: {name} may run as root"
        if context.get("runAsUser", pod_context.get("runAsUser")) == 0:
            yield f"Running as Non-root user: {name} runs as user 0"
        profile = context.get("seccompProfile", pod_context.get("seccompProfile", {}))
        if profile.get("type") not in SECCOMP:
            yield f"Seccomp: {name} has no profile"
        capabilities = context.get("capabilities", {})
        if "ALL" not in capabilities.get("drop", ()):
            yield f"Capabilities: {name} keeps some"
        if not set(capabilities.get("add", ())) <= {"NET_BIND_SERVICE"}:
            yield f"Capabilities: {name} takes some"


def own_rules(manifests: Manifests) -> Iterator[str]:
    """What we want of every pod besides: nothing to write to, no token, no surprise in its environment, bounds."""
    for workload in manifests.workloads():
        spec, whose = pod_of(workload)["spec"], name_of(workload)
        if spec.get("automountServiceAccountToken") is not False:
            yield f"{whose}: its pods have a token for the Kubernetes API"
        if spec.get("enableServiceLinks") is not False:
            yield f"{whose}: Services write variables into its environment"
        account = manifests.find("ServiceAccount", spec.get("serviceAccountName", "default"))
        if account is None:
            yield f"{whose}: it has no account of its own"
        elif account.get("automountServiceAccountToken") is not False:
            yield f"{whose}: its account hands out tokens"
        if not isinstance(spec.get("securityContext", {}).get("runAsUser"), int):
            yield f"{whose}: its user is no number"
        for container in containers_of(workload):
            if not container.get("securityContext", {}).get("readOnlyRootFilesystem"):
                yield f"{whose}: {container['name']} may write to its image"
            for kind in ("requests", "limits"):
                given = container.get("resources", {}).get(kind, {})
                for what in ("cpu", "memory", "ephemeral-storage"):
                    if what not in given:
                        yield f"{whose}: {container['name']} has no {what} in its {kind}"
            yield from (f"{whose}: {problem}" for problem in image(container["image"]))
    for cluster in manifests.of("Cluster"):
        yield from (f"{name_of(cluster)}: {problem}" for problem in image(cluster["spec"]["imageName"]))


def image(reference: str) -> Iterator[str]:
    """What is wrong with the name of an image."""
    name, _, digest = reference.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    if not tag and not digest:
        yield f"the image {reference} has neither tag nor digest"
    if tag == "latest":
        yield f"the image {reference} is whatever is latest"
    if digest and not (digest.startswith("sha256:") and len(digest) == len("sha256:") + 64):
        yield f"the image {reference} has a digest that is none"


def namespace(manifests: Manifests) -> Iterator[str]:
    """The namespace enforces "restricted", of a named version; and everything is in it."""
    for each in manifests.of("Namespace"):
        for mode in ("enforce", "audit", "warn"):
            if each["metadata"]["labels"].get(f"pod-security.kubernetes.io/{mode}") != "restricted":
                yield f"{name_of(each)}: does not {mode} the profile restricted"
            if each["metadata"]["labels"].get(f"pod-security.kubernetes.io/{mode}-version", "latest") == "latest":
                yield f"{name_of(each)}: the profile to {mode} changes with the cluster"
    spaces = {each["metadata"]["name"] for each in manifests.of("Namespace")}
    for each in manifests.objects:
        if each["kind"] != "Namespace" and each["metadata"].get("namespace") not in spaces:
            yield f"{name_of(each)}: is in the namespace {each['metadata'].get('namespace')}"
