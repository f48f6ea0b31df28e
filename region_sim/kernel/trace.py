"""The fingerprint of a run: every step, every delivered byte, every change, in their order.

Same seed and version: the same fingerprint, in any process and under any hash seed. A run that
differs differs from some event on; with `keep` the events are there to find it.
"""

from collections import deque
from collections.abc import Iterable
from hashlib import blake2b
from itertools import zip_longest
from typing import Final

_CHUNK: Final = 65_536
_BEFORE: Final = 5
"""So many events are shown before the first difference."""
_WIDTH: Final = 240
_HEAD: Final = 60
"""Of an event that is longer than `_WIDTH`, so much is shown of its beginning."""


class Trace:
    """Hashes events as they come; keeps them too when asked."""

    def __init__(self, *, keep: bool = False) -> None:
        self._hash = blake2b(digest_size=8)
        self._waiting = bytearray()
        self.steps = 0
        self.events: list[str] | None = [] if keep else None

    def step(self, now_us: int, machine: str, what: str) -> None:
        """A callback or a task's step runs."""
        self.steps += 1
        event = f"{now_us} {machine} {what}"
        if self.events is not None:
            self.events.append(event)
        waiting = self._waiting  # as in _add, without a call more: this is the hottest line of all
        waiting += event.encode()
        waiting += b"\n"
        if len(waiting) > _CHUNK:
            self._hash.update(waiting)
            waiting.clear()

    def deliver(self, now_us: int, source: str, target: str, data: bytes) -> None:
        """Bytes arrive."""
        if self.events is not None:
            self.events.append(f"{now_us} {source}>{target} {data!r}")
        self._waiting += b"%d %s>%s " % (now_us, source.encode(), target.encode())
        self._waiting += data

    def change(self, now_us: int, what: str) -> None:
        """The state of the world changed: a fault, a kill, an answer."""
        self._add(f"{now_us} {what}")

    def _add(self, event: str) -> None:
        if self.events is not None:
            self.events.append(event)
        waiting = self._waiting
        waiting += event.encode()
        waiting += b"\n"
        if len(waiting) > _CHUNK:
            self._hash.update(waiting)
            waiting.clear()

    def digest(self) -> str:
        """16 hexadecimal digits for everything so far."""
        self._hash.update(self._waiting)
        self._waiting.clear()
        return self._hash.hexdigest()


def first_difference(one: Iterable[str], other: Iterable[str]) -> str | None:
    """Where two kept traces part, with what came before; None: they are the same.

    Reads both only as far as that, and keeps no more than a few events: traces are long.
    """
    before: deque[str] = deque(maxlen=_BEFORE)
    for index, (left, right) in enumerate(zip_longest(one, other)):
        if left == right:
            before.append(left)
            continue
        said = "".join(f"  {_shortened(event, 0)}\n" for event in before)
        head = f"event {index:,} differs" + (f", after\n{said}" if said else "\n")
        at = _same_length(left or "", right or "")
        return f"{head}one:   {_shortened(left, at)}\nother: {_shortened(right, at)}"
    return None


def _same_length(left: str, right: str) -> int:
    """How many characters at the beginning are the same."""
    pairs = enumerate(zip(left, right, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(left), len(right)))


def _shortened(event: str | None, at: int) -> str:
    """An event as people can read it: its head, and what is around the place that matters."""
    if event is None:
        return "(the run is over)"
    if len(event) <= _WIDTH:
        return event
    begin = max(_HEAD, at - _HEAD)
    middle = event[begin : begin + _WIDTH - _HEAD]
    end = "..." if begin + len(middle) < len(event) else ""
    return f"{event[:_HEAD]}{'...' if begin > _HEAD else ''}{middle}{end}"
