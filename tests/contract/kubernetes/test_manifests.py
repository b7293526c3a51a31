"""The manifests of every overlay, as kubectl renders them, are in order: for Kubernetes and for each other."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.images.bases import read as read_bases
from deploy.kubernetes import gateway
from tests.contract.kubernetes.conftest import KUBERNETES, Render
from tests.kubernetes import kubectl, restricted, rollouts, wiring
from tests.kubernetes.custom import custom
from tests.kubernetes.network import network
from tests.kubernetes.objects import Manifests, containers_of, environment_of, pod_of, told
from tests.kubernetes.schemas import schemas


def test_every_object_has_the_form_that_kubernetes_knows(manifests: Manifests) -> None:
    assert told(schemas(manifests)) == ""


def test_every_object_of_another_kind_has_the_form_of_its_kind(rendered: Render, packages: Path) -> None:
    """Those of the production overlay; the local one has no other kinds."""
    assert told(custom(rendered("production"), packages)) == ""


def test_every_pod_is_admitted_under_the_restricted_profile(manifests: Manifests) -> None:
    assert told(restricted.restricted(manifests)) == ""


def test_the_namespace_enforces_the_restricted_profile(manifests: Manifests) -> None:
    assert told(restricted.namespace(manifests)) == ""


def test_every_pod_has_bounds_and_no_token_and_a_pinned_image(manifests: Manifests) -> None:
    assert told(restricted.own_rules(manifests)) == ""


def test_a_new_version_comes_before_the_old_one_goes_and_drains(manifests: Manifests) -> None:
    assert told(rollouts.rollouts(manifests)) == ""


def test_the_kubelet_asks_for_health_where_it_is_told(manifests: Manifests) -> None:
    assert told(rollouts.probes(manifests)) == ""


@pytest.mark.parametrize("overlay", ["production", "everything"])
def test_replicas_budgets_scaling_and_spread_agree(rendered: Render, overlay: str) -> None:
    assert told(rollouts.replicas(rendered(overlay))) == ""


def test_services_lead_to_their_parts(manifests: Manifests) -> None:
    assert told(rollouts.selectors(manifests)) == ""


def test_every_edge_has_its_policies_and_every_policy_its_edge(rendered: Render) -> None:
    assert told(network(rendered("everything"))) == ""


@pytest.mark.parametrize("overlay", ["local", "production"])
def test_only_edges_of_optional_parts_are_left_out(rendered: Render, overlay: str) -> None:
    left_out = {"game-to-beacon-out"} | ({"metrics-to-collector-out"} if overlay == "local" else set())
    assert set(network(rendered(overlay))) == {f"there is no NetworkPolicy {name}" for name in left_out}


def test_every_service_takes_the_settings_of_its_deployment(
    manifests: Manifests, secret_folders: Mapping[str, Path]
) -> None:
    assert told(wiring.configured(manifests, secret_folders)) == ""


def test_ports_and_addresses_are_those_of_the_settings(manifests: Manifests) -> None:
    assert told((*wiring.ports(manifests), *wiring.addresses(manifests))) == ""


def test_whatever_is_named_is_there(manifests: Manifests, documented: Mapping[str, frozenset[str]]) -> None:
    assert told(wiring.references(manifests, documented)) == ""


def test_every_part_has_a_short_lived_certificate_of_its_own(manifests: Manifests) -> None:
    assert told(wiring.certificates(manifests)) == ""


def test_what_is_set_fits_into_what_there_is(manifests: Manifests) -> None:
    assert told(wiring.room(manifests)) == ""


def test_replicas_are_scaled_by_figures_that_somebody_tells(rendered: Render, adapter_rules: Mapping[str, Any]) -> None:
    assert told(wiring.load_figures(rendered("production"), adapter_rules)) == ""


def test_the_overlays_make_no_secret_but_the_local_one(rendered: Render) -> None:
    assert [each["metadata"]["name"] for each in rendered("production").of("Secret")] == []
    assert len(list(rendered("local").of("Secret"))) == 7


def test_no_secret_is_committed() -> None:
    assert "deploy/kubernetes/overlays/local/secrets/" in (KUBERNETES.parents[1] / ".gitignore").read_text()


def test_a_changed_setting_changes_the_pods(command: Sequence[str], tree: Path) -> None:
    """By the name of the ConfigMap, so that a rollout begins."""
    file = tree / "base" / "settings" / "game.env"
    before = file.read_text()
    first = kubectl.render(command, tree / "overlays" / "production").one("Deployment", "game")
    try:
        file.write_text(before + "QUOTE_HOLD_MS=6000\n")
        second = kubectl.render(command, tree / "overlays" / "production").one("Deployment", "game")
    finally:
        file.write_text(before)
    assert pod_of(first) != pod_of(second)


def test_the_gateways_files_are_made_of_the_one_template() -> None:
    kept = {file.name: file.read_text() for file in gateway.FOLDER.iterdir()}
    assert kept == gateway.files(), "run python -m deploy.kubernetes.gateway"


def test_images_of_others_are_the_pinned_ones(rendered: Render) -> None:
    pinned = set(read_bases().values())
    used = {
        container["image"]
        for workload in rendered("local").workloads()
        for container in containers_of(workload)
        if not container["image"].startswith("furlong/")
    }
    assert used <= pinned


def test_the_parts_send_their_telemetry_with_the_name_of_their_pod(manifests: Manifests) -> None:
    for name in wiring.CONFIGS:
        attributes = environment_of(manifests.one("Deployment", name), manifests)["OTEL_RESOURCE_ATTRIBUTES"]
        assert attributes == "k8s.namespace.name=the metadata.namespace,k8s.pod.name=the metadata.name"


def test_every_custom_object_is_of_a_kind_that_the_documents_name(manifests: Manifests) -> None:
    text = (KUBERNETES.parents[1] / "docs" / "kubernetes.md").read_text()
    for each in manifests.of("Certificate", "Issuer", "Cluster", "ObjectStore", "ScheduledBackup", "HTTPRoute"):
        assert f"`{each['apiVersion'].partition('/')[0]}`" in text


def test_the_documents_name_every_secret(documented: Mapping[str, frozenset[str]]) -> None:
    text = (KUBERNETES.parents[1] / "docs" / "kubernetes.md").read_text()
    for name, keys in documented.items():
        assert f"`{name}`" in text
        for key in keys:
            assert f"`{key}`" in text


def test_every_yaml_file_belongs_to_an_overlay_or_a_component() -> None:
    named = set()
    for file in KUBERNETES.rglob("kustomization.yaml"):
        content = yaml.safe_load(file.read_text())
        for entry in (*content.get("resources", ()), *content.get("components", ())):
            named.add((file.parent / entry).resolve())
    loose = [
        file.relative_to(KUBERNETES)
        for file in KUBERNETES.rglob("*.yaml")
        if file.name != "kustomization.yaml"
        and file.resolve() not in named
        and file.parent.name not in ("gateway", "metrics-adapter")
    ]
    assert loose == []
