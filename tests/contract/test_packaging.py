"""What outside users install: the wheel and the editable install hold the contracts and the client, nothing else."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOOK = """
import furlong.client, furlong.game.v1.ticket_service_pb2 as wire
from furlong.client.cards import read_cards, shipped_cards
print(furlong.client.__file__); print(wire.__file__); print(len(read_cards(shipped_cards()).cards))
"""


def python(*arguments: str, cwd: Path, path: str = "") -> list[str]:
    """Run the interpreter of the tests away from the source tree; the lines that it prints."""
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | {"PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    python("-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder), cwd=ROOT)
    (built,) = folder.glob("furlong-*.whl")
    return built


def test_the_wheel_holds_contracts_and_client_only(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    packages = {"/".join(name.split("/")[:2]) for name in names if ".dist-info/" not in name}
    contracts = {f"furlong/{folder.name}" for folder in (ROOT / "gen" / "furlong").iterdir()}
    assert packages == {"furlong/client", *contracts}
    assert "furlong/__init__.py" not in names


def test_an_installed_wheel_imports_and_has_its_data_and_its_command(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    pip = ("-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps", "--no-index")
    python(*pip, "--target", str(site), str(wheel), cwd=tmp_path)
    client, wire, cards = python("-c", LOOK, cwd=tmp_path, path=str(site))
    assert Path(client).is_relative_to(site)
    assert Path(wire).is_relative_to(site)
    assert int(cards) > 0
    assert (site / "bin" / "furlong").exists()


def test_the_editable_install_is_the_source_tree(tmp_path: Path) -> None:
    client, wire, _ = python("-c", LOOK, cwd=tmp_path)
    assert Path(client).is_relative_to(ROOT / "client")
    assert Path(wire).is_relative_to(ROOT / "gen")
