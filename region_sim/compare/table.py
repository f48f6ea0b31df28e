"""The comparison as a table for a terminal, and as JSON."""

from typing import Any

from region_sim.compare.figures import FIGURES
from region_sim.compare.runs import Comparison


def heading(comparison: Comparison) -> str:
    """What was compared, in one line."""
    scenario, seeds = comparison.scenario, comparison.seeds
    span = f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {seeds[0]}..{seeds[-1]}"
    return (
        f"{scenario.name}: {span}, {scenario.households} households in "
        f"{len(scenario.regions)} regions, {scenario.duration_s:g} s each"
    )


def text(comparison: Comparison) -> str:
    """One row per figure, one column per system."""
    rows = [["", *comparison.tallies]]
    for figure in FIGURES:
        name = f"{figure.name}, {figure.unit}" if figure.unit else figure.name
        rows.append([name, *map(figure.text, comparison.tallies.values())])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return "\n".join([heading(comparison), "", *lines, ""])


def document(comparison: Comparison) -> dict[str, Any]:
    """The same for machines, with what each figure means."""
    return {
        "scenario": comparison.scenario.name,
        "seeds": list(comparison.seeds),
        "households": comparison.scenario.households,
        "duration_s": comparison.scenario.duration_s,
        "figures": {f.key: f"{f.name} ({f.unit or 'count'}): {f.about}" for f in FIGURES},
        "systems": {
            system: {figure.key: round(figure.of(tally), 6) for figure in FIGURES}
            for system, tally in comparison.tallies.items()
        },
    }
