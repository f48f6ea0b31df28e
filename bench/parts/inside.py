"""Inside the region's code: starts and heartbeats without HTTP, and starts while all links are cut.

Time that the region's timers take (flushes, beacons, sweeps) is counted in the rates, not in the
latency of single starts: they run between calls, as they do on a loop.
"""

import asyncio
import time
from itertools import islice
from typing import Final

from bench.figures import Figure, at_most, figure, quantile
from bench.population import HERE, accounts_at, watchers
from bench.progress import say
from bench.regions import joined_region, make_region
from bench.scale import Scale
from georeg.cli.runtime import LoopClock
from georeg.region.model import Admitted, Basis, Outcome, StartRequest
from georeg.region.region import Region

_PER_MS: Final = 10
"""Starts in one millisecond of the region's time."""
_HEARTBEAT_ROUNDS: Final = 5
_CUT_WAIT_S: Final = 0.5


def run(scale: Scale) -> list[Figure]:
    """All rounds in one region, which grows meanwhile."""
    region, _, clock = joined_region()
    people = watchers(seed=2)
    p50, p99, starts_hz, beats_hz = [], [], [], []
    names = accounts_at(HERE, "in")
    for number in range(scale.rounds):
        say(f"inside: round {number + 1} of {scale.rounds}")
        requests = [
            watcher._replace(account=name).request()
            for name, watcher in zip(islice(names, scale.starts), people, strict=False)
        ]
        took_us: list[float] = []
        sessions: list[tuple[int, str]] = []
        began_ns = time.process_time_ns()
        for at, request in enumerate(requests):
            since_ns = time.perf_counter_ns()
            outcome = region.start(request).value
            took_us.append((time.perf_counter_ns() - since_ns) / 1000)
            sessions.append((_granted(outcome), request.account))
            if at % _PER_MS == 0:
                clock.advance(1)
        starts_hz.append(scale.starts / ((time.process_time_ns() - began_ns) / 1e9))
        took_us.sort()
        p50.append(quantile(took_us, 0.50))
        p99.append(quantile(took_us, 0.99) / 1000)
        beats_hz.append(_heartbeats(region, sessions))
    cut_ms = asyncio.run(_starts_while_cut(scale.cut_starts))
    return [
        figure("start, granted, in the region's code, p50", p50, "us"),
        figure("start, granted, in the region's code, p99", p99, "ms", target=at_most(1)),
        figure("starts in the region's code", starts_hz, "/CPU-s", note="timers included"),
        figure("heartbeats in the region's code", beats_hz, "/CPU-s", note="without the token"),
        figure(
            "start, all links cut, slowest", [max(cut_ms)], "ms", target=at_most(100),
            note=f"{scale.cut_starts} starts, decided by the deadline of 80 ms",
        ),
    ]  # fmt: skip


def _granted(outcome: Outcome | None) -> int:
    assert isinstance(outcome, Admitted), "the home's own accounts are decided at once"
    assert outcome.basis is Basis.GRANTED
    return outcome.info.session


def _heartbeats(region: Region, sessions: list[tuple[int, str]]) -> float:
    renew = region.renew
    began_ns = time.process_time_ns()
    for _ in range(_HEARTBEAT_ROUNDS):
        for session, account in sessions:
            assert renew(session, account)
    took_s = (time.process_time_ns() - began_ns) / 1e9
    return _HEARTBEAT_ROUNDS * len(sessions) / took_s


async def _starts_while_cut(count: int) -> list[float]:
    """Milliseconds that starts of accounts with another home take when nobody answers."""
    loop = asyncio.get_running_loop()
    clock = LoopClock(loop, lambda: time.time_ns() // 1_000_000)
    region, neighbours = make_region(clock)
    region.open()
    while not region.joined:  # noqa: ASYNC110 - the rules know no asyncio events
        await asyncio.sleep(0.01)
    await asyncio.sleep(_CUT_WAIT_S)
    neighbours.is_cut = True
    took_ms: list[float] = []

    async def one(request: StartRequest) -> None:
        since_s = loop.time()
        decided: asyncio.Future[Outcome] = loop.create_future()
        region.start(request).then(decided.set_result)
        outcome = await decided
        assert isinstance(outcome, Admitted)
        assert outcome.basis is Basis.OVERDRAFT
        took_ms.append((loop.time() - since_s) * 1000)

    accounts = islice(accounts_at(None, "cut"), count)
    people = watchers(seed=3)
    await asyncio.gather(
        *(one(w._replace(account=a).request()) for a, w in zip(accounts, people, strict=False))
    )
    region.close()
    return took_ms
