"""A lock service outside of georeg, as Redis is one: a lock has one owner at a time, for a time.

It is part of the world, not of the system: nothing of georeg runs here. Its clock is its own, and
may run fast or slow. What it is told lasts: it forgets no lock and no number. One that does (data
lost, a replica that had not heard of it) is no fence, and no promise holds under it.
"""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class _Lock:
    owner: str
    number: int
    until_ms: float


class LockService:
    """All locks of a cluster. Times are the clock of the service, ms."""

    def __init__(self, now_ms: Callable[[], float]) -> None:
        self._now_ms = now_ms
        self._locks: dict[int, _Lock] = {}
        self._numbers: dict[int, int] = {}

    def acquire(self, name: int, owner: str, ttl_ms: int, above: int) -> int:
        """The number under which the owner has the lock now, above all before; 0: another has it.

        Its owner may take it again, under a new number.
        """
        lock = self._held(name)
        if lock is not None and lock.owner != owner:
            return 0
        number = self._numbers[name] = max(self._numbers.get(name, 0), above) + 1
        self._locks[name] = _Lock(owner, number, self._now_ms() + ttl_ms)
        return number

    def renew(self, name: int, owner: str, number: int, ttl_ms: int) -> int:
        """The same number when it is still held; else 0."""
        lock = self._held(name)
        if lock is None or (lock.owner, lock.number) != (owner, number):
            return 0
        lock.until_ms = self._now_ms() + ttl_ms
        return number

    def release(self, name: int, owner: str, number: int) -> None:
        """Free the lock, if it is still held so."""
        lock = self._held(name)
        if lock is not None and (lock.owner, lock.number) == (owner, number):
            del self._locks[name]

    def _held(self, name: int) -> _Lock | None:
        lock = self._locks.get(name)
        return lock if lock is not None and self._now_ms() < lock.until_ms else None
