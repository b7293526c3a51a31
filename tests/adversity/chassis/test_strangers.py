"""Who may not call does not, whatever the token says."""

from pathlib import Path
from typing import Any

import jwt
import pytest
from furlong.game.v1 import round_service_pb2 as rounds_pb2
from furlong.persist.v1 import lease_service_pb2 as leases_pb2

from services.chassis.principal import Principal, current
from tests.served import config, host_leases, host_rounds, refused, serving
from tests.tokens import SigningKey, bearer

KEY = SigningKey.make()
STRANGER = SigningKey.make()  # the same key id, another key
CLAIMS = jwt.decode(KEY.token(roles=["SERVICE"]), options={"verify_signature": False})


class Office:
    """Notes who was let in."""

    def __init__(self) -> None:
        self.let_in: list[Principal] = []

    async def acquire(self, _: Any, __: Any) -> Any:
        self.let_in.append(current())
        return leases_pb2.AcquireLeaseResponse(epoch=1)

    async def get(self, _: Any, __: Any) -> Any:
        self.let_in.append(current())
        return rounds_pb2.GetRoundResponse()


REFUSED: list[tuple[str, tuple[tuple[str, str], ...], str, str]] = [
    ("no token", (), "TOKEN_MISSING", "UNAUTHENTICATED"),
    ("another scheme", (("authorization", "Basic dTpw"),), "TOKEN_INVALID", "UNAUTHENTICATED"),
    ("garbage", bearer("hello"), "TOKEN_INVALID", "UNAUTHENTICATED"),
    ("forged", bearer(STRANGER.token(roles=["SERVICE"])), "TOKEN_INVALID", "UNAUTHENTICATED"),
    ("alg none", bearer(jwt.encode(CLAIMS, "", algorithm="none")), "TOKEN_INVALID", "UNAUTHENTICATED"),
    (
        "a shared secret",
        bearer(jwt.encode(CLAIMS, "x" * 32, algorithm="HS256", headers={"kid": KEY.key_id})),
        "TOKEN_INVALID",
        "UNAUTHENTICATED",
    ),
    ("expired", bearer(KEY.token(roles=["SERVICE"], ttl_s=-60)), "TOKEN_INVALID", "UNAUTHENTICATED"),
    ("another audience", bearer(KEY.token(roles=["SERVICE"], aud="x")), "TOKEN_INVALID", "UNAUTHENTICATED"),
    ("another issuer", bearer(KEY.token(roles=["SERVICE"], iss="x")), "TOKEN_INVALID", "UNAUTHENTICATED"),
    ("no role", bearer(KEY.token()), "ROLE_MISSING", "PERMISSION_DENIED"),
    ("wrong role", bearer(KEY.token(roles=["PLAYER", "OPERATOR"])), "ROLE_MISSING", "PERMISSION_DENIED"),
    ("a role that admits nobody", bearer(KEY.token(roles=["ANYONE"])), "ROLE_MISSING", "PERMISSION_DENIED"),
]


@pytest.mark.parametrize(("why", "metadata", "reason", "code"), REFUSED, ids=[row[0] for row in REFUSED])
async def test_a_service_method_refuses_a_caller_with(
    tmp_path: Path, why: str, metadata: Any, reason: str, code: str
) -> None:
    office = Office()
    settings = config(KEY.write_jwks(tmp_path / "jwks.json"))
    async with serving(host_leases(AcquireLease=office.acquire), settings=settings) as served:
        call = served.leases.AcquireLease(leases_pb2.AcquireLeaseRequest(), metadata=metadata)
        told = await refused(call)
    assert (told.reason, told.code.name) == (reason, code), why
    assert office.let_in == []


async def test_a_service_is_let_in_and_the_handler_knows_it(tmp_path: Path) -> None:
    office = Office()
    settings = config(KEY.write_jwks(tmp_path / "jwks.json"))
    token = KEY.token(roles=["SERVICE"], subject="game-1")
    async with serving(host_leases(AcquireLease=office.acquire), settings=settings) as served:
        for _ in range(2):
            await served.leases.AcquireLease(leases_pb2.AcquireLeaseRequest(), metadata=bearer(token))
    assert [principal.subject for principal in office.let_in] == ["game-1", "game-1"]


async def test_anyone_may_read_without_a_token_but_not_with_a_bad_one(tmp_path: Path) -> None:
    office = Office()
    settings = config(KEY.write_jwks(tmp_path / "jwks.json"))
    request = rounds_pb2.GetRoundRequest(round_id=1)
    async with serving(host_rounds(GetRound=office.get), settings=settings) as served:
        await served.rounds.GetRound(request)
        await served.rounds.GetRound(request, metadata=bearer(KEY.token(subject="p", accounts=["a"])))
        told = await refused(served.rounds.GetRound(request, metadata=bearer(STRANGER.token())))
    assert told.reason == "TOKEN_INVALID"
    assert [(who.subject, who.may_act_for("a")) for who in office.let_in] == [("", False), ("p", True)]


async def test_metadata_beyond_its_bound_is_refused_before_anybody_reads_it() -> None:
    async with serving(host_rounds(GetRound=Office().get)) as served:
        call = served.rounds.GetRound(rounds_pb2.GetRoundRequest(round_id=1), metadata=(("x-long", "x" * 9_000),))
        assert (await refused(call)).code.name == "RESOURCE_EXHAUSTED"
