"""A real kubectl for rendering, unpacked from Debian's package into a folder of its own; nothing is installed.

The package comes from the mirror that the machine has its own packages from, signed by Debian, of a pinned version.
Where there is no apt, a `kubectl` or `kustomize` on PATH serves.
"""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import yaml

from tests.kubernetes.objects import Manifests

VERSION = "1.32.3+ds-2"
"""With kustomize 5.5.0 in it; what it renders is checked against a newer Kubernetes (schemas.py). A mend by Debian,
which puts something behind the version, is as good."""
SUITE = "trixie"
MIRROR = "http://deb.debian.org/debian"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
SOURCES = (Path("/etc/apt/sources.list"), Path("/etc/apt/sources.list.d/debian.sources"))
DOWNLOAD_TIMEOUT_S = 150
RENDER_TIMEOUT_S = 60


class NoKubectl(Exception):
    """There is no kubectl, and none to be had; the message says why."""


class RenderFailed(Exception):
    """kubectl does not render a folder; the message is what it said."""


def kubectl() -> Sequence[str]:
    """The command that renders a folder that follows it. Raises NoKubectl."""
    try:
        return str(_unpacked()), "kustomize"
    except (NoKubectl, OSError, subprocess.SubprocessError) as why:
        if found := shutil.which("kubectl"):
            return found, "kustomize"
        if found := shutil.which("kustomize"):
            return found, "build"
        said = getattr(why, "stderr", None) or str(why)
        raise NoKubectl(f"no kubectl on PATH, and Debian's is not to be had: {said.strip()[-400:]}") from why


def render(command: Sequence[str], folder: Path) -> Manifests:
    """Everything that a kustomization makes. Raises RenderFailed."""
    done = subprocess.run(
        [*command, str(folder)], capture_output=True, text=True, timeout=RENDER_TIMEOUT_S, check=False
    )
    if done.returncode or done.stderr.strip():
        raise RenderFailed(done.stderr)
    return Manifests(objects=tuple(yaml.safe_load_all(done.stdout)))


def _unpacked() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "furlong"
    program = cache / f"kubectl-{VERSION}"
    if program.exists():
        return program
    for needed in ("apt-get", "dpkg-deb"):
        if shutil.which(needed) is None:
            raise NoKubectl(f"there is no {needed}")
    if not KEYRING.exists():
        raise NoKubectl("Debian's keys are not here (package debian-archive-keyring)")
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        _download(Path(folder))
        (package,) = Path(folder).glob("kubectl_*.deb")
        _run(["dpkg-deb", "--extract", str(package), f"{folder}/root"])
        (Path(folder) / "root" / "usr" / "bin" / "kubectl").replace(program)
    return program


def _download(folder: Path) -> None:
    """Fetch the package into a folder, by an apt that knows nothing but this folder."""
    for name in ("lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True)
    sources = folder / "debian.list"
    sources.write_text(f"deb [signed-by={KEYRING}] {_mirror()} {SUITE} main\n")
    options = {
        "Dir::Etc::sourcelist": sources,
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::preferencesparts": "/dev/null",
        "Dir::State::lists": folder / "lists",
        "Dir::Cache": folder / "cache",
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
    }
    apt = ["apt-get", "--quiet", *(f"--option={name}={value}" for name, value in options.items())]
    _run([*apt, "update"], folder)
    _run([*apt, "download", f"kubectl={VERSION}*"], folder)


def _mirror() -> str:
    """Where the machine has its own packages from, if that is Debian's archive."""
    for file in SOURCES:
        if file.exists():
            for address in re.findall(
                r"(?:^URIs: *|^deb (?:\[.*?\] )?)(\S+/debian)/?\s", file.read_text(), re.MULTILINE
            ):
                return str(address)
    return MIRROR


def _run(command: Sequence[str], folder: Path | None = None) -> None:
    subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=DOWNLOAD_TIMEOUT_S, check=True)
