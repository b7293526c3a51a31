"""A real browser, without a window, and shop screens in it."""

import shutil
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, async_playwright

from tests.e2e.web.shop_screen import OpenScreen, ShopScreen

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
# A browser that looks for updates and the like disturbs its neighbours where there is no way out.
QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    "--no-sandbox",
)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Chromium; a test that asks for it is skipped where there is none."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.skip("no Chromium is on this machine (Debian: apt-get install chromium); the pages are not looked at")
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=program, args=QUIET)
        yield running
        await running.close()


@pytest.fixture
async def open_screen(browser: Browser) -> OpenScreen:
    """Opens the screen of a track at a gateway, in a window of its own."""

    async def open_one(
        gateway: str, track: str, *, width: int = 960, height: int = 600, calm: bool = False
    ) -> ShopScreen:
        context = await browser.new_context(
            viewport={"width": width, "height": height}, reduced_motion="reduce" if calm else "no-preference"
        )
        screen = ShopScreen(await context.new_page())
        await screen.goto(f"http://{gateway}/?track={track}")
        return screen

    return open_one
