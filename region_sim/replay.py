"""Runs a seed again, in another process, and finds where two runs part.

A run must depend on its scenario, its seed and the versions of the code, and on nothing else. So
the second run is made as unlike the first as it can be: a fresh interpreter, another hash seed,
other addresses in memory. Equal fingerprints end the matter at the price of two runs. Unequal ones
are followed up with traces of both, which are long and therefore lie in files.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from region_sim import run as runner
from region_sim.kernel.trace import first_difference
from region_sim.plan.scenario import Scenario

_HASH_SEEDS: Final = ("4242", "17")
"""The second process gets the first of these that is not this process's own."""
_GONE: Final = (
    "the fingerprints differed, but not again when traces were kept: what makes the difference "
    "comes and goes"
)


class ReplayError(Exception):
    """The second run could not be made, or left nothing to compare."""


@dataclass(frozen=True, slots=True)
class Replay:
    """Two runs of one seed, compared."""

    one: str
    """Fingerprint of the run in this process."""
    other: str
    """Fingerprint of what it is compared with; empty: a trace, which has none."""
    steps: int
    difference: str | None
    """Where they part, in words; None: they are the same."""


def replay(scenario: Scenario, seed: int, flags: Sequence[str]) -> Replay:
    """Run it here and in another process. `flags`: those of `region-sim run` that make the
    scenario. Raises ReplayError, SimulatorError."""
    done = runner.run(scenario, seed)
    one, steps, other = done.digest, done.trace.steps, run_elsewhere(flags, seed)
    if one == other:
        return Replay(one, other, steps, None)
    with tempfile.TemporaryDirectory(prefix="region-sim-replay-") as directory:
        file = Path(directory) / "trace"
        run_elsewhere(flags, seed, trace=file)
        difference = against(scenario, seed, file).difference
    return Replay(one, other, steps, difference or _GONE)


def against(scenario: Scenario, seed: int, file: Path) -> Replay:
    """Compare a run with a trace that `region-sim run --trace` has written. Raises ReplayError."""
    with _events(file) as other:
        done = runner.run(scenario, seed, keep_trace=True)
        difference = first_difference(done.trace.events or [], other)
    return Replay(done.digest, "", done.trace.steps, difference)


def run_elsewhere(
    flags: Sequence[str],
    seed: int,
    *,
    trace: Path | None = None,
    environment: dict[str, str] | None = None,
) -> str:
    """Run a seed in a fresh process; its fingerprint. Raises ReplayError."""
    command = [sys.executable, "-m", "region_sim", "run", *flags, "--seed", str(seed)]
    command += ["--json", "--quiet"] + (["--trace", str(trace)] if trace is not None else [])
    variables = os.environ | {"PYTHONHASHSEED": _other_hash_seed(), "PYTHONPATH": _python_path()}
    done = subprocess.run(  # noqa: S603 - our own command, and no shell
        command,
        capture_output=True,
        text=True,
        check=False,
        env=variables | (environment or {}),
    )
    try:
        return str(json.loads(done.stdout)["digest"])
    except (ValueError, KeyError, TypeError):
        last = "\n".join(done.stderr.splitlines()[-5:])
        raise ReplayError(f"the second run ended with {done.returncode}: {last}") from None


@contextmanager
def _events(file: Path) -> Iterator[Iterator[str]]:
    try:
        with file.open(encoding="utf-8") as lines:
            yield (line.rstrip("\n") for line in lines)
    except (OSError, UnicodeDecodeError) as error:
        raise ReplayError(f"{file} cannot be read: {error}") from None


def _other_hash_seed() -> str:
    own = os.environ.get("PYTHONHASHSEED", "")
    return next(seed for seed in _HASH_SEEDS if seed != own)


def _python_path() -> str:
    """Where this process has its modules from, so that the other one runs the same code."""
    return os.pathsep.join([str(Path(__file__).resolve().parent.parent), *filter(None, sys.path)])
