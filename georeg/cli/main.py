"""The `georeg` command line: finds the subcommand and runs it.

Exit codes: 0 done, 1 what was asked for failed or found mistakes, 2 wrong usage or a file that
cannot be read.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from georeg.cli import check_config, keygen, serve
from georeg.cli.demo import command as demo

DESCRIPTION = """\
georeg enforces how many streams an account may watch at once, in several regions together.

start here:
  georeg demo                        three regions on this machine, ready for curl
  georeg keygen all > keys.toml      the keys of a cluster
  georeg check-config region.toml    what is wrong in a config file, and what to do
  georeg serve --config region.toml  one region of a cluster
"""


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
    for command in (demo, serve, check_config, keygen):
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
