"""Does the request keep its contract: the last stage before the handler, which can then trust what it reads.

On a dialogue each message passes this stage by itself, so that one that breaks its contract is answered, not the end.
"""

from collections.abc import AsyncIterator
from typing import Any

from services.chassis.call import Call, Handler, Method
from services.chassis.validation import Checks, Validator, Validators


class Validation:
    """Runs the validator of the request's message; on a stream of requests, as each of them is read."""

    def __init__(self, validators: Validators) -> None:
        self._validators = validators

    def around(self, method: Method, inner: Handler) -> Handler:
        """Wrap the rest of the way; without a validator there is nothing to do and nothing to pay."""
        validator = self._validators.get(method.request_class)
        if validator is None or method.dialogue is not None:
            return inner

        async def validate(request: Any, call: Call) -> Any:
            _check(validator, request)
            return await inner(request, call)

        async def validate_each(requests: AsyncIterator[Any], call: Call) -> Any:
            return await inner(_checked(validator, requests), call)

        return validate_each if method.request_streams else validate


def _check(validator: Validator, request: Any) -> None:
    checks = Checks()
    validator(request, checks)
    checks.refuse()


async def _checked(validator: Validator, requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for request in requests:
        _check(validator, request)
        yield request
