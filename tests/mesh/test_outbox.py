"""What waits for a link: in order, bounded, and nothing while the link is down."""

import asyncio

from georeg.mesh.outbox import Outbox


def opened(frames_max: int = 3, bytes_max: int = 100) -> Outbox:
    outbox = Outbox(frames_max, bytes_max)
    outbox.open()
    return outbox


def drained(outbox: Outbox) -> list[bytes]:
    return list(iter(outbox.pop, None))


def test_messages_leave_in_the_order_in_which_they_came() -> None:
    outbox = opened()
    for frame in (b"1", b"2", b"3"):
        assert outbox.put(frame)
    assert drained(outbox) == [b"1", b"2", b"3"]
    assert outbox.queued_bytes == 0


def test_the_newest_is_dropped_when_there_are_too_many() -> None:
    outbox = opened(frames_max=2)
    assert [outbox.put(frame) for frame in (b"1", b"2", b"3")] == [True, True, False]
    assert outbox.dropped == 1
    assert drained(outbox) == [b"1", b"2"]


def test_the_newest_is_dropped_when_there_are_too_many_bytes() -> None:
    outbox = opened(bytes_max=10)
    assert [outbox.put(bytes(size)) for size in (6, 5, 4)] == [True, False, True]
    assert (len(outbox), outbox.queued_bytes, outbox.dropped) == (2, 10, 1)


def test_nothing_is_kept_before_the_link_is_up() -> None:
    outbox = Outbox(3, 100)
    assert not outbox.put(b"1")
    outbox.open()
    assert drained(outbox) == []
    assert outbox.dropped == 1


def test_what_waits_is_dropped_when_the_link_goes_down() -> None:
    outbox = opened()
    outbox.put(b"1")
    outbox.close()
    outbox.open()
    assert drained(outbox) == []
    assert (outbox.queued_bytes, outbox.dropped) == (0, 1)


async def test_the_consumer_is_woken_by_a_message() -> None:
    outbox = opened()
    waiting = asyncio.ensure_future(outbox.wait())
    await asyncio.sleep(0)
    assert not waiting.done()
    outbox.put(b"1")
    await asyncio.wait_for(waiting, 5)
    assert drained(outbox) == [b"1"]
