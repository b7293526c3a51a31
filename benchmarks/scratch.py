"""Where benchmarks keep what they throw away."""

from tempfile import TemporaryDirectory

from benchmarks.apart import ROOT


def scratch_folder() -> "TemporaryDirectory[str]":
    """An empty folder that goes with its block, on the disk of the checkout: the system's own place for temporary
    files may be kept in memory, where nothing is durable and every commit is cheap."""
    parent = ROOT / ".furlong"
    parent.mkdir(exist_ok=True)
    return TemporaryDirectory(prefix="benchmark-", dir=parent)
