"""Runs a `region-sim` command with a bug planted, in one process.

python -m tests.sim.with_mutant confirmwins shrink --scenario races.toml --seed 2
python -m tests.sim.with_mutant confirmwins report --scenario races.toml --seed 2
"""

import sys

from region_sim.cli.main import main
from tests.sim.mutants import PLANTED, plant

if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1] not in PLANTED:
        sys.exit(f"give a planted bug and a command; bugs: {', '.join(sorted(PLANTED))}")
    with plant(sys.argv[1]):
        sys.exit(main(sys.argv[2:]))
