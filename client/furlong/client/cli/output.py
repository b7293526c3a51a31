"""How values look on a terminal: money and prices from integers, times, tables, JSON as the gateway speaks it."""

import json
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Annotated

import typer
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import Console

# Digits after the point of the currencies that have not two (ISO 4217).
MINOR_DIGITS_USUAL = 2
MINOR_DIGITS: Mapping[str, int] = MappingProxyType(
    dict.fromkeys(("CLP", "ISK", "JPY", "KRW", "PYG", "UGX", "VND", "XAF", "XOF", "XPF"), 0)
    | dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3)
)
# A table that goes into a file or a pipe is as wide as this, so that no id is cut.
PIPED_WIDTH = 200

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON as the gateway's REST answers.")]


def money(amount_minor: int, currency: str) -> str:
    """Write an amount in minor units for people: 123456 of EUR is `1,234.56 EUR`."""
    digits = MINOR_DIGITS.get(currency, MINOR_DIGITS_USUAL)
    whole, rest = divmod(abs(amount_minor), 10**digits)
    sign = "-" if amount_minor < 0 else ""
    return f"{sign}{whole:,}" + (f".{rest:0{digits}d}" if digits else "") + f" {plain(currency)}".rstrip()


def price(price_hundredths: int) -> str:
    """Write a price in hundredths as decimal odds: 235 is `2.35`."""
    return f"{price_hundredths // 100}.{price_hundredths % 100:02d}"


def chance(weight: int, total: int) -> str:
    """Write the share of a weight in per cent, with one digit, rounded down."""
    per_mille = weight * 1000 // total
    return f"{per_mille // 10}.{per_mille % 10} %"


def moment(at: Timestamp) -> str:
    """Write a point in time in the local time zone, to the second."""
    return local(at).strftime("%Y-%m-%d %H:%M:%S")


def local(at: Timestamp) -> datetime:
    """Turn a wire timestamp into a time of the local time zone."""
    return datetime.fromtimestamp(at.seconds).astimezone()


def plain(text: str) -> str:
    """Make text of the service safe for a terminal: what would move the cursor or change colours is shown as ?."""
    return "".join(character if character.isprintable() else "?" for character in text)


def as_json(message: Message) -> str:
    """Write a message on one line, with the names and defaults of the gateway's REST answers."""
    fields = MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    return json.dumps(fields, ensure_ascii=False)


def console() -> Console:
    """Make the console for tables; where nobody looks, it is wide enough to cut nothing."""
    made = Console(highlight=False)
    return made if made.is_terminal else Console(highlight=False, width=PIPED_WIDTH)
