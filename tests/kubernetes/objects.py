"""Rendered manifests as they are asked about: by kind, by name, down to the pod that a workload makes."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

Object: TypeAlias = dict[str, Any]

NAME = "app.kubernetes.io/name"
PART_OF = "app.kubernetes.io/part-of"
POD_KINDS = ("Deployment", "StatefulSet", "DaemonSet", "Job")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifests:
    """What an overlay renders to."""

    objects: Sequence[Object]

    def of(self, *kinds: str) -> Iterator[Object]:
        """The objects of some kinds."""
        return (each for each in self.objects if each["kind"] in kinds)

    def one(self, kind: str, name: str) -> Object:
        """The one object of a kind with a name. Raises LookupError."""
        found = [each for each in self.of(kind) if each["metadata"]["name"] == name]
        if len(found) != 1:
            raise LookupError(f"{len(found)} {kind}s are called {name}")
        return found[0]

    def find(self, kind: str, name: str) -> Object | None:
        """The object of a kind with a name, if there is one."""
        return next((each for each in self.of(kind) if each["metadata"]["name"] == name), None)

    def workloads(self) -> Iterator[Object]:
        """Everything that makes pods."""
        return self.of(*POD_KINDS)


def name_of(each: Object) -> str:
    """The name of an object, with its kind."""
    return f"{each['kind']}/{each['metadata']['name']}"


def pod_of(workload: Object) -> Object:
    """The template of the pods that a workload makes."""
    template: Object = workload["spec"]["template"]
    return template


def containers_of(workload: Object) -> Iterator[Object]:
    """Every container of a workload's pods, those that run before the others included."""
    spec = pod_of(workload)["spec"]
    yield from spec.get("initContainers", ())
    yield from spec["containers"]


def labels_of(workload: Object) -> Mapping[str, str]:
    """The labels of a workload's pods."""
    labels: Mapping[str, str] = pod_of(workload)["metadata"]["labels"]
    return labels


def selects(selector: Object, labels: Mapping[str, str]) -> bool:
    """Tell whether a label selector takes these labels in."""
    wanted = selector.get("matchLabels", {}).items()
    if any(labels.get(key) != value for key, value in wanted):
        return False
    return all(_meets(each, labels) for each in selector.get("matchExpressions", ()))


def _meets(expression: Object, labels: Mapping[str, str]) -> bool:
    value = labels.get(expression["key"])
    match expression["operator"]:
        case "In":
            return value in expression["values"]
        case "NotIn":
            return value not in expression["values"]
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case other:
            raise ValueError(f"{other} is no operator of a label selector")


def environment_of(workload: Object, manifests: Manifests) -> dict[str, str]:
    """The environment of a workload's first container. What the kubelet fills in has a made-up value."""
    container = pod_of(workload)["spec"]["containers"][0]
    environment: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        environment |= manifests.one("ConfigMap", source["configMapRef"]["name"])["data"]
    for variable in container.get("env", ()):
        if "value" in variable:
            environment[variable["name"]] = _expanded(variable["value"], environment)
        else:
            environment[variable["name"]] = f"the {variable['valueFrom']['fieldRef']['fieldPath']}"
    return environment


def _expanded(value: str, environment: Mapping[str, str]) -> str:
    for name, known in environment.items():
        value = value.replace(f"$({name})", known)
    return value


def seconds(duration: str) -> int:
    """Read a duration as Go writes it, like 24h0m0s."""
    units = {"h": 3_600, "m": 60, "s": 1}
    total, number = 0, ""
    for character in duration:
        if character.isdecimal():
            number += character
        else:
            total += int(number) * units[character]
            number = ""
    return total


def bytes_of(quantity: str) -> int:
    """Read a quantity of memory, like 512Mi."""
    for suffix, factor in (("Ki", 2**10), ("Mi", 2**20), ("Gi", 2**30), ("k", 10**3), ("M", 10**6), ("G", 10**9)):
        if quantity.endswith(suffix):
            return int(quantity.removesuffix(suffix)) * factor
    return int(quantity)


def told(problems: Iterable[str]) -> str:
    """Problems as a test shows them, one a line."""
    return "\n".join(problems)
