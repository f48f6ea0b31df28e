"""Connections: bytes in order, what cuts do to them, how they are made and how they end."""

import asyncio
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from region_sim.kernel.links import RETRY_FIRST_US
from region_sim.kernel.transport import HIGH_WATER_BYTES
from tests.sim.kernel.bench import TRIP_US, Bench, Heard

# What is left of a process complains when it is collected, in whatever test that happens.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

FIRST_RETRY_US = RETRY_FIRST_US + 2 * TRIP_US


def arrivals(heard: Heard, since_us: int) -> list[tuple[int, bytes]]:
    """What came, with times since then."""
    return [(at_us - since_us, data) for at_us, data in heard.data]


# ---- bytes ------------------------------------------------------------------------------------


def test_bytes_arrive_after_the_latency_and_what_is_written_at_once_together(bench: Bench) -> None:
    ours, theirs = bench.connected()
    begin_us = bench.now_us
    ours.transport.write(b"one ")
    ours.transport.writelines([b"two ", b"three"])
    bench.at(begin_us + 500, lambda: ours.transport.write(b" four"))
    bench.run(1_000_000)
    assert arrivals(theirs, begin_us) == [(TRIP_US, b"one two three"), (TRIP_US + 500, b" four")]


def test_with_little_bandwidth_all_bytes_of_an_instant_queue(bench: Bench) -> None:
    ours, theirs = bench.connected()
    bench.there.narrows.append(1000.0)
    begin_us = bench.now_us
    ours.transport.write(b"h" * 100)
    ours.transport.write(b"b" * 900)
    bench.run(5_000_000)
    times_us = [at_us for at_us, _ in arrivals(theirs, begin_us)]
    assert times_us == [100_000 + TRIP_US, 1_000_000 + TRIP_US]


CUTS = st.lists(
    st.tuples(
        st.sampled_from(["drops", "stalls"]),
        st.integers(0, 5_000_000),
        st.integers(1, 4_000_000),
    ),
    max_size=4,
)


@given(st.lists(st.integers(0, 6_000_000), min_size=1, max_size=20), CUTS, st.integers(0, 99))
def test_whatever_holds_bytes_up_they_arrive_once_and_in_order(
    times_us: list[int], cuts: list[tuple[str, int, int]], seed: int
) -> None:
    bench = Bench(seed, jitter=0.8)
    ours, theirs = bench.connected()
    bench.there.losses.append(0.2)
    for how, at_us, for_us in cuts:
        bench.cut(bench.there, how, at_us, at_us + for_us)
    sent = b""
    for number, at_us in enumerate(sorted(times_us)):
        data = b"%d," % number
        bench.at(bench.now_us + at_us, lambda data=data: ours.transport.write(data))  # type: ignore[misc]
        sent += data
    if Random(seed).random() < 0.5:
        bench.at(bench.now_us + 2_000_000, bench.b.pause)
        bench.at(bench.now_us + 4_000_000, bench.b.resume)
    bench.run(200_000_000)
    assert theirs.bytes == sent
    assert ours.said == theirs.said == ["made"]


# ---- cuts -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("healed_us", "retry"), [(100_000, 1), (300_000, 2), (1_000_000, 3), (20_000_000, 7)]
)
def test_what_a_cut_swallowed_is_sent_again_after_doubling_pauses(
    healed_us: int, retry: int, bench: Bench
) -> None:
    ours, theirs = bench.connected()
    bench.cut(bench.there, "drops", 0, healed_us)
    bench.run(0)
    begin_us = bench.now_us
    ours.transport.write(b"lost")
    bench.at(begin_us + healed_us + 10, lambda: ours.transport.write(b" later"))
    bench.run(100_000_000)
    retried_us = FIRST_RETRY_US * (2**retry - 1)
    assert theirs.bytes == b"lost later"
    assert {at_us for at_us, _ in arrivals(theirs, begin_us)} == {retried_us + TRIP_US}


def test_the_pauses_grow_to_half_a_minute_and_no_further(bench: Bench) -> None:
    ours, theirs = bench.connected()
    bench.cut(bench.there, "drops", 0, 600_000_000)
    bench.run(0)
    ours.transport.write(b"x")
    bench.run(600_000_000)
    healed_us = bench.now_us
    bench.run(31_000_000)
    assert theirs.bytes == b"x"
    assert theirs.data[0][0] <= healed_us + 30_000_000 + TRIP_US


def test_a_one_way_cut_leaves_the_other_way_alone(bench: Bench) -> None:
    ours, theirs = bench.connected()
    bench.cut(bench.there, "drops", 0, 50_000_000)
    bench.run(0)
    begin_us = bench.now_us
    ours.transport.write(b"lost")
    theirs.transport.write(b"heard")
    bench.run(10_000_000)
    assert theirs.data == []
    assert arrivals(ours, begin_us) == [(TRIP_US, b"heard")]


def test_a_rejecting_cut_resets_whoever_sends_into_it(bench: Bench) -> None:
    ours, theirs = bench.connected()
    bench.cut(bench.there, "rejects", 0, 5_000_000)
    bench.run(0)
    begin_us = bench.now_us
    ours.transport.write(b"x")
    assert ours.said == ["made"], "not from within a call of the protocol"
    bench.run(1_000_000)
    ((at_us, what),) = ours.events[1:]
    assert (at_us - begin_us, "rejected" in what) == (TRIP_US, True)
    assert ours.transport.is_closing()
    assert theirs.said == ["made"], "nobody has told it"
    bench.run(5_000_000)
    theirs.transport.write(b"anybody?")
    bench.run(1_000_000)
    assert "unknown" in theirs.said[1]


def test_a_stall_holds_everything_and_lets_it_go_at_once(bench: Bench) -> None:
    ours, theirs = bench.connected()
    bench.cut(bench.there, "stalls", 0, 3_000_000)
    bench.run(0)
    begin_us = bench.now_us
    for number in range(3):
        bench.at(begin_us + number * 500_000, lambda n=number: ours.transport.write(b"%d" % n))  # type: ignore[misc]
    bench.run(10_000_000)
    assert theirs.bytes == b"012"
    assert {at_us for at_us, _ in arrivals(theirs, begin_us)} == {3_000_000 + TRIP_US}


def test_what_is_on_its_way_when_the_cut_begins_arrives(bench: Bench) -> None:
    ours, theirs = bench.connected()
    ours.transport.write(b"x")
    bench.cut(bench.there, "drops", TRIP_US // 2, 50_000_000)
    bench.run(1_000_000)
    assert theirs.bytes == b"x"


# ---- flow control -----------------------------------------------------------------------------


def test_who_writes_too_much_is_told_to_wait_and_to_go_on(bench: Bench) -> None:
    ours, theirs = bench.connected()
    theirs.transport.pause_reading()
    ours.transport.write(b"x" * HIGH_WATER_BYTES)
    assert ours.said == ["made"]
    ours.transport.write(b"y")
    assert ours.said == ["made", "pause"]
    bench.run(1_000_000)
    assert theirs.data == []
    assert ours.transport.get_write_buffer_size() == HIGH_WATER_BYTES + 1
    theirs.transport.resume_reading()
    bench.run(1_000_000)
    assert len(theirs.bytes) == HIGH_WATER_BYTES + 1
    assert ours.said == ["made", "pause", "resume"]
    assert ours.transport.get_write_buffer_size() == 0


def test_a_reader_that_pauses_in_the_middle_gets_the_rest_later(bench: Bench) -> None:
    ours, theirs = bench.connected()
    hear = theirs.data_received

    def once(data: bytes) -> None:
        hear(data)
        theirs.transport.pause_reading()

    theirs.data_received = once  # type: ignore[method-assign]
    theirs.transport.pause_reading()
    for number in range(3):
        ours.transport.write(b"%d" % number)
        bench.run(1)
    ours.transport.close()
    bench.run(100_000)
    for heard in (b"0", b"01", b"012"):
        theirs.transport.resume_reading()
        bench.run(1)
        assert theirs.bytes == heard
    assert theirs.said == ["made"]
    theirs.transport.resume_reading()
    bench.run(1)
    assert theirs.said == ["made", "eof", "lost"]


def test_bytes_to_a_process_that_stands_still_wait(bench: Bench) -> None:
    ours, theirs = bench.connected()
    bench.b.pause()
    ours.transport.write(b"x" * (HIGH_WATER_BYTES + 1))
    bench.run(60_000_000)
    assert (theirs.data, ours.said) == ([], ["made", "pause"])
    bench.b.resume()
    bench.run(1_000_000)
    assert len(theirs.bytes) == HIGH_WATER_BYTES + 1
    assert ours.said == ["made", "pause", "resume"]


# ---- ends -------------------------------------------------------------------------------------


def test_closing_sends_what_is_left_and_then_the_end(bench: Bench) -> None:
    ours, theirs = bench.connected()
    begin_us = bench.now_us
    ours.transport.write(b"last words")
    ours.transport.close()
    ours.transport.write(b"too late")
    assert ours.said == ["made"]
    bench.run(1_000_000)
    assert ours.events[1:] == [(begin_us, "lost")]
    assert theirs.events[1:] == [(begin_us + TRIP_US, "eof"), (begin_us + TRIP_US, "lost")]
    assert theirs.bytes == b"last words"


def test_closing_into_a_cut_still_delivers_when_it_heals(bench: Bench) -> None:
    ours, theirs = bench.connected()
    bench.cut(bench.there, "drops", 0, 2_000_000)
    bench.run(0)
    ours.transport.write(b"last words")
    ours.transport.close()
    bench.run(20_000_000)
    assert theirs.bytes == b"last words"
    assert theirs.said == ["made", "eof", "lost"]


def test_aborting_resets_the_other_side(bench: Bench) -> None:
    ours, theirs = bench.connected()
    ours.transport.abort()
    ours.transport.abort()
    bench.run(1_000_000)
    assert ours.said == ["made", "lost"]
    assert theirs.said[0] == "made"
    assert "reset by the other side" in theirs.said[1]
    assert len(theirs.said) == 2


@given(st.lists(st.sampled_from(["close", "abort", "write"]), max_size=6), st.booleans())
def test_whatever_both_sides_do_each_end_is_lost_once_and_hears_nothing_after_it(
    acts: list[str], is_cut: bool
) -> None:
    bench = Bench(jitter=0.9)
    ends = bench.connected()
    if is_cut:
        bench.cut(bench.there, "rejects", 3_000, 40_000)
    for number, act in enumerate(acts):
        transport = ends[number % 2].transport
        arguments = (b"x",) if act == "write" else ()
        bench.at(
            bench.now_us + number * 4_000,
            lambda t=transport, a=act, w=arguments: getattr(t, a)(*w),  # type: ignore[misc]
        )
    bench.run(60_000_000)
    for end in ends:
        lost = [number for number, (_, what) in enumerate(end.events) if what.startswith("lost")]
        assert lost in ([], [len(end.events) - 1])
        assert all(at_us <= end.events[-1][0] for at_us, _ in end.data if lost)
    if {"close", "abort"} & set(acts) and not is_cut:
        assert all(end.said[-1].startswith("lost") for end in ends)
    assert bench.a.failures == bench.b.failures == []


def test_a_process_that_dies_resets_its_connections(bench: Bench) -> None:
    ours, theirs = bench.connected()
    begin_us = bench.now_us
    bench.b.kill()
    bench.network.unplug("b", power=False)
    bench.run(1_000_000)
    assert [at_us - begin_us for at_us, _ in ours.events[1:]] == [TRIP_US]
    assert "reset" in ours.said[1]
    assert theirs.said == ["made"], "it is dead"


def test_a_host_without_power_tells_nobody_and_knows_nothing_later(bench: Bench) -> None:
    ours, _ = bench.connected()
    bench.b.kill()
    bench.network.unplug("b", power=True)
    ours.transport.write(b"anybody?")
    bench.run(10_000_000)
    assert ours.said == ["made"]
    bench.b = bench.machine("b")
    bench.run(60_000_000)
    assert "unknown to the other side" in ours.said[1]


# ---- making connections -----------------------------------------------------------------------


def dial(bench: Bench, patience_s: float = 500) -> str:
    """How dialling `b` ends."""

    async def work() -> str:
        try:
            async with asyncio.timeout(patience_s):
                await bench.a.create_connection(lambda: Heard(bench), "b", 80)
        except OSError as error:
            return f"{type(error).__name__} {error}".strip()
        return "connected"

    return str(bench.call(work(), limit_s=1000))


def listen(bench: Bench) -> list[Heard]:
    accepted: list[Heard] = []

    def accept() -> Heard:
        accepted.append(Heard(bench))
        return accepted[-1]

    bench.network.listen(bench.b, accept, "b", 80)
    return accepted


def test_a_handshake_takes_a_round_trip(bench: Bench) -> None:
    accepted = listen(bench)
    assert dial(bench) == "connected"
    assert bench.now_us == 2 * TRIP_US
    assert accepted[0].events == [(TRIP_US, "made")]


def test_where_nothing_listens_dialling_is_refused_after_a_round_trip(bench: Bench) -> None:
    assert "nothing listens on b:80" in dial(bench)
    assert bench.now_us == 2 * TRIP_US


def test_a_dead_process_refuses_and_a_host_without_power_says_nothing(bench: Bench) -> None:
    listen(bench)
    bench.b.kill()
    bench.network.unplug("b", power=False)
    assert dial(bench).startswith("ConnectionRefusedError")
    bench.network.unplug("b", power=True)
    begin_us = bench.now_us
    assert "does not answer" in dial(bench)
    assert bench.now_us - begin_us == 63_000_000, "SYNs after 1, 3, 7, 15, 31 and 63 s"


def test_a_host_that_loses_power_while_the_syn_is_on_its_way_says_nothing(bench: Bench) -> None:
    listen(bench)
    bench.at(TRIP_US // 2, bench.b.kill)
    bench.at(TRIP_US // 2, lambda: bench.network.unplug("b", power=True))
    assert dial(bench, patience_s=5) == "TimeoutError"


@pytest.mark.parametrize(("healed_us", "syn_us"), [(500_000, 1_000_000), (5_000_000, 7_000_000)])
@pytest.mark.parametrize("how", ["drops", "stalls"])
def test_a_lost_syn_is_sent_again(how: str, healed_us: int, syn_us: int, bench: Bench) -> None:
    listen(bench)
    bench.cut(bench.there, how, 0, healed_us)
    bench.run(0)
    assert dial(bench) == "connected"
    assert bench.now_us == syn_us + 2 * TRIP_US


def test_an_answer_that_cannot_come_back_is_waited_for_too(bench: Bench) -> None:
    listen(bench)
    bench.cut(bench.back, "drops", 0, 500_000)
    bench.run(0)
    assert dial(bench) == "connected"
    assert bench.now_us == 1_000_000 + 2 * TRIP_US


def test_a_rejecting_cut_refuses_at_once(bench: Bench) -> None:
    listen(bench)
    bench.cut(bench.there, "rejects", 0, 500_000)
    bench.run(0)
    assert "cut off" in dial(bench)
    assert bench.now_us == TRIP_US


def test_who_has_no_patience_gives_up_and_leaves_nothing_behind(bench: Bench) -> None:
    accepted = listen(bench)
    assert dial(bench, patience_s=0.015) == "TimeoutError"
    bench.run(1_000_000)
    assert [end.said[0] for end in accepted] == ["made"]
    assert "reset" in accepted[0].said[1]
    assert bench.network.host("a").transports == bench.network.host("b").transports == {}


def test_a_process_that_dies_during_the_handshake_is_no_connection(bench: Bench) -> None:
    listen(bench)
    bench.back.lag_us = 50_000
    # Its reset overtakes the answer to the SYN, which is later by the lag of that moment.
    bench.at(TRIP_US + 10, lambda: setattr(bench.back, "lag_us", 0))
    bench.at(TRIP_US + 20, bench.b.kill)
    bench.at(TRIP_US + 20, lambda: bench.network.unplug("b", power=False))
    assert dial(bench).startswith("ConnectionResetError")


def test_a_port_can_be_taken_only_once_and_again_after_it_is_free(bench: Bench) -> None:
    async def serve() -> asyncio.AbstractServer:
        return await bench.b.create_server(lambda: Heard(bench), "b", 80)

    server = bench.call(serve(), bench.b)
    assert server.is_serving()
    with pytest.raises(OSError, match="in use"):
        bench.call(serve(), bench.b)
    server.close()
    assert not server.is_serving()
    bench.call(serve(), bench.b)
    assert dial(bench) == "connected"


def test_a_process_that_begins_anew_listens_anew(bench: Bench) -> None:
    listen(bench)
    bench.b.kill()
    bench.network.unplug("b", power=False)
    bench.b = bench.machine("b")
    assert dial(bench).startswith("ConnectionRefusedError")
    listen(bench)
    assert dial(bench) == "connected"
