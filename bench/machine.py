"""The machine as the report names it, and the process as the benchmarks weigh and pin it."""

import gc
import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

SERVER_CPU: Final = 0
LOAD_CPU: Final = 1
ROOT: Final = Path(__file__).resolve().parent.parent
_PACKAGES: Final = ("aiohttp", "uvloop", "msgpack", "redis", "hiredis")


def facts() -> dict[str, Any]:
    """Processor, memory, system, interpreter."""
    cpu = _field(Path("/proc/cpuinfo"), "model name") or platform.processor() or platform.machine()
    memory = _field(Path("/proc/meminfo"), "MemTotal")
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "memory": memory,
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "pinned": can_pin(),
    }


def versions() -> dict[str, str]:
    """Of the packages and programs that the figures rest on."""
    found = {name: version(name) for name in _PACKAGES}
    try:
        said = subprocess.run(["redis-server", "--version"], capture_output=True, text=True)
        found["redis-server"] = next(w[2:] for w in said.stdout.split() if w.startswith("v="))
    except (OSError, StopIteration):
        found["redis-server"] = "missing"
    return found


def commit() -> str:
    """The commit of the working tree, marked when it has changes; empty outside git."""
    try:
        said = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            cwd=ROOT, capture_output=True, text=True,
        )  # fmt: skip
    except OSError:
        return ""
    return said.stdout.strip()


def can_pin() -> bool:
    """Whether servers and load get a core each."""
    return hasattr(os, "sched_setaffinity") and {SERVER_CPU, LOAD_CPU} <= os.sched_getaffinity(0)


def pin(cpu: int) -> None:
    """Keep this process on one core, where there are two or more."""
    if can_pin():
        os.sched_setaffinity(0, {cpu})


def load_average() -> float:
    """Of the last minute: how noisy it was."""
    return os.getloadavg()[0]


def cpu_s(pid: int) -> float:
    """CPU seconds that a process has used, all its threads, user and system."""
    try:
        threads = list(Path(f"/proc/{pid}/task").glob("*/schedstat"))
        return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9
    except OSError:
        return _ticked_cpu_s(pid)


def _ticked_cpu_s(pid: int) -> float:
    """The same where the kernel counts it in hundredths of a second only."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_bytes() -> int:
    """Memory that this process has now, after a full collection."""
    gc.collect()
    return resident_bytes_of(os.getpid())


def resident_bytes_of(pid: int) -> int:
    """Memory that a process has now."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _field(file: Path, name: str) -> str:
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")
