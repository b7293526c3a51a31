"""A span: one step of a trace, as it is kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_SPAN_BYTES: Final = 1_400
_ATTRIBUTE_BYTES: Final = 180
_LINK_BYTES: Final = 320
_TICKET_BYTES: Final = 300
"""What a span and its parts take in memory besides their text, entries of indexes included; measured, rounded up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A span of another trace that a span worked for."""

    trace_id: str
    span_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One step. Ids are in hex; `parent_span_id` is empty at a root; times are Unix time.

    `error` says what went wrong and is empty when nothing did. `is_call` tells a served call that is no stream.
    """

    trace_id: str
    span_id: str
    parent_span_id: str
    service: str
    name: str
    started_ns: int
    duration_us: int
    error: str
    attributes: Mapping[str, str]
    links: tuple[Link, ...]
    ticket_ids: tuple[str, ...]
    is_call: bool

    @property
    def size(self) -> int:
        """Estimate the memory that the span takes, in bytes, rather too high than too low."""
        text = len(self.name) + len(self.service) + len(self.error)
        text += sum(len(name) + len(value) for name, value in self.attributes.items())
        return (
            _SPAN_BYTES
            + 4 * text  # a character takes up to four bytes
            + _ATTRIBUTE_BYTES * len(self.attributes)
            + _LINK_BYTES * len(self.links)
            + _TICKET_BYTES * len(self.ticket_ids)
        )
