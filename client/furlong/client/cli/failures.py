"""One line for every call that failed: what was wrong, where, and what to do about it."""

from collections.abc import Mapping
from types import MappingProxyType

from furlong.client.cli.output import plain
from furlong.client.errors import DeadlineEnded, FurlongError, OutcomeUnknown, ServiceDefect, Unreachable

# What somebody at a terminal can do, by the reason of the error. A reason that says it all has no entry.
ADVICE: Mapping[str, str] = MappingProxyType(
    {
        "TOKEN_MISSING": "give one with --token or FURLONG_TOKEN; `furlong token` makes one for a local stack",
        "TOKEN_INVALID": "make a fresh one with `furlong token` and give it with --token or FURLONG_TOKEN",
        "ROLE_MISSING": "use a token with the right role, such as `furlong token --role OPERATOR`",
        "ACCOUNT_NOT_YOURS": "use a token for this account, such as `furlong token --account ID`",
        "TERMINAL_NOT_YOURS": "name the terminal that the token is bound to, or none",
        "TRACK_NOT_FOUND": "`furlong rounds` lists the tracks there are",
        "ROUND_UNKNOWN": "`furlong rounds TRACK` lists the rounds there are",
        "TICKET_UNKNOWN": "check the id, and that the token may act for the ticket's account",
        "ACCOUNT_UNKNOWN": "check the id, and that the token may act for this account",
        "TRACE_UNKNOWN": "only recorded traces are kept, and not for ever; `furlong trace` lists those there are",
        "REQUEST_REUSED": "leave --id away to make a new request",
        "FUNDS_MISSING": "`furlong account show ID` tells the balance and how far it may fall",
        "TICKET_STATE": "`furlong ticket ID` tells what became of it",
        "ROUND_PHASE": "`furlong rounds TRACK` tells how far the round is",
        "RESULT_SOURCE": "`furlong rounds TRACK --json` tells whether a round's result is DRAWN or ENTERED",
        "ACCOUNT_KIND": "`furlong account show ID` tells its kind",
        "ACCOUNT_STOPPED": "`furlong account unblock ID` lets it go on, where that is right",
        "PRICES_FIXED": "only tracks whose results are entered have prices that move",
        "CARD_MISSING": "give the track races with `furlong cards import FILE --track TRACK`",
        "PROOF_NOT_READY": "ask again when the race is over",
        "OVERLOADED": "try again",
        "DRAINING": "try again",
        "DEPENDENCY_DOWN": "try again in a moment; a local stack tells more in the logs of its data folder",
    }
)


def explain(error: FurlongError, gateway: str) -> str:
    """Say in one line what went wrong with a call to `gateway`, and what to do."""
    if isinstance(error, OutcomeUnknown):
        repeat = " ".join(f"--id {request_id}" for request_id in error.request_ids)
        return f"it is not known whether this was done ({_what(error)}): repeat the same command with {repeat}"
    if isinstance(error, Unreachable) and not error.reason:
        return (
            f"the gateway at {gateway} does not answer ({_cause(error)}): "
            "start a local stack with `make up`, or name another gateway with --gateway or FURLONG_GATEWAY"
        )
    if isinstance(error, DeadlineEnded):
        return f"{gateway} did not answer in time ({_what(error)}): try again"
    if isinstance(error, ServiceDefect):
        return f"{gateway} failed at this ({_what(error)}): this is a defect of the service, its logs tell more"
    advice = ADVICE.get(error.reason, "")
    return _what(error) + (f": {advice}" if advice else "")


def _cause(error: FurlongError) -> str:
    """Keep the end of gRPC's chain of causes, such as "Connection refused"."""
    return plain(error.message.rpartition(": ")[2] or error.code.name)


def _what(error: FurlongError) -> str:
    fields = [f"{violation.field}: {violation.description}" for violation in error.violations]
    # A message that already tells the first violation need not tell it twice.
    said = "; ".join(filter(None, [error.message, *(field for field in fields if field not in error.message)]))
    again = f", again in {-(-error.retry_in_ms // 1000)} s" if error.retry_in_ms else ""
    return plain(f"{error.reason or error.code.name}: {said or 'nothing was said'}{again}")
