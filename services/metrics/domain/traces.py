"""The traces that are kept: the newest ones that fit, found by their id or by a ticket that they carried.

    put ──▶ trace by id, in order of first arrival ──▶ the oldest whole traces make way
              └▶ index of tickets, index of links: both forget with the trace

1. The spans that are kept take at most `bytes_max`, by the estimate of `Span.size`.
2. A trace has at most SPANS_MAX spans; further ones are refused, so that one endless trace cannot push out all others.
3. The same span sent twice is kept once.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from services.metrics.domain.span import Span

SPANS_MAX: Final = 500
LINKED_MAX: Final = 20
"""The linking spans that the story of a trace includes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A span in the story of a trace. `via_span_id` is the span of the trace that a step of another one worked for."""

    span: Span
    via_span_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A trace in a line. `root` is its first span without a parent that is known."""

    trace_id: str
    root: Span
    spans: int


class Traces:
    """Keeps traces. `evicted` counts the spans that made way."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._traces: OrderedDict[str, dict[str, Span]] = OrderedDict()
        self._trace_of_ticket: dict[str, str] = {}
        self._linking: dict[str, dict[tuple[str, str], None]] = {}  # trace -> spans of others, in order of arrival
        self.bytes = 0
        self.evicted = 0

    def __len__(self) -> int:
        return len(self._traces)

    def put(self, span: Span) -> bool:
        """Keep a span; False where its trace is full, or it is larger than everything that may be kept."""
        spans = self._traces.get(span.trace_id, {})
        known = spans.get(span.span_id)
        if (known is None and len(spans) >= SPANS_MAX) or span.size > self._bytes_max:
            return False
        if known is not None:
            self._forget(known)
        self._traces.setdefault(span.trace_id, spans)[span.span_id] = span
        self.bytes += span.size
        for ticket_id in span.ticket_ids:
            self._trace_of_ticket[ticket_id] = span.trace_id
        for link in span.links:
            if link.trace_id != span.trace_id:
                self._linking.setdefault(link.trace_id, {})[span.trace_id, span.span_id] = None
        while self.bytes > self._bytes_max:
            self._evict()
        return True

    def find(self, trace_or_ticket_id: str) -> str | None:
        """Give the id of a trace that is known by its id or by a ticket's; None where there is none."""
        trace_id = self._trace_of_ticket.get(trace_or_ticket_id, trace_or_ticket_id)
        return trace_id if trace_id in self._traces else None

    def story(self, trace_id: str) -> Sequence[Step]:
        """Tell a known trace: its spans, and those of others that worked for it with all below them, by start."""
        steps = [Step(span=span, via_span_id="") for span in self._traces[trace_id].values()]
        told = {(trace_id, span_id) for span_id in self._traces[trace_id]}
        for other_id, span_id in islice(self._linking.get(trace_id, ()), LINKED_MAX):
            if (other_id, span_id) in told:
                continue
            linking = self._traces[other_id][span_id]
            via = next(link.span_id for link in linking.links if link.trace_id == trace_id)
            for span in _with_all_below(linking, self._traces[other_id].values()):
                if (other_id, span.span_id) not in told:
                    told.add((other_id, span.span_id))
                    steps.append(Step(span=span, via_span_id=via if span is linking else ""))
        return sorted(steps, key=lambda step: step.span.started_ns)

    def newest(self, limit: int) -> Sequence[Summary]:
        """Give the traces that came last, the newest first."""
        return [
            Summary(trace_id=trace_id, root=_root(self._traces[trace_id]), spans=len(self._traces[trace_id]))
            for trace_id in islice(reversed(self._traces), limit)
        ]

    def _evict(self) -> None:
        _, spans = self._traces.popitem(last=False)
        for span in spans.values():
            self._forget(span)
        self.evicted += len(spans)

    def _forget(self, span: Span) -> None:
        """Take a span out of all book-keeping but its trace."""
        self.bytes -= span.size
        for ticket_id in span.ticket_ids:
            if self._trace_of_ticket.get(ticket_id) == span.trace_id:
                del self._trace_of_ticket[ticket_id]
        for link in span.links:
            linking = self._linking.get(link.trace_id)
            if linking is not None:
                linking.pop((span.trace_id, span.span_id), None)
                if not linking:
                    del self._linking[link.trace_id]


def _root(spans: dict[str, Span]) -> Span:
    roots = [span for span in spans.values() if span.parent_span_id not in spans]
    return min(roots or spans.values(), key=lambda span: span.started_ns)


def _with_all_below(top: Span, spans: Iterable[Span]) -> Iterator[Span]:
    """Give a span and its descendants. Spans may name each other as parents, so each is given once."""
    children: dict[str, list[Span]] = {}
    for span in spans:
        children.setdefault(span.parent_span_id, []).append(span)
    waiting, seen = [top], {top.span_id}
    while waiting:
        span = waiting.pop()
        yield span
        below = [child for child in children.get(span.span_id, ()) if child.span_id not in seen]
        seen.update(child.span_id for child in below)
        waiting += below
