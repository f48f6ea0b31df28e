"""Finds the command and runs it."""

import argparse
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

from region_sim.cli import commands
from region_sim.cli.exits import EPILOG, Exit
from region_sim.plan.errors import PlanError

DESCRIPTION = """\
Runs georeg, its real code, in a simulated world of several regions: virtual time, links that are
cut, processes that die, clocks that drift, households that watch. An oracle outside of the system
says whether the promises held. The same seed gives the same run, to the byte.

start here:
  region-sim list                                     scenarios, faults, checkers, coverage
  region-sim run --scenario partition-heal --seed 7   one run, with its verdict
  region-sim run --fault 'cut:us|eu,ap@20+30'         your own faults
  region-sim report --scenario storm --seed 7         the run as a page to look at
  region-sim sweep --scenario storm --seeds 1..100    many seeds, which of them fail
  region-sim shrink --scenario storm --seed 7         the smallest run that still fails
  region-sim compare --seeds 1..5                     georeg beside three simpler designs
  region-sim live                                     real processes behind a real Toxiproxy
"""


class _Parser(argparse.ArgumentParser):
    """Says what is wrong and exits with 64, as sysexits has it."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(Exit.USAGE, f"{self.prog}: {message}\n")


def make_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    parser = _Parser(
        prog="region-sim",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    found = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in commands.ALL:
        command.add_parser(found)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code; None takes the process's own arguments."""
    options = make_parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except PlanError as error:
        print(f"region-sim: {error}", file=sys.stderr)
        return Exit.USAGE
    except BrokenPipeError:  # the reader of our output has gone, as `| head` does
        sys.stderr.close()
        return Exit.BROKEN
    except KeyboardInterrupt:
        print("region-sim: stopped", file=sys.stderr)
        return 130
    except Exception:  # noqa: BLE001 - whatever it is, it is ours
        traceback.print_exc()
        print(
            "region-sim: this is a bug of the simulator; nothing was proved. Please keep the "
            "command and the lines above",
            file=sys.stderr,
        )
        return Exit.BUG
