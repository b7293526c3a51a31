"""The command line `furlong`, run as a person would: a process of its own against the gateway."""

import os
import subprocess
import sys
from pathlib import Path

from deploy.local.stack import LocalStack

COMMAND = Path(sys.executable).with_name("furlong")
COMMAND_S = 60.0


def furlong(
    stack: LocalStack, *words: str, token: str | None = None, exit_code: int = 0
) -> subprocess.CompletedProcess[str]:
    """Run `furlong` with these words to its end and expect this exit code. `token` is an operator's unless given."""
    environment = {
        **os.environ,
        "FURLONG_GATEWAY": stack.addresses.gateway,
        "FURLONG_TOKEN": stack.token_file.read_text().strip() if token is None else token,
        "NO_COLOR": "1",
        "COLUMNS": "200",
    }
    done = subprocess.run(
        [str(COMMAND), *words],
        env=environment,
        cwd=stack.token_file.parent,
        capture_output=True,
        text=True,
        timeout=COMMAND_S,
        check=False,
    )
    assert done.returncode == exit_code, f"{words} ended with {done.returncode}: {done.stdout}{done.stderr}"
    return done
