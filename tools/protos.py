"""Make gen/ from protos/, or tell whether gen/ still is what protos/ would give.

    python tools/protos.py            write gen/
    python tools/protos.py --check    change nothing; exit 1 and name the files that differ

gen/furlong.binpb is the descriptor set that the gateway transcodes by. It also holds Google's error details, so that
the gateway can print them in JSON.
"""

import filecmp
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GEN = ROOT / "gen"
DESCRIPTOR_SET = "furlong.binpb"
ERROR_DETAILS = "google/rpc/error_details.proto"


def generate(into: Path) -> None:
    """Write everything that is generated into the folder `into`, which exists and is empty."""
    sources = sorted(path.relative_to(ROOT / "protos").as_posix() for path in (ROOT / "protos").rglob("*.proto"))
    outputs = [f"--{kind}_out={into}" for kind in ("python", "grpc_python")]
    types = [f"--{kind}_out=quiet:{into}" for kind in ("mypy", "mypy_grpc")]
    _protoc(*outputs, *types, *sources)
    _protoc(
        *("--include_imports", "--include_source_info", f"--descriptor_set_out={into / DESCRIPTOR_SET}"),
        *(*sources, ERROR_DETAILS),
    )


def differing(fresh: Path, kept: Path) -> list[str]:
    """The files, by path below the two folders, that are not the same in both or are in one only."""
    names = {path.relative_to(folder) for folder in (fresh, kept) for path in _files(folder)}
    return sorted(name.as_posix() for name in names if not _same(fresh / name, kept / name))


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]


def _same(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and filecmp.cmp(one, other, shallow=False)


def _protoc(*arguments: str) -> None:
    """Run protoc with the plugins of this environment. Google's protos come with their Python package."""
    google = importlib.util.find_spec("google.rpc.error_details_pb2")
    assert google is not None
    assert google.origin is not None
    site_packages = Path(google.origin).parents[2]
    includes = [f"-I{ROOT / 'protos'}", f"-I{ROOT / 'third_party'}", f"-I{site_packages}"]
    path = f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ.get('PATH', '')}"
    command = [sys.executable, "-m", "grpc_tools.protoc", *includes, *arguments]
    subprocess.run(command, check=True, env={**os.environ, "PATH": path})  # noqa: S603  our own words only


def main(arguments: list[str]) -> int:
    """Write or check, by `arguments`; the exit code."""
    if arguments not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder)
        generate(fresh)
        if arguments:
            names = differing(fresh, GEN)
            for name in names:
                print(f"gen/{name} is not what protos/ gives; run `make protos`", file=sys.stderr)
            return 1 if names else 0
        shutil.rmtree(GEN, ignore_errors=True)
        shutil.copytree(fresh, GEN)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
