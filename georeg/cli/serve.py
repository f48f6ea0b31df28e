"""`georeg serve`: runs one region until it is told to stop.

Standard output carries one line, when the region takes calls; the log goes to standard error as one
JSON object a line. SIGTERM or SIGINT drains: no more starts, readiness says no, devices are told
where to go and served for `[edge] drain_s`, or until the last one has left; then running requests
end and the process exits with 0. A second signal skips the wait. A drain by an operator, which the
process outlives, is another matter (region/drain.py). SIGHUP reads the config file again: all of it
takes effect, or nothing (reload.py).
"""

import argparse
import asyncio
import contextlib
import gc
import os
import random
import secrets
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from georeg.cli.locks import RedisLocks
from georeg.cli.nodes import StoreNode
from georeg.cli.parts import StartError
from georeg.cli.reload import ReloadError
from georeg.cli.runtime import Node, Surroundings
from georeg.cli.surroundings import NodeSurroundings
from georeg.config import Config, ConfigError, load
from georeg.config.store import stored_in, with_addresses
from georeg.edge.logs import configure_logs
from georeg.region.settings import ElectionKind
from georeg.store import JournalError, SqliteJournal
from georeg.store.redis import UnusableRedis

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

JOURNAL_NAME = "journal.sqlite3"
EVACUATION_POLL_S = 0.1
AnyNode = Node | StoreNode
log = structlog.get_logger("georeg")

EPILOG = """\
exit codes: 0 stopped as told, 1 could not run, 2 the config file has mistakes or cannot be read

The region is ready when it has printed its line, and when GET /readyz answers 200.
"""


def add_parser(commands: "Commands") -> None:
    """Add this command to the command line."""
    parser = commands.add_parser(
        "serve",
        help="run one region",
        description="Runs one region of a cluster in the foreground.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--config", type=Path, required=True, metavar="FILE", help="the region's config file"
    )
    parser.add_argument(
        "--store",
        metavar="URL",
        help="run one node of a region of many, whose Redis is there: redis://host:6379; what"
        " else there is to say of it stands in [store] of the config",
    )
    parser.add_argument(
        "--no-uvloop", action="store_true", help="asyncio's own event loop, which is slower"
    )
    parser.add_argument(
        "--until-stdin-closes",
        action="store_true",
        help="stop when standard input ends: whoever started this has gone",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run one region until it is stopped."""
    try:
        config = _stored(load(options.config), options.store)
    except UnusableRedis as error:
        print(f"georeg serve: --store: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"georeg serve: {options.config}: {error.strerror or error}", file=sys.stderr)
        return 2
    except ConfigError as error:
        print(f"{error}\ngeoreg serve: nothing was started", file=sys.stderr)
        return 2
    configure_logs(config.log_level.value, region=config.name, cluster=config.cluster)
    with asyncio.Runner(loop_factory=_loop_factory(options.no_uvloop)) as runner:
        try:
            return runner.run(_serve(config, watch_stdin=options.until_stdin_closes))
        except (StartError, JournalError) as error:
            print(f"georeg serve: {error}", file=sys.stderr)
            return 1


def _loop_factory(without_uvloop: bool) -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where it is installed; None is asyncio's own."""
    if without_uvloop or find_spec("uvloop") is None:
        return None
    import uvloop

    return uvloop.new_event_loop


def wall_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def _stored(config: Config, url: str | None) -> Config:
    """The config, with a store that was given on the command line."""
    if url is None:
        return config
    if config.home.election is not ElectionKind.STATIC:
        raise UnusableRedis("a region of many nodes has static homes only: remove [home]")
    given = config.store
    store = stored_in(url)
    if given is not None:
        redis = replace(store.redis, prefix=given.redis.prefix, ca_file=given.redis.ca_file)
        store = replace(given, redis=redis)
    store = with_addresses(store, config.edge, config.mesh, config.ops)
    return replace(config, store=store)


def _open_journal(directory: Path) -> SqliteJournal:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StartError(
            f"data_dir {directory} cannot be made: {error.strerror or error}. "
            "Give a directory that this user may write to"
        ) from None
    return SqliteJournal(directory / JOURNAL_NAME)


async def _serve(config: Config, *, watch_stdin: bool) -> int:
    stops = _Stops()
    stops.watch_signals()
    if watch_stdin:
        stops.watch_stdin()
    if config.store is not None:
        surroundings = NodeSurroundings(wall_ms, random.SystemRandom())
        await _run(StoreNode(config, surroundings), config, stops)
        return 0
    journal = _open_journal(config.data_dir)
    locks = None if config.home.locks is None else RedisLocks(config.home.locks, config.cluster)
    try:
        of_one = Surroundings(
            wall_ms, random.SystemRandom(), secrets.token_bytes, journal, locks=locks
        )
        await _run(Node(config, of_one), config, stops)
    finally:
        if locks is not None:
            await locks.close()
        journal.close()
    return 0


async def _run(node: AnyNode, config: Config, stops: "_Stops") -> None:
    """The life of a node."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, _reload, node)
    try:
        await _run_until_stopped(node, config, stops)
    finally:
        await node.stop()
    log.info("stopped", reason=stops.reason)


def _reload(node: AnyNode) -> None:
    """Read the config file again. What is wrong with it is logged, and nothing changes."""
    file = node.config.file
    try:
        changed = node.reload(load(file))
    except (OSError, ConfigError, ReloadError) as error:
        log.error("reload_refused", file=str(file), reason=str(error))
    else:
        log.info("reloaded", file=str(file), changed=changed)


async def _run_until_stopped(node: AnyNode, config: Config, stops: "_Stops") -> None:
    starting = asyncio.ensure_future(node.start())
    stopped = asyncio.ensure_future(stops.wait(1))
    await asyncio.wait((starting, stopped), return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        await asyncio.wait((starting,))
        return
    stopped.cancel()
    await starting
    keep_for_good()
    edge, mesh, ops = config.edge, config.mesh, config.ops
    log.info(
        "ready",
        edge=f"{edge.host}:{edge.port}",
        mesh=f"{mesh.host}:{mesh.port}",
        ops="" if ops is None else f"{ops.host}:{ops.port}",
    )
    print(
        f"georeg: region {config.name} of cluster {config.cluster} is ready: edge "
        f"http://{edge.host}:{edge.port}, mesh {mesh.host}:{mesh.port}, process {os.getpid()}",
        flush=True,
    )
    await stops.wait(1)
    drain_s = node.config.edge.drain_s
    log.info("draining", reason=stops.reason, drain_s=drain_s)
    node.drain()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(drain_s):
            await _until_evacuated(node, stops)
    log.info("leaving", sessions_left=node.region.drain.sessions_left())


def keep_for_good() -> None:
    """Leave all that is there out of every later garbage collection: modules, routes, config.

    They live as long as the process, and looking through them took half of each full collection.
    """
    gc.collect()
    gc.freeze()


async def _until_evacuated(node: AnyNode, stops: "_Stops") -> None:
    """Until the last session has left, or a second signal."""
    told_again = asyncio.ensure_future(stops.wait(2))
    try:
        while not (node.is_evacuated or told_again.done()):
            await asyncio.wait((told_again,), timeout=EVACUATION_POLL_S)
    finally:
        told_again.cancel()


class _Stops:
    """Counts the times that this process was told to stop."""

    def __init__(self) -> None:
        self.reason = ""
        self._loop = asyncio.get_running_loop()
        self._count = 0
        self._changed = asyncio.Event()

    def tell(self, reason: str) -> None:
        """Told once more."""
        self._count += 1
        self.reason = self.reason or reason
        self._changed.set()

    async def wait(self, count: int) -> None:
        """Until told so often."""
        while self._count < count:
            self._changed.clear()
            await self._changed.wait()

    def watch_signals(self) -> None:
        """SIGTERM and SIGINT tell."""
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self.tell, number.name)

    def watch_stdin(self) -> None:
        """The end of standard input tells, for good."""
        stdin = sys.stdin.fileno()

        def read() -> None:
            if not os.read(stdin, 4096):
                self._loop.remove_reader(stdin)
                self.tell("standard input closed")
                self.tell("standard input closed")

        self._loop.add_reader(stdin, read)
