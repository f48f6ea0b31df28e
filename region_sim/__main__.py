"""`python -m region_sim` is `region-sim`."""

import sys

from region_sim.cli.main import main

sys.exit(main())
