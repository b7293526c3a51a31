"""The round by hand of the README, run as it is printed, and what it prints looked at.

Only the address differs. Two lines of it wait for a person: Ctrl-C ends the watch, and the proof is asked for once the
race is over. `curl` stands for a person there: it presses Ctrl-C, and it waits.
"""

import asyncio
import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from furlong.common.v1.round_pb2 import Timetable

from deploy.local.stack import LocalStack
from tests.e2e.doors import GrpcDoor
from tests.e2e.racing import new_track, open_round

ROOT = Path(__file__).resolve().parents[2]
TRACK = "harbour-mile"
ADDRESS = "http://localhost:8080"
README = (ROOT / "README.md").read_text()
VERIFY = f"furlong verify {TRACK}"
CHAPTER = "## A round by hand"
SCRIPT_S = 90.0
TIMETABLE = Timetable(betting_window_ms=17_000, lock_ms=100, race_ms=500, finish_ms=1_000)
"""Shorter than at home, and still long enough for a person that types as fast as bash on a busy machine."""
FRESH_S = 16.0
PERSON = """
set -euo pipefail
curl() {
  case "$*" in
    *:watch*) timeout --signal=INT 2 curl "$@" || [ $? -eq 124 ];;
    */proof*) for attempt in $(seq 600); do command curl --fail "$@" 2>/dev/null && return; sleep 0.1; done; return 1;;
    *)        command curl --fail-with-body "$@"; echo;;
  esac
}
"""


def blocks_of(markdown: str) -> list[str]:
    """The shell blocks of the chapter, in order."""
    chapter = markdown.split(CHAPTER, 1)[1].split("\n## ", 1)[0]
    return re.findall(r"```sh\n(.*?)```", chapter, flags=re.DOTALL)


def exports(block: str) -> str:
    """What the first block leaves behind in the terminal for the second."""
    return "".join(f"{line}\n" for line in block.splitlines() if line.startswith("export "))


@pytest.fixture(scope="module")
def readme_track(stack: LocalStack) -> str:
    return asyncio.run(new_track(stack, TRACK, TIMETABLE, name=TRACK))


@pytest.fixture(scope="module")
def clone(stack: LocalStack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that looks like the clone of somebody whose `make up` runs: `.venv` and `.furlong` are there."""
    folder = tmp_path_factory.mktemp("clone")
    (folder / ".venv").symlink_to(ROOT / ".venv")
    (folder / ".furlong").symlink_to(stack.token_file.parent)
    return folder


def run(script: str, stack: LocalStack, clone: Path) -> str:
    gateway = stack.addresses.gateway
    done = subprocess.run(
        ["bash", "-c", PERSON + script.replace(ADDRESS, f"http://{gateway}")],
        cwd=clone,
        env={**os.environ, "FURLONG_GATEWAY": gateway, "NO_COLOR": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=SCRIPT_S,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def test_the_readme_shows_its_two_commands_first() -> None:
    first = re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)[0]

    assert [line.split("#")[0].strip() for line in first.splitlines()] == ["make up", "make test"]


async def test_the_round_by_hand_works_with_the_command_line(
    stack: LocalStack, clone: Path, grpc_door: GrpcDoor, readme_track: str
) -> None:
    with_the_command, _ = blocks_of(README)
    await open_round(grpc_door, readme_track, left_s=FRESH_S)

    said = await asyncio.to_thread(run, with_the_command, stack, clone)

    assert "ACCEPTED" in said
    assert "SETTLED" in said
    assert re.search(r"balance \d+\.\d\d EUR", said.splitlines()[-1]), said
    assert VERIFY in README
    verified = await asyncio.to_thread(run, exports(with_the_command) + VERIFY, stack, clone)
    assert "proven" in verified


async def test_the_round_by_hand_works_with_curl(
    stack: LocalStack, clone: Path, grpc_door: GrpcDoor, readme_track: str
) -> None:
    with_the_command, with_curl = blocks_of(README)
    await open_round(grpc_door, readme_track, left_s=FRESH_S)

    said = await asyncio.to_thread(run, exports(with_the_command) + with_curl, stack, clone)

    answers = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    frames = [json.loads(line.removeprefix("data: ")) for line in said.splitlines() if line.startswith("data: ")]
    credited, placed, proven = answers
    [result] = placed["results"]
    assert credited["account"]["balance_minor"] == "5000"
    assert result["verdict"] == "ACCEPTED"
    assert result["ticket"]["stake_minor"] == "500"
    assert frames[0]["round"]["round_id"] == result["ticket"]["round_id"]
    assert proven["proof"]["round_id"] == result["ticket"]["round_id"]
    assert proven["proof"]["server_seed"]
