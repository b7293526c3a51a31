"""Numbers: added to once for each request id, in the store where there is one, which alone can tell what others added.

A number lives from its first increment on for as long as that said, and remembers every request that added to it for as
long. A store that forgets, or is flushed, begins it again.
"""

from dataclasses import dataclass, field
from typing import Final

from furlong.common.v1.error_pb2 import Reason

from services.cache.domain.bounds import INCREMENTS_MAX
from services.cache.domain.entry import Key
from services.cache.domain.namespace import Namespace
from services.cache.engine.link import Link
from services.cache.ports import NumberStore, StoreDown, Sum, SumRefused
from services.chassis.clock import Clock
from services.chassis.refusal import Refusal, Violation

NUMBERS_MAX: Final = 10_000
"""Numbers that a replica without a store keeps."""

OVERLOADED_RETRY_MS: Final = 1_000

_INT64: Final = range(-(2**63), 2**63)


@dataclass(slots=True)
class _Number:
    until_s: float
    value: int = 0
    requests: dict[str, tuple[int, int]] = field(default_factory=dict)


class Numbers:
    """Answers Increment. `store` is None where the link is off."""

    def __init__(self, *, link: Link, store: NumberStore | None, clock: Clock) -> None:
        self._link = link
        self._store = store
        self._clock = clock
        self._own: dict[Key, _Number] = {}

    async def increment(self, namespace: Namespace, name: str, request_id: str, delta: int, ttl_ms: int) -> Sum:
        """Add `delta`.

        Raises Refusal DEPENDENCY_DOWN where nothing was done, OUTCOME_UNKNOWN where that is not known, REQUEST_REUSED,
        OVERLOADED, and MALFORMED for an overflow.
        """
        key = Key(namespace.name, name)
        lasts_ms = ttl_ms or namespace.ttl_ms
        if self._store is None:
            outcome = self._add(key, request_id, delta, lasts_ms)
        elif not self._link.is_up:
            raise _down()
        else:
            try:
                outcome = await self._store.increment(key, request_id, delta, lasts_ms, self._link.known)
            except StoreDown as down:
                self._link.lose(str(down))
                raise Refusal(
                    Reason.OUTCOME_UNKNOWN, "Redis did not answer; sending the same request id again adds once"
                ) from down
        if isinstance(outcome, SumRefused):
            raise _refusal(outcome)
        return outcome

    def clear(self) -> None:
        """Forget all numbers that this replica keeps."""
        self._own.clear()

    def _add(self, key: Key, request_id: str, delta: int, lasts_ms: int) -> Sum | SumRefused:
        now_s = self._clock.monotonic_s()
        number = self._own.get(key)
        if number is None or now_s >= number.until_s:
            if not self._has_room(now_s):
                return SumRefused.FULL
            number = self._own[key] = _Number(now_s + lasts_ms / 1_000)
        before = number.requests.get(request_id)
        if before is not None:
            return Sum(before[1], replayed=True) if before[0] == delta else SumRefused.REUSED
        if len(number.requests) >= INCREMENTS_MAX:
            return SumRefused.FULL
        if number.value + delta not in _INT64:
            return SumRefused.OVERFLOW
        number.value += delta
        number.requests[request_id] = (delta, number.value)
        return Sum(number.value, replayed=False)

    def _has_room(self, now_s: float) -> bool:
        if len(self._own) >= NUMBERS_MAX:
            self._own = {key: number for key, number in self._own.items() if now_s < number.until_s}
        return len(self._own) < NUMBERS_MAX


def _refusal(why: SumRefused) -> Refusal:
    match why:
        case SumRefused.REUSED:
            return Refusal(Reason.REQUEST_REUSED, "this request id added something else to the number before")
        case SumRefused.FULL:
            return Refusal(
                Reason.OVERLOADED,
                f"a number takes {INCREMENTS_MAX} increments, a replica without Redis {NUMBERS_MAX} numbers at once",
                retry_in_ms=OVERLOADED_RETRY_MS,
            )
        case SumRefused.OVERFLOW:
            wrong = Violation(field="delta", description="takes the number beyond 64 bits")
            return Refusal(Reason.MALFORMED, "delta takes the number beyond 64 bits", violations=[wrong])


def _down() -> Refusal:
    return Refusal(Reason.DEPENDENCY_DOWN, "Redis does not answer, and only there the number is; nothing was added")
