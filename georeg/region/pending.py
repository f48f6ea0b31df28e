"""A value that is there now or will be: what a region answers to a call that may need its peers.

Most calls are decided at once, so this costs one small object and no future; the edge awaits it,
the simulator and the tests attach a callback.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Pending(Generic[T]):
    """Settled exactly once. `value` is None until then."""

    __slots__ = ("_callbacks", "value")

    def __init__(self, value: T | None = None) -> None:
        self.value = value
        self._callbacks: tuple[Callable[[T], None], ...] = ()

    def settle(self, value: T) -> None:
        """Set the value and tell everybody who waits, in the order in which they came."""
        assert self.value is None, "settled twice"
        self.value = value
        callbacks, self._callbacks = self._callbacks, ()
        for callback in callbacks:
            callback(value)

    def then(self, callback: Callable[[T], None]) -> None:
        """Call back with the value: now if it is there, else when it is settled."""
        if self.value is not None:
            callback(self.value)
        else:
            self._callbacks += (callback,)
