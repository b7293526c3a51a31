"""What is in an image, as CycloneDX says it: written from the lock file that the image is installed from, by hash."""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

from deploy.images import bases
from deploy.images.build import Version
from deploy.images.catalogue import IMAGES, reference
from deploy.images.wheels import LOCK

SPECIFICATION = "1.6"


class SbomFailed(RuntimeError):
    """The tool that writes bills of materials did not."""


def write(name: str, version: Version, file: Path) -> Path:
    """Write the bill of materials of an image as JSON, the same for the same sources. Raises SbomFailed."""
    bill = _of_wheels() if IMAGES[name].has_wheels else _empty()
    image = {
        "type": "container",
        "bom-ref": f"furlong/{name}",
        "name": f"furlong/{name}",
        "version": version.version,
        "purl": f"pkg:oci/{name}?tag={version.version}",
        "licenses": [{"license": {"id": "Apache-2.0"}}],
    }
    below = [_base("PYTHON_RUN_IMAGE"), *([_base("ENVOY_IMAGE")] if name == "gateway" else [])]
    bill["metadata"] = {**bill.get("metadata", {}), "component": image}
    bill["components"] = [*bill.get("components", ()), *below]
    depends = sorted(component["bom-ref"] for component in bill["components"])
    others = [entry for entry in bill.get("dependencies", ()) if entry["ref"] != "root-component"]
    bill["dependencies"] = [{"ref": image["bom-ref"], "dependsOn": depends}, *others]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(bill, indent=2, sort_keys=True) + "\n")
    return file


def usual_file(name: str) -> Path:
    """Where the bill of materials of an image is written unless told otherwise."""
    return LOCK.parents[1] / "build" / "sbom" / f"{reference(name).replace('/', '-').partition(':')[0]}.cdx.json"


@cache
def _told_of_wheels() -> str:
    """What cyclonedx-py makes of the lock file, which is the same for every image."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "cyclonedx_py", "requirements", str(LOCK)),
            *("--spec-version", SPECIFICATION, "--output-format", "JSON", "--output-reproducible"),
            *("--output-file", "-"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SbomFailed(f"cyclonedx-py failed: {done.stderr.strip()[-2_000:]}")
    return done.stdout


def _of_wheels() -> dict[str, Any]:
    bill: dict[str, Any] = json.loads(_told_of_wheels())
    for component in bill["components"]:
        component["bom-ref"] = component["purl"]
        component.pop("description")  # the line of the lock file
    bill["dependencies"] = []
    return bill


def _empty() -> dict[str, Any]:
    return {
        "$schema": f"http://cyclonedx.org/schema/bom-{SPECIFICATION}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": SPECIFICATION,
        "version": 1,
    }


def _base(variable: str) -> dict[str, Any]:
    """A base image as a component; what is in it is told by its own makers' bill."""
    named, _, digest = bases.read()[variable].partition("@")
    name, _, tag = named.rpartition(":")
    return {
        "type": "container",
        "bom-ref": named,
        "name": name,
        "version": tag,
        "hashes": [{"alg": "SHA-256", "content": digest.removeprefix("sha256:")}],
        "purl": f"pkg:oci/{name.rpartition('/')[2]}@{digest.replace(':', '%3A')}?tag={tag}",
    }
