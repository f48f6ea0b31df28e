"""Single keys from the terminal while the demo runs; the terminal is put back when it ends."""

import asyncio
import os
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def single_keys(on_key: Callable[[str], None]) -> Iterator[None]:
    """Call `on_key` for each key that is pressed; does nothing when nobody can press one.

    Ctrl-C keeps its meaning: the terminal goes on turning it into SIGINT.
    """
    if not sys.stdin.isatty():
        yield
        return
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    loop = asyncio.get_running_loop()

    def read() -> None:
        for key in os.read(terminal, 64).decode("utf-8", "replace"):
            on_key(key)

    tty.setcbreak(terminal)
    loop.add_reader(terminal, read)
    try:
        yield
    finally:
        loop.remove_reader(terminal)
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
