"""A gRPC service together with what is needed to register it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.descriptor import ServiceDescriptor


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosted:
    """One gRPC service of a server.

    `add` is the generated `add_XServicer_to_server`. The methods named in `raw_streams` are server streams whose
    handler writes bytes that are encoded messages already, so that one frame is encoded once for all its receivers.
    """

    add: Callable[[Any, grpc.aio.Server], None]
    servicer: object
    descriptor: ServiceDescriptor
    raw_streams: frozenset[str] = frozenset()
