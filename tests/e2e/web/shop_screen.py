"""The shop screen as somebody sees it who stands before it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from playwright.async_api import Page

from tests.e2e.waiting import until

OpenScreen = Callable[..., Awaitable["ShopScreen"]]

SHOWN_S = 15.0
"""How late a screen may show what it should; a machine with little to spare draws slowly."""

LOOK = """() => {
  const text = (id) => document.getElementById(id).textContent.trim();
  const rows = [...document.querySelectorAll(".runner")];
  rows.sort((one, other) => one.style.getPropertyValue("--rank") - other.style.getPropertyValue("--rank"));
  return {
    round: document.body.dataset.round ?? "",
    screen: document.body.dataset.screen,
    state: document.body.dataset.state,
    connection: document.getElementById("connection").dataset.connection,
    countdown: text("countdown"),
    announced: text("announcer"),
    heading: text("race-name"),
    stakes: text("stakes"),
    tickets: text("tickets"),
    note: text("countdown-note"),
    stamp: text("stamp"),
    board: text("board-note"),
    presence: text("presence"),
    order: rows.map((row) => Number(row.dataset.runner)),
    places: rows.map((row) => row.querySelector(".place").textContent),
    prices: rows.map((row) => row.querySelector(".price").textContent),
    remarks: rows.map((row) => row.querySelector(".remark").textContent),
  };
}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a screen shows at one moment."""

    round: str
    screen: str
    state: str
    connection: str
    countdown: str
    announced: str
    heading: str
    stakes: str
    tickets: str
    note: str
    stamp: str
    board: str
    presence: str
    order: list[int]
    places: list[str]
    prices: list[str]
    remarks: list[str]


class ShopScreen:
    """One browser page on the shop screen, and all that went wrong in it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.errors: list[str] = []
        self.seen: list[Look] = []
        page.on("console", lambda message: self._note(message.type, message.text))
        page.on("pageerror", lambda error: self._note("error", str(error)))

    async def goto(self, address: str) -> None:
        """Open an address; returns when the page is there, which is before it shows a round."""
        await self.page.goto(address)

    async def look(self) -> Look:
        """Look at it once; every look is kept in `seen`."""
        shown: dict[str, Any] = await self.page.evaluate(LOOK)
        self.seen.append(Look(**shown))
        return self.seen[-1]

    async def until(self, is_so: Callable[[Look], bool], what: str, *, within_s: float = SHOWN_S) -> Look:
        """Look again and again until it shows what is waited for."""

        async def ask() -> Look | None:
            shown = await self.look()
            return shown if is_so(shown) else None

        return await until(ask, within_s=within_s, what=f"the screen shows {what}")

    async def overflow(self) -> tuple[int, int]:
        """By how many pixels the page is wider and higher than its window."""
        sizes: list[int] = await self.page.evaluate(
            """() => {
              const { scrollWidth, clientWidth, scrollHeight, clientHeight } = document.documentElement;
              return [scrollWidth - clientWidth, scrollHeight - clientHeight];
            }"""
        )
        return sizes[0], sizes[1]

    def _note(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.errors.append(text)
