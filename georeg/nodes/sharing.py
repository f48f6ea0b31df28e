"""Who should run which slice: the same answer in every node that knows the same nodes.

Rendezvous hashing (Thaler, Ravishankar, 1998): each slice ranks all nodes by a hash of both, and
takes the first; so a node that comes or goes moves only what it gets or had. With few slices that
alone deals them out badly, so none takes more than its share rounded up: then the next in the rank
has it (Mirrokni, Thorup, Zadimoghaddam, "Consistent hashing with bounded loads", 2016).

Invariant: with as many slices as nodes or more, none is idle but for rounding; nobody's share
differs from another's by more than that. This is a wish, no right: who may decide for a slice is
who holds its lock.
"""

from collections import Counter
from collections.abc import Collection
from hashlib import blake2b


def shares(slices: int, nodes: Collection[str]) -> dict[int, str]:
    """Slice -> the node that should run it; empty without nodes."""
    if not nodes:
        return {}
    most = -(-slices // len(nodes))
    names, load, shared = sorted(nodes), Counter[str](), dict[int, str]()
    for number in range(slices):
        ranked = sorted(names, key=lambda name: (_weight(number, name), name), reverse=True)
        shared[number] = next(name for name in ranked if load[name] < most)
        load[shared[number]] += 1
    return shared


def _weight(number: int, name: str) -> bytes:
    return blake2b(name.encode(), digest_size=8, salt=number.to_bytes(2, "big")).digest()
