"""A quote: prices that are held for some lines for a short time, whatever becomes of them in the round.

Nothing is stored. A quote carries all that it says, under a key that every game derives from the key of its seeds, so
any of them knows it again and nobody else can make one:

    0x01 || round_id (8 bytes) || expires_at_ms (8) || hash of the lines (32) || prices || tag (16)

    prices   per price: market (1), runner (1), price_hundredths (4)
    tag      the first 16 bytes of HMAC-SHA256 over all before it

Numbers are big-endian, and the whole is written in base64url without padding. It is bound to the lines with their
stakes, so that a quote for a little holds nothing for a lot.
"""

import binascii
import hashlib
import hmac
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

QUOTE_CHARACTERS_MAX: Final = 2_000
"""More than the longest quote has: 10 each-way lines with three prices each are 327 characters."""

_VERSION: Final = b"\x01"
_TAG_BYTES: Final = 16
_HEAD: Final = struct.Struct(">cqq32s")
_PRICE: Final = struct.Struct(">BBI")


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """Prices in hundredths by market and runner, held for lines of a round until `expires_at_ms` since the epoch."""

    round_id: int
    expires_at_ms: int
    lines_hash: bytes
    prices: Mapping[tuple[int, int], int]


def quote_key(seed_key: bytes) -> bytes:
    """Derive the key of the quotes from the key that seals seeds."""
    return hmac.digest(seed_key, b"furlong/quote/v1", hashlib.sha256)


def signed(quote: Quote, key: bytes) -> str:
    """Write a quote so that only who has the key can have written it."""
    head = _HEAD.pack(_VERSION, quote.round_id, quote.expires_at_ms, quote.lines_hash)
    prices = [_PRICE.pack(market, runner, price) for (market, runner), price in sorted(quote.prices.items())]
    said = head + b"".join(prices)
    return urlsafe_b64encode(said + _tag(said, key)).rstrip(b"=").decode("ascii")


def known(text: str, key: bytes) -> Quote | None:
    """Read a quote; None where it was not written with this key."""
    try:
        whole = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except (UnicodeEncodeError, binascii.Error):
        return None
    said, tag = whole[:-_TAG_BYTES], whole[-_TAG_BYTES:]
    if not hmac.compare_digest(tag, _tag(said, key)):
        return None
    version, round_id, expires_at_ms, lines_hash = _HEAD.unpack_from(said)
    assert version == _VERSION, "we have written no other version"
    prices = {(market, runner): price for market, runner, price in _PRICE.iter_unpack(said[_HEAD.size :])}
    return Quote(round_id=round_id, expires_at_ms=expires_at_ms, lines_hash=lines_hash, prices=prices)


def quote_fault(quote: Quote | None, round_id: int, lines_hash: bytes, now_ms: int) -> str:
    """Say in words why a quote holds nothing for these lines of a round; nothing where it does."""
    if quote is None:
        return "the quote is none of ours"
    if quote.round_id != round_id:
        return f"the quote is for round {quote.round_id}"
    if quote.lines_hash != lines_hash:
        return "the quote is for other lines"
    if now_ms >= quote.expires_at_ms:
        return "the quote has expired"
    return ""


def _tag(said: bytes, key: bytes) -> bytes:
    return hmac.digest(key, said, hashlib.sha256)[:_TAG_BYTES]
