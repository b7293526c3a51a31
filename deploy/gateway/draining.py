"""Runs Envoy and has it drain before it ends: told to end, Envoy by itself ends at once.

    python3 draining.py ADMIN_HOST:PORT ENVOY ARGUMENTS...

Told to end, it first has Envoy say so, for NOTICE_S: `/ready` of the gateway says no, by which whoever balances looks
away, and every answer asks its client to connect anew. New connections are still served. Then what is in progress has
GRACE_S to finish. Streams that go on are cut, and their clients resume with another gateway.

It is all that the gateway's image has of Furlong's code, so it gets on with the standard library.
"""

import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from http.client import HTTPException
from typing import Final
from urllib.request import Request, urlopen

NOTICE_S: Final = 3.0
"""More than the two seconds that whoever asks every second takes to see it."""
GRACE_S: Final = 10.0
"""What a call may take, as with the services."""
ANSWER_S: Final = 2.0
LOOK_S: Final = 0.2
CONNECTIONS: Final = "http.public.downstream_cx_active"
HEARD: Final = frozenset((signal.SIGTERM, signal.SIGINT, signal.SIGCHLD))


def main(admin: str, command: Sequence[str]) -> int:
    """Run Envoy to its end; its exit code."""
    # The signals are waited for, so that none is lost that comes early: the first process of a container is ended by
    # none that it does not take.
    signal.pthread_sigmask(signal.SIG_BLOCK, HEARD)
    hears = partial(signal.pthread_sigmask, signal.SIG_UNBLOCK, HEARD)
    envoy = subprocess.Popen(command, preexec_fn=hears)  # noqa: S603 - what it is given is what it is for
    while envoy.poll() is None:
        if signal.sigwait(HEARD) != signal.SIGCHLD:
            _drain(envoy, admin)
            envoy.terminate()
            break
    code = envoy.wait()
    return code if code >= 0 else 128 - code


def _drain(envoy: "subprocess.Popen[bytes]", admin: str) -> None:
    """Have Envoy send its clients away, and wait until they are gone, or for as long as is meant for that."""
    try:
        _ask(admin, "/healthcheck/fail", verb="POST")
        time.sleep(NOTICE_S)
        ends_at_s = time.monotonic() + GRACE_S
        while envoy.poll() is None and time.monotonic() < ends_at_s and _connections(admin):
            time.sleep(LOOK_S)
    except (OSError, HTTPException) as silent:
        print(f"ends without a drain: {silent}", file=sys.stderr, flush=True)


def _connections(admin: str) -> int:
    told = _ask(admin, f"/stats?filter=^{CONNECTIONS}$")
    return int(told.partition(":")[2] or 0)


def _ask(admin: str, path: str, *, verb: str = "GET") -> str:
    asked = Request(f"http://{admin}{path}", method=verb)
    with urlopen(asked, timeout=ANSWER_S) as answer:  # noqa: S310 - the same
        text: str = answer.read().decode()
        return text


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2:]))
