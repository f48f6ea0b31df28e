"""What holds for every test: no network but 127.0.0.1, and tools that are missing are named."""

import ipaddress
import socket
from collections.abc import Callable
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from georeg.cli.demo import ports
from tests.tools import ROOT, tool

TOOLS = {
    "compose": (
        str(ROOT / ".tools" / "compose-go"),
        "compose-go is missing; make test builds it where there is Go",
    ),
    "kustomize": (
        str(ROOT / ".tools" / "kustomize"),
        "kustomize is missing; make test builds it where there is Go",
    ),
    "prometheus": (
        "promtool",
        "Prometheus is missing; make test gets it from apt's archive where it can",
    ),
    "redis": ("redis-server", "redis-server is missing; make test installs it where it can"),
    "toxiproxy": (
        str(ROOT / ".tools" / "toxiproxy-server"),
        "Toxiproxy is missing; make test builds it where there is Go",
    ),
}


WITH_PROCESSES = tuple(
    f"tests/{name}/" for name in ("bench", "cli", "e2e", "infra", "sim/live", "store/redis")
)
"""Tests of real processes: one after the other, so that they do not take one another's time, and
modules that share a cluster go on sharing it."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--store",
        choices=("memory", "redis"),
        help="what the regions of tests/e2e are: one process each, or two nodes on a redis-server; "
        "unless told, the first, and the tests of the HTTP API run against both",
    )


class _Together(LoadScopeScheduling):
    """Deals tests out to the cores one by one, but those of processes all to the same one.

    xdist's groups do the same by marks, but write them where pytest 9.2 no longer reads them.
    """

    def _split_scope(self, nodeid: str) -> str:
        return "processes" if nodeid.startswith(WITH_PROCESSES) else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    return _Together(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a tool that is not here, and say so."""
    for marker, (command, why) in TOOLS.items():
        if tool(command) is None:
            for item in items:
                if marker in item.keywords:
                    item.add_marker(pytest.mark.skip(reason=why))


def _is_local(address: object) -> bool:
    if not isinstance(address, tuple):
        return True  # a Unix socket
    if address[0] == "localhost":
        return True
    try:
        return ipaddress.ip_address(address[0]).is_loopback
    except ValueError:
        return False


@pytest.fixture(autouse=True)
def only_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that connects to anything but this machine fails there and then."""
    for name in ("connect", "connect_ex"):
        real = getattr(socket.socket, name)

        def guarded(self: socket.socket, address: object, real: Any = real) -> Any:
            if not _is_local(address):
                raise AssertionError(f"a test tried to reach {address}")
            return real(self, address)

        monkeypatch.setattr(socket.socket, name, guarded)


@pytest.fixture
def free_ports() -> Callable[[int], list[int]]:
    """`free_ports(3)`: so many different ports of 127.0.0.1 that nobody listens on just now."""
    return ports.free_ports
