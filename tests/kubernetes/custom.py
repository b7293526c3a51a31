"""Objects of kinds that are not Kubernetes' own, against the types and validators that npm packages carry of them.

The packages are installed from their lock into a folder of their own. Two look at each object: the validator made from
the kind's schema, and the compiler of TypeScript, which knows every field of a type and finds one that it has not.
"""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.kubernetes.objects import Manifests
from tests.kubernetes.schemas import is_custom

PACKAGES = Path(__file__).with_name("npm")
INSTALL_TIMEOUT_S = 170
CHECK_TIMEOUT_S = 120
COMPILE = ("--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext", "--moduleResolution", "nodenext")


class NoPackages(Exception):
    """The packages are not to be had; the message says why."""


def installed() -> Path:
    """The folder with the packages, installed where they are not yet. Raises NoPackages."""
    for needed in ("node", "npm"):
        if shutil.which(needed) is None:
            raise NoPackages(f"there is no {needed}")
    lock = hashlib.sha256((PACKAGES / "package-lock.json").read_bytes()).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "furlong"
    folder = cache / f"npm-{lock}"
    if folder.exists():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as fresh:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(PACKAGES / name, fresh)
        quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
        try:
            _run(["npm", "ci", *quiet], Path(fresh), INSTALL_TIMEOUT_S).check_returncode()
        except subprocess.SubprocessError as why:
            said = getattr(why, "stderr", None) or str(why)
            raise NoPackages(f"npm cannot install what tests/kubernetes/npm names: {said.strip()[-400:]}") from why
        (Path(fresh) / "whole").mkdir()
        (Path(fresh) / "node_modules").rename(Path(fresh) / "whole" / "node_modules")
        try:
            (Path(fresh) / "whole").rename(folder)
        except OSError:  # another test run was sooner
            if not folder.exists():
                raise
    return folder


def custom(manifests: Manifests, packages: Path) -> Iterator[str]:
    """What is wrong with the objects of kinds that are not Kubernetes' own."""
    objects = [each for each in manifests.objects if is_custom(each["apiVersion"])]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "node_modules").symlink_to(packages / "node_modules")
        (place / "package.json").write_text('{"type": "module"}')
        (place / "objects.json").write_text(json.dumps(objects))
        shutil.copy(PACKAGES / "check.mjs", place)
        checked = _run(["node", "check.mjs", "objects.json"], place, CHECK_TIMEOUT_S)
        checked.check_returncode()
        yield from checked.stdout.splitlines()
        compiled = _run(["node", "node_modules/typescript/bin/tsc", *COMPILE, "objects.ts"], place, CHECK_TIMEOUT_S)
        yield from compiled.stdout.splitlines()


def _run(command: Sequence[str], folder: Path, timeout_s: int) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=timeout_s, check=False)
