"""The beacons that this game knows, and how long a round waits for one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from services.game.domain.beacon import KNOWN, BeaconChain
from services.game.ports import Beacon

WAIT_MS: Final = 30_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Beacons:
    """Beacons by their names. A round waits for its beacon at most `wait_ms` after its race should have started."""

    by_name: Mapping[str, Beacon] = field(default_factory=lambda: MappingProxyType({}))
    wait_ms: int = WAIT_MS

    def get(self, name: str) -> Beacon | None:
        """Give a beacon; None where it is not known here, or for no name."""
        return self.by_name.get(name)


NO_BEACONS: Final = Beacons()


def chains_of(beacons: Beacons) -> Mapping[str, BeaconChain]:
    """What is known of beacons, for proofs: of those that are asked here, and of those that everybody knows."""
    return {**KNOWN, **{name: beacon.chain for name, beacon in beacons.by_name.items()}}
