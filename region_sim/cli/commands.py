"""All commands, in the order of the help."""

from typing import Final

from region_sim.cli import listing, replay, report, run, shrink, sweep

ALL: Final = (run, report, replay, sweep, shrink, listing)
