"""The engine where there is none: `python -m deploy.engine start | stop | status | env | stand-ins`.

start       have an engine of our own, and leave it running; needs root and Debian, nothing but a package mirror
stop        end it with everything that runs in it; its images stay for the next start
status      tell which engine would be used
env         print what points `docker` at it: eval "$(python -m deploy.engine env)"
stand-ins   make the stand-ins for the images of others, and print their names as an env file for compose

FURLONG_ENGINE is its folder, `furlong/engine` below the user's cache unless set.
"""

import shlex
import sys
from collections.abc import Sequence

from deploy.engine.daemon import Daemon
from deploy.engine.docker import Docker, EngineFailed, EngineMissing
from deploy.engine.stand_ins import provide


def main(arguments: Sequence[str]) -> int:
    """Do what the one argument says; the exit code."""
    commands = {"start": _start, "stop": _stop, "status": _status, "env": _env, "stand-ins": _stand_ins}
    if len(arguments) != 1 or arguments[0] not in commands:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        return commands[arguments[0]]()
    except (EngineMissing, EngineFailed) as problem:
        print(f"engine: {problem}", file=sys.stderr)
        return 1


def _start() -> int:
    daemon = Daemon()
    daemon.keep()
    print(f"running on {daemon.folder}", file=sys.stderr)
    return _env()


def _stop() -> int:
    Daemon().stop()
    return 0


def _status() -> int:
    for what, docker in (("the machine's own engine", Docker()), ("the engine of our own", Daemon().docker)):
        if docker.answers():
            print(what)
            return 0
    print("no engine answers")
    return 3


def _env() -> int:
    for name, value in Daemon().docker.environment.items():
        print(f"export {name}={shlex.quote(value)}")
    return 0


def _stand_ins() -> int:
    daemon = Daemon()
    with daemon.used() as docker:
        for variable, name in provide(docker, daemon.packages).items():
            print(f"{variable}={name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
