"""Calls between nodes and their answers, as they stand in WebSocket messages.

A message holds as many as were there when it was sent, each of them msgpack:

    call    [number, method, path, headers, body, keeps]     headers: name, value, name, value ...
    answer  [number]                          the slice is not run here
            [number, status, bytes]           an HTTP/1.1 answer as it goes to the caller
            [number, status, body, headers]   one that is still to be put into bytes

Text is UTF-8 as aiohttp reads it: bytes that are none come out as they went in. Invariant: what
comes in is of this form and within these bounds in all its parts, or is a PeerError as a whole.
Cost: 3 us a call, 2 us an answer, each way.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

import msgpack

from georeg.mesh.errors import Closing, PeerError

FRAME_BYTES_MAX: Final = 4 << 20
"""A message: more than the largest body, a batch of heartbeats, with its head."""
GATHER_BYTES: Final = 256 << 10
"""What is gathered into one message; one that is larger goes alone."""
CALLS_MAX: Final = 10_000
"""Under way at once from one node to another."""
HEADERS_MAX: Final = 64
_NO_ANSWER: Final[list[Any]] = [0, 0, b"", None]
_ERRORS: Final = "surrogateescape"
_PACKER: Final = msgpack.Packer(unicode_errors=_ERRORS)


class Call(NamedTuple):
    """One call of a caller, or of the node itself."""

    number: int
    """Grows; its answer has the same."""
    method: str
    path: str
    """With the query, as it came."""
    headers: Sequence[str]
    """Names and values in turn."""
    body: bytes
    keeps: bool = True
    """Whether the caller speaks HTTP/1.1 and keeps the connection: then it may get bytes."""


class Answer(NamedTuple):
    """What became of a call."""

    number: int
    status: int = 0
    """0: the slice is not run there, nothing was decided."""
    body: bytes = b""
    headers: Sequence[str] | None = None
    """Names and values in turn; None: the body is the whole answer, head and all."""


def packed_call(call: Call) -> bytes:
    """For `framed`."""
    packed: bytes = _PACKER.pack(call)
    return packed


def packed_answer(answer: Answer) -> bytes:
    """For `framed`."""
    if not answer.status:
        values: tuple[object, ...] = answer[:1]
    else:
        values = answer[:3] if answer.headers is None else answer
    packed: bytes = _PACKER.pack(values)
    return packed


def framed(packed: list[bytes]) -> bytes:
    """A message with the first of these, which are taken out of the list; it may be empty."""
    size = count = 0
    for each in packed:
        size += len(each)
        if count and size > GATHER_BYTES:
            break
        count += 1
    frame: bytes = _PACKER.pack_array_header(count) + b"".join(packed[:count])
    del packed[:count]
    return frame


def calls_in(frame: bytes) -> list[Call]:
    """The calls of a message. Raises PeerError."""
    calls = []
    for each in _arrays(frame, {6}):
        number, method, path, headers, body, keeps = each
        if not (
            type(number) is int
            and type(method) is str
            and type(path) is str
            and path[:1] == "/"
            and type(body) is bytes
            and type(keeps) is bool
            and _are_headers(headers)
        ):
            raise PeerError(Closing.MALFORMED, "no call of a node")
        calls.append(Call(*each))
    return calls


def answers_in(frame: bytes) -> list[Answer]:
    """The answers of a message. Raises PeerError."""
    answers = []
    for each in _arrays(frame, {1, 3, 4}):
        number, status, body, headers = each + _NO_ANSWER[len(each) :]
        if not (
            type(number) is int
            and type(status) is int
            and 0 <= status < 600
            and type(body) is bytes
            and (headers is None or _are_headers(headers))
        ):
            raise PeerError(Closing.MALFORMED, "no answer of a node")
        answers.append(Answer(number, status, body, headers))
    return answers


def _arrays(frame: bytes, lengths: set[int]) -> Iterable[list[Any]]:
    """The arrays in a message, each of one of these lengths."""
    try:
        found = msgpack.unpackb(
            frame, unicode_errors=_ERRORS, max_map_len=0, max_ext_len=0,
            max_array_len=max(CALLS_MAX, 2 * HEADERS_MAX),
        )  # fmt: skip
    except (ValueError, msgpack.UnpackException, RecursionError):
        raise PeerError(Closing.MALFORMED, "not the msgpack of a node") from None
    if type(found) is not list:
        raise PeerError(Closing.MALFORMED, "expected an array of calls or answers")
    for each in found:
        if type(each) is not list or len(each) not in lengths:
            raise PeerError(Closing.MALFORMED, "expected a call or an answer")
    return found


def _are_headers(headers: object) -> bool:
    return (
        type(headers) is list
        and len(headers) % 2 == 0
        and len(headers) <= 2 * HEADERS_MAX
        and all(type(each) is str for each in headers)
    )
