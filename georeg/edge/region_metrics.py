"""What alerts of operators rest on: refusals with their evidence, and the other regions.

`georeg_refusal_evidence_age_seconds` is the false-block risk: the older the evidence that refused
somebody, the likelier that the stream had just ended. Labels are kinds of evidence and names of
regions, never an account or a device. Cost: one look at a refusal's blockers; the rest at a scrape.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from crdt.dots import RegionId
from georeg.edge.histogram import Histogram
from georeg.region.model import How, Refused
from georeg.region.report import StatusReport
from georeg.region.reporting import TROUBLE
from georeg.region.shadow import ShadowCount

AGE_BUCKETS_S: Final = (0.01, 0.05, 0.1, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0, 65.0, 90.0)
"""To 3 s: what beacons may be; to 65 s: the silence of an own session that is not yet suspect."""


class RefusalMetrics:
    """What refusals rested on."""

    def __init__(self) -> None:
        self._ages = {how: Histogram(AGE_BUCKETS_S) for how in How}

    def observe(self, refused: Refused) -> None:
        """Count one refusal by its weakest kind of evidence, with the age of the oldest of that
        kind: own devices, heard every 30 s, do not make a fresh beacon look old."""
        ages_ms = (each.age_ms for each in refused.blockers if each.how is refused.how)
        oldest_ms = max(ages_ms, default=0)
        self._ages[refused.how].observe(oldest_ms / 1000)

    def collect(self) -> Iterator[Metric]:
        """At a scrape."""
        family = HistogramMetricFamily(
            "georeg_refusal_evidence_age_seconds",
            "Of each refusal, by its weakest kind of evidence: age of the oldest of that kind.",
            labels=("evidence",),
        )
        for how, ages in self._ages.items():
            family.add_metric((how.value,), ages.cumulative(), ages.sum_s)
        yield family


def counters(known: Mapping[str, int]) -> dict[str, int]:
    """The region's counters, with those that alerts look at also while they are 0."""
    return {**dict.fromkeys(TROUBLE, 0), **known}


def region_metrics(
    status: StatusReport, known: Mapping[str, int], name_of: Callable[[RegionId], str]
) -> Iterator[Metric]:
    """Refusals by evidence, grants in use, and the other regions as they are seen here."""
    refusals = CounterMetricFamily(
        "georeg_refusals", "Refused starts by their weakest evidence.", labels=("evidence",)
    )
    for how in How:
        refusals.add_metric((how.value,), known.get(f"refused_{how.value}", 0))
    yield refusals
    own = next(region for region in status.regions if region.region == status.region)
    used = own.vitals.grants_used if own.vitals is not None else 0
    yield GaugeMetricFamily(
        "georeg_grants_used_slots", "Slots leased from other homes that are in use.", value=used
    )
    yield from _seats(status, name_of)
    yield from _peers(status, name_of)


def _seats(status: StatusReport, name_of: Callable[[RegionId], str]) -> Iterator[Metric]:
    sits = GaugeMetricFamily(
        "georeg_seat_home", "1: this region is home of the accounts of that one.", labels=("seat",)
    )
    vacant = GaugeMetricFamily(
        "georeg_seat_vacant", "1: as seen here, nobody is home of its accounts.", labels=("seat",)
    )
    for seat in status.seats:
        name = (name_of(seat.seat),)
        sits.add_metric(name, seat.home == status.region)
        vacant.add_metric(name, not seat.home)
    yield from (sits, vacant)


def shadow_metrics(counts: Iterable[ShadowCount]) -> Iterator[Metric]:
    """What was decided about starts, and what the plans of the shadow would have decided."""
    family = CounterMetricFamily(
        "georeg_shadow_decisions",
        "Starts by what was decided and what the shadow's limit would have decided.",
        labels=("plan", "real", "shadow"),
    )
    for count in counts:
        for (real, shadow), times in count.times.items():
            family.add_metric((count.plan, real, shadow), times)
    yield family


def _peers(status: StatusReport, name_of: Callable[[RegionId], str]) -> Iterator[Metric]:
    silent = GaugeMetricFamily(
        "georeg_peer_silent_seconds", "Since its newest beacon came.", labels=("peer",)
    )
    lag = GaugeMetricFamily(
        "georeg_peer_lag_seconds",
        "Age of the evidence for its sessions where that is oldest.",
        labels=("peer",),
    )
    missing = GaugeMetricFamily(
        "georeg_peer_events_missing", "Events of it that are not applied here.", labels=("peer",)
    )
    clock = GaugeMetricFamily(
        "georeg_peer_clock_ahead_seconds", "Its wall clock against this one's.", labels=("peer",)
    )
    for peer in status.regions:
        if peer.region == status.region:
            continue
        name = (name_of(peer.region),)
        for family, time_ms in (
            (silent, peer.silent_ms),
            (lag, peer.missing_ms),
            (clock, peer.clock_ahead_ms),
        ):
            if time_ms is not None:
                family.add_metric(name, time_ms / 1000)
        missing.add_metric(name, peer.events_missing)
    yield from (silent, lag, missing, clock)
