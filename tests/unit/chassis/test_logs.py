"""Logs are one JSON object per line, with the trace that they belong to. Tried in a process of its own: logging is
set up once per process."""

import json
import subprocess
import sys

SCRIPT = """
import logging
import structlog
from opentelemetry import context, trace
from services.chassis import logs

logs.set_up("info")
log = structlog.get_logger("furlong")
log.debug("not written")
span = trace.NonRecordingSpan(trace.SpanContext(trace_id=0xabc, span_id=0xdef, is_remote=False))
context.attach(trace.set_span_in_context(span))
log.info("serving", port=1)
try:
    raise ValueError("broken")
except ValueError:
    log.exception("defect")
logging.getLogger("library").warning("odd: %s", "thing")
"""


def test_every_line_is_json_with_its_trace() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    serving, defect, odd = (json.loads(line) for line in done.stderr.splitlines())
    assert done.stdout == ""
    assert (serving["event"], serving["level"], serving["port"]) == ("serving", "info", 1)
    assert serving["timestamp"].endswith("Z")
    assert {line["trace_id"] for line in (serving, defect, odd)} == {f"{0xABC:032x}"}
    assert {line["span_id"] for line in (serving, defect, odd)} == {f"{0xDEF:016x}"}
    assert "ValueError: broken" in defect["exception"]
    assert (odd["event"], odd["logger"], odd["level"]) == ("odd: thing", "library", "warning")
