"""How calls come to their handlers, which a caller cannot see."""

from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from furlong.persist.v1 import ledger_service_pb2 as ledger_pb2

from services.chassis.call import Call, Handler, Method
from services.chassis.clock import SystemClock
from services.chassis.dialogues import Dialogues
from services.chassis.line_budget import LineBudget
from services.chassis.methods import Methods
from services.chassis.stages.recovery import Recovery
from tests.served import host_ledger, serving

GET_ACCOUNT = "/furlong.persist.v1.LedgerService/GetAccount"


class Noting:
    """A stage that notes what headers calls come with."""

    def __init__(self) -> None:
        self.headers: list[object] = []

    def around(self, _: Method, inner: Handler) -> Handler:
        async def note(request: Any, call: Call) -> Any:
            self.headers.append(call.headers)
            return await inner(request, call)

        return note


async def test_the_metadata_that_a_method_was_asked_for_with_is_the_calls_and_its_context_is_not_asked_again() -> None:
    async def answer(_: Any, __: Any) -> Any:
        return ledger_pb2.GetAccountResponse()

    noting, recovery = Noting(), Recovery(LineBudget(SystemClock()))
    dialogues = Dialogues(recovery=recovery, stages=(), messages_max=1)
    methods = Methods([host_ledger(GetAccount=answer)], {}, [noting], dialogues)
    for token in ("one", "two"):
        asked: Any = SimpleNamespace(method=GET_ACCOUNT, invocation_metadata=(("authorization", token),))
        handler: Any = methods.service(asked)
        await handler.unary_unary(ledger_pb2.GetAccountRequest(), None)
    assert noting.headers == [{"authorization": "one"}, {"authorization": "two"}]


async def test_a_server_registers_no_method_by_name_for_each_of_which_grpc_would_wait_with_every_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    registered: list[str] = []
    monkeypatch.setattr(
        grpc.aio.Server, "add_registered_method_handlers", lambda _, service, __: registered.append(service)
    )
    async with serving(host_ledger()):
        assert registered == []
