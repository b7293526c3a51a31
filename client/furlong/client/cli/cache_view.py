"""How the cache looks on a terminal: bars for what was answered from where, and for who takes the room."""

import json
from collections.abc import Iterator, Sequence

from furlong.cache.v1.cache_service_pb2 import Found, GetStatsResponse, NamespaceStats
from furlong.client.cli.bars import FULL, bar
from furlong.client.cli.output import plain
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

ANSWERED_CELLS = 30
ROOM_CELLS = 16
VALUE_SHOWN_BYTES = 512
HEX_LINE_BYTES = 16

ROOM_STYLE = "blue"
OUTCOMES = (
    ("L1", "green"),
    ("L2", "cyan"),
    ("nothing there", "magenta"),
    ("stale", "yellow"),
    ("missed", "grey42"),
)
"""What a look-up comes to, and its colour, in the order of the bars."""

REDIS_STYLES = {"up": "green", "down": "bold red", "off": "dim"}


def board(stats: GetStatsResponse) -> RenderableType:
    """Draw what one replica did."""
    busy = [each for each in stats.namespaces if _asked(each) or each.entries or each.sets or each.invalidations]
    parts: list[RenderableType] = [*_head(stats)]
    if busy:
        parts += [Text(), _answers(busy), _legend(), Text(), _room(busy)]
    idle = [each.namespace for each in stats.namespaces if each not in busy]
    if idle:
        parts += [Text(), Text(f"idle: {', '.join(plain(name) for name in idle)}", style="dim")]
    return Group(*parts)


def entry(found: Found) -> RenderableType:
    """Draw what looking one entry up came to."""
    if found.outcome == Found.MISS:
        return Text("nothing is kept under this key", style="dim")
    outcome = Found.Outcome.Name(found.outcome)
    head = Text.assemble(
        (f"{outcome}", "yellow" if found.outcome == Found.STALE else "bold green"),
        f"  from {Found.Tier.Name(found.tier)}, {span(found.age_ms)} old, {size(len(found.value))}",
        (f"  version {found.version}", "dim"),
    )
    if found.outcome == Found.ABSENT:
        head.append("  it is known that there is nothing", style="magenta")
        return head
    return Group(head, Text(), _value(found.value))


def size(count: int) -> str:
    """Write bytes with three digits or four: `870 B`, `12.3 KiB`, `1.20 MiB`."""
    for unit, unit_bytes in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= unit_bytes:
            amount = count / unit_bytes
            decimals = 2 if amount < 10 else 1 if amount < 100 else 0
            return f"{amount:,.{decimals}f} {unit}"
    return f"{count} B"


def span(ms: float) -> str:
    """Write a time with its two largest units: `0.42 ms`, `870 ms`, `12.5 s`, `4 min 12 s`, `3 h 20 min`."""
    seconds = ms / 1_000
    if seconds < 1:
        return f"{ms:.0f} ms" if ms >= 10 or ms == 0 else f"{ms:.2g} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest_s = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest_s} s"
    hours, rest_min = divmod(minutes, 60)
    return f"{hours:,} h {rest_min} min"


def _head(stats: GetStatsResponse) -> Iterator[Text]:
    hits = sum(_hits(each) for each in stats.namespaces)
    asked = sum(_asked(each) for each in stats.namespaces)
    taken = sum(each.bytes for each in stats.namespaces)
    saved_ms = sum(each.saved_ms for each in stats.namespaces)
    first = Text.assemble(("redis ", "dim"), (plain(stats.redis), REDIS_STYLES.get(stats.redis, "")), ("   L1 ", "dim"))
    first.append_text(bar([(taken, ROOM_STYLE)], ROOM_CELLS, stats.bytes_max))
    first.append(f" {size(taken)}").append(f" of {size(stats.bytes_max)}", style="dim")
    first.append("   hit rate ", style="dim").append(_percent(hits, asked), style="bold")
    if saved_ms:
        first.append("   saved ", style="dim").append(span(saved_ms), style="bold green")
    yield first
    second = Text.assemble(("canary ", "dim"), _canary(stats))
    if stats.canary.reads:
        second.append("   changes are late by ", style="dim").append(f"{span(stats.lag_p50_ms)}")
        second.append(", p99 ", style="dim").append(f"{span(stats.lag_p99_ms)}")
    if stats.owed:
        second.append(f"   {stats.owed} namespaces are owed to Redis", style="bold yellow")
    yield second


def _canary(stats: GetStatsResponse) -> tuple[str, str]:
    reads, stale = stats.canary.reads, stats.canary.stale_reads
    if stale:
        return f"{stale:,} of {reads:,} reads were stale", "bold red"
    return (f"{reads:,} reads, none stale", "green") if reads else ("has read nothing yet", "dim")


def _answers(namespaces: Sequence[NamespaceStats]) -> Table:
    table = _table(
        "namespace", "answered from", "asked", "hits", "saved", "written", "forgotten", "leases", "waits", "late"
    )
    for each in namespaces:
        asked = _asked(each)
        counts = (each.hits_l1, each.hits_l2, each.absent, each.stale, each.misses)
        parts = [(count, style) for count, (_, style) in zip(counts, OUTCOMES, strict=True)]
        table.add_row(
            Text(plain(each.namespace), style="bold"),
            bar(parts, ANSWERED_CELLS, asked),
            f"{asked:,}",
            _percent(_hits(each), asked),
            Text(span(each.saved_ms), style="green") if each.saved_ms else _nothing(),
            _count(each.sets),
            _count(each.invalidations),
            _count(each.leases),
            _count(each.waits),
            Text(f"{each.fills_refused:,}", style="yellow") if each.fills_refused else _nothing(),
        )
    return table


def _legend() -> Text:
    legend = Text()
    for words, style in OUTCOMES:
        legend.append(f"{FULL} ", style=style).append(f"{words}   ", style="dim")
    return legend


def _room(namespaces: Sequence[NamespaceStats]) -> Table:
    table = _table("in L1", "of its room", "takes", "of", "entries", "pushed out", "at age", "largest")
    table.columns[-1].justify = "left"
    for each in sorted(namespaces, key=lambda each: -each.bytes):
        table.add_row(
            Text(plain(each.namespace), style="bold"),
            bar([(each.bytes, ROOM_STYLE)], ROOM_CELLS, each.bytes_max),
            size(each.bytes),
            Text(size(each.bytes_max), style="dim"),
            _count(each.entries),
            _count(each.evictions),
            span(each.evicted_age_ms) if each.evictions else _nothing(),
            _largest(each),
        )
    return table


def _largest(each: NamespaceStats) -> Text:
    if not each.largest:
        return _nothing()
    return Text(plain(each.largest[0].key)).append(f" {size(each.largest[0].bytes)}", style="dim")


def _value(value: bytes) -> Text:
    """Draw a value: as JSON or text where it is that, else its bytes."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return _hex(value)
    if not all(character.isprintable() or character == "\n" for character in text):
        return _hex(value)
    try:
        return Text(json.dumps(json.loads(text), indent=2, ensure_ascii=False))
    except ValueError:
        return Text(text)


def _hex(value: bytes) -> Text:
    drawn = Text()
    for at in range(0, min(len(value), VALUE_SHOWN_BYTES), HEX_LINE_BYTES):
        line = value[at : at + HEX_LINE_BYTES]
        letters = "".join(chr(byte) if 0x20 <= byte < 0x7F else "·" for byte in line)
        drawn.append(f"{at:6}  ", style="dim").append(f"{line.hex(' '):<{3 * HEX_LINE_BYTES}}  ")
        drawn.append(f"{letters}\n", style="green")
    if len(value) > VALUE_SHOWN_BYTES:
        drawn.append(f"and {len(value) - VALUE_SHOWN_BYTES:,} bytes more\n", style="dim")
    drawn.right_crop(1)
    return drawn


def _asked(each: NamespaceStats) -> int:
    return each.hits_l1 + each.hits_l2 + each.absent + each.stale + each.misses


def _hits(each: NamespaceStats) -> int:
    return each.hits_l1 + each.hits_l2 + each.absent


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"


def _count(count: int) -> Text:
    return Text(f"{count:,}") if count else _nothing()


def _nothing() -> Text:
    return Text("-", style="dim")


def _table(*headings: str) -> Table:
    """Make a table whose first two columns are words and bars, and the others numbers."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for n, heading in enumerate(headings):
        table.add_column(heading, justify="left" if n < 2 else "right", no_wrap=True)
    return table
