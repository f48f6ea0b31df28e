"""Simulated processes that a test has killed are collected with it, not in somebody else's test."""

import gc
import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="module")
def _bury_the_dead() -> Iterator[None]:
    """A killed process closes nothing, and says so when Python takes it apart: that is no news."""
    yield
    hook, sys.unraisablehook = sys.unraisablehook, lambda unraisable: None
    try:
        gc.collect()
    finally:
        sys.unraisablehook = hook
