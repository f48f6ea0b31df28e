"""Which part of a region speaks on a connection: the path that is dialled says it.

A region of many nodes is run as `count` slices (docs/nodes.md): slice `number` is the accounts
whose shard is `number` modulo `count`. Each slice of a region talks to the same slice of the
others, on connections of its own, at `/mesh/NUMBER-of-COUNT`. A region in one piece talks at
`/mesh`, as it always did. All regions of a cluster have the same count; one that has another is
told so.

Invariant: the proof signs the slice (handshake.py), so a connection that is led astray inside of a
region proves nothing.
"""

import re
from dataclasses import dataclass
from typing import Final

from crdt.dots import SHARDS, shard_of, shard_of_dot
from georeg.mesh.errors import LocalError

PATH: Final = "/mesh"
"""Where a region listens for its peers."""
_NAMED: Final = re.compile(rf"{PATH}/(0|[1-9][0-9]?)-of-([1-9][0-9]?)")


@dataclass(frozen=True, slots=True)
class Slice:
    """One slice. Raises LocalError for one that cannot be."""

    number: int = 0
    count: int = 1

    def __post_init__(self) -> None:
        if not 0 < self.count <= SHARDS or SHARDS % self.count or not 0 <= self.number < self.count:
            raise LocalError(
                f"slice {self.number} of {self.count}: expected 1, 2, 4 .. {SHARDS} slices, from 0"
            )

    def __str__(self) -> str:
        return f"{self.number}-of-{self.count}"

    @property
    def path(self) -> str:
        """Where it is dialled."""
        return PATH if self.count == 1 else f"{PATH}/{self}"

    @property
    def signed(self) -> bytes:
        """What the proof signs of it; nothing for a region in one piece, as ever."""
        return b"" if self.count == 1 else b" %d of %d" % (self.number, self.count)


WHOLE: Final = Slice()
"""A region in one piece."""


def slice_at(path: str) -> Slice | None:
    """The slice that is dialled at a path; None: there is none."""
    if path == PATH:
        return WHOLE
    found = _NAMED.fullmatch(path)
    try:
        return None if found is None else Slice(int(found.group(1)), int(found.group(2)))
    except LocalError:
        return None


def slice_of_account(account: str, count: int) -> int:
    """In which of so many slices an account is."""
    return shard_of(account) % count


def slice_of_session(session: int, count: int) -> int:
    """In which of so many slices the account of a session is: ids of sessions name their shard."""
    return shard_of_dot(session) % count
