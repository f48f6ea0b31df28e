"""What the handlers of one ops app share, and what they need of the rest of the process."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeVar

from aiohttp import web

from crdt.dots import RegionId, SessionId
from crdt.events import ActorKind, Plan
from georeg.edge.problems import unavailable
from georeg.edge.render import Renderer
from georeg.mesh.status import LinkStatus
from georeg.ops.audit import Audit
from georeg.ops.keys import OperatorKeys
from georeg.region.model import KickOutcome
from georeg.region.pending import Pending
from georeg.region.ports import Clock
from georeg.region.settings import Settings
from georeg.region.views import DrainView, ReportView

T = TypeVar("T")
ANSWER_MS_MAX: Final = 5_000
TERMS: Final = web.RequestKey("terms", dict[str, object])
"""Where a handler leaves in its request what the audit log should say of the request's body."""


class OpsRegion(Protocol):
    """What operators use of a region; `georeg.region.region.Region` is one."""

    @property
    def report(self) -> ReportView:
        """What operators are told."""

    @property
    def drain(self) -> DrainView:
        """Its drain."""

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
        """Whether it may write."""

    def kick(
        self, account: str, session: SessionId, actor: ActorKind, actor_device: str = ""
    ) -> Pending[KickOutcome]:
        """End a session for good."""

    def plan_time(self) -> int:
        """The hybrid time of a plan that is stated now."""

    def set_plan(self, account: str, plan: Plan, issued: int) -> bool:
        """False when a newer plan is known."""


@dataclass(frozen=True, slots=True)
class KeyInUse:
    """One key of a ring, by what may be told of it."""

    id: str
    """16 bits as hexadecimal digits, the same in all regions."""
    is_first: bool
    """The first signs or proves, the others are accepted."""
    accepted: Callable[[], int | None]
    """How often it was met since the start although it is not the first; None: not counted."""


def no_links() -> Mapping[RegionId, LinkStatus]:
    """For regions without a mesh, as in tests of the API alone."""
    return {}


@dataclass(slots=True)
class Ops:
    """The shared state of one ops app."""

    region: OpsRegion
    clock: Clock
    operators: OperatorKeys
    audit: Audit
    cluster: str
    ops_urls: Mapping[RegionId, str] = field(default_factory=dict)
    """Where the other regions' operators' APIs are, as far as the config says."""
    rings: Mapping[str, tuple[KeyInUse, ...]] = field(default_factory=dict)
    """Key rings by their names in the config: cluster, session."""
    links: Callable[[], Mapping[RegionId, LinkStatus]] = no_links
    render: Renderer = field(init=False)
    keys_since_ms: int = field(init=False)
    """Wall clock since when the rings are as they are."""

    def __post_init__(self) -> None:
        self.render = Renderer(self.region.names)
        self.keys_since_ms = self.clock.wall_ms()

    def reload(
        self,
        operators: OperatorKeys,
        ops_urls: Mapping[RegionId, str],
        rings: Mapping[str, tuple[KeyInUse, ...]],
    ) -> None:
        """Other keys and addresses from now on; the region has its new peers already."""
        if _ids(rings) != _ids(self.rings):
            self.keys_since_ms = self.clock.wall_ms()
        self.operators, self.ops_urls, self.rings = operators, ops_urls, rings
        self.render.learn(self.region.names)

    def name_of(self, region: RegionId) -> str:
        """A region's name."""
        return self.render.name_of(region)

    def require_joined(self) -> None:
        """Raise Problem 503 while the region cannot write yet."""
        if not self.region.joined:
            raise unavailable("this region is joining", 1)


def _ids(rings: Mapping[str, tuple[KeyInUse, ...]]) -> dict[str, list[str]]:
    return {ring: [key.id for key in keys] for ring, keys in rings.items()}


async def settled(pending: Pending[T]) -> T:
    """The value that a region promises. Raises Problem 503 when it takes unreasonably long."""
    if pending.value is not None:
        return pending.value
    future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
    pending.then(lambda value: None if future.done() else future.set_result(value))
    try:
        async with asyncio.timeout(ANSWER_MS_MAX / 1000):
            return await future
    except TimeoutError:
        raise unavailable("the region did not decide in time", 1) from None
