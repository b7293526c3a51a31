"""The stages stand in one order: of everything that is wrong with a call, the outermost stage's refusal is told."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from furlong.persist.v1 import ledger_service_pb2 as ledger_pb2
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from structlog.testing import capture_logs

from services.chassis.validation import Checks, Validators
from tests.served import Served, config, host_ledger, refused, serving
from tests.tokens import SigningKey, bearer

KEY = SigningKey.make()
METHOD = "furlong.persist.v1.LedgerService/CreditAccount"
STRANGER, PLAYER, SERVICE = (), bearer(KEY.token(roles=["PLAYER"])), bearer(KEY.token(roles=["SERVICE"]))
GOOD, BAD = ledger_pb2.CreditAccountRequest(amount_minor=1), ledger_pb2.CreditAccountRequest(amount_minor=0)


def check_credit(request: ledger_pb2.CreditAccountRequest, checks: Checks) -> None:
    checks.between("amount_minor", request.amount_minor, 1, 9)


class Desk:
    """Answers when it is told to, so that a test can keep the class WRITE full."""

    def __init__(self) -> None:
        self.release = asyncio.Event()
        self.asked = asyncio.Event()

    async def credit(self, _: Any, __: Any) -> Any:
        self.asked.set()
        await self.release.wait()
        return ledger_pb2.CreditAccountResponse()


@contextmanager
def spans_of() -> Iterator[tuple[TracerProvider, InMemorySpanExporter]]:
    provider, exporter = TracerProvider(shutdown_on_exit=False), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield provider, exporter
    provider.shutdown()


@asynccontextmanager
async def full_server(tmp_path: Path, **options: Any) -> AsyncIterator[tuple[Served, Desk]]:
    """Serve with room for one write, which is taken."""
    settings = config(KEY.write_jwks(tmp_path / "jwks.json"), admission_write_max=1)
    desk = Desk()
    hosted = host_ledger(CreditAccount=desk.credit)
    validators: Validators = {ledger_pb2.CreditAccountRequest: check_credit}
    async with serving(hosted, settings=settings, validators=validators, **options) as served:
        held = asyncio.ensure_future(served.ledger.CreditAccount(GOOD, metadata=SERVICE))
        await desk.asked.wait()
        yield served, desk
        desk.release.set()
        await held


@pytest.mark.parametrize(
    ("who", "request_", "full", "reason"),
    [
        (STRANGER, BAD, True, "TOKEN_MISSING"),
        (PLAYER, BAD, True, "ROLE_MISSING"),
        (SERVICE, BAD, True, "OVERLOADED"),
        (SERVICE, GOOD, True, "OVERLOADED"),
        (SERVICE, BAD, False, "MALFORMED"),
    ],
)
async def test_the_outermost_refusal_is_told(tmp_path: Path, who: Any, request_: Any, full: bool, reason: str) -> None:
    async with full_server(tmp_path) as (served, desk):
        if not full:
            desk.release.set()
            await served.ledger.CreditAccount(GOOD, metadata=SERVICE)
        assert (await refused(served.ledger.CreditAccount(request_, metadata=who))).reason == reason


async def test_the_deadline_covers_every_stage_within(tmp_path: Path) -> None:
    async def never(_: Any, __: Any) -> Any:
        await asyncio.Event().wait()

    settings = config(KEY.write_jwks(tmp_path / "jwks.json"))
    async with serving(host_ledger(CreditAccount=never), settings=settings) as served:
        call = served.ledger.CreditAccount(GOOD, metadata=SERVICE)
        assert (await refused(call)).reason == "OUT_OF_TIME"


async def test_a_refusal_of_a_stage_is_traced_and_logged_like_any_other(tmp_path: Path) -> None:
    with spans_of() as (provider, exporter), capture_logs() as lines:
        async with full_server(tmp_path, tracer_provider=provider) as (served, _):
            await refused(served.ledger.CreditAccount(GOOD, metadata=STRANGER))
        (span,) = (span for span in exporter.get_finished_spans() if "furlong.reason" in (span.attributes or {}))
    assert span.name == METHOD
    assert span.attributes is not None
    assert span.attributes["furlong.reason"] == "TOKEN_MISSING"
    (line,) = (line for line in lines if line["event"] == "call")
    assert (line["log_level"], line["rpc_method"], line["code"], line["reason"], line["subject"]) == (
        "info",
        METHOD,
        "UNAUTHENTICATED",
        "TOKEN_MISSING",
        "",
    )


async def test_a_defect_in_a_stage_is_answered_like_one_in_a_handler(tmp_path: Path) -> None:
    def break_down(_: Any, __: Checks) -> None:
        raise KeyError("a validator with a bug")

    settings = config(KEY.write_jwks(tmp_path / "jwks.json"))
    validators: Validators = {ledger_pb2.CreditAccountRequest: break_down}
    async with serving(host_ledger(), settings=settings, validators=validators) as served:
        told = await refused(served.ledger.CreditAccount(GOOD, metadata=SERVICE))
    assert told.reason == "INTERNAL_DEFECT"
    assert "bug" not in told.message
