"""How old an answer is that came from the cache: told in the call's initial metadata, of which a gateway makes headers.

    x-cache   HIT L1 or HIT L2, by the tier that had it
    age       seconds since it was kept, rounded down

Whoever has an answer from the cache notes that, and so does whoever has it from a service that says so. The method that
answers tells it. An answer without these came from where it is stored.
"""

from collections.abc import Iterable
from contextvars import ContextVar
from typing import Any, Final, NamedTuple

import grpc

X_CACHE: Final = "x-cache"
AGE: Final = "age"
HIT: Final = "HIT "
MS: Final = 1_000


class Freshness(NamedTuple):
    """The tier that had an answer, like "L1", and the seconds since it was kept."""

    tier: str
    age_s: int


_NOTED: ContextVar[Freshness | None] = ContextVar("freshness", default=None)


def freshness(tier: str, age_ms: int) -> Freshness:
    """Tell the freshness of what was kept `age_ms` ago."""
    return Freshness(tier, age_ms // MS)


def note(found: Freshness | None) -> None:
    """Note where what this call answers with came from; of several the oldest counts. None is from no cache."""
    noted = _NOTED.get()
    if found is not None and (noted is None or found.age_s > noted.age_s):
        _NOTED.set(found)


async def tell(context: "grpc.aio.ServicerContext[Any, Any]") -> None:
    """Tell the caller what was noted, if anything was. Once for a call, before its answer."""
    noted = _NOTED.get()
    if noted is not None:
        await context.send_initial_metadata(((X_CACHE, HIT + noted.tier), (AGE, str(noted.age_s))))


def read(metadata: Iterable[tuple[str, str | bytes]]) -> Freshness | None:
    """Read what a service told; None where it told nothing that makes sense."""
    told = {key: value for key, value in metadata if isinstance(value, str)}
    source, age = told.get(X_CACHE, ""), told.get(AGE, "")
    if not (source.startswith(HIT) and age.isascii() and age.isdecimal()):
        return None
    return Freshness(source.removeprefix(HIT), int(age))
