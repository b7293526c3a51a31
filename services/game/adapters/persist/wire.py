"""Where the game's values meet the wire of `persist.v1`, beyond the words that both share (`services.game.wire`)."""

from furlong.common.v1 import ticket_pb2
from furlong.persist.v1 import round_store_service_pb2, ticket_store_service_pb2, track_store_service_pb2

from services.game.domain.order import Verdict
from services.game.domain.race import with_race
from services.game.domain.round import StoredRound
from services.game.domain.seed_chain import PublishedChain
from services.game.domain.winners import Winner
from services.game.ports import Placing, Price
from services.game.wire import ms_of, round_of


def stored_round_of(stored: round_store_service_pb2.StoredRound) -> StoredRound:
    """Read a round with its secrets, and with the key of its race where it has started."""
    return with_race(
        StoredRound(
            round=round_of(stored.round),
            sealed_seed=stored.sealed_seed,
            server_seed=stored.server_seed,
            posting=stored.posting,
            beacon_signature=stored.beacon_signature,
        )
    )


def chain_of(stored: track_store_service_pb2.StoredSeedChain) -> PublishedChain:
    """Read a seed chain with what is sealed of it."""
    chain = stored.chain
    return PublishedChain(
        track=chain.track,
        chain_no=chain.chain_no,
        anchor=chain.anchor,
        length=chain.length,
        used=chain.used,
        published_at_ms=ms_of(chain.published_at),
        sealed_checkpoints=stored.sealed_checkpoints,
    )


def winner_to(winner: Winner) -> round_store_service_pb2.Winner:
    """Write a selection that pays."""
    return round_store_service_pb2.Winner(
        market=ticket_pb2.Line.Market.ValueType(winner.market),
        runners=winner.runners,
        stake_numerator=winner.stake_numerator,
        stake_denominator=winner.stake_denominator,
        refund=winner.refund,
    )


def price_to(price: Price) -> ticket_pb2.Price:
    """Write a price of a runner."""
    return ticket_pb2.Price(
        market=ticket_pb2.Line.Market.ValueType(price.market),
        runner=price.runner,
        price_hundredths=price.price_hundredths,
    )


def write_placing(placing: Placing, append: ticket_store_service_pb2.TicketAppend) -> None:
    """Write an order on its way to the store into an empty message of it.

    Field by field, because a message with messages in it that is made of keywords takes twice as long.
    """
    judgement = placing.judgement
    append.request_id = placing.order.request_id
    append.account_id = placing.order.account_id
    append.content_hash = placing.content_hash
    if placing.order.terminal:
        append.terminal = placing.order.terminal
    if judgement.verdict:
        append.refusal = verdict_to(judgement.verdict)
        append.refusal_reason = judgement.reason
    if judgement.price_revision:
        append.price_revision = judgement.price_revision
    if judgement.held_until_ms:
        append.held_until_ms = judgement.held_until_ms
    for market, runners, stake_minor, price_hundredths in judgement.lines:
        line = append.lines.add()
        line.market = ticket_pb2.Line.Market.ValueType(market)
        line.runners.extend(runners)
        line.stake_minor = stake_minor
        line.price_hundredths = price_hundredths


def verdict_to(verdict: Verdict) -> ticket_pb2.TicketResult.Verdict.ValueType:
    """Write a verdict."""
    return ticket_pb2.TicketResult.Verdict.ValueType(verdict)
