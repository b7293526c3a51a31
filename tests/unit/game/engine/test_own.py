"""Watchers are told the tickets of their accounts as the store has them, once for all that happened meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from furlong.common.v1.error_pb2 import Reason
from furlong.common.v1.ticket_pb2 import Ticket

from services.chassis.refusal import Refusal
from services.game.engine.broadcast.mailbox import Mailbox
from services.game.engine.broadcast.own import PASS_MS, OwnTickets
from services.game.ports import Page
from tests.fakes.virtual_clock import VirtualClock


class Books:
    """Tickets by account, as a test writes them."""

    def __init__(self) -> None:
        self.tickets_of: dict[str, list[Ticket]] = {}
        self.reads: list[str] = []
        self.failures: list[Exception] = []

    def sell(self, account_id: str, ticket_id: str, *, round_id: int = 2) -> Ticket:
        ticket = Ticket(ticket_id=ticket_id, account_id=account_id, round_id=round_id, state=Ticket.ACCEPTED)
        self.tickets_of.setdefault(account_id, []).insert(0, ticket)
        return ticket

    async def tickets(self, account_id: str, page_size: int, page_token: str) -> Page[Ticket]:
        self.reads.append(account_id)
        if self.failures:
            raise self.failures.pop()
        if account_id not in self.tickets_of:
            raise Refusal(Reason.ACCOUNT_UNKNOWN, "none")
        copies = []
        for ticket in self.tickets_of[account_id][:page_size]:
            copies.append(Ticket())
            copies[-1].CopyFrom(ticket)
        return Page(items=copies, next_page_token="")


class Shop:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.books = Books()
        self.own = OwnTickets(tickets=self.books, clock=self.clock, encode=_encode)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        self.own.show(1)
        self.own.show(2)
        task = asyncio.create_task(self.own.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def watch(self, *accounts: str) -> Mailbox:
        mailbox = Mailbox(first=(), after=0, frames_max=4, on_mail=lambda: None)
        self.own.join(mailbox, accounts)
        await self.pass_by()
        return mailbox

    async def pass_by(self) -> None:
        await self.clock.run_for_ms(PASS_MS)


def _encode(account_id: str, tickets: Sequence[Ticket], made_at_ms: int) -> bytes:
    told = ",".join(f"{ticket.ticket_id}={Ticket.State.Name(ticket.state)}" for ticket in tickets)
    return f"{account_id}: {told}".encode()


def mail(mailbox: Mailbox) -> list[bytes]:
    return list(iter(mailbox.take, None))


async def test_a_watcher_begins_with_its_accounts_as_they_are() -> None:
    shop = Shop()
    shop.books.sell("a", "t1")
    shop.books.sell("a", "old", round_id=0)
    async with shop.open():
        watcher = await shop.watch("a", "nobody")

    assert sorted(mail(watcher)) == [b"a: t1=ACCEPTED", b"nobody: "]


async def test_a_ticket_that_is_placed_is_told_to_whoever_watches_its_account() -> None:
    shop = Shop()
    async with shop.open():
        first, second, other = await shop.watch("a"), await shop.watch("a"), await shop.watch("b")
        for watcher in (first, second, other):
            mail(watcher)
        shop.books.sell("a", "t1")
        shop.own.changed({"a", "c"})
        await shop.pass_by()

    assert mail(first) == mail(second) == [b"a: t1=ACCEPTED"]
    assert mail(other) == []
    assert "c" not in shop.books.reads


async def test_what_happens_in_one_pass_is_read_once_and_only_the_latest_waits() -> None:
    shop = Shop()
    async with shop.open():
        watcher = await shop.watch("a")
        reads = len(shop.books.reads)
        for n in range(50):
            shop.books.sell("a", f"t{n}", round_id=2 if n > 47 else 0)
            shop.own.changed({"a"})
        await shop.pass_by()

    assert len(shop.books.reads) == reads + 1
    assert mail(watcher) == [b"a: t49=ACCEPTED,t48=ACCEPTED"]


async def test_nothing_is_told_where_nothing_has_changed() -> None:
    shop = Shop()
    shop.books.sell("a", "t1")
    async with shop.open():
        watcher = await shop.watch("a")
        mail(watcher)
        shop.own.all_changed()
        await shop.pass_by()

    assert mail(watcher) == []


async def test_a_settled_round_is_told_to_those_who_have_tickets_in_it() -> None:
    shop = Shop()
    won = shop.books.sell("a", "t1", round_id=1)
    shop.books.sell("b", "t2", round_id=2)
    async with shop.open():
        first, second = await shop.watch("a"), await shop.watch("b")
        for watcher in (first, second):
            mail(watcher)
        reads = len(shop.books.reads)
        won.state = Ticket.WON
        shop.own.decided(1)
        await shop.pass_by()

    assert mail(first) == [b"a: t1=WON"]
    assert shop.books.reads[reads:] == ["a"]


async def test_an_account_that_could_not_be_read_is_read_again() -> None:
    shop = Shop()
    shop.books.sell("a", "t1")
    shop.books.failures = [Refusal(Reason.DEPENDENCY_DOWN, "down"), ValueError("a defect")]
    async with shop.open():
        watcher = await shop.watch("a")
        await shop.clock.run_for_ms(5_000)

    assert mail(watcher) == [b"a: t1=ACCEPTED"]


async def test_accounts_that_nobody_watches_any_more_are_not_read() -> None:
    shop = Shop()
    async with shop.open():
        watcher = await shop.watch("a")
        shop.own.leave(watcher, ("a",))
        reads = len(shop.books.reads)
        shop.own.changed({"a"})
        shop.own.all_changed()
        await shop.pass_by()

    assert len(shop.books.reads) == reads
