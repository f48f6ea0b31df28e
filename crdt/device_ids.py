"""Device ids on the wire: most are UUIDs, which are 16 bytes and not 36 letters.

Invariant: `lengthened(shortened(x)) == x` for every text; only the one spelling that UUIDs are
printed in (lower case, hyphens) is shortened, any other stays the text that it is.
Why: the id is half of what a start costs on the wire. Cost: half a microsecond either way.
"""

from typing import Final

from crdt.errors import PeerError

_LETTERS: Final = 36
_BYTES: Final = 16


def shortened(device_id: str) -> str | bytes:
    """The id as it goes over the wire."""
    if len(device_id) != _LETTERS:
        return device_id
    digits = device_id.replace("-", "")
    if len(digits) != 2 * _BYTES or not (
        device_id[8] == device_id[13] == device_id[18] == device_id[23] == "-"
    ):
        return device_id
    try:
        short = bytes.fromhex(digits)
    except ValueError:
        return device_id
    return short if short.hex() == digits else device_id


def lengthened(device_id: bytes) -> str:
    """The UUID that these 16 bytes are. Raises PeerError for any other number of bytes."""
    if len(device_id) != _BYTES:
        raise PeerError("a device id is a text, or the 16 bytes of a UUID")
    text = device_id.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
