"""Which part is calling, and may it: the certificate of the connection is looked at, whatever tokens say."""

from collections.abc import Set
from typing import Any

import structlog
from furlong.common.v1.error_pb2 import Reason

from services.chassis.call import Call, Handler, Method
from services.chassis.line_budget import LineBudget
from services.chassis.refusal import Refusal
from services.chassis.tls import Handshake, caller

log = structlog.get_logger(__name__)


class Peers:
    """Admits a call when the certificate of its caller names one of the parts that this server is called by."""

    def __init__(self, admitted: Set[str], budget: LineBudget) -> None:
        self._admitted = admitted
        self._budget = budget

    def around(self, method: Method, inner: Handler) -> Handler:
        """Wrap the rest of the way."""

        async def admit(request: Any, call: Call) -> Any:
            self.check(call.context)
            return await inner(request, call)

        return admit

    def check(self, context: Handshake) -> None:
        """Raise Refusal(PEER_NOT_ALLOWED) for a caller that is not one of them."""
        found = caller(context)
        if found.part in self._admitted and not found.resumed:
            return
        who = "no part" if found.part is None else found.part
        why = (
            "the connection took up an earlier session instead of showing a certificate"
            if found.resumed
            else f"the certificate of the connection names {who}, which is not one to call this server"
        )
        kept_back = self._budget.spend(("peers", found.part or ""))
        if kept_back is not None:
            log.warning("caller refused", part=found.part, resumed=found.resumed, kept_back=kept_back)
        raise Refusal(Reason.PEER_NOT_ALLOWED, why, metadata={"part": found.part or ""})
