"""What the edge and operators see of a region's drain and reports, whatever stands behind it.

A region in one piece shows its own parts (drain.py, reporting.py, decisions.py, shadow.py); a node
that runs several slices of one shows what they add up to (georeg/nodes).
"""

from collections.abc import Callable, Generator
from typing import Protocol

from crdt.dots import RegionId
from georeg.region.decisions import Decision, Keeping
from georeg.region.drain import FOR_MS, Progress
from georeg.region.report import AccountReport, QuotaReport, StatusReport
from georeg.region.shadow import ShadowCount


class DrainView(Protocol):
    """See `georeg.region.drain.Drain`."""

    @property
    def is_on(self) -> bool: ...

    @property
    def is_forced(self) -> bool: ...

    @property
    def has_effect(self) -> bool: ...

    @property
    def elsewhere(self) -> tuple[RegionId, ...]: ...

    def obstacle(self) -> str | None: ...

    def begin(
        self, for_ms: int | None = FOR_MS, *, over_ms: int | None = None, force: bool = False
    ) -> None: ...

    def end(self) -> None: ...

    def progress(self) -> Progress: ...

    def sessions_left(self) -> int: ...

    def watch(self, callback: Callable[[], None]) -> None: ...

    def leaves_in_ms(self, session: int) -> int: ...

    def next_heartbeat_ms(self, session: int) -> int | None: ...


class DecisionsView(Protocol):
    """See `georeg.region.decisions.Decisions`."""

    @property
    def keeping(self) -> Keeping: ...

    def of(self, account: str) -> list[Decision]: ...

    def complete_since_ms(self, account: str) -> int: ...


class ShadowView(Protocol):
    """See `georeg.region.shadow.Shadow`."""

    def counts(self) -> list[ShadowCount]: ...


class ReportView(Protocol):
    """See `georeg.region.reporting.Reporting`."""

    @property
    def decisions(self) -> DecisionsView: ...

    @property
    def shadow(self) -> ShadowView: ...

    def status(self) -> StatusReport: ...

    def quota(self) -> Generator[None, None, QuotaReport]: ...

    def account(self, account: str) -> AccountReport: ...
