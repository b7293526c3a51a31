"""Whether a server on this machine is well: `python -m services.chassis.probe PORT [liveness|readiness|pages]`.

Exit 0 is yes; 1 is no, and the error stream says why. `liveness` and `readiness` ask grpc.health.v1 at a HEALTH_PORT,
`pages` asks web's, which speaks HTTP. Containers ask every few seconds, so this speaks the few frames of HTTP/2 that
one health check needs by itself: importing gRPC costs many times what the question does.
"""

import socket
import sys
from collections.abc import Iterator

TIMEOUT_S = 2.0
ANSWER_BYTES_MAX = 65_536
USAGE = "usage: python -m services.chassis.probe PORT [liveness|readiness|pages]"
QUESTIONS = ("liveness", "readiness", "pages")

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _SETTINGS, _GOAWAY = 0x0, 0x1, 0x4, 0x7
_END_STREAM, _END_HEADERS = 0x1, 0x4
_STREAM = 1
_STATUS = {b"\x08\x01": "SERVING", b"\x08\x02": "NOT_SERVING", b"": "UNKNOWN"}
"""grpc.health.v1.HealthCheckResponse as it is encoded."""


class NotWell(Exception):
    """The server is not well, or does not say so; the message is for people."""


def ask_grpc(port: int, name: str) -> None:
    """Ask the health of one name. Raises NotWell, or OSError where nobody answers."""
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as line:
        status = ask(line, name)
    if status != "SERVING":
        raise NotWell(f"{name} is {status}")


def ask(line: socket.socket, name: str) -> str:
    """Ask the health of one name over a connection that was just made, and give what was answered."""
    line.sendall(_PREFACE + _frame(_SETTINGS, 0, 0, b"") + _question(name))
    return _status(line)


def ask_http(port: int) -> None:
    """Ask web's health. Raises NotWell, or OSError where nobody answers."""
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as line:
        line.sendall(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        first = line.recv(ANSWER_BYTES_MAX).partition(b"\r\n")[0].decode("latin-1")
    if first.split(" ")[1:2] != ["200"]:
        raise NotWell(f"the answer begins with {first!r}")


def _question(name: str) -> bytes:
    """Encode a call of grpc.health.v1.Health/Check. Numbers are places in HPACK's static table, RFC 7541 appendix A."""
    post, http = b"\x83", b"\x86"
    path = b"\x04" + _text("/grpc.health.v1.Health/Check")
    authority = b"\x01" + _text("localhost")
    content_type = b"\x0f\x10" + _text("application/grpc")
    trailers = b"\x00" + _text("te") + _text("trailers")
    headers = post + http + path + authority + content_type + trailers
    request = b"\x0a" + _text(name)
    message = b"\x00" + len(request).to_bytes(4, "big") + request
    return _frame(_HEADERS, _END_HEADERS, _STREAM, headers) + _frame(_DATA, _END_STREAM, _STREAM, message)


def _status(line: socket.socket) -> str:
    """Read the answer: the first message of the stream, or the end without one."""
    for kind, flags, stream, payload in _frames(line):
        if kind == _DATA and stream == _STREAM and payload:
            return _STATUS.get(payload[5:], f"answered with {payload.hex()}")
        if kind == _GOAWAY or (stream == _STREAM and flags & _END_STREAM):
            break
    return "answered with an error"


def _frames(line: socket.socket) -> Iterator[tuple[int, int, int, bytes]]:
    waiting = b""
    read = 0
    while read < ANSWER_BYTES_MAX:
        more = line.recv(4_096)
        if not more:
            return
        read += len(more)
        waiting += more
        while len(waiting) >= 9 and len(waiting) >= 9 + int.from_bytes(waiting[:3], "big"):
            end = 9 + int.from_bytes(waiting[:3], "big")
            yield waiting[3], waiting[4], int.from_bytes(waiting[5:9], "big") & 0x7FFFFFFF, waiting[9:end]
            waiting = waiting[end:]


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def _text(text: str) -> bytes:
    """Encode a short text as HPACK and protobuf both have it: its length, then itself."""
    assert len(text) < 127, "longer ones have a longer length"
    return bytes((len(text),)) + text.encode("ascii")


def main(arguments: list[str]) -> int:
    """Ask, and tell the exit status."""
    port, *rest = arguments or [""]
    question = rest[0] if rest else "readiness"
    if not port.isdecimal() or len(rest) > 1 or question not in QUESTIONS:
        print(USAGE, file=sys.stderr)
        return 1
    try:
        if question == "pages":
            ask_http(int(port))
        else:
            ask_grpc(int(port), question)
    except (OSError, NotWell) as why:
        print(f"port {port}: {why}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
