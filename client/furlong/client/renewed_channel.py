"""A channel whose certificate may be replaced while it is open.

gRPC for Python takes a channel's certificate once, when the channel is made. So there is a line underneath, made anew
when the files have changed: calls go over the newest one, and an older one stays until the calls that are under way on
it are done. A call pays for that with one look at a clock.
"""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self
from weakref import WeakSet

import grpc
from furlong.client.tls import TlsFiles, TlsMaterial, credentials

DRAIN_LOOK_S: Final = 0.5
"""How often an older line is looked at, whether its calls are done, in seconds."""

OLDER_LINES_MAX: Final = 16
"""Lines that stay for streams that go on and on. Beyond it the oldest is closed, which cancels its streams."""


class _Line:
    """One channel underneath, and the calls that are under way on it."""

    def __init__(self, channel: grpc.aio.Channel, material: TlsMaterial) -> None:
        self.channel = channel
        self.material = material
        self.calls: WeakSet[Any] = WeakSet()
        self.abandoned = False

    async def close_when_done(self) -> None:
        """Close the channel when its calls are done, or are not waited for any more."""
        while not self.abandoned and any(not call.done() for call in self.calls):  # noqa: ASYNC110 - of many kinds
            await asyncio.sleep(DRAIN_LOOK_S)
        await self.channel.close()


class RenewedChannel(grpc.aio.Channel):
    """Opens its lines by `dial`, each with the credentials of the files at that time."""

    def __init__(self, files: TlsFiles, dial: Callable[[grpc.ChannelCredentials], grpc.aio.Channel]) -> None:
        self._files = files
        self._dial = dial
        self._line = self._opened(files.recent())
        self._older: dict[_Line, asyncio.Task[None]] = {}

    def line(self) -> _Line:
        """Give the line for a call that is made now."""
        material = self._files.recent()
        if material is not self._line.material:
            self._retire(self._line)
            self._line = self._opened(material)
        return self._line

    def _opened(self, material: TlsMaterial) -> _Line:
        return _Line(self._dial(credentials(material)), material)

    def _retire(self, line: _Line) -> None:
        if len(self._older) >= OLDER_LINES_MAX:
            next(iter(self._older)).abandoned = True
        closing = asyncio.get_running_loop().create_task(line.close_when_done(), name="older-line")
        self._older[line] = closing
        closing.add_done_callback(lambda _: self._older.pop(line, None))

    async def close(self, grace: float | None = None) -> None:
        """End all calls after `grace` seconds at most, and every line."""
        older = list(self._older)
        for closing in self._older.values():
            closing.cancel()
        await asyncio.gather(*(line.channel.close(grace) for line in (self._line, *older)))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        """Tell the state of the newest line."""
        return self.line().channel.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Wait until the newest line is in another state."""
        await self.line().channel.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """Wait until the newest line is ready."""
        await self.line().channel.channel_ready()

    def unary_unary(self, *method: Any, **of_method: Any) -> Any:
        """Make what calls a method."""
        return _Method(self, lambda channel: channel.unary_unary(*method, **of_method))

    def unary_stream(self, *method: Any, **of_method: Any) -> Any:
        """Make what calls a method."""
        return _Method(self, lambda channel: channel.unary_stream(*method, **of_method))

    def stream_unary(self, *method: Any, **of_method: Any) -> Any:
        """Make what calls a method."""
        return _Method(self, lambda channel: channel.stream_unary(*method, **of_method))

    def stream_stream(self, *method: Any, **of_method: Any) -> Any:
        """Make what calls a method."""
        return _Method(self, lambda channel: channel.stream_stream(*method, **of_method))


class _Method:
    """Calls a method over the newest line."""

    __slots__ = ("_bind", "_bound", "_channel", "_line")

    def __init__(self, channel: RenewedChannel, bind: Callable[[grpc.aio.Channel], Callable[..., Any]]) -> None:
        self._channel = channel
        self._bind = bind
        self._line = channel.line()
        self._bound = bind(self._line.channel)

    def __call__(self, *request: Any, **of_call: Any) -> Any:
        line = self._channel.line()
        if line is not self._line:
            self._line, self._bound = line, self._bind(line.channel)
        call = self._bound(*request, **of_call)
        line.calls.add(call)
        return call
