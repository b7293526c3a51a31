"""Every service is rolled in one way: new replicas beside the old ones first, then the old ones go, one by one."""

import json
from typing import cast

import pytest

from deploy.compose import roll
from deploy.compose.roll import SERVICES, Roller, RollFailed
from deploy.engine.docker import Docker


class FakeEngine:
    """A project on an engine, as far as `roll` looks: containers by their service, and what was done to them."""

    def __init__(self, *, is_well: bool = True) -> None:
        self.containers = {service: [f"{service}-old-{number}" for number in (1, 2)] for service in SERVICES}
        self.done: list[str] = []
        self._is_well = is_well

    def __call__(self, *arguments: str) -> str:
        match arguments:
            case ("compose", "ps", "--quiet", service):
                return "\n".join(self.containers.get(service, []))
            case ("compose", "up", "--detach", "--no-deps", "--no-recreate", scale, service):
                wanted = int(scale.removeprefix(f"--scale={service}="))
                fresh = [f"{service}-new-{number}" for number in range(wanted - len(self.containers[service]))]
                self.containers[service] += fresh
                self.done += [f"start {each}" for each in fresh]
                return ""
            case ("inspect", _, _):
                status = "healthy" if self._is_well else "unhealthy"
                return json.dumps({"Running": self._is_well, "Health": {"Status": status}})
            case ("stop", "-t", _, container):
                self.done.append(f"stop {container}")
                return ""
            case ("rm", *words):
                for container in (word for word in words if word != "--force"):
                    self.containers[container.split("-")[0]].remove(container)
                    self.done.append(f"remove {container}")
                return ""
        raise AssertionError(arguments)

    def run(self, *arguments: str) -> "FakeEngine":
        assert arguments[0] == "logs"
        return self

    stderr = b"what it said"


def roller(engine: FakeEngine) -> Roller:
    return Roller(cast(Docker, engine))


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roll, "FOUND_S", 0.0)


@pytest.mark.parametrize("service", SERVICES)
def test_new_replicas_stand_beside_the_old_ones_before_these_go_one_by_one(service: str) -> None:
    engine = FakeEngine()

    roller(engine).roll(service)

    assert engine.done == [
        f"start {service}-new-0",
        f"start {service}-new-1",
        *(f"{verb} {service}-old-{number}" for number in (1, 2) for verb in ("stop", "remove")),
    ]


def test_where_the_new_ones_never_are_well_the_old_ones_stay() -> None:
    engine = FakeEngine(is_well=False)

    with pytest.raises(RollFailed, match="what it said"):
        roller(engine).roll("gateway")

    assert engine.containers["gateway"] == ["gateway-old-1", "gateway-old-2"]


def test_what_does_not_run_is_not_rolled() -> None:
    engine = FakeEngine()
    engine.containers["web"] = []

    with pytest.raises(RollFailed, match="no web runs"):
        roller(engine).roll("web")


@pytest.mark.parametrize("name", ["door", "postgres", "redis", "gatewy"])
def test_what_has_no_second_replica_is_refused(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert roll.main([name]) == 2
    assert capsys.readouterr().err.startswith(f"{name}: only ")
