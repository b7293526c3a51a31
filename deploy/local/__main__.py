"""Run the local stack: `python -m deploy.local up | down | status`.

GATEWAY_PORT                  the public port, 8080 unless set
REPLICAS                      how many of game, persist and cache each, 1 unless set
DATABASE_URL                  a PostgreSQL that you have; unset starts one of our own
REDIS_URL                     a Redis that you have; unset starts one of our own
FURLONG_DATA                  the data folder, .furlong unless set
FURLONG_AUTH                  `off` lets everybody do everything, on this machine only
OTEL_EXPORTER_OTLP_ENDPOINT   where metrics passes all telemetry on to, as http://host:port; unset for nowhere
OTEL_TRACES_SAMPLER_ARG       share of the traces that are kept, 0.05 unless set
"""

import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

from furlong.client import FurlongError

from deploy.local.folder import DataFolder, FolderBusy
from deploy.local.opening import open_first_tracks
from deploy.local.part import PartFailed
from deploy.local.ports import NoFreePort
from deploy.local.programs import ProgramMissing
from deploy.local.settings import SettingRefused, read_settings
from deploy.local.stack import LocalStack, PortTaken

LOOK_S = 0.2
STOP_TIMEOUT_S = 90.0
ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Do what the one argument says; the exit code."""
    commands = {"up": _up, "down": _down, "status": _status}
    if len(arguments) != 1 or arguments[0] not in commands:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        return commands[arguments[0]](environ)
    except (SettingRefused, FolderBusy, PortTaken, NoFreePort, PartFailed, ProgramMissing, FurlongError) as problem:
        print(f"furlong: {problem}", file=sys.stderr)
        return 1


def _up(environ: Mapping[str, str]) -> int:
    """Run the stack until a signal ends it."""
    settings = read_settings(environ)
    for number in ENDING_SIGNALS:
        signal.signal(number, _interrupt)
    folder = DataFolder(settings.data_dir)
    if (running := folder.read()) is not None:
        raise FolderBusy(
            f"a stack runs on {settings.data_dir} already: process {running.pid}, gateway {running.gateway}; "
            "`make down` ends it"
        )
    stack = LocalStack(settings, _say)
    began_s = time.monotonic()
    try:
        stack.start()
        token = stack.token_file.read_text().strip()
        tracks = open_first_tracks(stack.addresses.gateway, token)
        _say(f"up in {time.monotonic() - began_s:.1f} s")
        print(_summary(stack, tracks), flush=True)
        while True:
            stack.supervise_once()
            time.sleep(LOOK_S)
    except KeyboardInterrupt:
        _say("ending")
        return 0
    finally:
        for number in ENDING_SIGNALS:  # a second Ctrl-C must not leave the work half done
            signal.signal(number, signal.SIG_IGN)
        stack.stop()


def _down(environ: Mapping[str, str]) -> int:
    """End the stack that runs on the data folder."""
    settings = read_settings(environ)
    folder = DataFolder(settings.data_dir)
    running = folder.read()
    if running is None:
        print(f"no stack runs on {settings.data_dir}")
        return 0
    os.kill(running.pid, signal.SIGTERM)
    if not folder.wait_free(STOP_TIMEOUT_S):
        raise PartFailed(f"process {running.pid} did not end within {STOP_TIMEOUT_S:.0f} s")
    print("ended")
    return 0


def _status(environ: Mapping[str, str]) -> int:
    """Tell what runs on the data folder; 3 when nothing does."""
    settings = read_settings(environ)
    running = DataFolder(settings.data_dir).read()
    if running is None:
        print(f"no stack runs on {settings.data_dir}")
        return 3
    print(f"stack     process {running.pid}")
    print(f"gateway   http://{running.gateway}")
    for name, pid in running.parts.items():
        print(f"{name:<9} process {pid}")
    return 0


def _summary(stack: LocalStack, tracks: Sequence[str]) -> str:
    gateway, token_file = stack.addresses.gateway, _shown(stack.token_file)
    track = tracks[0]
    return f"""
Furlong is up.  Ctrl-C ends it; the data stays.

  screen    http://{gateway}/  (open it in a browser)
  gateway   http://{gateway}   (gRPC, gRPC-Web, REST, SSE)
  game      {stack.addresses.game}
  persist   {stack.addresses.persist}
  cache     {stack.addresses.cache}
  metrics   {stack.addresses.metrics}   (OTLP at {stack.addresses.otlp})
  tracks    {", ".join(tracks)}
  token     {token_file}   (a developer's: all roles, all accounts)
  logs      {_shown(stack.logs)}/

Try, in another terminal:

  export PATH="$PWD/.venv/bin:$PATH" FURLONG_GATEWAY={gateway}
  furlong watch {track}
  curl -N http://{gateway}/v1/tracks/{track}:watch
  curl -H "authorization: Bearer $(cat {token_file})" http://{gateway}/v1/tracks
"""


def _shown(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _say(text: str) -> None:
    print(f"furlong: {text}", flush=True)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
