"""What the edge needs of a region; `georeg.region.region.Region` is one."""

from collections.abc import Callable
from typing import Protocol

from crdt.dots import RegionId, SessionId
from crdt.events import ActorKind, Plan
from georeg.region.model import (
    Claims,
    Ended,
    KickOutcome,
    Listing,
    Outcome,
    Renewed,
    StartRequest,
    Status,
)
from georeg.region.pending import Pending
from georeg.region.settings import Settings
from georeg.region.views import DrainView, ReportView


class EdgeRegion(Protocol):
    """The decisions are here; the edge only asks."""

    @property
    def id(self) -> RegionId: ...

    @property
    def name(self) -> str: ...

    @property
    def names(self) -> dict[RegionId, str]:
        """All regions of the cluster, this one included."""

    @property
    def settings(self) -> Settings: ...

    @property
    def joined(self) -> bool:
        """Has begun an incarnation and may write; before that only reads are answered."""

    @property
    def ready(self) -> bool:
        """Takes starts: has joined, and no drain has effect."""

    @property
    def drain(self) -> DrainView:
        """Whether its operator drains it, and where devices are to go then."""

    def start(self, request: StartRequest) -> Pending[Outcome]:
        """Decide a start."""

    def renew(self, session: int, account: str, mark: int = 0, parent: int = 0) -> bool:
        """Renew the client lease of a session that is held here and lives; else False.

        `mark`, `parent`: of the token that its device shows, 0 where that says nothing.
        """

    def renewer(self) -> Callable[[int, bytes], bool]:
        """`renew` for heartbeats that came together; the account as UTF-8. For use at once."""

    def heartbeat(self, claims: Claims) -> Pending[Renewed | Ended]:
        """What becomes of a session that `renew` did not know."""

    def stop(self, claims: Claims) -> Pending[bool] | None:
        """The device ends its session."""

    def sessions(self, account: str) -> Listing:
        """The account's sessions."""

    def kick(
        self, account: str, session: SessionId, actor: ActorKind, actor_device: str = ""
    ) -> Pending[KickOutcome]:
        """End a session for good, wherever it is held."""

    def plan_time(self) -> int:
        """The hybrid time of a plan that is stated now."""

    def set_plan(self, account: str, plan: Plan, issued: int) -> bool:
        """False when a newer plan is known."""

    def is_live(self, claims: Claims) -> bool:
        """Whether the session lives, without renewing it."""

    def watch(self, session: int, callback: Callable[[Ended], None]) -> Callable[[], None]:
        """Call back when the session ends; returns what takes the watch away."""

    @property
    def report(self) -> ReportView:
        """What operators are told."""

    def status(self) -> Status:
        """Numbers for operators."""
