"""Debian's packages: installed where a program is needed, unpacked where only its files are.

Only what APT itself reaches is used, with APT's own check of signatures.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from deploy.engine.docker import EngineMissing

POLICY = Path("/usr/sbin/policy-rc.d")
NO_SERVICE_STARTS = "#!/bin/sh\nexit 101\n"
NEWER_RELEASE = "trixie"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
APT_TIMEOUT_S = 300.0
TAIL_CHARACTERS = 1_000


def require_debian(codename: str = "bookworm") -> None:
    """Raises EngineMissing where we are not root on that release of Debian, whose packages are known to fit."""
    if os.geteuid() != 0:
        raise EngineMissing("no engine answers, and only root can install and start one")
    release = Path("/etc/os-release")
    if not (release.exists() and f"VERSION_CODENAME={codename}" in release.read_text().splitlines()):
        raise EngineMissing(f"no engine answers, and only on Debian {codename} is it known how to have one")


def install(*packages: str) -> None:
    """Install packages without starting the services that they bring. Raises EngineMissing where APT cannot."""
    with _no_services_start():
        command = ("install", "--yes", "--no-install-recommends", *packages)
        try:
            _apt(*command)
        except EngineMissing:  # the lists are missing or old
            _apt("update")
            _apt(*command)


def unpack(packages: Sequence[str], root: Path, cache: Path) -> None:
    """Put the files of packages below `root`, without running what they bring. Downloads stay in `cache`."""
    cache.mkdir(parents=True, exist_ok=True)
    missing = [package for package in packages if not list(cache.glob(f"{package}_*.deb"))]
    if missing:
        try:
            _apt("download", *missing, cwd=cache)
        except EngineMissing:
            _apt("update")
            _apt("download", *missing, cwd=cache)
    root.mkdir(parents=True, exist_ok=True)
    for package in packages:
        (archive,) = cache.glob(f"{package}_*.deb")
        _run("dpkg-deb", "--extract", str(archive), str(root))


def unpack_newer(package: str, root: Path, state: Path) -> None:
    """The same for one package of the next release of Debian, from the mirror that APT has for this one."""
    lists = state / "lists"
    (lists / "partial").mkdir(parents=True, exist_ok=True)
    source = state / f"{NEWER_RELEASE}.list"
    source.write_text(f"deb [signed-by={KEYRING}] {_mirror()} {NEWER_RELEASE} main\n")
    options = [
        *("-o", f"Dir::State::lists={lists}", "-o", f"Dir::Etc::sourcelist={source}", "-o", "Dir::Etc::sourceparts=-"),
        *("-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache=", "-o", "Acquire::Languages=none"),
    ]
    _apt("update", *options)
    _apt("download", *options, package, cwd=state)
    (archive,) = state.glob(f"{package}_*.deb")
    _run("dpkg-deb", "--extract", str(archive), str(root))


def _mirror() -> str:
    """The mirror that serves this release of Debian itself, not its security updates."""
    known = _run("apt-get", "indextargets", "--format", "$(ORIGIN)|$(LABEL)|$(REPO_URI)", "Created-By: Packages")
    for line in known.splitlines():
        origin, label, address = line.split("|", 2)
        if (origin, label) == ("Debian", "Debian"):
            return address
    raise EngineMissing("APT knows no mirror of Debian")


@contextmanager
def _no_services_start() -> Iterator[None]:
    """Keep packages from starting their services while they are installed; ours are started by us, as we want them."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text(NO_SERVICE_STARTS)
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()


def _apt(*arguments: str, cwd: Path | None = None) -> None:
    _run("apt-get", "--quiet", "--quiet", "-o", "APT::Sandbox::User=root", *arguments, cwd=cwd)


def _run(*command: str, cwd: Path | None = None) -> str:
    if shutil.which(command[0]) is None:
        raise EngineMissing(f"the command `{command[0]}` is not installed")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=APT_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired as late:
        raise EngineMissing(f"{' '.join(command[:6])} took longer than {APT_TIMEOUT_S:.0f} s") from late
    if done.returncode != 0:
        raise EngineMissing(f"{' '.join(command)} failed: {(done.stderr or done.stdout)[-TAIL_CHARACTERS:].strip()}")
    return done.stdout
