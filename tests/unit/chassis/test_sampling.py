"""Roots are sampled by ratio, except those that a server decided on before it made a span."""

import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import Decision

from services.chassis.sampling import RECORDED_ROOT, RootSampler

RECORDED, DROPPED = Decision.RECORD_AND_SAMPLE, Decision.DROP
LOW, HIGH = 1, 2**128 - 1  # the ratio is compared with the trace id


@pytest.mark.parametrize(
    ("ratio", "context", "trace_id", "decision"),
    [
        (0.5, None, LOW, RECORDED),
        (0.5, None, HIGH, DROPPED),
        (0.5, Context(), HIGH, DROPPED),
        (0.5, RECORDED_ROOT, HIGH, RECORDED),
        (0.0, None, LOW, DROPPED),
        (0.0, RECORDED_ROOT, LOW, RECORDED),
        (1.0, None, HIGH, RECORDED),
    ],
)
def test_a_root_is_recorded_by_ratio_or_by_decision(
    ratio: float, context: Context | None, trace_id: int, decision: Decision
) -> None:
    assert RootSampler(ratio).should_sample(context, trace_id, "a root").decision is decision
