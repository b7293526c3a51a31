"""Which traces are recorded. Whoever begins a trace decides, and everybody after follows its flag.

A server decides before it makes a span (see stages/tracing.py), because most calls are not recorded and a span that is
made to be thrown away costs a tenth of a small call. Everything else that begins a trace is sampled here.
"""

from collections.abc import Sequence
from typing import Final

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Sampler, SamplingResult, TraceIdRatioBased
from opentelemetry.trace import Link, SpanKind, TraceState
from opentelemetry.util.types import Attributes

_DECIDED: Final = otel_context.create_key("furlong.recorded")

RECORDED_ROOT: Final = otel_context.set_value(_DECIDED, True, Context())
"""The context to begin a trace in that is to be recorded."""


class RootSampler(Sampler):
    """Samples what begins a trace: all that was decided on before, and of the rest a share."""

    def __init__(self, ratio: float) -> None:
        self._by_ratio = TraceIdRatioBased(ratio)

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Decide on one span."""
        decided = parent_context is not None and otel_context.get_value(_DECIDED, parent_context) is True
        sampler = ALWAYS_ON if decided else self._by_ratio
        return sampler.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)

    def get_description(self) -> str:
        """Describe the sampler, as the SDK asks."""
        return f"RootSampler{{{self._by_ratio.get_description()}}}"
