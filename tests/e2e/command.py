"""The command line `furlong`, run as a person would: a process of its own against the gateway."""

import os
import subprocess
import sys
from pathlib import Path

from deploy.local.stack import LocalStack

COMMAND = Path(sys.executable).with_name("furlong")
COMMAND_S = 60.0


def start_furlong(stack: LocalStack, *words: str, token: str | None = None) -> "subprocess.Popen[str]":
    """Start `furlong` with these words and leave it to its caller, who reads what it prints and ends it."""
    return subprocess.Popen(
        [str(COMMAND), *words],
        env=_environment(stack, token),
        cwd=stack.token_file.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def furlong(
    stack: LocalStack, *words: str, token: str | None = None, exit_code: int = 0
) -> subprocess.CompletedProcess[str]:
    """Run `furlong` with these words to its end and expect this exit code. `token` is an operator's unless given."""
    done = subprocess.run(
        [str(COMMAND), *words],
        env=_environment(stack, token),
        cwd=stack.token_file.parent,
        capture_output=True,
        text=True,
        timeout=COMMAND_S,
        check=False,
    )
    assert done.returncode == exit_code, f"{words} ended with {done.returncode}: {done.stdout}{done.stderr}"
    return done


def _environment(stack: LocalStack, token: str | None) -> dict[str, str]:
    return {
        **os.environ,
        "FURLONG_GATEWAY": stack.addresses.gateway,
        "FURLONG_TOKEN": stack.token_file.read_text().strip() if token is None else token,
        "NO_COLOR": "1",
        "COLUMNS": "200",
        "PYTHONUNBUFFERED": "1",
    }
