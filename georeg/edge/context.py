"""What the handlers of one app share: region, keys, limits. Built once by `app.py`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic

from crdt.dots import RegionId
from georeg.edge.backends import BackendKeys
from georeg.edge.cors import Cors
from georeg.edge.entitlements import EntitlementVerifier
from georeg.edge.farewell import STOP_MS, Farewell
from georeg.edge.limits import StartRate
from georeg.edge.metrics import EdgeMetrics
from georeg.edge.overload import Overload
from georeg.edge.ports import EdgeRegion
from georeg.edge.problems import SESSION_ENDED, Problem
from georeg.edge.render import Renderer, seconds
from georeg.edge.rolling import Rolling
from georeg.edge.settings import EdgeSettings
from georeg.edge.stalls import Stalls
from georeg.edge.streams import Streams
from georeg.edge.tokens import KeyRing
from georeg.edge.whole import WholeAnswers
from georeg.region.model import Ended
from georeg.region.ports import Clock


@dataclass(slots=True)
class Edge:
    """The shared state of one app; only its parts change, each inside its own limit."""

    region: EdgeRegion
    clock: Clock
    keys: KeyRing
    entitlements: EntitlementVerifier
    backends: BackendKeys
    settings: EdgeSettings
    document: bytes
    """The OpenAPI document."""
    addresses: Mapping[RegionId, str]
    """Where devices reach the other regions, as far as that is configured."""
    time_s: Callable[[], float] = monotonic
    """By which calls are timed: the loop's, once the app runs. Asking for the running loop makes a
    call of the system (before Python 3.12), so it is not done for each call."""
    render: Renderer = field(init=False)
    cors: Cors = field(init=False)
    rate: StartRate = field(init=False)
    streams: Streams = field(init=False)
    stalls: Stalls = field(init=False, default_factory=Stalls)
    overload: Overload = field(init=False, default_factory=Overload)
    whole: WholeAnswers = field(init=False, default_factory=WholeAnswers)
    rolling: Rolling = field(init=False)
    metrics: EdgeMetrics = field(init=False)
    plan_limits: dict[str, int] = field(init=False)
    heartbeat_s: float = field(init=False)
    lease_s: float = field(init=False)
    heartbeat_tail: bytes = field(init=False)
    """What follows the session's id in the answer to a heartbeat."""
    farewell: Farewell = field(init=False)
    is_leaving: bool = field(init=False, default=False)
    """Whether nothing more should be sent here, by readiness; what comes is served as always."""
    is_replaced: bool = field(init=False, default=False)
    """Whether others go on where this process stops, so that nobody is sent to another region."""

    def __post_init__(self) -> None:
        settings, agreed = self.settings, self.region.settings
        self.render = Renderer(self.region.names)
        self.cors = Cors(settings.cors_origins)
        self.rate = StartRate(
            burst=settings.start_burst,
            rate_hz=settings.start_rate_hz,
            accounts_max=settings.start_accounts_max,
        )
        self.streams = Streams(settings.event_streams_max, settings.retry_after_s)
        self.metrics = EdgeMetrics(self.region, self.streams, self.render, self.overload)
        self.plan_limits = _limits(self.region)
        self.heartbeat_s = seconds(agreed.heartbeat_ms)
        self.lease_s = seconds(agreed.client_lease_ms)
        self.rolling = Rolling(agreed.token_roll_ms, agreed.heartbeat_ms)
        tail = f'","next_heartbeat_s":{self.heartbeat_s},"lease_s":{self.lease_s}}}'
        self.heartbeat_tail = tail.encode()
        self.farewell = Farewell(
            self.region.drain,
            self.region.names,
            self.addresses,
            lease_s=self.lease_s,
            retry_after_s=settings.retry_after_s,
        )
        self.region.drain.watch(self._on_drain)

    def drain(self, over_ms: int = STOP_MS) -> None:
        """This process stops soon: take no more starts, let devices leave within `over_ms`."""
        self.region.drain.begin(None, over_ms=over_ms, force=True)

    def _on_drain(self) -> None:
        """Event streams are sent elsewhere at once; an undone drain lets them be opened again."""
        if self.region.drain.has_effect:
            self.streams.end(self.farewell.message)

    def reload(
        self,
        settings: EdgeSettings,
        entitlements: EntitlementVerifier,
        backends: BackendKeys,
        session_keys: Sequence[bytes],
        addresses: Mapping[RegionId, str],
    ) -> None:
        """Other keys, pages, places and plans from now on; the region has its new ones already.

        Raises SettingsError for session keys that do not fit; then nothing has changed.
        """
        self.keys.replace(session_keys)
        self.settings, self.entitlements, self.backends = settings, entitlements, backends
        self.cors = Cors(settings.cors_origins)
        self.plan_limits = _limits(self.region)
        self.render.learn(self.region.names)
        self.farewell.learn(self.region.names, addresses)

    def session_ended(self, ended: Ended) -> Problem:
        """The 410 that tells a device why its session is over."""
        reason = ended.reason.name.lower()
        return Problem(
            SESSION_ENDED,
            f"the session was ended: {reason}",
            members=self.render.ended(ended),
        )


def _limits(region: EdgeRegion) -> dict[str, int]:
    return {name: policy.limit for name, policy in sorted(region.settings.plans.items())}
