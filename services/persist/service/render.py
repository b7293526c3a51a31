"""From values to the wire."""

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Final

from furlong.common.v1 import account_pb2, round_pb2, ticket_pb2
from furlong.persist.v1 import round_store_service_pb2, track_store_service_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from services.persist.domain.account import Account
from services.persist.domain.round import Limits, Round, Runner, Timetable, Totals
from services.persist.domain.seed_chain import SeedChain
from services.persist.domain.statement import StatementLine
from services.persist.domain.suspension import Suspension
from services.persist.domain.ticket import Line, Ticket
from services.persist.domain.ticket_proof import TicketProof
from services.persist.domain.track import RaceCard, Track
from services.persist.domain.trial_balance import TrialBalance

_CONTRACTS: Final = (round_pb2, round_store_service_pb2, track_store_service_pb2)
FORM: Final = sha256(b"".join(each.DESCRIPTOR.serialized_pb for each in _CONTRACTS)).hexdigest()[:8]
"""The form of the answers that are kept outside of this process: another one as soon as their contract changes."""


def stored_round(value: Round) -> round_store_service_pb2.StoredRound:
    """A round with what the public does not see."""
    return round_store_service_pb2.StoredRound(
        round=_public_round(value),
        sealed_seed=value.sealed_seed,
        server_seed=value.server_seed,
        card_id=value.card_id,
        epoch=value.epoch,
        posting=value.posting,
        beacon_signature=value.beacon_signature,
    )


def stored_round_bytes(value: Round) -> bytes:
    """A round as ListTransitions keeps it."""
    return stored_round(value).SerializeToString()


def track(value: Track) -> round_pb2.Track:
    """A track with its settings."""
    return round_pb2.Track(
        track=value.track,
        display_name=value.display_name,
        currency=value.currency,
        state=round_pb2.Track.State.ValueType(value.state),
        timetable=_timetable(value.timetable),
        limits=_limits(value.limits),
        return_bps=value.return_bps,
        program=round_pb2.Program.FromString(value.program) if value.program else None,
        suspended=[_suspension(each) for each in value.suspended],
    )


def _suspension(value: Suspension) -> round_pb2.Suspension:
    return round_pb2.Suspension(
        market=ticket_pb2.Line.Market.ValueType(value.part.market),
        runner=value.part.runner,
        terminal=value.part.terminal,
        round_id=value.round_id,
        reason=value.reason,
        since=timestamp(value.since),
    )


def card(value: RaceCard) -> round_pb2.RaceCard:
    """A stored card."""
    return round_pb2.RaceCard(
        card_id=value.card_id, name=value.name, distance_m=value.distance_m, runners=_runners(value.runners)
    )


def seed_chain(value: SeedChain) -> track_store_service_pb2.StoredSeedChain:
    """A chain with what the public does not see."""
    return track_store_service_pb2.StoredSeedChain(
        chain=round_pb2.SeedChain(
            track=value.track,
            chain_no=value.chain_no,
            anchor=value.anchor.hex(),
            length=value.length,
            used=value.used,
            published_at=timestamp(value.published_at),
        ),
        sealed_checkpoints=value.sealed_checkpoints,
    )


def account(value: Account) -> account_pb2.Account:
    """An account with its balance."""
    return account_pb2.Account(
        account_id=value.account_id,
        kind=account_pb2.Account.Kind.ValueType(value.kind),
        currency=value.currency,
        display_name=value.display_name,
        balance_minor=value.balance_minor,
        floor_minor=value.floor_minor,
        blocked=value.blocked,
    )


def transfer(value: StatementLine) -> account_pb2.Transfer:
    """A line of a statement."""
    movement = value.movement
    return account_pb2.Transfer(
        transfer_id=movement.transfer_id,
        kind=account_pb2.Transfer.Kind.ValueType(movement.kind),
        amount_minor=movement.amount_minor,
        balance_minor=value.balance_minor,
        other_account_id=movement.other_account_id,
        round_id=movement.round_id,
        reference=movement.reference,
        made_at=timestamp(movement.made_at),
        reason=movement.reason,
        actor=movement.actor,
    )


def trial_balance(value: TrialBalance) -> account_pb2.TrialBalance:
    """Accounts added up."""
    rows = [
        account_pb2.TrialBalance.Row(
            kind=account_pb2.Account.Kind.ValueType(row.kind),
            currency=row.currency,
            accounts=row.accounts,
            debit_minor=row.debit_minor,
            credit_minor=row.credit_minor,
            balance_minor=row.balance_minor,
        )
        for row in value.rows
    ]
    return account_pb2.TrialBalance(rows=rows, sum_minor=value.sum_minor, as_of=timestamp(value.as_of))


def ticket(value: Ticket) -> ticket_pb2.Ticket:
    """A ticket with its state."""
    return ticket_pb2.Ticket(
        ticket_id=value.ticket_id,
        round_id=value.round_id,
        account_id=value.account_id,
        state=ticket_pb2.Ticket.State.ValueType(value.state),
        stake_minor=value.stake_minor,
        payout_minor=value.payout_minor,
        placed_at=timestamp(value.placed_at),
        lines=_lines(value.lines),
        currency=value.currency,
        terminal=value.terminal,
        payout_uncapped_minor=value.payout_uncapped_minor,
    )


def ticket_proof(value: TicketProof) -> ticket_pb2.TicketProof:
    """A ticket's way to its round's root."""
    return ticket_pb2.TicketProof(
        ticket_id=value.order.request_id,
        account_id=value.order.account_id,
        round_id=value.round_id,
        lines=_lines(value.order.lines),
        leaf=value.leaf.hex(),
        path=[ticket_pb2.TicketProof.Step(sibling=step.sibling.hex(), left=step.left) for step in value.path],
        tickets_root=value.tickets_root.hex(),
    )


def _lines(lines: Sequence[Line]) -> list[ticket_pb2.Line]:
    return [
        ticket_pb2.Line(
            market=ticket_pb2.Line.Market.ValueType(line.market),
            runners=line.selection,
            stake_minor=line.stake_minor,
            price_hundredths=line.price_hundredths,
        )
        for line in lines
    ]


def totals(value: Totals) -> round_pb2.Totals:
    """What was accepted on a round, as far as the public may know."""
    return round_pb2.Totals(tickets=value.tickets, stake_minor=value.stake_minor)


def timestamp(at: datetime) -> Timestamp:
    """A time of the database, whose smallest part is a microsecond."""
    message = Timestamp()
    message.FromDatetime(at)
    return message


def _public_round(value: Round) -> round_pb2.Round:
    return round_pb2.Round(
        round_id=value.round_id,
        track=value.track,
        phase=round_pb2.Round.Phase.ValueType(value.phase),
        revision=value.revision,
        opens_at=timestamp(value.opens_at),
        locks_at=timestamp(value.locks_at),
        starts_at=timestamp(value.starts_at),
        finishes_at=timestamp(value.finishes_at),
        ends_at=timestamp(value.ends_at),
        runners=_runners(value.runners),
        commitment=value.commitment.hex(),
        tickets_root=value.tickets_root.hex(),
        result=value.result,
        totals=totals(value.totals),
        transition_seq=value.transition_seq,
        currency=value.currency,
        race_name=value.race_name,
        distance_m=value.distance_m,
        limits=_limits(value.limits),
        return_bps=value.return_bps,
        void_reason=value.void_reason,
        payout_minor=value.payout_minor,
        correction_reason=value.correction_reason,
        terms=round_pb2.Terms.FromString(value.terms) if value.terms else None,
        positions=value.positions,
        withdrawn=value.withdrawn,
        price_revision=value.price_revision,
    )


def _runners(values: Sequence[Runner]) -> list[round_pb2.Runner]:
    return [
        round_pb2.Runner(
            runner=value.runner,
            name=value.name,
            weight=value.weight,
            win_price_hundredths=value.win_price_hundredths,
            place_price_hundredths=value.place_price_hundredths,
        )
        for value in values
    ]


def _timetable(value: Timetable) -> round_pb2.Timetable:
    return round_pb2.Timetable(
        betting_window_ms=value.betting_window_ms,
        lock_ms=value.lock_ms,
        race_ms=value.race_ms,
        finish_ms=value.finish_ms,
    )


def _limits(value: Limits) -> round_pb2.Limits:
    return round_pb2.Limits(
        stake_min_minor=value.stake_min_minor,
        stake_max_minor=value.stake_max_minor,
        selection_payout_max_minor=value.selection_payout_max_minor,
        round_loss_max_minor=value.round_loss_max_minor,
        payout_max_minor=value.payout_max_minor,
    )
