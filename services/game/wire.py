"""Where the game's values meet the words of `common.v1`, which the public wire and persist's share: both directions.

Times are rounded up to whole milliseconds, so that nobody who waits for one comes before it.
"""

from furlong.common.v1 import round_pb2, ticket_pb2
from furlong.game.v1 import track_service_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from services.game.domain.card import RaceCard, Runner
from services.game.domain.markets import MarketOffer, markets_of
from services.game.domain.order import Line
from services.game.domain.phase import Phase
from services.game.domain.race import Race, race_of
from services.game.domain.race_result import RaceResult
from services.game.domain.round import DEFAULT_TERMS, Round, Terms, Totals
from services.game.domain.screen import SCREENS
from services.game.domain.seed_chain import PublishedChain
from services.game.domain.timeline import Schedule
from services.game.domain.track import (
    Limits,
    Part,
    Program,
    Source,
    Suspension,
    Timetable,
    Track,
    TrackState,
)

NANOS_PER_MS = 1_000_000


def ms_of(at: Timestamp) -> int:
    """Read a time, rounded up."""
    return at.seconds * 1_000 - (-at.nanos // NANOS_PER_MS)


def ms_to(at_ms: int) -> Timestamp:
    """Write a time."""
    seconds, ms = divmod(at_ms, 1_000)
    return Timestamp(seconds=seconds, nanos=ms * NANOS_PER_MS)


def round_of(message: round_pb2.Round) -> Round:
    """Read a round."""
    return Round(
        round_id=message.round_id,
        track=message.track,
        phase=Phase(message.phase),
        revision=message.revision,
        transition_seq=message.transition_seq,
        schedule=Schedule(
            opens_at_ms=ms_of(message.opens_at),
            locks_at_ms=ms_of(message.locks_at),
            starts_at_ms=ms_of(message.starts_at),
            finishes_at_ms=ms_of(message.finishes_at),
            ends_at_ms=ms_of(message.ends_at),
        ),
        runners=tuple(runner_of(runner) for runner in message.runners),
        commitment=message.commitment,
        tickets_root=message.tickets_root,
        result=tuple(message.result),
        totals=totals_of(message.totals),
        currency=message.currency,
        race_name=message.race_name,
        distance_m=message.distance_m,
        limits=limits_of(message.limits),
        return_bps=message.return_bps,
        void_reason=message.void_reason,
        correction_reason=message.correction_reason,
        payout_minor=message.payout_minor,
        terms=terms_of(message.terms) if message.HasField("terms") else DEFAULT_TERMS,
        positions=tuple(message.positions),
        withdrawn=tuple(message.withdrawn),
        price_revision=message.price_revision,
        race_key=bytes.fromhex(message.race.key),
    )


def round_to(round_: Round) -> round_pb2.Round:
    """Write a round, with the screen for its phase and without its race."""
    return round_pb2.Round(
        round_id=round_.round_id,
        track=round_.track,
        phase=round_pb2.Round.Phase.ValueType(round_.phase),
        screen=round_pb2.Round.Screen.ValueType(SCREENS[round_.phase]),
        revision=round_.revision,
        opens_at=ms_to(round_.schedule.opens_at_ms),
        locks_at=ms_to(round_.schedule.locks_at_ms),
        starts_at=ms_to(round_.schedule.starts_at_ms),
        finishes_at=ms_to(round_.schedule.finishes_at_ms),
        ends_at=ms_to(round_.schedule.ends_at_ms),
        runners=[runner_to(runner) for runner in round_.runners],
        commitment=round_.commitment,
        tickets_root=round_.tickets_root,
        result=round_.result,
        totals=round_pb2.Totals(tickets=round_.totals.tickets, stake_minor=round_.totals.stake_minor),
        transition_seq=round_.transition_seq,
        currency=round_.currency,
        race_name=round_.race_name,
        distance_m=round_.distance_m,
        limits=limits_to(round_.limits),
        return_bps=round_.return_bps,
        void_reason=round_.void_reason,
        correction_reason=round_.correction_reason,
        payout_minor=round_.payout_minor,
        terms=terms_to(round_.terms),
        positions=round_.positions,
        withdrawn=round_.withdrawn,
        price_revision=round_.price_revision,
        markets=[market_to(offer) for offer in markets_of(round_)],
    )


def market_to(offer: MarketOffer) -> round_pb2.MarketOffer:
    """Write what a market returns."""
    return round_pb2.MarketOffer(
        market=ticket_pb2.Line.Market.ValueType(offer.market),
        target_return_bps=offer.target_return_bps,
        true_return_min_ppm=offer.true_return_min_ppm,
        true_return_max_ppm=offer.true_return_max_ppm,
        places=offer.places,
    )


def round_with_race_to(round_: Round) -> round_pb2.Round:
    """Write a round with the keyframes of its race, where it has started."""
    message = round_to(round_)
    race = race_of(round_)
    if race is not None:
        message.race.CopyFrom(race_to(race))
    return message


def race_to(race: Race) -> round_pb2.Race:
    """Write a race."""
    return round_pb2.Race(
        key=race.key.hex(),
        interval_ms=race.interval_ms,
        runners=[
            round_pb2.RaceRunner(
                runner=way.runner,
                covered=way.covered,
                arrives_us=way.arrives_us,
                margin_hundredths=way.margin_hundredths,
            )
            for way in race.ways
        ],
    )


def race_result_of(
    message: track_service_pb2.EnterResultRequest | track_service_pb2.CorrectResultRequest,
) -> RaceResult:
    """Read how a race ended."""
    return RaceResult(
        order=tuple(message.result), positions=tuple(message.positions), withdrawn=tuple(message.withdrawn)
    )


def terms_of(message: round_pb2.Terms) -> Terms:
    """Read the terms of a round."""
    return Terms(
        source=Source(message.source or Source.DRAWN),
        places=message.places,
        place_return_bps=message.place_return_bps,
        beacon=message.beacon,
        beacon_round=message.beacon_round,
        beacon_wait_ms=message.beacon_wait_ms,
        seed_anchor=message.seed_anchor,
        seed_index=message.seed_index,
    )


def terms_to(terms: Terms) -> round_pb2.Terms:
    """Write the terms of a round."""
    return round_pb2.Terms(
        source=round_pb2.Source.ValueType(terms.source),
        places=terms.places,
        place_return_bps=terms.place_return_bps,
        beacon=terms.beacon,
        beacon_round=terms.beacon_round,
        beacon_wait_ms=terms.beacon_wait_ms,
        seed_anchor=terms.seed_anchor,
        seed_index=terms.seed_index,
    )


def program_of(message: round_pb2.Program) -> Program:
    """Read how a track makes its rounds."""
    return Program(
        source=Source(message.source or Source.DRAWN),
        place_return_bps=message.place_return_bps,
        beacon=message.beacon,
        every_ms=message.every_ms,
        off_times_s=tuple(message.off_times_s),
        time_zone=message.time_zone,
    )


def program_to(program: Program) -> round_pb2.Program:
    """Write how a track makes its rounds."""
    return round_pb2.Program(
        source=round_pb2.Source.ValueType(program.source),
        place_return_bps=program.place_return_bps,
        beacon=program.beacon,
        every_ms=program.every_ms,
        off_times_s=program.off_times_s,
        time_zone=program.time_zone,
    )


def chain_to(chain: PublishedChain) -> round_pb2.SeedChain:
    """Write a seed chain as everybody may see it."""
    return round_pb2.SeedChain(
        track=chain.track,
        chain_no=chain.chain_no,
        anchor=chain.anchor,
        length=chain.length,
        used=chain.used,
        published_at=ms_to(chain.published_at_ms),
    )


def totals_of(message: round_pb2.Totals) -> Totals:
    """Read totals."""
    return Totals(tickets=message.tickets, stake_minor=message.stake_minor)


def runner_of(message: round_pb2.Runner) -> Runner:
    """Read a runner."""
    return Runner(
        runner=message.runner,
        name=message.name,
        weight=message.weight,
        win_price_hundredths=message.win_price_hundredths,
        place_price_hundredths=message.place_price_hundredths,
    )


def runner_to(runner: Runner) -> round_pb2.Runner:
    """Write a runner."""
    return round_pb2.Runner(
        runner=runner.runner,
        name=runner.name,
        weight=runner.weight,
        win_price_hundredths=runner.win_price_hundredths,
        place_price_hundredths=runner.place_price_hundredths,
    )


def card_of(message: round_pb2.RaceCard) -> RaceCard:
    """Read a card."""
    return RaceCard(
        card_id=message.card_id,
        name=message.name,
        distance_m=message.distance_m,
        runners=tuple(runner_of(runner) for runner in message.runners),
    )


def card_to(card: RaceCard) -> round_pb2.RaceCard:
    """Write a card."""
    return round_pb2.RaceCard(
        card_id=card.card_id,
        name=card.name,
        distance_m=card.distance_m,
        runners=[runner_to(runner) for runner in card.runners],
    )


def track_of(message: round_pb2.Track) -> Track:
    """Read a track."""
    return Track(
        track=message.track,
        display_name=message.display_name,
        currency=message.currency,
        timetable=timetable_of(message.timetable),
        limits=limits_of(message.limits),
        return_bps=message.return_bps,
        state=TrackState(message.state),
        program=program_of(message.program),
        suspended=tuple(suspension_of(suspension) for suspension in message.suspended),
    )


def track_to(track: Track) -> round_pb2.Track:
    """Write a track."""
    return round_pb2.Track(
        track=track.track,
        display_name=track.display_name,
        currency=track.currency,
        state=round_pb2.Track.State.ValueType(track.state),
        timetable=timetable_to(track.timetable),
        limits=limits_to(track.limits),
        return_bps=track.return_bps,
        program=program_to(track.program),
        suspended=[suspension_to(suspension) for suspension in track.suspended],
    )


def suspension_of(message: round_pb2.Suspension) -> Suspension:
    """Read what is suspended of a track."""
    return Suspension(
        part=Part(market=message.market, runner=message.runner, terminal=message.terminal),
        round_id=message.round_id,
        reason=message.reason,
        since_ms=ms_of(message.since),
    )


def suspension_to(suspension: Suspension) -> round_pb2.Suspension:
    """Write what is suspended of a track."""
    return round_pb2.Suspension(
        market=ticket_pb2.Line.Market.ValueType(suspension.part.market),
        runner=suspension.part.runner,
        terminal=suspension.part.terminal,
        round_id=suspension.round_id,
        reason=suspension.reason,
        since=ms_to(suspension.since_ms),
    )


def timetable_of(message: round_pb2.Timetable) -> Timetable:
    """Read a timetable."""
    return Timetable(
        betting_window_ms=message.betting_window_ms,
        lock_ms=message.lock_ms,
        race_ms=message.race_ms,
        finish_ms=message.finish_ms,
    )


def timetable_to(timetable: Timetable) -> round_pb2.Timetable:
    """Write a timetable."""
    return round_pb2.Timetable(
        betting_window_ms=timetable.betting_window_ms,
        lock_ms=timetable.lock_ms,
        race_ms=timetable.race_ms,
        finish_ms=timetable.finish_ms,
    )


def limits_of(message: round_pb2.Limits) -> Limits:
    """Read limits."""
    return Limits(
        stake_min_minor=message.stake_min_minor,
        stake_max_minor=message.stake_max_minor,
        selection_payout_max_minor=message.selection_payout_max_minor,
        round_loss_max_minor=message.round_loss_max_minor,
        payout_max_minor=message.payout_max_minor,
    )


def limits_to(limits: Limits) -> round_pb2.Limits:
    """Write limits."""
    return round_pb2.Limits(
        stake_min_minor=limits.stake_min_minor,
        stake_max_minor=limits.stake_max_minor,
        selection_payout_max_minor=limits.selection_payout_max_minor,
        round_loss_max_minor=limits.round_loss_max_minor,
        payout_max_minor=limits.payout_max_minor,
    )


def line_of(message: ticket_pb2.Line) -> Line:
    """Read a line as it was sent; its market may be none that we know.

    A repeated field is copied before it is read, here and elsewhere on a ticket's way: going through one ends with an
    exception inside of protobuf, which costs more than the whole line.
    """
    return Line(message.market, tuple(message.runners[:]), message.stake_minor, message.price_hundredths)


def line_to(line: Line) -> ticket_pb2.Line:
    """Write a line."""
    return ticket_pb2.Line(
        market=ticket_pb2.Line.Market.ValueType(line.market),
        runners=line.runners,
        stake_minor=line.stake_minor,
        price_hundredths=line.price_hundredths,
    )
