"""The lock and the state of a data folder."""

from pathlib import Path

import pytest

from deploy.local.folder import DataFolder, FolderBusy, RunningState

STATE = RunningState(pid=7, gateway="127.0.0.1:8080", parts={"game": 8})


def test_a_folder_has_one_holder(tmp_path: Path) -> None:
    holder, other = DataFolder(tmp_path), DataFolder(tmp_path)
    holder.take()

    with pytest.raises(FolderBusy):
        other.take()
    holder.release()
    other.take()
    other.release()


def test_what_runs_can_be_read_while_the_folder_is_held(tmp_path: Path) -> None:
    holder = DataFolder(tmp_path)
    holder.take()
    holder.write(STATE)

    assert DataFolder(tmp_path).read() == STATE
    holder.release()
    assert DataFolder(tmp_path).read() is None


def test_the_state_that_a_killed_stack_left_is_worth_nothing(tmp_path: Path) -> None:
    DataFolder(tmp_path).write(STATE)

    assert DataFolder(tmp_path).read() is None


def test_a_stack_that_has_only_begun_tells_nothing_yet(tmp_path: Path) -> None:
    holder = DataFolder(tmp_path)
    holder.take()

    assert DataFolder(tmp_path).read() is None
    assert DataFolder(tmp_path).is_taken()
    holder.release()


def test_letting_go_twice_does_no_harm(tmp_path: Path) -> None:
    holder = DataFolder(tmp_path)
    holder.take()
    holder.release()
    holder.release()

    assert not holder.is_taken()
