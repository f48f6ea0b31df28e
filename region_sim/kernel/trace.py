"""The fingerprint of a run: every step, every delivered byte, every change, in their order.

Same seed and version: the same fingerprint, in any process and under any hash seed. A run that
differs differs from some event on; with `keep` the events are there to find it.
"""

from hashlib import blake2b

_CHUNK = 65_536


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
        self._add(f"{now_us} {machine} {what}")

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


def first_difference(one: list[str], other: list[str]) -> str | None:
    """Where two kept traces part, with what came before; None: they are the same."""
    for index, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            before = "".join(f"  {event}\n" for event in one[max(0, index - 5) : index])
            return f"event {index} differs, after\n{before}one:   {left}\nother: {right}"
    if len(one) != len(other):
        longer = one if len(one) > len(other) else other
        index = min(len(one), len(other))
        return f"one run ends after {index} events; the other goes on with\n  {longer[index]}"
    return None
