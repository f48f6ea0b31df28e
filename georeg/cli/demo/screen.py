"""Shows the demo until it is stopped: a live table on a terminal, else a line per change."""

import asyncio
import sys
from datetime import datetime

from rich.console import Console
from rich.live import Live

from georeg.cli.demo.cluster import DemoCluster
from georeg.cli.demo.keyboard import single_keys
from georeg.cli.demo.view import Row, live_table, plain_line, without_times

REFRESH_S = 1.0


async def show(cluster: DemoCluster, stopping: asyncio.Event, *, plain: bool) -> None:
    """Show the regions until `stopping` is set; keys restart dead ones."""
    if sys.stdout.isatty() and not plain:
        await _show_live(cluster, stopping)
    else:
        await _show_lines(cluster, stopping)


async def _pause(wake: asyncio.Event, stopping: asyncio.Event) -> None:
    """Until the next look: a second, or until a key or a signal."""
    waits = [asyncio.ensure_future(event.wait()) for event in (wake, stopping)]
    await asyncio.wait(waits, timeout=REFRESH_S, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    wake.clear()


async def _show_live(cluster: DemoCluster, stopping: asyncio.Event) -> None:
    wake = asyncio.Event()
    pressed: list[str] = []
    hint = "Ctrl-C stops all"
    if sys.stdin.isatty():
        hint = f"r or Enter: restart dead regions, 1-{len(cluster.children)}: that one; {hint}"

    def on_key(key: str) -> None:
        pressed.append(key)
        wake.set()

    console = Console()
    with single_keys(on_key), Live(console=console, auto_refresh=False) as live:
        while not stopping.is_set():
            live.update(live_table(await cluster.rows(), hint), refresh=True)
            await cluster.tend()
            await _pause(wake, stopping)
            while pressed:
                await _obey(pressed.pop(0), cluster)


async def _obey(key: str, cluster: DemoCluster) -> None:
    if key in "rR\r\n":
        await cluster.restart_dead()
    elif key.isdecimal():
        await cluster.restart_dead(int(key))


async def _show_lines(cluster: DemoCluster, stopping: asyncio.Event) -> None:
    shown: dict[str, Row] = {}
    wake = asyncio.Event()
    while not stopping.is_set():
        for row in await cluster.rows():
            if shown.get(row.name) != without_times(row):
                shown[row.name] = without_times(row)
                _say(plain_line(row))
        for name, ending in (await cluster.tend()).items():
            _say(f"{name} is started again ({ending})")
        await _pause(wake, stopping)


def _say(line: str) -> None:
    now = datetime.now().astimezone()
    print(f"{now:%H:%M:%S} {line}", flush=True)
