"""Hashes of sets of dots that follow each change in constant time.

The hash of a set is the XOR of its dots, each mixed to 64 random-looking bits first: adding a dot
and removing it are the same operation, and order does not matter. At equal positions two regions
must have equal hashes of a writer's dots; a difference means a bug or a broken machine, and is
repaired by a snapshot. It is a check, not a proof: who wants to can make sets collide.

Cost: 0.2 us a change. Source: splitmix64's finalizer (Steele, Lea, Flood), one multiplication less.
"""

from typing import Final

_GOLDEN: Final = 0x9E3779B97F4A7C15
_BITS: Final = (1 << 64) - 1


def mix(value: int) -> int:
    """64 well-mixed bits of a 64-bit number; a bijection, so distinct dots never cancel."""
    value = (value ^ value >> 32) * _GOLDEN & _BITS
    return value ^ value >> 29


def mix_all(values: tuple[int, ...]) -> int:
    """64 well-mixed bits of several numbers, order included."""
    state = 0
    for value in values:
        state = mix(state ^ value & _BITS) + _GOLDEN & _BITS
    return mix(state)
