"""What a ticket costs: processor time by process, while tickets are placed, and the memory that it took."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from benchmarks.cpu import cpu_s, family_cpu_s
from deploy.local.stack import LocalStack

SERVICES = ("game", "persist", "cache", "metrics")
KIB_PER_MIB = 1_024


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Processor seconds that each part of a stack has used since it began."""

    used_s: Mapping[str, float]

    @classmethod
    def of(cls, stack: LocalStack) -> Self:
        """Read the clocks of the kernel. PostgreSQL is the server with all its connections, living or gone."""
        used_s = {name: cpu_s(_pid(stack, name)) for name in SERVICES}
        return cls(used_s=used_s | {"postgres": family_cpu_s(_pid(stack, "postgres"))})

    def us_per_ticket(self, before: Self, tickets: int) -> Mapping[str, float]:
        """Microseconds that each part used for a ticket since `before`. Raises `ZeroDivisionError` without tickets."""
        return {name: (used_s - before.used_s[name]) / tickets * 1e6 for name, used_s in self.used_s.items()}


def peak_mib(stack: LocalStack, name: str) -> float:
    """The most memory that a part of a stack ever had resident, in MiB."""
    status = Path(f"/proc/{_pid(stack, name)}/status").read_text()
    (peak,) = [line.split() for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(peak[1]) / KIB_PER_MIB


def _pid(stack: LocalStack, name: str) -> int:
    pid = stack.part(name).pid
    assert pid is not None, f"{name} runs while it is measured"
    return pid
