"""Every object against the schema of its kind, of a Kubernetes that is current; unknown fields are errors.

The schemas are those that the package kubernetes-validate carries, made from Kubernetes' own OpenAPI. It reads all of
them anew for every object, so they are read here, once.
"""

import json
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from tests.kubernetes.objects import Manifests, Object, name_of

KUBERNETES = "1.37"


def schemas(manifests: Manifests) -> Iterator[str]:
    """What is wrong with the objects of Kubernetes itself."""
    for each in manifests.objects:
        if not is_custom(each["apiVersion"]):
            for error in _validator(_file(each)).iter_errors(each):
                yield f"{name_of(each)}: {'.'.join(map(str, error.absolute_path))}: {error.message}"


def is_custom(api_version: str) -> bool:
    """Tell whether a kind comes from a CustomResourceDefinition."""
    group = api_version.partition("/")[0] if "/" in api_version else ""
    return "." in group and (not group.endswith(".k8s.io") or group == "gateway.networking.k8s.io")


def _file(each: Object) -> str:
    """The schema's name: deployment-apps-v1, networkpolicy-networking-v1, service-v1."""
    group, _, version = each["apiVersion"].rpartition("/")
    return "-".join(filter(None, (each["kind"].lower(), group.partition(".")[0], version)))


@cache
def _validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(_schema(name), registry=_definitions())


@cache
def _definitions() -> "Registry[Any]":
    return Resource.from_contents(_schema("_definitions")) @ Registry()


def _schema(name: str) -> Any:
    folder = files("kubernetes_validate") / "kubernetes-json-schema" / f"v{KUBERNETES}.0-local-strict"
    return json.loads((folder / f"{name}.json").read_text())
