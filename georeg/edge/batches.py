"""`POST /v1/sessions/heartbeats`: up to 1,000 heartbeats in one request, for gateways.

The body is a msgpack array of tokens, as text (the way devices send them) or decoded; the answer is
an array of statuses in the same order: 200 renewed, 410 ended, 401 not a valid token, 503 not known
in time (send it again). One bad token never spoils the others.
Cost: about 2 us a heartbeat, of which 0.5 us are the MAC and 0.4 us the text of the token.
"""

from collections import Counter
from typing import Final

import msgpack
from aiohttp import web

from georeg.edge.answers import settled
from georeg.edge.auth import require_backend
from georeg.edge.bodies import MSGPACK_TYPE, array_in, read_body, require_type
from georeg.edge.context import Edge
from georeg.edge.errors import TokenError
from georeg.edge.problems import Problem, invalid, too_large
from georeg.edge.tokens import ROLLED_VERSION, raw_of, session_and_account
from georeg.region.model import Ended, Renewed
from georeg.region.pending import Pending

RENEWED: Final = 200
NOT_VALID: Final = 401
ENDED: Final = 410
UNDECIDED: Final = 503
_HEADERS: Final = {"Content-Type": MSGPACK_TYPE}
_Waiting = list[tuple[int, Pending[Renewed | Ended]]]


async def heartbeats(edge: Edge, request: web.Request) -> web.StreamResponse:
    """200 with a status per token; 413 for more than `batch_tokens_max` of them."""
    await require_backend(edge, request)
    body = await read_body(request, edge.settings.batch_body_max)
    require_type(request, MSGPACK_TYPE)
    tokens = _unpacked(body, edge.settings.batch_tokens_max)
    if edge.stalls.is_recent():
        await edge.stalls.let_leave(request)
    statuses, waiting = _renew_all(edge, tokens)
    for at, pending in waiting:
        try:
            answer = await settled(edge, pending)
        except Problem:
            continue
        statuses[at] = ENDED if isinstance(answer, Ended) else RENEWED
    edge.metrics.batched(Counter(statuses))
    return web.Response(body=msgpack.packb(statuses), headers=_HEADERS)


def _renew_all(edge: Edge, tokens: list[object]) -> tuple[list[int], _Waiting]:
    """What is known at once, and what the region still has to find out."""
    keys, renew, joined = edge.keys, edge.region.renewer(), edge.region.joined
    check, statuses = keys.check, list[int]()
    note = statuses.append
    waiting: _Waiting = []
    for token in tokens:
        try:
            raw = _raw(token)
            check(raw)
        except TokenError:
            note(NOT_VALID)
            continue
        session, account = session_and_account(raw)
        if renew(session, account):
            note(RENEWED)
        elif not joined:
            note(UNDECIDED)
        else:
            waiting.append((len(statuses), edge.region.heartbeat(keys.open(raw))))
            note(UNDECIDED)
    return statuses, waiting


def _raw(token: object) -> bytes:
    """A decoded token begins with its version, which no base64 text does. Raises TokenError."""
    if not isinstance(token, bytes) or not token:
        raise TokenError("a token is bytes")
    return token if token[0] <= ROLLED_VERSION else raw_of(token)


def _unpacked(body: bytes, tokens_max: int) -> list[object]:
    """The items of the array. Raises Problem 413 or 422."""
    if _announced(body) > tokens_max:
        raise too_large(tokens_max, "tokens")
    items = array_in(body, tokens_max)
    if items is None:
        raise invalid(("body", "must be a msgpack array of tokens"))
    return items


def _announced(body: bytes) -> int:
    """How many items the array's head announces; 0 when it is no array."""
    head = body[0] if body else 0
    if head & 0xF0 == 0x90:
        return head & 0x0F
    width = {0xDC: 2, 0xDD: 4}.get(head, 0)
    return int.from_bytes(body[1 : 1 + width], "big")
