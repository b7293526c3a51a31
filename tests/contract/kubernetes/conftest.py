"""The manifests as kubectl renders them, each overlay once."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import yaml

from deploy.kubernetes import secrets
from tests.kubernetes import custom, kubectl
from tests.kubernetes.objects import Manifests

KUBERNETES = Path(__file__).resolve().parents[3] / "deploy" / "kubernetes"
OVERLAYS = ("local", "production", "everything")

Render: TypeAlias = Callable[[str], Manifests]

EVERYTHING = {
    "apiVersion": "kustomize.config.k8s.io/v1beta1",
    "kind": "Kustomization",
    "namespace": "furlong",
    "resources": ["../production"],
    "components": ["../../components/beacon"],
}
"""The production overlay with what it leaves out."""


@pytest.fixture(scope="session")
def command() -> Sequence[str]:
    try:
        return kubectl.kubectl()
    except kubectl.NoKubectl as why:
        pytest.skip(str(why))


@pytest.fixture(scope="session")
def packages() -> Path:
    """The packages that know the kinds of others."""
    try:
        return custom.installed()
    except custom.NoPackages as why:
        pytest.skip(str(why))


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the manifests, with the files of which the local overlay makes its Secrets."""
    folder = tmp_path_factory.mktemp("manifests") / "kubernetes"
    shutil.copytree(KUBERNETES, folder, ignore=shutil.ignore_patterns("secrets", "__pycache__"))
    secrets.make(folder / "overlays" / "local" / "secrets")
    (folder / "overlays" / "everything").mkdir()
    (folder / "overlays" / "everything" / "kustomization.yaml").write_text(yaml.safe_dump(EVERYTHING))
    return folder


@pytest.fixture(scope="session")
def rendered(command: Sequence[str], tree: Path) -> Render:
    kept: dict[str, Manifests] = {}

    def render(overlay: str) -> Manifests:
        if overlay not in kept:
            kept[overlay] = kubectl.render(command, tree / "overlays" / overlay)
        return kept[overlay]

    return render


@pytest.fixture(params=OVERLAYS)
def manifests(request: pytest.FixtureRequest, rendered: Render) -> Manifests:
    return rendered(request.param)


@pytest.fixture(scope="session")
def secret_folders(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """The files of every Secret, by its name: those that the command makes, and stand-ins for those of cert-manager."""
    made = tmp_path_factory.mktemp("secrets")
    secrets.make(made, cloudnative_pg=True)
    (made / "cache" / "redis-url").write_text("rediss://:password@redis.example.com:6379/0\n")
    folders = {f"{part}-keys": made / part for part in ("game", "persist", "cache", "metrics", "migrations")}
    for part in ("game", "persist", "cache", "metrics", "web", "gateway"):
        folders[f"{part}-tls"] = made / f"{part}-tls"
        folders[f"{part}-tls"].mkdir()
        for name in ("tls.crt", "tls.key", "ca.crt"):
            (folders[f"{part}-tls"] / name).write_text("PEM\n")
    return folders


@pytest.fixture(scope="session")
def documented(secret_folders: Mapping[str, Path]) -> Mapping[str, frozenset[str]]:
    """The Secrets that an operator makes, with their keys."""
    return {
        name: frozenset(file.name for file in folder.iterdir())
        for name, folder in secret_folders.items()
        if name.endswith("-keys")
    }


@pytest.fixture(scope="session")
def adapter_rules() -> Mapping[str, Any]:
    rules: Mapping[str, Any] = yaml.safe_load((KUBERNETES / "metrics-adapter" / "rules.yaml").read_text())
    return rules
