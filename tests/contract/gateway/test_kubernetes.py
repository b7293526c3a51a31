"""What the manifests say of the gateway holds for a real Envoy: it takes its configuration, and its hooks work."""

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from furlong.game.v1 import track_service_pb2

from deploy.gateway.render import DESCRIPTOR_SET
from deploy.kubernetes import gateway
from deploy.local.ports import LOOPBACK, free_port
from deploy.local.programs import ENVOY_IN_WHEEL, ENVOY_WHEEL, Addresses, StackSettings, gateway_part
from tests.contract.gateway.fake_game import Context, FakeGame
from tests.papers import Office

MANIFEST = gateway.FOLDER.parent / "gateway.yaml"
ADMIN = "127.0.0.1:9901"
PYTHON = "/usr/bin/python3"


@pytest.fixture(scope="module")
def container() -> Mapping[str, Any]:
    deployment = next(each for each in yaml.safe_load_all(MANIFEST.read_text()) if each["kind"] == "Deployment")
    found: Mapping[str, Any] = deployment["spec"]["template"]["spec"]["containers"][0]
    return found


@pytest.fixture
def addresses(running_game: FakeGame, tmp_path: Path) -> Iterator[Addresses]:
    """A gateway of the test's own, which may go."""
    (tmp_path / "logs").mkdir()
    places = Addresses(
        gateway=f"{LOOPBACK}:{free_port()}",
        game=f"{LOOPBACK}:{running_game.port}",
        persist="",
        web=f"{LOOPBACK}:{free_port()}",
        envoy_admin=f"{LOOPBACK}:{free_port()}",
        database_url="",
    )
    part = gateway_part(StackSettings(data_dir=tmp_path), places, tmp_path)
    part.start()
    part.wait_ready()
    yield places
    part.stop()


def run(hook: Mapping[str, Any], addresses: Addresses, **changes: str) -> int:
    """Run what the kubelet would, at this Envoy; the exit status."""
    python, *command = hook["exec"]["command"]
    assert python == PYTHON
    for before, after in {ADMIN: addresses.envoy_admin, **changes}.items():
        assert before in command[-1]
        command[-1] = command[-1].replace(before, after)
    return subprocess.run([sys.executable, *command], stderr=subprocess.DEVNULL, timeout=60, check=False).returncode


def test_envoy_takes_the_configuration(container: Mapping[str, Any], tmp_path: Path) -> None:
    papers = Office(tmp_path / "certificates").issue("gateway")
    for file in gateway.FOLDER.iterdir():
        shutil.copy(file, tmp_path)
    for file in (tmp_path / "envoy.yaml", tmp_path / "identity.json", tmp_path / "trusted.json"):
        text = file.read_text()
        for there, here in {
            gateway.DESCRIPTOR_SET: DESCRIPTOR_SET,
            gateway.CERTIFICATES: papers,
            gateway.CONFIGURATION: tmp_path,
        }.items():
            text = text.replace(str(there), str(here))
        file.write_text(text)
    wheel = importlib.util.find_spec(ENVOY_WHEEL)
    assert wheel is not None
    assert wheel.origin is not None
    envoy = Path(wheel.origin).parent / ENVOY_IN_WHEEL
    arguments = [each.replace(str(gateway.CONFIGURATION), str(tmp_path)) for each in container["args"]]
    command = [str(envoy), "--mode", "validate", *arguments]
    checked = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert checked.returncode == 0, checked.stderr[-2_000:]


def test_a_gateway_that_goes_serves_on_and_asks_its_clients_to_connect_anew(
    container: Mapping[str, Any], addresses: Addresses, game: FakeGame
) -> None:
    async def none(request: Any, context: Context) -> track_service_pb2.ListTracksResponse:
        return track_service_pb2.ListTracksResponse()

    game.answers["ListTracks"] = none
    ready, alive = container["readinessProbe"], container["livenessProbe"]
    with httpx.Client(base_url=f"http://{addresses.gateway}", timeout=10, trust_env=False, verify=False) as client:
        assert client.get("/v1/tracks").headers.get("connection") != "close"
        assert [run(ready, addresses), run(alive, addresses)] == [0, 0]

        gone = run(
            container["lifecycle"]["preStop"], addresses, **{"time.sleep(5)": "time.sleep(0)", "time.sleep(25)": ""}
        )

        assert gone == 0
        answer = client.get("/v1/tracks")
        assert answer.status_code == 200
        assert answer.headers["connection"] == "close"
        assert [run(ready, addresses), run(alive, addresses)] == [1, 0]
