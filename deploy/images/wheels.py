"""The wheels that images are made of: fetched before a build, so that a build asks no network."""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "requirements" / "images.lock"
FOLDER = ROOT / "build" / "wheels"
PYTHON_VERSION = "3.11"
"""The Python of the base images, whatever Python this is."""
GLIBC_MINORS = (36, 34, 31, 28, 26, 24, 17)
"""glibc 2.36 is what the base images have; wheels for older ones run there too."""


class WheelsMissing(RuntimeError):
    """A locked wheel could not be had, or is not the one that was locked."""


def fetch(folder: Path = FOLDER, lock: Path = LOCK) -> Path:
    """Have the locked wheels, and nothing else, in the folder; each is checked against its hash. Raises WheelsMissing.

    Does nothing when they are there for this very lock.
    """
    state = folder / "fetched-for"
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
    if state.exists() and state.read_text() == wanted:
        return folder
    fresh = folder.with_name(folder.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    command = [
        *(sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "download", "--quiet"),
        *("--require-hashes", "--no-deps", "--only-binary", ":all:", "--requirement", str(lock), "--dest", str(fresh)),
        *("--implementation", "cp", "--python-version", PYTHON_VERSION),
        *(word for abi in ("cp311", "abi3", "none") for word in ("--abi", abi)),
        *(word for tag in _platforms() for word in ("--platform", tag)),
    ]
    done = subprocess.run(command, env=dict(os.environ), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise WheelsMissing(f"pip could not fetch the wheels of {lock.name}: {done.stderr.strip()[-2_000:]}")
    (fresh / state.name).write_text(wanted)
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)
    return folder


def _platforms() -> list[str]:
    machine = platform.machine()
    return [*(f"manylinux_2_{minor}_{machine}" for minor in GLIBC_MINORS), f"manylinux2014_{machine}", "any"]
