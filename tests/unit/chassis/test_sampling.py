"""Roots are sampled by ratio, except those that a server decided on before it made a span."""

import pytest
from opentelemetry.context import Context

from services.chassis.sampling import RECORDED_ROOT, RootSampler

LOW, HIGH = 1, 2**128 - 1  # the ratio is compared with the trace id


@pytest.mark.parametrize(
    ("ratio", "context", "trace_id", "recorded"),
    [
        (0.5, None, LOW, True),
        (0.5, None, HIGH, False),
        (0.5, Context(), HIGH, False),
        (0.5, RECORDED_ROOT, HIGH, True),
        (0.0, None, LOW, False),
        (0.0, RECORDED_ROOT, LOW, True),
        (1.0, None, HIGH, True),
    ],
)
def test_a_root_is_recorded_by_ratio_or_by_decision(
    ratio: float, context: Context | None, trace_id: int, recorded: bool
) -> None:
    assert RootSampler(ratio).should_sample(context, trace_id, "a root").decision.is_sampled() is recorded
