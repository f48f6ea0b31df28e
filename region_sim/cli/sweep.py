"""`region-sim sweep`: many seeds, which of them fail."""

import argparse
import itertools
import json
import os
import sys
from collections.abc import Iterable
from dataclasses import asdict
from time import monotonic
from typing import TYPE_CHECKING, Any

from region_sim.cli.exits import EPILOG, Exit
from region_sim.cli.options import add_scenario_flags, flags_text, parse_seeds, scenario_of
from region_sim.cli.show import finding_text, versions
from region_sim.oracle import coverage
from region_sim.sweep import SeedResult, Totals, sweep

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

_SHOWN = 3


def add_parser(commands: "Commands") -> None:
    """Add this command to the command line."""
    parser = commands.add_parser(
        "sweep",
        help="many seeds, which of them fail",
        description="Runs many seeds of a scenario side by side. Failing seeds are told as they "
        "come, with the command that reproduces each; the totals say in how many seeds each branch "
        "of a decision and each fault happened, and what never did.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_scenario_flags(parser, default="storm")
    parser.add_argument("--seeds", default="1..100", metavar="A..B", help="(default: 1..100)")
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, metavar="N",
        help="processes side by side (default: all cores)",
    )  # fmt: skip
    parser.add_argument("--stop", action="store_true", help="stop at the first failing seed")
    parser.add_argument(
        "--forever", action="store_true", help="go on with the seeds above until told to stop"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object at the end")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the seeds."""
    scenario = scenario_of(options)
    wanted = parse_seeds(options.seeds)
    seeds: Iterable[int] = itertools.count(wanted.start) if options.forever else wanted
    totals, began_s = Totals(), monotonic()
    results = sweep(scenario, seeds, jobs=max(1, options.jobs))
    try:
        for result in results:
            totals.add(result)
            if not options.json:
                _tell(result, flags_text(options))
            _progress(totals, None if options.forever else len(wanted), began_s)
            if result.failed and options.stop:
                break
    except KeyboardInterrupt:
        print("\nstopped; the totals are of the seeds that were done", file=sys.stderr)
    finally:
        results.close()  # type: ignore[attr-defined]  # it is a generator
    print(file=sys.stderr)
    took_s = monotonic() - began_s
    code = _exit_code(totals)
    print(json.dumps(_as_json(totals, options, took_s, code)) if options.json else _text(totals))
    print(
        f"{totals.seeds} seeds in {took_s:.0f} s, {totals.seeds / took_s * 60:.0f} a minute; "
        f"{totals.simulated_s / 3600:.1f} simulated hours, "
        f"{totals.simulated_s / max(0.001, totals.real_s):.0f} times real time on each core",
        file=sys.stderr,
    )
    return code


def _exit_code(totals: Totals) -> Exit:
    if any(result.outcome is None for result in totals.failed):
        return Exit.BUG
    if totals.failed:
        worst = min(int(result.outcome or 0) for result in totals.failed)
        return Exit(worst)
    if totals.seeds == 0 or totals.nothing == totals.seeds:
        return Exit.NOTHING_PROVED
    return Exit.HOLDS


def _tell(result: SeedResult, flags: str) -> None:
    """A failing seed, and how to see it again."""
    if not result.failed:
        return
    print(f"seed {result.seed} FAILED: {result.error or result.outcome.name.lower()}")  # type: ignore[union-attr]
    for finding in result.findings[:_SHOWN]:
        print(finding_text(finding))
    for problem in result.convergence[:_SHOWN]:
        print(f"  {problem}")
    print(f"  reproduce: region-sim run {flags} --seed {result.seed}", flush=True)


def _progress(totals: Totals, wanted: int | None, began_s: float) -> None:
    if sys.stderr.isatty():
        pace = totals.seeds / max(0.001, monotonic() - began_s) * 60
        of = f" of {wanted}" if wanted is not None else ""
        print(
            f"\r{totals.seeds}{of} seeds, {len(totals.failed)} failed, {pace:.0f} a minute ",
            end="", file=sys.stderr, flush=True,
        )  # fmt: skip


def _text(totals: Totals) -> str:
    lines = [f"in how many of {totals.seeds} seeds it happened"]
    cells = [f"{count:6} {name}" for name, count in sorted(totals.coverage.items())]
    lines += ["".join(f"{cell:<44}" for cell in cells[at : at + 2]).rstrip()
              for at in range(0, len(cells), 2)]  # fmt: skip
    never = [name for name in coverage.names() if not totals.coverage[name]]
    lines.append(f"never: {', '.join(never) or 'nothing'}")
    for (promise, rule), count in sorted(totals.rules.items()):
        lines.append(f"broken in {count} seeds: {promise} {rule}")
    failed = ", ".join(str(result.seed) for result in totals.failed)
    lines.append(
        f"failed: {len(totals.failed)} of {totals.seeds} seeds{': ' if failed else ''}{failed}"
    )
    return "\n".join(lines)


def _as_json(
    totals: Totals, options: argparse.Namespace, took_s: float, code: Exit
) -> dict[str, Any]:
    return {
        "seeds": totals.seeds,
        "failed": [
            {**asdict(result), "outcome": result.outcome.name.lower() if result.outcome else None,
             "reproduce": f"region-sim run {flags_text(options)} --seed {result.seed}"}
            for result in totals.failed
        ],
        "nothing_proved": totals.nothing,
        "rules_broken": {f"{p} {rule}": n for (p, rule), n in sorted(totals.rules.items())},
        "coverage": dict(sorted(totals.coverage.items())),
        "never": [name for name in coverage.names() if not totals.coverage[name]],
        "simulated_s": round(totals.simulated_s, 1),
        "took_s": round(took_s, 1),
        "exit_code": int(code),
        "versions": versions(),
    }  # fmt: skip
