"""Prometheus metrics of one region's edge: prefix `georeg_`, base units, no account or session.

The hot path adds to plain ints and lists; they become metrics only when somebody scrapes. The
region's own numbers are read from `region.status()` at the same moment, so that one scrape is one
instant. Invariant: labels come from fixed sets (routes, statuses, regions), so the number of series
is bounded. Cost: 0.5 us a request (prometheus-client's own counters take a lock, some 0.5 us each).
"""

import re
from collections.abc import Iterator, Mapping, Sized
from typing import Final, Protocol

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from georeg import __version__
from georeg.edge.histogram import BUCKETS_S, Histogram
from georeg.edge.overload import Overload
from georeg.edge.problems import UNAVAILABLE
from georeg.edge.region_metrics import (
    RefusalMetrics,
    counters,
    region_metrics,
    shadow_metrics,
)
from georeg.edge.render import Renderer
from georeg.region.model import Status
from georeg.region.report import StatusReport
from georeg.region.settings import Settings
from georeg.region.views import ShadowView

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
ERRORS: Final = ((500, ""), (503, UNAVAILABLE.name))
"""Answers that are there while they are 0, since Prometheus does not see the step from nothing to
the first one. `draining` is none of them: it sends its caller to a region that answers."""
OUTCOMES: Final = ("granted", "borrowed", "overdraft", "unchecked", "refused", "conflict")
BATCHED: Final = (200, 401, 410, 503)
PEER_STATES: Final = ("up", "suspect", "down")
_NAME: Final = re.compile(r"[^a-z0-9_]")


class Report(Protocol):
    """What it can tell operators."""

    @property
    def shadow(self) -> ShadowView: ...

    def status(self) -> StatusReport: ...


def _has_lost(status: Status) -> bool:
    return status.begun is not None and bool(status.begun.lost)


class RegionView(Protocol):
    """What the metrics read of a region."""

    @property
    def name(self) -> str: ...

    @property
    def settings(self) -> Settings: ...

    @property
    def report(self) -> Report: ...

    def status(self) -> Status: ...


class RouteMetrics:
    """Requests of one route."""

    __slots__ = ("answers", "durations")

    def __init__(self) -> None:
        self.answers: dict[tuple[int, str], int] = dict.fromkeys(ERRORS, 0)
        """By status and problem."""
        self.durations = Histogram(BUCKETS_S)

    def count(self, status: int, duration_s: float, problem: str) -> None:
        """Count one answer, how long it took in seconds, and the name of its problem if any."""
        answer = status, problem
        self.answers[answer] = self.answers.get(answer, 0) + 1
        self.durations.observe(duration_s)


class EdgeMetrics:
    """All metrics of one app, in a registry of its own."""

    def __init__(
        self, region: RegionView, streams: Sized, render: Renderer, overload: Overload
    ) -> None:
        self._region = region
        self._streams = streams
        self._render = render
        self._overload = overload
        self.connections = 0
        """Open connections of devices and backends."""
        self.turned_away = 0
        """Connections beyond the limit."""
        self._routes: dict[str, RouteMetrics] = {}
        self._starts: dict[str, int] = dict.fromkeys(OUTCOMES, 0)
        self._batch: dict[int, int] = dict.fromkeys(BATCHED, 0)
        self.refusals = RefusalMetrics()
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def route(self, name: str) -> RouteMetrics:
        """The numbers of one route; made once, when the app is built."""
        return self._routes.setdefault(name, RouteMetrics())

    def started(self, outcome: str) -> None:
        """Count a start by one of `OUTCOMES`."""
        self._starts[outcome] += 1

    def batched(self, statuses: Mapping[int, int]) -> None:
        """Count the heartbeats of one batch by status."""
        for status, count in statuses.items():
            self._batch[status] += count

    def page(self) -> bytes:
        """The metrics as text."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Called by the registry at each scrape."""
        build = GaugeMetricFamily(
            "georeg_build_info", "Which georeg this is.", labels=("version", "region")
        )
        build.add_metric((__version__, self._region.name), 1)
        yield build
        yield from self._http()
        status = self._region.status()
        yield from self._own(status)
        yield from self._peers(status)
        name_of = self._render.name_of
        yield from region_metrics(self._region.report.status(), status.counters, name_of)
        yield from self.refusals.collect()
        yield from shadow_metrics(self._region.report.shadow.counts())
        for name, value in sorted(counters(status.counters).items()):
            safe = _NAME.sub("_", name.lower())
            yield CounterMetricFamily(
                f"georeg_region_{safe}", f"The region's counter {name}.", value=value
            )

    def _http(self) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            "georeg_http_requests",
            "Answers of the edge; problem: the last part of its type, empty where there is none.",
            labels=("route", "status", "problem"),
        )
        durations = HistogramMetricFamily(
            "georeg_http_request_duration_seconds",
            "From the request's headers to its answer, without the network.",
            labels=("route",),
        )
        for name, route in sorted(self._routes.items()):
            for (status, problem), count in sorted(route.answers.items()):
                requests.add_metric((name, str(status), problem), count)
            durations.add_metric((name,), route.durations.cumulative(), route.durations.sum_s)
        starts = CounterMetricFamily(
            "georeg_starts", "Starts by what became of them.", labels=("outcome",)
        )
        for outcome, count in sorted(self._starts.items()):
            starts.add_metric((outcome,), count)
        batch = CounterMetricFamily(
            "georeg_batch_heartbeats", "Heartbeats that came in batches.", labels=("status",)
        )
        for code, count in sorted(self._batch.items()):
            batch.add_metric((str(code),), count)
        shed = CounterMetricFamily(
            "georeg_shed_requests", "Calls that were put off under overload.", labels=("kind",)
        )
        for urgency, times in self._overload.shed.items():
            shed.add_metric((urgency.name.lower(),), times)
        yield from (requests, durations, starts, batch, shed)
        yield GaugeMetricFamily(
            "georeg_shed_level", "1: looks are put off, 2: starts as well.",
            value=self._overload.level,
        )  # fmt: skip
        yield GaugeMetricFamily("georeg_connections", "Open connections.", value=self.connections)
        yield CounterMetricFamily(
            "georeg_connections_turned_away", "Connections beyond the limit.",
            value=self.turned_away,
        )  # fmt: skip
        yield GaugeMetricFamily(
            "georeg_event_streams", "Open event streams.", value=len(self._streams)
        )

    def _own(self, status: Status) -> Iterator[Metric]:
        gauges = (
            ("ready", "1 while starts are taken.", float(status.ready)),
            ("incarnation", "Incarnation of this region.", status.incarnation),
            ("sessions", "Live sessions held here.", status.sessions),
            ("sessions_known", "Sessions of all regions, as seen here.", status.sessions_known),
            ("grants_held_slots", "Slots leased from other homes.", status.grants_held),
            ("grants_lent_slots", "Slots leased out as home.", status.grants_lent),
            ("overdraft_sessions", "Own sessions without a grant.", status.overdraft),
            ("kicks_remembered", "Kicks in the ledger.", status.kicks_remembered),
            ("draining", "1 while this region is drained.", float(status.is_draining)),
            (
                "drain_sessions_left",
                "Sessions that have not left while this region is drained, else 0.",
                status.sessions if status.is_draining else 0,
            ),
            ("journal_refused", "1 while the disk refuses.", float(bool(status.disk_trouble))),
            ("journal_lost", "1 if it began without its journal.", float(_has_lost(status))),
        )
        for name, about, value in gauges:
            yield GaugeMetricFamily(f"georeg_{name}", about, value=value)

    def _peers(self, status: Status) -> Iterator[Metric]:
        states = GaugeMetricFamily(
            "georeg_peer_state", "1 for the state a region is seen in.", labels=("peer", "state")
        )
        ages = GaugeMetricFamily(
            "georeg_peer_beacon_age_seconds", "Age of the newest evidence.", labels=("peer",)
        )
        trips = GaugeMetricFamily(
            "georeg_peer_round_trip_seconds", "Measured round trip.", labels=("peer",)
        )
        behind = GaugeMetricFamily(
            "georeg_peer_events_behind", "Events it has not acknowledged.", labels=("peer",)
        )
        draining = GaugeMetricFamily(
            "georeg_peer_draining", "1 while the region is drained.", labels=("peer",)
        )
        for peer in status.peers:
            name = self._render.name_of(peer.region)
            for state in PEER_STATES:
                states.add_metric((name, state), float(peer.state == state))
            if peer.beacon_age_ms is not None:
                ages.add_metric((name,), peer.beacon_age_ms / 1000)
            if peer.round_trip_ms is not None:
                trips.add_metric((name,), peer.round_trip_ms / 1000)
            behind.add_metric((name,), peer.events_behind)
            draining.add_metric((name,), float(peer.is_draining))
        yield from (states, ages, trips, behind, draining)
