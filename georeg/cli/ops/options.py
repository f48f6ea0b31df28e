"""What all commands of operators take: which region to ask, with which key, and for what output.

Address: `--to`, else `--config`, else GEOREG_OPS. Key: `--key`, else `--key-file`, else GEOREG_KEY,
else the `key_file` of the config. A key on the command line is seen by everybody on the machine who
may list processes; the other ways are for real life.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from georeg.cli.ops.client import TIMEOUT_S, Client, OpsError, usage
from georeg.cli.ops.words import seconds_of
from georeg.config import ConfigError, load

EXIT_CODES = """\
exit codes: 0 done, 1 the region refused, 2 wrong usage, 3 cannot be reached, 4 the key is not good
"""


class Target(NamedTuple):
    """Where to ask, and with which key."""

    urls: tuple[str, ...]
    key: str
    timeout_s: float

    def client(self) -> Client:
        """For `async with`."""
        return Client(self.key, self.timeout_s)


def new_parser(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    *,
    help: str,
    description: str,
    examples: str,
    exit_codes: str = EXIT_CODES,
) -> argparse.ArgumentParser:
    """A command's parser, with the options that all of them have."""
    parser = commands.add_parser(
        name,
        help=help,
        description=description,
        epilog=f"examples:\n{examples}\n{exit_codes}\nSee docs/operations.md.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    where = parser.add_argument_group("which region to ask")
    where.add_argument(
        "--to", action="append", default=[], metavar="URL",
        help="its operators' API, http://127.0.0.1:7501; several times: several regions; "
        "default: GEOREG_OPS, separated by commas",
    )  # fmt: skip
    where.add_argument(
        "--config", type=Path, metavar="FILE", help="a region.toml that says address and key file"
    )
    where.add_argument("--key", metavar="KEY", help="an operator's key; default: GEOREG_KEY")
    where.add_argument("--key-file", type=Path, metavar="FILE", help="a file that holds the key")
    where.add_argument(
        "--timeout-s", type=float, default=TIMEOUT_S, metavar="S", help="%(default)g seconds"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object, for programs")
    return parser


def target_of(
    options: argparse.Namespace, environment: Mapping[str, str] = os.environ
) -> Target:
    """Where to ask. Raises OpsError for what is missing or cannot be read."""
    urls = list(options.to)
    key_file: Path | None = options.key_file
    if options.config is not None:
        configured, configured_key = _from_config(options.config)
        urls = urls or [configured]
        key_file = key_file or configured_key
    if not urls:
        urls = [url for url in environment.get("GEOREG_OPS", "").split(",") if url.strip()]
    if not urls:
        raise usage("which region? Give --to URL, --config FILE, or set GEOREG_OPS")
    key = options.key or ""
    if not key and (options.key_file is not None or not environment.get("GEOREG_KEY")):
        key = _read_key(key_file)
    key = key or environment.get("GEOREG_KEY", "").strip()
    if not key:
        raise usage("with which key? Give --key-file FILE, set GEOREG_KEY, or give --key KEY")
    return Target(tuple(_checked(url) for url in urls), key, options.timeout_s)


def _checked(url: str) -> str:
    text = url.strip().rstrip("/")
    if "://" not in text:
        text = f"http://{text}"
    try:
        parts = urlsplit(text)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_good = False
    if not is_good:
        raise usage(f"{url} is no address; write http://127.0.0.1:7501")
    return text


def _from_config(file: Path) -> tuple[str, Path | None]:
    try:
        config = load(file)
    except OSError as error:
        raise usage(f"{file}: {error.strerror or error}") from None
    except ConfigError as error:
        raise usage(str(error)) from None
    if config.ops is None:
        raise usage(f"{file} has no [ops]: add it, or give --to URL")
    host = "127.0.0.1" if config.ops.host in ("0.0.0.0", "::") else config.ops.host  # noqa: S104 - what the file says
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{config.ops.port}", config.ops.key_file


def _read_key(file: Path | None) -> str:
    if file is None:
        return ""
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not text"
        raise usage(f"the key file {file} cannot be read: {why}") from None


def carry_out(command: str, work: Coroutine[Any, Any, int]) -> int:
    """Run a command to its exit code; its errors become one line on standard error."""
    try:
        return asyncio.run(work)
    except OpsError as error:
        print(f"georeg {command}: {error}", file=sys.stderr)
        return error.code
    except KeyboardInterrupt:
        return 130


def seconds_flag(text: str) -> int:
    """`seconds_of` for a flag: argparse tells the mistake."""
    try:
        return seconds_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
