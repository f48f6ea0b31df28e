"""One line on standard error that says how far a run is, for a person at a terminal."""

import sys
from time import monotonic

_EVERY_S = 0.25


class Progress:
    """Called with simulated seconds done and to do."""

    def __init__(self, *, is_shown: bool) -> None:
        self._is_shown = is_shown
        self._began_s = self._shown_s = monotonic()

    def __call__(self, done_s: float, all_s: float) -> None:
        now_s = monotonic()
        if not self._is_shown or now_s - self._shown_s < _EVERY_S:
            return
        self._shown_s = now_s
        speed = done_s / max(0.01, now_s - self._began_s)
        bar = "#" * int(30 * done_s / all_s)
        print(
            f"\r[{bar:<30}] {done_s:6.0f} of {all_s:.0f} simulated s, {speed:.0f} x real time ",
            end="", file=sys.stderr, flush=True,
        )  # fmt: skip

    def clear(self) -> None:
        """Take the line away."""
        if self._is_shown:
            print("\r" + " " * 78 + "\r", end="", file=sys.stderr, flush=True)
