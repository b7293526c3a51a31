"""Makes the pictures in docs/images, of the screens of a stack that runs: `python -m tools.pictures [address] [track]`.

Needs Chromium, and a machine with little else to do: on a busy one the race is over before it is pictured. A track with
punters makes better pictures than a quiet one; those of `make demo` bet on `city-sprint`.
"""

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ADDRESS = "http://localhost:8080"
TRACK = "harbour-mile"
IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
ROUND_MS = 120_000
"""Longer than any round of the track."""
BETTING_SHOWN_MS = 16_000
RACE_SHOWN_MS = 8_500
RESULT_SHOWN_MS = 2_000
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-sync", "--disable-background-networking")


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A window that is pictured: `name` begins the names of its files, `scale` keeps them small."""

    name: str
    width: int
    height: int
    scale: float = 1.0


WINDOWS = (Window(name="shop", width=1920, height=1080, scale=0.6), Window(name="phone", width=390, height=844))

# name, the state that it waits for, how long after the beginning of that state
MOMENTS = (
    ("game", "BETTING", BETTING_SHOWN_MS),
    ("movie", "RACING", RACE_SHOWN_MS),
    ("finish", "RESULT", RESULT_SHOWN_MS),
)


def main(arguments: Sequence[str]) -> int:
    """Make all pictures; the exit code."""
    address, track = [*arguments[:2], *(ADDRESS, TRACK)[len(arguments) :]]
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        print("no Chromium is on this machine", file=sys.stderr)
        return 1
    IMAGES.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=QUIET)
        pages = []
        for window in WINDOWS:
            page = browser.new_page(
                viewport={"width": window.width, "height": window.height}, device_scale_factor=window.scale
            )
            page.goto(f"{address}/?track={track}")
            pages.append((window, page))
        for name, state, after_ms in MOMENTS:
            _wait_for_the_beginning(pages[0][1], state)
            pages[0][1].wait_for_timeout(after_ms)
            for window, page in pages:
                file = IMAGES / f"{window.name}-{name}.png"
                page.screenshot(path=file)
                print(f"{file.relative_to(Path.cwd())}  {file.stat().st_size // 1_024} KiB")
        browser.close()
    return 0


def _wait_for_the_beginning(page: Page, state: str) -> None:
    """Wait until a round comes into the state, even where one is in it already."""
    page.wait_for_selector(f"body:not([data-state={state}])", timeout=ROUND_MS)
    page.wait_for_selector(f"body[data-state={state}]", timeout=ROUND_MS)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
