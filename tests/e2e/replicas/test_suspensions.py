"""A suspension holds at every replica: whoever asks one of them, the others accept nothing any more."""

from datetime import UTC

from furlong.client import Furlong, connect
from furlong.common.v1.round_pb2 import Track
from furlong.common.v1.ticket_pb2 import TicketResult

from tests.e2e.books import Books
from tests.e2e.doors import GrpcDoor
from tests.e2e.load import PLACE_S, grown
from tests.e2e.people import People
from tests.e2e.private_stack import PrivateStack
from tests.e2e.racing import SLOW, new_track, open_round
from tests.e2e.replicas.conftest import LOOK_S
from tests.e2e.replicas.test_replicas import assert_books_hold, loaded
from tests.e2e.waiting import until

RUNNER = 2


async def test_a_runner_that_is_suspended_at_one_replica_is_sold_at_none(
    two: PrivateStack, door: GrpcDoor, client: Furlong, games: list[Furlong], cashier: str
) -> None:
    track = await new_track(two.stack, "lame", SLOW)
    round_id = int((await open_round(door, track))["round_id"])

    async def is_shown_by_all(suspended: int) -> bool:
        return all([len((await game.tracks.get(track)).suspended) == suspended for game in games])

    async with (
        connect(two.stack.addresses.gateway, token=People(two.stack).operator) as operator,
        loaded(client, door, cashier, round_id) as load,
    ):
        stopped: Track = await operator.tracks.suspend_selling(track, "lame", runner=RUNNER)
        at_stop = len(load.results)
        await until(lambda: grown(load, at_stop + 100), within_s=PLACE_S, what="the rest is sold")
        await until(lambda: is_shown_by_all(1), within_s=LOOK_S, what="every game shows what is suspended")
        async with Books.open(two.database_url) as books:
            sold = await books.sold_since(round_id, stopped.suspended[0].since.ToDatetime(UTC))
        await operator.tracks.resume_selling(track, "sound", runner=RUNNER)
        at_resume = len(load.results)
        await until(lambda: grown(load, at_resume + 100), within_s=PLACE_S, what="all is sold again")
        await until(lambda: is_shown_by_all(0), within_s=LOOK_S, what="every game shows that it goes on")

    assert sold, "the rest went on"
    assert [runners for _, runners, _ in sold if RUNNER in runners] == []
    assert {result.verdict for result in load.results} == {TicketResult.ACCEPTED, TicketResult.SUSPENDED}
    await assert_books_hold(two, round_id, load.results)
