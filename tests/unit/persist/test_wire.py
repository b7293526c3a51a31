"""Our enums and validators against the contract."""

from enum import IntEnum
from typing import Any

import pytest
from furlong.common.v1.account_pb2 import Account
from furlong.common.v1.round_pb2 import Round, Track
from furlong.common.v1.ticket_pb2 import Ticket, TicketResult
from furlong.persist.v1 import (
    lease_service_pb2,
    ledger_service_pb2,
    round_store_service_pb2,
    ticket_store_service_pb2,
    track_store_service_pb2,
)

from services.persist.domain.account import AccountKind
from services.persist.domain.round import Phase
from services.persist.domain.ticket import TicketState
from services.persist.domain.track import TrackState
from services.persist.domain.verdict import Verdict
from services.persist.service.validators import VALIDATORS

MODULES = (
    lease_service_pb2,
    ledger_service_pb2,
    round_store_service_pb2,
    ticket_store_service_pb2,
    track_store_service_pb2,
)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (Verdict, TicketResult.Verdict),
        (Phase, Round.Phase),
        (AccountKind, Account.Kind),
        (TicketState, Ticket.State),
        (TrackState, Track.State),
    ],
)
def test_our_numbers_are_those_of_the_wire(ours: type[IntEnum], theirs: Any) -> None:
    assert {member.name: int(member) for member in ours if member} == {name: n for name, n in theirs.items() if n}


def test_every_request_has_a_validator() -> None:
    asked = {
        method.input_type._concrete_class
        for module in MODULES
        for service in module.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }
    assert asked == set(VALIDATORS)
