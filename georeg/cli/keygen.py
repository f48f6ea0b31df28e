"""`georeg keygen`: makes keys, in the form that a config file takes.

Keys are 32 bytes from the system's generator. A backend's key is shown once and is not in the
config: only its hash is, so that a config that leaks lets nobody in as a backend.
"""

import argparse
import secrets
import sys
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING

from georeg.edge.backends import mint_backend_key
from georeg.edge.errors import SettingsError
from georeg.ops.keys import May, mint_operator_key

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

SECRET_BYTES = 32

EPILOG = """\
kinds:
  cluster   regions prove themselves to one another with it; the same in all regions
  session   signs the tokens of sessions; the same in all regions
  backend   the API key of a backend, called NAME; its hash goes into the config
  operator  the key of a person or a monitor, called NAME, who may look at the region (georeg
            status, quota, check ...) and with --operate also act (kick, plan, drain)
  all       cluster, session and backend

Keep the output safe: `georeg keygen all > keys.toml; chmod 600 keys.toml`.
To rotate a cluster or session key: add a new one last in all regions, then move it to the front in
all regions, then remove the old one; for session keys wait a day before that, as long as a session
may live.
"""


def add_parser(commands: "Commands") -> None:
    """Add this command to the command line."""
    parser = commands.add_parser(
        "keygen",
        help="make keys for a config file",
        description="Makes keys and prints them as parts of a config file.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "kind",
        choices=("cluster", "session", "backend", "operator", "all"),
        help="which key to make",
    )
    parser.add_argument(
        "name", nargs="?", metavar="NAME", help="of the backend (backend) or operator (operator)"
    )
    parser.add_argument("--operate", action="store_true", help="the operator may act as well")
    parser.set_defaults(run=run)


def new_secret() -> str:
    """A cluster or session key, as a config file takes it."""
    return urlsafe_b64encode(secrets.token_bytes(SECRET_BYTES)).rstrip(b"=").decode()


def run(options: argparse.Namespace) -> int:
    """Print the keys that were asked for."""
    parts = [
        f'[[keys.{ring}]]\nsecret = "{new_secret()}"\n'
        for ring in ("cluster", "session")
        if options.kind in (ring, "all")
    ]
    try:
        if options.kind in ("backend", "all"):
            parts.append(_backend(options.name or "backend"))
        elif options.kind == "operator":
            parts.append(_operator(options.name or "operator", options.operate))
    except SettingsError as error:
        print(f"georeg keygen: {error}", file=sys.stderr)
        return 2
    print("\n".join(parts), end="")
    return 0


def _backend(name: str) -> str:
    key, digest = mint_backend_key(name, secrets.token_bytes)
    return (
        f"# The backend sends: Authorization: Bearer {key}\n"
        "# Give it to the backend and remove this line: only the hash stays here.\n"
        f'[[keys.backend]]\nname = "{name}"\nhash = "{digest}"\n'
    )


def _operator(name: str, may_operate: bool) -> str:
    key, digest = mint_operator_key(name, secrets.token_bytes)
    may = May.OPERATE if may_operate else May.READ
    return (
        f"# The key itself: {key}\n"
        "# Give it to the operator (GEOREG_KEY, or a file for --key-file) and remove this line.\n"
        f'[[keys.operator]]\nname = "{name}"\nhash = "{digest}"\nmay = "{may}"\n'
    )
