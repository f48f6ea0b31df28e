"""Proof of the cluster key in both directions: two state machines without I/O.

The region that dials is the dialler, the one that listens the acceptor. Three binary WebSocket
messages, integers big-endian, every length exact:

    acceptor -> dialler  CHALLENGE  0x01 version:u16 nonce_a:32
    dialler -> acceptor  HELLO      0x02 version:u16 dialler:u8 acceptor:u8 nonce_d:32 proof_d:32
                                    cluster:1..64 (ASCII, see settings.is_cluster_name)
    acceptor -> dialler  WELCOME    0x03 version:u16 proof_a:32

    proof = BLAKE2b(key, digest 32 bytes, person "georeg mesh") over
            role:u8 version:u16 dialler:u8 acceptor:u8 nonce_a:32 nonce_d:32 cluster slice
            role 0x44 for proof_d, 0x41 for proof_a; slice: see slices.py, empty for a whole region

The version is the one that was agreed in the upgrade (versions.py). The first three bytes are the
same in every version, so that any two can tell each other which they speak. Keys are 32 to 64
bytes; the first of the ring signs, each of them verifies. To rotate: add the new key at the end
everywhere, then put it first everywhere, then drop the old one.

Invariant: nothing but the expected frame is accepted, and a side is `proven` only after it has
verified the other's proof over the nonce that it has drawn itself for this connection. Hence:
a replayed proof fails on the nonce; a reflected one on the role and on the region numbers; one made
for another region or cluster on its name. The dialler proves first, since it chose whom to talk to:
a stranger who knocks gets nothing that is made with the key. The proof is over when the handshake
is: it does not sign the messages, so where the network between regions may change bytes, use TLS.
Frames before the proof are of fixed form, not msgpack: strangers reach no parser.

A refusal closes the connection with a code of `errors.Closing` and its reason in words, so that
both sides can log it. Cost: two keyed BLAKE2b over some 80 bytes on each side, about 3 us, and one
and a half round trips after the upgrade.
"""

from collections.abc import Callable, Container
from dataclasses import dataclass, field
from enum import IntEnum
from struct import Struct
from typing import Final

from crdt.dots import RegionId
from georeg.mesh.errors import Closing, LocalError, PeerError
from georeg.mesh.proofs import NONCE_BYTES, PROOF_BYTES, prove, verify
from georeg.mesh.settings import Identity, is_cluster_name
from georeg.mesh.slices import Slice
from georeg.mesh.versions import UNNAMED

KEY_BYTES_MIN: Final = 32
KEY_BYTES_MAX: Final = 64
KEYS_MAX: Final = 8

_PERSON: Final = b"georeg mesh"


class _Kind(IntEnum):
    CHALLENGE = 1
    HELLO = 2
    WELCOME = 3


class _Role(IntEnum):
    DIALLER = 0x44
    ACCEPTOR = 0x41


_HEAD: Final = Struct("!BH")
_CHALLENGE: Final = Struct(f"!BH{NONCE_BYTES}s")
_HELLO: Final = Struct(f"!BHBB{NONCE_BYTES}s{PROOF_BYTES}s")
_WELCOME: Final = Struct(f"!BH{PROOF_BYTES}s")
_SIGNED: Final = Struct(f"!BHBB{NONCE_BYTES}s{NONCE_BYTES}s")


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who this region is and how it proves it. Raises LocalError for an unfit key ring."""

    identity: Identity
    keys: tuple[bytes, ...] = field(repr=False)
    """1 to 8 keys of 32 to 64 bytes: the first signs, all verify."""
    token_bytes: Callable[[int], bytes] = field(repr=False)
    """Unpredictable bytes; `secrets.token_bytes` outside of simulations."""

    def __post_init__(self) -> None:
        if not 1 <= len(self.keys) <= KEYS_MAX:
            raise LocalError(f"{len(self.keys)} cluster keys: expected 1 to {KEYS_MAX}")
        for place, key in enumerate(self.keys, 1):
            if not KEY_BYTES_MIN <= len(key) <= KEY_BYTES_MAX:
                raise LocalError(
                    f"cluster key {place} has {len(key)} bytes: expected {KEY_BYTES_MIN} to"
                    f" {KEY_BYTES_MAX}"
                )

    def nonce(self) -> bytes:
        """A fresh nonce for one connection."""
        nonce = self.token_bytes(NONCE_BYTES)
        if len(nonce) != NONCE_BYTES:
            raise LocalError(f"token_bytes gave {len(nonce)} bytes instead of {NONCE_BYTES}")
        return nonce


def _signed(
    role: _Role,
    version: int,
    cluster: str,
    dialler: int,
    acceptor: int,
    nonce_a: bytes,
    nonce_d: bytes,
    slice_: Slice,
) -> bytes:
    parts = _SIGNED.pack(role, version, dialler, acceptor, nonce_a, nonce_d)
    return parts + cluster.encode("ascii") + slice_.signed


def _check_head(frame: bytes, kind: _Kind, expected: int, size_min: int, size_max: int) -> None:
    """Kind, version and length of a frame, in this order: an older version may be shorter."""
    if len(frame) < _HEAD.size or frame[0] != kind:
        raise PeerError(Closing.MALFORMED, f"expected the {kind.name.lower()} of the handshake")
    version: int = _HEAD.unpack_from(frame)[1]
    if version != expected:
        raise PeerError(Closing.VERSION, f"protocol version {expected} here, {version} there")
    if not size_min <= len(frame) <= size_max:
        raise PeerError(Closing.MALFORMED, f"a {kind.name.lower()} of {len(frame)} bytes")


class Dialler:
    """The side that dials `peer`: `receive` each frame, send what it returns, until `proven`.

    `version`: what was agreed on this connection.
    """

    def __init__(
        self, credentials: Credentials, peer: RegionId, version: int = UNNAMED
    ) -> None:
        self._credentials = credentials
        self._peer = peer
        self._version = version
        self._nonce = credentials.nonce()
        self._challenge = b""
        self._expected: _Kind | None = _Kind.CHALLENGE
        self.proven = False
        """The acceptor holds a cluster key and is the region that was dialled."""

    def receive(self, frame: bytes) -> bytes | None:
        """The frame to send next, None: nothing. Raises PeerError: close, the proof has failed."""
        expected, self._expected = self._expected, None
        if expected is _Kind.CHALLENGE:
            answer = self._hello(frame)
            self._expected = _Kind.WELCOME
            return answer
        if expected is _Kind.WELCOME:
            self._check_welcome(frame)
            self.proven = True
            return None
        raise LocalError("the handshake is over")

    def _hello(self, frame: bytes) -> bytes:
        _check_head(frame, _Kind.CHALLENGE, self._version, _CHALLENGE.size, _CHALLENGE.size)
        self._challenge = _CHALLENGE.unpack(frame)[2]
        me = self._credentials.identity
        proof = prove(self._credentials.keys, self._signed_as(_Role.DIALLER), _PERSON)
        ends = (me.region_id, self._peer)
        head = _HELLO.pack(_Kind.HELLO, self._version, *ends, self._nonce, proof)
        return head + me.cluster.encode("ascii")

    def _check_welcome(self, frame: bytes) -> None:
        _check_head(frame, _Kind.WELCOME, self._version, _WELCOME.size, _WELCOME.size)
        proof: bytes = _WELCOME.unpack(frame)[2]
        verify(self._credentials.keys, self._signed_as(_Role.ACCEPTOR), _PERSON, proof)

    def _signed_as(self, role: _Role) -> bytes:
        me = self._credentials.identity
        ends = (me.cluster, me.region_id, self._peer)
        return _signed(role, self._version, *ends, self._challenge, self._nonce, me.slice)


class Acceptor:
    """The side that listens: send `challenge`, then `receive` one frame and send the answer."""

    def __init__(
        self, credentials: Credentials, peers: Container[RegionId], version: int = UNNAMED
    ) -> None:
        self._credentials = credentials
        self._peers = peers
        self._version = version
        self._nonce = credentials.nonce()
        self._is_over = False
        self.claimed: RegionId | None = None
        """The region that the dialler says it is."""
        self.peer: RegionId | None = None
        """The region that has proven itself; None: none yet."""

    def challenge(self) -> bytes:
        """The first frame of the connection."""
        return _CHALLENGE.pack(_Kind.CHALLENGE, self._version, self._nonce)

    def receive(self, frame: bytes) -> bytes:
        """The welcome for a dialler that has proven itself. Raises PeerError: close."""
        if self._is_over:
            raise LocalError("the handshake is over")
        self._is_over = True
        _check_head(frame, _Kind.HELLO, self._version, _HELLO.size + 1, _HELLO.size + 64)
        _, _, dialler, acceptor, nonce_d, proof = _HELLO.unpack_from(frame)
        self.claimed = RegionId(dialler)
        cluster = frame[_HELLO.size :].decode("ascii", "replace")
        self._check_names(cluster, dialler, acceptor)
        slice_ = self._credentials.identity.slice
        ends = (self._version, cluster, dialler, acceptor, self._nonce, nonce_d, slice_)
        verify(self._credentials.keys, _signed(_Role.DIALLER, *ends), _PERSON, proof)
        self.peer = RegionId(dialler)
        answer = prove(self._credentials.keys, _signed(_Role.ACCEPTOR, *ends), _PERSON)
        return _WELCOME.pack(_Kind.WELCOME, self._version, answer)

    def _check_names(self, cluster: str, dialler: int, acceptor: int) -> None:
        me = self._credentials.identity
        if not is_cluster_name(cluster):
            raise PeerError(Closing.MALFORMED, "a hello with a malformed cluster name")
        if cluster != me.cluster:
            raise PeerError(Closing.CLUSTER, f"this is not cluster {cluster}")
        if dialler == me.region_id:
            raise PeerError(Closing.REGION, f"both sides claim region number {dialler}")
        if acceptor != me.region_id:
            raise PeerError(Closing.REGION, f"this is not region {acceptor}")
        if dialler not in self._peers:
            raise PeerError(Closing.REGION, f"region {dialler} is not known here")
