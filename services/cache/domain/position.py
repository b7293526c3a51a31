"""Where a topic stands: an epoch and a sequence in it.

Messages of one epoch are numbered from 1 without gaps. An epoch ends when the store forgets the topic; the next one has
a greater number, so positions are ordered.
"""

from typing import Final, NamedTuple


class Position(NamedTuple):
    """The message with this sequence, or right behind it."""

    epoch: int
    sequence: int

    def is_followed_by(self, other: "Position") -> bool:
        """Tell whether nothing lies between this position and the message at `other`."""
        return other == (self.epoch, self.sequence + 1) or (self == NOWHERE and other.sequence == 1)


NOWHERE: Final = Position(0, 0)
"""Before the first message of a topic that has never had one."""
