"""The pages' own modules, run by Node's test runner; each `*.test.mjs` beside this file is a test here."""

import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
NODE_MIN = (20, 19)
"""The first Node that takes a `.js` file for the module that it is."""
RUN_S = 60


def node() -> str:
    """The path of a Node that can run the tests; skips where there is none."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("Node.js is not on this machine; with it the pages' modules are tested too")
    version = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    major, minor, _ = version.removeprefix("v").split(".")
    if (int(major), int(minor)) < NODE_MIN:
        pytest.skip(f"Node.js {version} is too old for the pages' modules; {NODE_MIN[0]}.{NODE_MIN[1]} is enough")
    return found


@pytest.mark.parametrize("file", sorted(HERE.glob("*.test.mjs")), ids=lambda file: file.name.removesuffix(".test.mjs"))
def test_the_modules_of_the_pages_do_what_they_say(file: Path) -> None:
    run = subprocess.run(
        [node(), "--no-warnings", "--test", "--test-reporter=spec", str(file)],
        capture_output=True,
        text=True,
        timeout=RUN_S,
        check=False,
    )

    assert run.returncode == 0, run.stdout + run.stderr
