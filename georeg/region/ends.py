"""How an end is told: to the device, and to whoever watches its session.

A watch is called once, when this region speaks or hears of the end; it is how an event stream
learns of a kick at once. Bounded: beyond WATCHES_MAX nobody is told at once any more, and the
device learns of the end at its next heartbeat. Cost: one dict entry per watched session.
"""

from collections.abc import Callable
from typing import Final

from crdt.dots import SessionId
from crdt.events import ActorKind, Kick, Reason
from georeg.region.model import Ended

WATCHES_MAX: Final = 200_000

RETRY: Final = frozenset({Reason.LAPSED, Reason.DISPLACED, Reason.EXPIRED})
"""Ends after which a device may start again without asking the viewer."""


def ended_by(kick: Kick) -> Ended:
    """A kick as the kicked device is told it."""
    return Ended(
        kick.session, kick.reason, kick.actor, kick.actor_device, kick.at_ms, kick.reason in RETRY
    )


def ended_otherwise(session: SessionId, reason: Reason, at_ms: int) -> Ended:
    """Any other end as the device is told it."""
    actor = ActorKind.DEVICE if reason is Reason.STOPPED else ActorKind.SYSTEM
    return Ended(session, reason, actor, "", at_ms, reason in RETRY)


class Watches:
    """Who wants to know when a session ends."""

    def __init__(self) -> None:
        self._callbacks: dict[SessionId, list[Callable[[Ended], None]]] = {}
        self._count = 0

    def watch(self, session: SessionId, callback: Callable[[Ended], None]) -> Callable[[], None]:
        """Call back once when the session ends; returns how to stop watching."""
        if self._count >= WATCHES_MAX:
            return lambda: None
        self._callbacks.setdefault(session, []).append(callback)
        self._count += 1

        def unwatch() -> None:
            callbacks = self._callbacks.get(session)
            if callbacks is not None and callback in callbacks:
                callbacks.remove(callback)
                self._count -= 1
                if not callbacks:
                    del self._callbacks[session]

        return unwatch

    def is_watched(self, session: SessionId) -> bool:
        """Whether anybody wants to know."""
        return session in self._callbacks

    def tell(self, end: Ended) -> None:
        """The session has ended: call everybody who watches it, in the order in which they came."""
        callbacks = self._callbacks.pop(end.session, [])
        self._count -= len(callbacks)
        for callback in callbacks:
            callback(end)
