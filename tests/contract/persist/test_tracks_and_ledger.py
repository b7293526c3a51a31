"""Tracks, cards, leases and accounts over a real database."""

import asyncio

from furlong.client.identity import uuid7
from furlong.common.v1.account_pb2 import Account
from furlong.common.v1.round_pb2 import Limits, RaceCard, Runner, Timetable, Track
from furlong.persist.v1.lease_service_pb2 import AcquireLeaseRequest, ReleaseLeaseRequest
from furlong.persist.v1.ledger_service_pb2 import CreateAccountRequest, CreditAccountRequest, GetAccountRequest
from furlong.persist.v1.track_store_service_pb2 import (
    CreateTrackRequest,
    GetNextRaceCardRequest,
    GetTrackRequest,
    ListTracksRequest,
    PutRaceCardsRequest,
)

from tests.persisting import World
from tests.served import refused


def track(name: str, **changes: int) -> Track:
    return Track(
        track=name,
        display_name=name.title(),
        currency="EUR",
        timetable=Timetable(betting_window_ms=30_000, lock_ms=1_000, race_ms=15_000, finish_ms=6_000),
        limits=Limits(stake_min_minor=10, stake_max_minor=changes.get("stake_max_minor", 1_000)),
        return_bps=9_100,
    )


def card(name: str, *weights: int) -> RaceCard:
    runners = [Runner(runner=n, name=f"Runner {n}", weight=weight) for n, weight in enumerate(weights, 1)]
    return RaceCard(name=name, distance_m=1_200, runners=runners)


async def test_a_track_is_made_once_and_read_back(world: World) -> None:
    tracks = world.stubs.tracks
    request = CreateTrackRequest(request_id=uuid7(), track=track("city-sprint"))
    made = await tracks.CreateTrack(request)
    assert made.track.state == Track.RUNNING
    assert await tracks.CreateTrack(request) == made
    assert await tracks.CreateTrack(CreateTrackRequest(request_id=uuid7(), track=track("city-sprint"))) == made
    other = CreateTrackRequest(request_id=uuid7(), track=track("city-sprint", stake_max_minor=999))
    assert (await refused(tracks.CreateTrack(other))).reason == "TRACK_EXISTS"
    assert (await tracks.GetTrack(GetTrackRequest(track="city-sprint"))).track == made.track
    assert (await refused(tracks.GetTrack(GetTrackRequest(track="nowhere")))).reason == "TRACK_NOT_FOUND"


async def test_tracks_are_listed_by_name_and_page_by_page(world: World) -> None:
    tracks = world.stubs.tracks
    for name in ("b-track", "a-track"):
        await tracks.CreateTrack(CreateTrackRequest(request_id=uuid7(), track=track(name)))
    first = await tracks.ListTracks(ListTracksRequest(page_size=2))
    rest = await tracks.ListTracks(ListTracksRequest(page_size=2, page_token=first.next_page_token))
    assert [each.track for page in (first, rest) for each in page.tracks] == ["a-track", "b-track", world.track]
    assert rest.next_page_token == ""


async def test_malformed_settings_of_a_track_are_all_named(world: World) -> None:
    wrong = Track(track="Not A Slug", display_name="", currency="eur", return_bps=10_000)
    told = await refused(world.stubs.tracks.CreateTrack(CreateTrackRequest(request_id="x", track=wrong)))
    assert told.reason == "MALFORMED"
    assert {"request_id", "track.track", "track.display_name", "track.currency", "track.return_bps"} <= set(told.fields)


async def test_cards_are_added_and_replaced_by_name(world: World) -> None:
    tracks = world.stubs.tracks
    await tracks.CreateTrack(CreateTrackRequest(request_id=uuid7(), track=track("cards")))
    first = await tracks.PutRaceCards(
        PutRaceCardsRequest(request_id=uuid7(), track="cards", cards=[card("A", 1, 2), card("B", 3, 4)])
    )
    assert (first.cards_added, first.cards_replaced) == (2, 0)
    request = PutRaceCardsRequest(request_id=uuid7(), track="cards", cards=[card("A", 5, 6, 7), card("C", 1, 1)])
    second = await tracks.PutRaceCards(request)
    assert (second.cards_added, second.cards_replaced) == (1, 1)
    assert await tracks.PutRaceCards(request) == second
    got = (await tracks.GetNextRaceCard(GetNextRaceCardRequest(track="cards"))).card
    assert (got.name, [runner.weight for runner in got.runners]) == ("A", [5, 6, 7])
    twice = PutRaceCardsRequest(request_id=uuid7(), track="cards", cards=[card("A", 1, 2), card("A", 1, 2)])
    assert (await refused(tracks.PutRaceCards(twice))).fields == ["cards"]


async def test_cards_take_turns(world: World) -> None:
    await world.stubs.tracks.PutRaceCards(
        PutRaceCardsRequest(request_id=uuid7(), track=world.track, cards=[card("Second", 1, 1, 1)])
    )
    names = []
    for _ in range(4):
        stored = await world.open()
        names.append(stored.round.race_name)
        await world.stubs.rounds.VoidRound(world.void_request(stored.round.round_id))
    assert names == ["Maiden", "Second", "Maiden", "Second"]


async def test_a_track_without_cards_says_so(world: World) -> None:
    tracks = world.stubs.tracks
    await tracks.CreateTrack(CreateTrackRequest(request_id=uuid7(), track=track("bare")))
    request = GetNextRaceCardRequest(track="bare")
    assert (await refused(tracks.GetNextRaceCard(request))).reason == "CARD_MISSING"
    request = GetNextRaceCardRequest(track="nowhere")
    assert (await refused(tracks.GetNextRaceCard(request))).reason == "TRACK_NOT_FOUND"


async def test_a_lease_has_one_holder_and_its_epoch_rises_with_every_change_of_hands(world: World) -> None:
    assert await world.lead("first") == 1
    told = await refused(
        world.stubs.leases.AcquireLease(
            AcquireLeaseRequest(request_id=uuid7(), track=world.track, holder="second", ttl_ms=500)
        )
    )
    assert told.reason == "LEASE_HELD"
    assert told.retry_in_ms is not None
    assert 0 < told.retry_in_ms <= 60_000
    await world.stubs.leases.ReleaseLease(
        ReleaseLeaseRequest(request_id=uuid7(), track=world.track, holder="second", epoch=1)
    )
    assert await world.lead("first") == 1
    await world.stubs.leases.ReleaseLease(
        ReleaseLeaseRequest(request_id=uuid7(), track=world.track, holder="first", epoch=1)
    )
    assert await world.lead("second", ttl_ms=500) == 2
    await asyncio.sleep(0.55)
    assert await world.lead("third") == 3
    nowhere = AcquireLeaseRequest(request_id=uuid7(), track="nowhere", holder="x", ttl_ms=500)
    assert (await refused(world.stubs.leases.AcquireLease(nowhere))).reason == "TRACK_NOT_FOUND"


async def test_of_many_that_want_a_free_lease_one_gets_it(world: World) -> None:
    await world.stubs.leases.ReleaseLease(
        ReleaseLeaseRequest(request_id=uuid7(), track=world.track, holder="first", epoch=1)
    )
    answers = await asyncio.gather(*(world.lead(f"holder {n}") for n in range(10)), return_exceptions=True)
    assert [answer for answer in answers if not isinstance(answer, BaseException)] == [2]


async def test_an_account_is_opened_once_and_credited_once(world: World) -> None:
    ledger = world.stubs.ledger
    request = CreateAccountRequest(
        request_id=uuid7(), kind=Account.PLAYER, currency="EUR", display_name="Ann", actor="till 1"
    )
    made = await ledger.CreateAccount(request)
    assert await ledger.CreateAccount(request) == made
    assert (made.account.account_id, made.account.balance_minor, made.account.floor_minor) == (request.request_id, 0, 0)
    credit = CreditAccountRequest(
        request_id=uuid7(), account_id=request.request_id, amount_minor=500, reason="cash", actor="till 1"
    )
    first = await ledger.CreditAccount(credit)
    assert first.account.balance_minor == 500
    await world.credit(request.request_id, 100)
    assert await ledger.CreditAccount(credit) == first
    assert await world.balance_minor(request.request_id) == 600
    credit.amount_minor = 501
    assert (await refused(ledger.CreditAccount(credit))).reason == "REQUEST_REUSED"
    request.display_name = "Bob"
    assert (await refused(ledger.CreateAccount(request))).reason == "REQUEST_REUSED"


async def test_the_same_credit_at_once_moves_money_once(world: World) -> None:
    player = await world.account()
    credit = CreditAccountRequest(
        request_id=uuid7(), account_id=player, amount_minor=500, reason="cash", actor="till 1"
    )
    answers = await asyncio.gather(*(world.stubs.ledger.CreditAccount(credit) for _ in range(10)))
    assert all(answer == answers[0] for answer in answers)
    assert await world.balance_minor(player) == 500


async def test_credits_and_bets_at_once_keep_the_books(world: World) -> None:
    from tests.persisting import order

    players = [await world.account(1_000) for _ in range(5)]
    round_id = (await world.open()).round.round_id
    await asyncio.gather(
        *(world.credit(player, 10) for player in players for _ in range(10)),
        *(world.place(round_id, *(order(player, 7) for player in players)) for _ in range(30)),
    )
    assert [await world.balance_minor(player) for player in players] == [1_000 + 100 - 210] * 5


async def test_accounts_that_are_not_there_or_not_a_players_are_unknown(world: World) -> None:
    ledger = world.stubs.ledger
    system = await world.sql("SELECT account_id::text FROM accounts WHERE kind = 3")
    for account_id in (uuid7(), system[0]["account_id"]):
        credit = CreditAccountRequest(
            request_id=uuid7(), account_id=account_id, amount_minor=1, reason="cash", actor="till 1"
        )
        assert (await refused(ledger.CreditAccount(credit))).reason == "ACCOUNT_UNKNOWN"
    assert (await refused(ledger.GetAccount(GetAccountRequest(account_id=uuid7())))).reason == "ACCOUNT_UNKNOWN"


async def test_a_player_has_no_credit(world: World) -> None:
    request = CreateAccountRequest(request_id=uuid7(), kind=Account.PLAYER, currency="EUR", floor_minor=-1)
    assert (await refused(world.stubs.ledger.CreateAccount(request))).fields == ["floor_minor"]
    request = CreateAccountRequest(request_id=uuid7(), kind=Account.HOUSE, currency="EUR")
    assert (await refused(world.stubs.ledger.CreateAccount(request))).fields == ["kind"]
