"""The `georeg` command line: finds the subcommand and runs it.

Exit codes: 0 done, 1 what was asked for failed or found mistakes, 2 wrong usage or a file that
cannot be read; operators' commands have their own (`ops/client.py`), and so has `check`.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from georeg.cli import check_config, keygen, serve
from georeg.cli.demo import command as demo
from georeg.cli.ops import check, drain, explain, keys, kick, peers, plan, quota, shadow, status

DESCRIPTION = """\
georeg enforces how many streams an account may watch at once, in several regions together.

start here:
  georeg demo                        three regions on this machine, ready for curl
  georeg keygen all > keys.toml      the keys of a cluster
  georeg check-config region.toml    what is wrong in a config file, and what to do
  georeg serve --config region.toml  one region of a cluster

for operators (docs/operations.md):
  georeg status                      how every region is, and what is wrong
  georeg quota ACCOUNT               who plays on an account, where, and how that is known
  georeg explain ACCOUNT             why its starts were admitted, refused, its streams ended
  georeg drain REGION --wait         send a region's devices elsewhere
"""


SERVICE = (demo, serve, check_config, keygen)
OPERATORS = (status, peers, quota, explain, kick, plan, shadow, keys, drain, check)
"""These ask running regions (docs/operations.md)."""


def installed_version() -> str:
    """The version of the installed package."""
    try:
        return version("georeg")
    except PackageNotFoundError:
        return "not installed"


def make_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="georeg",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"georeg {installed_version()}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (*SERVICE, *OPERATORS):
        command.add_parser(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code; None takes the process's own arguments."""
    options = make_parser().parse_args(arguments)
    try:
        code: int = options.run(options)
    except BrokenPipeError:  # the reader of our output has gone, as `| head` does
        sys.stderr.close()
        return 1
    return code


if __name__ == "__main__":
    sys.exit(main())
