"""Parts that die are started again, ever more slowly while they keep dying."""

from dataclasses import dataclass, field

from deploy.local.part import PartFailed
from deploy.local.supervisor import DELAY_MAX_S, STABLE_S, Supervisor


@dataclass(slots=True)
class FakePart:
    name: str = "game"
    pid: int | None = 1
    starts: int = 0
    fails: bool = False

    def start(self) -> None:
        self.starts += 1
        if self.fails:
            raise PartFailed("no room")
        self.pid = 1

    def wait_ready(self, timeout_s: float = 0) -> None:
        raise AssertionError("a supervisor has other parts to look after")

    def stop(self) -> None:
        self.pid = None

    def kill(self) -> None:
        self.pid = None


@dataclass(slots=True)
class Watched:
    """A supervisor with a clock that is set by hand."""

    part: FakePart = field(default_factory=FakePart)
    now_s: float = 0.0
    said: list[str] = field(default_factory=list)
    supervisor: Supervisor = field(init=False)

    def __post_init__(self) -> None:
        self.supervisor = Supervisor([self.part], self.said.append, lambda: self.now_s)

    def look_after(self, seconds: float) -> bool:
        self.now_s += seconds
        return self.supervisor.look()

    def die(self) -> str:
        """Let the part die and be started again; what was said."""
        self.part.kill()
        self.supervisor.look()
        while self.part.pid is None:
            self.look_after(0.05)
        return self.said[-1]


def test_a_part_that_runs_is_left_alone() -> None:
    watched = Watched()

    assert not watched.look_after(100)
    assert watched.part.starts == 0
    assert watched.said == []


def test_a_part_that_died_is_started_again_after_a_moment_and_this_is_said() -> None:
    watched = Watched()
    watched.part.kill()

    assert not watched.look_after(0)
    assert watched.look_after(0.2)
    assert watched.part.pid is not None
    assert watched.said == ["game died; starting it again in 0.2 s"]


def test_the_delay_doubles_up_to_its_bound_while_a_part_keeps_dying() -> None:
    watched = Watched()

    said = [watched.die() for _ in range(8)]

    delays_s = [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, DELAY_MAX_S, DELAY_MAX_S]
    assert said == [f"game died; starting it again in {delay_s:.1f} s" for delay_s in delays_s]


def test_a_part_that_ran_for_long_begins_with_the_first_delay_again() -> None:
    watched = Watched()
    for _ in range(4):
        watched.die()
    watched.now_s += STABLE_S + 1

    assert watched.die() == "game died; starting it again in 0.2 s"


def test_a_part_that_cannot_start_is_tried_again() -> None:
    watched = Watched(part=FakePart(pid=None, fails=True))

    for _ in range(10):
        watched.look_after(1)

    assert watched.part.starts > 1
    assert "no room" in watched.said
