"""Faults as values: what goes wrong, where, when and for how long.

A fault is one of the closed list of `KINDS`; `links` are ordered pairs. How each acts on the
simulated world is in `world/nemesis.py`, on real processes in `live/nemesis.py`.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import permutations, product
from typing import Final

from region_sim.plan.errors import PlanError

Links = tuple[tuple[str, str], ...]


class FaultKind(StrEnum):
    """The faults that there are."""

    CUT = "cut"
    LAG = "lag"
    LOSS = "loss"
    NARROW = "narrow"
    STALL = "stall"
    JUMBLE = "jumble"
    LATE = "late"
    LINE = "line"
    KILL = "kill"
    PAUSE = "pause"
    DRIFT = "drift"
    JUMP = "jump"
    DISK = "disk"
    DRAIN = "drain"
    UPGRADE = "upgrade"
    LEAVE = "leave"
    LOCKS = "locks"
    NODE = "node"
    STORE = "store"


@dataclass(frozen=True, slots=True)
class KindDoc:
    """What a kind of fault means and how it is written."""

    about: str
    on_links: bool
    ways: tuple[str, ...] = ("",)
    """What `how` may be; the first is the default."""
    amount: str = ""
    """What `amount` means, with its unit; empty: it has none."""
    default: float = 0.0
    low: float = 0.0
    high: float = 0.0
    is_live: bool = False
    """Whether live mode has it too."""


NODES_MAX: Final = 8
"""Of each region."""
KINDS: Final[dict[FaultKind, KindDoc]] = {
    FaultKind.CUT: KindDoc(
        "a partition: nothing passes; drop: in silence, reject: with a reset",
        on_links=True,
        ways=("drop", "reject"),
        is_live=True,
    ),
    FaultKind.LAG: KindDoc(
        "every byte takes longer", True, amount="seconds more", default=0.2, low=0.001, high=30,
        is_live=True,
    ),
    FaultKind.LOSS: KindDoc(
        "segments are lost and sent again by TCP, which holds up all that follow them",
        True, amount="share of segments", default=0.1, low=0.001, high=0.9,
    ),
    FaultKind.NARROW: KindDoc(
        "little bandwidth: what is sent together waits for one another",
        True, amount="bytes a second", default=20_000, low=100, high=1e9, is_live=True,
    ),
    FaultKind.STALL: KindDoc(
        "everything is held back, then arrives at once", on_links=True, is_live=True
    ),
    FaultKind.JUMBLE: KindDoc(
        "messages between regions arrive twice or overtake one another, as when a link breaks "
        "again and again", True, amount="share of messages", default=0.2, low=0.001, high=0.9,
    ),
    FaultKind.LATE: KindDoc(
        "each message between regions comes late, by its own time: what a broken link held comes "
        "over the next one", True, amount="seconds at most", default=2, low=0.001, high=5,
    ),
    FaultKind.LINE: KindDoc(
        "the lines of devices near a region to it: requests and answers are lost",
        on_links=False, ways=("drop", "reject"),
    ),
    FaultKind.KILL: KindDoc(
        "the region's process dies and starts again at the end; power: its host too, so that "
        "nobody is told; wipe: its disk is lost as well; corrupt: its disk is damaged",
        on_links=False, ways=("crash", "power", "wipe", "corrupt"), is_live=True,
    ),
    FaultKind.PAUSE: KindDoc(
        "the process stands still (SIGSTOP) and goes on as if nothing had been",
        on_links=False, is_live=True,
    ),
    FaultKind.DRIFT: KindDoc(
        "the region's clocks run fast or slow", False, amount="rate error, 0.02 is 2 % fast",
        default=0.02, low=-0.02, high=0.02,
    ),
    FaultKind.JUMP: KindDoc(
        "the region's wall clock jumps, and back at the end", False, amount="seconds",
        default=30, low=-86_400, high=86_400,
    ),
    FaultKind.DISK: KindDoc(
        "slow: each sync of the disk takes `amount`; full: the disk refuses every write",
        on_links=False, ways=("slow", "full"), amount="seconds a sync", default=1.0, low=0.001,
        high=60,
    ),
    FaultKind.DRAIN: KindDoc(
        "an operator drains the region; stop: it is stopped in order and starts again at the end; "
        "operator: it goes on and is undrained at the end; expire: the drain was for half of the "
        "time and ends by itself (live mode only has stop)",
        on_links=False, ways=("stop", "operator", "expire"), is_live=True,
    ),
    FaultKind.UPGRADE: KindDoc(
        "the region is drained, stopped in order and started again at the end with another "
        "release; new: it speaks the newest protocol, old: only the oldest",
        on_links=False, ways=("new", "old"),
    ),
    FaultKind.LEAVE: KindDoc(
        "the cluster shrinks, and grows again at the end: the region is drained, stopped and taken "
        "out of the other regions' configs, one after another; then back in, with an empty disk",
        on_links=False,
    ),
    FaultKind.LOCKS: KindDoc(
        "the region's line to the lock service is cut, which a fenced election asks; drop: in "
        "silence, reject: refused at once",
        on_links=False, ways=("drop", "reject"),
    ),
    FaultKind.NODE: KindDoc(
        "one node of a region of many; kill: it dies and starts again at the end; pause: it stands "
        "still and goes on; stop: it is stopped in order and starts again; cut: it does not reach "
        "the region's Redis",
        on_links=False, ways=("kill", "pause", "stop", "cut"), amount="its number", default=1,
        low=1, high=NODES_MAX,
    ),
    FaultKind.STORE: KindDoc(
        "the Redis of a region of many nodes; down: it refuses connections; hang: it does not "
        "answer; failover: down, then a replica that lacks the last 0.3 s; lost: down, then empty",
        on_links=False, ways=("down", "hang", "failover", "lost"),
    ),
}  # fmt: skip
INSIDE_REGIONS: Final = frozenset({FaultKind.NODE, FaultKind.STORE})
"""Only in regions of many nodes."""
OF_NODES: Final = INSIDE_REGIONS | {
    FaultKind.CUT, FaultKind.LAG, FaultKind.LOSS, FaultKind.NARROW, FaultKind.STALL, FaultKind.LINE,
}  # fmt: skip
"""What regions of many nodes may meet."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a run."""

    kind: FaultKind
    at_s: float
    """When it begins, in seconds since the run began."""
    for_s: float
    regions: tuple[str, ...] = ()
    links: Links = ()
    how: str = ""
    amount: float = 0.0

    @property
    def end_s(self) -> float:
        """When it is over."""
        return self.at_s + self.for_s

    def describe(self) -> str:
        """One line for people."""
        where = ",".join(self.regions) or links_text(self.links)
        how = f" {self.how}" if self.how else ""
        amount = f" {self.amount:g}" if KINDS[self.kind].amount and self.how != "full" else ""
        return f"{self.kind.value}{how} {where}{amount} at {self.at_s:.3f} s for {self.for_s:.3f} s"


def check_fault(fault: Fault, regions: Sequence[str]) -> Fault:
    """The fault with its defaults filled in. Raises PlanError."""
    doc, name = KINDS[fault.kind], fault.kind.value
    how = fault.how or doc.ways[0]
    if how not in doc.ways:
        raise PlanError(f"fault {name}: how = {how!r} is none of {', '.join(doc.ways)}")
    if fault.at_s < 0 or fault.for_s <= 0:
        raise PlanError(f"fault {name}: at_s must be 0 or more and for_s more than 0")
    if doc.on_links and not fault.links:
        raise PlanError(f'fault {name}: links are missing; write links = ["us|eu,ap"] or "us>eu"')
    if not doc.on_links and not fault.regions:
        raise PlanError(f'fault {name}: regions are missing; write regions = ["{regions[0]}"]')
    for region in {*fault.regions, *(end for link in fault.links for end in link)}:
        if region not in regions:
            raise PlanError(f"fault {name}: no region {region!r}; there are {', '.join(regions)}")
    amount = fault.amount or doc.default
    if doc.amount and not doc.low <= amount <= doc.high:
        raise PlanError(
            f"fault {name}: amount = {amount:g} ({doc.amount}) is not in {doc.low:g} to "
            f"{doc.high:g}"
        )
    links = tuple(sorted(set(fault.links)))  # in one order, so that their text says it all
    return Fault(fault.kind, fault.at_s, fault.for_s, fault.regions, links, how, amount)


def parse_links(text: str, regions: Sequence[str]) -> Links:
    """`us|eu,ap` or `us-eu` (all links between two sides), `us>eu,ap` (one way), `us` (all links of
    a region), `*` (all), or several of these with `;` between them. Raises PlanError."""
    links: set[tuple[str, str]] = set()
    for part in text.split(";"):
        if part == "*":
            links.update(permutations(regions, 2))
            continue
        left, right, is_both = _sides(part, regions)
        for name in (*left, *right):
            if name not in regions:
                raise PlanError(
                    f"links {text!r}: no region {name!r}; there are {', '.join(regions)}. Write "
                    "us|eu,ap, us-eu, us>eu, us or *"
                )
        if set(left) & set(right):
            raise PlanError(f"links {text!r}: a region stands on both sides")
        links.update(product(left, right))
        links.update(product(right, left) if is_both else ())
    return tuple(sorted(links))


def links_text(links: Links, regions: Sequence[str] = ()) -> str:
    """Links as `parse_links` reads them, in few words. `regions`: all that there are, so that all
    links between them can be written as `*`."""
    left = set(links)
    if links and left == set(permutations(regions, 2)):
        return "*"
    cuts: dict[str, tuple[str, ...]] = {}
    while both := [(a, b) for a, b in sorted(left) if (b, a) in left]:
        # The region with the most links first: `us|ap,eu` instead of `ap|us;eu|us`.
        hub, _ = Counter(a for a, _ in both).most_common(1)[0]
        cuts[hub] = tuple(b for a, b in both if a == hub)
        left -= {pair for end in cuts[hub] for pair in ((hub, end), (end, hub))}
    ways = {a: tuple(b for source, b in sorted(left) if source == a) for a, _ in sorted(left)}
    return ";".join([*_merged(cuts, "|"), *_merged(ways, ">")])


def _merged(targets: dict[str, tuple[str, ...]], sign: str) -> list[str]:
    """One text for all sources that have the same targets."""
    sources: dict[tuple[str, ...], list[str]] = {}
    for source, of_source in targets.items():
        sources.setdefault(of_source, []).append(source)
    return [f"{','.join(of)}{sign}{','.join(to)}" for to, of in sources.items()]


def _sides(text: str, regions: Sequence[str]) -> tuple[list[str], list[str], bool]:
    """The two sides, and whether both ways are meant."""
    text = text.strip()
    if text in regions:
        return [text], [region for region in regions if region != text], True
    for sign in (">", "|"):
        if sign in text:
            left, _, right = text.partition(sign)
            return _names(left), _names(right), sign == "|"
    splits = [(_names(text[:at]), _names(text[at + 1 :])) for at, c in enumerate(text) if c == "-"]
    for sides in splits:  # a name may have a dash too
        if {*sides[0], *sides[1]} <= set(regions):
            return *sides, True
    return *(splits[0] if splits else ([text], [])), True


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]
