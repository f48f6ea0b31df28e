"""Runs a command that must not outlive whoever started it, not even after `kill -9`.

The starter holds the other end of this process's standard input. However the starter ends, that
pipe closes, and then the command is ended by its process id. Run as a file with `python -I`, so
that it needs nothing but the standard library: `guard.py COMMAND ARGUMENT...`. The first line on
standard output is the command's process id; the command's own output goes to standard error.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence

END_S = 2.0
"""A command that was asked to end and has not by then is killed."""


def end(command: subprocess.Popen[bytes]) -> None:
    """End the command, politely first."""
    command.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        command.wait(END_S)
    command.kill()


def main(arguments: Sequence[str]) -> int:
    """Run the command until it ends or standard input closes; its exit code."""
    # Ctrl-C is for the starter, which wants to put things in order before it closes the pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    command = subprocess.Popen(  # noqa: S603 - what to run is this program's whole purpose
        arguments, stdin=subprocess.DEVNULL, stdout=sys.stderr
    )

    def watch() -> None:
        while os.read(0, 4096):  # not sys.stdin: its lock would be held when the interpreter ends
            pass
        end(command)

    signal.signal(signal.SIGTERM, lambda _number, _frame: end(command))
    print(command.pid, flush=True)
    threading.Thread(target=watch, daemon=True).start()
    return command.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
