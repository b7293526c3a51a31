"""Who is calling, and may they: the bearer token is verified here, whatever a gateway did before."""

from typing import Any, Protocol

from furlong.common.v1.error_pb2 import Reason
from furlong.common.v1.policy_pb2 import Role

from services.chassis.call import Call, Handler, Method
from services.chassis.principal import ANONYMOUS, DEVELOPMENT, Principal, set_current
from services.chassis.refusal import Refusal


class Verifier(Protocol):
    """What access asks of whoever knows tokens."""

    def verify(self, authorization: str) -> Principal:
        """Read an `authorization` header; raise Refusal(TOKEN_INVALID) for one that cannot be trusted."""


class Access:
    """Admits a call when its token holds one of the method's roles. A token that came must be valid, even where
    anyone is admitted: a caller who believes to be somebody is told when it is not.
    """

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier

    def around(self, method: Method, inner: Handler) -> Handler:
        """Wrap the rest of the way."""
        admitted = method.policy.roles
        anyone = Role.ANYONE in admitted
        wanted = ", ".join(sorted(Role.Name(role) for role in admitted))

        async def admit(request: Any, call: Call) -> Any:
            authorization = call.headers.get("authorization")
            if authorization is None:
                if not anyone:
                    raise Refusal(Reason.TOKEN_MISSING, "the method needs a bearer token")
                set_current(ANONYMOUS)
                return await inner(request, call)
            who = self._verifier.verify(str(authorization))
            if not anyone and who.roles.isdisjoint(admitted):
                raise Refusal(Reason.ROLE_MISSING, f"the method needs one of: {wanted}", metadata={"roles": wanted})
            set_current(who)
            return await inner(request, call)

        return admit


class OpenAccess:
    """Takes everybody for a developer who may do anything; for a server on loopback with FURLONG_AUTH=off."""

    def around(self, method: Method, inner: Handler) -> Handler:
        """Wrap the rest of the way."""

        async def admit(request: Any, call: Call) -> Any:
            set_current(DEVELOPMENT)
            return await inner(request, call)

        return admit
