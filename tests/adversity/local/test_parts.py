"""Parts of the local stack as real processes: they start, fail, end and are ended, and leave nothing behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.local.part import LOG_BYTES_MAX, PartFailed, ProcessPart

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
)
PATIENT = "import time; print('here', flush=True); time.sleep(60)"
TALKATIVE = "import time\nwhile True: print('here', flush=True); time.sleep(0.01)"
BROKEN = "import sys; print('no such table', file=sys.stderr); sys.exit(7)"


def make_part(tmp_path: Path, program: str, is_ready: Callable[[], bool] | None = None) -> ProcessPart:
    log = tmp_path / "part.log"
    return ProcessPart(
        "part",
        command=[sys.executable, "-c", program],
        environment=os.environ,
        folder=tmp_path,
        log=log,
        is_ready=is_ready or (lambda: log.exists() and log.stat().st_size > 0),
        stop_timeout_s=0.5,
    )


def runs(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


def test_a_part_starts_and_ends(tmp_path: Path) -> None:
    part = make_part(tmp_path, PATIENT)
    part.start()
    part.wait_ready(10)
    pid = part.pid
    assert pid is not None

    part.stop()

    assert part.pid is None
    assert not runs(pid)


def test_starting_a_part_that_runs_changes_nothing(tmp_path: Path) -> None:
    part = make_part(tmp_path, PATIENT)
    part.start()
    pid = part.pid

    part.start()

    assert part.pid == pid
    part.stop()


def test_a_part_that_ends_before_it_is_ready_is_told_with_what_it_said(tmp_path: Path) -> None:
    part = make_part(tmp_path, BROKEN, is_ready=lambda: False)
    part.start()

    with pytest.raises(PartFailed, match=r"ended with code 7 before it was ready(.|\n)*no such table"):
        part.wait_ready(10)


def test_a_part_that_is_not_ready_in_time_is_told(tmp_path: Path) -> None:
    part = make_part(tmp_path, PATIENT, is_ready=lambda: False)
    part.start()

    with pytest.raises(PartFailed, match="not ready after"):
        part.wait_ready(0.1)
    part.stop()


def test_only_what_the_last_start_said_is_told(tmp_path: Path) -> None:
    part = make_part(tmp_path, BROKEN, is_ready=lambda: False)
    part.log.write_text("from another day\n")
    part.start()

    with pytest.raises(PartFailed) as failed:
        part.wait_ready(10)

    assert "another day" not in str(failed.value)


def test_a_part_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    part = make_part(tmp_path, STUBBORN)
    part.start()
    part.wait_ready(10)

    part.stop()

    assert part.exit_code == -signal.SIGKILL


def test_a_killed_part_can_be_started_again(tmp_path: Path) -> None:
    part = make_part(tmp_path, PATIENT)
    part.start()
    part.kill()
    assert part.pid is None

    part.start()

    assert part.pid is not None
    part.stop()


def test_a_log_that_outgrew_its_bound_begins_anew_while_the_part_writes_on(tmp_path: Path) -> None:
    part = make_part(tmp_path, TALKATIVE)
    part.start()
    part.wait_ready(10)
    os.truncate(part.log, LOG_BYTES_MAX + 1)

    part.trim_log()

    assert part.log.with_name("part.log.1").stat().st_size > LOG_BYTES_MAX
    part.wait_ready(10)  # it has written again
    part.kill()
    assert part.log.stat().st_size < LOG_BYTES_MAX
    assert set(part.log.read_text().split()) == {"here"}


def test_a_killed_stack_leaves_no_part_behind(tmp_path: Path) -> None:
    program = f"""
import os, sys, time
from pathlib import Path
from deploy.local.part import ProcessPart
part = ProcessPart(
    "part", command=[sys.executable, "-c", {STUBBORN!r}], environment=os.environ, folder=Path({str(tmp_path)!r}),
    log=Path({str(tmp_path)!r}) / "part.log", is_ready=lambda: part.log.stat().st_size > 0, stop_timeout_s=1,
)
part.start()
part.wait_ready(10)  # it is itself by now, and no longer what tied it to us
print(part.pid, flush=True)
time.sleep(60)
"""
    supervisor = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert supervisor.stdout is not None
    part_pid = int(supervisor.stdout.readline())
    assert runs(part_pid)

    supervisor.kill()
    supervisor.wait()
    supervisor.stdout.close()

    deadline_s = time.monotonic() + 5
    while runs(part_pid) and time.monotonic() < deadline_s:
        time.sleep(0.01)
    assert not runs(part_pid)
