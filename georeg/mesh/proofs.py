"""Proofs of a cluster key, as regions make them to each other, and the nodes of one region.

    proof = BLAKE2b(key, digest 32 bytes, person) over what both ends know of the connection

`person` keeps what is proven in one place from counting in the other. The first key of a ring
makes proofs, each of them verifies: so keys are rotated without a cut.
"""

from collections.abc import Sequence
from hashlib import blake2b
from hmac import compare_digest
from typing import Final

from georeg.mesh.errors import Closing, PeerError

NONCE_BYTES: Final = 32
"""Of what an end draws for one connection, to go into the proof that it is shown."""
PROOF_BYTES: Final = 32


def prove(keys: Sequence[bytes], signed: bytes, person: bytes) -> bytes:
    """The proof of whoever holds these keys."""
    return _made(keys[0], signed, person)


def verify(keys: Sequence[bytes], signed: bytes, person: bytes, proof: bytes) -> None:
    """Raise PeerError unless one of these keys has made the proof."""
    if not any(compare_digest(_made(key, signed, person), proof) for key in keys):
        raise PeerError(Closing.KEY, "the proof fits none of the cluster keys here")


def _made(key: bytes, signed: bytes, person: bytes) -> bytes:
    return blake2b(signed, digest_size=PROOF_BYTES, key=key, person=person).digest()
