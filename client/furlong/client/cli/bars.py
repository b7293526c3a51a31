"""Bars: how large parts of a whole are, at one glance."""

from collections.abc import Sequence

from rich.text import Text

FULL, REST = "━", "─"
REST_STYLE = "grey23"


def bar(parts: Sequence[tuple[int, str]], cells: int, whole: int) -> Text:
    """Draw parts of a whole, each in its colour. What is there at all has a cell, which the largest part gives up."""
    amounts = [amount for amount, _ in parts]
    widths = (
        [max(round(cells * amount / whole), 1) if amount else 0 for amount in amounts] if whole else [0] * len(parts)
    )
    if sum(amounts) == whole or sum(widths) > cells:
        widths[amounts.index(max(amounts))] += (cells if whole else 0) - sum(widths)
    drawn = Text()
    for width, (_, style) in zip(widths, parts, strict=True):
        drawn.append(FULL * width, style=style)
    return drawn.append(REST * (cells - len(drawn)), style=REST_STYLE)
