"""What a node says for a slice that no node runs just now: for the seconds of a takeover.

A heartbeat with a valid token is answered as renewed: the stream goes on (P5). A start is admitted
(P3), since nobody can show that the account is full (P1), and its answer says `unchecked`; but no
more of them than the limit allows, since those that this node has admitted itself it does know. A
stop is taken. None of it is known to the slice yet; so each of these is told to it as soon as a
node runs it (telling.py), with how long ago the device said it: else its session would look silent
to whoever takes the slice, and yield (P5), or look alive for longer than it is, and refuse (P1).

Invariant: an id that is given here is never given again, by this node or any other: it is of an
incarnation of its own, drawn from the store when the node began, from the top down, where the
slices' own, from the bottom up, do not come.
Bounded: beyond WAITING_MAX, half of which heartbeats may fill, the device's next heartbeat has to
do, as it does when this node dies.
"""

from collections.abc import Callable
from contextvars import ContextVar
from enum import Enum
from typing import Final, NamedTuple

from crdt.dots import INCARNATION_MAX, POSITION_MAX, RegionId, SessionId, dot_at, shard_of
from georeg.region.model import (
    Admitted,
    Basis,
    Blocker,
    Claims,
    How,
    Refused,
    SessionInfo,
    StartRequest,
    State,
)
from georeg.region.ports import Clock
from georeg.region.settings import Settings


class Asked(Enum):
    """Who has been asked about the session or account of the call that is being answered."""

    SLICE = 1
    """Nobody yet: its slice is to be."""
    RENEWED = 2
    """Another node, which has renewed the session."""
    NOBODY = 3
    """Nobody, for nobody runs the slice."""


ASKED: Final[ContextVar[Asked]] = ContextVar("asked", default=Asked.SLICE)
WAITING_MAX: Final = 10_000
OWN_INCARNATIONS: Final = 1 << 19
"""How many of the top are used in turn; a node is long gone when its one comes round."""


def incarnation_of_node(number: int) -> int:
    """Under which incarnation the node with this number, from 1, gives ids."""
    assert number > 0
    return INCARNATION_MAX - number % OWN_INCARNATIONS


class Untold(NamedTuple):
    """What a slice does not know yet."""

    claims: Claims
    is_stop: bool
    at_ms: int
    """When the device said it, on this node's clock."""


class Unchecked:
    """The last resort of one node."""

    def __init__(
        self,
        region: RegionId,
        incarnation: int,
        settings: Callable[[], Settings],
        clock: Clock,
    ) -> None:
        self._region = region
        self._incarnation = incarnation
        self._settings = settings
        self._clock = clock
        self._position = 0
        self._untold: dict[SessionId, Untold] = {}
        self._admitted: dict[str, dict[SessionId, SessionInfo]] = {}
        """Account -> what was admitted here, lives, and is not told yet."""

    @property
    def untold(self) -> list[Untold]:
        """What is still to be told, in the order in which it happened."""
        return list(self._untold.values())

    def told(self, untold: Untold) -> None:
        """The session's slice knows; of what its device has said since then it does not."""
        if self._untold.get(untold.claims.session) == untold:
            del self._untold[untold.claims.session]
            self._forget(untold.claims)

    def start(self, request: StartRequest) -> Admitted | Refused:
        """Decide without asking anybody."""
        settings, known = self._settings(), self._admitted.get(request.account, {})
        gone = {
            session
            for session, info in known.items()
            if info.device.id == request.device.id or session in request.replace
        }
        others = tuple(info for session, info in known.items() if session not in gone)
        limit = request.plan.limit if request.plan is not None else settings.default_limit
        if len({info.device.id for info in others}) >= limit:
            wall_ms = self._clock.wall_ms()
            blockers = (Blocker(info, How.LOCAL, wall_ms - info.started_ms) for info in others)
            return Refused(limit, How.LOCAL, tuple(blockers), 0)
        for session in sorted(gone):
            self.stop(self._claims(known[session]))
        info = self._admit(request, settings)
        return Admitted(info, Basis.UNCHECKED, limit, 1 + len(others), 0, (*others, info))

    def heartbeat(self, claims: Claims) -> None:
        """Remember that the device was heard."""
        known = self._untold.get(claims.session)
        if known is None or not known.is_stop:
            self._note(claims, is_stop=False, most=WAITING_MAX // 2)

    def stop(self, claims: Claims) -> None:
        """Remember that the device has ended its session."""
        self._forget(claims)
        self._note(claims, is_stop=True, most=WAITING_MAX)

    def _admit(self, request: StartRequest, settings: Settings) -> SessionInfo:
        wall_ms, account = self._clock.wall_ms(), request.account
        self._position += 1
        assert self._position <= POSITION_MAX, "ids are exhausted: restart the node"
        dot = dot_at(self._region, self._incarnation, shard_of(account), self._position)
        info = SessionInfo(
            session=SessionId(dot),
            account=account,
            device=request.device,
            title=request.title,
            region=self._region,
            started_ms=wall_ms,
            last_seen_ms=wall_ms,
            state=State.LIVE,
            deadline_s=wall_ms // 1000 + settings.session_limit_s,
            lapses_ms=wall_ms + settings.client_lease_ms,
        )
        if self._note(self._claims(info), is_stop=False, most=WAITING_MAX):
            self._admitted.setdefault(account, {})[info.session] = info
        return info

    def _claims(self, info: SessionInfo) -> Claims:
        return Claims(
            info.session, info.account, info.device.id, self._region, info.started_ms,
            info.deadline_s,
        )  # fmt: skip

    def _note(self, claims: Claims, *, is_stop: bool, most: int) -> bool:
        """Whether there is room for it."""
        if len(self._untold) >= most and claims.session not in self._untold:
            return False
        self._untold[claims.session] = Untold(claims, is_stop, self._clock.now_ms())
        return True

    def _forget(self, claims: Claims) -> None:
        known = self._admitted.get(claims.account, {})
        known.pop(claims.session, None)
        if not known:
            self._admitted.pop(claims.account, None)
