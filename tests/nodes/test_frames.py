"""What nodes send each other comes out as it went in; anything else is refused as a whole."""

import msgpack
import pytest

from georeg.mesh.errors import PeerError
from georeg.nodes.frames import (
    GATHER_BYTES,
    Answer,
    Call,
    answers_in,
    calls_in,
    framed,
    packed_answer,
    packed_call,
)

CALL = [1, "GET", "/v1", ["a", "b"], b"", True]
ANSWER = [1, 200, b"", ["a", "b"]]


def test_calls_and_answers_come_out_as_they_went_in() -> None:
    headers = ["a", "\udcff\udcfe", "ü", ""]
    calls = [Call(n, "POST", f"/v1?{n}", headers, b"x" * n) for n in range(9)]
    assert calls_in(framed([packed_call(call) for call in calls])) == calls
    answers = [
        Answer(1), Answer(2, 201, b"{}", ["Content-Type", "x"]), Answer(3, 409, b"HTTP/1.1 409"),
        Answer(4, 204, b"", []),
    ]  # fmt: skip
    assert answers_in(framed([packed_answer(answer) for answer in answers])) == answers


def test_a_message_holds_no_more_than_is_gathered_but_one_that_is_larger_alone() -> None:
    large = packed_call(Call(1, "POST", "/", [], b"x" * (GATHER_BYTES * 2)))
    small = packed_call(Call(2, "POST", "/", [], b"x" * (GATHER_BYTES // 2)))
    tiny = packed_call(Call(3, "POST", "/", [], b""))
    waiting = [large, small, tiny, tiny, small, small]
    counts = []
    while waiting:
        counts.append(len(calls_in(framed(waiting))))
    assert counts == [1, 3, 1, 1]


@pytest.mark.parametrize(
    "frame",
    [
        b"", b"\xc1", b"\x07", b"\x91", b"\x91\x90", msgpack.packb([CALL]) + b"x", b"\x91" * 2000,
        msgpack.packb({1: 2}), msgpack.packb([CALL[:5]]), msgpack.packb([[*CALL, 1]]),
        msgpack.packb([["1", *CALL[1:]]]), msgpack.packb([[1, b"GET", *CALL[2:]]]),
        msgpack.packb([[1, "GET", "http://x/", *CALL[3:]]]),
        msgpack.packb([[*CALL[:3], ["a"], b"", True]]),
        msgpack.packb([[*CALL[:3], ["a", 1], b"", True]]),
        msgpack.packb([[*CALL[:3], ["a"] * 130, b"", True]]),
        msgpack.packb([[*CALL[:4], "text", True]]), msgpack.packb([[*CALL[:5], 1]]),
        msgpack.packb([CALL] * 10_001),
    ],
)  # fmt: skip
def test_what_is_no_call_is_refused(frame: bytes) -> None:
    assert len(calls_in(msgpack.packb([CALL]))) == 1, "else this shows nothing"
    with pytest.raises(PeerError):
        calls_in(frame)


@pytest.mark.parametrize(
    "frame",
    [
        b"", b"\x91\x90", msgpack.packb([ANSWER[:2]]), msgpack.packb([[*ANSWER, 1]]),
        msgpack.packb([["1"]]), msgpack.packb([[1, "200", b""]]), msgpack.packb([[1, 600, b""]]),
        msgpack.packb([[1, -1, b""]]), msgpack.packb([[1, 200, "text"]]),
        msgpack.packb([[1, 200, b"", ["a"]]]), msgpack.packb([[1, 200, b"", {}]]),
    ],
)  # fmt: skip
def test_what_is_no_answer_is_refused(frame: bytes) -> None:
    assert len(answers_in(msgpack.packb([ANSWER]))) == 1, "else this shows nothing"
    with pytest.raises(PeerError):
        answers_in(frame)
