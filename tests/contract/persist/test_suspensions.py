"""Markets, runners and terminals that are suspended: what a suspension promises holds for batches in flight."""

import asyncio
from typing import Any

import pytest
from furlong.client.identity import uuid7
from furlong.common.v1.round_pb2 import Suspension, Track
from furlong.common.v1.ticket_pb2 import Line
from furlong.persist.v1.ticket_store_service_pb2 import GetTicketRequest, TicketAppend
from furlong.persist.v1.track_store_service_pb2 import GetTrackRequest, SetSellingRequest

from services.persist.domain.suspension import SUSPENSIONS_MAX
from tests.bookkeeping import set_state
from tests.persisting import Verdict, World, order, verdicts
from tests.served import refused


def selling(track: str, sells: bool, **part: Any) -> SetSellingRequest:
    """A request to suspend a part, or to let it go on."""
    right: dict[str, Any] = {"request_id": uuid7(), "reason": "lame", "actor": "operator"}
    return SetSellingRequest(track=track, sells=sells, **(right | part))


async def suspend(world: World, **part: Any) -> Track:
    track: Track = (await world.stubs.tracks.SetSelling(selling(world.track, False, **part))).track
    return track


async def resume(world: World, **part: Any) -> Track:
    track: Track = (await world.stubs.tracks.SetSelling(selling(world.track, True, **part))).track
    return track


def at(terminal: str, account_id: str, **more: Any) -> TicketAppend:
    """A ticket that a terminal sells."""
    ticket = order(account_id, 10, **more)
    ticket.terminal = terminal
    return ticket


async def test_a_suspended_runner_is_refused_in_its_round_and_sold_in_the_next(world: World) -> None:
    player = await world.account(500)
    first = (await world.open()).round.round_id
    track = await suspend(world, runner=2)
    [suspension] = track.suspended
    assert (suspension.runner, suspension.round_id, suspension.reason) == (2, first, "lame")
    answers = await world.place(first, order(player, 10), order(player, 10, runner=2))
    assert verdicts(answers) == ["ACCEPTED", "SUSPENDED"]
    assert answers[1].reason == "betting on runner 2 is suspended"
    await world.lock(first)
    read = (await world.stubs.tracks.GetTrack(GetTrackRequest(track=world.track))).track
    assert not read.suspended or read == track, "a copy may be as old as copies get"
    await world.void(first)
    second = (await world.open()).round.round_id
    assert verdicts(await world.place(second, order(player, 10, runner=2))) == ["ACCEPTED"]
    assert [each.runner for each in (await suspend(world, runner=3)).suspended] == [3]
    assert len(await world.sql("SELECT * FROM suspensions")) == 1


async def test_a_suspended_market_is_refused_in_every_round_until_it_goes_on(world: World) -> None:
    player = await world.account(500)
    assert [each.market for each in (await suspend(world, market=Line.WIN)).suspended] == [Line.WIN]
    for _ in range(2):
        round_id = (await world.open()).round.round_id
        assert verdicts(await world.place(round_id, order(player, 10))) == ["SUSPENDED"]
        await world.void(round_id)
    round_id = (await world.open()).round.round_id
    place = order(player, 10)
    place.lines[0].market = Line.PLACE
    assert verdicts(await world.place(round_id, place)) == ["ACCEPTED"]
    assert not (await resume(world, market=Line.WIN)).suspended
    assert verdicts(await world.place(round_id, order(player, 10))) == ["ACCEPTED"]


async def test_a_suspended_terminal_sells_nothing_and_the_others_do(world: World) -> None:
    player = await world.account(500)
    round_id = (await world.open()).round.round_id
    await suspend(world, terminal="till-3")
    sold = [at("till-3", player), at("till-4", player), order(player, 10), at("till-4", player)]
    assert verdicts(await world.place(round_id, *sold)) == ["SUSPENDED", "ACCEPTED", "ACCEPTED", "ACCEPTED"]
    terminals = [
        (await world.stubs.tickets.GetTicket(GetTicketRequest(ticket_id=ticket.request_id))).ticket.terminal
        for ticket in sold[1:]
    ]
    assert terminals == ["till-4", "", "till-4"]
    await resume(world, terminal="till-3")
    assert verdicts(await world.place(round_id, at("till-3", player))) == ["ACCEPTED"]


async def test_a_repeat_gets_the_ticket_as_it_was_sold_wherever_it_comes_from(world: World) -> None:
    player = await world.account(500)
    round_id = (await world.open()).round.round_id
    sold = at("till-4", player, content="one")
    await world.place(round_id, sold)
    await suspend(world, terminal="till-5")
    again = at("till-5", player, content="one", request_id=sold.request_id)
    [answer] = await world.place(round_id, again)
    assert verdicts([answer]) == ["ACCEPTED*"]
    assert answer.ticket.terminal == "till-4"


@pytest.mark.parametrize("game", [Verdict.INVALID_SELECTION, Verdict.PRICE_CHANGED, Verdict.STAKE_ABOVE_MAX])
async def test_a_suspension_comes_before_what_the_game_has_against_an_order(
    world: World, game: "Verdict.ValueType"
) -> None:
    player = await world.account(500)
    round_id = (await world.open()).round.round_id
    await suspend(world, runner=2)
    answers = await world.place(round_id, order(player, 10, runner=2, refusal=game), order(player, 10, refusal=game))
    assert [answer.verdict for answer in answers] == [Verdict.SUSPENDED, game]


async def test_what_is_wrong_with_a_suspension_is_told(world: World) -> None:
    nowhere = selling("nowhere", False, market=Line.WIN)
    assert (await refused(world.stubs.tracks.SetSelling(nowhere))).reason == "TRACK_NOT_FOUND"
    for sells in (False, True):
        early = selling(world.track, sells, runner=2)
        assert (await refused(world.stubs.tracks.SetSelling(early))).reason == "ROUND_PHASE"
    await world.open()
    assert (await refused(suspend(world, runner=4))).reason == "MALFORMED"
    for wrong in ({}, {"market": 1, "runner": 2}, {"market": 9}, {"runner": 41}, {"terminal": "till 3"}):
        assert (await refused(suspend(world, **wrong))).reason == "MALFORMED"


async def test_a_suspension_is_made_once_and_its_answer_is_kept(world: World) -> None:
    request = selling(world.track, False, terminal="till-3")
    answer = await world.stubs.tracks.SetSelling(request)
    await resume(world, terminal="till-3")
    assert await world.stubs.tracks.SetSelling(request) == answer
    assert (await world.stubs.tracks.GetTrack(GetTrackRequest(track=world.track))).track.suspended == []
    await resume(world, terminal="till-3")
    await suspend(world, terminal="till-3", reason="first")
    [suspension] = (await suspend(world, terminal="till-3", reason="second")).suspended
    assert suspension.reason == "first", "what is suspended stays so"


async def test_a_track_has_no_more_suspensions_than_a_batch_should_read(world: World) -> None:
    await world.sql(
        """INSERT INTO suspensions (track, terminal, reason, since)
           SELECT $1, 'till-' || n, '', now() FROM generate_series(1, $2::int) AS n""",
        world.track,
        SUSPENSIONS_MAX,
    )
    assert (await refused(suspend(world, terminal="one-more"))).reason == "MALFORMED"


async def test_who_suspended_what_and_why_is_in_the_audit(world: World) -> None:
    await world.open()
    await suspend(world, runner=2)
    await suspend(world, market=Line.PLACE)
    await resume(world, market=Line.PLACE)
    await suspend(world, terminal="till-3")
    found = await world.sql("SELECT action, subject, actor, reason FROM audit ORDER BY audit_id")
    assert [tuple(row) for row in found] == [
        ("suspend selling", "harbour-mile runner 2", "operator", "lame"),
        ("suspend selling", "harbour-mile market PLACE", "operator", "lame"),
        ("resume selling", "harbour-mile market PLACE", "operator", "lame"),
        ("suspend selling", "harbour-mile terminal till-3", "operator", "lame"),
    ]


async def test_a_suspended_track_and_its_parts_go_on_apart(world: World) -> None:
    player = await world.account(500)
    round_id = (await world.open()).round.round_id
    await suspend(world, runner=2)
    await world.stubs.tracks.SetTrackState(set_state(world.track, Track.SUSPENDED))
    running = (await world.stubs.tracks.SetTrackState(set_state(world.track, Track.RUNNING))).track
    assert [type(each) for each in running.suspended] == [Suspension]
    answers = await world.place(round_id, order(player, 10, runner=2), order(player, 10))
    assert verdicts(answers) == ["SUSPENDED", "ACCEPTED"]


PARTS: list[dict[str, Any]] = [{"runner": 1}, {"market": Line.WIN}, {"terminal": "till-1"}]


@pytest.mark.parametrize("part", PARTS, ids=["runner", "market", "terminal"])
async def test_nothing_with_a_part_is_accepted_after_its_suspension_has_answered(
    world: World, part: dict[str, Any]
) -> None:
    player = await world.account(100_000)
    for _ in range(6):
        round_id = (await world.open()).round.round_id
        sent = [at("till-1", player) for _ in range(40)]
        placing = [asyncio.create_task(world.place(round_id, each)) for each in sent]
        await asyncio.sleep(0.005)
        await suspend(world, **part)
        then = await world.sql("SELECT count(*) AS tickets FROM tickets WHERE round_id = $1", round_id)
        answers = [verdict for task in placing for verdict in verdicts(await task)]
        assert answers.count("ACCEPTED") == then[0]["tickets"]
        assert set(answers) <= {"ACCEPTED", "SUSPENDED"}
        await resume(world, **part)
        await world.void(round_id)


async def test_a_suspension_and_a_round_that_opens_at_once_both_get_through(world: World) -> None:
    player = await world.account(1_000)
    for _ in range(10):
        opening = asyncio.create_task(world.open())
        await suspend(world, market=Line.WIN)
        round_id = (await opening).round.round_id
        assert verdicts(await world.place(round_id, order(player, 1))) == ["SUSPENDED"]
        await asyncio.gather(world.lock(round_id), suspend(world, terminal="till-1"))
        await resume(world, market=Line.WIN)
        await world.void(round_id)
