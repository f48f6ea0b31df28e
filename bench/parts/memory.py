"""A full region: memory per live session, a full garbage collection, the longest step of the loop.

One region holds all sessions itself, which is the dearest case: it leases two thirds of their slots
from other homes, knows every plan, and keeps every lease. Memory is what the process takes from
the system beyond an empty region; so it includes what allocators and growing arrays waste.
"""

import gc
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Final

from bench.figures import Figure, at_most, figure
from bench.machine import resident_bytes
from bench.neighbours import BenchClock
from bench.population import watchers
from bench.progress import say
from bench.regions import joined_region
from bench.scale import Scale
from georeg.cli.serve import keep_for_good
from georeg.region.model import Admitted, Outcome
from georeg.region.region import Region
from georeg.region.settings import Settings

_PER_MS: Final = 2
"""Starts in one millisecond of the region's time: the rate of a busy evening."""
_SETTINGS: Final = Settings.of(heartbeat_s=300)
"""Leases longer than the filling takes."""
_SETTLE_MS: Final = 3_000
_WATCHED_MS: Final = 5_000
_LAPSED_MS: Final = 20_000
_COLLECTIONS: Final = 5
_SAID_EACH: Final = 100_000


def run(scale: Scale) -> list[Figure]:
    """Fill a region, weigh it, and watch it work."""
    region, _, clock = joined_region(_SETTINGS)
    keep_for_good()
    empty_bytes = resident_bytes()
    empty_gc_ms = _full_collections_ms()
    began_s = time.perf_counter()
    accounts = _fill(region, clock, scale.sessions)
    clock.advance(_SETTLE_MS)
    live = region.status().sessions
    assert live == scale.sessions, f"{live} sessions live instead of {scale.sessions}"
    say(f"memory: filled in {time.perf_counter() - began_s:.0f} s")
    per_session = (resident_bytes() - empty_bytes) / live
    gc_ms = _full_collections_ms()
    steps = _steps_ms(clock)
    status = region.status()
    note = f"{live:,} sessions of {accounts:,} accounts, {status.grants_held:,} slots leased"
    target_ms = at_most(20)
    return [
        figure("memory per live session", [per_session], "B", target=at_most(200), note=note),
        figure("full garbage collection, full region", gc_ms, "ms", target=target_ms),
        figure("full garbage collection, empty region", empty_gc_ms, "ms"),
        figure(
            "sweep, longest step", [max(steps["sweep"])], "ms", target=at_most(5),
            note=f"{len(steps['sweep'])} steps",
        ),
        figure(
            "beacon round, longest", [max(steps["round"])], "ms", note="beacons, leases, overdrafts"
        ),
        figure(
            "sweep when everybody has vanished, longest step", [max(_lapse(clock))], "ms",
            target=at_most(5), note="leases of all sessions end at once",
        ),
    ]  # fmt: skip


def _fill(region: Region, clock: BenchClock, sessions: int) -> int:
    """Start that many sessions; returns the number of accounts."""
    accounts: set[int] = set()
    admitted = 0

    def decided(outcome: Outcome) -> None:
        nonlocal admitted
        assert isinstance(outcome, Admitted), f"within every limit, but {outcome}"
        admitted += 1

    for number, watcher in enumerate(islice(watchers(), sessions), start=1):
        region.start(watcher.request()).then(decided)
        accounts.add(hash(watcher.account))
        if number % _PER_MS == 0:
            clock.advance(1)
        if number % _SAID_EACH == 0:
            say(f"memory: {number:,} sessions")
    clock.advance(region.settings.deadline_ms)
    assert admitted == sessions, f"{admitted} of {sessions} were admitted"
    return len(accounts)


def _full_collections_ms() -> list[float]:
    gc.collect()
    found = []
    for _ in range(_COLLECTIONS):
        began_ns = time.perf_counter_ns()
        gc.collect()
        found.append((time.perf_counter_ns() - began_ns) / 1e6)
    return found


@contextmanager
def _without_gc() -> Iterator[None]:
    """A collection in the middle of a step is measured by itself, not with the step."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _steps_ms(clock: BenchClock, for_ms: int = _WATCHED_MS) -> dict[str, list[float]]:
    """How long the region's timers held the loop, by what they did."""
    steps: dict[str, list[float]] = defaultdict(list)
    names = {"Region._sweep_on": "sweep", "Region._tick": "round"}

    def watch(call: Callable[[], None]) -> None:
        began_ns = time.perf_counter_ns()
        call()
        took_ms = (time.perf_counter_ns() - began_ns) / 1e6
        steps[names.get(call.__qualname__, "other")].append(took_ms)

    with _without_gc():
        clock.advance(for_ms, watch)
    return steps


def _lapse(clock: BenchClock) -> list[float]:
    """Let every lease end and watch the first seconds of what follows."""
    clock.advance(_SETTINGS.client_lease_ms - _LAPSED_MS)
    return _steps_ms(clock, for_ms=2 * _LAPSED_MS)["sweep"]
