"""Dots: the 64-bit ids of events, and the shards that accounts fall into.

A dot is `region 8 bits | incarnation 20 bits | sequence 36 bits`. The sequence is
`position in the shard's log << 6 | shard`, so that a dot is unique in its region, names its shard,
and positions of one shard's log are 1, 2, 3, ... without a gap. The id of a session is its first
dot. 2**30 positions a shard last 19 days at 40,000 events a second in one region; then the region
begins a new incarnation.
"""

from typing import Final, NewType
from zlib import crc32

from crdt.errors import LocalError

RegionId = NewType("RegionId", int)
"""Number of a region in its cluster, 1 to 255; 0 is nobody."""
Dot = NewType("Dot", int)
SessionId = NewType("SessionId", int)
"""A session's first dot."""

SHARD_BITS: Final = 6
SHARDS: Final = 1 << SHARD_BITS
"""Shards of a cluster: fixed for all its regions, since contexts and logs are kept per shard."""

POSITION_BITS: Final = 30
SEQUENCE_BITS: Final = SHARD_BITS + POSITION_BITS
INCARNATION_BITS: Final = 20
INCARNATION_MAX: Final = (1 << INCARNATION_BITS) - 1
POSITION_MAX: Final = (1 << POSITION_BITS) - 1
REGION_MAX: Final = 255
DOT_MAX: Final = (1 << 64) - 1

_SEQUENCE_MASK: Final = (1 << SEQUENCE_BITS) - 1
_SHARD_MASK: Final = SHARDS - 1


def shard_of(account: str) -> int:
    """The shard of an account, 0 to 63: the same in every region and process."""
    return crc32(account.encode()) & _SHARD_MASK


def shard_of_key(key: int) -> int:
    """The shard of an account, by the CRC-32 of its UTF-8."""
    return key & _SHARD_MASK


def dot_at(region: int, incarnation: int, shard: int, position: int) -> Dot:
    """The dot of one event. Raises LocalError when a part is out of range."""
    if not (
        0 < region <= REGION_MAX
        and 0 < incarnation <= INCARNATION_MAX
        and 0 <= shard < SHARDS
        and 0 < position <= POSITION_MAX
    ):
        raise LocalError(f"no dot for region {region}, {incarnation=}, {shard=}, {position=}")
    return pack(region, incarnation, position << SHARD_BITS | shard)


def pack(region: int, incarnation: int, sequence: int) -> Dot:
    """Join the three parts of a dot; the parts are trusted."""
    return Dot(region << 56 | incarnation << SEQUENCE_BITS | sequence)


def region_of(dot: int) -> RegionId:
    """The region that minted the dot."""
    return RegionId(dot >> 56)


def incarnation_of(dot: int) -> int:
    """The incarnation of its region that minted the dot."""
    return dot >> SEQUENCE_BITS & INCARNATION_MAX


def sequence_of(dot: int) -> int:
    """The dot's sequence: position and shard together."""
    return dot & _SEQUENCE_MASK


def shard_of_dot(dot: int) -> int:
    """The shard in whose log the dot stands."""
    return dot & _SHARD_MASK


def position_of(dot: int) -> int:
    """The dot's position in its region's log of its shard, from 1."""
    return (dot & _SEQUENCE_MASK) >> SHARD_BITS
