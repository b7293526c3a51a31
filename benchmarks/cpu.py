"""Processor time of another process, as the kernel counts it."""

import os
from pathlib import Path

USER_FIELD = 11
SYSTEM_FIELD = 12
ENDED_CHILDREN_FIELD = 14
"""utime and stime of /proc/<pid>/stat, counted from the field after the name; those of ended children come next."""
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    """Seconds of processor time that a process and its threads used so far. `OSError` where there is none."""
    return used_s(Path(f"/proc/{pid}/stat").read_text())


def used_s(stat: str) -> float:
    """Seconds out of the text of a stat file; the name in it may hold spaces and brackets."""
    fields = stat.rpartition(")")[2].split()
    return (int(fields[USER_FIELD]) + int(fields[SYSTEM_FIELD])) / TICKS_PER_S


def family_cpu_s(pid: int) -> float:
    """Seconds that a process used and all its children, those that live and those that it has seen end."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own_and_ended = sum(int(ticks) for ticks in fields[USER_FIELD : ENDED_CHILDREN_FIELD + 1]) / TICKS_PER_S
    living = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return own_and_ended + sum(cpu_s(int(child)) for child in living)
