"""What the mesh logs during a test, for those that look; and not on the screen for the others."""

from collections.abc import Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs


@pytest.fixture(autouse=True)
def logs() -> Iterator[list[Any]]:
    """The log entries of this test, oldest first."""
    with capture_logs() as entries:
        yield entries
