"""The local stack as a whole: it starts, keeps its data, heals itself and guards its folder."""

import http.client
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.local.folder import FolderBusy
from deploy.local.opening import FIRST_TRACKS, open_first_tracks
from deploy.local.part import PartFailed
from deploy.local.stack import LocalStack, PortTaken, StackSettings
from tests.stack import running_stack

HEAL_S = 30.0


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """A stack whose parts may be killed."""
    with running_stack(tmp_path_factory.mktemp("own")) as stack:
        yield stack


def get(stack: LocalStack, path: str) -> Any:
    connection = http.client.HTTPConnection(stack.addresses.gateway, timeout=5)
    try:
        connection.request("GET", path)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def test_a_new_stack_opens_its_tracks_once_and_keeps_them_over_a_restart(tmp_path: Path) -> None:
    names = sorted(track.track for track in FIRST_TRACKS)
    for _ in range(2):
        with running_stack(tmp_path) as stack:
            assert open_first_tracks(stack.addresses.gateway, stack.token_file.read_text().strip()) == names
            assert [track["track"] for track in get(stack, "/v1/tracks")["tracks"]] == names


@pytest.mark.parametrize("name", ["game", "persist", "gateway", "postgres", "redis", "cache", "metrics", "web"])
def test_a_part_that_was_killed_is_started_again(own: LocalStack, name: str) -> None:
    before = own.part(name).pid
    own.part(name).kill()

    deadline_s = time.monotonic() + HEAL_S
    while own.part(name).pid is None or not answers(own):
        assert time.monotonic() < deadline_s, f"{name} did not come back"
        own.supervise_once()
        time.sleep(0.05)

    assert own.part(name).pid != before


def test_a_folder_holds_one_stack(own: LocalStack) -> None:
    second = LocalStack(StackSettings(data_dir=own.token_file.parent))

    with pytest.raises(FolderBusy):
        second.start()


def test_a_port_that_is_taken_is_named_with_its_variable(own: LocalStack, tmp_path: Path) -> None:
    taken = int(own.addresses.gateway.rpartition(":")[2])
    second = LocalStack(StackSettings(data_dir=tmp_path, gateway_port=taken))

    with pytest.raises(PortTaken, match=f"{taken}.*GATEWAY_PORT"):
        second.start()


def test_a_stack_whose_part_cannot_start_says_why_and_leaves_nothing_running(tmp_path: Path) -> None:
    extra = {"game": {"LEASE_TTL_MS": "soon"}}
    stack = LocalStack(StackSettings(data_dir=tmp_path, extra_env=extra))

    with pytest.raises(PartFailed, match=r"game ended(.|\n)*LEASE_TTL_MS"):
        stack.start()

    with running_stack(tmp_path):
        pass


def test_a_stack_starts_without_what_no_ticket_needs(tmp_path: Path) -> None:
    extra = {name: {"FURLONG_PORT": "broken on purpose"} for name in ("cache", "metrics", "web")}
    said: list[str] = []
    stack = LocalStack(StackSettings(data_dir=tmp_path, extra_env=extra), said.append)
    try:
        stack.start()
        assert answers(stack)
    finally:
        stack.stop()

    for name in extra:
        assert any(text.startswith(f"going on without {name}") for text in said), name


def answers(stack: LocalStack) -> bool:
    try:
        return "tracks" in get(stack, "/v1/tracks")
    except (OSError, http.client.HTTPException):
        return False
