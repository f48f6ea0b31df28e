"""Demos and free ports for the tests of the command line."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from georeg.cli.demo.plan import OPS_PORT_OFFSET
from tests.cli.processes import Demo


@pytest.fixture
def consecutive_ports(free_ports: Callable[[int], list[int]]) -> Callable[[int], int]:
    """`consecutive_ports(3)`: the first of so many free ports in a row, for a demo's edges; those
    of its operators' APIs are free as well.
    """

    def find(count: int) -> int:
        while True:
            (first,) = free_ports(1)
            try:
                for port in range(first, first + count):
                    for other in (port, port + OPS_PORT_OFFSET):
                        socket.create_server(("127.0.0.1", other)).close()
            except (OSError, OverflowError):
                continue
            return first

    return find


@pytest.fixture
def run_demo(
    tmp_path: Path, consecutive_ports: Callable[[int], int]
) -> Iterator[Callable[..., tuple[Demo, int]]]:
    """`run_demo("--restart")`: a demo of three regions and the port of its first edge."""
    demos: list[Demo] = []

    def run(*arguments: str) -> tuple[Demo, int]:
        port = consecutive_ports(4)
        demo = Demo(tmp_path, port, *arguments)
        demos.append(demo)
        return demo, port

    yield run
    for demo in demos:
        demo.end()
