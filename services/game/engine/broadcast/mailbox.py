"""A watcher's mailbox: bounded, so that a slow reader costs memory to nobody and time to nobody but itself.

Transitions wait in order and none is dropped. Of totals, of ticks and of the tickets of each account only the latest
waits, because nobody wants the older one. A mailbox that is full when a transition comes ends its watcher with
FELL_BEHIND: it resumes by `after`, and reads from the room's history what it missed.
"""

from collections import deque
from collections.abc import Callable, Sequence

from furlong.common.v1.error_pb2 import Reason

from services.chassis.refusal import Refusal

Numbered = tuple[int, bytes]
"""An encoded frame with the `transition_seq` that a watcher who has it may resume from."""


class Mailbox:
    """The frames of one watcher. `after` is the last transition that was handed out.

    `on_mail` is called whenever there is something to take: a frame, or the refusal that ends the watcher.
    """

    __slots__ = (
        "_first_left",
        "_frames_max",
        "_own",
        "_tick",
        "_transitions",
        "_update",
        "after",
        "ending",
        "on_mail",
    )

    def __init__(
        self, *, first: Sequence[Numbered], after: int, frames_max: int, on_mail: Callable[[], object]
    ) -> None:
        self._transitions = deque(first)
        self._first_left = len(first)  # what it begins with is history, not slowness
        self._frames_max = frames_max
        self._own: dict[str, bytes] | None = None  # made when there is some: few watchers have any
        self._update: Numbered | None = None
        self._tick: Numbered | None = None
        self.on_mail = on_mail
        self.after = after
        self.ending: Refusal | None = None

    def put_transition(self, frame: Numbered) -> None:
        """Add a transition, which outdates the update that waits; full, end the watcher."""
        if self.ending is not None:
            return
        if len(self._transitions) - self._first_left >= self._frames_max:
            self._fall_behind()
            return
        self._update = self._tick = None
        self._transitions.append(frame)
        self.on_mail()

    def put_update(self, frame: Numbered) -> None:
        """Put the round as it is in the place of the update that waits."""
        self._update = frame
        self.on_mail()

    def put_tick(self, frame: Numbered) -> None:
        """Put a tick in the place of the one that waits."""
        self._tick = frame
        self.on_mail()

    def put_own(self, account_id: str, frame: bytes) -> None:
        """Put the tickets of an account as they are in the place of those that wait."""
        if self._own is None:
            self._own = {}
        self._own[account_id] = frame
        self.on_mail()

    def end(self, why: Callable[[int], Refusal]) -> None:
        """End the watcher once it has the transitions that wait; `why` is told where it may resume."""
        if self.ending is not None:
            return
        after = self._transitions[-1][0] if self._transitions else self.after
        self.ending = why(after)
        self.on_mail()

    @property
    def has_fallen_behind(self) -> bool:
        """Tell whether the watcher was ended for its slowness; whatever is being written to it is in vain."""
        return self.ending is not None and self.ending.reason == Reason.FELL_BEHIND

    def take(self) -> bytes | None:
        """Take the next frame; None where nothing waits. Raises the Refusal that ends the watcher."""
        if self._transitions:
            self.after, frame = self._transitions.popleft()
            self._first_left = max(self._first_left - 1, 0)
            return frame
        if self.ending is not None:
            raise self.ending
        if self._own:
            return self._own.pop(next(iter(self._own)))
        if self._update is not None:
            (_, frame), self._update = self._update, None
            return frame
        if self._tick is not None:
            (_, frame), self._tick = self._tick, None
            return frame
        return None

    def _fall_behind(self) -> None:
        self._transitions.clear()
        self.ending = Refusal(
            Reason.FELL_BEHIND,
            f"the watcher is {self._frames_max} transitions behind; it may resume after {self.after}",
            metadata={"after": str(self.after)},
        )
        self.on_mail()
