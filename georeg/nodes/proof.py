"""Nodes of one region prove to each other that they hold a cluster key, before any call is made.

Three binary WebSocket messages, every length exact but for the name:

    acceptor -> dialler  nonce_a:32
    dialler -> acceptor  nonce_d:32 proof_d:32 name:1..255
    acceptor -> dialler  proof_a:32

    proof = BLAKE2b(key, digest 32 bytes, person "georeg nodes") over
            role:1 nonce_a:32 nonce_d:32 cluster "/" region "/" name

Invariant: a side believes the other only after a proof over the nonce that it has drawn itself for
this connection; so one that is replayed fails on the nonce, one that is reflected on the role, one
made for another region on its name. As between regions (mesh/handshake.py) the first key signs and
each verifies, and messages are not signed: where the network may change bytes, use TLS.
"""

from collections.abc import Callable, Sequence
from secrets import token_bytes
from typing import Final

from aiohttp import ClientWebSocketResponse, WSMsgType, web

from georeg.mesh.errors import Closing, PeerError
from georeg.mesh.proofs import NONCE_BYTES, PROOF_BYTES, prove, verify

NAME_BYTES_MAX: Final = 255
_PERSON: Final = b"georeg nodes"
_DIALLER: Final = b"D"
_ACCEPTOR: Final = b"A"
_Socket = ClientWebSocketResponse | web.WebSocketResponse


class Proof:
    """What one node proves itself by."""

    def __init__(
        self,
        cluster: str,
        region: str,
        keys: Sequence[bytes],
        token_bytes: Callable[[int], bytes] = token_bytes,
    ) -> None:
        """`keys`: the cluster's. `token_bytes`: makes nonces, which nobody may foresee."""
        assert keys
        self._token_bytes = token_bytes
        self._where = f"{cluster}/{region}/".encode()
        self._keys = tuple(keys)

    async def dialled(self, socket: _Socket, me: str) -> None:
        """Prove this node, and hear the other's proof. Raises PeerError, TimeoutError."""
        challenge = await _frame(socket)
        if len(challenge) != NONCE_BYTES:
            raise PeerError(Closing.MALFORMED, "expected the nonce of a node")
        nonce, name = self._token_bytes(NONCE_BYTES), me.encode()[:NAME_BYTES_MAX]
        proof = prove(self._keys, self._signed(_DIALLER, challenge, nonce, name), _PERSON)
        await socket.send_bytes(nonce + proof + name)
        signed = self._signed(_ACCEPTOR, challenge, nonce, name)
        verify(self._keys, signed, _PERSON, await _frame(socket))

    async def accepted(self, socket: _Socket) -> str:
        """The name of the node that has proven itself. Raises PeerError, TimeoutError."""
        challenge = self._token_bytes(NONCE_BYTES)
        await socket.send_bytes(challenge)
        frame = await _frame(socket)
        nonce, frame = frame[:NONCE_BYTES], frame[NONCE_BYTES:]
        proof, name = frame[:PROOF_BYTES], frame[PROOF_BYTES:]
        if not 0 < len(name) <= NAME_BYTES_MAX:
            raise PeerError(Closing.MALFORMED, "expected the proof of a node")
        verify(self._keys, self._signed(_DIALLER, challenge, nonce, name), _PERSON, proof)
        signed = self._signed(_ACCEPTOR, challenge, nonce, name)
        await socket.send_bytes(prove(self._keys, signed, _PERSON))
        return name.decode(errors="replace")

    def _signed(self, role: bytes, challenge: bytes, nonce: bytes, name: bytes) -> bytes:
        return role + challenge + nonce + self._where + name


async def _frame(socket: _Socket) -> bytes:
    message = await socket.receive()
    if message.type is not WSMsgType.BINARY:
        raise PeerError(Closing.MALFORMED, "only the proof may come before the proof")
    frame: bytes = message.data
    return frame
