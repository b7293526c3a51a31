"""From the wire to values. The validators have looked at the messages before."""

from collections.abc import Sequence
from typing import Final

from furlong.common.v1 import round_pb2, ticket_pb2
from furlong.persist.v1 import round_store_service_pb2, ticket_store_service_pb2, track_store_service_pb2

from services.persist.domain.pricing import Market, Price
from services.persist.domain.race_result import RaceResult
from services.persist.domain.round import Limits, RoundPlan, Runner, Timetable, Winner
from services.persist.domain.seed_chain import ChainPlan
from services.persist.domain.ticket import Line, Order
from services.persist.domain.track import RaceCard, Track, TrackChange, TrackState
from services.persist.domain.verdict import Verdict
from services.persist.ports import Start

_BYTE: Final = range(256)


def order(message: ticket_store_service_pb2.TicketAppend) -> Order:
    """An order. The lines of a refused one are never stored, and what is wrong with them is left out."""
    if message.refusal:
        return Order(
            request_id=message.request_id,
            account_id=message.account_id,
            lines=[
                Line(line.market, bytes([runner for runner in line.runners if runner in _BYTE]), 0, 0)
                for line in message.lines
            ],
            stake_minor=0,
            content_hash=message.content_hash,
            refusal=Verdict(message.refusal),
            refusal_reason=message.refusal_reason,
            terminal=message.terminal,
            price_revision=message.price_revision,
        )
    lines = [
        Line(line.market, bytes(line.runners[:]), line.stake_minor, line.price_hundredths)
        for line in message.lines[:]  # a copy: going through a repeated field costs an exception inside of protobuf
    ]
    stake_minor = sum([line.stake_minor for line in lines])
    return Order(
        message.request_id,
        message.account_id,
        lines,
        stake_minor,
        message.content_hash,
        None,
        "",
        message.terminal,
        message.price_revision,
        message.held_until_ms,
    )


def price(message: ticket_pb2.Price) -> Price:
    """A price of a runner."""
    return Price(market=Market(message.market), runner=message.runner, price_hundredths=message.price_hundredths)


def plan(message: round_store_service_pb2.OpenRoundRequest) -> RoundPlan:
    """What is fixed before the first ticket."""
    return RoundPlan(
        track=message.track,
        card_id=message.card_id,
        race_name=message.race_name,
        distance_m=message.distance_m,
        runners=_runners(message.runners),
        timetable=_timetable(message.timetable),
        limits=_limits(message.limits),
        return_bps=message.return_bps,
        commitment=message.commitment,
        sealed_seed=message.sealed_seed,
        terms=message.terms.SerializeToString(deterministic=True),
        locks_at_ms=message.locks_at_ms,
        seed_chain_no=message.seed_chain_no,
        seed_index=message.seed_index,
    )


def chain_plan(message: track_store_service_pb2.CreateSeedChainRequest) -> ChainPlan:
    """A chain as it is to be published."""
    return ChainPlan(
        track=message.track,
        chain_no=message.chain_no,
        anchor=message.anchor,
        length=message.length,
        sealed_checkpoints=message.sealed_checkpoints,
    )


def start(message: round_store_service_pb2.StartRaceRequest) -> Start:
    """What a race starts with."""
    return Start(
        result=race_result(message),
        server_seed=message.server_seed,
        beacon_signature=message.beacon_signature,
        actor=message.actor,
        reason=message.reason,
        from_now=message.from_now,
    )


def race_result(
    message: round_store_service_pb2.StartRaceRequest | round_store_service_pb2.CorrectResultRequest,
) -> RaceResult:
    """How a race ended."""
    return RaceResult(order=message.result[:], positions=message.positions[:], withdrawn=message.withdrawn[:])


def winner(message: round_store_service_pb2.Winner) -> Winner:
    """A selection that pays."""
    return Winner(
        market=message.market,
        selection=bytes(message.runners),
        numerator=message.stake_numerator,
        denominator=message.stake_denominator,
        refund=message.refund,
    )


def track(message: round_pb2.Track) -> Track:
    """A track as it is to be made: it runs."""
    return Track(
        track=message.track,
        display_name=message.display_name,
        currency=message.currency,
        state=TrackState.RUNNING,
        timetable=_timetable(message.timetable),
        limits=_limits(message.limits),
        return_bps=message.return_bps,
        program=message.program.SerializeToString(deterministic=True),
    )


def track_change(message: round_pb2.Track) -> TrackChange:
    """What is to change of a track."""
    return TrackChange(
        track=message.track,
        display_name=message.display_name or None,
        timetable=_timetable(message.timetable) if message.HasField("timetable") else None,
        limits=_limits(message.limits) if message.HasField("limits") else None,
        return_bps=message.return_bps or None,
        program=message.program.SerializeToString(deterministic=True) if message.HasField("program") else None,
    )


def card(message: round_pb2.RaceCard) -> RaceCard:
    """A card that is not stored yet."""
    return RaceCard(card_id=0, name=message.name, distance_m=message.distance_m, runners=_runners(message.runners))


def _runners(messages: Sequence[round_pb2.Runner]) -> list[Runner]:
    return [
        Runner(
            runner=message.runner,
            name=message.name,
            weight=message.weight,
            win_price_hundredths=message.win_price_hundredths,
            place_price_hundredths=message.place_price_hundredths,
        )
        for message in messages
    ]


def _timetable(message: round_pb2.Timetable) -> Timetable:
    return Timetable(
        betting_window_ms=message.betting_window_ms,
        lock_ms=message.lock_ms,
        race_ms=message.race_ms,
        finish_ms=message.finish_ms,
    )


def _limits(message: round_pb2.Limits) -> Limits:
    return Limits(
        stake_min_minor=message.stake_min_minor,
        stake_max_minor=message.stake_max_minor,
        selection_payout_max_minor=message.selection_payout_max_minor,
        round_loss_max_minor=message.round_loss_max_minor,
        payout_max_minor=message.payout_max_minor,
    )
