"""The ticking peer is installed from what the repository pins, or it is said why not."""

import shutil
from pathlib import Path

import pytest

from benchmarks.peers import ticking_server
from benchmarks.peers.ticking_server import SOURCE, PeerMissing
from benchmarks.watch import Peer
from benchmarks.watchers import Watch

LIVE = Watch(target="", request="", watchers=1, warmup_s=0.0, seconds=0.0)


@pytest.mark.parametrize("missing", ["node", "npm"])
async def test_a_machine_without_node_or_npm_leaves_the_figure_out_and_says_so(
    missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None if name == missing else f"/bin/{name}")
    peer = Peer(tmp_path, seconds=1.0)

    await peer.measure(LIVE, frame="")
    (figure,) = peer.figures([1.0])

    assert (figure.key, figure.spread, figure.note) == ("cpu_vs_ticking", None, f"no {missing} here")


async def test_a_failed_install_is_told_with_its_status(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, status in (("node", 0), ("npm", 7)):
        (programs / name).write_text(f"#!/bin/sh\nexit {status}\n")
        (programs / name).chmod(0o700)
    monkeypatch.setenv("PATH", str(programs))

    with pytest.raises(PeerMissing, match="status 7"):
        await ticking_server.install(tmp_path, state="{}")


def test_the_lock_pins_content_and_no_registry() -> None:
    lock = (SOURCE / "package-lock.json").read_text()

    assert '"integrity": "sha512-' in lock
    assert "://" not in lock
