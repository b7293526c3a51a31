"""The circuit breaker: a service that fails again and again is left alone for a while.

            failures_max failures in a row                 open_ms are over, a call comes
   CLOSED ───────────────────────────────▶ OPEN ──────────────────────────────────▶ HALF_OPEN
     ▲                                       ▲              the probe fails             │ │
     │                                       └──────────────────────────────────────────┘ │
     └────────────────────────────────────────────────────────────────────────────────────┘
                                    the probe gets an answer

1. CLOSED lets every call out, OPEN none, HALF_OPEN exactly one at a time: the probe.
2. A refusal of the application is an answer; only the statuses in TRIPS are failures.
3. A verdict counts only in the state in which its call was let out: late ones say nothing about now.
4. A call that its own caller gave up has no verdict; if it was the probe, the next call is.

pybreaker keeps the counts and the states. It has no asyncio, and its `call()` judges a coroutine when it is made; so
calls are admitted here, run elsewhere, and their outcomes are replayed through `call()` when they are known.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import grpc
import pybreaker
from furlong.client.errors import not_sent
from furlong.common.v1 import error_pb2

TRIPS = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DATA_LOSS,
        grpc.StatusCode.CANCELLED,  # not by us: a server whose queue runs over answers so
    }
)


class BreakerState(StrEnum):
    """Where a breaker stands, in pybreaker's words."""

    CLOSED = pybreaker.STATE_CLOSED
    OPEN = pybreaker.STATE_OPEN
    HALF_OPEN = pybreaker.STATE_HALF_OPEN


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerSettings:
    """When a breaker opens and for how long.

    `failures_max` failures in a row open it, 1 or more. It stays open for `open_ms` milliseconds. A stream that
    probes has `stream_probe_ms` milliseconds to bring its first message before another call may probe as well.
    """

    failures_max: int = 5
    open_ms: int = 500
    stream_probe_ms: int = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerChange:
    """A breaker of the channel to `target` went from one state to another."""

    target: str
    before: BreakerState
    after: BreakerState


class Breaker:
    """The breaker of one channel, for one event loop. `on_change` hears of every change of state and must not raise."""

    def __init__(
        self,
        target: str,
        settings: BreakerSettings,
        *,
        on_change: Callable[[BreakerChange], None] | None = None,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._target = target
        self._settings = settings
        self._on_change = on_change
        self._monotonic_s = monotonic_s
        self._open_until_s = 0.0
        self._era = 0
        self._probing = False
        self._machine = pybreaker.CircuitBreaker(
            fail_max=settings.failures_max,
            listeners=[_Changes(self._changed)],
            name=target,
            throw_new_error_on_trip=False,
        )

    @property
    def state(self) -> BreakerState:
        """The state as of the last call: an OPEN breaker becomes HALF_OPEN when the next call comes."""
        return BreakerState(self._machine.current_state)

    def admit(self) -> "Admission":
        """Let a call out. Raises NotSent, UNAVAILABLE with reason DEPENDENCY_DOWN, when it has to stay."""
        state = self.state
        if state is BreakerState.OPEN and self._monotonic_s() >= self._open_until_s:
            self._machine.half_open()
            state = BreakerState.HALF_OPEN
        if state is BreakerState.OPEN or (state is BreakerState.HALF_OPEN and self._probing):
            raise not_sent(
                grpc.StatusCode.UNAVAILABLE,
                error_pb2.DEPENDENCY_DOWN,
                f"{self._target} has failed and is left alone (circuit {state})",
            )
        self._probing = state is BreakerState.HALF_OPEN
        return Admission(self, self._era, probe=self._probing)

    def _judge(self, era: int, code: grpc.StatusCode) -> None:
        if era != self._era:
            return
        try:
            self._machine.call(_replay, code)
        except _Failed:
            return  # that it was a failure is what the state machine had to hear

    def _release(self, era: int) -> None:
        if era == self._era:
            self._probing = False

    def _changed(self, before: BreakerState, after: BreakerState) -> None:
        self._era += 1
        self._probing = False
        if after is BreakerState.OPEN:
            self._open_until_s = self._monotonic_s() + self._settings.open_ms / 1000
        if self._on_change is not None:
            self._on_change(BreakerChange(target=self._target, before=before, after=after))


class Admission:
    """The leave of one call to go out. It ends with `settle`, once; later ones are ignored."""

    __slots__ = ("_breaker", "_era", "_settled", "probe")

    def __init__(self, breaker: Breaker, era: int, *, probe: bool) -> None:
        self._breaker = breaker
        self._era = era
        self._settled = False
        self.probe = probe

    def settle(self, code: grpc.StatusCode | None) -> None:
        """Report how the call ended; None where that says nothing about the service."""
        if self._settled:
            return
        self._settled = True
        self.release()
        if code is not None:
            self._breaker._judge(self._era, code)

    def release(self) -> None:
        """Let another call probe although this one has not ended."""
        if self.probe:
            self._breaker._release(self._era)


class _Failed(Exception):
    """A failure, in the shape in which pybreaker hears of it."""


def _replay(code: grpc.StatusCode) -> None:
    if code in TRIPS:
        raise _Failed(code.name)


class _Changes(pybreaker.CircuitBreakerListener):
    """Passes changes of state on."""

    def __init__(self, changed: Callable[[BreakerState, BreakerState], None]) -> None:
        self._changed = changed

    def state_change(
        self,
        cb: pybreaker.CircuitBreaker,
        old_state: pybreaker.CircuitBreakerState | None,
        new_state: pybreaker.CircuitBreakerState,
    ) -> None:
        before = BreakerState(old_state.name) if old_state is not None else BreakerState.CLOSED
        self._changed(before, BreakerState(new_state.name))
