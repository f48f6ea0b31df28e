"""Households with devices: who watches, as a video service would see them; the same in every run.

About 1.7 sessions an account. Devices carry a UUID, a kind and a name; most names are shared by
many ("Living room TV", "Anna's iPhone"), one in twenty is its owner's own invention.
"""

from collections.abc import Iterator
from random import Random
from typing import Final, NamedTuple

from crdt.dots import RegionId
from crdt.events import Device, Plan
from crdt.hlc import hlc_at
from georeg.region.election import StaticElection
from georeg.region.model import StartRequest

NAMES: Final = {RegionId(1): "us", RegionId(2): "eu", RegionId(3): "ap"}
"""The cluster of all benchmarks; what is measured is region 1."""
HERE: Final = RegionId(1)
EPOCH_MS: Final = 1_767_268_800_000
"""Wall clock at which regions without a clock of their own begin."""

_ROOMS: Final = ("Living room", "Bedroom", "Kitchen", "Kids room", "Office", "Cabin", "Den")
_PEOPLE: Final = (
    "Anna", "Ben", "Carla", "David", "Emma", "Felix", "Grace", "Hugo", "Ines", "Jonas", "Karin",
    "Leon", "Maria", "Noah", "Olga", "Paul", "Rosa", "Sam", "Tina", "Uwe", "Vera", "Will", "Yara",
)  # fmt: skip
_KINDS: Final = {
    "tv": ("TV", "Smart TV", "Projector"),
    "phone": ("iPhone", "Galaxy S24", "Pixel 9", "phone"),
    "tablet": ("iPad", "iPad mini", "Galaxy Tab"),
    "web": ("MacBook", "laptop", "Chrome"),
    "console": ("PlayStation 5", "Xbox"),
}
_SIZES: Final = (1, 2, 3, 4)
_SIZE_WEIGHTS: Final = (50, 35, 10, 5)
_PLANS: Final = {
    1: Plan("basic", 1, 0), 2: Plan("standard", 2, 0),
    3: Plan("premium", 4, 0), 4: Plan("premium", 4, 0),
}  # fmt: skip


class Watcher(NamedTuple):
    """One device of one household that starts a stream."""

    account: str
    device: Device
    plan: Plan

    def request(self, issued_ms: int = EPOCH_MS) -> StartRequest:
        """Its start, under an entitlement of that time."""
        issued = hlc_at(issued_ms)
        return StartRequest(self.account, self.device, plan=self.plan, plan_issued=issued)


def watchers(seed: int = 1) -> Iterator[Watcher]:
    """Devices without end, household by household."""
    random = Random(seed)
    number = seed * 10_000_000
    while True:
        number += 1
        size = random.choices(_SIZES, _SIZE_WEIGHTS)[0]
        for _ in range(size):
            yield Watcher(f"acc-{number}", _device(random), _PLANS[size])


def accounts_at(home: RegionId | None, prefix: str) -> Iterator[str]:
    """Names of accounts without end whose home is this region; None: any other region."""
    election = StaticElection(NAMES)
    number = 0
    while True:
        number += 1
        account = f"{prefix}-{number}"
        at = election.home(account, 0)
        if at == home or (home is None and at != HERE):
            yield account


def _device(random: Random) -> Device:
    kind = random.choice(tuple(_KINDS))
    model = random.choice(_KINDS[kind])
    if random.random() < 0.05:
        name = f"{random.choice(_PEOPLE)}'s {model} no. {random.randrange(1000, 100_000)}"
    elif kind == "tv":
        name = f"{random.choice(_ROOMS)} {model}"
    else:
        name = f"{random.choice(_PEOPLE)}'s {model}"
    text = f"{random.getrandbits(128):032x}"
    return Device("-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:])), name, kind)
