"""More calls than fit are refused by us, class by class; gRPC drops none by itself."""

import asyncio
from collections import Counter
from typing import Any

import grpc
from furlong.game.v1 import round_service_pb2 as pb2
from furlong.persist.v1 import lease_service_pb2 as leases_pb2
from furlong.persist.v1 import ledger_service_pb2 as ledger_pb2
from structlog.testing import capture_logs

from services.chassis.line_budget import LINES_PER_S_MAX
from tests.served import config, host_leases, host_ledger, host_rounds, read_refusal, refused, serving

BURST = 5_000


async def test_a_burst_of_calls_gets_only_answers_of_our_own_making() -> None:
    release = asyncio.Event()

    async def get(_: Any, __: Any) -> Any:
        await release.wait()
        return pb2.GetRoundResponse()

    answers: Counter[tuple[grpc.StatusCode, str, bool]] = Counter()

    async def ask(stub: Any) -> None:
        try:
            await stub.GetRound(pb2.GetRoundRequest(round_id=1), timeout=60)
            answers[grpc.StatusCode.OK, "", False] += 1
        except grpc.aio.AioRpcError as error:
            told = read_refusal(error)
            answers[told.code, told.reason, told.retry_in_ms is not None] += 1
        if answers.total() == BURST - room:
            release.set()

    room = 1_000
    with capture_logs() as lines:
        async with serving(host_rounds(GetRound=get), settings=config(admission_read_max=room)) as served:
            async with asyncio.timeout(60):
                await asyncio.gather(*(ask(served.rounds) for _ in range(BURST)))
    assert answers == {
        (grpc.StatusCode.OK, "", False): room,
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED", True): BURST - room,
    }
    overloaded = [line for line in lines if line.get("reason") == "OVERLOADED"]
    assert len(overloaded) <= 60 * LINES_PER_S_MAX  # a bounded number of lines a second, however many calls


async def test_a_burst_that_fits_is_answered_in_full() -> None:
    async def get(_: Any, __: Any) -> Any:
        await asyncio.sleep(0)
        return pb2.GetRoundResponse()

    settings = config(admission_read_max=BURST)
    async with serving(host_rounds(GetRound=get), settings=settings) as served:
        calls = (served.rounds.GetRound(pb2.GetRoundRequest(round_id=1), timeout=60) for _ in range(BURST))
        async with asyncio.timeout(60):
            assert len(await asyncio.gather(*calls)) == BURST


async def test_a_full_class_of_writes_does_not_cost_a_lease() -> None:
    asked, release = asyncio.Event(), asyncio.Event()

    async def credit(_: Any, __: Any) -> Any:
        asked.set()
        await release.wait()
        return ledger_pb2.CreditAccountResponse()

    async def acquire(_: Any, __: Any) -> Any:
        return leases_pb2.AcquireLeaseResponse(epoch=9)

    hosted = (host_ledger(CreditAccount=credit), host_leases(AcquireLease=acquire))
    async with serving(*hosted, settings=config(admission_write_max=1)) as served:
        held = asyncio.ensure_future(served.ledger.CreditAccount(ledger_pb2.CreditAccountRequest()))
        await asked.wait()
        told = await refused(served.ledger.CreditAccount(ledger_pb2.CreditAccountRequest()))
        lease = await served.leases.AcquireLease(leases_pb2.AcquireLeaseRequest())
        release.set()
        await held
        await served.ledger.CreditAccount(ledger_pb2.CreditAccountRequest())
    assert (told.reason, told.metadata, told.retry_in_ms) == ("OVERLOADED", {"admission": "WRITE"}, 250)
    assert lease.epoch == 9


async def test_a_watcher_that_left_makes_room_for_another() -> None:
    async def watch(_: Any, context: Any) -> None:
        await context.write(pb2.WatchRoundsResponse(transition_seq=1))
        await asyncio.Event().wait()

    async with serving(host_rounds(WatchRounds=watch), settings=config(admission_stream_max=1)) as served:
        first = served.rounds.WatchRounds(pb2.WatchRoundsRequest())
        await first.read()
        second = served.rounds.WatchRounds(pb2.WatchRoundsRequest())
        assert (await refused(second.read())).reason == "OVERLOADED"
        first.cancel()
        async with asyncio.timeout(20):
            while True:
                third = served.rounds.WatchRounds(pb2.WatchRoundsRequest())
                try:
                    await third.read()
                    break
                except grpc.aio.AioRpcError:
                    continue
        third.cancel()
