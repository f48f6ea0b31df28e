"""One part in a process of its own, so that parts share neither memory nor a warm-up.

`python -m bench.child PART [--quick]` prints its figures as one line of JSON.
"""

import argparse
import json

from bench.machine import SERVER_CPU, pin
from bench.parts import apply, inside, memory, wire
from bench.scale import FULL, QUICK
from georeg.edge.logs import configure_logs

PARTS = {"inside": inside.run, "memory": memory.run, "wire": wire.run, "apply": apply.run}


def main() -> None:
    """Run the part that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    pin(SERVER_CPU)
    configure_logs("error")  # standard output is for the figures
    figures = PARTS[options.part](QUICK if options.quick else FULL)
    print(json.dumps([figure.as_wire() for figure in figures]))


if __name__ == "__main__":
    main()
