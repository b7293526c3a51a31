"""One stack for all end-to-end tests."""

from collections.abc import Iterator

import pytest

from deploy.local.stack import LocalStack
from tests.stack import running_stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """A stack that runs, without a track. Its parts are everybody's: a test that kills one has a stack of its own."""
    with running_stack(tmp_path_factory.mktemp("stack")) as stack:
        yield stack
