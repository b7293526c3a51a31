"""Furlong for those who call it: one connection, typed calls, and the resilience around them."""

from furlong.client.breaker import BreakerChange, BreakerSettings, BreakerState
from furlong.client.channel import open_channel
from furlong.client.connection import Furlong, connect
from furlong.client.errors import (
    CallRefused,
    DeadlineEnded,
    FurlongError,
    OutcomeUnknown,
    ServiceDefect,
    Unreachable,
    Violation,
)
from furlong.client.identity import uuid7
from furlong.client.ticket_stream import BatchAnswer
from furlong.client.tls import ChannelTls, TlsFiles, TlsUnusable

__all__ = [
    "BatchAnswer",
    "BreakerChange",
    "BreakerSettings",
    "BreakerState",
    "CallRefused",
    "ChannelTls",
    "DeadlineEnded",
    "Furlong",
    "FurlongError",
    "OutcomeUnknown",
    "ServiceDefect",
    "TlsFiles",
    "TlsUnusable",
    "Unreachable",
    "Violation",
    "connect",
    "open_channel",
    "uuid7",
]
