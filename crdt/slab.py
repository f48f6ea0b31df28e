"""Short byte strings in a few big byte arrays, so that none of them is a Python object.

Each length from 1 to 64 has an array of its own in which an item takes exactly its length; longer
ones go into about forty coarser classes with two bytes of length before them. A reference is one
32-bit number: class and slot. Freed slots of a class are used again before the array grows.

Invariant: a reference is valid from the `put` that returned it to its `free`; the empty string is
reference 0 and takes no room. The caller keeps that discipline; the slab cannot check it.

Why: a million `bytes` objects of 16 bytes cost 49 MB and eight more for each list slot; here they
cost 16 MB. Cost: a slice and a copy to read, an append to write.
"""

from array import array
from bisect import bisect_left
from typing import Final

from crdt.errors import LocalError

LENGTH_MAX: Final = 4096

_SLOT_BITS: Final = 24
_SLOT_MASK: Final = (1 << _SLOT_BITS) - 1
_EXACT_MAX: Final = 64
_HEADER: Final = 2


def _strides() -> list[int]:
    """Room per slot by class: exact, then steps of at most an eighth."""
    strides = list(range(_EXACT_MAX + 1))
    while strides[-1] < LENGTH_MAX + _HEADER:
        strides.append(strides[-1] + max(8, strides[-1] // 8))
    return strides


_STRIDES: Final = _strides()
assert len(_STRIDES) < 1 << (32 - _SLOT_BITS)


class Slab:
    """Byte strings of 0 to 4096 bytes by 32-bit reference."""

    __slots__ = ("_free", "_pages")

    def __init__(self) -> None:
        self._pages: list[bytearray] = [bytearray() for _ in _STRIDES]
        self._free: dict[int, array[int]] = {}

    def put(self, data: bytes) -> int:
        """Store a string and return its reference. Raises LocalError beyond 4096 bytes."""
        kind = stride = len(data)
        if not 0 < kind <= _EXACT_MAX:
            if not data:
                return 0
            if kind > LENGTH_MAX:
                raise LocalError(f"a slab holds at most {LENGTH_MAX} bytes an item, got {kind}")
            kind = bisect_left(_STRIDES, kind + _HEADER)
            stride = _STRIDES[kind]
            data = (len(data).to_bytes(_HEADER, "big") + data).ljust(stride)
        free = self._free.get(kind)
        if free:
            slot = free.pop()
            self._pages[kind][slot * stride : (slot + 1) * stride] = data
            return kind << _SLOT_BITS | slot
        page = self._pages[kind]
        slot = len(page) // stride
        if slot > _SLOT_MASK:
            raise LocalError(f"a slab holds at most {_SLOT_MASK + 1} items of one length")
        page += data
        return kind << _SLOT_BITS | slot

    def get(self, ref: int) -> bytes:
        """The string of a valid reference."""
        kind = ref >> _SLOT_BITS
        if kind <= _EXACT_MAX:
            at = (ref & _SLOT_MASK) * kind
            return bytes(self._pages[kind][at : at + kind])
        page = self._pages[kind]
        at = (ref & _SLOT_MASK) * _STRIDES[kind]
        start = at + _HEADER
        return bytes(page[start : start + int.from_bytes(page[at:start], "big")])

    def holds(self, ref: int, data: bytes) -> bool:
        """Whether a valid reference is to this string; copies nothing for the usual lengths."""
        kind = ref >> _SLOT_BITS
        if kind <= _EXACT_MAX:
            return kind == len(data) and self._pages[kind].startswith(
                data, (ref & _SLOT_MASK) * kind
            )
        return self.get(ref) == data

    def free(self, ref: int) -> None:
        """Give a string's slot back; the reference is not valid from here on."""
        if ref == 0:
            return
        kind = ref >> _SLOT_BITS
        free = self._free.get(kind)
        if free is None:
            free = self._free[kind] = array("I")
        free.append(ref & _SLOT_MASK)

    def bytes_used(self) -> int:
        """Bytes in the arrays, freed slots included."""
        return sum(map(len, self._pages))
