"""Clusters of two protocol versions in the simulator: every promise holds, and the states agree."""

from collections import Counter
from dataclasses import replace

import pytest

from georeg.region import talking, wire
from georeg.region.messages import Message
from region_sim.cli.show import finding_text
from region_sim.plan.reader import load
from region_sim.plan.scenario import Scenario
from region_sim.sweep import run_seed

pytestmark = [
    # What a run has killed closes nothing; collected, it complains, in whatever test that happens.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

ROLLING = replace(load("upgrade"), world="near", households=40)
MIXED = replace(load("short"), older=("us",))
"""One region stays behind for the whole run, so that states are compared across the versions."""


class Heard:
    """Decodes as the regions do, and counts the versions that were heard."""

    def __init__(self) -> None:
        self.versions: Counter[int] = Counter()

    def decode(self, payload: bytes, version: int) -> Message:
        self.versions[version] += 1
        return wire.decode(payload, version)

    def __getattr__(self, name: str) -> object:
        return getattr(wire, name)


@pytest.mark.parametrize(
    ("scenario", "seed"), [(ROLLING, 1), (MIXED, 1), (MIXED, 3)], ids=["rolling", "mixed", "mixed"]
)
def test_two_versions_side_by_side_keep_every_promise(
    scenario: Scenario, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = Heard()
    monkeypatch.setattr(talking, "wire", heard)
    result = run_seed(scenario, seed)
    found = "\n".join([*map(finding_text, result.findings), *result.convergence])
    assert not result.error
    assert not result.failed, found
    assert min(heard.versions[1], heard.versions[2]) > 100, heard.versions
