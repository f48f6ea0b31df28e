"""Time: the order of events, clocks that drift, processes that stand still and die."""

import asyncio
from functools import partial
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from region_sim.kernel.machine import EPOCH_MS, Machine
from tests.sim.kernel.bench import Bench

# What is left of a process complains when it is collected, in whatever test that happens.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

RATES = st.floats(0.98, 1.02)
DELAYS_S = st.lists(st.floats(0, 100), min_size=1, max_size=20)


def test_time_moves_only_when_nothing_is_left_to_do(bench: Bench) -> None:
    seen: list[tuple[str, int]] = []

    def first() -> None:
        bench.a.call_soon(lambda: seen.append(("soon", bench.now_us)))
        bench.a.call_soon(lambda: bench.a.call_soon(lambda: seen.append(("then", bench.now_us))))

    bench.a.call_later(0.5, first)
    bench.a.call_later(0.500001, lambda: seen.append(("timer", bench.now_us)))
    bench.run(1_000_000)
    assert seen == [("soon", 500_000), ("then", 500_000), ("timer", 500_001)]
    assert bench.now_us == 1_000_000


@given(DELAYS_S)
def test_timers_run_at_their_times_and_equal_ones_in_the_order_of_asking(
    delays_s: list[float],
) -> None:
    bench = Bench()
    ran: list[tuple[float, int]] = []
    for number, delay_s in enumerate(delays_s):
        due_s = bench.a.time() + delay_s
        bench.a.call_at(due_s, lambda due=due_s, n=number: ran.append((due, n)))  # type: ignore[misc]
    bench.run(101_000_000)
    due_us = {number: bench.a.true_us(due_s) for due_s, number in ran}
    assert [number for _, number in ran] == sorted(due_us, key=lambda n: (due_us[n], n))
    assert len(ran) == len(delays_s)


@given(RATES, st.lists(RATES, max_size=4), DELAYS_S)
def test_a_timer_runs_when_the_own_clock_shows_its_time_however_fast_that_is(
    rate: float, changes: list[float], delays_s: list[float]
) -> None:
    bench = Bench()
    machine = bench.machine("c", rate=rate)
    for number, change in enumerate(changes):
        bench.at(1 + 17_000_000 * number, partial(machine.set_rate, change))
    late_s: list[float] = []
    for delay_s in delays_s:
        due_s = machine.time() + delay_s
        machine.call_at(due_s, lambda due=due_s: late_s.append(machine.time() - due))  # type: ignore[misc]
    bench.run(120_000_000)
    assert len(late_s) == len(delays_s)
    assert all(0 <= late < 3e-6 for late in late_s)


def test_a_clock_never_jumps_when_its_rate_changes_and_never_runs_back(bench: Bench) -> None:
    seen = [bench.a.time()]
    for rate in (1.02, 0.98, 1.0, 1.01):
        bench.a.set_rate(rate)
        assert bench.a.time() == pytest.approx(seen[-1], abs=1e-9)
        bench.run(10_000_000)
        seen.append(bench.a.time())
        assert seen[-1] - seen[-2] == pytest.approx(10 * rate)


def test_the_wall_clock_drifts_and_jumps(bench: Bench) -> None:
    bench.run(5_000_000)
    assert bench.a.wall_ms() == EPOCH_MS + 5000
    bench.a.set_rate(1.02)
    bench.run(100_000_000)
    assert bench.a.wall_ms() == EPOCH_MS + 5000 + 102_000
    bench.a.jump_ms = -30_000
    assert bench.a.wall_ms() == EPOCH_MS + 5000 + 72_000


def test_what_is_cancelled_does_not_run_also_when_it_was_ready(bench: Bench) -> None:
    ran: list[str] = []
    timer = bench.a.call_later(1, lambda: ran.append("timer"))
    bench.a.call_soon(lambda: ready.cancel())
    ready = bench.a.call_soon(lambda: ran.append("ready"))
    timer.cancel()
    timer.cancel()
    bench.run(2_000_000)
    assert ran == []
    assert timer.cancelled()


def test_thousands_of_cancelled_timers_leave_the_others_alone(bench: Bench) -> None:
    ran: list[int] = []
    for number in range(6000):
        timer = bench.a.call_later(number % 7, lambda n=number: ran.append(n))  # type: ignore[misc]
        if number % 10:
            timer.cancel()
    bench.run(10_000_000)
    assert sorted(ran) == list(range(0, 6000, 10))


# ---- a process that stands still --------------------------------------------------------------


def test_a_paused_process_does_later_what_was_due_meanwhile_in_its_order(bench: Bench) -> None:
    ran: list[tuple[float, int]] = []
    for due_s in (1.0, 2.0, 3.0, 6.0):
        bench.a.call_later(due_s, lambda due=due_s: ran.append((due, bench.now_us)))  # type: ignore[misc]
    bench.at(1_500_000, bench.a.pause)
    bench.at(5_000_000, bench.a.resume)
    bench.run(10_000_000)
    assert ran == [(1.0, 1_000_000), (2.0, 5_000_000), (3.0, 5_000_000), (6.0, 6_000_000)]


def test_what_is_due_at_the_moment_of_going_on_comes_after_what_was_due_before(
    bench: Bench,
) -> None:
    ran: list[str] = []
    bench.at(1_000_000, bench.a.pause)
    bench.a.call_later(2, lambda: ran.append("held"))
    bench.at(3_000_000, bench.a.resume)
    bench.at(3_000_000, lambda: bench.a.call_soon(lambda: ran.append("called")))
    bench.a.call_later(3, lambda: ran.append("due"))
    bench.run(4_000_000)
    assert ran == ["held", "due", "called"]


def test_a_process_that_is_paused_again_at_once_does_nothing_in_between(bench: Bench) -> None:
    ran: list[str] = []
    bench.at(1_000_000, bench.a.pause)
    bench.a.call_later(2, lambda: ran.append("first"))
    bench.at(3_000_000, bench.a.resume)
    bench.at(3_000_000, bench.a.pause)
    bench.run(5_000_000)
    assert ran == []
    bench.a.resume()
    bench.a.resume()
    bench.run(0)
    assert ran == ["first"]


def test_a_pause_does_not_stop_the_clock(bench: Bench) -> None:
    begin_s = bench.a.time()
    bench.a.pause()
    bench.run(7_000_000)
    bench.a.resume()
    assert bench.a.time() == pytest.approx(begin_s + 7)


# ---- a process that dies ----------------------------------------------------------------------


@pytest.mark.parametrize("is_paused", [False, True])
def test_a_killed_process_runs_nothing_more_not_even_finally(is_paused: bool) -> None:
    bench, ran = Bench(), []

    async def work() -> None:
        try:
            await asyncio.sleep(2)
            ran.append("slept")
        finally:
            ran.append("finally")

    task = bench.task(work())
    bench.a.call_later(2, lambda: ran.append("timer"))
    bench.a.run_in_executor(None, lambda: ran.append("disk"))
    if is_paused:
        bench.at(bench.now_us + 100, bench.a.pause)
        bench.at(3_000_000, bench.a.kill)
        bench.at(4_000_000, bench.a.resume)
    else:
        bench.at(bench.now_us + 100, bench.a.kill)
    bench.run(9_000_000)
    assert ran == []
    assert bench.a.tasks() == [task]
    assert not bench.a.is_running()


def test_a_process_that_kills_itself_in_the_middle_of_an_instant_stops_there(bench: Bench) -> None:
    ran: list[str] = []
    bench.a.call_soon(lambda: ran.append("before"))
    bench.a.call_soon(bench.a.kill)
    bench.a.call_soon(lambda: ran.append("after"))
    bench.b.call_soon(lambda: ran.append("other"))
    bench.run(0)
    assert ran == ["before", "other"]


# ---- tasks ------------------------------------------------------------------------------------


def steps_of(seed: int) -> list[str]:
    """The order in which four tasks and two callbacks run that are ready at one instant."""
    bench, ran = Bench(seed), []

    async def work(name: str) -> None:
        ran.append(name)

    held: list[object] = []

    def begin() -> None:
        held.extend(bench.a.create_task(work(name)) for name in ("1", "2"))

    bench.a.call_soon(begin)
    bench.a.call_soon(lambda: bench.a.call_soon(lambda: ran.append("callback")))
    bench.a.call_soon(begin)
    bench.run(0)
    return ran


def test_the_order_of_tasks_is_drawn_and_callbacks_stay_between_them() -> None:
    orders = {tuple(steps_of(seed)) for seed in range(20)}
    assert all(order[2] == "callback" for order in orders)
    assert {order[:2] for order in orders} == {("1", "2"), ("2", "1")}
    assert steps_of(3) == steps_of(3)


def test_what_a_callback_raises_is_kept_and_the_others_go_on() -> None:
    bench, ran = Bench(), []
    bench.a.call_soon(lambda: 1 // 0)
    bench.a.call_soon(lambda: ran.append("next"))
    bench.run(0)
    assert ran == ["next"]
    ((at_us, label, error),) = bench.a.failures
    assert (at_us, "lambda" in label) == (0, True)
    assert isinstance(error, ZeroDivisionError)


def test_timeouts_sleeps_and_events_of_asyncio_work_on_it(bench: Bench) -> None:
    async def work() -> list[float]:
        loop = asyncio.get_running_loop()
        begin_s, seen = loop.time(), []
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.5):
                await asyncio.sleep(9)
        seen.append(loop.time() - begin_s)
        event = asyncio.Event()
        loop.call_later(2, event.set)
        await asyncio.wait_for(event.wait(), 5)
        seen.append(loop.time() - begin_s)
        await asyncio.gather(*(asyncio.sleep(n) for n in (1, 3, 2)))
        seen.append(loop.time() - begin_s)
        return seen

    assert bench.call(work()) == pytest.approx([1.5, 3.5, 6.5], abs=1e-5)


# ---- the disk ---------------------------------------------------------------------------------


def test_a_slow_disk_answers_late_and_holds_up_nothing_else(bench: Bench) -> None:
    bench.a.disk_us = lambda: 2_000_000

    async def work() -> tuple[int, int]:
        done = bench.a.run_in_executor(None, lambda: bench.now_us)
        await asyncio.sleep(0.5)
        return bench.now_us, await done

    assert bench.call(work()) == (500_000, 2_000_000)


def test_work_for_the_disk_is_done_in_the_order_of_asking_also_when_it_gets_faster(
    bench: Bench,
) -> None:
    syncs = iter([3_000_000, 300, 300])
    bench.a.disk_us = lambda: next(syncs)
    done: list[tuple[str, int]] = []
    for name in ("first", "second"):
        bench.a.run_in_executor(None, lambda n=name: done.append((n, bench.now_us)))  # type: ignore[misc]
    bench.run(5_000_000)
    assert done == [("first", 3_000_000), ("second", 3_000_300)]
    bench.a.run_in_executor(None, lambda: done.append(("third", bench.now_us)))
    bench.run(5_000_000)
    assert done[2] == ("third", 5_000_300)


def test_a_full_disk_refuses_without_doing_the_work(bench: Bench) -> None:
    bench.a.disk_error = lambda: OSError(28, "the disk is full")
    done: list[str] = []

    async def work() -> None:
        await bench.a.run_in_executor(None, done.append, "written")

    with pytest.raises(OSError, match="full"):
        bench.call(work())
    assert done == []


def test_what_the_work_raises_goes_to_the_one_who_asked(bench: Bench) -> None:
    async def work() -> None:
        await bench.a.run_in_executor(None, lambda: 1 // 0)

    with pytest.raises(ZeroDivisionError):
        bench.call(work())


@given(st.integers(0, 1000))
def test_the_same_seed_gives_the_same_trace(seed: int) -> None:
    def trace() -> tuple[str, list[str] | None]:
        bench, random = Bench(seed, jitter=0.5), Random(seed)

        async def work(machine: Machine) -> None:
            for _ in range(3):
                await asyncio.sleep(random.choice([0, 0.1, 1]))

        for _ in range(3):
            bench.task(work(bench.a))
            bench.task(work(bench.b), bench.b)
        bench.run(10_000_000)
        return bench.scheduler.trace.digest(), bench.scheduler.trace.events

    assert trace() == trace()
