"""Starts that are tried again: the same `Idempotency-Key` with the same request, the same answer.

Bounded: at most KEYS_MAX answers, each for `idempotency_ms`; the oldest is forgotten first.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from georeg.region.model import Conflict, Outcome, StartRequest
from georeg.region.pending import Pending
from georeg.region.state import RegionState

KEYS_MAX: Final = 100_000


class Retries:
    """The answers of one region, by account and key."""

    def __init__(self, state: RegionState) -> None:
        self._state = state
        self._answers: OrderedDict[tuple[str, str], tuple[StartRequest, int, Pending[Outcome]]] = (
            OrderedDict()  # whose oldest key is found at once (georeg/edge/limits.py)
        )

    def answer(
        self, request: StartRequest, begin: Callable[[StartRequest], Pending[Outcome]]
    ) -> Pending[Outcome]:
        """The answer that the key has had, or that of the start which begins now."""
        if not request.idempotency_key:
            return begin(request)
        now_ms = self._state.clock.now_ms()
        self._forget(now_ms)
        key = (request.account, request.idempotency_key)
        known = self._answers.get(key)
        if known is not None:
            return known[2] if _is_same(known[0], request) else Pending(Conflict())
        pending = begin(request)
        self._answers[key] = (request, now_ms + self._state.settings.idempotency_ms, pending)
        return pending

    def _forget(self, now_ms: int) -> None:
        while self._answers:
            key, (_, until_ms, _) = next(iter(self._answers.items()))
            if until_ms > now_ms and len(self._answers) < KEYS_MAX:
                return
            del self._answers[key]


def _is_same(first: StartRequest, again: StartRequest) -> bool:
    """Whether a retry asks for the same; a renewed entitlement is no difference."""
    return (first.device, first.title, first.replace) == (again.device, again.title, again.replace)
