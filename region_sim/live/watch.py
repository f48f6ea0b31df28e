"""What a live run sees of its regions besides calls: numbers once a second, and their logs.

A region that ends although nobody ended it is written down as an error and started again, so that
the run goes on and its end is judged. Logs are read when the run is over; any line of level error,
any traceback, and any line that is no log at all is an error that no run should cause.
"""

import asyncio
import json
import re
from collections.abc import Callable
from datetime import datetime
from typing import Final

import aiohttp

from georeg.cli.demo.gauges import read_page
from region_sim.history import History, Life, LifeEvent, LogLine, Probe
from region_sim.live.cluster import Cluster, Region

EVERY_S: Final = 1.0
_READY: Final = re.compile(r"georeg: region \S+ of cluster \S+ is ready: .*")
_COUNTER: Final = re.compile(r"^georeg_region_(\w+)_total (\S+)$", re.MULTILINE)
_TIMEOUT: Final = aiohttp.ClientTimeout(total=EVERY_S)
_FINE: Final = ("debug", "info", "warning")
_DETAIL_LENGTH_MAX: Final = 2_000


async def watch(cluster: Cluster, history: History, now_us: Callable[[], int]) -> None:
    """Look at all regions once a second, until cancelled."""
    while True:
        await asyncio.gather(
            *(_look(cluster, region, history, now_us) for region in cluster.regions.values()),
            asyncio.sleep(EVERY_S),
        )


async def _look(
    cluster: Cluster, region: Region, history: History, now_us: Callable[[], int]
) -> None:
    if not region.is_meant_to_run:
        return
    if not region.is_running:
        history.lives.append(LifeEvent(now_us(), region.name, Life.KILLED, "nobody killed it"))
        history.logs.append(
            LogLine(now_us(), region.name, "process_ended", f"by itself: {region.ending}")
        )
        history.lives.append(LifeEvent(now_us(), region.name, Life.BOOTED))
        await region.start()
        await region.wait_until_ready(cluster.http)
        history.lives.append(LifeEvent(now_us(), region.name, Life.READY))
        return
    probe = await _probe(cluster, region, now_us)
    if probe is not None:
        history.probes.append(probe)


async def _probe(cluster: Cluster, region: Region, now_us: Callable[[], int]) -> Probe | None:
    """What a region says of itself, None when it does not answer in time."""
    try:
        async with cluster.http.get(f"{region.plan.address}/metrics", timeout=_TIMEOUT) as answer:
            page = await answer.text()
        return read_probe(page, now_us(), region.name)
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
        return None


def read_probe(page: str, at_us: int, region: str) -> Probe:
    """A page of metrics as a probe. Raises ValueError when it is not one."""
    numbers = read_page(page)
    return Probe(
        at_us,
        region,
        sessions=numbers.sessions,
        sessions_known=numbers.sessions_known,
        overdraft=numbers.overdraft,
        grants_held=numbers.grants_held,
        grants_lent=numbers.grants_lent,
        counters={name: int(float(value)) for name, value in _COUNTER.findall(page)},
    )


def read_logs(cluster: Cluster, history: History, began_wall_s: float) -> None:
    """Write down what the regions logged and should not have."""
    for region in cluster.regions.values():
        text = region.plan.log_file.read_text(encoding="utf-8", errors="replace")
        for line in text.splitlines():
            trouble = read_line(region.name, line, began_wall_s)
            if trouble is not None:
                history.logs.append(trouble)
    history.logs.sort(key=lambda line: line.at_us)


def read_line(region: str, line: str, began_wall_s: float) -> LogLine | None:
    """The trouble that a line tells of; None: none."""
    try:
        entry = json.loads(line)
        level, event, at = entry["level"], entry["event"], entry["timestamp"]
        at_us = round((datetime.fromisoformat(at).timestamp() - began_wall_s) * 1e6)
    except (ValueError, KeyError, TypeError):
        if _READY.fullmatch(line) is not None:
            return None
        return LogLine(0, region, "not_a_log_line", line[:_DETAIL_LENGTH_MAX])
    if level in _FINE and "Traceback" not in line:
        return None
    return LogLine(at_us, region, str(event), line[:_DETAIL_LENGTH_MAX])
