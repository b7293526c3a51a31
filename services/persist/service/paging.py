"""Page tokens: where the next page begins, opaque to the caller."""

from base64 import urlsafe_b64decode, urlsafe_b64encode

from furlong.common.v1.error_pb2 import Reason

from services.chassis.refusal import Refusal, Violation


def token_for(place: str) -> str:
    """A token for the page that begins after `place`."""
    return urlsafe_b64encode(place.encode()).decode().rstrip("=")


def place_of(token: str) -> str | None:
    """The place that a token stands for; None for the first page. Raises Refusal MALFORMED for one not made here."""
    if not token:
        return None
    try:
        place = urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
    except ValueError as error:
        raise bad_token() from error
    if token_for(place) != token:
        raise bad_token()
    return place


def bad_token() -> Refusal:
    """The refusal of a token that no page of this list has given out."""
    return Refusal(
        Reason.MALFORMED,
        "the page token was not given out by this list",
        violations=[Violation(field="page_token", description="was not given out by this list")],
    )
