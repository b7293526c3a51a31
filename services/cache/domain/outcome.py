"""What looking an entry up comes to. The numbers are those of the wire."""

from enum import IntEnum


class Outcome(IntEnum):
    """What looking an entry up came to. An entry is a HIT or ABSENT while it is fresh, and only a HIT becomes STALE."""

    HIT = 1
    STALE = 2
    MISS = 3
    OMITTED = 4
    ABSENT = 5
