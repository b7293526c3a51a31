"""How the figures look: one table for each kind of thing, and only those that have something to show."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from furlong.client.cli.bars import bar
from furlong.client.cli.output import local, plain
from furlong.metrics.v1.metrics_service_pb2 import Latency, MethodFigures, SlowCall, Snapshot, StatementFigures
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

LATENCY_COLUMNS = ("calls/s", "errors", "p50", "p95", "p99", "longest")
PACKAGE = "furlong."
HIT_CELLS = 20
TIER_STYLES = {"l1": "green", "l2": "cyan"}

_T = TypeVar("_T", MethodFigures, StatementFigures)


def board(snapshot: Snapshot, slow: Sequence[SlowCall]) -> RenderableType:
    """Draw a snapshot and the slowest calls."""
    seconds = max(snapshot.window_ms, 1) / 1_000
    parts: list[RenderableType] = [_head(snapshot)]
    for draw in (_tracks, _methods, _statements, _cache):
        table = draw(snapshot, seconds)
        if table.row_count:
            parts += [Text(), table]
    if slow:
        parts += [Text(), _slow_calls(slow)]
    if len(parts) == 1:
        parts.append(Text("nothing has been reported yet", style="dim"))
    return Group(*parts)


def took(duration_us: int) -> str:
    """Write how long something took, with three digits: `870 us`, `4.21 ms`, `12.3 s`."""
    for unit, us in (("s", 1_000_000), ("ms", 1_000)):
        if duration_us >= us:
            amount = duration_us / us
            decimals = 2 if amount < 10 else 1 if amount < 100 else 0
            return f"{amount:,.{decimals}f} {unit}"
    return f"{duration_us} us"


def short(name: str) -> str:
    """Leave out of a method's name what all have in common: `game.v1.TicketService/PlaceTickets`."""
    return plain(name.removeprefix(PACKAGE))


def _head(snapshot: Snapshot) -> Text:
    head = Text.assemble(
        (f"{local(snapshot.at):%H:%M:%S}", "bold"), f"  the last {round(snapshot.window_ms / 1_000)} s"
    )
    for count, words in (
        (snapshot.dropped, "reports had no room"),
        (snapshot.forward_dropped, "reports were not passed on"),
    ):
        if count:
            head.append(f"  {count:,} {words}", style="yellow")
    return head


def _tracks(snapshot: Snapshot, seconds: float) -> Table:
    table = _table("track", "tickets/s", "accepted", "refused", "staked (minor)", "watchers")
    for track in snapshot.tracks:
        table.add_row(
            Text(plain(track.track), style="bold"),
            _rate(track.tickets + track.refused, seconds),
            f"{track.tickets:,}",
            f"{track.refused:,}",
            f"{track.stake_minor:,}",
            f"{track.watchers:,}",
        )
    return table


def _methods(snapshot: Snapshot, seconds: float) -> Table:
    table = _table("service", "method", *LATENCY_COLUMNS, left=2)
    for figures in _busiest(snapshot.methods):
        table.add_row(
            Text(plain(figures.service), style="bold"), Text(short(figures.method)), *_latency(figures.latency, seconds)
        )
    return table


def _statements(snapshot: Snapshot, seconds: float) -> Table:
    table = _table("statement", *LATENCY_COLUMNS)
    for figures in _busiest(snapshot.statements):
        table.add_row(Text(plain(figures.statement)), *_latency(figures.latency, seconds))
    return table


def _cache(snapshot: Snapshot, seconds: float) -> Table:
    table = _table("cache", "tier", "asked/s", "hits", "misses", "hit rate", "", left=2)
    for tier in snapshot.cache:
        asked = tier.hits + tier.misses
        table.add_row(
            Text(plain(tier.namespace)),
            Text(plain(tier.tier)),
            _rate(asked, seconds),
            f"{tier.hits:,}",
            f"{tier.misses:,}",
            f"{100 * tier.hits / max(asked, 1):.1f} %",
            bar([(tier.hits, TIER_STYLES.get(tier.tier, ""))], HIT_CELLS, asked),
        )
    return table


def _slow_calls(calls: Sequence[SlowCall]) -> Table:
    table = _table("slowest calls", "service", "took", "trace", left=2)
    for call in calls:
        table.add_row(
            Text(short(call.name), style="red" if call.error else ""),
            Text(plain(call.service)),
            took(call.duration_us),
            Text(plain(call.trace_id), style="dim"),
        )
    return table


def _table(*headings: str, left: int = 1) -> Table:
    """Make a table whose columns hold numbers, but for the first `left`."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for n, heading in enumerate(headings):
        table.add_column(heading, justify="left" if n < left else "right", no_wrap=n >= left)
    return table


def _latency(latency: Latency, seconds: float) -> Iterator[RenderableType]:
    yield _rate(latency.count, seconds)
    yield Text(f"{latency.errors:,}", style="red" if latency.errors else "")
    yield from (took(us) for us in (latency.p50_us, latency.p95_us, latency.p99_us, latency.max_us))


def _rate(count: int, seconds: float) -> str:
    rate = count / seconds
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.1f}"


def _busiest(figures: Iterable[_T]) -> list[_T]:
    return sorted(figures, key=lambda each: -each.latency.count)
