"""`georeg check-config FILE`: every mistake of a config file, with its line and what to do.

Reads all that a start would read (key files, certificates' presence, the environment), opens no
port and writes nothing, so that it may run anywhere the file is, also in a deployment pipeline.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from georeg.config import Config, ConfigError, Mistake, describe, load

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

EPILOG = """\
exit codes: 0 no mistake, 1 mistakes, 2 the file cannot be read

example:
  $ georeg check-config region.toml
  region.toml:7: edge.prot: is not a known key
      did you mean port?
"""


def add_parser(commands: "Commands") -> None:
    """Add this command to the command line."""
    parser = commands.add_parser(
        "check-config",
        help="explain every mistake in a config file",
        description="Reads a region's config file as `georeg serve` would, and starts nothing.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="a region's config, region.toml")
    parser.add_argument("--json", action="store_true", help="one JSON object, for programs")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Check one file, print what was found, give the exit code."""
    file: Path = options.file
    try:
        config = load(file)
    except OSError as error:
        why = error.strerror or str(error)
        remedy = "give the path of a file that this user may read"
        mistake = Mistake(0, "", f"cannot be read: {why}", remedy)
        _print(file, None, [mistake], as_json=options.json)
        return 2
    except ConfigError as error:
        _print(file, None, error.mistakes, as_json=options.json)
        return 1
    _print(file, config, [], as_json=options.json)
    return 0


def _print(file: Path, config: Config | None, mistakes: list[Mistake], *, as_json: bool) -> None:
    if as_json:
        found = [asdict(mistake) for mistake in mistakes]
        print(json.dumps({"file": str(file), "ok": not mistakes, "mistakes": found}, indent=2))
        return
    for mistake in mistakes:
        print(describe(str(file), mistake))
    if config is not None:
        peers = ", ".join(f"{peer.name} ({peer.number})" for peer in config.peers) or "none"
        print(f"{file}: no mistakes")
        print(f"    region {config.name} ({config.number}) of cluster {config.cluster}")
        print(f"    edge {config.edge.host}:{config.edge.port}{', dev' * config.edge.dev}")
        print(f"    mesh {config.mesh.host}:{config.mesh.port}, peers: {peers}")
        if config.ops is not None:
            operators = ", ".join(f"{key.name} ({key.may})" for key in config.keys.operators)
            print(f"    ops {config.ops.host}:{config.ops.port}, operators: {operators}")
    elif len(mistakes) > 1:
        print(f"{len(mistakes)} mistakes")
