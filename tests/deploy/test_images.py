"""The images, built and run on a real engine."""

import json
import re
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from deploy.engine.docker import Docker
from deploy.images import bases
from deploy.images.build import BASES_OF_BUILDS, DOCKERFILE, ROOT, Built, Version, build
from deploy.images.catalogue import IMAGES, PYTHON, USER
from deploy.images.sbom import write
from deploy.images.startup import HARDENED, MAKE_KEYS, STARTS, measure, running
from deploy.images.wheels import LOCK

HEALTHY_WITHIN_S = 60.0
STARTED_WITHIN_S = 60.0
POLL_S = 0.1
SHELLS = ("sh", "bash", "dash", "ash", "busybox", "zsh")
TOOLS = ("apt", "apt-get", "dpkg", "pip", "pip3", "curl", "wget", "gcc", "perl")
SECRET = re.compile(
    r"\.(key|p12|pfx|jks|env)$|(^|/)(id_[a-z0-9]+|\.netrc|\.npmrc|\.pypirc|\.git|\.furlong)($|/)|token$"
)
LABELS = ("title", "description", "vendor", "licenses", "version", "revision", "created", "base.name")

ALONE = (*HARDENED, "--network", "none")

ALL = pytest.mark.parametrize("name", list(IMAGES))
PYTHONS = pytest.mark.parametrize("name", [image.name for image in IMAGES.values() if image.has_wheels])
SERVING = pytest.mark.parametrize("name", [image.name for image in IMAGES.values() if image.serves])

LOOK = """
import json, os, stat
found = {}
for folder, folders, files in os.walk("/"):
    if folder == "/":
        folders[:] = [name for name in folders if name not in ("dev", "proc", "sys")]
    for name in folders + files:
        path = os.path.join(folder, name)
        found[path[1:]] = os.lstat(path).st_mode
print(json.dumps(found))
"""

Files = Callable[[str], Mapping[str, int]]
"""The kind and rights of everything that is in an image, by its path."""


@pytest.fixture(scope="module")
def files(docker: Docker, images: Mapping[str, Built]) -> Files:
    """Everything that is in an image, by its path."""
    known: dict[str, Mapping[str, int]] = {}

    def look(name: str) -> Mapping[str, int]:
        if name not in known:
            as_root = ("--rm", "--network", "none", "--user", "0", "--entrypoint", PYTHON)
            known[name] = json.loads(docker("run", *as_root, images[name].reference, "-c", LOOK))
        return known[name]

    return look


@pytest.fixture(scope="module")
def keys(docker: Docker, images: Mapping[str, Built]) -> Iterator[str]:
    """A volume with the keys of a stack, made by the image that makes them."""
    volume = docker("volume", "create")
    docker("run", "--rm", *ALONE, "--volume", f"{volume}:/keys", images["setup"].reference, "-c", MAKE_KEYS)
    yield volume
    docker("volume", "rm", "--force", volume)


@pytest.mark.parametrize("variable", sorted(bases.read()))
def test_an_image_of_others_is_pinned_by_digest(variable: str) -> None:
    assert re.fullmatch(r"[a-z0-9./-]+:[A-Za-z0-9._-]+@sha256:[0-9a-f]{64}", bases.read()[variable])


def test_nothing_is_built_from_an_image_that_is_not_pinned() -> None:
    lines = (ROOT / DOCKERFILE).read_text().splitlines()
    stages = {line.split()[-1] for line in lines if line.startswith("FROM ") and " AS " in line}
    sources = {line.split()[1] for line in lines if line.startswith("FROM ")}
    outside = {source.strip("${}") for source in sources - stages} - {"SERVICE"}
    assert outside == set(BASES_OF_BUILDS)
    assert outside <= set(bases.read())


@ALL
def test_an_image_runs_as_a_number_that_is_not_root(docker: Docker, images: Mapping[str, Built], name: str) -> None:
    assert _config(docker, images[name])["User"] == USER


@ALL
def test_an_image_has_no_shell_and_no_tool_that_fetches_or_installs(files: Files, name: str) -> None:
    programs = {
        Path(path).name for path, mode in files(name).items() if "bin" in Path(path).parts and not stat.S_ISDIR(mode)
    }
    assert not programs & {*SHELLS, *TOOLS}


@ALL
def test_nothing_in_an_image_gives_more_rights_or_may_be_changed_by_all(files: Files, name: str) -> None:
    regular = {path: mode for path, mode in files(name).items() if stat.S_ISREG(mode)}
    assert not [path for path, mode in regular.items() if mode & (stat.S_ISUID | stat.S_ISGID | stat.S_IWOTH)]


@ALL
def test_no_secret_and_no_test_is_in_an_image(files: Files, name: str) -> None:
    ours = [
        path for path in files(name) if path.startswith("opt/furlong/") and not path.startswith("opt/furlong/wheels/")
    ]
    assert not [path for path in files(name) if SECRET.search(path) and not path.startswith(("usr/", "proc/", "sys/"))]
    assert not [path for path in ours if re.search(r"(^|/)(tests?|conftest\.py|test_[^/]*)(/|$)", path)]
    assert name == "gateway" or ours


@ALL
def test_an_image_holds_the_code_of_its_own_service_only(files: Files, name: str) -> None:
    services = {path.split("/")[3] for path in files(name) if re.fullmatch(r"opt/furlong/services/[a-z]+", path)}
    own = {"migrations": {"persist"}, "setup": set[str](), "gateway": set[str]()}.get(name, {name})
    assert services == (own | {"chassis"} if name != "gateway" else set())


@ALL
def test_an_image_says_what_it_is(docker: Docker, images: Mapping[str, Built], version: Version, name: str) -> None:
    labels = _config(docker, images[name])["Labels"]
    said = {label: labels[f"org.opencontainers.image.{label}"] for label in LABELS}
    assert said["title"] == f"furlong {name}"
    assert (said["version"], said["revision"], said["created"]) == (version.version, version.revision, version.created)
    assert all(said.values())


@SERVING
def test_an_image_that_serves_asks_itself_how_it_is(docker: Docker, images: Mapping[str, Built], name: str) -> None:
    check = _config(docker, images[name])["Healthcheck"]["Test"]
    assert check[:2] == ["CMD", PYTHON]  # CMD-SHELL would want a shell


@pytest.mark.parametrize("name", ["cache", "metrics", "web"])
def test_what_needs_nobody_else_becomes_healthy_on_a_file_system_that_cannot_be_written(
    docker: Docker, images: Mapping[str, Built], keys: str, name: str
) -> None:
    given = [word for variable in STARTS[name].environment.items() for word in ("--env", "=".join(variable))]
    options = ("--health-interval", "500ms", "--volume", f"{keys}:/keys:ro", *given)
    with running(docker, *ALONE, *options, images[name].reference) as container:
        _wait_healthy(docker, container)
        assert docker("exec", container, PYTHON, "-c", "import os; print(os.getuid())") == USER.partition(":")[0]


@PYTHONS
def test_what_an_image_runs_is_all_there(docker: Docker, images: Mapping[str, Built], name: str) -> None:
    """Every module that its service could import is imported, under the image's own Python."""
    look = (
        "import importlib, pkgutil, sys\n"
        "for root in sys.argv[1:]:\n"
        "    package = importlib.import_module(root)\n"
        "    for module in pkgutil.walk_packages(package.__path__, root + '.'):\n"
        "        if not module.name.endswith('__main__') and '.migrations' not in module.name:\n"
        "            importlib.import_module(module.name)\n"
    )
    service = {"migrations": "services.persist", "setup": "deploy.local"}.get(name, f"services.{name}")
    arguments = (
        "--entrypoint",
        PYTHON,
        images[name].reference,
        "-c",
        look,
        service,
        "services.chassis",
        "furlong.client",
    )
    docker("run", "--rm", *ALONE, *arguments)


def test_every_image_that_serves_does_so_soon(
    docker: Docker, base_images: Mapping[str, str], images: Mapping[str, Built]
) -> None:
    references = {name: built.reference for name, built in images.items()}
    seconds = dict(measure(docker, references, base_images["POSTGRES_IMAGE"]))
    assert set(seconds) == set(STARTS)
    assert max(seconds.values()) < STARTED_WITHIN_S, seconds


def test_migrations_say_what_they_lack_and_end(docker: Docker, images: Mapping[str, Built]) -> None:
    done = docker.run("run", "--rm", *ALONE, images["migrations"].reference, check=False)
    assert done.returncode == 1
    assert b"DATABASE_URL" in done.stderr


def test_a_fresh_volume_over_a_folder_of_setup_belongs_to_its_user(
    docker: Docker, images: Mapping[str, Built], keys: str
) -> None:
    look = "import os; print(sorted((f, os.stat('/keys/' + f).st_uid) for f in os.listdir('/keys')))"
    found = docker("run", "--rm", *ALONE, "--volume", f"{keys}:/keys", images["setup"].reference, "-c", look)
    assert found == str([(file, 65_532) for file in ("jwks.json", "jwt-private.pem", "seed.key")])


def test_two_builds_of_the_same_sources_have_the_same_content(
    docker: Docker, base_images: Mapping[str, str], images: Mapping[str, Built], version: Version
) -> None:
    again = build(docker, "setup", base_images, version, tag="again", use_cache=False)
    assert again.image_id != images["setup"].image_id or not docker.is_own  # it was built, not found
    assert _digests(docker, again.reference) == _digests(docker, images["setup"].reference)


@PYTHONS
def test_a_bill_of_materials_names_what_is_locked_and_what_is_there(
    files: Files, version: Version, name: str, tmp_path: Path
) -> None:
    bill = json.loads(write(name, version, tmp_path / "bill.json").read_text())
    named = {_canonical(part["name"]): part["version"] for part in bill["components"] if part["type"] == "library"}
    locked = dict(re.findall(r"^([a-z0-9][a-z0-9._-]*)==(\S+) \\$", LOCK.read_text(), flags=re.MULTILINE))
    there = {
        found[1]: found[2]
        for path in files(name)
        if (found := re.fullmatch(r"opt/furlong/wheels/([^/]+?)-([^/-]+)\.dist-info", path))
    }
    assert named == {_canonical(package): version for package, version in locked.items()}
    assert named == {_canonical(package): version for package, version in there.items()}
    assert all(part["hashes"] or part.get("externalReferences") for part in bill["components"] if "hashes" in part)


@ALL
def test_a_bill_of_materials_is_valid_and_names_the_base_images(version: Version, name: str, tmp_path: Path) -> None:
    text = write(name, version, tmp_path / "bill.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    containers = {part["bom-ref"] for part in json.loads(text)["components"] if part["type"] == "container"}
    used = ["PYTHON_RUN_IMAGE", *(["ENVOY_IMAGE"] if name == "gateway" else [])]
    assert containers == {bases.without_digest(bases.read()[variable]) for variable in used}


def _digests(docker: Docker, reference: str) -> Mapping[str, object]:
    """What an image says of itself and its layers, which are the same only if every byte, owner, right and time is."""
    found = docker.inspect(reference)
    assert found is not None
    config = {
        key: found["Config"][key]
        for key in ("User", "Env", "Cmd", "Entrypoint", "Labels", "Healthcheck")
        if key in found["Config"]
    }
    return {"layers": found["RootFS"]["Layers"], "config": config}


def _config(docker: Docker, built: Built) -> Mapping[str, Any]:
    found = docker.inspect(built.reference)
    assert found is not None
    config: Mapping[str, Any] = found["Config"]
    return config


def _wait_healthy(docker: Docker, container: str) -> None:
    deadline_s = time.monotonic() + HEALTHY_WITHIN_S
    while (state := docker("inspect", "--format", "{{.State.Health.Status}}", container)) != "healthy":
        assert time.monotonic() < deadline_s, f"{state}: {docker('logs', container)}"
        time.sleep(POLL_S)


def _canonical(package: str) -> str:
    return re.sub(r"[-_.]+", "-", package).lower()
