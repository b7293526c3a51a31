"""Processor time out of the kernel's words."""

import os
import subprocess
import sys

from benchmarks.cpu import TICKS_PER_S, cpu_s, family_cpu_s, used_s

STAT = "42 ({name}) S 1 42 42 0 -1 4194560 1000 0 0 0 {user} {system} 7 8 20 0 5 0 12345 1000000 200"


def test_user_and_system_time_are_added() -> None:
    assert used_s(STAT.format(name="python", user=3 * TICKS_PER_S, system=TICKS_PER_S)) == 4.0


def test_a_name_with_spaces_and_brackets_moves_no_field() -> None:
    assert used_s(STAT.format(name="a) 1 (b c", user=TICKS_PER_S, system=0)) == 1.0


def test_a_process_that_lives_has_a_time() -> None:
    assert cpu_s(os.getpid()) > 0


def test_a_family_has_the_time_of_its_children_too() -> None:
    before_s = family_cpu_s(os.getpid())
    subprocess.run([sys.executable, "-c", "sum(range(3_000_000))"], check=True)
    assert family_cpu_s(os.getpid()) > before_s
