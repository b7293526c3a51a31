"""A whole stack for tests: real PostgreSQL, real services, a real gateway."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deploy.local.stack import LocalStack, StackSettings


@contextmanager
def running_stack(folder: Path, **changes: Any) -> Iterator[LocalStack]:
    """A stack on `folder` that differs from the usual one by `changes` of its StackSettings.

    It lives as long as the thread that enters: enter from the thread that runs the tests.
    """
    stack = LocalStack(StackSettings(data_dir=folder, **changes))
    stack.start()
    try:
        yield stack
    finally:
        stack.stop()
