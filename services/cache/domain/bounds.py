"""The bounds that the contract states, and those that memory needs."""

from typing import Final

KEY_BYTES_MAX: Final = 512
TAG_BYTES_MAX: Final = 128
TAGS_MAX: Final = 8
PATTERN_BYTES_MAX: Final = 128
BATCH_MAX: Final = 1_000
VALUE_BYTES_MAX: Final = 128 * 1024

ANSWER_VALUE_BYTES_MAX: Final = 3 * 1024 * 1024
"""Values in the answer to one batch; with their keys' answers it stays below the 4 MiB that clients receive."""

TOPIC_BYTES_MAX: Final = 128
PAYLOAD_BYTES_MAX: Final = 64 * 1024

MESSAGES_AT_ONCE: Final = 64
"""Messages of a topic that the store brings at once."""

TAG_MARKS_MAX: Final = 1_024
PATTERN_MARKS_MAX: Final = 64
"""Marks of a namespace; one more, and all of them become one mark on the whole namespace."""

RECENT_KEYS_MAX: Final = 8_192
"""Changed keys that are remembered for reads that are under way."""

READ_KEYS_MAX: Final = 200
"""Keys of one read of the store. With values at their bound it brings 25 MiB."""

WAIT_MS_MAX: Final = 400
"""How long a caller may wait for another's load: less than the shortest deadline of a Get."""

DELTA_MAX: Final = 10**12

INCREMENTS_MAX: Final = 100_000
"""Increments of one number while it lives: each is remembered for as long."""
