"""What was decided is counted once, by track and verdict."""

from collections.abc import Sequence
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from services.chassis import telemetry_names as names
from services.persist.domain.decision import Decision, Judged
from services.persist.domain.round import NOTHING_SOLD, Totals
from services.persist.domain.ticket import Order
from services.persist.domain.verdict import Verdict
from services.persist.sales import LIABILITY_AGE_S, Sales
from services.persist.telemetry_names import LIABILITY
from tests.fakes.virtual_clock import VirtualClock


def decided(verdict: Verdict, *, replayed: bool = False) -> Decision:
    return Decision(verdict=verdict, replayed=replayed, reason="", placed_at=None, ticket=None)


def order(stake_minor: int) -> Order:
    return Order(
        request_id="01890000-0000-7000-8000-000000000001",
        account_id="A",
        lines=(),
        stake_minor=stake_minor,
        content_hash=b"",
        refusal=None,
        refusal_reason="",
    )


def judged(decisions: Sequence[Decision], *accepted: Order) -> Judged:
    return Judged(
        decisions=decisions,
        accepted=accepted,
        refused=[],
        stakes_minor={"A": sum(each.stake_minor for each in accepted)},
        sold={},
    )


def counted(reader: InMemoryMetricReader, metric: str) -> dict[tuple[Any, ...], int]:
    data: Any = reader.get_metrics_data()
    return {
        tuple(point.attributes.values()): point.value
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for each in scope.metrics
        if each.name == metric
        for point in each.data.data_points
    }


def test_verdicts_and_stakes_are_counted_and_repeats_are_not() -> None:
    reader = InMemoryMetricReader()
    sales = Sales(MeterProvider([reader]).get_meter("test"), VirtualClock())
    accepted, closed = decided(Verdict.ACCEPTED), decided(Verdict.BETTING_CLOSED)
    again = decided(Verdict.ACCEPTED, replayed=True)
    sales.count("harbour-mile", judged([accepted, closed, again, accepted], order(500), order(300)), NOTHING_SOLD)
    sales.count("city-sprint", judged([closed]), NOTHING_SOLD)
    sales.count("harbour-mile", judged([accepted], order(200)), NOTHING_SOLD)
    assert counted(reader, names.TICKETS.name) == {
        ("harbour-mile", "ACCEPTED"): 3,
        ("harbour-mile", "BETTING_CLOSED"): 1,
        ("city-sprint", "BETTING_CLOSED"): 1,
    }
    assert counted(reader, names.STAKES.name) == {("harbour-mile",): 1_000}


def test_an_order_that_is_judged_again_is_counted_when_it_is_decided() -> None:
    reader = InMemoryMetricReader()
    sales = Sales(MeterProvider([reader]).get_meter("test"), VirtualClock())
    sales.count(
        "harbour-mile", judged([decided(Verdict.UNDECIDED), decided(Verdict.ACCEPTED)], order(500)), NOTHING_SOLD
    )

    assert counted(reader, names.TICKETS.name) == {("harbour-mile", "ACCEPTED"): 1}


async def test_the_liability_of_a_round_is_told_while_it_is_sold() -> None:
    reader, clock = InMemoryMetricReader(), VirtualClock()
    sales = Sales(MeterProvider([reader]).get_meter("test"), clock)
    sold = Totals(tickets=1, stake_minor=500, payout_minor_max=1_750)
    sales.count("harbour-mile", judged([decided(Verdict.ACCEPTED)], order(500)), sold)
    assert counted(reader, LIABILITY.name) == {("harbour-mile",): 1_250}

    await clock.run_until_ms(clock.now_ms() + int(LIABILITY_AGE_S * 1_000) + 1)
    assert counted(reader, LIABILITY.name) == {}
