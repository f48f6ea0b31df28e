"""Three joined regions for most tests of the rules."""

import pytest

from tests.region.cluster import Cluster


@pytest.fixture
def cluster() -> Cluster:
    """us, eu and ap, joined; the account is on Basic and its home is us."""
    return Cluster()
