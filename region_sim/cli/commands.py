"""All commands, in the order of the help."""

from typing import Final

from region_sim.cli import compare, listing, live, replay, report, run, shrink, sweep

ALL: Final = (run, report, replay, sweep, shrink, compare, live, listing)
