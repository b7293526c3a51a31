"""Every object against the schema of its kind, of a Kubernetes that is current; unknown fields are errors."""

from collections.abc import Iterator

import kubernetes_validate

from tests.kubernetes.objects import Manifests, name_of

KUBERNETES = "1.37"


def schemas(manifests: Manifests) -> Iterator[str]:
    """What is wrong with the objects of Kubernetes itself."""
    for each in manifests.objects:
        if not is_custom(each["apiVersion"]):
            try:
                kubernetes_validate.validate(each, KUBERNETES, strict=True)
            except kubernetes_validate.ValidationError as error:
                yield f"{name_of(each)}: {'.'.join(map(str, error.path))}: {error.message}"


def is_custom(api_version: str) -> bool:
    """Tell whether a kind comes from a CustomResourceDefinition."""
    group = api_version.partition("/")[0] if "/" in api_version else ""
    return "." in group and (not group.endswith(".k8s.io") or group == "gateway.networking.k8s.io")
