"""How far regions are apart: real inter-region round trips, and simple worlds.

`aws` holds average round trips between AWS regions in milliseconds, as tabulated in 2017 under
"Latency Between AWS Global Regions":
https://acomputerscientistlearnsaws.blogspot.com/2017/04/aws-regions.html
The two directions were measured apart and differ a little. What matters here is their shape:
neighbours at 10 to 75 ms are within the decision deadline of a start, oceans at 80 to 330 ms are
not.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from region_sim.plan.errors import PlanError
from region_sim.plan.faults import parse_links

_AWS_NAMES: Final = (
    "us-east", "us-west-1", "us-west-2", "ireland", "frankfurt",
    "tokyo", "seoul", "singapore", "sydney",
)  # fmt: skip
_AWS_ROUND_TRIP_MS: Final = (
    (0, 72.74, 86.98, 80.55, 88.66, 145.3, 178.4, 216.7, 230),
    (71.63, 0, 19.46, 153.2, 166.6, 102.5, 131.5, 174, 157.5),
    (88.68, 19.2, 0, 137, 159.5, 89.1, 118.3, 161.4, 162.2),
    (80.52, 153.2, 137, 0, 19.56, 212.4, 242.4, 239, 309.6),
    (88.62, 166.6, 159.5, 19.55, 0, 236.5, 266.2, 325.9, 323.5),
    (145.3, 102.5, 89.16, 212.4, 236.6, 0, 31.44, 73.79, 103.9),
    (176.6, 132.6, 118.2, 242.4, 265.3, 31.32, 0, 71.87, 134),
    (216.7, 173.9, 161.4, 238.1, 325.9, 73.81, 71.29, 0, 175.3),
    (229.7, 157.8, 161.9, 309.6, 323.2, 103.9, 134, 175.4, 0),
)
ALIASES: Final = {"us": "us-east", "eu": "ireland", "ap": "singapore", "de": "frankfurt",
                  "jp": "tokyo", "kr": "seoul", "au": "sydney", "uw": "us-west-2"}  # fmt: skip
"""Short names of regions in scenarios."""
UNIFORM_MS: Final = {"metro": 3.0, "near": 14.0, "far": 60.0, "ocean": 180.0}
"""Worlds in which every round trip is the same."""
WORLDS: Final = ("aws", *UNIFORM_MS)


def one_way_us(
    world: str, regions: Sequence[str], round_trip_ms: Mapping[str, float] | None = None
) -> Mapping[tuple[str, str], int]:
    """Usual one-way latency of every ordered pair, half a round trip. Raises PlanError.

    `round_trip_ms`: links, written as those of faults, that differ from the world's.
    """
    given = {
        pair: round(millis * 500)
        for links, millis in (round_trip_ms or {}).items()
        for pair in parse_links(links, regions)
    }
    return {**_of_world(world, regions), **given}


def _of_world(world: str, regions: Sequence[str]) -> Mapping[tuple[str, str], int]:
    pairs = [(a, b) for a in regions for b in regions if a != b]
    if world in UNIFORM_MS:
        return {pair: round(UNIFORM_MS[world] * 500) for pair in pairs}
    if world != "aws":
        raise PlanError(f"no world {world!r}; there are {', '.join(WORLDS)}")
    names = {region: ALIASES.get(region, region) for region in regions}
    for region, name in names.items():
        if name not in _AWS_NAMES:
            known = ", ".join([*sorted(ALIASES), *_AWS_NAMES])
            raise PlanError(f"world aws has no region {region!r}; there are {known}")
    index = {region: _AWS_NAMES.index(name) for region, name in names.items()}
    return {(a, b): round(_AWS_ROUND_TRIP_MS[index[a]][index[b]] * 500) for a, b in pairs}
