"""How a trace looks: a waterfall, every step below the one that caused it, its bar where it was in time."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from furlong.client.cli.output import local, plain
from furlong.client.cli.top_view import short, took
from furlong.metrics.v1.metrics_service_pb2 import Span, Trace, TraceSummary
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

BAR_WIDTH = 40
DEPTH_MAX = 24
SERVICE_STYLES = ("cyan", "green", "magenta", "yellow", "blue", "bright_red")


def waterfall(trace: Trace) -> RenderableType:
    """Draw a trace."""
    steps = list(_in_order(trace.spans))
    starts_us = [span.started_at.ToMicroseconds() for _, span in steps]
    begin_us = min(starts_us, default=0)
    end_us = max((start + span.duration_us for start, (_, span) in zip(starts_us, steps, strict=True)), default=0)
    styles = _styles(span.service for _, span in steps)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("step", no_wrap=True)
    table.add_column("service")
    table.add_column("took", justify="right", no_wrap=True)
    table.add_column("", width=BAR_WIDTH, no_wrap=True)
    for (depth, span), start_us in zip(steps, starts_us, strict=True):
        table.add_row(
            _name(depth, span, foreign=bool(span.trace_id) and span.trace_id != trace.trace_id),
            Text(plain(span.service), style=styles[span.service]),
            took(span.duration_us),
            Text(_bar(start_us - begin_us, span.duration_us, end_us - begin_us), style=styles[span.service]),
        )
    head = Text.assemble("trace ", (plain(trace.trace_id), "bold"), f"  {took(end_us - begin_us)}")
    return Group(head, Text(), table)


def listing(traces: Sequence[TraceSummary]) -> RenderableType:
    """Draw traces, one a line."""
    if not traces:
        return Text("no trace is kept; `furlong place` makes one")
    table = Table("trace", "began", "root", "steps", "took", box=None, padding=(0, 2, 0, 0), header_style="dim")
    for each in traces:
        table.add_row(
            Text(plain(each.trace_id), style="bold"),
            f"{local(each.started_at):%H:%M:%S}",
            Text(short(each.name), style="red" if each.error else ""),
            str(each.spans),
            took(each.duration_us),
        )
    return table


def _in_order(spans: Sequence[Span]) -> Iterator[tuple[int, Span]]:
    """Give each step with its depth, below its cause. A step whose cause is not known stands at the left."""
    known = {span.span_id for span in spans}
    children: dict[str, list[Span]] = {}
    for span in spans:
        cause = span.via_span_id or span.parent_span_id
        children.setdefault(cause if cause in known else "", []).append(span)
    told: set[str] = set()
    waiting = [(0, span) for span in reversed(children.get("", []))]
    while waiting:
        depth, span = waiting.pop()
        if span.span_id in told:
            continue
        told.add(span.span_id)
        yield depth, span
        waiting += [(depth + 1, child) for child in reversed(children.get(span.span_id, []))]
    yield from ((0, span) for span in spans if span.span_id not in told)  # steps that are each other's cause


def _name(depth: int, span: Span, *, foreign: bool) -> Text:
    name = Text("  " * min(depth, DEPTH_MAX))
    if foreign and span.via_span_id:
        name.append("⇢ ", style="dim")
    name.append(short(span.name), style="red" if span.error else "")
    if span.error:
        name.append(f"  {plain(span.error)}", style="red")
    return name


def _bar(start_us: int, duration_us: int, whole_us: int) -> str:
    if whole_us <= 0:
        return "█"
    first = min(start_us * BAR_WIDTH // whole_us, BAR_WIDTH - 1)
    cells = max(round(duration_us * BAR_WIDTH / whole_us), 1)
    return " " * first + "█" * min(cells, BAR_WIDTH - first)


def _styles(services: Iterator[str]) -> dict[str, str]:
    names = [name for name, _ in groupby(sorted(services))]
    return {name: SERVICE_STYLES[n % len(SERVICE_STYLES)] for n, name in enumerate(names)}
