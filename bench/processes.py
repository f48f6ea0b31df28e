"""Child processes of a benchmark: started pinned, ready when they say so, ended by their pid.

A server prints `ready PORT` when it listens, and ends when its standard input does; so none
outlives the harness, however that ends.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from bench.machine import LOAD_CPU, ROOT, can_pin
from georeg.cli.demo.ports import free_ports

_START_S = 20.0
_STOP_S = 5.0


class Missing(Exception):
    """A program that is not installed; the message says which."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server that listens."""

    pid: int
    port: int


def spawn(module: str, *arguments: str) -> subprocess.Popen[str]:
    """A Python module of the benchmarks as a process, with pipes to talk to it."""
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONHASHSEED": "0"},
    )


@contextmanager
def serving(module: str, *arguments: str) -> Iterator[Server]:
    """Run a server until the block ends. It pins itself."""
    process = spawn(module, *arguments)
    try:
        assert process.stdout is not None
        word, _, port = process.stdout.readline().partition(" ")
        if word != "ready":
            raise RuntimeError(f"{module} {' '.join(arguments)} did not start")
        yield Server(process.pid, int(port))
    finally:
        end(process)


@contextmanager
def redis_serving(*options: str) -> Iterator[Server]:
    """A redis-server without persistence, on the core of the load generator. Raises Missing."""
    program = shutil.which("redis-server")
    if program is None:
        raise Missing("redis-server is missing; make tools installs it where it can")
    port = free_ports(1)[0]
    memory_only = ("--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no")
    process = subprocess.Popen([program, *memory_only, *options], stdout=subprocess.DEVNULL)
    try:
        if can_pin():
            os.sched_setaffinity(process.pid, {LOAD_CPU})
        _await_port(port)
        yield Server(process.pid, port)
    finally:
        end(process)



def end(process: "subprocess.Popen[str] | subprocess.Popen[bytes]") -> None:
    """Ask it to go, then make it."""
    if process.stdin is not None:
        process.stdin.close()
    else:
        process.terminate()
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def output_of(module: str, arguments: Sequence[str]) -> str:
    """What a module prints until it is done; its standard error goes through."""
    process = spawn(module, *arguments)
    try:
        assert process.stdout is not None
        text = process.stdout.read()
        if process.wait() != 0:
            raise RuntimeError(f"{module} {' '.join(arguments)} failed: see above")
        return text
    finally:
        end(process)


def _await_port(port: int) -> None:
    until_s = time.monotonic() + _START_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > until_s:
                raise
            time.sleep(0.02)
        else:
            return
