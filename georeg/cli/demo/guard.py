"""Runs one program for as long as standard input is open, and ends it when that closes.

The demo's redis-servers know nothing of the demo. Each has this process above it, which holds the
other end of a pipe that the demo holds; when the demo ends in any way, kill -9 included, the pipe
closes and the server goes. Used as `python -m georeg.cli.demo.guard PROGRAM ARGUMENT ...`.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence


def main(command: Sequence[str]) -> int:
    """Run the command until it ends or standard input does; its exit code."""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:  # noqa: S603 - the demo's

        def end(*_: object) -> None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()

        def watch() -> None:
            while os.read(sys.stdin.fileno(), 4096):
                pass
            end()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, end)
        threading.Thread(target=watch, daemon=True).start()
        return process.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
